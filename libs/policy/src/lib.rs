//! The policies that an account's administrator applies, and what is wrong with one.
//!
//! # Purpose
//! What Mint may do at AWS stands in `services/*/permissions/*.json`, without names of accounts, buckets and issuers. This
//! crate fills those in from an administrator's configuration ([`render`]): the roles with their trust and their boundary, the
//! policies of the teams' buckets and keys. And it reads any policy document and says where it gives away more than it
//! seems to ([`lint`]), the ways in which isolation was lost before.
//!
//! # Permission
//! None: no IO, no async, no clock, no randomness.
//!
//! # Never
//! - grants anything that the permission files do not: `what_is_rendered_is_the_permission_file_filled_in_and_nothing_else`,
//!   and the embedded world enforces the same (`what_is_rendered_for_an_account_is_what_this_world_enforces`).
//! - puts a value into a policy that could mean more than itself:
//!   `a_value_that_is_a_pattern_or_leaves_its_place_is_refused_by_its_key`.
//! - renders what it would complain about itself: `everything_that_is_rendered_is_clean`.
//! - lets an application read its neighbour, a writer read, or an untagged session anything:
//!   `the_rendered_documents_decide_as_the_table_says`.
//! - calls a document clean that it does not wholly understand: `what_is_not_a_policy_document_is_an_error_and_never_clean`.
//! - panics on a document: `no_document_whatever_is_in_it_makes_lint_panic`.
//!
//! # Shape
//! `config` (TOML, checked) → `render` (`template`: placeholders; `roles`, `buckets`: the documents) → files in order.
//! `document` (everything that IAM takes) → `lint` (`grants`: what is granted, `trust`: who is let in) → findings.
//!
//! # Decisions
//! - *Two parsers of policies*: that of `libs/permissions` refuses what Mint would never write, and it has to, for it decides;
//!   lint must read just that. What it does not know is an error in both.
//! - *KMS stands in a document of its own* (`kms.json`), so that `permissions.json` is the reviewed file and nothing else.
//!   Sealing through S3 alone is no power over the content: `kms:GenerateDataKey` for the writer, `kms:Decrypt` for readers.
//! - *A boundary for each side*: one that capped writers and readers together would allow both to both.
//! - *No policy for readers in the bucket's policy*: readers live in the bucket's account, where their own policy suffices.
//! - *A pinned subject is a whole one*: `StringLike` with a star is somebody else's subject one day. A role that requires a
//!   session tag needs none: the tag says who reads, and the provider signs it.
//! - *A `Deny` or a condition is not believed* to keep writing and reading apart: it may be taken away, or hold.

mod config;
mod document;
mod error;
mod lint;
mod render;

pub use config::Config;
pub use error::Error;
pub use lint::{Code, Finding, lint};
pub use render::{EXAMPLE, File, render};
