//! `berry`: fetches one application's credentials and puts them on this machine's disk.
//!
//! # Purpose
//! Keep `user.json` and `client.json` (or `credentials.json`) in a local directory as fresh as the store has them,
//! so that an application reads files and never speaks to the store.
//!
//! # Permission
//! `s3:GetObject` below one application's directory (`permissions/aws.json`), as that application's own reader role.
//! It serves nothing. It calls the coordinator's `ReportVersion`, with the application's certificate, if there is one.
//!
//! # Never
//! - leaves a directory with less than it had: on any error the old files stay (`any_error_keeps_the_old_files`).
//! - shows a half-written file or a pair out of two fetches: `a_reader_never_sees_a_mixed_pair`.
//! - takes what is no credential: `what_has_another_shape_is_refused`.
//! - lets others read: `files_are_readable_by_their_owner_only`.
//! - writes to a store: the port `CredentialStore` has one call, and it reads
//!   (`every_delivered_application_fetches_its_files_logs_in_and_is_refused_everything_else`).
//! - lets a report disturb fetching: `a_coordinator_that_does_not_answer_disturbs_no_poll`.
//! - uses a static AWS key that nobody named: `static_keys_are_used_only_if_their_file_is_named`.
//! - shows a key of that file: `no_refusal_shows_a_part_of_a_key`, `nothing_that_can_be_printed_shows_the_secret`.
//!
//! # Shape
//! `cli` and `config` (flags beat environment beats file) → `agent` (when to poll) → `poll` (one fetch of all files;
//! decides) → `report` (what is held now) and `directory` (the switch); `ports` and the adapter in `adapters`, which reads as an `identity`: web identity,
//! or `keys_file` with the parser `keys`.
//!
//! # Decisions
//! - Files are symbolic links through `..data` to a directory that is never changed after it was named, as kubelet
//!   does for secrets: one `rename(2)` switches the pair, and the paths in the field stay readable at all times.
//! - The previous directory stays until the next poll: a reader may be between resolving the link and opening.
//! - An absent or retired object keeps the old file: taking a working credential away helps nobody.
//! - The ETag is remembered in memory only, and only while the file on disk is the one that was written: after a restart
//!   one full fetch finds out what is there.
//! - Unknown keys of the configuration file are tolerated, unlike everywhere else in Mint: in the field it is the
//!   machine's own configuration, with much in it that is not for berry.
//! - `-c FILE` stays, because agents in the field pass it; web identity is the default. If both are given the flag wins:
//!   whoever writes a command line means it, while the variables come with the platform. A warning
//!   (`IDENTITY_OVERRULED`) says what is not used.
//! - Which form the file has, its content says, and a file of both forms is refused: of two people who edited it, one
//!   would silently not be heard. Lines of other applications are not looked at, as the older agent did not.
//! - A file that others may read is used, with the warning `CREDENTIALS_FILE_NOT_PRIVATE` each time it is read: the field
//!   has such files, and an agent that stops over a mode takes the credentials from an application that did no wrong. The
//!   key may read one directory only.
//! - Reports go out from a task of their own, one poll's after the other's; `--once` waits for its own, at most 10 s. They
//!   are sent also when nothing changed: that is how the coordinator knows who is there. `--once` promises a next poll only
//!   with `--interval` (a timer's): a single run by hand must not hold up the retirement of what it fetched.
//! - Without `MINT_COORDINATOR` nothing is reported; half of what it takes is a warning, not a refusal: fetching matters more.
//! - A file that changed is read again before the next call. One that went bad takes the key away at once, because a
//!   withdrawn key must not live on in memory; the application keeps the files that it has.

mod adapters;
mod agent;
mod cli;
mod config;
mod coordinator;
mod directory;
mod error;
mod identity;
mod keys;
mod keys_file;
mod poll;
mod ports;
mod report;

pub use agent::{Agent, Mode};
pub use config::{Access, Config};
pub use coordinator::Endpoint;
pub use directory::Directory;
pub use error::Error;
pub use keys::KeysFault;
pub use poll::{FileState, Poller, Report};
pub use ports::{Absence, Coordinator, CredentialStore, Fetched, Held, Refused, Statement};
pub use report::Reporter;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use identity::Identity;
use mint_runtime::{SystemClock, SystemEntropy};
use mint_types::{Clock, Entropy};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

/// Parses, runs, exits: 0 if all is well, 1 if `--once` could not bring a file, 64 for a wrong command line,
/// configuration or environment, 70 for a fault of ours, 73 if the directory cannot be used.
pub fn main() -> ExitCode {
    let arguments = match cli::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            drop(error.print());
            return ExitCode::from(if error.use_stderr() { error::USAGE } else { 0 });
        }
    };
    log_to_stderr(arguments.silent);
    match start(arguments) {
        Ok(code) => code,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "berry: {}", error::chain(&error)));
            ExitCode::from(error.exit_code())
        }
    }
}

fn start(arguments: cli::Arguments) -> Result<ExitCode, Error> {
    let variable = |name: &str| std::env::var(name).ok();
    let config = Config::resolve(arguments, &variable)?;
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(entropy.as_ref()));
    let identity = Identity::choose(&config, &variable, clock.clone(), entropy.clone())?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
    runtime.block_on(run(config, identity, clock, entropy))
}

/// The life of the process.
async fn run(
    config: Config,
    identity: Identity,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<ExitCode, Error> {
    let reporter = reporter(&config, &clock, &entropy);
    let directory = Directory::open(&config.directory, &config.access, clock, entropy.clone())?;
    let store = adapters::S3::new(identity, &config);
    let poller = Poller::new(config.layout, directory, Box::new(store))?;
    let mut agent = Agent::new(poller, config.interval, entropy).reporting(reporter);
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Runtime)?;
    tokio::select! {
        all_well = agent.run(config.mode) => Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        _ = terminate.recv() => Ok(ExitCode::SUCCESS),
        _ = interrupt.recv() => Ok(ExitCode::SUCCESS),
    }
}

/// Who reports, if it is known to whom.
fn reporter(config: &Config, clock: &Arc<dyn Clock>, entropy: &Arc<dyn Entropy>) -> Option<Reporter> {
    let endpoint = config.coordinator.clone()?;
    let coordinator = coordinator::GrpcCoordinator::new(endpoint, config.application.clone());
    let instance = config.instance.clone();
    Some(Reporter::new(
        Box::new(coordinator),
        instance,
        config.polls_again_within,
        clock.clone(),
        entropy.clone(),
    ))
}

/// `MINT_LOG`, else `RUST_LOG`, else `info`; with `-s` errors only. Third parties never above info: they print payloads.
fn log_to_stderr(silent: bool) {
    let text = ["MINT_LOG", "RUST_LOG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|text| !text.trim().is_empty()))
        .unwrap_or_else(|| "info".to_owned());
    let filter = tracing_subscriber::EnvFilter::new(if silent { "error".to_owned() } else { text });
    let capped = tracing_subscriber::filter::filter_fn(|metadata| {
        metadata.target().starts_with("mint_") || *metadata.level() <= tracing::Level::INFO
    });
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let subscriber = tracing_subscriber::registry().with(filter).with(lines.with_filter(capped));
    // a second subscriber cannot be: this is the only call in the process
    drop(tracing::subscriber::set_global_default(subscriber));
}
