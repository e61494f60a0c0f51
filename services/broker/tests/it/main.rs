//! The broker as a process, on the embedded world's STS and S3.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::large_futures,
    reason = "what cannot be set up fails the test, and tests await whole SDK calls"
)]

mod log;
mod stage;
mod start;
mod wire;
