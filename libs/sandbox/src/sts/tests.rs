//! The real SDK against STS, and the raw Query API for what the SDK does not send.

use serde_json::{Value, json};

use crate::cloud_fixture::{Fixture, REGION};
use crate::policies::{application_subject, service_subject};
use crate::source::SystemClock;
use mint_types::{Clock, ServiceName};

const ROLE: &str = "arn:aws:iam::111111111111:role/mint-reader-abc";

async fn assume(
    fixture: &Fixture,
    role: &str,
    token: &str,
    seconds: i32,
) -> Result<aws_credential_types::Credentials, String> {
    let call = fixture.sts().assume_role_with_web_identity().role_arn(role).role_session_name("test");
    match call.web_identity_token(token).duration_seconds(seconds).send().await {
        Ok(answer) => {
            let given = answer.credentials.unwrap();
            let expires = given.expiration.secs() - SystemClock.now().unix_millis() / 1000;
            assert!((i64::from(seconds) - 5..=i64::from(seconds)).contains(&expires), "{expires}");
            let token = Some(given.session_token);
            Ok(aws_credential_types::Credentials::new(
                given.access_key_id,
                given.secret_access_key,
                token,
                None,
                "t",
            ))
        }
        Err(error) => Err(code(&error)),
    }
}

fn code<E: aws_sdk_sts::error::ProvideErrorMetadata>(error: &aws_sdk_sts::error::SdkError<E>) -> String {
    error.as_service_error().and_then(|error| error.code()).unwrap_or("none").to_owned()
}

fn token_with(fixture: &Fixture, change: impl FnOnce(&mut Value)) -> String {
    let now = SystemClock.now().unix_millis() / 1000;
    let mut claims = json!({
        "iss": fixture.cloud.platform.issuer(), "sub": application_subject("abc"), "aud": "sts.amazonaws.com",
        "iat": now, "nbf": now, "exp": now + 600,
    });
    change(&mut claims);
    fixture.cloud.platform.sign(&claims).unwrap()
}

#[tokio::test]
async fn the_token_file_of_an_application_opens_its_own_role() {
    let fixture = Fixture::start().await;
    let token = std::fs::read_to_string(fixture.directory.path().join("applications/abc/token")).unwrap();
    let credentials = assume(&fixture, ROLE, &token, 900).await.unwrap();
    let missing = fixture
        .client_with(credentials, REGION)
        .get_object()
        .bucket("stups-mint")
        .key("mint/abc/x")
        .send()
        .await;
    // Refused for the missing object, not for the session: that would be InvalidToken.
    assert_eq!(crate::cloud_fixture::verdict(&missing), "AccessDenied");
    let calls = fixture.cloud.ground.calls.since(0);
    assert_eq!(calls[0].api, "sts.AssumeRoleWithWebIdentity");
    assert_eq!(
        (&*calls[0].principal, calls[0].application.as_deref()),
        ("system:serviceaccount:applications:abc", Some("abc"))
    );
}

#[tokio::test]
async fn a_role_trusts_one_subject_only() {
    let fixture = Fixture::start().await;
    let token = |subject: &str| fixture.cloud.platform.token(subject).unwrap();
    let (abc, distributor) =
        (token(&application_subject("abc")), token(&service_subject(ServiceName::Distributor)));
    let mint = |service: &str| format!("arn:aws:iam::000000000000:role/mint-{service}");
    assert!(assume(&fixture, &mint("distributor"), &distributor, 3600).await.is_ok());
    for (role, token) in [
        (mint("distributor"), &abc),
        (mint("rotator"), &distributor),
        (ROLE.to_owned(), &distributor),
        ("arn:aws:iam::111111111111:role/mint-reader-abcd".to_owned(), &abc),
        ("arn:aws:iam::222222222222:role/mint-reader-abc".to_owned(), &abc),
        ("arn:aws:iam::111111111111:role/mint-reader-nobody".to_owned(), &abc),
        ("arn:aws:iam::111111111111:role/mint-distributor".to_owned(), &distributor),
        (mint("nobody"), &distributor),
        ("arn:aws:iam::000000000000:role/admin-but-long-enough".to_owned(), &distributor),
    ] {
        assert_eq!(assume(&fixture, &role, token, 900).await.unwrap_err(), "AccessDenied", "{role}");
    }
}

#[tokio::test]
async fn each_fault_of_a_token_has_its_own_code() {
    let fixture = Fixture::start().await;
    let now = SystemClock.now().unix_millis() / 1000;
    let good = token_with(&fixture, |_| {});
    assert!(assume(&fixture, ROLE, &good, 900).await.is_ok());
    let listed = token_with(&fixture, |claims| claims["aud"] = json!(["other", "sts.amazonaws.com"]));
    assert!(assume(&fixture, ROLE, &listed, 900).await.is_ok());
    let (head, signature) = good.rsplit_once('.').unwrap();
    let other = Fixture::start().await;
    for (token, expected) in [
        (token_with(&fixture, |claims| claims["exp"] = json!(now - 1)), "ExpiredTokenException"),
        (token_with(&fixture, |claims| claims["nbf"] = json!(now + 600)), "IDPRejectedClaim"),
        (token_with(&fixture, |claims| claims["sub"] = json!("")), "IDPRejectedClaim"),
        (
            token_with(&fixture, |claims| claims["sub"] = json!("system:serviceaccount:applications:abcd")),
            "AccessDenied",
        ),
        (
            token_with(&fixture, |claims| claims["aud"] = json!("sts.amazonaws.com.evil")),
            "InvalidIdentityToken",
        ),
        (token_with(&fixture, |claims| claims["aud"] = json!([])), "InvalidIdentityToken"),
        (
            token_with(&fixture, |claims| claims["iss"] = json!("http://127.0.0.1:1/platform")),
            "InvalidIdentityToken",
        ),
        (token_with(&other, |_| {}), "InvalidIdentityToken"),
        (format!("{head}.{}", signature.chars().rev().collect::<String>()), "InvalidIdentityToken"),
        ("not-a-token".to_owned(), "InvalidIdentityToken"),
    ] {
        assert_eq!(assume(&fixture, ROLE, &token, 900).await.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn everything_but_assume_role_with_web_identity_is_refused() {
    let fixture = Fixture::start().await;
    let token = token_with(&fixture, |_| {});
    let good = |extra: &str| {
        format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={ROLE}&RoleSessionName=test&WebIdentityToken={token}{extra}"
        )
    };
    for (form, status, code) in [
        (good(""), 200, "<AccessKeyId>ASIA"),
        ("Action=AssumeRole&Version=2011-06-15".to_owned(), 403, "AccessDenied"),
        ("Action=GetCallerIdentity&Version=2011-06-15".to_owned(), 403, "AccessDenied"),
        ("Action=GetSessionToken&Version=2011-06-15".to_owned(), 403, "AccessDenied"),
        ("Action=Frobnicate&Version=2011-06-15".to_owned(), 400, "InvalidAction"),
        (String::new(), 400, "InvalidAction"),
        (good("&DurationSeconds=899"), 400, "ValidationError"),
        (good("&DurationSeconds=43201"), 400, "ValidationError"),
        (good("&DurationSeconds=x"), 400, "ValidationError"),
        (good("&Policy=%7B%7D"), 400, "ValidationError"),
        (good("&PolicyArns.member.1.arn=x"), 400, "ValidationError"),
        (good("&RoleArn=x"), 400, "ValidationError"),
        (good("").replace("RoleSessionName=test", "RoleSessionName=a/b"), 400, "ValidationError"),
        (good("").replace("Version=2011-06-15&", ""), 400, "ValidationError"),
    ] {
        let request = http::Request::post(format!("{}/sts", fixture.url())).body(form.clone()).unwrap();
        let (answered, body) = fixture.raw(request).await;
        assert_eq!((answered, body.contains(code)), (status, true), "{form}: {body}");
    }
}

#[tokio::test]
async fn token_files_are_private_whole_and_renewed() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::start().await;
    let path = |rest: &str| fixture.directory.path().join(rest);
    for file in ["run/tokens/distributor/token", "run/tokens/audit/token", "applications/abcd/token"] {
        let token = std::fs::read_to_string(path(file)).unwrap();
        assert_eq!((token.matches('.').count(), token.trim() == token), (2, true), "{file}");
        assert_eq!(std::fs::metadata(path(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    let world = fixture.cloud.ground.world_now();
    let before = std::fs::read_to_string(path("applications/abc/token")).unwrap();
    fixture.cloud.platform.renew(&world).unwrap();
    assert_eq!(
        std::fs::read_to_string(path("applications/abc/token")).unwrap(),
        before,
        "a fresh token stays"
    );
    let now = SystemClock.now().unix_millis() / 1000;
    let old = token_with(&fixture, |claims| claims["exp"] = json!(now + 1700));
    std::fs::write(path("applications/abc/token"), &old).unwrap();
    fixture.cloud.platform.renew(&world).unwrap();
    assert_ne!(
        std::fs::read_to_string(path("applications/abc/token")).unwrap(),
        old,
        "half of its time is over"
    );
}

#[tokio::test]
async fn the_platform_publishes_the_key_that_signs() {
    let fixture = Fixture::start().await;
    let fetch = |path: &str| {
        http::Request::get(format!("{}/platform{path}", fixture.url())).body(String::new()).unwrap()
    };
    let (_, discovery) = fixture.raw(fetch("/.well-known/openid-configuration")).await;
    let discovery: Value = serde_json::from_str(&discovery).unwrap();
    assert_eq!(discovery["issuer"], format!("{}/platform", fixture.url()));
    let (_, jwks) = fixture.raw(fetch("/jwks")).await;
    let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&jwks).unwrap();
    let token = token_with(&fixture, |_| {});
    let header = jsonwebtoken::decode_header(&token).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(jwks.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.set_audience(&["sts.amazonaws.com"]);
    let decoded = jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();
    assert_eq!(decoded.claims["sub"], "system:serviceaccount:applications:abc");
}
