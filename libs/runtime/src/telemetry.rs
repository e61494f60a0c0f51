//! Logs to stderr, spans and metrics to a collector if one is configured, and panics that keep what they carried to
//! themselves.

use std::io::IsTerminal;
use std::time::Duration;

use mint_types::OutboundUrl;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, filter};

use crate::Error;
use crate::alarms::Alarms;

/// How long the last spans and metrics may take to reach the collector at exit.
const FLUSH: Duration = Duration::from_secs(2);
/// How long one export may take.
const EXPORT: Duration = Duration::from_secs(5);

/// The process's telemetry; shut it down last.
#[derive(Debug)]
pub struct Telemetry {
    spans: SdkTracerProvider,
    metrics: SdkMeterProvider,
}

impl Telemetry {
    /// Installs logs, spans and the global meter for this process. With an endpoint it must be called inside a tokio
    /// runtime.
    pub fn install(name: &'static str, otlp_endpoint: Option<&OutboundUrl>) -> Result<Self, Error> {
        let (spans, metrics) = (spans(name, otlp_endpoint)?, metrics(name, otlp_endpoint)?);
        opentelemetry::global::set_meter_provider(metrics.clone());
        let alarms = Alarms::new(&metrics.meter("mint"));
        let subscriber = subscriber(name, &spans, alarms, &filter_text(), std::io::stderr);
        // No bridge from the `log` crate: what a library prints there has no filter of ours.
        if tracing::subscriber::set_global_default(subscriber).is_err() {
            tracing::debug!("telemetry was installed before");
        }
        Ok(Self { spans, metrics })
    }

    /// Sends the last spans and metrics.
    pub async fn shut_down(self) {
        let Self { spans, metrics } = self;
        let spans = tokio::task::spawn_blocking(move || spans.shutdown_with_timeout(FLUSH));
        let metrics = tokio::task::spawn_blocking(move || metrics.shutdown_with_timeout(FLUSH));
        if let (Ok(Err(error)), _) | (_, Ok(Err(error))) = tokio::join!(spans, metrics) {
            tracing::debug!(%error, "the last spans or metrics were not exported");
        }
    }
}

/// `MINT_LOG`, else `RUST_LOG`, else `info`.
fn filter_text() -> String {
    ["MINT_LOG", "RUST_LOG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|text| !text.trim().is_empty()))
        .unwrap_or_else(|| "info".to_owned())
}

/// Every layer has a filter that looks at nothing but the callsite: one without would have every detail of every third
/// party recorded, for nobody, on every call.
fn subscriber<W>(
    name: &'static str,
    provider: &SdkTracerProvider,
    alarms: Alarms,
    filter_text: &str,
    writer: W,
) -> impl Subscriber + Send + Sync
where
    W: for<'w> tracing_subscriber::fmt::MakeWriter<'w> + Send + Sync + 'static,
{
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(name))
        .with_location(false)
        .with_threads(false)
        .with_filter(filter::filter_fn(is_exported));
    let alarms = alarms.with_filter(filter::filter_fn(Alarms::may_be_one));
    tracing_subscriber::registry().with(log_layer(filter_text, writer)).with(spans).with(alarms)
}

fn log_layer<S, W>(filter_text: &str, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> tracing_subscriber::fmt::MakeWriter<'w> + Send + Sync + 'static,
{
    use filter::FilterExt;
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse_lossy(filter_text)
        .and(filter::filter_fn(is_printable));
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    if std::io::stderr().is_terminal() {
        layer.with_filter(filter).boxed()
    } else {
        layer.with_ansi(false).json().flatten_event(true).with_filter(filter).boxed()
    }
}

/// Ours at any level, third parties up to info: `aws_smithy_runtime`, `hyper`, `h2`, `s3s`, `reqwest`, `sqlx` and
/// others print payloads below, and a list of them would be incomplete.
fn is_printable(metadata: &Metadata<'_>) -> bool {
    is_ours(metadata.target()) || *metadata.level() <= Level::INFO
}

/// Only our own spans: the exporter's transport must not trace itself.
fn is_exported(metadata: &Metadata<'_>) -> bool {
    is_ours(metadata.target()) && *metadata.level() <= Level::INFO
}

fn is_ours(target: &str) -> bool {
    target == "mint" || target.starts_with("mint_") || target.starts_with("mint::")
}

fn spans(name: &'static str, otlp_endpoint: Option<&OutboundUrl>) -> Result<SdkTracerProvider, Error> {
    let builder = SdkTracerProvider::builder().with_resource(resource(name));
    let Some(endpoint) = otlp_endpoint else {
        // Spans still have ids: they travel between services and stand in the sagas.
        return Ok(builder.build());
    };
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint.as_str())
        .with_timeout(EXPORT)
        .build()
        .map_err(|error| Error::unavailable("the span exporter (telemetry.otlp_endpoint)", error))?;
    Ok(builder.with_batch_exporter(exporter).build())
}

/// What is measured is exported once a minute; without a collector it is measured for nobody.
fn metrics(name: &'static str, otlp_endpoint: Option<&OutboundUrl>) -> Result<SdkMeterProvider, Error> {
    let builder = SdkMeterProvider::builder().with_resource(resource(name));
    let Some(endpoint) = otlp_endpoint else {
        return Ok(builder.build());
    };
    let exporter = opentelemetry_otlp::MetricExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint.as_str())
        .with_timeout(EXPORT)
        .build()
        .map_err(|error| Error::unavailable("the metric exporter (telemetry.otlp_endpoint)", error))?;
    Ok(builder.with_periodic_exporter(exporter).build())
}

fn resource(name: &'static str) -> Resource {
    Resource::builder().with_service_name(format!("mint-{name}")).build()
}

/// From here on a panic logs where it happened and nothing of what it carried: that may be a secret.
pub(crate) fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        let (file, line) = panic.location().map_or(("unknown", 0), |at| (at.file(), at.line()));
        tracing::error!(code = "PANICKED", file, line, "a thread panicked");
    }));
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    /// A process has one subscriber, and `tracing` remembers per place what it said: two at a time answer for each other.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    #[derive(Debug, Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter_text: &str, body: impl FnOnce()) -> String {
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let captured = Captured::default();
        let writer = captured.clone();
        let provider = spans("test", None).unwrap();
        let alarms = Alarms::new(&metrics("test", None).unwrap().meter("mint"));
        let subscriber = subscriber("test", &provider, alarms, filter_text, move || writer.clone());
        tracing::subscriber::with_default(subscriber, body);
        String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn no_filter_lets_third_party_details_through() {
        let noisy = "trace,aws_smithy_runtime=trace,hyper=trace,h2=trace,s3s=trace,sqlx=debug";
        let text = logged(noisy, || {
            tracing::trace!(target: "aws_smithy_runtime::client", "canary-1");
            tracing::debug!(target: "h2::codec", "canary-2");
            tracing::debug!(target: "hyper_util::client", "canary-3");
            tracing::debug!(target: "s3s", "canary-4");
            tracing::debug!(target: "sqlx::query", "canary-5");
            tracing::info!(target: "sqlx::query", "slow-statement");
            tracing::trace!(target: "mint_rotator", "our-detail");
        });
        assert!(!text.contains("canary"), "{text}");
        assert!(text.contains("slow-statement") && text.contains("our-detail"), "{text}");
    }

    #[test]
    fn what_nobody_reads_is_not_recorded() {
        logged("info", || {
            assert!(!tracing::enabled!(target: "h2::codec", Level::TRACE));
            assert!(!tracing::enabled!(target: "sqlx::query", Level::DEBUG));
            assert!(!tracing::enabled!(target: "mint_rotator", Level::DEBUG));
            assert!(tracing::enabled!(target: "mint_rotator", Level::INFO));
        });
    }

    #[test]
    fn a_malformed_filter_means_info() {
        let text = logged("=====", || {
            tracing::info!(target: "mint_rotator", "shown");
            tracing::debug!(target: "mint_rotator", "hidden");
        });
        assert!(text.contains("shown") && !text.contains("hidden"), "{text}");
    }

    #[test]
    fn every_trace_has_an_id_even_without_a_collector() {
        let stored = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        logged("info", || {
            let span = crate::trace::span_from(Some(stored), "rotation");
            let _inside = span.enter();
            let current = crate::trace::current_traceparent().unwrap();
            assert!(current.starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "{current}");
            assert_ne!(current, stored);
        });
    }

    #[test]
    fn a_panic_tells_its_place_and_nothing_else() {
        install_panic_hook();
        let text = logged("trace", || {
            let caught = std::panic::catch_unwind(|| panic!("the secret is hunter2"));
            assert!(caught.is_err());
        });
        drop(std::panic::take_hook());
        assert!(text.contains("telemetry.rs") && !text.contains("hunter2"), "{text}");
    }
}
