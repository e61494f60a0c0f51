//! The edge on real sockets: mutual TLS, authorization, health, reload, deadlines, drain, traces.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's scaffolding fails the test"
)]

mod authorization;
mod certificates;
mod drain;
mod handshake;
mod health;
mod stage;
mod tracing;
