//! Logs to stderr: text on a terminal, JSON elsewhere.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

/// These print payloads, and payloads carry secrets: they stay at info whatever the filter says.
const CAPPED: [&str; 4] = ["hyper", "h2", "s3s", "sqlx"];

/// It reports every refused request as an error of its own; refusing is what this world is for, and `/calls` has it.
const SILENT: &str = "s3s::ops";

pub(crate) fn start() {
    let filter = ["MINT_LOG", "RUST_LOG"].iter().find_map(|name| std::env::var(name).ok());
    let filter = EnvFilter::new(filter.unwrap_or_else(|| "info".to_owned()));
    let capped = filter_fn(|metadata| {
        (*metadata.level() <= Level::INFO || !is_capped(metadata.target())) && metadata.target() != SILENT
    });
    let layer = if std::io::stderr().is_terminal() {
        fmt::layer().with_writer(std::io::stderr).boxed()
    } else {
        fmt::layer().json().with_writer(std::io::stderr).boxed()
    };
    registry().with(layer.with_filter(capped)).with(filter).init();
}

fn is_capped(target: &str) -> bool {
    CAPPED.iter().any(|name| target.starts_with(name))
}
