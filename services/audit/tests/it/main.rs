//! The log: its contract on every database, its group commit, and the real binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's scaffolding fails the test"
)]

mod binary;
mod contract;
mod group_commit;
mod stage;
