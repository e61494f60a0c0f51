//! What is measured: how long consumers of a replaced value may have been shut out.

use std::time::Duration;

use mint_types::CredentialKind;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter};

/// Up to twice the bound that is the default.
const BOUNDARIES: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 300.0];

/// The rotator's instruments.
#[derive(Debug, Clone)]
pub struct Metrics {
    replace_window: Histogram<f64>,
}

impl Metrics {
    /// Instruments of a meter; the process's own is `opentelemetry::global::meter("mint-rotator")`.
    pub fn new(meter: &Meter) -> Self {
        let replace_window = meter
            .f64_histogram("mint.rotator.replace.window")
            .with_unit("s")
            .with_description(
                "From the first write of a replaced value, as the distributor's receipt tells it, to the issuer's answer that it is set",
            )
            .with_boundaries(BOUNDARIES.to_vec())
            .build();
        Self { replace_window }
    }

    /// A value was set so long after its first write.
    pub fn replaced(&self, issuer: &'static str, kind: CredentialKind, window: Duration) {
        let attributes = [KeyValue::new("issuer", issuer), KeyValue::new("kind", kind.as_str())];
        self.replace_window.record(window.as_secs_f64(), &attributes);
    }
}
