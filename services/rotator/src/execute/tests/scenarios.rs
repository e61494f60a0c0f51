//! One scenario a test.

use super::*;

mod create;
mod kinds;
mod lies;
mod prove;
mod refusals;
mod retire;
mod revoke;
mod unresolved;
