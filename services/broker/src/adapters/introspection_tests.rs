use std::os::unix::fs::PermissionsExt as _;

use mint_testkit::{HttpStub, ManualClock, StubAnswer};
use mint_types::Period;

use super::*;
use crate::adapters::OidcSettings;
use crate::signing::Algorithm;

const NOW: i64 = 1_795_305_600;

/// An IAM solution with opaque sessions, and the broker's client there.
struct Iam {
    stub: HttpStub,
    answer: Arc<Mutex<StubAnswer>>,
    clock: ManualClock,
    directory: tempfile::TempDir,
}

fn expected() -> Expected {
    Expected { issuer: "https://iam.example.org".to_owned(), audience: "mint-broker".to_owned() }
}

fn active(change: impl FnOnce(&mut Value)) -> StubAnswer {
    let mut claims =
        json!({"active": true, "sub": "ci", "aud": "mint-broker", "exp": NOW + 300, "scope": "uid"});
    change(&mut claims);
    StubAnswer::status(200, &claims.to_string()).with("content-type", "application/json")
}

impl Iam {
    fn start() -> Self {
        let answer = Arc::new(Mutex::new(active(|_| {})));
        let told = Arc::clone(&answer);
        let stub = HttpStub::start(move |_| told.lock().unwrap().clone());
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("client.json");
        std::fs::write(&file, r#"{"client_id": "broker", "client_secret": "hunter2"}"#).unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
        Self { stub, answer, clock: ManualClock::default(), directory }
    }

    fn says(&self, answer: StubAnswer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn sessions(&self) -> Introspection {
        let settings = IntrospectionSettings {
            expected: expected(),
            url: format!("{}/introspect", self.stub.url()).parse().unwrap(),
            client: SecretFile::new(self.directory.path().join("client.json")),
        };
        Introspection::new(settings, HttpClient::new(), Arc::new(self.clock.clone()))
    }
}

fn bearer(token: &str) -> Bearer {
    Bearer::of_header(&format!("Bearer {token}")).unwrap()
}

#[tokio::test]
async fn an_opaque_session_is_what_the_iam_solution_says_about_it_now() {
    let iam = Iam::start();
    let sessions = iam.sessions();
    assert_eq!(sessions.recognize(&bearer("opaque")).await, Ok(Subject::Bearer("ci".to_owned())));
    let asked = iam.stub.requests().remove(0);
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/introspect"));
    assert_eq!(asked.header("authorization"), "Basic YnJva2VyOmh1bnRlcjI=");
    assert_eq!(String::from_utf8_lossy(&asked.body), "token=opaque&token_type_hint=access_token");
    iam.says(active(|claims| claims["iss"] = json!("https://iam.example.org")));
    assert!(sessions.recognize(&bearer("opaque")).await.is_ok());
    for (name, change) in [
        ("ended", (|claims| *claims = json!({"active": false})) as fn(&mut Value)),
        ("nobody's", |claims| claims["sub"] = Value::Null),
        ("of another issuer", |claims| claims["iss"] = json!("https://other.example.org")),
        ("for another audience", |claims| claims["aud"] = json!("other")),
        ("for no audience", |claims| claims["aud"] = Value::Null),
        ("over", |claims| claims["exp"] = json!(NOW)),
        ("without an end", |claims| claims["exp"] = Value::Null),
    ] {
        iam.says(active(change));
        let refused = sessions.recognize(&bearer("opaque")).await;
        assert!(matches!(refused, Err(Refusal::NoSession(_))), "{name}: {refused:?}");
    }
    assert_eq!(iam.stub.requests().len(), 9, "each was asked about, and none remembered");
}

#[tokio::test]
async fn while_nobody_says_whether_a_session_is_valid_that_is_not_its_fault_and_nobody_queues_up() {
    let iam = Iam::start();
    let sessions = iam.sessions();
    let unknown = Err(Refusal::BackendUnreachable);
    for answer in [
        StubAnswer::status(503, "down"),
        StubAnswer::status(401, r#"{"error": "invalid_client"}"#),
        StubAnswer::status(200, "<html>"),
        StubAnswer::status(200, r#"{"activ": true}"#),
        StubAnswer::HangUp,
    ] {
        iam.says(answer);
        assert_eq!(sessions.recognize(&bearer("opaque")).await, unknown);
        iam.clock.advance(AFTER_FAILURE);
    }
    let asked = iam.stub.requests().len();
    assert_eq!(sessions.recognize(&bearer("opaque")).await, unknown);
    iam.says(active(|_| {}));
    assert_eq!(sessions.recognize(&bearer("opaque")).await, unknown, "it has just failed");
    assert_eq!(iam.stub.requests().len(), asked + 1);
    iam.clock.advance(AFTER_FAILURE);
    assert!(sessions.recognize(&bearer("opaque")).await.is_ok());
    std::fs::remove_file(iam.directory.path().join("client.json")).unwrap();
    assert_eq!(sessions.recognize(&bearer("opaque")).await, unknown);
}

#[tokio::test]
async fn a_signed_session_that_is_refused_is_not_asked_about_instead() {
    let iam = Iam::start();
    let settings = OidcSettings {
        expected: expected(),
        jwks_url: format!("{}/jwks", iam.stub.url()).parse().unwrap(),
        algorithms: vec![Algorithm::Es256],
        cache: Period::from_seconds(600),
    };
    let oidc = Oidc::new(settings, HttpClient::new(), Arc::new(iam.clock.clone()));
    let both = Recognizer { signed: Some(oidc), opaque: Some(iam.sessions()) };
    // {"alg":"HS256","kid":"x"} {"sub":"ci"}
    let signed = bearer("eyJhbGciOiJIUzI1NiIsImtpZCI6IngifQ.eyJzdWIiOiJjaSJ9.c2ln");
    assert!(matches!(both.recognize(&signed).await, Err(Refusal::NoSession(_))));
    assert_eq!(iam.stub.requests().len(), 0);
    assert!(both.recognize(&bearer("opaque")).await.is_ok());
    let asking = Recognizer { signed: None, opaque: Some(iam.sessions()) };
    assert!(asking.recognize(&signed).await.is_ok(), "without published keys every session is asked about");
}
