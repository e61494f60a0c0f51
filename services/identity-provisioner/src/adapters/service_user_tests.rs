//! Against a server that answers whatever it is told.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::*;
use crate::adapters::canned::{self, Told, announced, answer};
use crate::model::Stage;

async fn told(answer: Vec<u8>) -> Told<ServiceUserApi> {
    canned::told("service-user", vec![answer], |url, token| ServiceUserApi::open(url, token, None)).await
}

fn user() -> ServiceUser {
    canned::user(Stage::Enabled)
}

async fn put(bytes: Vec<u8>) -> Result<String, IssuerError> {
    told(bytes).await.api.put(&announced().await, &user()).await
}

#[test]
fn the_body_is_that_of_the_field() {
    let expected = json!({
        "id": "stups_kio",
        "name": "Kio",
        "owner": "stups",
        "subtitle": "The registry",
        "client_config": {
            "redirect_urls": ["https://kio.example.org/cb"],
            "scopes": [{"realm": "services", "scopes": ["uid", "cn", "sales_order.read"]}],
            "confidential": true,
        },
        "user_config": {"scopes": ["uid", "cn", "sales_order.read"]},
    });
    assert_eq!(body(&user()), expected);
}

#[test]
fn a_disabled_user_has_no_scope_and_keeps_the_rest() {
    let disabled = body(&canned::user(Stage::Disabled));
    assert_eq!(disabled["client_config"]["scopes"], json!([]));
    assert_eq!(disabled["user_config"]["scopes"], json!([]));
    assert_eq!(disabled["client_config"]["redirect_urls"], json!(["https://kio.example.org/cb"]));
    assert!(!disabled.to_string().contains("sopes"));
}

#[tokio::test]
async fn each_operation_is_one_call_of_the_field() {
    let mut world = told(answer("200 OK", "", r#"{"client_id": "c-1"}"#)).await;
    assert_eq!(world.api.put(&announced().await, &user()).await.unwrap(), "c-1");
    let request = world.requests.recv().await.unwrap();
    assert!(request.starts_with("PUT /service-user/services/stups_kio HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("authorization: bearer hunter2\r\n"));
    let sent: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(sent, body(&user()));

    let mut world = told(answer("200 OK", "", r#"[{"id": "stups_a"}, {"id": "stups_b"}]"#)).await;
    assert_eq!(world.api.list().await.unwrap(), ["stups_a", "stups_b"]);
    assert!(world.requests.recv().await.unwrap().starts_with("GET /service-user/services HTTP"));

    let mut world = told(answer("200 OK", "", r#"{"id": "stups_kio", "name": "Kio"}"#)).await;
    assert!(world.api.exists("stups_kio").await.unwrap());
    assert!(world.requests.recv().await.unwrap().starts_with("GET /service-user/services/stups_kio HTTP"));
    assert!(!told(answer("404 Not Found", "", "")).await.api.exists("stups_kio").await.unwrap());

    let mut world = told(answer("204 No Content", "", "")).await;
    world.api.delete(&announced().await, "stups_kio").await.unwrap();
    assert!(world.requests.recv().await.unwrap().starts_with("DELETE /service-user/services/stups_kio HTTP"));
    told(answer("404 Not Found", "", "")).await.api.delete(&announced().await, "stups_kio").await.unwrap();
}

#[tokio::test]
async fn every_bad_answer_to_a_put_has_its_reason() {
    let table = [
        (answer("200 OK", "", "<html>login</html>"), "ISSUER_MALFORMED_ANSWER"),
        (answer("200 OK", "", ""), "ISSUER_MALFORMED_ANSWER"),
        (answer("200 OK", "", "{}"), "ISSUER_MALFORMED_ANSWER"),
        (answer("200 OK", "", r#"{"client_id": 7}"#), "ISSUER_MALFORMED_ANSWER"),
        (answer("200 OK", "", r#"{"client_id": ""}"#), "ISSUER_MALFORMED_ANSWER"),
        (answer("200 OK", "", &" ".repeat(2 << 20)), "ISSUER_MALFORMED_ANSWER"),
        (answer("400 Bad Request", "", ""), "ISSUER_REFUSED"),
        (answer("403 Forbidden", "", ""), "ISSUER_REFUSED"),
        (answer("302 Found", "location: /login\r\n", ""), "ISSUER_REFUSED"),
        (answer("429 Too Many Requests", "", ""), "ISSUER_RATE_LIMITED"),
        (answer("500 Oops", "", ""), "ISSUER_UNKNOWN_OUTCOME"),
        (answer("503 Busy", "", ""), "ISSUER_UNKNOWN_OUTCOME"),
        (Vec::new(), "ISSUER_UNKNOWN_OUTCOME"),
    ];
    for (number, (bytes, reason)) in table.into_iter().enumerate() {
        assert_eq!(put(bytes).await.unwrap_err().reason(), reason, "row {number}");
    }
}

#[tokio::test]
async fn what_cannot_be_sent_surely_had_no_effect() {
    let world = told(Vec::new()).await;
    let token = world.directory.path().join("token");
    let nobody = ServiceUserApi::open("http://127.0.0.1:1".parse().unwrap(), &token, None).unwrap();
    let error = nobody.put(&announced().await, &user()).await.unwrap_err();
    assert_eq!((error.reason(), error.surely_not_done()), ("ISSUER_UNREACHABLE", true));
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = nobody.put(&announced().await, &user()).await.unwrap_err();
    assert_eq!(error.reason(), "ISSUER_UNREACHABLE");
}

#[tokio::test]
async fn an_answer_to_a_read_is_never_an_unknown_outcome() {
    let table = [
        (answer("500 Oops", "", ""), "ISSUER_UNREACHABLE"),
        (Vec::new(), "ISSUER_UNREACHABLE"),
        (answer("200 OK", "", "<html>"), "ISSUER_MALFORMED_ANSWER"),
        (answer("200 OK", "", r#"{"id": "stups_other"}"#), "ISSUER_MALFORMED_ANSWER"),
        (answer("401 Unauthorized", "", ""), "ISSUER_REFUSED"),
    ];
    for (number, (bytes, reason)) in table.into_iter().enumerate() {
        let error = told(bytes).await.api.exists("stups_kio").await.unwrap_err();
        assert_eq!(error.reason(), reason, "row {number}");
    }
}

#[tokio::test]
async fn the_pause_is_the_issuers_or_ninety_seconds() {
    let table = [
        ("", 90),
        ("retry-after: 7\r\n", 7),
        ("retry-after: soon\r\n", 90),
        ("retry-after: 99999999\r\n", 3600),
    ];
    for (header, seconds) in table {
        let error = put(answer("429 Too Many Requests", header, "")).await.unwrap_err();
        assert_eq!(error, IssuerError::RateLimited { retry_after: Duration::from_secs(seconds) });
    }
}

#[tokio::test]
async fn a_field_that_nobody_asked_for_is_neither_kept_nor_shown() {
    let leaking = r#"{"client_id": "c-1", "client_secret": "canary-7a", "password": "canary-7b"}"#;
    assert_eq!(put(answer("200 OK", "", leaking)).await.unwrap(), "c-1");
    let broken = r#"{"client_id": 1, "client_secret": "canary-7a"}"#;
    for status in ["200 OK", "400 Bad Request", "500 Oops", "429 Too Many Requests"] {
        let error = put(answer(status, "", broken)).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}
