//! The errors of RFC 6749 section 5.2, with the status and headers they ask for.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::reply::{json_reply, with_challenge};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OauthError {
    #[error("{0}")]
    InvalidRequest(&'static str),
    #[error("client authentication failed")]
    InvalidClient,
    #[error("the resource owner's credentials are not valid")]
    InvalidGrant,
    #[error("this client may not do this")]
    UnauthorizedClient,
    #[error("this grant type is not supported")]
    UnsupportedGrantType,
    #[error("a requested scope is not granted")]
    InvalidScope,
    #[error("the server's state does not answer")]
    TemporarilyUnavailable,
}

impl OauthError {
    fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::InvalidRequest(_)
            | Self::InvalidGrant
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::InvalidScope => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let body = json!({"error": self.code(), "error_description": self.to_string()});
        let response = uncached(self.status(), &body);
        if self == Self::InvalidClient {
            return with_challenge(response, "Basic realm=\"mint-sandbox\", charset=\"UTF-8\"");
        }
        response
    }
}

impl From<mint_store::Error> for OauthError {
    fn from(error: mint_store::Error) -> Self {
        tracing::error!(%error, "the state does not answer");
        Self::TemporarilyUnavailable
    }
}

/// RFC 6749 section 5.1: nothing of the token endpoint may be kept by a cache.
pub(crate) fn uncached(status: StatusCode, body: &Value) -> Response {
    let mut response = json_reply(status, body);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
