//! `mint-broker keys`: makes the first key of an algorithm, or the next one.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mint_runtime::{SystemClock, SystemEntropy, exit};
use mint_types::{Clock as _, Period};

use crate::error::Error;
use crate::signing::{Algorithm, Entry, Tending, make_first, rotate};

/// Tends the signing keys of the broker. The first ones are made here and nowhere else, unless `signing.generate` says so.
#[derive(Debug, Parser)]
#[command(name = "mint-broker", version)]
enum Arguments {
    /// Makes and rotates signing keys
    #[command(subcommand)]
    Keys(Keys),
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Make the first key of an algorithm: it signs at once
    Init(Which),
    /// Make the next key of an algorithm: published at once, signing a cache lifetime later; keys whose last token has
    /// expired are deleted
    Rotate(Which),
}

#[derive(Debug, clap::Args)]
struct Which {
    /// `signing.directory`
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,
    /// ES256 or RS256
    #[arg(long, value_name = "NAME", default_value = "ES256")]
    algorithm: Algorithm,
    /// `signing.jwks_cache` of the broker: by a shorter one a key would be taken away that still signs
    #[arg(long, value_name = "PERIOD")]
    jwks_cache: Period,
}

/// Runs the command line of this process.
pub fn keys_command() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(asked) => {
            drop(asked.print());
            return ExitCode::from(if asked.use_stderr() { exit::USAGE } else { 0 });
        }
    };
    mint_runtime::install_crypto_provider();
    let Arguments::Keys(keys) = arguments;
    match run(&keys) {
        Ok(entry) => {
            let Entry { kid, algorithm, active_from, .. } = entry;
            drop(writeln!(std::io::stdout(), "{algorithm} {kid} signs from {active_from}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            drop(writeln!(std::io::stderr(), "mint: {error}"));
            ExitCode::from(exit::IDENTITY)
        }
    }
}

fn run(keys: &Keys) -> Result<Entry, Error> {
    let (Keys::Init(which) | Keys::Rotate(which)) = keys;
    let now = SystemClock::new(&SystemEntropy).now();
    let tending = Tending { directory: &which.directory, now, cache: which.jwks_cache };
    match keys {
        Keys::Init(_) => make_first(tending, which.algorithm),
        Keys::Rotate(_) => rotate(tending, which.algorithm),
    }
}
