//! The calls, end to end.

use aws_sdk_s3::error::ProvideErrorMetadata;
use mint_api::WireFault;
use mint_api::audit::v1::{AppendRequest, Phase};
use mint_api::broker::v1::broker_service_client::BrokerServiceClient;
use mint_api::broker::v1::{ListSigningKeysRequest, SignTokenRequest};
use mint_runtime::{Channel, client};
use mint_types::ServiceName;
use serde_json::{Value, json};

use crate::stage::{BUCKET, ROLE, Stage};

const JWT: &str = "/v1/mint-oidc-jwt";
const CREDS: &str = "/v1/mint-aws-creds";
const TAGS: &str = "https://aws.amazon.com/tags";

/// What S3 says to a list of a prefix: the keys, or the code of the refusal.
async fn listed(client: &aws_sdk_s3::Client, prefix: Option<&str>) -> Result<Vec<String>, String> {
    let answer = client.list_objects_v2().bucket(BUCKET).set_prefix(prefix.map(str::to_owned)).send().await;
    match answer {
        Ok(page) => Ok(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect()),
        Err(error) => Err(error.code().unwrap_or("none").to_owned()),
    }
}

async fn read(client: &aws_sdk_s3::Client, key: &str) -> Result<String, String> {
    match client.get_object().bucket(BUCKET).key(key).send().await {
        Ok(object) => {
            let bytes = object.body.collect().await.unwrap().into_bytes();
            Ok(String::from_utf8(bytes.to_vec()).unwrap())
        }
        Err(error) => Err(error.code().unwrap_or("none").to_owned()),
    }
}

fn denied<T>() -> Result<T, String> {
    Err("AccessDenied".to_owned())
}

/// The reader of `own` reads that, and nothing else, and writes nothing.
async fn is_isolated(client: &aws_sdk_s3::Client, own: &str, other: &str) {
    assert_eq!(listed(client, Some(&format!("{own}/"))).await, Ok(vec![format!("{own}/user.json")]));
    assert_eq!(read(client, &format!("{own}/user.json")).await, Ok(format!("what is in {own}/user.json")));
    for prefix in ["0xdeadbeef/", other, &format!("{other}/"), ""] {
        assert_eq!(listed(client, Some(prefix)).await, denied(), "{own} lists {prefix:?}");
    }
    assert_eq!(listed(client, None).await, denied(), "{own} lists everything");
    for key in ["0xdeadbeef/user.json", &format!("{other}/user.json"), "user.json"] {
        assert_eq!(read(client, key).await, denied(), "{own} reads {key}");
    }
    let put = client.put_object().bucket(BUCKET).key(format!("{own}/user.json")).body(b"x".to_vec().into());
    assert_eq!(put.send().await.unwrap_err().code(), Some("AccessDenied"), "{own} writes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_brokers_reader_lists_and_reads_its_own_directory_and_no_other() {
    let stage = Stage::set().await;
    stage.deliver("abc/user.json").await;
    stage.deliver("abcd/user.json").await;
    let broker = stage.broker();
    let before = stage.exchanges().await;

    let seen = stage.post_as(CREDS, &stage.session("ci-abc", |_| {})).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    let mut fields: Vec<&str> = seen.body.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    let expected =
        ["access_key_id", "audit_record_id", "expiration", "secret_access_key", "session_token", "wallet"];
    assert_eq!((fields, &seen.body["wallet"]), (expected.to_vec(), &"abc".into()));
    let part = |name: &str| seen.body[name].as_str().unwrap().to_owned();
    let reader = stage.s3(&part("access_key_id"), &part("secret_access_key"), &part("session_token"));
    is_isolated(&reader, "abc", "abcd").await;

    let again = stage.post_as(CREDS, &stage.session("ci-abc", |_| {})).await;
    assert_eq!(again.body, seen.body, "fresh ones are handed out again");
    assert_eq!(stage.exchanges().await, before + 1);

    let entries = stage.log.entries();
    assert_eq!(entries.iter().map(AppendRequest::phase).collect::<Vec<_>>(), [Phase::Init, Phase::Complete]);
    assert_eq!(seen.body["audit_record_id"], "0");
    for act in entries.iter().filter_map(|entry| entry.act.as_ref()) {
        assert_eq!(
            (act.requested_role.as_str(), act.resource.as_str(), act.subject.as_str()),
            ("data-role-via-jwt", ROLE, "ci-abc")
        );
        assert_eq!((act.action.as_str(), act.application_id.as_str()), ("credentials.exchange", "abc"));
    }
    let log = broker.log();
    for secret in ["secret_access_key", "session_token"] {
        assert!(!log.contains(&part(secret)), "{secret} is in the log");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_signs_itself_in_by_its_certificate_and_exchanges_its_token_itself() {
    let stage = Stage::set().await;
    stage.deliver("abc/user.json").await;
    stage.deliver("abcd/user.json").await;
    let _broker = stage.broker();
    let peer = |principal: &str| -> BrokerServiceClient<Channel> {
        let own = stage.pki.issue_path(principal);
        let url = format!("https://localhost:{}", stage.port).parse().unwrap();
        let channel = client::connect(&url, stage.pki.ca(), own.cert, own.key, None, ServiceName::Broker);
        BrokerServiceClient::new(channel.unwrap())
    };
    let signed = peer("application/abcd").sign_token(SignTokenRequest::default()).await.unwrap().into_inner();
    assert_eq!((signed.tag_key.as_str(), signed.tag_value.as_str()), ("mint_application", "abcd"));
    assert_eq!((signed.role_arn.as_str(), signed.session_name.as_str()), (ROLE, "itself"));
    let reader = stage.exchange(&signed.role_arn, &signed.token).await.unwrap();
    is_isolated(&reader, "abcd", "abc").await;

    let ungranted = peer("application/abc").sign_token(SignTokenRequest::default()).await.unwrap_err();
    assert_eq!(WireFault::from_status(&ungranted).reason, "NOT_GRANTED");
    for stranger in ["operator/operator", "service/rotator"] {
        let refused = peer(stranger).sign_token(SignTokenRequest::default()).await.unwrap_err();
        assert_eq!(WireFault::from_status(&refused).reason, "NOT_PERMITTED", "{stranger}");
    }
    let keys = peer("operator/operator").list_signing_keys(ListSigningKeysRequest {}).await.unwrap();
    assert_eq!(keys.into_inner().keys.len(), 1);
    let seen = stage.post_as(JWT, &stage.session("ci-abc", |_| {})).await;
    assert_eq!((seen.status, &seen.body["wallet"]), (200, &"abc".into()));
    assert!(stage.exchange(ROLE, seen.body["jwt"].as_str().unwrap()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_untagged_token_is_refused_by_the_role_whoever_signs_it() {
    let stage = Stage::set().await;
    let _broker = stage.broker();
    let claims = |change: fn(&mut Value)| {
        let mut claims = json!({
            "iss": stage.issuer(), "sub": "ci-abc", "aud": "sts.amazonaws.com", "exp": 4_000_000_000_u64,
            "https://aws.amazon.com/tags": {
                "principal_tags": {"mint_application": ["abc"]}, "transitive_tag_keys": ["mint_application"],
            },
        });
        change(&mut claims);
        stage.stolen_key_signs(&claims)
    };
    assert!(stage.exchange(ROLE, &claims(|_| {})).await.is_ok(), "the key is the broker's");
    for (change, expected) in [
        ((|c| drop(c.as_object_mut().unwrap().remove(TAGS))) as fn(&mut Value), "AccessDenied"),
        (|c| c[TAGS]["principal_tags"] = json!({"another_tag": ["abc"]}), "AccessDenied"),
        (|c| c[TAGS] = json!({"principal_tags": {}, "mint_application": ["abc"]}), "AccessDenied"),
        (
            |c| c[TAGS]["principal_tags"] = json!({"mint_application": ["abc", "abcd"]}),
            "InvalidIdentityToken",
        ),
        (|c| c[TAGS]["principal_tags"] = json!({"mint_application": "abc"}), "InvalidIdentityToken"),
        (|c| c["aud"] = json!("somebody"), "InvalidIdentityToken"),
    ] {
        assert_eq!(stage.exchange(ROLE, &claims(change)).await.map(drop), Err(expected.to_owned()));
    }
    // whoever signs for readers is nobody to those who write
    for role in ["mint-distributor", "mint-rotator", "mint-broker"] {
        let role = format!("arn:aws:iam::000000000000:role/{role}");
        assert_eq!(stage.exchange(&role, &claims(|_| {})).await.map(drop), Err("AccessDenied".to_owned()));
    }
    let (status, body) =
        stage.sts(&[("Action", "AssumeRole"), ("RoleArn", ROLE), ("RoleSessionName", "x1")]).await;
    assert!(status == 403 && body.contains("AccessDenied"), "{status} {body}");
}

/// The id of the key that signed a token.
fn key_of(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_signed_before_the_key_was_rotated_is_taken_by_sts_afterwards() {
    let stage = Stage::set().await;
    let _broker = stage.broker();
    let session = stage.session("ci-abc", |_| {});
    let token = async || {
        let seen = stage.post_as(JWT, &session).await;
        assert!(matches!(seen.status, 200 | 429), "{}", seen.body);
        seen.body["jwt"].as_str().map(str::to_owned)
    };
    let old = token().await.unwrap();
    stage.rotate_at_once();
    let renewed = async {
        loop {
            match token().await {
                Some(new) if key_of(&new) != key_of(&old) => return new,
                _ => tokio::time::sleep(std::time::Duration::from_millis(250)).await,
            }
        }
    };
    let new = tokio::time::timeout(crate::stage::LIMIT, renewed).await.expect("the new key signs");
    for token in [&old, &new] {
        assert!(stage.exchange(ROLE, token).await.is_ok(), "signed with {}", key_of(token));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_recognized_or_not_written_down_gets_nothing() {
    let stage = Stage::set().await;
    stage.iam_is_down(true);
    let _broker = stage.broker();
    let good = stage.session("ci-abc", |_| {});
    let seen = stage.post_as(CREDS, &good).await;
    assert_eq!((seen.status, &seen.body["error"]), (502, &"backend_unreachable".into()));
    stage.iam_is_down(false);
    let recovers = async {
        while stage.post_as(CREDS, &stage.session("nobody", |_| {})).await.status == 502 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(crate::stage::LIMIT, recovers).await.expect("it is asked again");

    let invalid = [
        stage.session("ci-abc", |claims| claims["exp"] = json!(1_000_000_000)),
        stage.session("ci-abc", |claims| claims["iss"] = json!("https://elsewhere.example.org")),
        stage.session("ci-abc", |claims| claims["aud"] = json!("somebody")),
        "abc".to_owned(),
    ];
    for session in &invalid {
        for path in [JWT, CREDS] {
            let seen = stage.post_as(path, session).await;
            assert_eq!((seen.status, &seen.body["error"]), (401, &"unauthorized".into()));
        }
    }
    let seen = stage.post_as(CREDS, &stage.session("nobody", |_| {})).await;
    assert_eq!((seen.status, &seen.body["error"]), (403, &"forbidden".into()));
    assert!(stage.log.entries().is_empty(), "nothing was to be announced");

    stage.log.set_down(true);
    for path in [JWT, CREDS] {
        let seen = stage.post_as(path, &good).await;
        assert_eq!((seen.status, &seen.body["error"]), (500, &"internal_error".into()));
        assert_eq!(seen.body.as_object().unwrap().len(), 2, "no credential in it: {}", seen.body);
    }
    assert_eq!(stage.exchanges().await, 0, "STS was never called");
    stage.log.set_down(false);
    assert_eq!(stage.post_as(CREDS, &good).await.status, 200);
}
