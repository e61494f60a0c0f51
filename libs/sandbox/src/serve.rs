//! The listeners: HTTP/1.1 and HTTP/2 without TLS, for this machine only.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::gate::Withheld;

/// How long calls may go on after the end was asked for.
const DRAIN: Duration = Duration::from_secs(3);
/// Accepting fails when this process has no file descriptor left; it has again soon.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `shutdown`, then lets running calls end.
pub(crate) async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(converse(stream, router.clone(), shutdown.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!(left = connections.len(), "connections are still open at the end");
    }
}

async fn converse(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps its delay");
    }
    let answering = TowerToHyperService::new(router);
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answering.call(request);
        async move { withhold(answer.await) }
    });
    let builder = Builder::new(TokioExecutor::new());
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// An answer was made and is not given: hyper closes the connection when a service fails.
#[derive(Debug, thiserror::Error)]
#[error("the answer is withheld by an ordered fault")]
struct Closed;

fn withhold(answer: Result<Response<Body>, Infallible>) -> Result<Response<Body>, Closed> {
    let Ok(response) = answer;
    if response.extensions().get::<Withheld>().is_some() {
        return Err(Closed);
    }
    Ok(response)
}
