use std::sync::Mutex;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mint_testkit::{HttpStub, ManualClock, StubAnswer};
use serde_json::json;

use super::*;
use crate::signing::PrivateKey;

const NOW: i64 = 1_795_305_600;

/// An IAM solution: its keys, and the answer for its key set.
struct Iam {
    stub: HttpStub,
    answer: Arc<Mutex<StubAnswer>>,
    clock: ManualClock,
}

fn key(algorithm: Algorithm) -> PrivateKey {
    PrivateKey::from_pkcs8(algorithm, &PrivateKey::generate(algorithm).unwrap()).unwrap()
}

fn set(keys: &[&PrivateKey]) -> StubAnswer {
    let foreign = json!({"kty": "quantum", "kid": "of a kind that nobody knows", "alg": "PQ-1"});
    let keys: Vec<Value> = keys.iter().map(|key| key.public().jwk(None)).chain([foreign]).collect();
    StubAnswer::status(200, &json!({"keys": keys}).to_string())
}

impl Iam {
    fn start(keys: &[&PrivateKey]) -> Self {
        let answer = Arc::new(Mutex::new(set(keys)));
        let told = Arc::clone(&answer);
        let stub = HttpStub::start(move |_| told.lock().unwrap().clone());
        Self { stub, answer, clock: ManualClock::default() }
    }

    fn says(&self, answer: StubAnswer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn sessions(&self) -> Oidc {
        let settings = OidcSettings {
            expected: Expected {
                issuer: "https://iam.example.org".to_owned(),
                audience: "mint-broker".to_owned(),
            },
            jwks_url: format!("{}/jwks", self.stub.url()).parse().unwrap(),
            algorithms: vec![Algorithm::Es256],
            cache: Period::from_seconds(600),
        };
        Oidc::new(settings, HttpClient::new(), Arc::new(self.clock.clone()))
    }
}

fn token(header: &Value, signs: impl FnOnce(&[u8]) -> Vec<u8>) -> Bearer {
    let claims =
        json!({"iss": "https://iam.example.org", "aud": "mint-broker", "sub": "ci", "exp": NOW + 300});
    let mut token = BASE64_URL_SAFE_NO_PAD.encode(header.to_string());
    token.push('.');
    token.push_str(&BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = signs(token.as_bytes());
    token.push('.');
    token.push_str(&BASE64_URL_SAFE_NO_PAD.encode(signature));
    Bearer::of_header(&format!("Bearer {token}")).unwrap()
}

fn session(key: &PrivateKey) -> Bearer {
    let header = json!({"alg": key.algorithm().as_str(), "kid": key.public().kid});
    token(&header, |message| key.sign(message).unwrap())
}

#[tokio::test]
async fn a_session_is_believed_only_with_a_good_signature_of_the_pinned_algorithm() {
    let (own, stranger, rsa) = (key(Algorithm::Es256), key(Algorithm::Es256), key(Algorithm::Rs256));
    let iam = Iam::start(&[&own, &rsa]);
    let sessions = iam.sessions();
    assert_eq!(sessions.recognize(&session(&own)).await, Ok(Subject::Bearer("ci".to_owned())));
    let kid = own.public().kid;
    let forged = [
        (
            "a stranger's signature under a known id",
            token(&json!({"alg": "ES256", "kid": kid}), |m| stranger.sign(m).unwrap()),
        ),
        ("an algorithm that is not pinned", session(&rsa)),
        ("no algorithm", token(&json!({"alg": "none", "kid": kid}), |_| Vec::new())),
        ("a symmetric one", token(&json!({"alg": "HS256", "kid": kid}), <[u8]>::to_vec)),
        (
            "an RSA key for ES256",
            token(&json!({"alg": "ES256", "kid": rsa.public().kid}), |m| own.sign(m).unwrap()),
        ),
        ("no key id", token(&json!({"alg": "ES256"}), |m| own.sign(m).unwrap())),
        ("no signature", token(&json!({"alg": "ES256", "kid": kid}), |_| Vec::new())),
        ("no token", Bearer::of_header("Bearer abc").unwrap()),
    ];
    for (name, bearer) in forged {
        let refused = sessions.recognize(&bearer).await;
        assert!(matches!(refused, Err(Refusal::NoSession(_))), "{name}: {refused:?}");
    }
}

#[tokio::test]
async fn unknown_key_ids_fetch_the_keys_no_more_often_than_the_bound() {
    let (own, new) = (key(Algorithm::Es256), key(Algorithm::Es256));
    let iam = Iam::start(&[&own]);
    let sessions = iam.sessions();
    for _ in 0..20 {
        assert!(matches!(sessions.recognize(&session(&new)).await, Err(Refusal::NoSession(_))));
    }
    assert_eq!(iam.stub.requests().len(), 1);
    // the issuer rotates: its new key is found after the bound, without waiting for the cache's end
    iam.says(set(&[&own, &new]));
    iam.clock.advance(BETWEEN_FETCHES);
    assert!(sessions.recognize(&session(&new)).await.is_ok());
    assert!(sessions.recognize(&session(&own)).await.is_ok());
    assert_eq!(iam.stub.requests().len(), 2);
}

#[tokio::test]
async fn nobody_is_recognized_with_keys_that_are_too_old_and_that_is_not_the_callers_fault() {
    let own = key(Algorithm::Es256);
    let iam = Iam::start(&[&own]);
    let sessions = iam.sessions();
    assert!(sessions.recognize(&session(&own)).await.is_ok());
    iam.says(StubAnswer::status(503, "down"));
    iam.clock.advance(Duration::from_secs(200));
    assert!(sessions.recognize(&session(&own)).await.is_ok(), "what was fetched serves for its time");
    for answer in [
        StubAnswer::status(503, "down"),
        StubAnswer::HangUp,
        StubAnswer::status(200, "<html>"),
        StubAnswer::status(200, "{}"),
        StubAnswer::status(200, &"x".repeat(LONGEST_SET + 1)),
    ] {
        iam.says(answer);
        iam.clock.advance(Duration::from_secs(400));
        // its own session has ended by now: nobody gets so far as to see that
        assert_eq!(sessions.recognize(&session(&own)).await, Err(Refusal::BackendUnreachable));
    }
    iam.says(set(&[]));
    iam.clock.advance(AFTER_FAILURE);
    assert!(
        matches!(sessions.recognize(&session(&own)).await, Err(Refusal::NoSession(_))),
        "a key that was withdrawn is believed no more"
    );
}

#[tokio::test]
async fn while_the_keys_cannot_be_fetched_callers_do_not_queue_up_for_them() {
    let own = key(Algorithm::Es256);
    let iam = Iam::start(&[&own]);
    iam.says(StubAnswer::HangUp);
    let sessions = iam.sessions();
    for _ in 0..20 {
        assert_eq!(sessions.recognize(&session(&own)).await, Err(Refusal::BackendUnreachable));
    }
    assert_eq!(iam.stub.requests().len(), 1);
    iam.says(set(&[&own]));
    iam.clock.advance(AFTER_FAILURE);
    assert!(sessions.recognize(&session(&own)).await.is_ok());
}
