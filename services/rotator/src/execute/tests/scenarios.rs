//! One scenario a test.

use super::*;

mod check;
mod create;
mod gone;
mod kinds;
mod late;
mod lies;
mod lost_writes;
mod prove;
mod refusals;
mod retire;
mod revoke;
mod unresolved;
