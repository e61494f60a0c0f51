//! Every point fires on a running world, and the world is none the worse: the last line says `N passed, N failed`.
//!
//! `-- --only TEXT` walks the cases whose point contains the text; `--mutation NAME|all` (feature `mutations`) switches
//! rules off, walks a few cases and says whether the harness noticed; `--list` prints the cases; `--keep` keeps the
//! worlds' directories.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::large_futures,
    reason = "a test program: it fails by panicking, prints, watches real processes by the real clock"
)]

mod again;
mod arming;
mod cases;
mod glewlwyd;
mod history;
mod mutations;
mod programs;
mod run;
mod slate;
mod stage;
mod turns;
mod watch;
mod ways;

use std::process::ExitCode;

/// What the command line asks for.
#[derive(Debug, Default, Clone)]
pub(crate) struct Options {
    only: Option<String>,
    mutation: Option<String>,
    list: bool,
    keep: bool,
}

impl Options {
    fn parse() -> Self {
        let mut options = Self::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--only" => options.only = arguments.next(),
                "--mutation" => options.mutation = arguments.next(),
                "--list" => options.list = true,
                "--keep" => options.keep = true,
                // what `cargo test` passes to every test program
                _ => {}
            }
        }
        options
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        for case in cases::all() {
            println!("{} {:?} {:?} {}", case.point, case.issuer, case.way, case.application);
        }
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let failed = match &options.mutation {
        Some(asked) => runtime.block_on(mutations::run_all(asked, &options)),
        None => runtime.block_on(run::run(&options)).len(),
    };
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
