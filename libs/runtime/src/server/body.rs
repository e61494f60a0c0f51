//! Bodies that end: at a deadline, or when the process drains.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;

use super::places::Place;

/// A body that must be complete at a deadline.
pub(crate) struct Deadlined {
    body: Body,
    sleep: Pin<Box<Sleep>>,
}

impl Deadlined {
    pub(crate) fn new(body: Body, until: Instant) -> Self {
        Self { body, sleep: Box::pin(tokio::time::sleep_until(until)) }
    }
}

impl HttpBody for Deadlined {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        self.sleep
            .as_mut()
            .poll(context)
            .map(|()| Some(Err(Status::deadline_exceeded("the message was not complete in time"))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that ends with UNAVAILABLE when the process drains: its watcher comes back to the next process.
pub(super) struct UntilShutdown {
    body: Body,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
    ended: bool,
    _place: Place,
}

impl UntilShutdown {
    pub(super) fn new(body: Body, shutdown: CancellationToken, place: Place) -> Self {
        Self { body, shutdown: Box::pin(shutdown.cancelled_owned()), ended: false, _place: place }
    }
}

impl HttpBody for UntilShutdown {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.shutdown.as_mut().poll(context).is_ready() {
            self.ended = true;
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("14"));
            trailers.insert("grpc-message", HeaderValue::from_static("the%20service%20is%20shutting%20down"));
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }
}
