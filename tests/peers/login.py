"""Logs in once with the files of a directory, as COMPAT section 1 says. usage: login.py DIRECTORY TOKEN_URL [UNTIL]

A refusal after UNTIL (seconds since 1970: the overlap of what was fetched may be over) says nothing: exit code 75.
"""
import base64
import json
import pathlib
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

directory, token_url = sys.argv[1:3]
until = float(sys.argv[3]) if len(sys.argv) > 3 else float("inf")
found = {}
for file in pathlib.Path(directory).glob("*.json"):
    found |= json.loads(file.read_text())
basic = base64.b64encode(f"{found['client_id']}:{found['client_secret'] or ''}".encode()).decode()
form = {
    "grant_type": "password",
    "username": found["application_username"],
    "password": found["application_password"],
    "scope": "cn uid",
}
request = urllib.request.Request(
    token_url, urllib.parse.urlencode(form).encode(), {"authorization": "Basic " + basic}
)
try:
    answer = json.load(urllib.request.urlopen(request, timeout=30))
except urllib.error.HTTPError as refusal:
    if time.time() > until:
        sys.exit(75)
    sys.exit(f"{found['application_username']}: {refusal.code} {refusal.read().decode()}")
assert answer["access_token"], answer
