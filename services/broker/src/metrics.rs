//! What is counted.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Meter};

/// The broker's instruments.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests: Counter<u64>,
    exchanges: Counter<u64>,
    legacy: Counter<u64>,
}

impl Metrics {
    /// Instruments of a meter; the process's own is `opentelemetry::global::meter("mint-broker")`.
    pub fn new(meter: &Meter) -> Self {
        let counter = |name: &'static str, unit: &'static str, description: &'static str| {
            meter.u64_counter(name).with_unit(unit).with_description(description).build()
        };
        Self {
            requests: counter("mint.broker.requests", "{request}", "Calls, by route and outcome"),
            exchanges: counter("mint.broker.sts.exchanges", "{exchange}", "Calls of STS, by outcome"),
            legacy: counter(
                "mint.broker.legacy_aws_creds",
                "{request}",
                "Calls of POST /v1/mint-aws-creds, by caller: who is still to move to tokens",
            ),
        }
    }

    /// A call was answered.
    pub fn answered(&self, route: &'static str, outcome: &'static str) {
        self.requests.add(1, &[KeyValue::new("route", route), KeyValue::new("outcome", outcome)]);
    }

    /// STS was asked.
    pub fn exchanged(&self, outcome: &'static str) {
        self.exchanges.add(1, &[KeyValue::new("outcome", outcome)]);
    }

    /// The old route was called. Callers are subjects of the grant table, or `unknown`.
    pub fn legacy(&self, caller: &str) {
        self.legacy.add(1, &[KeyValue::new("caller", caller.to_owned())]);
    }
}
