//! What the edge knows about a request, for the code that serves it.

use mint_api::Fault;
use mint_types::{Code, RequestId, SpiffeId};
use tonic::{Request, Status};

tokio::task_local! {
    static REQUEST: RequestId;
}

/// The header that carries the request id between services.
pub(crate) const REQUEST_ID: http::HeaderName = http::HeaderName::from_static("x-request-id");

/// The authorized mutual-TLS peer that sent `request`.
pub fn peer_of<T>(request: &Request<T>) -> Result<SpiffeId, Status> {
    request.extensions().get::<SpiffeId>().cloned().ok_or_else(|| {
        Fault::new(Code::Unauthenticated, "NO_PEER", "the request did not come over mutual TLS").into()
    })
}

/// The id of the request being served: the caller's, or a fresh one. None outside of a request.
pub fn request_id() -> Option<RequestId> {
    REQUEST.try_with(|id| *id).ok()
}

/// Runs `future` as part of request `id`.
pub(crate) fn within<F: Future>(id: RequestId, future: F) -> impl Future<Output = F::Output> {
    REQUEST.scope(id, future)
}
