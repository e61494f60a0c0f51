//! The integration tests of the whole workspace, one binary.
//!
//! On the tree: `workspace` (layout, dependency rule, who links what), `contracts` (protos and permission files agree),
//! `golden` (permission matrix, call graph, plaintext carriers as reviewed), `documents` (what headers and the README
//! promise names a test that exists).
//! On the running constellation: `example` (first start to last repair), `applications` (each its own files and nothing
//! else), `readers` (credentials from the broker), `matrix` (the powers with real credentials), `counts` and `commits` (what a rotation costs), `overlap` (no login fails while
//! everything rotates and dies), `replace` (an issuer that knows one value at a time), `revoke` (what ends at once), `drift` (what is changed behind Mint's back), `faults` (F1 to F17), `asleep` (stopped past the lease), `takeover` (hostile peers), `canary` (no plaintext left behind), `bad_input` (lies from every side), `lifecycle`
//! (`mint up` as a parent).

#![allow(
    clippy::panic,
    clippy::disallowed_methods,
    clippy::large_futures,
    reason = "tests fail by panicking, watch real processes by the real clock, and await whole SDK calls"
)]

mod applications;
mod asleep;
mod bad_input;
mod canary;
mod commits;
mod contracts;
mod counts;
mod documents;
mod drift;
mod example;
mod faults;
mod golden;
mod lifecycle;
mod matrix;
mod overlap;
mod readers;
mod replace;
mod revoke;
mod takeover;
mod unsupported;
mod workspace;
