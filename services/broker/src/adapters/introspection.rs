//! Sessions that only the IAM solution can read: it is asked about each one (RFC 7662), so that one that it ended is
//! refused at once. The protocol is crate `oauth2`'s; the bytes go through our own HTTP client, with its deadline and
//! bounded body.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mint_runtime::http::{HttpClient, HttpError};
use mint_runtime::secret_file::SecretFile;
use mint_types::{Clock, Monotonic, OutboundUrl};
use oauth2::basic::BasicClient;
use oauth2::{
    AccessToken, AsyncHttpClient, AuthType, ClientId, ClientSecret, HttpRequest, HttpResponse,
    IntrospectionUrl, RequestTokenError,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::Oidc;
use crate::grants::Subject;
use crate::ports::{Bearer, Sessions};
use crate::refusal::Refusal;
use crate::session::{Expected, judge};

/// Whoever waits for an answer waits for this one.
const DEADLINE: Duration = Duration::from_secs(5);
const LARGEST_ANSWER: usize = 64 * 1024;
/// Questions at once: an IAM solution that answers slowly is not buried by ours.
const AT_ONCE: usize = 64;
/// After a failure nobody waits for the next one.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Where to ask, and what must be answered.
#[derive(Debug, Clone)]
pub struct IntrospectionSettings {
    /// Issuer and audience. An answer without an issuer is that of the issuer that was asked; one without an audience or
    /// an end is no session.
    pub expected: Expected,
    /// The introspection endpoint.
    pub url: OutboundUrl,
    /// The broker's own client there: `{"client_id", "client_secret"}`, read for each question.
    pub client: SecretFile,
}

/// The IAM solution's introspection endpoint.
#[derive(Debug)]
pub struct Introspection {
    settings: IntrospectionSettings,
    http: HttpClient,
    clock: Arc<dyn Clock>,
    free: Semaphore,
    failed: Mutex<Option<Monotonic>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnClient {
    client_id: String,
    client_secret: String,
}

impl Introspection {
    /// Nothing is asked yet.
    pub fn new(settings: IntrospectionSettings, http: HttpClient, clock: Arc<dyn Clock>) -> Self {
        Self { settings, http, clock, free: Semaphore::new(AT_ONCE), failed: Mutex::default() }
    }

    /// What the IAM solution says about a session; or why nobody knows, in words that hold nothing of it.
    async fn ask(&self, bearer: &Bearer) -> Result<Value, Unasked> {
        let text = self.settings.client.read().map_err(|error| Unasked::Everybody(error.to_string()))?;
        let own: OwnClient = serde_json::from_str(&text).map_err(|_| {
            Unasked::Everybody(
                "the client's file is no JSON object with client_id and client_secret".to_owned(),
            )
        })?;
        let client = BasicClient::new(ClientId::new(own.client_id))
            .set_client_secret(ClientSecret::new(own.client_secret))
            .set_auth_type(AuthType::BasicAuth)
            .set_introspection_url(IntrospectionUrl::from_url(self.settings.url.as_url().clone()));
        let token = AccessToken::new(bearer.expose().to_owned());
        let wire = Wire { http: &self.http };
        let question = client.introspect(&token).set_token_type_hint("access_token");
        let answer = question.request_async(&wire).await.map_err(|error| match error {
            RequestTokenError::Request(error @ HttpError::TooLarge { .. }) => {
                Unasked::ThisOne(error.to_string())
            }
            RequestTokenError::Request(error) => Unasked::Everybody(error.to_string()),
            RequestTokenError::ServerResponse(_) => {
                Unasked::ThisOne("it refuses the question, or the broker's own client".to_owned())
            }
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                Unasked::ThisOne(NO_INTROSPECTION.to_owned())
            }
        })?;
        serde_json::to_value(answer).map_err(|_| Unasked::ThisOne(NO_INTROSPECTION.to_owned()))
    }

    fn has_just_failed(&self) -> bool {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let age = failed.as_ref().and_then(|failed| self.clock.monotonic().since(failed));
        age.is_some_and(|age| age < AFTER_FAILURE)
    }

    fn unreachable(&self, unasked: &Unasked) -> Refusal {
        let url = self.settings.url.as_str();
        let (Unasked::Everybody(problem) | Unasked::ThisOne(problem)) = unasked;
        tracing::error!(
            code = "BACKEND_UNREACHABLE",
            url,
            problem,
            "the IAM solution does not say whether a session is valid"
        );
        // what one bearer brought about says nothing of the others: whoever sends rubbish shuts nobody else out
        if matches!(unasked, Unasked::Everybody(_)) {
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.clock.monotonic());
        }
        Refusal::BackendUnreachable
    }
}

#[async_trait]
impl Sessions for Introspection {
    async fn recognize(&self, bearer: &Bearer) -> Result<Subject, Refusal> {
        if self.has_just_failed() {
            return Err(Refusal::BackendUnreachable);
        }
        let Ok(_place) = self.free.try_acquire() else {
            return Err(Refusal::BackendUnreachable);
        };
        let mut claims = self.ask(bearer).await.map_err(|unasked| self.unreachable(&unasked))?;
        if claims["active"] != json!(true) {
            return Err(Refusal::NoSession("it is not active"));
        }
        if claims["iss"].is_null() {
            claims["iss"] = json!(self.settings.expected.issuer);
        }
        judge(&claims, &self.settings.expected, self.clock.now())
    }
}

const NO_INTROSPECTION: &str = "the answer is no introspection";

/// Why nobody said whether a session is valid.
#[derive(Debug)]
enum Unasked {
    /// The IAM solution does not answer, whoever's session it is.
    Everybody(String),
    /// It answered, and not whether this one is.
    ThisOne(String),
}

/// Our HTTP client in the form that `oauth2` takes.
struct Wire<'a> {
    http: &'a HttpClient,
}

impl<'c> AsyncHttpClient<'c> for Wire<'_> {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self.http.send(request.map(Bytes::from), DEADLINE, LARGEST_ANSWER).await?;
            let mut response = HttpResponse::new(answer.body.to_vec());
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            Ok(response)
        })
    }
}

/// Signed sessions by their signature, and the others by asking. A signed one that is refused is not asked about.
#[derive(Debug)]
pub struct Recognizer {
    /// With published keys.
    pub signed: Option<Oidc>,
    /// By asking; without published keys, about every session.
    pub opaque: Option<Introspection>,
}

#[async_trait]
impl Sessions for Recognizer {
    async fn recognize(&self, bearer: &Bearer) -> Result<Subject, Refusal> {
        let is_signed = || jsonwebtoken::decode_header(bearer.expose()).is_ok();
        match (&self.signed, &self.opaque) {
            (Some(signed), Some(_)) if is_signed() => signed.recognize(bearer).await,
            (_, Some(opaque)) => opaque.recognize(bearer).await,
            (Some(signed), None) => signed.recognize(bearer).await,
            (None, None) => Err(Refusal::NoSession("no sessions are taken here")),
        }
    }
}

#[cfg(test)]
#[path = "introspection_tests.rs"]
mod tests;
