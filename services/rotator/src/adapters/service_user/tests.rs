use super::*;
use crate::adapters::canned::{Answer, Canned, secret_file};

const SUBJECT: Subject<'_> = Subject { object: IssuerObject::User, username: "u", client_id: "" };

struct UnderTest {
    server: Canned,
    issuer: ServiceUser,
    _directory: tempfile::TempDir,
}

async fn driver(answers: Vec<Answer>) -> UnderTest {
    let server = Canned::new(answers).await;
    let directory = tempfile::tempdir().unwrap();
    let token = secret_file(directory.path(), "token", "issuer-token\n");
    let issuer = ServiceUser::new(
        HttpClient::new(),
        server.url.clone(),
        token,
        Duration::from_millis(500),
        Duration::from_secs(10),
    );
    UnderTest { server, issuer, _directory: directory }
}

#[tokio::test]
async fn requests_are_what_the_api_expects() {
    let made = Answer::json(200, r#"{"txid": "t", "password": "p"}"#);
    let client = Answer::json(200, r#"{"txid": "t", "client_id": "i", "client_secret": "s", "more": 1}"#);
    let UnderTest { server, issuer, _directory } = driver(vec![made, client]).await;
    let of = |object| Subject { object, username: "stups_shop", client_id: "old" };
    let password = issuer.create(of(IssuerObject::User), None).await.unwrap();
    assert_eq!((password.handle.as_str(), password.secret.expose()), ("t", "p"));
    let client = issuer.create(of(IssuerObject::Client), None).await.unwrap();
    assert_eq!((client.client_id.as_deref(), client.secret.expose()), (Some("i"), "s"));
    issuer.end(of(IssuerObject::Client), &client.handle).await.unwrap();
    let requests = server.requests();
    assert!(requests[0].starts_with("POST /services/stups_shop/password HTTP/1.1\r\n"), "{}", requests[0]);
    assert!(
        requests[0].contains("authorization: Bearer issuer-token\r\n") && requests[0].ends_with("\r\n\r\n{}")
    );
    assert!(requests[1].starts_with("POST /services/stups_shop/client "));
    assert!(requests[1].ends_with(r#"{"client_id":"old","id":"stups_shop"}"#), "{}", requests[1]);
    assert!(requests[2].starts_with("PUT /services/stups_shop/client "));
    assert!(requests[2].ends_with(r#"{"txid":"t"}"#), "{}", requests[2]);
}

/// Whoever writes the catalog may say that its client is another's. The issuer is asked for a client of the user that the
/// path names, and names the client itself: what is delivered is its answer, never the catalog's word.
#[tokio::test]
async fn a_lie_about_the_client_reaches_nobody_elses() {
    let client = Answer::json(200, r#"{"txid": "t", "client_id": "its-own", "client_secret": "s"}"#);
    let UnderTest { server, issuer, _directory } = driver(vec![client]).await;
    let lie = Subject { object: IssuerObject::Client, username: "stups_evil", client_id: "of-the-victim" };
    let made = issuer.create(lie, None).await.unwrap();
    issuer.end(lie, &made.handle).await.unwrap();
    assert_eq!(made.client_id.as_deref(), Some("its-own"));
    let paths: Vec<_> =
        server.requests().iter().map(|request| request.lines().next().unwrap().to_owned()).collect();
    let own = ["POST", "PUT"].map(|method| format!("{method} /services/stups_evil/client HTTP/1.1"));
    assert_eq!(paths, own);
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
        let UnderTest { issuer, _directory, .. } = driver(vec![answer]).await;
        let outcome = issuer.create(SUBJECT, None).await.map(drop);
        assert_eq!(outcome, expected, "{name}");
    }
    for answer in [Answer::Closes, Answer::Hangs] {
        let UnderTest { issuer, _directory, .. } = driver(vec![answer]).await;
        let outcome = issuer.create(SUBJECT, None).await.unwrap_err();
        assert!(matches!(outcome, IssuerError::Unknown(_)), "{outcome}");
    }
}

#[tokio::test]
async fn a_client_without_a_secret_is_no_confidential_client() {
    let public = Answer::json(200, r#"{"txid": "t", "client_id": "i", "client_secret": null}"#);
    let UnderTest { issuer, _directory, .. } = driver(vec![public]).await;
    let refused = issuer.create(Subject { object: IssuerObject::Client, ..SUBJECT }, None).await.unwrap_err();
    assert_eq!(refused, IssuerError::Malformed(NO_CLIENT));
}

#[tokio::test]
async fn nobody_there_means_surely_not_sent() {
    let directory = tempfile::tempdir().unwrap();
    let token = secret_file(directory.path(), "token", "t");
    let port = mint_testkit::free_port();
    let url = format!("http://127.0.0.1:{port}").parse().unwrap();
    let issuer = ServiceUser::new(HttpClient::new(), url, token, Duration::from_secs(2), Duration::ZERO);
    let refused = issuer.create(SUBJECT, None).await.unwrap_err();
    assert!(matches!(refused, IssuerError::NotSent(_)), "{refused}");
    let url = format!("http://127.0.0.1:{port}").parse().unwrap();
    let missing = SecretFile::new(directory.path().join("missing"));
    let issuer = ServiceUser::new(HttpClient::new(), url, missing, Duration::from_secs(2), Duration::ZERO);
    let refused = issuer.create(SUBJECT, None).await.unwrap_err();
    assert!(matches!(refused, IssuerError::OwnAccess(_)), "{refused}");
}

#[tokio::test]
async fn no_error_repeats_what_the_issuer_answered() {
    let bodies = ["mint-canary", r#"{"txid": "mint-canary", "password": 1}"#, r#"{"mint-canary": "#];
    for status in [200, 400, 403, 500] {
        for body in bodies {
            let UnderTest { issuer, _directory, .. } = driver(vec![Answer::json(status, body)]).await;
            let error = issuer.create(SUBJECT, None).await.unwrap_err();
            let error = crate::Error::Issuer { call: "create password", error };
            let status = tonic::Status::from(error);
            assert!(!format!("{status:?}").contains("canary"), "{status:?}");
        }
    }
}

#[tokio::test]
async fn a_user_is_known_by_an_answer_that_names_it_and_by_nothing_else() {
    let named = |id: &str| Answer::json(200, &json!({"id": id, "name": "shop"}).to_string());
    let table = vec![
        (named("u"), Ok(true)),
        (Answer::json(404, ""), Ok(false)),
        (named("another"), Err("ISSUER_MALFORMED_ANSWER")),
        (Answer::Http(200, "", "<html>mint-canary</html>".to_owned()), Err("ISSUER_MALFORMED_ANSWER")),
        (Answer::json(403, ""), Err("ISSUER_REFUSED")),
        (Answer::json(503, "mint-canary"), Err("ISSUER_UNREACHABLE")),
        (Answer::Hangs, Err("ISSUER_UNREACHABLE")),
    ];
    for (answer, expected) in table {
        let UnderTest { server, issuer, _directory } = driver(vec![answer.clone()]).await;
        let said = issuer.knows(SUBJECT).await;
        assert_eq!(said.map_err(|error| error.reason()), expected, "{answer:?}");
        let asked = server.requests();
        assert!(asked[0].starts_with("GET /services/u HTTP/1.1\r\n") && asked[0].ends_with("\r\n\r\n"));
    }
}
