use std::sync::Arc;

use mint_api::audit_log::{Act, AuditLog as _, MemoryAuditLog};
use mint_aws::{Environment, StaticKeys};
use mint_secret::Zeroizing;
use mint_testkit::{HttpStub, ManualClock, SeededEntropy, StubAnswer, StubRequest};
use mint_types::{Bucket, Clock as _, RequestId};

use super::*;

const OBJECT: &[u8] = b"{\"application_username\": \"stups_shop\"}";

fn sts() -> StubAnswer {
    StubAnswer::status(
        200,
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId>\
         <SecretAccessKey>k</SecretAccessKey><SessionToken>s</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
         </AssumeRoleWithWebIdentityResponse>",
    )
}

fn etag(body: &[u8]) -> String {
    format!("\"{}\"", hex::encode(Body::new(Zeroizing::new(body.to_vec())).md5()))
}

/// STS and S3 behind one port; S3 answers what it is told.
fn stub(answer: impl Fn(&StubRequest) -> StubAnswer + Send + Sync + 'static) -> HttpStub {
    HttpStub::start(move |request| if request.target.starts_with("/sts") { sts() } else { answer(request) })
}

fn s3(stub: &HttpStub, token_file: &std::path::Path) -> S3 {
    let lookup = |name: &str| {
        Some(match name {
            "AWS_ROLE_ARN" => "arn:aws:iam::000000000000:role/mint-distributor".to_owned(),
            "AWS_WEB_IDENTITY_TOKEN_FILE" => token_file.display().to_string(),
            "AWS_REGION" => "eu-central-1".to_owned(),
            "AWS_ENDPOINT_URL_STS" => format!("{}/sts", stub.url()),
            "AWS_ENDPOINT_URL_S3" => stub.url().to_owned(),
            _ => return None,
        })
    };
    let environment = Environment::from_lookup(&lookup, "test", StaticKeys::Refuse).unwrap();
    let (endpoint, region) = (environment.s3_endpoint.clone(), environment.region.clone());
    let session =
        Session::new(environment, Arc::new(ManualClock::default()), Arc::new(SeededEntropy::default()));
    let (expiry, deadline) = (Duration::from_mins(1), Duration::from_secs(2));
    S3::new(session, HttpClient::new(), endpoint, region, expiry, deadline)
}

fn destination() -> Destination {
    Destination {
        bucket: Bucket {
            name: "team.bucket".parse().unwrap(),
            region: Some("eu-west-1".to_owned()),
            endpoint: None,
            kms_key_id: None,
        },
        account_id: Some("123456789012".parse().unwrap()),
        key: "mint/shop/user.json".to_owned(),
    }
}

async fn announced() -> Announced {
    let act = Act {
        action: "credential.deliver",
        application: None,
        kind: None,
        resource: String::new(),
        rotation: None,
        request: RequestId::random(&SeededEntropy::default()),
    };
    MemoryAuditLog::default().announce(act).await.unwrap()
}

async fn put(stub: &HttpStub, destination: &Destination) -> PutAnswer {
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "token").unwrap();
    let store = s3(stub, token.path());
    let body = Body::new(Zeroizing::new(OBJECT.to_vec()));
    let signed = match store.sign(destination, &body, ManualClock::default().now()).await {
        Ok(signed) => signed,
        Err(trouble) => return PutAnswer::Refused(trouble),
    };
    store.put_object(signed, &body, &announced().await).await
}

fn puts(stub: &HttpStub) -> Vec<StubRequest> {
    stub.requests().into_iter().filter(|request| request.method == "PUT").collect()
}

#[tokio::test]
async fn a_put_is_presigned_for_its_bytes_its_region_and_its_owner() {
    let stub = stub(|request| StubAnswer::status(200, "").with("etag", &etag(&request.body)));
    assert_eq!(put(&stub, &destination()).await, PutAnswer::Written);
    let request = puts(&stub).remove(0);
    let (path, query) = request.target.split_once('?').unwrap();
    assert_eq!(path, "/team.bucket/mint/shop/user.json");
    for part in [
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "X-Amz-Date=20261122T000000Z",
        "X-Amz-Expires=60",
        "X-Amz-Credential=ASIAEXAMPLE%2F20261122%2Feu-west-1%2Fs3%2Faws4_request",
        "X-Amz-Security-Token=s",
        "X-Amz-Signature=",
    ] {
        assert!(query.contains(part), "{part} is not in {query}");
    }
    let signed = query.split('&').find(|part| part.starts_with("X-Amz-SignedHeaders=")).unwrap();
    for header in ["content-md5", "content-type", "host", "x-amz-expected-bucket-owner"] {
        assert!(signed.contains(header), "{header} is not in {signed}");
    }
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("x-amz-expected-bucket-owner"), "123456789012");
    assert_eq!(
        request.header("content-md5"),
        STANDARD.encode(Body::new(Zeroizing::new(OBJECT.to_vec())).md5())
    );
    assert_eq!(request.header("x-amz-server-side-encryption"), "");
    assert_eq!(request.body, OBJECT);
}

#[tokio::test]
async fn a_kms_key_is_asked_for_and_its_etag_believed() {
    let stub = stub(|_| StubAnswer::status(200, "").with("etag", "\"opaque\""));
    let mut destination = destination();
    destination.bucket.kms_key_id = Some("alias/mint".to_owned());
    assert_eq!(put(&stub, &destination).await, PutAnswer::Written);
    let request = puts(&stub).remove(0);
    assert_eq!(request.header("x-amz-server-side-encryption"), "aws:kms");
    assert_eq!(request.header("x-amz-server-side-encryption-aws-kms-key-id"), "alias/mint");
    let signed = request.target.split('&').find(|part| part.starts_with("X-Amz-SignedHeaders=")).unwrap();
    assert!(signed.contains("x-amz-server-side-encryption"), "{signed}");
}

#[tokio::test]
async fn a_put_is_sent_once_whatever_comes_back() {
    let reason = |answer: PutAnswer| match answer {
        PutAnswer::Written => "written",
        PutAnswer::Refused(trouble) | PutAnswer::Unknown(trouble) => trouble.reason,
    };
    let error = |code: &str| format!("<Error><Code>{code}</Code></Error>");
    for (answer, expected) in [
        (StubAnswer::status(200, "<html>welcome</html>"), "DESTINATION_UNKNOWN_OUTCOME"),
        (StubAnswer::status(500, &error("InternalError")), "DESTINATION_UNKNOWN_OUTCOME"),
        (StubAnswer::status(503, &error("SlowDown")), "DESTINATION_UNKNOWN_OUTCOME"),
        (StubAnswer::HangUp, "DESTINATION_UNKNOWN_OUTCOME"),
        (StubAnswer::status(301, &error("PermanentRedirect")), "DESTINATION_WRONG_REGION"),
        (StubAnswer::status(403, &error("AccessDenied")), "DESTINATION_REFUSED"),
        (StubAnswer::status(404, &error("NoSuchBucket")), "DESTINATION_REFUSED"),
    ] {
        let shown = format!("{answer:?}");
        let stub = stub(move |_| answer.clone());
        assert_eq!(reason(put(&stub, &destination()).await), expected, "{shown}");
        assert_eq!(puts(&stub).len(), 1, "{shown}");
    }
}

#[tokio::test]
async fn a_store_that_is_not_there_is_unreachable_and_surely_not_written() {
    let stub = stub(|_| StubAnswer::HangUp);
    let mut destination = destination();
    let nobody = format!("http://127.0.0.1:{}", mint_testkit::free_port());
    destination.bucket.endpoint = Some(nobody.parse().unwrap());
    let PutAnswer::Refused(trouble) = put(&stub, &destination).await else {
        panic!("nothing was sent");
    };
    assert_eq!(trouble.reason, "DESTINATION_UNREACHABLE");
}

#[tokio::test]
async fn an_endpoint_with_a_path_names_another_bucket_and_gets_nothing() {
    let stub = stub(|_| StubAnswer::status(200, ""));
    for rest in ["/other-bucket", "/other-bucket/", "?other"] {
        let mut destination = destination();
        destination.bucket.endpoint = Some(format!("{}{rest}", stub.url()).parse().unwrap());
        let PutAnswer::Refused(trouble) = put(&stub, &destination).await else {
            panic!("{rest}: nothing may be sent");
        };
        assert_eq!(trouble.reason, "SETTINGS_INVALID", "{rest}");
    }
    assert!(puts(&stub).is_empty());
}

#[tokio::test]
async fn without_credentials_nothing_is_signed() {
    let stub = HttpStub::start(|_| {
        let error = "<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error>";
        StubAnswer::status(403, &format!("<ErrorResponse>{error}</ErrorResponse>"))
    });
    let PutAnswer::Refused(trouble) = put(&stub, &destination()).await else {
        panic!("nothing was sent");
    };
    assert_eq!(trouble.reason, "DESTINATION_UNREACHABLE");
    assert!(
        trouble.detail.starts_with("STS: ") && trouble.detail.contains("AccessDenied"),
        "{}",
        trouble.detail
    );
    assert!(puts(&stub).is_empty());
}
