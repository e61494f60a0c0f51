use mint_api::audit_log::{Act, AuditLog as _, MemoryAuditLog};
use mint_testkit::SeededEntropy;
use mint_types::RequestId;

use super::*;
use crate::adapters::canned::{Answer, Canned, secret_file};

async fn announced() -> Announced {
    let act = Act {
        action: "credential.create",
        application: None,
        kind: None,
        resource: String::new(),
        rotation: None,
        request: RequestId::random(&SeededEntropy::new(1)),
    };
    MemoryAuditLog::default().announce(act).await.unwrap()
}

struct Driver {
    server: Canned,
    issuer: ServiceUser,
    _directory: tempfile::TempDir,
}

async fn driver(answers: Vec<Answer>) -> Driver {
    let server = Canned::new(answers).await;
    let directory = tempfile::tempdir().unwrap();
    let token = secret_file(directory.path(), "token", "issuer-token\n");
    let issuer = ServiceUser::new(HttpClient::new(), server.url.clone(), token, Duration::from_millis(500));
    Driver { server, issuer, _directory: directory }
}

#[tokio::test]
async fn requests_are_what_the_api_expects() {
    let made = Answer::json(200, r#"{"txid": "t", "password": "p"}"#);
    let client = Answer::json(200, r#"{"txid": "t", "client_id": "i", "client_secret": "s", "more": 1}"#);
    let Driver { server, issuer, _directory } = driver(vec![made, client]).await;
    let announced = announced().await;
    let password = issuer.create_password(&announced, "stups_shop").await.unwrap();
    assert_eq!((password.txid.as_str(), password.password.expose()), ("t", "p"));
    let client = issuer.create_client(&announced, "stups_shop", "old").await.unwrap();
    assert_eq!((client.client_id.as_str(), client.client_secret.expose()), ("i", "s"));
    let requests = server.requests();
    assert!(requests[0].starts_with("POST /services/stups_shop/password HTTP/1.1\r\n"), "{}", requests[0]);
    assert!(
        requests[0].contains("authorization: Bearer issuer-token\r\n") && requests[0].ends_with("\r\n\r\n{}")
    );
    assert!(requests[1].starts_with("POST /services/stups_shop/client "));
    assert!(requests[1].ends_with(r#"{"client_id":"old","id":"stups_shop"}"#), "{}", requests[1]);
}

#[tokio::test]
async fn every_kind_of_trouble_is_sorted_by_whether_it_may_have_had_an_effect() {
    let html = || Answer::Http(200, "content-type: text/html\r\n", "<html>mint-canary</html>".to_owned());
    let limited = || Answer::Http(429, "retry-after: 7\r\n", String::new());
    let malformed = |reason| Err(IssuerError::Malformed(reason));
    let table: Vec<(&str, Answer, Result<(), IssuerError>)> = vec![
        ("html", html(), malformed(NO_PASSWORD)),
        ("empty", Answer::json(200, ""), malformed(NO_PASSWORD)),
        ("an array", Answer::json(200, r#"["t", "mint-canary"]"#), malformed(NO_PASSWORD)),
        ("no txid", Answer::json(200, r#"{"password": "mint-canary"}"#), malformed(NO_PASSWORD)),
        ("no password", Answer::json(200, r#"{"txid": "t"}"#), malformed(NO_PASSWORD)),
        ("empty password", Answer::json(200, r#"{"txid": "t", "password": ""}"#), malformed(NO_PASSWORD)),
        (
            "wrong type",
            Answer::json(200, r#"{"txid": "t", "password": ["mint-canary"]}"#),
            malformed(NO_PASSWORD),
        ),
        ("too long", Answer::json(200, &" ".repeat(70_000)), malformed("it is too long")),
        (
            "redirect",
            Answer::Http(302, "location: http://127.0.0.1:1/\r\n", String::new()),
            malformed("its status is neither success nor failure"),
        ),
        ("429", limited(), Err(IssuerError::RateLimited { retry_after: Duration::from_secs(7) })),
        (
            "429 without a time",
            Answer::json(429, ""),
            Err(IssuerError::RateLimited { retry_after: DEFAULT_PAUSE }),
        ),
        ("403", Answer::json(403, r#"{"error": "mint-canary"}"#), Err(IssuerError::Refused { status: 403 })),
        ("404", Answer::json(404, ""), Err(IssuerError::Refused { status: 404 })),
        ("503", Answer::json(503, "mint-canary"), Err(IssuerError::Unknown("status 503".to_owned()))),
    ];
    for (name, answer, expected) in table {
        let Driver { issuer, _directory, .. } = driver(vec![answer]).await;
        let outcome = issuer.create_password(&announced().await, "u").await.map(drop);
        assert_eq!(outcome, expected, "{name}");
    }
    for answer in [Answer::Closes, Answer::Hangs] {
        let Driver { issuer, _directory, .. } = driver(vec![answer]).await;
        let outcome = issuer.create_password(&announced().await, "u").await.unwrap_err();
        assert!(matches!(outcome, IssuerError::Unknown(_)), "{outcome}");
    }
}

#[tokio::test]
async fn a_client_without_a_secret_is_no_confidential_client() {
    let public = Answer::json(200, r#"{"txid": "t", "client_id": "i", "client_secret": null}"#);
    let Driver { issuer, _directory, .. } = driver(vec![public]).await;
    let refused = issuer.create_client(&announced().await, "u", "").await.unwrap_err();
    assert_eq!(refused, IssuerError::Malformed(NO_CLIENT));
}

#[tokio::test]
async fn nobody_there_means_surely_not_sent() {
    let directory = tempfile::tempdir().unwrap();
    let token = secret_file(directory.path(), "token", "t");
    let port = mint_testkit::free_port();
    let url = format!("http://127.0.0.1:{port}").parse().unwrap();
    let issuer = ServiceUser::new(HttpClient::new(), url, token, Duration::from_secs(2));
    let refused = issuer.create_password(&announced().await, "u").await.unwrap_err();
    assert!(matches!(refused, IssuerError::NotSent(_)), "{refused}");
    let url = format!("http://127.0.0.1:{port}").parse().unwrap();
    let missing = SecretFile::new(directory.path().join("missing"));
    let issuer = ServiceUser::new(HttpClient::new(), url, missing, Duration::from_secs(2));
    let refused = issuer.create_password(&announced().await, "u").await.unwrap_err();
    assert!(matches!(refused, IssuerError::OwnAccess(_)), "{refused}");
}

#[tokio::test]
async fn no_error_repeats_what_the_issuer_answered() {
    let bodies = ["mint-canary", r#"{"txid": "mint-canary", "password": 1}"#, r#"{"mint-canary": "#];
    for status in [200, 400, 403, 500] {
        for body in bodies {
            let Driver { issuer, _directory, .. } = driver(vec![Answer::json(status, body)]).await;
            let error = issuer.create_password(&announced().await, "u").await.unwrap_err();
            let error = crate::Error::Issuer { call: "create password", error };
            let status = tonic::Status::from(error);
            assert!(!format!("{status:?}").contains("canary"), "{status:?}");
        }
    }
}
