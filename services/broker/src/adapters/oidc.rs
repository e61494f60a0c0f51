//! Sessions of the IAM solution as JWTs, verified with its published keys (OpenID Connect Core, section 3.1.3.7).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{DecodingKey, Validation};
use mint_runtime::http::HttpClient;
use mint_types::{Clock, Monotonic, OutboundUrl, Period};
use serde_json::Value;

use crate::grants::Subject;
use crate::ports::{Bearer, Sessions};
use crate::refusal::Refusal;
use crate::session::{Expected, judge};
use crate::signing::Algorithm;

/// For the keys; whoever waits for an answer waits for them.
const DEADLINE: Duration = Duration::from_secs(5);
/// Sets have a handful of keys.
const LONGEST_SET: usize = 64 * 1024;
/// Unknown key ids are free to make: they fetch the set no more often than this.
const BETWEEN_FETCHES: Duration = Duration::from_secs(10);
/// After a failure nobody waits for the next one: whoever queued for the keys hears at once what the first one heard.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

const UNKNOWN_KEY: Refusal = Refusal::NoSession("no key of the issuer has its id");

/// What is believed.
#[derive(Debug, Clone)]
pub struct OidcSettings {
    /// Issuer and audience.
    pub expected: Expected,
    /// Where its keys are.
    pub jwks_url: OutboundUrl,
    /// What they may sign with, whatever a token's header says.
    pub algorithms: Vec<Algorithm>,
    /// How long fetched keys are believed.
    pub cache: Period,
}

/// The IAM solution.
#[derive(Debug)]
pub struct Oidc {
    settings: OidcSettings,
    http: HttpClient,
    clock: Arc<dyn Clock>,
    known: tokio::sync::Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    keys: JwkSet,
    fetched: Option<Monotonic>,
    failed: Option<Monotonic>,
}

impl Known {
    /// Never is as long ago as can be.
    fn age(now: &Monotonic, then: Option<&Monotonic>) -> Duration {
        then.and_then(|then| now.since(then)).unwrap_or(Duration::MAX)
    }
}

impl Oidc {
    /// Nothing is fetched yet.
    pub fn new(settings: OidcSettings, http: HttpClient, clock: Arc<dyn Clock>) -> Self {
        Self { settings, http, clock, known: tokio::sync::Mutex::default() }
    }

    /// The key of an id. Fetched keys serve for their time; an id that they lack is asked for again, within bounds.
    async fn key(&self, kid: &str) -> Result<Jwk, Refusal> {
        // one fetch at a time: the others wait and find what it brought
        let mut known = self.known.lock().await;
        let now = self.clock.monotonic();
        let age = Known::age(&now, known.fetched.as_ref());
        match known.keys.find(kid) {
            Some(key) if age < self.settings.cache.as_duration() => return Ok(key.clone()),
            None if age < BETWEEN_FETCHES => return Err(UNKNOWN_KEY),
            Some(_) | None => {}
        }
        if Known::age(&now, known.failed.as_ref()) < AFTER_FAILURE {
            return Err(Refusal::BackendUnreachable);
        }
        match self.fetch().await {
            Ok(keys) => *known = Known { keys, fetched: Some(now), failed: None },
            Err(refusal) => {
                known.failed = Some(self.clock.monotonic());
                return Err(refusal);
            }
        }
        known.keys.find(kid).cloned().ok_or(UNKNOWN_KEY)
    }

    async fn fetch(&self) -> Result<JwkSet, Refusal> {
        let url = self.settings.jwks_url.as_str();
        let unreachable = |problem: &dyn std::fmt::Display| {
            tracing::error!(code = "BACKEND_UNREACHABLE", url, %problem, "the IAM solution's keys cannot be fetched");
            Refusal::BackendUnreachable
        };
        let request = http::Request::get(url)
            .header(http::header::ACCEPT, "application/json")
            .body(Bytes::new())
            .map_err(|error| unreachable(&error))?;
        let answer =
            self.http.send(request, DEADLINE, LONGEST_SET).await.map_err(|error| unreachable(&error))?;
        if answer.status != http::StatusCode::OK {
            return Err(unreachable(&answer.status));
        }
        let document: Value =
            serde_json::from_slice(&answer.body).map_err(|_| unreachable(&"the answer is no JSON"))?;
        let listed = document["keys"].as_array().ok_or_else(|| unreachable(&"the answer has no keys"))?;
        // a key of a kind that nobody here knows is none of ours, and spoils no other
        let keys = listed.iter().filter_map(|key| serde_json::from_value(key.clone()).ok()).collect();
        Ok(JwkSet { keys })
    }
}

#[async_trait]
impl Sessions for Oidc {
    async fn recognize(&self, bearer: &Bearer) -> Result<Subject, Refusal> {
        let token = bearer.expose();
        let header =
            jsonwebtoken::decode_header(token).map_err(|_| Refusal::NoSession("it is no signed token"))?;
        let pinned = self.settings.algorithms.iter().copied().map(library_name);
        let algorithm = pinned
            .into_iter()
            .find(|algorithm| *algorithm == header.alg)
            .ok_or(Refusal::NoSession("it is signed with an algorithm that is not taken"))?;
        let kid = header.kid.ok_or(Refusal::NoSession("it does not name its key"))?;
        let jwk = self.key(&kid).await?;
        let claims = verified(token, &jwk, algorithm)?;
        judge(&claims, &self.settings.expected, self.clock.now())
    }
}

fn library_name(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
    }
}

/// The claims of a token whose signature is good. What they say is judged by our own clock, afterwards.
fn verified(token: &str, jwk: &Jwk, algorithm: jsonwebtoken::Algorithm) -> Result<Value, Refusal> {
    let refuse = |_| Refusal::NoSession("its signature is not good");
    let key = DecodingKey::from_jwk(jwk).map_err(refuse)?;
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    Ok(jsonwebtoken::decode::<Value>(token, &key, &validation).map_err(refuse)?.claims)
}

#[cfg(test)]
#[path = "oidc_tests.rs"]
mod tests;
