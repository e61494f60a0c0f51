"""An application of the field: the AWS SDK for Python with the environment that Mint gave it, then the login of COMPAT."""

import base64
import json
import os
import sys
import urllib.parse
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

token_url, other = sys.argv[1:]
application, bucket = os.environ["MINT_APPLICATION"], os.environ["MINT_BUCKET"]
prefix = os.environ["MINT_PREFIX"] + "/" if os.environ.get("MINT_PREFIX") else ""
s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}))


def fetch(name):
    answer = s3.get_object(Bucket=bucket, Key=f"{prefix}{application}/{name}")
    assert answer["ContentType"] == "application/json", answer["ContentType"]
    return json.loads(answer["Body"].read())


names = ["credentials.json"] if os.environ["MINT_LAYOUT"] == "combined" else ["user.json", "client.json"]
found = {}
for name in names:
    found.update(fetch(name))
assert {"application_username", "application_password", "client_id", "client_secret"} <= set(found), sorted(found)

form = urllib.parse.urlencode(
    {
        "grant_type": "password",
        "username": found["application_username"],
        "password": found["application_password"],
        "scope": "cn uid",
    }
)
basic = base64.b64encode(f"{found['client_id']}:{found['client_secret'] or ''}".encode()).decode()
request = urllib.request.Request(token_url, form.encode(), {"Authorization": f"Basic {basic}"})
assert json.load(urllib.request.urlopen(request, timeout=20))["access_token"]


def refused(what, call):
    try:
        call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        assert code == "AccessDenied", f"{what}: {code}"
        return
    raise AssertionError(f"{what} was not refused")


own = f"{prefix}{application}/{names[0]}"
refused("another's directory", lambda: s3.get_object(Bucket=bucket, Key=f"{prefix}{other}/user.json"))
refused("a list", lambda: s3.list_objects_v2(Bucket=bucket))
refused("a list of its own directory", lambda: s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}{application}/"))
refused("a write", lambda: s3.put_object(Bucket=bucket, Key=own, Body=b"{}"))
refused("a delete", lambda: s3.delete_object(Bucket=bucket, Key=own))
