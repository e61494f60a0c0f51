//! The provider that reader roles trust for session tags: the credential broker. Its keys are fetched where its issuer
//! publishes them, as AWS does it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use mint_types::{OutboundUrl, Timestamp};
use serde_json::Value;

/// For both documents together.
const DEADLINE: Duration = Duration::from_secs(5);
const LONGEST_DOCUMENT: usize = 64 * 1024;

/// An OIDC provider of the teams' accounts.
#[derive(Debug)]
pub(crate) struct Federation {
    issuer: String,
    client: Client<HttpConnector, Full<Bytes>>,
    keys: tokio::sync::Mutex<Arc<JwkSet>>,
}

/// Why a token of the provider is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Malformed,
    /// The published keys cannot be fetched.
    Unreachable,
    Signature,
    Expired,
    NotYet,
}

impl Federation {
    pub(crate) fn new(issuer: &OutboundUrl) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { issuer: issuer.as_str().to_owned(), client, keys: tokio::sync::Mutex::default() }
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The issuer without its scheme, as IAM names the provider.
    pub(crate) fn provider(&self) -> &str {
        self.issuer.split_once("://").map_or(self.issuer.as_str(), |(_, rest)| rest)
    }

    /// The claims of a token of this issuer that is valid now.
    pub(crate) async fn verify(&self, token: &str, now: Timestamp) -> Result<Value, Refused> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refused::Malformed)?;
        if !matches!(header.alg, Algorithm::ES256 | Algorithm::RS256) {
            return Err(Refused::Signature);
        }
        let kid = header.kid.ok_or(Refused::Malformed)?;
        let key = self.key(&kid).await?;
        let mut validation = Validation::new(header.alg);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let decoded =
            jsonwebtoken::decode::<Value>(token, &key, &validation).map_err(|_| Refused::Signature)?;
        let second = now.unix_millis().div_euclid(1000);
        let expires = decoded.claims["exp"].as_i64().ok_or(Refused::Malformed)?;
        if expires <= second {
            return Err(Refused::Expired);
        }
        if decoded.claims["nbf"].as_i64().is_some_and(|not_before| not_before > second) {
            return Err(Refused::NotYet);
        }
        Ok(decoded.claims)
    }

    /// A key that is not known is looked for where it is published.
    async fn key(&self, kid: &str) -> Result<DecodingKey, Refused> {
        let mut keys = self.keys.lock().await;
        if keys.find(kid).is_none() {
            let fetched = tokio::time::timeout(DEADLINE, self.fetch()).await;
            *keys = Arc::new(fetched.ok().flatten().ok_or(Refused::Unreachable)?);
        }
        let key = keys.find(kid).ok_or(Refused::Signature)?;
        DecodingKey::from_jwk(key).map_err(|_| Refused::Signature)
    }

    async fn fetch(&self) -> Option<JwkSet> {
        let discovery = self.document(&format!("{}/.well-known/openid-configuration", self.issuer)).await?;
        if discovery["issuer"] != self.issuer.as_str() {
            return None;
        }
        serde_json::from_value(self.document(discovery["jwks_uri"].as_str()?).await?).ok()
    }

    async fn document(&self, url: &str) -> Option<Value> {
        let request = http::Request::get(url).body(Full::default()).ok()?;
        let answer = self.client.request(request).await.ok()?;
        if answer.status() != http::StatusCode::OK {
            return None;
        }
        let body = Limited::new(answer.into_body(), LONGEST_DOCUMENT).collect().await.ok()?.to_bytes();
        serde_json::from_slice(&body).ok()
    }
}
