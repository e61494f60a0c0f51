//! Against a server that answers whatever it is told; `tests/it/replace.rs` and [`super::real`] have one that acts.

use super::*;
use crate::adapters::canned::{self, Told, announced, answer};
use crate::model::Stage;

async fn told(answers: Vec<Vec<u8>>) -> Told<Glewlwyd> {
    canned::told("api", answers, |url, token| Glewlwyd::open(url, token, None)).await
}

fn done() -> Vec<u8> {
    answer("200 OK", "", "")
}

fn unknown() -> Vec<u8> {
    answer("404 Not Found", "", "")
}

fn lines(told: &mut Told<Glewlwyd>) -> Vec<String> {
    std::iter::from_fn(|| told.requests.try_recv().ok())
        .map(|request| request.lines().next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn user_and_client_say_all_that_is_decided_here_and_no_secret() {
    let user = canned::user(Stage::Enabled);
    let scopes = json!(["uid", "cn", "sales_order.read"]);
    assert_eq!(user_body(&user), json!({"name": "Kio", "enabled": true, "scope": scopes}));
    let expected = json!({
        "name": "Kio", "description": "The registry", "enabled": true, "confidential": true, "scope": scopes,
        "redirect_uri": ["https://kio.example.org/cb"],
        "authorization_type": ["code", "password", "client_credentials", "refresh_token"],
        "token_endpoint_auth_method": ["client_secret_basic"],
    });
    assert_eq!(client_body(&user), expected);
    let public = client_body(&ServiceUser { confidential: false, ..user });
    assert_eq!(public["authorization_type"], json!(["code", "refresh_token"]));
    assert_eq!(public["token_endpoint_auth_method"], json!(["none"]));
}

#[test]
fn a_disabled_identity_is_disabled_on_both_sides_and_keeps_the_rest() {
    let disabled = canned::user(Stage::Disabled);
    assert_eq!(user_body(&disabled), json!({"name": "Kio", "enabled": false, "scope": []}));
    let client = client_body(&disabled);
    assert_eq!((&client["enabled"], &client["scope"]), (&json!(false), &json!([])));
    assert_eq!(client["redirect_uri"], json!(["https://kio.example.org/cb"]));
}

#[tokio::test]
async fn what_exists_is_changed_and_what_does_not_is_made_the_user_last_and_nothing_is_read() {
    let user = canned::user(Stage::Enabled);
    let mut there = told(vec![done()]).await;
    assert_eq!(there.api.put(&announced().await, &user).await.unwrap(), "stups_kio");
    let changes = ["PUT /api/client/stups_kio HTTP/1.1", "PUT /api/user/stups_kio HTTP/1.1"];
    assert_eq!(lines(&mut there), changes);

    let mut missing = told(vec![unknown(), done(), unknown(), done()]).await;
    missing.api.put(&announced().await, &user).await.unwrap();
    let first = missing.requests.recv().await.unwrap();
    assert!(first.to_lowercase().contains("authorization: token hunter2\r\n"), "{first}");
    let made = missing.requests.recv().await.unwrap();
    let (head, body) = made.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /api/client/ HTTP"), "{head}");
    assert_eq!(serde_json::from_str::<Value>(body).unwrap()["client_id"], "stups_kio");
    assert_eq!(lines(&mut missing), ["PUT /api/user/stups_kio HTTP/1.1", "POST /api/user/ HTTP/1.1"]);

    let mut gone = told(vec![done(), unknown()]).await;
    gone.api.delete(&announced().await, "stups_kio").await.unwrap();
    let deletions = ["DELETE /api/client/stups_kio HTTP/1.1", "DELETE /api/user/stups_kio HTTP/1.1"];
    assert_eq!(lines(&mut gone), deletions);
}

#[tokio::test]
async fn after_the_first_of_two_changes_no_error_says_that_nothing_happened() {
    let refusals = ["400 Bad Request", "401 Unauthorized", "429 Too Many Requests", "500 Oops"];
    for status in refusals {
        let bad = answer(status, "retry-after: 7\r\n", "");
        let user = canned::user(Stage::Disabled);
        let second = told(vec![done(), bad.clone()]).await;
        let error = second.api.put(&announced().await, &user).await.unwrap_err();
        assert!(!error.surely_not_done(), "{status}: {error}");
        let second = told(vec![done(), bad.clone()]).await;
        let error = second.api.delete(&announced().await, "stups_kio").await.unwrap_err();
        assert!(!error.surely_not_done(), "{status}: {error}");
        let first = told(vec![bad]).await;
        let error = first.api.put(&announced().await, &user).await.unwrap_err();
        assert_eq!(error.surely_not_done(), status != "500 Oops", "{status}: {error}");
    }
}

#[tokio::test]
async fn all_pages_of_the_list_are_read_and_one_that_cannot_be_read_makes_no_list() {
    let page = |from: usize, count: usize| {
        let users: Vec<_> = (from..from + count).map(|n| json!({"username": format!("u{n}")})).collect();
        answer("200 OK", "", &json!(users).to_string())
    };
    let mut world = told(vec![page(0, PAGE), page(PAGE, 2)]).await;
    let names = world.api.list().await.unwrap();
    assert_eq!((names.len(), names.last().map(String::as_str)), (PAGE + 2, Some("u1001")));
    let reads =
        ["GET /api/user/?offset=0&limit=1000 HTTP/1.1", "GET /api/user/?offset=1000&limit=1000 HTTP/1.1"];
    assert_eq!(lines(&mut world), reads);
    let short = told(vec![page(0, PAGE), answer("200 OK", "", "{}")]).await;
    assert_eq!(short.api.list().await.unwrap_err().reason(), "ISSUER_MALFORMED_ANSWER");
}

#[tokio::test]
async fn a_user_exists_if_the_answer_is_about_it() {
    let shown = |name: &str| answer("200 OK", "", &json!({"username": name, "password": 2}).to_string());
    assert!(told(vec![shown("stups_kio")]).await.api.exists("stups_kio").await.unwrap());
    assert!(!told(vec![unknown()]).await.api.exists("stups_kio").await.unwrap());
    let other = told(vec![shown("stups_other")]).await.api.exists("stups_kio").await.unwrap_err();
    assert_eq!(other.reason(), "ISSUER_MALFORMED_ANSWER");
    let down = told(vec![answer("500 Oops", "", "")]).await.api.exists("stups_kio").await.unwrap_err();
    assert_eq!(down.reason(), "ISSUER_UNREACHABLE");
}
