//! The four calls of the wire format over HTTP: decode, one call, encode.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mint_port::Port;
use mint_types::RequestId;
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::config::Switch;
use crate::execute::{Asked, Broker};
use crate::grants::Subject;
use crate::names::IdempotencyKey;
use crate::ports::{Bearer, Sessions};
use crate::refusal::Refusal;
use crate::shelf::{Obtained, Signed};

/// `Idempotency-Key` (IETF HTTPAPI draft of that name).
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// What names a call in the audit log, if the caller gives it.
const REQUEST_ID: &str = "x-request-id";

/// The HTTP side.
#[derive(Debug, Clone)]
pub struct Edge {
    /// Signs and exchanges.
    pub broker: Arc<Broker>,
    /// Recognizes.
    pub sessions: Port<dyn Sessions>,
    /// `iss`.
    pub issuer: String,
    /// Whether `POST /v1/mint-aws-creds` answers credentials.
    pub legacy: Switch,
}

/// The routes, and an error of ours for everything else.
pub fn router(edge: Edge) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/.well-known/jwks.json", get(jwks))
        .route("/v1/mint-oidc-jwt", post(mint_oidc_jwt))
        .route("/v1/mint-aws-creds", post(mint_aws_creds))
        .fallback(async || refused(&Refusal::NotFound))
        .method_not_allowed_fallback(async || refused(&Refusal::WrongMethod))
        .with_state(Arc::new(edge))
}

async fn discovery(State(edge): State<Arc<Edge>>) -> Response {
    let issuer = &edge.issuer;
    let document = json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256"],
        "claims_supported": ["iss", "sub", "aud", "iat", "nbf", "exp", "jti", "https://aws.amazon.com/tags"],
    });
    public(&edge, document.to_string())
}

async fn jwks(State(edge): State<Arc<Edge>>) -> Response {
    public(&edge, edge.broker.keys().jwks(edge.broker.now()).to_string())
}

async fn mint_oidc_jwt(State(edge): State<Arc<Edge>>, headers: HeaderMap) -> Response {
    let answer = edge.token(&headers).await;
    edge.answered("mint-oidc-jwt", answer.as_ref().err());
    match answer {
        Ok(signed) => private(&Token::of(&signed)),
        Err(refusal) => refused(&refusal),
    }
}

async fn mint_aws_creds(State(edge): State<Arc<Edge>>, headers: HeaderMap) -> Response {
    let answer = edge.credentials(&headers).await;
    edge.answered("mint-aws-creds", answer.as_ref().err());
    match answer {
        Ok(obtained) => private(&Credentials::of(&obtained)),
        Err(refusal) => refused(&refusal),
    }
}

/// The body of `POST /v1/mint-oidc-jwt`.
#[derive(Serialize)]
struct Token<'a> {
    jwt: &'a str,
    wallet: &'a str,
    expiration: String,
}

impl<'a> Token<'a> {
    fn of(signed: &'a Signed) -> Self {
        let token = &signed.token;
        Self {
            jwt: token.expose(),
            wallet: token.grant().value.as_str(),
            expiration: token.expires().to_string(),
        }
    }
}

/// The body of `POST /v1/mint-aws-creds`.
#[derive(Serialize)]
struct Credentials<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: &'a str,
    expiration: String,
    wallet: &'a str,
    audit_record_id: String,
}

impl<'a> Credentials<'a> {
    fn of(obtained: &'a Obtained) -> Self {
        let credentials = &obtained.credentials;
        Self {
            access_key_id: &credentials.access_key_id,
            secret_access_key: credentials.secret_access_key.expose(),
            session_token: credentials.session_token.expose(),
            expiration: credentials.expiration.to_string(),
            wallet: obtained.grant.value.as_str(),
            audit_record_id: obtained.audit_leaf.to_string(),
        }
    }
}

impl Edge {
    async fn token(&self, headers: &HeaderMap) -> Result<Arc<Signed>, Refusal> {
        let asked = self.asked(headers).await?;
        self.broker.token(asked).await
    }

    async fn credentials(&self, headers: &HeaderMap) -> Result<Arc<Obtained>, Refusal> {
        if self.legacy == Switch::Off {
            // retired for everybody; who still asks is counted by name if that can be told
            let caller = self.asked(headers).await.ok().map(|asked| asked.subject);
            self.count_legacy(caller.as_ref());
            return Err(Refusal::Retired);
        }
        let asked = self.asked(headers).await?;
        self.count_legacy(Some(&asked.subject));
        self.broker.credentials(asked).await
    }

    async fn asked(&self, headers: &HeaderMap) -> Result<Asked, Refusal> {
        let key = idempotency_key(headers)?;
        let subject = self.sessions.recognize(&bearer(headers)?).await?;
        let request = one(headers, REQUEST_ID).ok().flatten().and_then(|text| text.parse::<RequestId>().ok());
        Ok(Asked { subject, key, request: request.unwrap_or_else(|| self.broker.request_id()) })
    }

    fn count_legacy(&self, caller: Option<&Subject>) {
        self.broker.metrics().legacy(&self.name_of(caller));
    }

    /// Names come from the grant table only, so that nobody makes up as many as he likes.
    fn name_of(&self, caller: Option<&Subject>) -> String {
        let known = caller.filter(|caller| self.broker.knows(caller));
        known.map_or_else(|| "unknown".to_owned(), ToString::to_string)
    }

    fn answered(&self, route: &'static str, refusal: Option<&Refusal>) {
        self.broker.metrics().answered(route, refusal.map_or("ok", Refusal::word));
        if let Some(refusal) = refusal {
            tracing::info!(route, reason = refusal.reason(), error = %refusal, "refused");
        }
    }
}

/// A header that stands once, or not at all.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

fn bearer(headers: &HeaderMap) -> Result<Bearer, Refusal> {
    let value = one(headers, header::AUTHORIZATION.as_str())
        .map_err(|()| Refusal::NoSession("there is more than one Authorization, or none that can be read"))?;
    let value = value.ok_or(Refusal::NoSession("there is no Authorization: Bearer"))?;
    Bearer::of_header(value).ok_or(Refusal::NoSession("the Authorization is no bearer token"))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Refusal> {
    let refuse =
        Refusal::BadRequest("the Idempotency-Key must be one, of 1 to 128 visible characters of ASCII");
    let value = one(headers, IDEMPOTENCY_KEY).map_err(|()| refuse.clone())?;
    value.map(|text| text.parse().map_err(|_| refuse)).transpose()
}

fn public(edge: &Edge, document: String) -> Response {
    let mut response = answer(StatusCode::OK, Body::from(document));
    let seconds = edge.broker.keys().cache().as_seconds();
    if let Ok(value) = HeaderValue::from_str(&format!("public, max-age={seconds}")) {
        response.headers_mut().insert(header::CACHE_CONTROL, value);
    }
    response
}

/// A body that is wiped when it is sent, and kept by nobody on the way.
fn private(document: &impl Serialize) -> Response {
    // room enough that it never moves and leaves a copy behind
    let mut body = Zeroizing::new(Vec::with_capacity(64 * 1024));
    if serde_json::to_writer(&mut *body, document).is_err() {
        return refused(&Refusal::Internal("the answer cannot be written"));
    }
    let mut response = answer(StatusCode::OK, Body::from(Bytes::from_owner(body)));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn refused(refusal: &Refusal) -> Response {
    let body = json!({"error": refusal.word(), "message": refusal.to_string()}).to_string();
    let mut response = answer(refusal.status(), Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match refusal {
        Refusal::NoSession(_) => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Refusal::TooMany { retry_after } => {
            // whole seconds, rounded up: who comes at the minute it says is served
            let seconds = retry_after.as_millis().div_ceil(1000).max(1);
            headers
                .insert(header::RETRY_AFTER, HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX)));
        }
        _ => {}
    }
    response
}

fn answer(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
