//! What the integration tests share: the repository, the programs, a running world.
//!
//! # Purpose
//! Boot the constellation from its real executables, talk to it as anybody with a certificate, break it, look at it.
//!
//! # Shape
//! `repository` (paths) · `world` (a running `mint up`, its endpoints, its processes) · `client` (http and gRPC as anybody)
//! · `application` (an application as its owner would run it: fetches its files, logs in).
//!
//! # Decisions
//! - Waiting is for conditions, with a generous deadline; no test sleeps for a duration and hopes.
//! - A failed expectation of the harness panics with the facts: it is test code, linked by no program.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test harness fails by panicking and waits by the real clock"
)]

pub mod application;
pub mod client;
pub mod registry;
pub mod repository;
pub mod world;
