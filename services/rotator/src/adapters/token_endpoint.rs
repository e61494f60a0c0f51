//! The OAuth 2.0 token endpoint (RFC 6749) and revocation (RFC 7009).
//!
//! The protocol is crate `oauth2`'s; the bytes go through our own HTTP client, so that deadline, bounded body and the
//! sorting of outcomes are the same as for every other call.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use mint_runtime::http::HttpClient;
use mint_runtime::secret_file::SecretFile;
use mint_secret::{Received, SecretValue, Zeroizing};
use mint_types::OutboundUrl;
use oauth2::basic::{BasicClient, BasicErrorResponseType, BasicRequestTokenError, BasicTokenResponse};
use oauth2::{
    AsyncHttpClient, AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, RequestTokenError, ResourceOwnerPassword, ResourceOwnerUsername, Scope, TokenResponse as _,
    TokenUrl,
};
use serde::Deserialize;
use url::form_urlencoded;

use super::service_user::accepted;
use crate::error::IssuerError;
use crate::ports::{ClientLogin, Login, LoginVerdict, PublicVerdict};

/// A token answer holds a token and a few words.
const LARGEST_ANSWER: usize = 64 * 1024;
/// Every user is granted it (COMPAT section 1).
const PROBE_SCOPE: &str = "uid";

type Endpoint = BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;
type Answer = Result<BasicTokenResponse, BasicRequestTokenError<IssuerError>>;

/// The token endpoint behind HTTP.
#[derive(Debug)]
pub struct TokenEndpoint {
    http: HttpClient,
    token_url: TokenUrl,
    revocation_url: OutboundUrl,
    prober: SecretFile,
    deadline: Duration,
    dialect: Dialect,
}

/// How the endpoint words its refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As RFC 6749 section 5.2 has it.
    Rfc6749,
    /// A status without a body: 403 for a wrong password, and for a wrong secret with `client_credentials`; 400 for a
    /// wrong secret beside a password. `client_credentials` wants a scope.
    Glewlwyd,
}

/// What is asked for, which decides what a refusal without a body means.
#[derive(Debug, Clone, Copy)]
enum Grant {
    Password,
    Client,
}

impl Dialect {
    /// The error code of RFC 6749 that a refusal without a body stands for.
    fn code(self, grant: Grant, status: StatusCode) -> Option<&'static str> {
        match (self, grant, status) {
            (Self::Glewlwyd, Grant::Password, StatusCode::FORBIDDEN) => Some("invalid_grant"),
            (Self::Glewlwyd, Grant::Password, StatusCode::BAD_REQUEST)
            | (Self::Glewlwyd, Grant::Client, StatusCode::FORBIDDEN) => Some("invalid_client"),
            (Self::Glewlwyd, Grant::Client, StatusCode::BAD_REQUEST) => Some("unauthorized_client"),
            (Self::Rfc6749 | Self::Glewlwyd, ..) => None,
        }
    }
}

/// Mint's own client at the token endpoint, as it stands in its file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prober {
    client_id: String,
    client_secret: Received,
}

impl TokenEndpoint {
    /// An endpoint, with Mint's own prober client out of a file that is read at every use.
    pub fn new(
        http: HttpClient,
        token_url: &OutboundUrl,
        revocation_url: OutboundUrl,
        prober: SecretFile,
        deadline: Duration,
    ) -> Self {
        let token_url = TokenUrl::from_url(token_url.as_url().clone());
        Self { http, token_url, revocation_url, prober, deadline, dialect: Dialect::Rfc6749 }
    }

    /// The same endpoint, but its refusals are worded in a dialect.
    #[must_use]
    pub fn in_dialect(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    fn prober(&self) -> Result<(String, SecretValue), IssuerError> {
        let text = self.prober.read().map_err(|error| IssuerError::OwnAccess(error.to_string()))?;
        let prober: Prober = serde_json::from_str(&text).map_err(|_| {
            IssuerError::OwnAccess(
                "the prober's file is no JSON object with client_id and client_secret".to_owned(),
            )
        })?;
        Ok((prober.client_id, prober.client_secret.into_secret()))
    }

    fn endpoint_as(&self, id: &str, secret: &str) -> Endpoint {
        BasicClient::new(ClientId::new(id.to_owned()))
            .set_client_secret(ClientSecret::new(secret.to_owned()))
            .set_auth_type(AuthType::BasicAuth)
            .set_token_uri(self.token_url.clone())
    }

    async fn password_grant(
        &self,
        username: &str,
        password: &SecretValue,
        client_id: &str,
        client_secret: &SecretValue,
    ) -> Answer {
        let client = self.endpoint_as(client_id, client_secret.expose());
        let username = ResourceOwnerUsername::new(username.to_owned());
        let password = ResourceOwnerPassword::new(password.expose().to_owned());
        let wire = self.wire(Grant::Password);
        client
            .exchange_password(&username, &password)
            .add_scope(Scope::new(PROBE_SCOPE.to_owned()))
            .request_async(&wire)
            .await
    }

    async fn client_grant(&self, client_id: &str, client_secret: &str) -> Answer {
        let client = self.endpoint_as(client_id, client_secret);
        let wire = self.wire(Grant::Client);
        let mut request = client.exchange_client_credentials();
        if self.dialect == Dialect::Glewlwyd {
            request = request.add_scope(Scope::new(PROBE_SCOPE.to_owned()));
        }
        request.request_async(&wire).await
    }

    fn wire(&self, grant: Grant) -> Wire<'_> {
        Wire { http: &self.http, deadline: self.deadline, dialect: self.dialect, grant }
    }
}

/// Our HTTP client in the form that `oauth2` takes.
struct Wire<'a> {
    http: &'a HttpClient,
    deadline: Duration,
    dialect: Dialect,
    grant: Grant,
}

impl<'c> AsyncHttpClient<'c> for Wire<'_> {
    type Error = IssuerError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, IssuerError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self.http.send(request.map(Bytes::from), self.deadline, LARGEST_ANSWER).await;
            // 400 and 401 carry the protocol's own errors (RFC 6749 section 5.2), the rest never reaches it
            let response = match answer {
                Ok(response)
                    if response.body.is_empty()
                        && let Some(code) = self.dialect.code(self.grant, response.status) =>
                {
                    let mut worded = http::Response::new(format!(r#"{{"error": "{code}"}}"#).into_bytes());
                    *worded.status_mut() = StatusCode::BAD_REQUEST;
                    return Ok(worded);
                }
                Ok(response)
                    if matches!(response.status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED) =>
                {
                    response
                }
                other => accepted(other)?,
            };
            let mut converted = http::Response::new(response.body.to_vec());
            *converted.status_mut() = response.status;
            *converted.headers_mut() = response.headers;
            Ok(converted)
        })
    }
}

/// Sorts an answer: accepted, the credential in question refused (`refusals`), or anything else. No text of the answer
/// is kept.
fn verdict(answer: Answer, refusals: &[BasicErrorResponseType]) -> Result<LoginVerdict, IssuerError> {
    match answer {
        Ok(token) => Ok(LoginVerdict::Accepted(SecretValue::new(token.access_token().secret().clone()))),
        Err(RequestTokenError::ServerResponse(error)) if refusals.contains(error.error()) => {
            Ok(LoginVerdict::Refused(error.error().as_ref().to_owned()))
        }
        Err(RequestTokenError::ServerResponse(error)) => {
            Err(IssuerError::OwnAccess(known_code(error.error())))
        }
        Err(RequestTokenError::Request(error)) => Err(error),
        Err(RequestTokenError::Parse(..) | RequestTokenError::Other(_)) => {
            Err(IssuerError::Malformed("it is no answer of an OAuth 2.0 token endpoint"))
        }
    }
}

/// An error code of RFC 6749; an extension is not repeated, because it is text of the answer.
fn known_code(code: &BasicErrorResponseType) -> String {
    match code {
        BasicErrorResponseType::Extension(_) => "an error code that RFC 6749 does not know".to_owned(),
        known => known.as_ref().to_owned(),
    }
}

#[async_trait]
impl Login for TokenEndpoint {
    async fn password(&self, username: &str, password: &SecretValue) -> Result<LoginVerdict, IssuerError> {
        let (id, secret) = self.prober()?;
        let answer = self.password_grant(username, password, &id, &secret).await;
        verdict(answer, &[BasicErrorResponseType::InvalidGrant])
    }

    async fn password_and_client(
        &self,
        username: &str,
        password: &SecretValue,
        client: ClientLogin<'_>,
    ) -> Result<LoginVerdict, IssuerError> {
        let answer = self.password_grant(username, password, client.id, client.secret).await;
        verdict(answer, &[BasicErrorResponseType::InvalidGrant, BasicErrorResponseType::InvalidClient])
    }

    async fn client(&self, client: ClientLogin<'_>) -> Result<LoginVerdict, IssuerError> {
        let answer = self.client_grant(client.id, client.secret.expose()).await;
        verdict(answer, &[BasicErrorResponseType::InvalidClient])
    }

    async fn public_client(&self, client_id: &str) -> Result<PublicVerdict, IssuerError> {
        let answer = self.client_grant(client_id, "").await;
        let refusals = [BasicErrorResponseType::UnauthorizedClient, BasicErrorResponseType::InvalidClient];
        match verdict(answer, &refusals)? {
            LoginVerdict::Refused(code) if code == BasicErrorResponseType::UnauthorizedClient.as_ref() => {
                Ok(PublicVerdict::Known)
            }
            LoginVerdict::Refused(code) => Ok(PublicVerdict::Unknown(code)),
            LoginVerdict::Accepted(_) => Ok(PublicVerdict::Unknown("a token without a secret".to_owned())),
        }
    }

    async fn revoke(&self, token: &SecretValue, client: Option<ClientLogin<'_>>) -> Result<(), IssuerError> {
        let authorization = if let Some(client) = client {
            basic(client.id, client.secret)?
        } else {
            let (id, secret) = self.prober()?;
            basic(&id, &secret)?
        };
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token.expose())
            .append_pair("token_type_hint", "access_token")
            .finish();
        let request = Request::post(self.revocation_url.as_url().as_str())
            .header(header::AUTHORIZATION, authorization)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from_owner(Zeroizing::new(form.into_bytes())))
            .map_err(|error| IssuerError::OwnAccess(error.to_string()))?;
        accepted(self.http.send(request, self.deadline, LARGEST_ANSWER).await).map(drop)
    }
}

/// RFC 6749 section 2.3.1: id and secret are form-encoded before they become Basic credentials.
fn basic(id: &str, secret: &SecretValue) -> Result<http::HeaderValue, IssuerError> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = Zeroizing::new(format!("{}:{}", encoded(id), encoded(secret.expose())));
    let mut value = http::HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
        .map_err(|_| IssuerError::OwnAccess("the client cannot stand in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
