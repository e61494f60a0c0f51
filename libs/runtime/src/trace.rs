//! Trace context (W3C Trace Context, `traceparent`): over gRPC metadata, and as a text to store with a saga.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The header's name.
pub(crate) const TRACEPARENT: http::HeaderName = http::HeaderName::from_static("traceparent");

/// The current span as a `traceparent`, to send along or to store with work that will be resumed.
pub fn current_traceparent() -> Option<String> {
    traceparent_of(&Span::current())
}

pub(crate) fn traceparent_of(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let ids = span.span_context();
    ids.is_valid()
        .then(|| format!("00-{}-{}-{:02x}", ids.trace_id(), ids.span_id(), ids.trace_flags().to_u8()))
}

/// A span for work that belongs to a stored `traceparent`; without one it starts a trace.
pub fn span_from(traceparent: Option<&str>, name: &'static str) -> Span {
    let span = tracing::info_span!("work", otel.name = name);
    continue_trace(&span, traceparent);
    span
}

/// Makes `span` a child of `traceparent`. A malformed one is ignored: it comes from outside and decides nothing.
pub(crate) fn continue_trace(span: &Span, traceparent: Option<&str>) {
    let Some(text) = traceparent else {
        return;
    };
    let carrier = HashMap::from([("traceparent".to_owned(), text.to_owned())]);
    let parent = TraceContextPropagator::new().extract(&carrier);
    if let Err(error) = span.set_parent(parent) {
        tracing::debug!(%error, "the trace is not continued");
    }
}
