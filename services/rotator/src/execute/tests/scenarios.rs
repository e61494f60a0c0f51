//! One scenario a test.

use super::*;

mod create;
mod prove;
mod refusals;
mod retire;
mod unresolved;
