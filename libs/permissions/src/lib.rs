//! What a principal may do: the model, the parser and the evaluator of `services/*/permissions/*.json`.
//!
//! # Purpose
//! `aws.json` is an IAM policy document and `rpc.json` a table of gRPC methods; both are Mint's security review. This
//! crate reads them, decides requests with them as AWS documents it, and prints them as the permission matrix. The
//! embedded S3 and STS decide every call with it, so what a test sees refused here is refused by the file that a real
//! AWS role carries.
//!
//! # Permission
//! None: no IO, no async, no clock, no randomness.
//!
//! # Never
//! - lets an allow win over an explicit deny: `an_explicit_deny_wins_over_every_allow`.
//! - reads a document that it does not wholly understand: an unknown element, operator or placeholder is an error that
//!   names it: `an_unknown_element_is_refused_by_name`, `an_unknown_operator_is_refused_by_name`,
//!   `any_other_placeholder_is_refused`.
//! - lets a bucket or prefix widen a policy: `what_fills_a_placeholder_is_never_a_pattern`.
//! - allows a gRPC method that has no row: `a_method_without_a_row_is_refused`.
//! - decides otherwise than AWS documents: `the_checked_in_table_of_decisions_holds` (`tests/decisions.json`).
//!
//! # Shape
//! `strict` (JSON without duplicate keys) → `parse` → `policy` (the model: `pattern`, `principal`, `condition`) →
//! `decide`. `fill` puts bucket and prefix into an `aws.json`. `rpc` is the gRPC table. `verbs` says which actions read
//! and which write secrets, and finds a policy that does both. `matrix` prints it all.
//!
//! # Decisions
//! - A policy variable without a value and without a default matches nothing; where "nothing matches" would widen an
//!   `Allow` (`NotResource`, `StringNotEquals`) the statement does not apply, and for a `Deny` it does: fail closed both
//!   times. AWS leaves this open.
//! - A wildcard in the first five parts of an ARN does not reach over a colon; in the last part it does.
//! - `NotPrincipal`, `CanonicalUser` and wildcards inside principal ARNs are refused: Mint has no use for them, and they
//!   are the usual accidents.
//! - Cross-account rules are the caller's: `decide` takes the policies that apply and unites them.

mod condition;
mod decide;
mod error;
mod fill;
mod matrix;
mod operand;
mod parse;
mod pattern;
mod policy;
mod principal;
mod rpc;
mod strict;
mod verbs;

pub use decide::{Context, Decision, Request, decide};
pub use error::Error;
pub use fill::{directory, fill};
pub use matrix::{Row, matrix};
pub use policy::{Effect, Policy, Statement};
pub use principal::Caller;
pub use rpc::{PrincipalPattern, RpcTable};
pub use strict::parse as strict_json;
pub use verbs::{Verb, Violation, actions, names_action, separation, verb};
