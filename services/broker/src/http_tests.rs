use std::sync::Mutex;

use async_trait::async_trait;
use axum::body::to_bytes;
use http::{Method, Request};
use mint_port::Port;
use serde_json::Value;
use std::time::Duration;
use tower::ServiceExt as _;

use super::*;
use crate::fakes::Bench;
use crate::ports::StsFault;

/// An IAM solution whose tokens are names.
#[derive(Debug, Clone, Default)]
struct Names {
    down: Arc<Mutex<bool>>,
}

#[async_trait]
impl Sessions for Names {
    async fn recognize(&self, bearer: &Bearer) -> Result<Subject, Refusal> {
        if *self.down.lock().unwrap() {
            return Err(Refusal::BackendUnreachable);
        }
        let subject = Subject::bearer(bearer.expose()).filter(|_| bearer.expose() != "expired");
        subject.ok_or(Refusal::NoSession("it has expired"))
    }
}

struct Front {
    bench: Bench,
    iam: Names,
    router: Router,
}

struct Seen {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Front {
    fn new(legacy: Switch) -> Self {
        let (bench, iam) = (Bench::new(), Names::default());
        let router = router(edge(&bench, &iam, legacy));
        Self { bench, iam, router }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Seen {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        Seen {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&body).unwrap(),
        }
    }

    async fn post(&self, path: &str, bearer: &str) -> Seen {
        let value = format!("Bearer {bearer}");
        self.send(Method::POST, path, &[("authorization", &value)]).await
    }
}

fn edge(bench: &Bench, iam: &Names, legacy: Switch) -> Edge {
    Edge {
        broker: Arc::clone(&bench.broker),
        sessions: Port::new(Arc::new(iam.clone())),
        issuer: "https://broker.example.org".to_owned(),
        legacy,
    }
}

fn fields(body: &Value) -> Vec<&str> {
    body.as_object().unwrap().keys().map(String::as_str).collect()
}

const JWT: &str = "/v1/mint-oidc-jwt";
const CREDS: &str = "/v1/mint-aws-creds";

#[tokio::test]
async fn both_calls_answer_exactly_the_fields_of_the_wire_format() {
    let front = Front::new(Switch::On);
    let seen = front.post(JWT, "ci").await;
    assert_eq!((seen.status, fields(&seen.body)), (200, vec!["expiration", "jwt", "wallet"]));
    assert_eq!(
        (&seen.body["wallet"], &seen.body["expiration"]),
        (&"abc".into(), &"2026-11-22T00:05:00Z".into())
    );
    assert_eq!(seen.body["jwt"].as_str().unwrap().split('.').count(), 3);
    assert_eq!(seen.headers["cache-control"], "no-store");
    let seen = front.post(CREDS, "ci").await;
    assert_eq!(
        (seen.status, seen.body),
        (
            200,
            json!({
                "access_key_id": "ASIA1", "secret_access_key": "secret-1", "session_token": "token-of-ci-1",
                "expiration": "2026-11-22T01:00:00Z", "wallet": "abc", "audit_record_id": "2",
            })
        )
    );
    assert_eq!(seen.headers["cache-control"], "no-store");
    assert_eq!(seen.headers["content-type"], "application/json");
}

#[tokio::test]
async fn an_invalid_session_is_401_and_sts_is_not_called() {
    let front = Front::new(Switch::On);
    let cases: [&[(&str, &str)]; 6] = [
        &[],
        &[("authorization", "Bearer expired")],
        &[("authorization", "Basic Y2k6Y2k=")],
        &[("authorization", "Bearer")],
        &[("authorization", "Bearer a b")],
        &[("authorization", "Bearer ci"), ("authorization", "Bearer other")],
    ];
    for headers in cases {
        for path in [JWT, CREDS] {
            let seen = front.send(Method::POST, path, headers).await;
            assert_eq!((seen.status, fields(&seen.body)), (401, vec!["error", "message"]), "{headers:?}");
            assert_eq!(seen.body["error"], "unauthorized");
            assert_eq!(seen.headers["www-authenticate"], "Bearer");
        }
    }
    assert!(front.bench.exchanged().is_empty() && front.bench.ledger.log.entries().is_empty());
}

#[tokio::test]
async fn an_iam_solution_that_is_down_is_502_and_an_outcome_of_its_own() {
    let front = Front::new(Switch::On);
    *front.iam.down.lock().unwrap() = true;
    let seen = front.post(CREDS, "ci").await;
    assert_eq!((seen.status, &seen.body["error"]), (502, &"backend_unreachable".into()));
    assert!(front.bench.exchanged().is_empty());
    *front.iam.down.lock().unwrap() = false;
    front.bench.sts.faults.lock().unwrap().push_back(StsFault::AccessDenied);
    let seen = front.post(CREDS, "ci").await;
    assert_eq!((seen.status, &seen.body["error"]), (502, &"sts_error".into()));
}

#[tokio::test]
async fn every_refusal_has_its_status_and_its_word_and_no_secret() {
    let front = Front::new(Switch::On);
    let seen = front.post(CREDS, "nobody").await;
    assert_eq!((seen.status, &seen.body["error"]), (403, &"forbidden".into()));
    let key = "k".repeat(129);
    let seen =
        front.send(Method::POST, CREDS, &[("authorization", "Bearer ci"), ("idempotency-key", &key)]).await;
    assert_eq!((seen.status, &seen.body["error"]), (400, &"bad_request".into()));
    let seen = front.send(Method::GET, CREDS, &[]).await;
    assert_eq!((seen.status, &seen.body["error"]), (405, &"method_not_allowed".into()));
    let seen = front.send(Method::POST, "/v1/assume-role", &[]).await;
    assert_eq!((seen.status, &seen.body["error"]), (404, &"not_found".into()));
    *front.bench.ledger.down_after.lock().unwrap() = Some(1);
    let seen = front.post(CREDS, "ci").await;
    assert_eq!((seen.status, &seen.body["error"]), (500, &"internal_error".into()));
    assert_eq!(front.bench.exchanged().len(), 1, "they were obtained");
    let text = seen.body.to_string();
    assert!(!text.contains("secret-1") && !text.contains("token-of"), "{text}");
    *front.bench.ledger.down_after.lock().unwrap() = None;
    for _ in 0..60 {
        front.post(JWT, "other").await;
    }
    let seen = front.post(JWT, "other").await;
    assert_eq!((seen.status, &seen.body["error"]), (429, &"rate_limited".into()));
    assert_eq!(seen.headers["retry-after"], "1");
    front.bench.clock.advance(Duration::from_secs(1));
    assert_eq!(front.post(JWT, "other").await.status, 200, "whoever waits as long as it says is served");
}

#[tokio::test]
async fn the_retired_route_is_410_and_names_its_replacement() {
    let front = Front::new(Switch::Off);
    for bearer in ["ci", "expired"] {
        let seen = front.post(CREDS, bearer).await;
        assert_eq!((seen.status, &seen.body["error"]), (410, &"gone".into()));
        assert!(seen.body["message"].as_str().unwrap().contains("POST /v1/mint-oidc-jwt"));
    }
    assert_eq!(front.send(Method::POST, CREDS, &[]).await.status, 410);
    assert!(front.bench.exchanged().is_empty());
    assert_eq!(front.post(JWT, "ci").await.status, 200);
}

#[tokio::test]
async fn who_still_takes_the_old_route_is_counted_by_name_and_nobody_makes_up_names() {
    let edge = edge(&Bench::new(), &Names::default(), Switch::On);
    let name_of = |name: &str| edge.name_of(Subject::bearer(name).as_ref());
    assert_eq!((name_of("ci"), name_of("other")), ("ci".to_owned(), "other".to_owned()));
    assert_eq!((name_of("made-up-1"), edge.name_of(None)), ("unknown".to_owned(), "unknown".to_owned()));
}

#[tokio::test]
async fn a_relying_party_finds_the_keys_where_the_issuer_says_and_verifies_with_them() {
    let front = Front::new(Switch::On);
    let seen = front.send(Method::GET, "/.well-known/openid-configuration", &[]).await;
    assert_eq!(seen.body["issuer"], "https://broker.example.org");
    assert_eq!(seen.body["jwks_uri"], "https://broker.example.org/.well-known/jwks.json");
    let seen = front.send(Method::GET, "/.well-known/jwks.json", &[]).await;
    assert_eq!(seen.headers["cache-control"], "public, max-age=600");
    let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_value(seen.body).unwrap();
    let token = front.post(JWT, "ci").await.body["jwt"].as_str().unwrap().to_owned();
    let header = jsonwebtoken::decode_header(&token).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(jwks.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.set_audience(&["sts.amazonaws.com"]);
    validation.validate_exp = false;
    let claims = jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap().claims;
    assert_eq!(claims["https://aws.amazon.com/tags"]["principal_tags"], json!({"mint_application": ["abc"]}));
}
