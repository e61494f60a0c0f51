//! Connections: accepted whatever goes wrong with one of them, over mutual TLS only, closed gracefully at shutdown.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use mint_types::{Principal, SpiffeId};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;

use super::dispatch::Dispatch;
use super::places::Places;
use crate::tls::{Identity, spiffe_id_of};

/// Far above the number of peers at once; it bounds memory. Who has how many of them: [`Places`].
const MOST_CONNECTIONS: usize = 1024;
/// Connections of whom nobody knows yet who they are; the kernel queues the rest.
const MOST_HANDSHAKES: usize = 512;
/// A client that does not finish its handshake within this is dropped.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// After an accept error (too many open files, for example): the listener must live on, and not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A connection whose client is gone is found after these two.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// An application that asked for nothing that long opens another connection when it does: agents ask once in a while, and
/// there may be more of them than connections.
const APPLICATION_IDLE: Duration = Duration::from_mins(1);
/// Calls in flight on one connection; the dispatcher bounds those of all.
const MOST_STREAMS: u32 = 256;
/// Metadata of one call.
const LARGEST_HEADERS: u32 = 16 * 1024;

pub(super) struct Listener {
    pub(super) socket: TcpListener,
    pub(super) identity: Arc<Identity>,
    pub(super) dispatch: Dispatch,
    pub(super) connections: TaskTracker,
}

impl Listener {
    /// Accepts until shutdown; then the socket is closed, and connections go on until their calls are answered.
    pub(super) async fn accept_until(self, shutdown: &CancellationToken) {
        let free = Arc::new(Semaphore::new(MOST_HANDSHAKES));
        let places = Places::new(MOST_CONNECTIONS);
        loop {
            let next = async {
                let permit = Arc::clone(&free).acquire_owned().await;
                (permit, self.socket.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                () = shutdown.cancelled() => return,
                next = next => next,
            };
            match (permit, accepted) {
                (Ok(permit), Ok((stream, _))) => {
                    let connection =
                        Connection { permit, places: Arc::clone(&places), dispatch: self.dispatch.clone() };
                    let identity = Arc::clone(&self.identity);
                    self.connections.spawn(connection.live(stream, identity, shutdown.clone()));
                }
                (_, Err(error)) => {
                    tracing::warn!(code = "ACCEPT_FAILED", %error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                (Err(_), _) => return,
            }
        }
    }
}

struct Connection {
    permit: OwnedSemaphorePermit,
    places: Arc<Places>,
    dispatch: Dispatch,
}

impl Connection {
    async fn live(self, stream: TcpStream, identity: Arc<Identity>, shutdown: CancellationToken) {
        let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, shake_hands(stream, &identity));
        let shaken = tokio::select! {
            () = shutdown.cancelled() => return,
            shaken = handshake => shaken,
        };
        match shaken {
            Ok(Ok((stream, peer))) => match self.places.take(&peer.principal) {
                Some(_place) => {
                    drop(self.permit);
                    serve(self.dispatch, stream, peer, &shutdown).await;
                }
                None => {
                    tracing::warn!(code = "TOO_MANY_CONNECTIONS", %peer, "a connection was refused");
                }
            },
            Ok(Err(problem)) => {
                tracing::info!(code = "HANDSHAKE_FAILED", problem, "a connection was refused");
            }
            Err(_) => {
                tracing::info!(code = "HANDSHAKE_FAILED", problem = "timeout", "a connection was refused");
            }
        }
    }
}

async fn serve(
    dispatch: Dispatch,
    stream: TlsStream<TcpStream>,
    peer: SpiffeId,
    shutdown: &CancellationToken,
) {
    let calls = Arc::new(AtomicU64::new(0));
    let idle = idle(peer.principal.clone(), Arc::clone(&calls));
    let service = hyper::service::service_fn(move |call: Request<Incoming>| {
        calls.fetch_add(1, Ordering::Relaxed);
        let (dispatch, peer) = (dispatch.clone(), peer.clone());
        async move { Ok::<_, Infallible>(dispatch.answer(peer, call.map(Body::new)).await) }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(LARGEST_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let stopped = async {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = idle => {}
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

/// Ends when an application began no call for [`APPLICATION_IDLE`]; for everybody else never. Calls in flight are answered.
async fn idle(whose: Principal, calls: Arc<AtomicU64>) {
    if !matches!(whose, Principal::Application(_)) {
        return std::future::pending().await;
    }
    let mut before = None;
    loop {
        let now = calls.load(Ordering::Relaxed);
        if before == Some(now) {
            return;
        }
        before = Some(now);
        tokio::time::sleep(APPLICATION_IDLE).await;
    }
}

async fn shake_hands(
    stream: TcpStream,
    identity: &Identity,
) -> Result<(TlsStream<TcpStream>, SpiffeId), String> {
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let acceptor = TlsAcceptor::from(identity.server());
    let stream = acceptor.accept(stream).await.map_err(|error| error.to_string())?;
    let certificates = stream.get_ref().1.peer_certificates();
    let certificate = certificates.and_then(<[_]>::first).ok_or("there is no certificate")?;
    let peer = spiffe_id_of(certificate)?;
    // The verifier has checked it; the answer to "who is it" must not depend on that alone.
    if peer.trust_domain != *identity.trust_domain() {
        return Err(format!("{peer} is of another trust domain"));
    }
    Ok((stream, peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_application_that_asks_for_nothing_gives_its_connection_back_and_nobody_else_does() {
        let calls = Arc::new(AtomicU64::new(0));
        let application = Principal::Application("kio".parse().unwrap());
        let resting = tokio::spawn(idle(application, Arc::clone(&calls)));
        let operator = tokio::spawn(idle(Principal::Operator("ada".to_owned()), Arc::clone(&calls)));
        for _ in 0..20 {
            calls.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(APPLICATION_IDLE / 2).await;
            assert!(!resting.is_finished(), "it asked a moment ago");
        }
        tokio::time::sleep(APPLICATION_IDLE * 2).await;
        assert!(resting.is_finished());
        assert!(!operator.is_finished());
        operator.abort();
    }
}
