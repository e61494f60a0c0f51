//! One call: who sends it, may they, how long may it take; then the service's own code.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use mint_api::Fault;
use mint_permissions::RpcTable;
use mint_types::{Code, RequestId, ServiceName, SpiffeId};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::ServiceExt;
use tracing::{Instrument, Span};

use super::body::{Deadlined, UntilShutdown};
use super::deadline;
use super::methods::Methods;
use super::places::{Place, Places};
use crate::{Process, request, trace};

/// Of a call that asks for none.
const DEFAULT_DEADLINE: Duration = Duration::from_mins(1);
/// No call gets more, whatever it asks for.
const LONGEST_DEADLINE: Duration = Duration::from_mins(5);
/// Unary calls in flight, of which nobody but a service has all; further ones are refused, because a queue would only make them late.
const MOST_CALLS: usize = 512;
/// Open streams, shared in the same way.
const MOST_STREAMS: usize = 256;

#[derive(Clone)]
pub(super) struct Dispatch {
    inner: Arc<Inner>,
}

struct Inner {
    process: Process,
    service: ServiceName,
    table: RpcTable,
    methods: Methods,
    routes: Routes,
    calls: Arc<Places>,
    streams: Arc<Places>,
}

impl Dispatch {
    pub(super) fn new(
        process: Process,
        service: ServiceName,
        table: RpcTable,
        methods: Methods,
        routes: Routes,
    ) -> Self {
        let (calls, streams) = (Places::new(MOST_CALLS), Places::new(MOST_STREAMS));
        Self { inner: Arc::new(Inner { process, service, table, methods, routes, calls, streams }) }
    }

    pub(super) async fn answer(&self, peer: SpiffeId, mut call: Request<Body>) -> Response<Body> {
        let method = call.uri().path().trim_start_matches('/').to_owned();
        let id = self.request_id(&call);
        let span = self.span(&method, &peer, id, &call);
        if let Err(fault) = self.inner.authorize(&method, &peer) {
            span.in_scope(|| tracing::warn!(code = fault.reason, method, %peer, "refused"));
            return Status::from(fault).into_http();
        }
        let streams = self.inner.methods.streams(&method);
        let places = if streams { &self.inner.streams } else { &self.inner.calls };
        let Some(place) = places.take(&peer.principal) else {
            span.in_scope(|| tracing::warn!(code = "OVERLOADED", method, %peer, "refused"));
            return Status::from(overloaded()).into_http();
        };
        call.extensions_mut().insert(peer);
        let limit = deadline::of(call.headers()).unwrap_or(DEFAULT_DEADLINE).min(LONGEST_DEADLINE);
        let until = Instant::now() + limit;
        if streams {
            self.stream(call, id, place, until).instrument(span).await
        } else {
            self.unary(call, id, place, until, span).await
        }
    }

    /// In a task of its own, which the drain waits for: the caller's deadline or disappearance ends the answer and not
    /// the act. What the act calls has deadlines of its own.
    async fn unary(
        &self,
        call: Request<Body>,
        id: RequestId,
        place: Place,
        until: Instant,
        span: Span,
    ) -> Response<Body> {
        let call = call.map(|body| Body::new(Deadlined::new(body, until)));
        let routes = self.inner.routes.clone();
        let work = async move {
            let answer = routes.oneshot(call).await;
            drop(place);
            answer
        };
        let work = self.inner.process.tasks().spawn(request::within(id, work).instrument(span));
        match tokio::time::timeout_at(until, work).await {
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_)) => {
                let fault = Fault::new(Code::Internal, "PANICKED", "the service failed; its log tells where");
                Status::from(fault).into_http()
            }
            Err(_) => Status::from(too_late()).into_http(),
        }
    }

    async fn stream(
        &self,
        call: Request<Body>,
        id: RequestId,
        place: Place,
        until: Instant,
    ) -> Response<Body> {
        let opening = request::within(id, self.inner.routes.clone().oneshot(call));
        match tokio::time::timeout_at(until, opening).await {
            Ok(Ok(response)) => {
                let shutdown = self.inner.process.shutdown();
                response.map(|body| Body::new(UntilShutdown::new(body, shutdown, place)))
            }
            Ok(Err(never)) => match never {},
            Err(_) => Status::from(too_late()).into_http(),
        }
    }

    fn request_id(&self, call: &Request<Body>) -> RequestId {
        let given = call.headers().get(request::REQUEST_ID).and_then(|value| value.to_str().ok());
        given
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| RequestId::random(self.inner.process.entropy().as_ref()))
    }

    fn span(&self, method: &str, peer: &SpiffeId, id: RequestId, call: &Request<Body>) -> Span {
        let span = tracing::info_span!(
            "rpc",
            otel.name = method,
            otel.kind = "server",
            rpc.system = "grpc",
            service = %self.inner.service,
            %peer,
            request_id = %id,
        );
        let parent = call.headers().get(trace::TRACEPARENT).and_then(|value| value.to_str().ok());
        trace::continue_trace(&span, parent);
        span
    }
}

impl Inner {
    fn authorize(&self, method: &str, peer: &SpiffeId) -> Result<(), Fault> {
        let refuse = |reason, message: String| {
            let fault = Fault::new(Code::PermissionDenied, reason, message);
            Err(fault.with("method", method).with("principal", peer.principal.to_string()))
        };
        if peer.trust_domain != *self.process.trust_domain() {
            return refuse("NOT_PERMITTED", format!("{peer} is of another trust domain"));
        }
        if !self.table.has_row(method) {
            return refuse("METHOD_WITHOUT_ROW", format!("{method} has no row in permissions/rpc.json"));
        }
        if !self.table.allows(method, &peer.principal.to_string()) {
            return refuse("NOT_PERMITTED", format!("{} may not call {method}", peer.principal));
        }
        Ok(())
    }
}

fn overloaded() -> Fault {
    Fault::new(Code::ResourceExhausted, "OVERLOADED", "too many calls are in flight")
        .after(Duration::from_secs(1))
}

fn too_late() -> Fault {
    Fault::new(
        Code::DeadlineExceeded,
        "DEADLINE_EXCEEDED",
        "the answer was not ready in time; the act may go on",
    )
}
