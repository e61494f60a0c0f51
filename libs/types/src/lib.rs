//! The words that every part of Mint shares: ids, principals, credentials, settings, time.
//!
//! # Purpose
//! A value of one of these types was parsed and is valid; code that takes one does not check it again.
//!
//! # Never
//! - does IO, spawns a task or reads a clock: `tests/it` (`types_depends_only_on_its_allow_list`).
//! - carries a secret: credentials' plaintext has its own type in `libs/secret`
//!   (`plaintext_is_reachable_from_its_carriers_only`).
//!
//! # Shape
//! `id` (names and numbers), `principal` (SPIFFE ids), `credential` (kinds, layouts, versions), `settings` and
//! `application` (the catalog's record), `url` (outbound URLs), `time` and `entropy` (the injected ports),
//! `fence` (invariant I3), `budget` (invariant I6), `problem` (what an operator reads), `code` (the closed set of
//! error codes) and `mutation` (rules that tests switch off).
//!
//! # Decisions
//! - Versions are numbered by `max(last + 1, unix milliseconds)`: a restored backup cannot make numbers run backwards.
//! - Monotonic time carries the boot it was read in: instants of different boots do not compare.

mod application;
mod budget;
mod code;
mod credential;
mod entropy;
mod fence;
mod id;
pub mod mutation;
mod principal;
mod problem;
mod settings;
mod time;
mod url;

pub use application::{Application, Identity, Presence, RemovedDestination, Revision};
pub use budget::Budget;
pub use code::Code;
pub use credential::{CredentialKind, IssuerObject, Layout, Version};
pub use entropy::Entropy;
pub use fence::{Admitted, Fence, FencingToken, Stale};
pub use id::{
    AccountId, ApplicationId, BucketName, InvalidId, Prefix, RequestId, RotationId, Scope, TeamId,
    TrustDomain, VersionId,
};
pub use principal::{InvalidSpiffeId, Principal, ServiceName, SpiffeId};
pub use problem::Problem;
pub use settings::{Bucket, Destination, InvalidSettings, Settings};
pub use time::{Clock, InvalidPeriod, Monotonic, Period, Timestamp};
pub use url::{InvalidUrl, OutboundUrl};
