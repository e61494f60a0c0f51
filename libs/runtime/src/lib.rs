//! What every service of Mint is made of besides its own logic: configuration, telemetry, mutual TLS, authorization,
//! health, reflection, drain, and the clients for its peers.
//!
//! # Purpose
//! A service's `main` is one line, its `run(config, process)` is the only place where its parts meet, and nothing in
//! either of them knows how a certificate is loaded or a table of permissions is asked.
//!
//! # Permission
//! None of its own. It enforces `services/*/permissions/rpc.json`, which is compiled into each service.
//!
//! # Never
//! - speaks to a peer without a certificate of our trust domain:
//!   `without_a_client_certificate_the_handshake_fails`, `a_certificate_of_another_trust_domain_is_refused`.
//! - takes a server for another than the configured one: `a_server_with_another_spiffe_id_is_refused`.
//! - serves a method that has no row: `a_method_without_a_row_is_refused`.
//! - says SERVING before every required dependency answered once: `health_is_serving_only_after_every_dependency_answered`.
//! - stops an act half-way because its caller hung up: `a_caller_that_hangs_up_does_not_stop_the_act`.
//! - prints what a panic carried, or a payload that a library logs: `a_panic_tells_its_place_and_nothing_else`,
//!   `no_filter_lets_third_party_details_through`.
//! - takes a configuration key it does not know: `an_unknown_key_is_refused_by_name`,
//!   `an_unknown_environment_key_is_refused_by_name`.
//! - has an answer wait for the audit log because it refuses, or lets a flood of refused calls fill log or memory:
//!   `a_log_that_does_not_answer_holds_nothing_up_and_no_more_than_so_many_wait_for_it`,
//!   `whoever_names_ever_other_applications_fills_neither_log_nor_memory_and_hides_no_other_reason`.
//!
//! # Shape
//! `entry` (`main`) → `config` → `telemetry` → `process` ([`Process`]: what `run` gets) → `server` (accept, authorize,
//! dispatch, drain), `client` ([`Channel`]), `tls` (reloaded files, SPIFFE verification), `health`, `trace`, `alarms`, `http`,
//! `refusals` (what is refused before it is announced, told to the audit log), `secret_file`, `clock`, `entropy`.
//!
//! How a service uses it: `process.peer(ServiceName::Audit)?` gives a [`Channel`], which every generated client takes
//! (`AuditServiceClient::new(channel)`); `peer_of(&request)?` says who calls; `process.serve(Api { … }).await` lives
//! until SIGTERM. Background work goes through `process.spawn(name, future)` and watches `process.shutdown()`.
//! With the subcommand `migrate`, `state.migrate` is true, the shutdown token is cancelled from the start and `serve`
//! returns at once.
//!
//! # Decisions
//! - [`Channel`] is a type of its own around tonic's: tonic has no place for a layer inside its channel, and the trace
//!   context, the request id and the deadline must not depend on every caller remembering them.
//! - A unary call runs in a task of its own that ends when it ends. Its caller's deadline or reset ends the *answer*, not
//!   the act: dropping a future between an issuer's answer and the ledger would make an unknown outcome out of nothing.
//! - Server streams end with UNAVAILABLE when the process drains, so that one watcher cannot hold up a restart.
//! - The log bridge of the `log` crate is not installed and third-party targets never go above info, whatever the filter
//!   says: libraries print payloads at debug, and a list of the bad ones would be incomplete.
//! - A refusal that the log did not hear of is a line of the process's own log and counted (`mint.refusals`), and nothing else:
//!   what is refused stays refused, and the next of its kind is told instead.
//! - TLS session resumption is off: a resumed session would outlive the certificate that it was made with.

mod alarms;
pub mod client;
mod clock;
pub mod config;
mod entropy;
mod entry;
mod error;
mod health;
pub mod http;
mod process;
mod refusals;
mod request;
pub mod secret_file;
mod server;
mod telemetry;
mod tls;
pub mod trace;

pub use client::{Channel, connect};
pub use clock::SystemClock;
pub use config::{
    CommonConfig, ConfigError, Peers, ServiceConfig, SigningStatementsConfig, StateConfig, StatementsConfig,
    TelemetryConfig, TlsConfig, default_drain,
};
pub use entropy::SystemEntropy;
pub use entry::{Ending, main};
pub use error::{Error, exit};
pub use health::Readiness;
pub use process::Process;
pub use refusals::Refusals;
pub use request::{peer_of, request_id};
pub use server::Api;
pub use telemetry::Telemetry;
pub use tls::install_crypto_provider;

/// What a task of the network edge needs to say when it fails.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
