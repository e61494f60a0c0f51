//! Who signed, for where, for how long.

use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use mint_types::Clock;

use super::{BUCKET, OWNER, deliver, fetch};
use crate::cloud_fixture::{Fixture, REGION, verdict};
use crate::source::SystemClock;

#[tokio::test]
async fn a_signature_for_another_region_is_refused_with_the_right_one() {
    let fixture = Fixture::start().await;
    let role = "arn:aws:iam::000000000000:role/mint-distributor";
    let put = |region: &'static str, bucket: &'static str| {
        let client = fixture.client_with(fixture.credentials_for(role, 900), region);
        async move {
            let result = client
                .put_object()
                .bucket(bucket)
                .key("bare/x")
                .body(ByteStream::from_static(b"{}"))
                .send()
                .await;
            let header = result
                .as_ref()
                .err()
                .and_then(|error| error.raw_response())
                .and_then(|raw| raw.headers().get("x-amz-bucket-region").map(str::to_owned));
            (verdict(&result), header)
        }
    };
    assert_eq!(put("us-east-1", "stups-far").await, ("200".to_owned(), None));
    let malformed = "AuthorizationHeaderMalformed".to_owned();
    assert_eq!(put(REGION, "stups-far").await, (malformed.clone(), Some("us-east-1".to_owned())));
    assert_eq!(put("us-east-1", "stups-bare").await, (malformed, Some(REGION.to_owned())));
    let client = fixture.client_with(fixture.credentials_for(role, 900), "us-east-1");
    let presigned =
        client.put_object().bucket(BUCKET).key("mint/abc/x").presigned(lasting(60, 0)).await.unwrap();
    let (status, body) = fixture.raw(request("PUT", presigned.uri(), presigned.headers())).await;
    assert_eq!((status, body.contains("AuthorizationQueryParametersError")), (400, true), "{body}");
}

fn lasting(seconds: u64, ago: u64) -> PresigningConfig {
    let now = Duration::from_micros(u64::try_from(SystemClock.now().unix_micros()).unwrap());
    let start = UNIX_EPOCH + now - Duration::from_secs(ago);
    PresigningConfig::builder().start_time(start).expires_in(Duration::from_secs(seconds)).build().unwrap()
}

fn request<'h>(
    method: &str,
    uri: &str,
    headers: impl Iterator<Item = (&'h str, &'h str)>,
) -> http::Request<String> {
    let mut request = http::Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let body = if method == "PUT" { r#"{"presigned": true}"# } else { "" };
    request.body(body.to_owned()).unwrap()
}

#[tokio::test]
async fn a_presigned_put_is_good_until_it_expires_and_for_nothing_else() {
    let fixture = Fixture::start().await;
    let put = || {
        let put = fixture.service("distributor").put_object().bucket(BUCKET).key("mint/abc/user.json");
        put.expected_bucket_owner(OWNER).content_type("application/json")
    };
    let good = put().presigned(lasting(60, 0)).await.unwrap();
    let (status, body) = fixture.raw(request("PUT", good.uri(), good.headers())).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(fetch(&fixture.reader("abc"), BUCKET, "mint/abc/user.json").await, "200");

    let expired = put().presigned(lasting(60, 61)).await.unwrap();
    let (status, body) = fixture.raw(request("PUT", expired.uri(), expired.headers())).await;
    assert_eq!(
        (status, body.contains("<Code>AccessDenied</Code>"), body.contains("expired")),
        (403, true, true),
        "{body}"
    );

    let elsewhere = good.uri().replace("/mint/abc/", "/mint/abcd/");
    let (status, body) = fixture.raw(request("PUT", &elsewhere, good.headers())).await;
    assert_eq!((status, body.contains("SignatureDoesNotMatch")), (403, true), "{body}");

    let longer = good.uri().replace("X-Amz-Expires=60", "X-Amz-Expires=600");
    assert_eq!(fixture.raw(request("PUT", &longer, good.headers())).await.0, 403);
    assert_eq!(fixture.raw(request("GET", good.uri(), good.headers())).await.0, 403);

    let smuggled = good.headers().chain([("x-amz-acl", "public-read")]);
    let (status, body) = fixture.raw(request("PUT", good.uri(), smuggled)).await;
    assert_eq!((status, body.contains("was not signed")), (403, true), "{body}");
}

#[tokio::test]
async fn a_stolen_access_key_is_worth_nothing_without_its_own_session_token() {
    let fixture = Fixture::start().await;
    deliver(&fixture, BUCKET, "mint/abc/user.json", "{}").await;
    let role = "arn:aws:iam::111111111111:role/mint-reader-abc";
    let own = fixture.credentials_for(role, 900);
    let other = fixture.credentials_for("arn:aws:iam::000000000000:role/mint-distributor", 900);
    let with = |token: Option<&str>, credentials: &aws_credential_types::Credentials| {
        let (key, secret) = (credentials.access_key_id(), credentials.secret_access_key());
        aws_credential_types::Credentials::new(key, secret, token.map(str::to_owned), None, "test")
    };
    let secretless = aws_credential_types::Credentials::new(
        own.access_key_id(),
        "wrong",
        own.session_token().map(str::to_owned),
        None,
        "test",
    );
    for (credentials, expected) in [
        (own.clone(), "200"),
        (with(None, &own), "InvalidAccessKeyId"),
        (with(other.session_token(), &own), "InvalidToken"),
        (with(Some("x"), &own), "InvalidToken"),
        (secretless, "SignatureDoesNotMatch"),
        (fixture.credentials_for(role, -1), "ExpiredToken"),
        (
            aws_credential_types::Credentials::new("AKIAIOSFODNN7EXAMPLE", "x", None, None, "test"),
            "InvalidAccessKeyId",
        ),
        (fixture.credentials_for("arn:aws:iam::111111111111:role/mint-reader-nobody", 900), "AccessDenied"),
        (fixture.credentials_for("arn:aws:iam::222222222222:role/mint-reader-abc", 900), "AccessDenied"),
    ] {
        let client = fixture.client_with(credentials, REGION);
        assert_eq!(fetch(&client, BUCKET, "mint/abc/user.json").await, expected);
    }
}

#[tokio::test]
async fn other_ways_to_authenticate_are_refused() {
    let fixture = Fixture::start().await;
    let url = |rest: &str| format!("{}/{BUCKET}{rest}", fixture.s3_url());
    let plain = |method: &str, uri: String| {
        http::Request::builder().method(method).uri(uri).body(String::new()).unwrap()
    };
    for request in [
        plain("GET", url("/mint/abc/user.json")),
        plain("GET", url("")),
        plain("DELETE", url("/mint/abc/user.json")),
        plain("GET", url("/mint/abc/user.json?AWSAccessKeyId=x&Expires=1&Signature=y")),
        http::Request::get(url("/x")).header("authorization", "AWS x:y").body(String::new()).unwrap(),
        http::Request::get(url("/x")).header("authorization", "Bearer x").body(String::new()).unwrap(),
        http::Request::post(url(""))
            .header("content-type", "multipart/form-data; boundary=x")
            .body("--x--".into())
            .unwrap(),
    ] {
        let what = format!("{} {}", request.method(), request.uri());
        let (status, body) = fixture.raw(request).await;
        assert!(status == 403 || status == 400, "{what}: {status} {body}");
    }
}
