//! Counts alarms: an event with the field `alarm = true` is one, and its `code` names it. Whoever raises an alarm logs it,
//! and nothing else: it cannot be in the log and missing from the metric, or the other way round.

use std::fmt::Debug;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Meter};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// The layer that counts.
#[derive(Debug)]
pub(crate) struct Alarms {
    raised: Counter<u64>,
}

impl Alarms {
    pub(crate) fn new(meter: &Meter) -> Self {
        let raised = meter
            .u64_counter("mint.alarms")
            .with_unit("{alarm}")
            .with_description("Alarms raised, by code: each needs a person")
            .build();
        Self { raised }
    }

    /// Whether what is said there can be an alarm.
    pub(crate) fn may_be_one(metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.fields().field("alarm").is_some()
    }
}

impl<S: Subscriber> Layer<S> for Alarms {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut seen = Seen::default();
        event.record(&mut seen);
        if seen.is_alarm {
            let code = if seen.code.is_empty() { "UNNAMED".to_owned() } else { seen.code };
            self.raised.add(1, &[KeyValue::new("code", code)]);
        }
    }
}

#[derive(Default)]
struct Seen {
    is_alarm: bool,
    code: String,
}

impl Visit for Seen {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.is_alarm |= value && field.name() == "alarm";
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "code" {
            value.clone_into(&mut self.code);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "code" {
            self.code = format!("{value:?}");
        }
    }
}
