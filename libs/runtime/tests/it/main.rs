//! The edge on real sockets: mutual TLS, authorization, health, reload, deadlines, drain, traces.

mod authorization;
mod certificates;
mod drain;
mod handshake;
mod health;
mod stage;
mod tracing;
