//! The driver `service-user`: the IAM solution's admin API (COMPAT section 3).
//!
//! The settings' scopes go into `user_config.scopes` by their full names, and into `client_config.scopes` as one group
//! of the configured realm. A disabled user has neither.

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use mint_api::audit_log::Announced;
use mint_runtime::{
    http::{HttpClient, HttpError, HttpResponse},
    secret_file::SecretFile,
};
use mint_types::OutboundUrl;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use crate::{
    Error,
    model::ServiceUser,
    ports::{IdentityIssuer, IssuerError},
};

/// The issuer's own operations take well under a second.
const DEADLINE: Duration = Duration::from_secs(10);
/// An answer is a name or two.
const LARGEST_ANSWER: usize = 1 << 20;
/// A list of a hundred thousand users.
const LARGEST_LIST: usize = 16 << 20;
/// COMPAT section 4: the pause after a 429 that does not say how long.
const PAUSE: Duration = Duration::from_secs(90);
/// An issuer that asks for more than this is wrong about itself.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// Longer names are no client ids.
const LONGEST_NAME: usize = 255;

/// The service-user API.
#[derive(Debug)]
pub struct ServiceUserApi {
    client: HttpClient,
    url: OutboundUrl,
    token: SecretFile,
}

impl ServiceUserApi {
    /// At a URL, with the bearer token in a file that is read for each call.
    pub fn open(url: OutboundUrl, token_file: &Path, ca_file: Option<&Path>) -> Result<Self, Error> {
        let client = match ca_file {
            Some(ca_file) => HttpClient::with_ca(ca_file)?,
            None => HttpClient::new(),
        };
        Ok(Self { client, url, token: SecretFile::new(token_file) })
    }

    async fn call(
        &self,
        method: Method,
        url: Url,
        body: Option<Value>,
        limit: usize,
    ) -> Result<HttpResponse, IssuerError> {
        let reads = method == Method::GET;
        let unsent = |detail: String| IssuerError::Unreachable { detail };
        let token = self.token.read().map_err(|error| unsent(error.to_string()))?;
        let bearer = Zeroizing::new(format!("Bearer {}", *token));
        let mut authorization = header::HeaderValue::from_str(&bearer)
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

    fn user(&self, username: &str) -> Url {
        self.url.join(&["services", username])
    }
}

#[async_trait]
impl IdentityIssuer for ServiceUserApi {
    async fn list(&self) -> Result<Vec<String>, IssuerError> {
        let answer = self.call(Method::GET, self.url.join(&["services"]), None, LARGEST_LIST).await?;
        let users: Vec<Named> = decoded(&answer, "it is no list of users")?;
        Ok(users.into_iter().map(|user| user.id).collect())
    }

    async fn exists(&self, username: &str) -> Result<bool, IssuerError> {
        match self.call(Method::GET, self.user(username), None, LARGEST_ANSWER).await {
            Ok(answer) => {
                let user: Named = decoded(&answer, "it is no user")?;
                if user.id == username { Ok(true) } else { Err(malformed("it is about another user")) }
            }
            Err(IssuerError::Refused { status: 404 }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn put(&self, _announced: &Announced, user: &ServiceUser) -> Result<String, IssuerError> {
        let body = body(user);
        let answer = self.call(Method::PUT, self.user(&user.username), Some(body), LARGEST_ANSWER).await?;
        let client: Client = decoded(&answer, "it names no client")?;
        let id = client.client_id;
        if id.is_empty() || id.len() > LONGEST_NAME || id.chars().any(char::is_control) {
            return Err(malformed("its client id is no name"));
        }
        Ok(id)
    }

    async fn delete(&self, _announced: &Announced, username: &str) -> Result<(), IssuerError> {
        match self.call(Method::DELETE, self.user(username), None, LARGEST_ANSWER).await {
            Ok(_) | Err(IssuerError::Refused { status: 404 }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The body of `PUT /services/{u}`.
pub fn body(user: &ServiceUser) -> Value {
    let groups = if user.scopes.is_empty() {
        json!([])
    } else {
        json!([{ "realm": user.realm, "scopes": user.scopes }])
    };
    json!({
        "id": user.username,
        "name": user.name,
        "owner": user.owner,
        "subtitle": user.subtitle,
        "client_config": {
            "redirect_urls": user.redirect_url.iter().collect::<Vec<_>>(),
            "scopes": groups,
            "confidential": user.confidential,
        },
        "user_config": { "scopes": user.scopes },
    })
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct Client {
    client_id: String,
}

/// Fields that are not asked for are neither kept nor shown: an issuer may put anything into them.
fn decoded<T: serde::de::DeserializeOwned>(
    answer: &HttpResponse,
    problem: &'static str,
) -> Result<T, IssuerError> {
    serde_json::from_slice(&answer.body).map_err(|_| malformed(problem))
}

fn malformed(detail: &'static str) -> IssuerError {
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
        let retry_after = answer.retry_after().unwrap_or(PAUSE).min(LONGEST_PAUSE);
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

#[cfg(test)]
#[path = "service_user_tests.rs"]
mod tests;
