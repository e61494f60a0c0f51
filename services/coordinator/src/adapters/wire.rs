//! What every gRPC adapter does alike: a deadline on each call, failures by their reason.

use std::time::Duration;

use mint_api::{InvalidMessage, WireFault};
use mint_saga::{Failure, reason};
use mint_types::Code;
use tonic::{Request, Status};

/// The caller's deadline travels with the call, so that whoever works on it can stop.
pub(super) fn request<T>(message: T, deadline: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}

/// A refusal or failure as the saga understands it.
pub(super) fn failure(service: &'static str, status: &Status) -> Failure {
    let fault = WireFault::from_status(status);
    let reason = match (fault.reason.as_str(), fault.code) {
        (WireFault::TRANSPORT, Code::DeadlineExceeded) => reason::SERVICE_UNANSWERED.to_owned(),
        (WireFault::TRANSPORT, _) => reason::SERVICE_UNREACHABLE.to_owned(),
        (_, _) => fault.reason,
    };
    Failure {
        reason,
        detail: format!("{service}: {}", fault.message),
        destination: fault.metadata.get("destination").cloned(),
        next_action: fault.metadata.get("next_action").cloned(),
        retry_after: fault.retry_after,
    }
}

/// An answer that breaks the contract.
pub(super) fn malformed(service: &'static str, error: &InvalidMessage) -> Failure {
    Failure::new(reason::SERVICE_MALFORMED_ANSWER, format!("{service} answered {error}"))
}
