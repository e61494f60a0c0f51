//! How an issuer's admin API is called: one request with a secret from a file, one bounded answer, and what became of it.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use mint_runtime::{
    http::{HttpClient, HttpError, HttpResponse},
    secret_file::SecretFile,
};
use mint_types::OutboundUrl;
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use crate::{Error, ports::IssuerError};

/// The issuer's own operations take well under a second.
const DEADLINE: Duration = Duration::from_secs(10);
/// An answer is a name or two, or a few words and lists.
const LARGEST_ANSWER: usize = 1 << 20;
/// A list of a hundred thousand users.
const LARGEST_LIST: usize = 16 << 20;
/// COMPAT section 4: the pause after a 429 that does not say how long.
const PAUSE: Duration = Duration::from_secs(90);

/// An admin API below a URL.
#[derive(Debug)]
pub(super) struct AdminApi {
    client: HttpClient,
    url: OutboundUrl,
    scheme: &'static str,
    token: SecretFile,
}

impl AdminApi {
    /// `scheme` stands before the secret in `Authorization`; the secret's file is read for each call.
    pub(super) fn open(
        url: OutboundUrl,
        scheme: &'static str,
        token_file: &Path,
        ca_file: Option<&Path>,
    ) -> Result<Self, Error> {
        let client = match ca_file {
            Some(ca_file) => HttpClient::with_ca(ca_file)?,
            None => HttpClient::new(),
        };
        Ok(Self { client, url, scheme, token: SecretFile::new(token_file) })
    }

    /// The URL of a path, whose parts are names.
    pub(super) fn at(&self, path: &[&str]) -> Url {
        self.url.join(path)
    }

    /// Reads a list.
    pub(super) async fn list(&self, url: Url) -> Result<HttpResponse, IssuerError> {
        self.call(Method::GET, url, None, LARGEST_LIST).await
    }

    /// Reads one thing; none if there is none.
    pub(super) async fn find(&self, url: Url) -> Result<Option<HttpResponse>, IssuerError> {
        match self.call(Method::GET, url, None, LARGEST_ANSWER).await {
            Ok(answer) => Ok(Some(answer)),
            Err(IssuerError::Refused { status: 404 }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes or changes one thing.
    pub(super) async fn write(
        &self,
        method: Method,
        url: Url,
        body: &Value,
    ) -> Result<HttpResponse, IssuerError> {
        self.call(method, url, Some(body), LARGEST_ANSWER).await
    }

    /// Deletes one thing; what is gone already is deleted.
    pub(super) async fn remove(&self, url: Url) -> Result<(), IssuerError> {
        match self.call(Method::DELETE, url, None, LARGEST_ANSWER).await {
            Ok(_) | Err(IssuerError::Refused { status: 404 }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// One call. An answer is a success of at most `limit` bytes.
    async fn call(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
        limit: usize,
    ) -> Result<HttpResponse, IssuerError> {
        let reads = method == Method::GET;
        let unsent = |detail: String| IssuerError::Unreachable { detail };
        let token = self.token.read().map_err(|error| unsent(error.to_string()))?;
        let authorization = Zeroizing::new(format!("{} {}", self.scheme, *token));
        let mut authorization = header::HeaderValue::from_str(&authorization)
            .map_err(|_| unsent("the token is not fit for a header".to_owned()))?;
        authorization.set_sensitive(true);
        let request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(header::AUTHORIZATION, authorization)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.map(|body| Bytes::from(body.to_string())).unwrap_or_default())
            .map_err(|_| unsent("the request cannot be made".to_owned()))?;
        let answer = self.client.send(request, DEADLINE, limit).await;
        let answer = answer.map_err(|error| unanswered(&error, reads))?;
        check(&answer, reads)?;
        Ok(answer)
    }
}

/// Fields that are not asked for are neither kept nor shown: an issuer may put anything into them.
pub(super) fn decoded<T: serde::de::DeserializeOwned>(
    answer: &HttpResponse,
    problem: &'static str,
) -> Result<T, IssuerError> {
    serde_json::from_slice(&answer.body).map_err(|_| malformed(problem))
}

pub(super) fn malformed(detail: &'static str) -> IssuerError {
    IssuerError::Malformed { detail }
}

fn unanswered(error: &HttpError, reads: bool) -> IssuerError {
    match error {
        HttpError::TooLarge { .. } => malformed("it is too large"),
        other if reads || other.surely_not_sent() => IssuerError::Unreachable { detail: other.to_string() },
        other => IssuerError::UnknownOutcome { detail: other.to_string() },
    }
}

fn check(answer: &HttpResponse, reads: bool) -> Result<(), IssuerError> {
    let status = answer.status;
    if status.is_success() {
        return Ok(());
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        let retry_after = answer.retry_after().unwrap_or(PAUSE);
        return Err(IssuerError::RateLimited { retry_after });
    }
    if status.is_server_error() {
        let detail = format!("it answered {}", status.as_u16());
        return Err(if reads {
            IssuerError::Unreachable { detail }
        } else {
            IssuerError::UnknownOutcome { detail }
        });
    }
    Err(IssuerError::Refused { status: status.as_u16() })
}
