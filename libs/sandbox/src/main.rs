//! `mint-sandbox`: parse, start telemetry, run, exit.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use mint_sandbox::source::{SystemClock, SystemEntropy};
use mint_sandbox::{Error, Options, Sandbox, ends_with_parent};
use rustix::process::{Pid, getppid};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

mod telemetry;

/// Bad usage, as sysexits.h numbers it.
const USAGE: u8 = 64;
const INTERNAL: u8 = 70;

fn main() -> ExitCode {
    let parent = getppid();
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(asked) => {
            let code = if asked.use_stderr() { USAGE } else { 0 };
            return asked.print().map_or(ExitCode::from(INTERNAL), |()| ExitCode::from(code));
        }
    };
    telemetry::start();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "no runtime");
            return ExitCode::from(INTERNAL);
        }
    };
    match runtime.block_on(run(&options, parent)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(cause = cause(&error), "{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

async fn run(options: &Options, parent: Option<Pid>) -> Result<(), Error> {
    let asked = CancellationToken::new();
    let signals = |source| Error::Files { what: "the signals of this process", source };
    end_on_signals(asked.clone()).map_err(signals)?;
    if options.die_with_parent {
        ends_with_parent(parent, asked.clone()).map_err(signals)?;
    }
    let sandbox = Sandbox::start(options, Arc::new(SystemClock), Arc::new(SystemEntropy)).await?;
    asked.cancelled().await;
    sandbox.shutdown().cancel();
    sandbox.ended().await;
    Ok(())
}

fn end_on_signals(asked: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        asked.cancel();
    });
    Ok(())
}

/// The chain below an error's own sentence.
fn cause(error: &Error) -> String {
    let mut causes = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        causes.push(source.to_string());
        next = source.source();
    }
    causes.join(": ")
}
