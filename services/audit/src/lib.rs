//! `audit`: the log of every act, said before it is done, and what came of it.
//!
//! # Purpose
//! No other service acts when this one does not answer; so it answers fast, and only when the entry is durable.
//!
//! # Permission
//! To append to the log and to list what is in it: `permissions/rpc.json`. Its database role may INSERT and SELECT and
//! nothing else: `permissions/postgres.sql`. It has no AWS power, calls no other service, and holds no secret.
//!
//! # Never
//! - answers before the entry is durable: `contract_what_was_answered_is_there_after_reopening`.
//! - takes the actor from a request: `the_actor_is_the_peer_and_nothing_else`.
//! - says success when its state is gone: `contract_a_closed_database_is_unavailable_and_never_success`,
//!   `a_failed_commit_fails_every_entry_of_its_batch`.
//! - takes one entry id for two contents: `contract_an_entry_id_with_another_content_is_refused`.
//! - takes an outcome without its announcement, of another actor or act, or twice:
//!   `contract_an_outcome_needs_its_own_announcement_once`.
//! - lets one bad entry spoil the others of its batch: `contract_a_refused_entry_does_not_spoil_its_batch`.
//! - changes or drops an entry: the role has no grant for it (`contract_the_role_may_neither_change_nor_drop`).
//!
//! # Shape
//! `rpc` (decode, one call, encode) → `draft` (a valid entry without a place) → `execute` ([`Log`]: one writer that
//! commits everything queued at once) → `ports` ([`LogStore`]) → `adapters/database`, which asks `plan` (pure: stored
//! entries in, decision out) for each draft and `leaf` for its hash.
//!
//! **A leaf** is hashed as in RFC 6962, section 2.1: SHA-256 of a zero byte and the leaf's canonical bytes, which are, in
//! this order: the ASCII text `mint audit leaf v1` and a zero byte; `leaf_index` (8 bytes, big-endian like every number
//! here); `at` in microseconds since 1970 (8 bytes, two's complement); `phase` (1 byte); `outcome` (1 byte); `kind`
//! (4 bytes, the wire's number); `init_index + 1`, or 0 for an announcement (8 bytes); then eight texts, each as its
//! length in bytes (4 bytes) and its UTF-8: `entry_id`, `actor`, `action`, `application_id`, `resource`, `rotation_id`,
//! `request_id`, `reason`. Ids that are UUIDs are written lower-case with hyphens. A leaf of what is done on somebody's
//! behalf starts with `mint audit leaf v2` instead and has two texts more: `requested_role`, `subject`.
//!
//! # Decisions
//! - *Group commit*: appends that arrive while a commit is on its way share the next one. The log is on the path of
//!   every act of every service, and one commit costs about as much as a hundred inserts.
//! - *Time never runs backwards in the log*: an entry is at the clock's time or at its predecessor's, whichever is
//!   later, so that a time range is a range of leaves.
//! - *The position is in the leaf*: an entry that is moved has another hash, before there is a Merkle tree to say so.
//! - *A broker's row says whose and by what*: `requested_role` is the kind of role and the role's ARN is the `resource`, so
//!   that a row of today differs from one of a history in which the requested role was the ARN; and the bytes of every
//!   leaf that was there before are what they were.
//! - *A second outcome is refused*, even an equal one: a caller repeats with the same entry id, and anything else is
//!   somebody else's claim.

mod adapters;
mod config;
mod draft;
mod error;
mod execute;
mod leaf;
mod plan;
mod ports;
mod rpc;

pub use adapters::database::{DatabaseLog, MIGRATIONS, SCHEMA};
pub use config::Config;
pub use draft::{Draft, Half, Outcome};
pub use error::{Error, Refusal};
pub use execute::Log;
pub use leaf::{Leaf, canonical_bytes, leaf_hash};
pub use plan::{Decision, Stored, decide};
pub use ports::{Filter, LogStore, Page};
pub use rpc::AuditApi;

use std::sync::Arc;

use mint_api::audit::v1::audit_service_server::{AuditServiceServer, SERVICE_NAME};
use mint_port::{Points, Port, Ported as _};
use mint_runtime::{Api, Process};
use mint_store::Database;
use tonic::service::Routes;

/// Every fault point of this service: before and after each outside call and each durable write (`libs/port`).
pub const FAULT_POINTS: &[Points] = &[<dyn LogStore>::POINTS];

/// The life of the process.
pub async fn run(config: Config, process: Process) -> Result<(), Error> {
    let database = Database::open(&config.state.url, SCHEMA, MIGRATIONS, config.state.migration())
        .await
        .map_err(|error| mint_runtime::Error::unavailable("the state (state.url)", error))?;
    let store: Port<dyn LogStore> = Port::new(Arc::new(DatabaseLog::new(database, process.clock())));
    let (log, writer) = Log::new(store);
    process.spawn("writer", writer.run());
    let api = Api {
        permissions: include_str!("../permissions/rpc.json"),
        routes: Routes::new(AuditServiceServer::new(AuditApi::new(log))),
        services: &[SERVICE_NAME],
        descriptors: mint_api::DESCRIPTORS,
    };
    process.serve(api).await?;
    Ok(())
}
