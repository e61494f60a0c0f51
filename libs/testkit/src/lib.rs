//! What tests need: a clock that is moved by hand, seeded randomness, fresh databases, a certificate authority, and
//! services as processes.
//!
//! # Purpose
//! A test says what it proves and not how a database is made. Everything here is cleaned up when it is dropped.
//!
//! # Permission
//! None. Only tests link this crate (a dev-dependency everywhere).
//!
//! # Never
//! - draws randomness that a seed does not repeat: `the_same_seed_draws_the_same`.
//! - moves its clock by itself: `time_stands_still_until_it_is_moved`.
//!
//! # Shape
//! `clock` ([`ManualClock`]), `entropy` ([`SeededEntropy`]), `databases` ([`databases`]), `pki` ([`TestPki`]), `service`
//! ([`ServiceUnderTest`]: a real binary, killed on drop), `http_stub` ([`HttpStub`]: somebody else's server).
//!
//! # Decisions
//! - It panics where something cannot be set up: a test that cannot start has failed.
//! - Contract suites get every engine from one call, so that none forgets one. PostgreSQL is used where
//!   `MINT_TEST_POSTGRES` names a superuser's URL; a database per call keeps parallel tests apart.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "only tests link this crate: what cannot be set up fails the test"
)]

mod clock;
mod databases;
mod entropy;
mod http_stub;
mod pki;
mod service;

pub use clock::ManualClock;
pub use databases::{TestDatabase, databases};
pub use entropy::SeededEntropy;
pub use http_stub::{HttpStub, StubAnswer, StubRequest};
pub use pki::{Certificate, TestPki};
pub use service::{Finished, ServiceUnderTest, free_port, run_to_end};
