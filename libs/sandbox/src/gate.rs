//! The gate that every call passes: it enters the call into the log and lets ordered faults happen.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use mint_types::Clock;

use crate::calls::{CallId, CallLog, Caller};
use crate::faults::{Fault, Faults, Kind};

/// The largest body that is read; this world's objects and forms are some kilobytes.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// Tells the connection to close instead of answering ([`crate::serve`]).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Withheld;

/// How a call is named in the log and by faults.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) api: &'static str,
    /// The application, as far as the path says it.
    pub(crate) application: Option<String>,
}

/// Names a call by its head and its whole body.
pub(crate) type Naming = fn(&Parts, &Bytes) -> Named;

#[derive(Debug, Clone)]
pub(crate) struct Gate {
    pub(crate) calls: Arc<CallLog>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) naming: Naming,
}

/// The middleware, for `axum::middleware::from_fn_with_state(gate, gate::pass)`.
pub(crate) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let started = gate.clock.now().unix_micros();
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large or was cut off").into_response();
    };
    let named = (gate.naming)(&parts, &body);
    let call = gate.calls.begin(named.api, parts.method.as_str(), parts.uri.path(), started);
    // A task of its own: like a real server, this world finishes what a caller stopped waiting for.
    let work = tokio::spawn(gate.answer(call, named, parts, body, next));
    work.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

impl Gate {
    async fn answer(self, call: CallId, named: Named, parts: Parts, body: Bytes, next: Next) -> Response {
        let fault = self.faults.take(named.api, &sought(named.api, &parts, &body));
        if let Some(delay) = fault.as_ref().and_then(delay) {
            tokio::time::sleep(delay).await;
        }
        let request = Request::from_parts(parts, Body::from(body));
        let mut response = match &fault {
            None => next.run(request).await,
            Some(fault) => match fault.kind {
                Kind::Slow => next.run(request).await,
                Kind::Fail => instead(fault, StatusCode::SERVICE_UNAVAILABLE),
                Kind::Lie => instead(fault, StatusCode::OK),
                Kind::LoseAnswer => {
                    let mut done = next.run(request).await;
                    done.extensions_mut().insert(Withheld);
                    done
                }
            },
        };
        let mut caller = response.extensions_mut().remove::<Caller>().unwrap_or_default();
        caller.application = caller.application.or_else(|| named.application.map(Into::into));
        self.calls.finish(call, &caller, response.status().as_u16(), self.clock.now().unix_micros());
        response
    }
}

/// Calls whose path is everybody's: only the form says whose they are.
const WITH_FORM: [&str; 5] = ["oauth2.", "sts.", "glewlwyd.token", "glewlwyd.introspect", "glewlwyd.revoke"];

/// What a fault's `match` is looked for in. The token endpoint has one path for everybody: there the form counts too.
fn sought(api: &str, parts: &Parts, body: &Bytes) -> String {
    let mut sought = parts.uri.to_string();
    if WITH_FORM.iter().any(|family| api.starts_with(family)) {
        sought.push('\n');
        sought.push_str(&String::from_utf8_lossy(body));
    }
    sought
}

fn delay(fault: &Fault) -> Option<Duration> {
    /// A `slow` without a number is slow enough to be noticed and fast enough for a test.
    const SLOW: u64 = 1_000;
    let default = (fault.kind == Kind::Slow).then_some(SLOW);
    fault.delay_ms.or(default).map(Duration::from_millis)
}

fn instead(fault: &Fault, default: StatusCode) -> Response {
    let status = fault.status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(default);
    let mut response = Response::new(Body::from(fault.body.clone().unwrap_or_default()));
    *response.status_mut() = status;
    for (name, value) in &fault.headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            continue;
        };
        response.headers_mut().insert(name, value);
    }
    response
}
