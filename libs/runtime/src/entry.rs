//! `main` of every service.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use mint_types::ServiceName;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{self, Sources, environment_prefix};
use crate::error::chain;
use crate::{Error, Process, ServiceConfig, Telemetry, exit, install_crypto_provider, telemetry};

/// What `run` returns: nothing, or any error.
pub trait Ending {
    /// The error, if any.
    fn into_error(self) -> Option<Box<dyn std::error::Error>>;
}

impl<E: std::error::Error + 'static> Ending for Result<(), E> {
    fn into_error(self) -> Option<Box<dyn std::error::Error>> {
        self.err().map(Into::into)
    }
}

/// Parses the command line and the configuration, starts telemetry, runs the service, drains, exits.
///
/// Exit codes: 0 after a drain, 64 for a wrong command line or configuration (with one sentence that names the key), 69
/// if something indispensable is missing, 70 for a fault of ours, 78 if a key or certificate cannot be used.
pub fn main<C, F, Fut>(service: ServiceName, run: F) -> ExitCode
where
    C: ServiceConfig,
    F: FnOnce(C, Process) -> Fut,
    Fut: Future<Output: Ending>,
{
    let arguments = match command(service).try_get_matches() {
        Ok(arguments) => arguments,
        Err(error) => {
            drop(error.print());
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { 0 });
        }
    };
    install_crypto_provider();
    telemetry::install_panic_hook();
    match start(service, &arguments, run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => ExitCode::from(code),
    }
}

fn command(service: ServiceName) -> Command {
    let file = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .global(true)
        .help("The configuration (TOML); the environment beats it");
    let parent = Arg::new("die-with-parent")
        .long("die-with-parent")
        .action(ArgAction::SetTrue)
        .global(true)
        .help("End (SIGTERM) when the process that started this one ends");
    Command::new(service.as_str())
        .bin_name(format!("mint-{service}"))
        .display_name(format!("mint-{service}"))
        .version(env!("CARGO_PKG_VERSION"))
        .about(format!("The service {service} of Mint"))
        .after_help(format!(
            "Environment: {}SECTION__KEY sets a configuration key, MINT_LOG the log filter.\n\
             Exit codes: 0 drained, 64 command line or configuration, 69 unavailable, 70 internal, 78 key or certificate.",
            environment_prefix(service)
        ))
        .args([file, parent])
        .subcommand(Command::new("migrate").about("Bring the database's schema up to date, then exit"))
}

fn start<C, F, Fut>(service: ServiceName, arguments: &ArgMatches, run: F) -> Result<(), u8>
where
    C: ServiceConfig,
    F: FnOnce(C, Process) -> Fut,
    Fut: Future<Output: Ending>,
{
    if arguments.get_flag("die-with-parent") {
        die_with_parent().map_err(|error| say(exit::INTERNAL, &error))?;
    }
    let migrating = arguments.subcommand_name() == Some("migrate");
    let sources = Sources {
        file: arguments.get_one::<PathBuf>("config").map(PathBuf::as_path),
        environment: environment(),
        prefix: environment_prefix(service),
        migrate: migrating,
    };
    let config: C = config::load(&sources).map_err(|error| say(exit::USAGE, &error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| say(exit::INTERNAL, &error))?;
    let ended = runtime.block_on(live(service, config, migrating, run));
    // What did not end within the drain deadline does not get more.
    runtime.shutdown_timeout(Duration::from_millis(100));
    ended
}

fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.to_string_lossy().into_owned())))
        .collect()
}

async fn live<C, F, Fut>(service: ServiceName, config: C, migrating: bool, run: F) -> Result<(), u8>
where
    C: ServiceConfig,
    F: FnOnce(C, Process) -> Fut,
    Fut: Future<Output: Ending>,
{
    let common = config.common();
    let telemetry = Telemetry::install(service.as_str(), common.telemetry.otlp_endpoint.as_ref())
        .map_err(|error| say(error.exit_code(), &error))?;
    let process = Process::opened(service, common, C::PEERS, migrating)
        .map_err(|error| say(error.exit_code(), &error))?;
    watch_signals(&process).map_err(|error| say(exit::INTERNAL, &error))?;
    let mut result = match run(config, process.clone()).await.into_error() {
        None => Ok(()),
        Some(error) => Err((Error::exit_code_of(error.as_ref()), chain(error.as_ref()))),
    };
    process.shutdown().cancel();
    process.tasks().close();
    if tokio::time::timeout_at(process.drain_until(), process.tasks().wait()).await.is_err() {
        tracing::error!(code = "DRAIN_DEADLINE", left = process.tasks().len(), "tasks did not end in time");
        result = result.and(Err((exit::INTERNAL, Error::DrainDeadline.to_string())));
    }
    if let Some(error) = process.failure() {
        result = result.and(Err((error.exit_code(), chain(&error))));
    }
    let ended = result.map_err(|(code, text)| {
        tracing::error!(code = "EXIT", exit = code, error = text, "the service ends with an error");
        code
    });
    if ended.is_ok() {
        tracing::info!("ended");
    }
    telemetry.shut_down().await;
    ended
}

fn watch_signals(process: &Process) -> Result<(), std::io::Error> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = process.shutdown();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!(signal = "SIGTERM", "draining"),
            _ = interrupt.recv() => tracing::info!(signal = "SIGINT", "draining"),
        }
        shutdown.cancel();
    });
    Ok(())
}

/// The kernel sends SIGTERM when the thread that started this process ends (`prctl(2)`, `PR_SET_PDEATHSIG`).
fn die_with_parent() -> Result<(), std::io::Error> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    Ok(())
}

/// One sentence on stderr.
fn say(code: u8, error: &(dyn std::error::Error + 'static)) -> u8 {
    drop(writeln!(std::io::stderr(), "mint: {}", chain(error)));
    code
}
