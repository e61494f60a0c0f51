//! What tests see and order: `/calls`, `/faults`, `/healthz`. They are no calls of the world and pass no gate.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use serde::Deserialize;

use crate::calls::CallLog;
use crate::faults::{Fault, Faults};
use crate::reply::{error_reply, json_reply};

/// A fault may answer with a body that is far too long; axum's own limit is 2 MB.
const LARGEST_ORDER: usize = 64 * 1024 * 1024;

pub(crate) fn router(calls: Arc<CallLog>, faults: Arc<Faults>) -> Router {
    let calls = Router::new().route("/calls", get(list_calls)).with_state(calls);
    let faults = Router::new()
        .route("/faults", get(list_faults).post(order_fault).delete(clear_faults))
        .layer(DefaultBodyLimit::max(LARGEST_ORDER))
        .with_state(faults);
    Router::new().route("/healthz", get(|| async { "ok" })).merge(calls).merge(faults)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    #[serde(default)]
    since: u64,
}

async fn list_calls(State(calls): State<Arc<CallLog>>, Query(Since { since }): Query<Since>) -> Response {
    json_reply(StatusCode::OK, &calls.since(since))
}

async fn list_faults(State(faults): State<Arc<Faults>>) -> Response {
    json_reply(StatusCode::OK, &faults.left())
}

async fn order_fault(State(faults): State<Arc<Faults>>, body: Bytes) -> Response {
    match serde_json::from_slice::<Fault>(&body) {
        Ok(fault) if !fault.can_happen() => {
            let detail = format!("{:?} is the name of no call", fault.api);
            error_reply(StatusCode::BAD_REQUEST, "unknown_api", &detail)
        }
        Ok(fault) => {
            faults.order(fault);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(problem) => error_reply(StatusCode::BAD_REQUEST, "malformed", &problem.to_string()),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cleared {
    /// Only the orders that have this match; all without it.
    #[serde(default, rename = "match")]
    matching: Option<String>,
}

async fn clear_faults(
    State(faults): State<Arc<Faults>>,
    Query(Cleared { matching }): Query<Cleared>,
) -> Response {
    faults.clear(matching.as_deref());
    StatusCode::NO_CONTENT.into_response()
}
