use super::*;
use crate::adapters::canned::{Answer, Canned, secret_file};
use crate::adapters::token_endpoint::Dialect;

const USER: Subject<'_> =
    Subject { object: IssuerObject::User, username: "stups_shop", client_id: "stups_shop" };
const CLIENT: Subject<'_> = Subject { object: IssuerObject::Client, ..USER };

struct UnderTest {
    server: Canned,
    driver: Glewlwyd,
    directory: tempfile::TempDir,
}

fn access(server: &Canned, directory: &tempfile::TempDir, administrator: bool) -> Access {
    let file = |name, text| secret_file(directory.path(), name, text);
    let known = r#"{"username": "admin", "password": "mint-admin-canary"}"#;
    Access {
        http: HttpClient::new(),
        base: server.url.join(&["api"]).as_str().parse().unwrap(),
        token: file("token", "the-key\n"),
        plugin: "oidc".to_owned(),
        administrator: administrator.then(|| file("admin.json", known)),
        deadline: Duration::from_millis(500),
    }
}

async fn driver(administrator: bool, answers: Vec<Answer>) -> UnderTest {
    let server = Canned::new(answers).await;
    let directory = tempfile::tempdir().unwrap();
    let driver = Glewlwyd::new(access(&server, &directory, administrator), Recipe::default());
    UnderTest { server, driver, directory }
}

fn user(passwords: usize) -> Answer {
    let shown = json!({"username": "stups_shop", "name": "shop", "email": "", "enabled": true, "scope": ["uid"],
        "password": passwords, "source": "database"});
    Answer::json(200, &shown.to_string())
}

fn done() -> Answer {
    Answer::json(200, "")
}

fn value() -> SecretValue {
    SecretValue::new("mint-canary-new".to_owned())
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn begins(request: &str, line: &str) {
    assert!(request.starts_with(&format!("{line} HTTP/1.1\r\n")), "{request}");
}

#[tokio::test]
async fn a_password_is_added_behind_the_others_and_everything_else_of_the_user_stays() {
    let UnderTest { server, driver, directory: _directory } = driver(false, vec![user(2), done()]).await;
    let made = driver.create(USER, Some(value())).await.unwrap();
    assert_eq!((made.handle.as_str(), made.secret.expose()), ("2", "mint-canary-new"));
    let requests = server.requests();
    begins(&requests[0], "GET /api/user/stups_shop");
    begins(&requests[1], "PUT /api/user/stups_shop");
    assert!(requests[1].contains("authorization: token the-key\r\n"));
    let put = json!({"password": ["", "", "mint-canary-new"]});
    assert_eq!(body(&requests[1]), put, "nothing is said that somebody may have changed meanwhile");
}

#[tokio::test]
async fn an_end_retires_the_places_before_its_own_and_nothing_by_a_guess() {
    let end = async |passwords, handle: &str| {
        let UnderTest { server, driver, directory: _directory } =
            driver(false, vec![user(passwords), done()]).await;
        let outcome = driver.end(USER, &Handle::new(handle).unwrap()).await;
        (outcome, server.requests())
    };
    let (outcome, requests) = end(3, "2").await;
    outcome.unwrap();
    assert_eq!(body(&requests[1]), json!({"password": [null, null, ""]}));
    let (outcome, requests) = end(1, "2").await;
    assert_eq!((outcome, requests.len()), (Ok(()), 1), "it was done before");
    for (passwords, handle) in [(2, "2"), (4, "2"), (0, "0"), (0, "1"), (3, "1")] {
        let (outcome, requests) = end(passwords, handle).await;
        assert_eq!(outcome, Err(IssuerError::Refused { status: 409 }), "{passwords} {handle}");
        assert_eq!(requests.len(), 1);
    }
    for handle in ["-1", "two", "987654"] {
        let (outcome, requests) = end(3, handle).await;
        assert_eq!((outcome, requests.len()), (Err(IssuerError::Refused { status: 404 }), 0), "{handle}");
    }
}

#[tokio::test]
async fn what_ended_passwords_gave_out_is_ended_in_an_administrators_session() {
    let listed = json!([
        {"token_hash": "{SHA512}a-_", "enabled": true, "client_id": "c"},
        {"token_hash": "{SHA512}b", "enabled": false},
        {"token_hash": "{SHA512}c", "enabled": true},
    ]);
    let session = Answer::Http(200, "set-cookie: SESSION=abc; Path=/\r\n", String::new());
    let answers = vec![
        user(2),
        done(),
        session,
        Answer::json(200, &listed.to_string()),
        done(),
        Answer::json(400, ""),
        done(),
    ];
    let UnderTest { server, driver, directory: _directory } = driver(true, answers).await;
    driver.end(USER, &Handle::new("1").unwrap()).await.unwrap();
    let requests = server.requests();
    let lines: Vec<_> = requests[2..].iter().map(|request| request.lines().next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "POST /api/auth HTTP/1.1",
            "GET /api/oidc/token?impersonate=stups_shop&limit=100&desc= HTTP/1.1",
            "DELETE /api/oidc/token/%7BSHA512%7Da-_?impersonate=stups_shop HTTP/1.1",
            "DELETE /api/oidc/token/%7BSHA512%7Dc?impersonate=stups_shop HTTP/1.1",
            "DELETE /api/auth HTTP/1.1",
        ]
    );
    assert!(requests[3..].iter().all(|request| request.contains("cookie: SESSION=abc\r\n")));
}

#[tokio::test]
async fn setting_a_clients_secret_forgets_no_property_but_the_one_that_shows_a_secret() {
    let shown = json!({"client_id": "stups_shop", "name": "shop", "source": "database", "confidential": true, "enabled": true,
        "scope": ["uid"], "authorization_type": ["password"], "redirect_uri": ["https://x"], "client_secret": "old"});
    let answers = vec![Answer::json(200, &shown.to_string()), done()];
    let UnderTest { server, driver, directory: _directory } = driver(false, answers).await;
    driver.set(CLIENT, &value()).await.unwrap();
    let requests = server.requests();
    begins(&requests[1], "PUT /api/client/stups_shop");
    let expected = json!({"authorization_type": ["password"], "redirect_uri": ["https://x"],
        "password": "mint-canary-new"});
    assert_eq!(body(&requests[1]), expected, "whether it is enabled and what it may do is not said");
}

#[tokio::test]
async fn the_secret_of_a_client_that_is_not_its_users_is_not_set() {
    let UnderTest { server, driver, directory: _directory } = driver(false, vec![done()]).await;
    let anothers = Subject { client_id: "stups_victim", ..CLIENT };
    let refused = driver.set(anothers, &value()).await.unwrap_err();
    assert_eq!(refused.reason(), "UNSUPPORTED");
    assert!(refused.surely_without_effect());
    assert_eq!(server.requests(), Vec::<String>::new(), "the issuer was not even asked");
    let declaration = driver.declares();
    assert!(declaration.may_be_client("stups_shop", "stups_shop"));
    assert!(!declaration.may_be_client("stups_shop", "stups_victim"));
}

#[tokio::test]
async fn trouble_is_sorted_by_whether_it_may_have_had_an_effect_and_shows_no_secret() {
    let limited = || Answer::Http(429, "retry-after: 7\r\n", String::new());
    let seven = IssuerError::RateLimited { retry_after: Duration::from_secs(7) };
    let canary = || Answer::json(403, r#"{"mint-canary": 1}"#);
    let table = [
        (vec![Answer::json(404, "")], IssuerError::Refused { status: 404 }),
        (vec![limited()], seven.clone()),
        (vec![Answer::json(500, "mint-canary")], IssuerError::NotSent("status 500".to_owned())),
        (
            vec![Answer::json(200, r#"{"scope": []}"#)],
            IssuerError::Malformed("a user without its number of passwords"),
        ),
        (vec![user(1), Answer::json(404, "")], IssuerError::Refused { status: 404 }),
        (vec![user(1), canary()], IssuerError::Refused { status: 403 }),
        (vec![user(1), limited()], seven),
        (vec![user(1), Answer::json(503, "mint-canary")], IssuerError::Unknown("status 503".to_owned())),
    ];
    for (answers, expected) in table {
        let UnderTest { driver, directory: _directory, .. } = driver(false, answers).await;
        let error = driver.create(USER, Some(value())).await.unwrap_err();
        assert_eq!(error, expected);
        assert!(!format!("{error:?} {driver:?}").contains("canary"));
    }
    for answer in [Answer::Closes, Answer::Hangs] {
        let UnderTest { driver, directory: _directory, .. } = driver(false, vec![user(1), answer]).await;
        let error = driver.create(USER, Some(value())).await.unwrap_err();
        assert!(matches!(error, IssuerError::Unknown(_)), "{error:?}");
    }
}

#[tokio::test]
async fn refusals_without_a_body_are_understood_by_what_was_asked() {
    let refusals = [
        (403, "refused invalid_grant", "refused invalid_grant", "refused invalid_client"),
        (400, "ISSUER_REFUSED", "refused invalid_client", "ISSUER_REFUSED"),
        (500, "ISSUER_UNKNOWN_OUTCOME", "ISSUER_UNKNOWN_OUTCOME", "ISSUER_UNKNOWN_OUTCOME"),
        (401, "ISSUER_MALFORMED_ANSWER", "ISSUER_MALFORMED_ANSWER", "ISSUER_MALFORMED_ANSWER"),
    ];
    let said = |verdict: Result<LoginVerdict, IssuerError>| match verdict {
        Ok(LoginVerdict::Accepted(_)) => "accepted".to_owned(),
        Ok(LoginVerdict::Refused(code)) => format!("refused {code}"),
        Err(error) => error.reason().to_owned(),
    };
    for (status, by_password, by_both, by_client) in refusals {
        let UnderTest { server, directory, .. } = driver(false, vec![Answer::json(status, "")]).await;
        let prober = secret_file(directory.path(), "prober", r#"{"client_id": "p", "client_secret": "s"}"#);
        let deadline = Duration::from_millis(500);
        let endpoint =
            TokenEndpoint::new(HttpClient::new(), &server.url, server.url.clone(), prober, deadline);
        let login =
            GlewlwydLogin::new(endpoint.in_dialect(Dialect::Glewlwyd), access(&server, &directory, false));
        let secret = SecretValue::new("x".to_owned());
        let client = ClientLogin { id: "c", secret: &secret };
        assert_eq!(said(login.password("u", &secret).await), by_password, "{status}");
        assert_eq!(said(login.password_and_client("u", &secret, client).await), by_both, "{status}");
        assert_eq!(said(login.client(client).await), by_client, "{status}");
        let asked = server.requests();
        assert!(asked[2].ends_with("grant_type=client_credentials&scope=uid"), "{}", asked[2]);
    }
}

#[tokio::test]
async fn a_public_client_is_looked_up_because_its_endpoint_does_not_tell() {
    let shown = |enabled: bool, confidential: bool| {
        Answer::json(200, &json!({"enabled": enabled, "confidential": confidential}).to_string())
    };
    for (answer, known) in [
        (shown(true, false), true),
        (shown(true, true), false),
        (shown(false, false), false),
        (Answer::json(404, ""), false),
    ] {
        let UnderTest { server, directory, .. } = driver(false, vec![answer]).await;
        let prober = secret_file(directory.path(), "prober", "{}");
        let deadline = Duration::from_millis(500);
        let endpoint =
            TokenEndpoint::new(HttpClient::new(), &server.url, server.url.clone(), prober, deadline);
        let login = GlewlwydLogin::new(endpoint, access(&server, &directory, false));
        assert_eq!(login.public_client("c").await.unwrap() == PublicVerdict::Known, known);
    }
}

#[tokio::test]
async fn a_user_is_known_by_an_answer_that_names_it_and_by_nothing_else() {
    let named = |name: &str| Answer::json(200, &json!({"username": name, "password": 0}).to_string());
    let table = vec![
        (named("stups_shop"), Ok(true)),
        (Answer::json(404, ""), Ok(false)),
        (named("another"), Err("ISSUER_MALFORMED_ANSWER")),
        (Answer::json(403, ""), Err("ISSUER_REFUSED")),
        (Answer::json(503, "mint-canary"), Err("ISSUER_UNREACHABLE")),
    ];
    for (answer, expected) in table {
        let UnderTest { server, driver, directory: _directory } = driver(false, vec![answer.clone()]).await;
        let said = driver.knows(USER).await;
        assert_eq!(said.map_err(|error| error.reason()), expected, "{answer:?}");
        begins(&server.requests()[0], "GET /api/user/stups_shop");
    }
}
