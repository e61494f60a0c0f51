//! Channels to the services of the constellation.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use mint_types::{OutboundUrl, ServiceName, TrustDomain};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::Endpoint;
use tower::Service;
use tracing::Instrument;

use crate::server::body::Deadlined;
use crate::server::{deadline, methods};
use crate::tls::Identity;
use crate::{BoxError, ConfigError, Error, TlsConfig, request, trace};

/// Of a call whose caller set none (`Request::set_timeout`).
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);
/// TCP and TLS together; within a cluster it takes milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection whose peer is gone is found after these two, idle or not; without them it would be used for ever.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A lazily connected HTTP/2 channel over mutual TLS to one service. Clone it freely; give it to a generated client.
///
/// Every call has a deadline (30 s unless `Request::set_timeout` says otherwise; for server streams until the stream
/// opens) that ends as DEADLINE_EXCEEDED, and carries the trace context and the request id.
#[derive(Clone)]
pub struct Channel {
    inner: tonic::transport::Channel,
    service: ServiceName,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("service", &self.service).finish_non_exhaustive()
    }
}

/// A channel to `service` at `endpoint` for programs that are no service: the operator's, the agent. Must be called
/// inside a tokio runtime. Without a trust domain, the one of the certificate is taken.
pub fn connect(
    endpoint: &OutboundUrl,
    ca: impl Into<PathBuf>,
    cert: impl Into<PathBuf>,
    key: impl Into<PathBuf>,
    trust_domain: Option<&TrustDomain>,
    service: ServiceName,
) -> Result<Channel, Error> {
    let files = TlsConfig { ca: ca.into(), cert: cert.into(), key: key.into() };
    open(endpoint, Identity::open(files, trust_domain)?, service)
}

pub(crate) fn open(
    url: &OutboundUrl,
    identity: Arc<Identity>,
    service: ServiceName,
) -> Result<Channel, Error> {
    let refuse = |problem: &str| ConfigError::new(format!("peers.{service}"), problem);
    if url.is_plain_http() {
        return Err(refuse("must be an https URL").into());
    }
    let host = url.as_url().host().ok_or_else(|| refuse("has no host"))?;
    let name = match &host {
        url::Host::Domain(name) => {
            ServerName::try_from((*name).to_owned()).map_err(|_| refuse("has a malformed host"))?
        }
        url::Host::Ipv4(address) => ServerName::from(std::net::IpAddr::V4(*address)),
        url::Host::Ipv6(address) => ServerName::from(std::net::IpAddr::V6(*address)),
    };
    let address = format!("{host}:{}", url.as_url().port_or_known_default().unwrap_or(443));
    let uri = |scheme: &str| {
        format!("{scheme}://{address}").parse::<Uri>().map_err(|_| refuse("has a malformed host"))
    };
    // tonic refuses https unless it speaks TLS itself, so the connector's URI says http; what goes over the wire
    // (`:scheme`) is the origin.
    let endpoint = Endpoint::from(uri("http")?)
        .origin(uri("https")?)
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    let connector = tower::service_fn(move |_: Uri| {
        let (identity, address, name) = (Arc::clone(&identity), address.clone(), name.clone());
        async move {
            identity.refresh();
            let config = identity.client_for(service)?;
            let stream = TcpStream::connect(&address).await?;
            stream.set_nodelay(true)?;
            let stream = TlsConnector::from(config).connect(name, stream).await?;
            Ok::<_, BoxError>(TokioIo::new(stream))
        }
    });
    Ok(Channel { inner: endpoint.connect_with_connector_lazy(connector), service })
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut call: Request<Body>) -> Self::Future {
        let method = call.uri().path().trim_start_matches('/').to_owned();
        let span = tracing::info_span!(
            "call",
            otel.name = method,
            otel.kind = "client",
            rpc.system = "grpc",
            peer = %self.service,
        );
        let headers = call.headers_mut();
        let limit = deadline::of(headers).unwrap_or(DEFAULT_DEADLINE);
        headers.insert(deadline::GRPC_TIMEOUT, deadline::to_header(limit));
        if let Some(parent) = trace::traceparent_of(&span)
            && let Ok(value) = HeaderValue::from_str(&parent)
        {
            headers.insert(trace::TRACEPARENT, value);
        }
        if let Some(id) = request::request_id()
            && let Ok(value) = HeaderValue::from_str(&id.to_string())
        {
            headers.insert(request::REQUEST_ID, value);
        }
        let until = tokio::time::Instant::now() + limit;
        let streams = methods::of_mint().streams(&method);
        let answer = self.inner.call(call);
        Box::pin(
            async move {
                let response = match tokio::time::timeout_at(until, answer).await {
                    Ok(Ok(response)) => response,
                    Ok(Err(error)) => return Err(transport_error(error.into(), &method).into()),
                    Err(_) => return Err(too_late(&method).into()),
                };
                if streams {
                    return Ok(response);
                }
                Ok(response.map(|body| Body::new(Deadlined::new(body, until))))
            }
            .instrument(span),
        )
    }
}

fn too_late(method: &str) -> Status {
    Status::deadline_exceeded(format!("{method} did not answer in time"))
}

/// tonic ends a call whose `grpc-timeout` ran out as `Cancelled`; nobody cancelled it.
fn transport_error(error: BoxError, method: &str) -> Status {
    let status = Status::from_error(error);
    if status.code() == tonic::Code::Cancelled { too_late(method) } else { status }
}
