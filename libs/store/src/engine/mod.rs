//! The engines, each behind the same few functions.

pub(crate) mod postgres;
#[cfg(feature = "simulated")]
pub(crate) mod simulated;
pub(crate) mod sqlite;

use std::time::Duration;

/// Waiting longer for a connection than this means that the store is stuck, not busy.
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A statement of Mint's is a handful of rows; beyond this something holds a lock.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// The server's own limits answer first; this one ends the wait for a server that has vanished.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
