//! # Purpose
//! What an issuer of credentials must be able to do for Mint: the [`Driver`] that speaks its admin API, the [`Login`] that
//! speaks its token endpoint, and, with the feature `suite`, the contract as code, which a third party runs against a
//! driver of its own.
//!
//! # Permission
//! None. Whoever implements a driver has the issuer's permissions; `services/rotator` is the one program that links it.
//!
//! # Never
//! - passes a driver that ends what is in use: `a_driver_that_ends_too_much_is_found`
//! - passes a driver that ends nothing: `a_driver_that_ends_nothing_is_found`
//! - passes a driver that takes any handle: `a_driver_that_takes_any_handle_is_found`
//! - passes a driver that calls a lost answer a refusal: `a_driver_that_calls_an_unknown_outcome_a_refusal_is_found`
//! - passes a driver that calls a late end harmless and ends what is newer: `a_driver_whose_late_end_ends_too_much_is_found`
//! - skips a check silently: `what_was_not_checked_is_said`
//! - shows a secret in a finding: `a_finding_shows_no_secret`
//!
//! # Shape
//! `declaration` (what ends a version, who makes it), `driver` and `login` (the ports), `error` (what became of a call),
//! `suite` (the contract over a [`suite::Bench`]).
//!
//! # Decisions
//! - *What ends the previous version is declared, not named*: whoever decides about a rotation takes [`EndsOf`] and never
//!   asks which driver it is.
//! - *What a late end does is declared too*: where it may end what is newer ([`LateEnd`]), whoever sends it remembers when,
//!   and sends nothing else there before it is answered or cannot take effect any more. Not every API lets an end be sent
//!   twice: a list that is changed by position does not.
//! - *A handle is opaque text*: a transaction id, a place in a list. It is no secret, and it stands in a ledger.
//! - *A driver has no proofs to show*. That an act was announced, and that a version was delivered, is demanded by the
//!   rotator's own port around the driver, where these proofs are made.
//! - *The suite answers findings and does not panic*: a driver's author sees all of them at once.

mod declaration;
mod driver;
mod error;
mod login;
#[cfg(feature = "suite")]
pub mod suite;

pub use declaration::{ClientIds, Declaration, Declared, Ends, EndsOf, LateEnd, MadeBy, Recipe};
pub use driver::{Driver, Handle, NewVersion, Subject};
pub use error::IssuerError;
pub use login::{ClientLogin, Login, LoginVerdict, PublicVerdict};
