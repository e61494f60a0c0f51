//! The operator's binary.
//!
//! # Purpose
//! `mint up` runs the whole constellation on one machine, each service and the embedded world as a process of its
//! own; every other command says to a running constellation what an operator wants, and shows what it answers.
//!
//! # Permission
//! `permissions/aws.json` is empty and `permissions/rpc.json` serves nothing: `mint` is a client. It acts with the
//! operator's certificate, so what it may do stands in the services' tables, not here.
//!
//! # Never
//! - carries a plaintext: it reads no issued credential; the embedded issuer and the services write their secrets
//!   themselves (`a_world_is_laid_out_without_a_secret_of_the_issuer`, and the canary run in `tests/`).
//! - hands a command somebody else's power at AWS, or shows credentials to who asks without the token of that run:
//!   `a_command_gets_the_credentials_in_its_environment_and_nothing_else_of_aws`,
//!   `the_endpoint_answers_only_who_has_the_token_of_this_run_and_is_gone_afterwards`; repeats a token or a message of STS
//!   in an error: `a_refusal_is_its_code_and_never_its_message`.
//! - links a service or the embedded world: `tests/it` (`the_operators_binary_links_neither_services_nor_the_sandbox`).
//! - runs two worlds on the same data: `a_second_at_once_on_the_same_data_is_refused_and_the_first_goes_on`.
//! - starts half a constellation: `a_missing_executable_is_named_with_the_command_that_builds_it`.
//! - lets a typing error in a registry file pass: `an_unknown_key_is_refused_by_its_name`; or one in an account's:
//!   `a_bad_configuration_of_accounts_is_refused_by_the_name_of_its_key`.
//! - leaves what another configuration rendered beside what this one renders:
//!   `what_another_configuration_left_behind_is_refused_before_anything_is_written`.
//!
//! # Shape
//! `cli` (the words), `error` (what happened, what to do, which exit code), `registry_file` (the input of `up`),
//! `credentials/` (the caller's own temporary credentials of AWS: the broker, STS, the endpoint for SDKs),
//! `reach` (where the running world is), `remote` (the gRPC clients), `commands/` (one file per command), `report`
//! (the `--once` document and the other JSON), `render` (text), `up/` (directory, certificates, ports, configuration,
//! children, settings, environment, endpoints).
//!
//! # Decisions
//! - One thread: a child is tied to the *thread* that spawned it (`PR_SET_PDEATHSIG`), so the thread that spawns must
//!   live as long as the process.
//! - Children get a process group of their own: Ctrl-C reaches `mint up` alone, which stops them in order (the
//!   coordinator, the other services, the embedded world), so that no call is cut off in the middle.
//! - Children inherit only a short list of environment variables and their own `MINT_<SERVICE>__…`: an operator's
//!   `AWS_*` must never become a service's power.
//! - Settings are entered before the coordinator starts: an application that is seen first without scopes and then
//!   with them would cost a second `PUT` at the issuer.
//! - `--min-overlap` is 30 s here, not the rotator's own 10 min: a world on one machine is for looking at rotations, and
//!   its readers poll every second. Readers that poll as seldom as berry does by default need a longer one.
//! - Ports lie below the kernel's ephemeral range: an outgoing connection cannot take the port of a child that is
//!   about to be started again.

mod cli;
mod commands;
mod credentials;
mod error;
mod reach;
mod registry_file;
mod remote;
mod render;
mod report;
mod standing;
mod supported;
mod talk;
mod up;

use std::process::ExitCode;

use clap::Parser;

pub use error::Error;

/// Parses the command line, runs the command, answers its exit code.
pub fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(refusal) => return cli::explain(&refusal),
    };
    mint_runtime::install_crypto_provider();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(source) => return talk::report(&Error::Io { what: "start the runtime".to_owned(), source }),
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(code) => code,
        Err(error) => talk::report(&error),
    }
}
