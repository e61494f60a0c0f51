use super::*;
use crate::adapters::canned::{Answer, Canned, secret_file};

struct Bench {
    server: Canned,
    login: TokenEndpoint,
    _directory: tempfile::TempDir,
}

async fn bench(answers: Vec<Answer>) -> Bench {
    let server = Canned::new(answers).await;
    let directory = tempfile::tempdir().unwrap();
    let prober =
        secret_file(directory.path(), "prober.json", r#"{"client_id": "prober", "client_secret": "a b"}"#);
    let token_url = server.url.join(&["oauth2", "token"]).as_str().parse().unwrap();
    let revocation_url = server.url.join(&["oauth2", "revoke"]).as_str().parse().unwrap();
    let deadline = Duration::from_millis(500);
    let login = TokenEndpoint::new(HttpClient::new(), &token_url, revocation_url, prober, deadline);
    Bench { server, login, _directory: directory }
}

fn token() -> Answer {
    Answer::json(200, r#"{"access_token": "mint-token", "token_type": "Bearer", "expires_in": 60}"#)
}

fn refusal(status: u16, code: &str) -> Answer {
    Answer::json(status, &format!(r#"{{"error": "{code}", "error_description": "mint-canary"}}"#))
}

fn secret(text: &str) -> SecretValue {
    SecretValue::new(text.to_owned())
}

fn basic_of(request: &str) -> String {
    let value = request.lines().find_map(|line| line.strip_prefix("authorization: Basic ")).unwrap();
    String::from_utf8(STANDARD.decode(value).unwrap()).unwrap()
}

#[tokio::test]
async fn a_password_is_tested_through_the_prober_client() {
    let Bench { server, login, _directory } = bench(vec![token()]).await;
    let verdict = login.password("stups_shop", &secret("p&=ü")).await.unwrap();
    let LoginVerdict::Accepted(token) = verdict else { panic!("refused") };
    assert_eq!(token.expose(), "mint-token");
    let request = &server.requests()[0];
    assert!(request.starts_with("POST /oauth2/token HTTP/1.1\r\n"), "{request}");
    assert_eq!(basic_of(request), "prober:a+b");
    let form = request.split_once("\r\n\r\n").unwrap().1;
    assert_eq!(form, "grant_type=password&username=stups_shop&password=p%26%3D%C3%BC&scope=uid");
}

#[tokio::test]
async fn a_public_client_presents_its_id_and_an_empty_password() {
    let Bench { server, login, _directory } = bench(vec![refusal(401, "unauthorized_client")]).await;
    assert_eq!(login.public_client("the-id").await.unwrap(), PublicVerdict::Known);
    let request = &server.requests()[0];
    assert_eq!(basic_of(request), "the-id:");
    assert!(request.ends_with("grant_type=client_credentials"), "{request}");
    let Bench { login, _directory, .. } = bench(vec![refusal(401, "invalid_client")]).await;
    assert_eq!(login.public_client("x").await.unwrap(), PublicVerdict::Unknown("invalid_client".to_owned()));
    let Bench { login, _directory, .. } = bench(vec![token()]).await;
    assert!(matches!(login.public_client("x").await.unwrap(), PublicVerdict::Unknown(_)));
}

/// What a verdict is about, as text.
fn sorted(verdict: Result<LoginVerdict, IssuerError>) -> String {
    match verdict {
        Ok(LoginVerdict::Accepted(_)) => "accepted".to_owned(),
        Ok(LoginVerdict::Refused(code)) => format!("refused {code}"),
        Err(error) => error.reason().to_owned(),
    }
}

#[tokio::test]
async fn only_a_refusal_of_the_credential_itself_is_a_verdict() {
    let table = [
        ("invalid_grant", 400, "refused invalid_grant", "refused invalid_grant", "ISSUER_REFUSED"),
        ("invalid_client", 401, "ISSUER_REFUSED", "refused invalid_client", "refused invalid_client"),
        ("unauthorized_client", 400, "ISSUER_REFUSED", "ISSUER_REFUSED", "ISSUER_REFUSED"),
        ("invalid_scope", 400, "ISSUER_REFUSED", "ISSUER_REFUSED", "ISSUER_REFUSED"),
        ("mint_canary", 400, "ISSUER_REFUSED", "ISSUER_REFUSED", "ISSUER_REFUSED"),
        ("invalid_grant", 429, "ISSUER_RATE_LIMITED", "ISSUER_RATE_LIMITED", "ISSUER_RATE_LIMITED"),
        ("invalid_grant", 503, "ISSUER_UNKNOWN_OUTCOME", "ISSUER_UNKNOWN_OUTCOME", "ISSUER_UNKNOWN_OUTCOME"),
    ];
    for (code, status, by_password, by_both, by_client) in table {
        let Bench { login, _directory, .. } = bench(vec![refusal(status, code)]).await;
        let client_secret = secret("s");
        let client = ClientLogin { id: "i", secret: &client_secret };
        assert_eq!(sorted(login.password("u", &secret("p")).await), by_password, "{code} {status}");
        let both = login.password_and_client("u", &secret("p"), client).await;
        assert_eq!(sorted(both), by_both, "{code} {status}");
        assert_eq!(sorted(login.client(client).await), by_client, "{code} {status}");
    }
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_no_verdict_and_is_not_repeated() {
    let html = Answer::Http(200, "content-type: text/html\r\n", "<html>mint-canary</html>".to_owned());
    let answers = [
        html,
        Answer::json(200, ""),
        Answer::json(200, r#"{"mint-canary": 1}"#),
        Answer::json(400, "mint-canary"),
    ];
    for answer in answers {
        let Bench { login, _directory, .. } = bench(vec![answer]).await;
        let error = login.password("u", &secret("p")).await.unwrap_err();
        assert_eq!(error.reason(), "ISSUER_MALFORMED_ANSWER");
        assert!(!format!("{error:?} {error}").contains("canary"), "{error:?}");
    }
    for answer in [Answer::Closes, Answer::Hangs] {
        let Bench { login, _directory, .. } = bench(vec![answer]).await;
        assert_eq!(sorted(login.password("u", &secret("p")).await), "ISSUER_UNKNOWN_OUTCOME");
    }
}

#[tokio::test]
async fn a_token_is_revoked_by_the_client_that_got_it() {
    let Bench { server, login, _directory } = bench(vec![Answer::json(200, "")]).await;
    login.revoke(&secret("t&t"), None).await.unwrap();
    let client_secret = secret("s:s");
    login.revoke(&secret("t"), Some(ClientLogin { id: "i", secret: &client_secret })).await.unwrap();
    let requests = server.requests();
    assert!(requests[0].starts_with("POST /oauth2/revoke "), "{}", requests[0]);
    assert!(requests[0].ends_with("token=t%26t&token_type_hint=access_token"), "{}", requests[0]);
    assert_eq!(basic_of(&requests[0]), "prober:a+b");
    assert_eq!(basic_of(&requests[1]), "i:s%3As");
}
