//! Answers in JSON.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::json;

use crate::calls::Caller;

pub(crate) fn json_reply(status: StatusCode, body: &impl Serialize) -> Response {
    let Ok(text) = serde_json::to_vec(body) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// `{"error", "message"}`, as the registry and the service-user API answer errors.
pub(crate) fn error_reply(status: StatusCode, error: &str, message: &str) -> Response {
    json_reply(status, &json!({"error": error, "message": message}))
}

/// The state did not answer: nothing was done.
pub(crate) fn unavailable(error: &mint_store::Error) -> Response {
    tracing::error!(%error, "the state does not answer");
    error_reply(
        StatusCode::SERVICE_UNAVAILABLE,
        "state_unavailable",
        "the state of this world does not answer",
    )
}

pub(crate) fn with_challenge(mut response: Response, challenge: &'static str) -> Response {
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

/// Tells the request log who called.
pub(crate) fn on_behalf(mut response: Response, caller: Caller) -> Response {
    response.extensions_mut().insert(caller);
    response
}
