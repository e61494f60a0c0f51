//! Answers: nearly all are a status alone, and none may be kept by a cache.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::reply::json_reply;
use crate::vault::NotHashed;

/// Why the server does not do what it is asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// A status and nothing else, as Glewlwyd likes it.
    #[error("refused with {0}")]
    Bare(StatusCode),
    /// 400 with a list of sentences.
    #[error("{0:?}")]
    Listed(Vec<String>),
    /// 400 with `{"error"}`: only for a scope of `client_credentials`.
    #[error("{0}")]
    Named(&'static str),
    #[error(transparent)]
    NotHashed(#[from] NotHashed),
    #[error(transparent)]
    State(#[from] mint_store::Error),
}

pub(super) const BAD_REQUEST: Refusal = Refusal::Bare(StatusCode::BAD_REQUEST);
pub(super) const UNAUTHORIZED: Refusal = Refusal::Bare(StatusCode::UNAUTHORIZED);
pub(super) const FORBIDDEN: Refusal = Refusal::Bare(StatusCode::FORBIDDEN);
pub(super) const NOT_FOUND: Refusal = Refusal::Bare(StatusCode::NOT_FOUND);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let response = match self {
            Self::Bare(status) => status.into_response(),
            Self::Listed(sentences) => json_reply(StatusCode::BAD_REQUEST, &sentences),
            Self::Named(error) => json_reply(StatusCode::BAD_REQUEST, &json!({"error": error})),
            Self::NotHashed(error) => {
                tracing::error!(%error, "a secret cannot be hashed");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
            Self::State(error) => {
                tracing::error!(%error, "the state does not answer");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        };
        uncached(response)
    }
}

/// 200 without a body.
pub(super) fn done() -> Response {
    uncached(StatusCode::OK.into_response())
}

pub(super) fn shown(body: &Value) -> Response {
    uncached(json_reply(StatusCode::OK, body))
}

fn uncached(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
