//! I1 to I6, each defined once: what must hold of what is seen, whoever looks.
//!
//! # Purpose
//! The model, the crash harness, the simulation and the services' own checks at run time look at different things (a
//! state in memory, processes and a sandbox, rows of a ledger), bring what they see into the small observations of this
//! crate, and ask the same functions. What is wrong is a [`Violation`], which names the invariant.
//!
//! # Never
//! - does IO, reads a clock, knows a service: `pure_libraries_do_no_io`.
//! - answers for what it was not shown: `what_nobody_observed_violates_nothing`.
//! - prints the secret that it found: `a_secret_that_was_found_is_not_repeated`.
//!
//! # Shape
//! `invariant` ([`Invariant`], [`Violation`]) · one file per invariant: `broken` (I1, [`never_broken`]), `lost` (I2,
//! [`nothing_lost`]), `actors` (I3, [`one_at_a_time`]), `plaintext` (I4, [`no_plaintext`]), `said` (I5,
//! [`said_before_done`]), `death` (I6, [`no_mass_death`]) · [`ledger`]: what follows from them for one application's rows,
//! which the rotator checks before it acts.
//!
//! # Decisions
//! - *Observations, not traits*: a checker copies the few facts that a rule needs. So nobody's types leak in here, and a
//!   table of facts is a test.
//! - *The first violation is enough*: whoever sees one stops.
//! - *Time is given in each observation*, in the wall clock of the observer: the rules only compare.

mod actors;
mod broken;
mod death;
mod invariant;
pub mod ledger;
mod lost;
mod plaintext;
mod said;

pub use actors::{Act, one_at_a_time};
pub use broken::{Found, Until, never_broken};
pub use death::{Removal, Stage, Taking, no_mass_death};
pub use invariant::{Invariant, Verdict, Violation};
pub use lost::{Accounting, nothing_lost};
pub use plaintext::no_plaintext;
pub use said::{Deed, said_before_done};
