//! Driver `service-user`: the IAM solution's admin API (COMPAT section 3), as far as credentials go.
//!
//! A password's commit ends what is *older*, so one that lands late harms nothing. A client's ends *all others*; that a
//! second one changes nothing is how our own server is, and nothing that the API promises, so a late one is waited for.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use mint_issuer_contract::{
    ClientIds, Declaration, Declared, Driver, Ends, Handle, LateEnd, MadeBy, NewVersion, Subject,
};
use mint_runtime::http::{HttpClient, HttpError, HttpResponse};
use mint_runtime::secret_file::SecretFile;
use mint_secret::{Received, SecretValue};
use mint_types::{IssuerObject, OutboundUrl};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::error::IssuerError;

/// COMPAT section 4: the pause after a 429 that does not say how long.
pub const DEFAULT_PAUSE: Duration = Duration::from_secs(90);
/// An answer holds a handle and a secret; anything longer is no answer of this API.
const LARGEST_ANSWER: usize = 64 * 1024;

/// The service-user API behind HTTP.
#[derive(Debug)]
pub struct ServiceUser {
    http: HttpClient,
    base: OutboundUrl,
    token: SecretFile,
    deadline: Duration,
    grace: Duration,
}

impl ServiceUser {
    /// An API at a base URL, with a bearer token out of a file that is read at every call. It accepts older passwords for
    /// the grace after a commit.
    pub fn new(
        http: HttpClient,
        base: OutboundUrl,
        token: SecretFile,
        deadline: Duration,
        grace: Duration,
    ) -> Self {
        Self { http, base, token, deadline, grace }
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&serde_json::Value>,
    ) -> Result<HttpResponse, IssuerError> {
        let own_access = |problem: String| IssuerError::OwnAccess(problem);
        let token = self.token.read().map_err(|error| own_access(error.to_string()))?;
        let mut bearer = http::HeaderValue::try_from(format!("Bearer {}", token.as_str()))
            .map_err(|_| own_access("the token cannot stand in a header".to_owned()))?;
        bearer.set_sensitive(true);
        let url = self.base.join(path);
        let request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(header::AUTHORIZATION, bearer)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .body(body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string())))
            .map_err(|error| own_access(error.to_string()))?;
        let answer = self.http.send(request, self.deadline, LARGEST_ANSWER).await;
        accepted(answer)
    }
}

/// The answer of a call that was done; anything else is sorted by whether it may have had an effect.
pub(super) fn accepted(answer: Result<HttpResponse, HttpError>) -> Result<HttpResponse, IssuerError> {
    let response = match answer {
        Ok(response) => response,
        Err(HttpError::TooLarge { .. }) => return Err(IssuerError::Malformed("it is too long")),
        Err(error) if error.surely_not_sent() => return Err(IssuerError::NotSent(error.to_string())),
        Err(error) => return Err(IssuerError::Unknown(error.to_string())),
    };
    let status = response.status;
    if status.is_success() {
        return Ok(response);
    }
    Err(match status {
        StatusCode::TOO_MANY_REQUESTS => {
            IssuerError::RateLimited { retry_after: response.retry_after().unwrap_or(DEFAULT_PAUSE) }
        }
        StatusCode::REQUEST_TIMEOUT => IssuerError::Unknown("status 408".to_owned()),
        status if status.is_client_error() => IssuerError::Refused { status: status.as_u16() },
        status if status.is_server_error() => IssuerError::Unknown(format!("status {}", status.as_u16())),
        _ => IssuerError::Malformed("its status is neither success nor failure"),
    })
}

/// Reads a JSON object. The parser's complaint may quote the document, so it is dropped.
fn decode<T: DeserializeOwned>(response: &HttpResponse, what: &'static str) -> Result<T, IssuerError> {
    let is_object = response.body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    if !is_object {
        return Err(IssuerError::Malformed(what));
    }
    serde_json::from_slice(&response.body).map_err(|_| IssuerError::Malformed(what))
}

const NO_PASSWORD: &str = "it is no JSON object with txid and password";
const NO_USER: &str = "it is not about this user";
const NO_CLIENT: &str = "it is no JSON object with txid, client_id and client_secret";

#[derive(Deserialize)]
struct PasswordAnswer {
    txid: String,
    password: Received,
}

#[derive(Deserialize)]
struct UserAnswer {
    id: String,
}

#[derive(Deserialize)]
struct ClientAnswer {
    txid: String,
    client_id: String,
    client_secret: Received,
}

#[async_trait]
impl Driver for ServiceUser {
    fn declares(&self) -> Declaration {
        let declared = |ends, late_end| Declared { ends, late_end, made_by: MadeBy::Issuer, lists: false };
        Declaration {
            driver: "service-user",
            // a client is found by its user, whose name is in the path; the id in the body is what the API asks for
            client_ids: ClientIds::Answered,
            user: declared(Ends::Commit { grace: self.grace }, LateEnd::Harmless),
            client: declared(Ends::CommitAtOnce, LateEnd::MayEndNewer),
        }
    }

    async fn create(
        &self,
        subject: Subject<'_>,
        value: Option<SecretValue>,
    ) -> Result<NewVersion, IssuerError> {
        if value.is_some() {
            return Err(IssuerError::Unsupported("the service-user API makes its secrets itself"));
        }
        match subject.object {
            IssuerObject::User => self.create_password(subject.username).await,
            IssuerObject::Client => self.create_client(subject.username, subject.client_id).await,
        }
    }

    async fn end(&self, subject: Subject<'_>, keep: &Handle) -> Result<(), IssuerError> {
        let path = ["services", subject.username, path_of(subject.object)];
        let committed = json!({"txid": keep.as_str()});
        self.send(Method::PUT, &path, Some(&committed)).await.map(drop)
    }

    async fn knows(&self, subject: Subject<'_>) -> Result<bool, IssuerError> {
        let response = match self.send(Method::GET, &["services", subject.username], None).await {
            Ok(response) => response,
            Err(IssuerError::Refused { status: 404 }) => return Ok(false),
            // a read has no effect, whatever became of it
            Err(IssuerError::Unknown(problem)) => return Err(IssuerError::NotSent(problem)),
            Err(error) => return Err(error),
        };
        let UserAnswer { id } = decode(&response, NO_USER)?;
        if id == subject.username { Ok(true) } else { Err(IssuerError::Malformed(NO_USER)) }
    }
}

impl ServiceUser {
    async fn create_password(&self, username: &str) -> Result<NewVersion, IssuerError> {
        let response = self
            .send(Method::POST, &["services", username, path_of(IssuerObject::User)], Some(&json!({})))
            .await?;
        let PasswordAnswer { txid, password } = decode(&response, NO_PASSWORD)?;
        let secret = password.into_secret();
        let handle = Handle::new(txid).filter(|_| !secret.is_empty());
        let handle = handle.ok_or(IssuerError::Malformed(NO_PASSWORD))?;
        Ok(NewVersion { handle, client_id: None, secret })
    }

    async fn create_client(&self, username: &str, client_id: &str) -> Result<NewVersion, IssuerError> {
        let asked = json!({"id": username, "client_id": client_id});
        let response = self
            .send(Method::POST, &["services", username, path_of(IssuerObject::Client)], Some(&asked))
            .await?;
        let ClientAnswer { txid, client_id, client_secret } = decode(&response, NO_CLIENT)?;
        let secret = client_secret.into_secret();
        let handle = Handle::new(txid).filter(|_| !client_id.is_empty() && !secret.is_empty());
        let handle = handle.ok_or(IssuerError::Malformed(NO_CLIENT))?;
        Ok(NewVersion { handle, client_id: Some(client_id), secret })
    }
}

fn path_of(object: IssuerObject) -> &'static str {
    match object {
        IssuerObject::User => "password",
        IssuerObject::Client => "client",
    }
}

#[cfg(test)]
mod tests;
