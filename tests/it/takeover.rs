//! DESIGN section 5, *if one component falls*: what a hostile coordinator, registry-sync or identity-provisioner can do
//! with its real certificate and its real secrets, tried on running executors.
//!
//! What nobody can do with AWS credentials of its own (every read, every role) is tried for each principal in `matrix`.

mod coordinator;
mod cutoff;
mod hostile;
mod others;
mod redirect;

use std::time::Duration;

/// For everything that is waited for, on a loaded machine.
const DEADLINE: Duration = Duration::from_mins(3);
