//! Connections to the calls over HTTP: over TLS, or plain ones on loopback; within limits, closed gracefully at the end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::certificate::Certificate;

/// It bounds memory; the kernel queues the rest.
const MOST_CONNECTIONS: usize = 1024;
/// A client that does not finish its handshake within this is dropped.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two requests, and for the head of one.
const HEADERS_WITHIN: Duration = Duration::from_secs(15);
/// Callers ask once in a while: nobody keeps a place for ever.
const LONGEST_CONNECTION: Duration = Duration::from_mins(5);
/// What is being answered when a connection has lived long enough, or at the end, is read within this.
const LAST_ANSWERS_WITHIN: Duration = Duration::from_secs(30);
/// After an accept error (too many open files, for example): the listener must live on, and not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listener.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) socket: TcpListener,
    /// None: plain HTTP.
    pub(crate) certificate: Option<Arc<Certificate>>,
    pub(crate) router: Router,
}

impl Door {
    /// Accepts until shutdown, and goes on until what was asked is answered.
    pub(crate) async fn serve_until(self, shutdown: CancellationToken) {
        let free = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let connections = TaskTracker::new();
        loop {
            let next = async { (Arc::clone(&free).acquire_owned().await, self.socket.accept().await) };
            let (place, accepted) = tokio::select! {
                () = shutdown.cancelled() => break,
                next = next => next,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (certificate, router) = (self.certificate.clone(), self.router.clone());
                    let shutdown = shutdown.clone();
                    connections.spawn(async move {
                        live(stream, certificate, router, shutdown).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(code = "ACCEPT_FAILED", %error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        connections.close();
        connections.wait().await;
    }
}

async fn live(
    stream: TcpStream,
    certificate: Option<Arc<Certificate>>,
    router: Router,
    shutdown: CancellationToken,
) {
    let Some(certificate) = certificate else { return converse(stream, router, shutdown).await };
    let handshake =
        tokio::time::timeout(HANDSHAKE_TIMEOUT, TlsAcceptor::from(certificate.current()).accept(stream));
    let shaken = tokio::select! {
        () = shutdown.cancelled() => return,
        shaken = handshake => shaken,
    };
    match shaken {
        Ok(Ok(stream)) => converse(stream, router, shutdown).await,
        // scanners do this all day
        Ok(Err(error)) => tracing::debug!(code = "HANDSHAKE_FAILED", %error, "a connection was refused"),
        Err(_) => tracing::debug!(code = "HANDSHAKE_FAILED", error = "timeout", "a connection was refused"),
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    shutdown: CancellationToken,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HEADERS_WITHIN);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = until_enough(&shutdown) => {
            connection.as_mut().graceful_shutdown();
            // whoever reads nothing of its answer keeps no place with that
            let Ok(ended) = tokio::time::timeout(LAST_ANSWERS_WITHIN, connection).await else {
                tracing::debug!("a connection whose answers nobody read was closed");
                return;
            };
            ended
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

async fn until_enough(shutdown: &CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(LONGEST_CONNECTION) => {}
    }
}
