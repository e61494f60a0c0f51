//! The world over real HTTP, as Mint meets it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's own helpers fail the test as its body does")]

mod faults;
mod glewlwyd;
mod harness;
mod issuer;
mod kio;
mod live;
mod process;
mod restart;
mod token;
mod wire;
