//! # Purpose
//! The one service that reads the application registry, and the catalog that follows from it: which applications exist,
//! who owns them, where their credentials go. Everybody else reads the catalog.
//!
//! # Permission
//! `permissions/rpc.json`: the executors and the coordinator read; owners and operators enter settings; operators retire,
//! restore and release; identity-provisioner records identities, the distributor what it overwrote.
//! `permissions/aws.json`: nothing. `permissions/postgres.sql`: read, insert and update records, never delete one.
//!
//! # Never
//! - removes an application: `contract_an_application_that_vanishes_is_held_and_nothing_of_it_changes`
//! - believes an absence that a direct read does not confirm: `only_a_confirmed_absence_holds_an_application`
//! - takes a list that takes away more than it may in a day (I6), by leaving out, calling inactive or naming other owners:
//!   `a_list_that_shrinks_by_more_than_the_budget_is_refused_whole`, `a_fleet_cannot_vanish_a_few_at_a_time`,
//!   `ten_thousand_answers_of_every_kind_take_away_no_more_than_the_budget`
//! - lets invented applications pay for the end of real ones: `invented_applications_pay_for_nobodys_end`
//! - takes a newer fact back because of a stale list: `a_stale_list_takes_no_newer_fact_back`
//! - believes a date that cannot be: `a_date_in_the_future_freezes_nothing`,
//!   `contract_a_date_in_the_future_hides_no_change_from_deltas`
//! - lets more go than the budget for fewer than two operators, or twice for one statement:
//!   `contract_a_release_by_two_operators_lets_a_list_shrink_once`,
//!   `contract_a_release_is_not_overspent_by_whoever_planned_before_others_spent_it`
//! - retires an application that the registry has: `contract_an_operator_retires_only_what_the_registry_lost`
//! - takes the owner before for the owner now: `contract_another_owner_confirms_the_destinations_first`
//! - stores a statement that says something else than the settings:
//!   `contract_a_destinations_statement_names_exactly_the_settings`
//! - forgets where credentials lie before somebody overwrote them:
//!   `what_the_settings_no_longer_ask_for_stays_until_it_is_overwritten`
//! - changes anything because of an answer that cannot be used: `contract_every_bad_answer_leaves_the_catalog_as_it_was`
//! - lets one bad entry hold up the others: `a_malformed_entry_is_a_problem_of_its_application_alone`
//! - changes settings for anybody but the owning team or an operator, or unannounced:
//!   `contract_only_owners_and_operators_change_settings`, `contract_without_the_audit_log_no_setting_changes`
//! - shows a team where another team's credentials go: `the_catalog_is_served_as_its_permissions_say`
//! - overwrites settings that somebody else changed meanwhile: `contract_settings_change_only_from_the_generation_read`
//! - loses a change between a list and a watch: `contract_no_change_is_lost_between_list_and_watch`
//!
//! # Shape
//! `ports` ([`ports::Source`]) ← `adapters` (kio, file, memory; beside: a settings file next to Kio) · `parse` (JSON to
//! a list, entry by entry) · `plan` (pure:
//! catalog and list in, changes out) · `guard` (pure: who pays for what is taken away) · `destinations` (pure: what settings
//! leave behind) · `decide` (operators' decisions) · `statements` (whose word counts) · `catalog` and `rows` (records and
//! revisions in the database) · `execute` (reads, plans,
//! applies, again and again) · `enter` (the one way settings change) · `feed` (pages and watches) · `rpc` (the wire).
//!
//! # Decisions
//! - *A revision is `max(last + 1, unix milliseconds)`*: after a restored backup it still grows, so nobody who remembers
//!   one waits for ever. A caller who knows a later one than the catalog is told `CATALOG_BEHIND`.
//! - *Settings are stored as entered*; defaults are put in when a record is served. When the configured defaults change,
//!   every record gets a new revision, because what is served of it changed.
//! - *A watcher has a cursor, not a queue*: what it has not read waits in the database. One that takes nothing for half a
//!   minute is dropped with `WATCHER_TOO_SLOW` and comes back with its revision.
//! - *An entry that cannot be read may be any application*, so with one in a list no absence is believed.
//! - *An empty list is a problem even of an empty catalog*, but not one that keeps the service from being ready.
//! - *Settings for an application that the catalog lacks* make it be looked up directly: lists are up to two minutes old.
//! - *A replica that has a catalog is ready*, whether or not the registry answers: an outage there must not stop rotations.
//! - *An empty list is never believed*, released or not: whoever ends its last application says `active=false`.
//! - *What the registry takes counts for a day while it is gone*: an application that comes back gives its place back.
//! - *An operator's decision stands until the registry says the same*: `Retired` ends when the registry has the application
//!   again, `Restored` when it calls it active. While an application is kept in use so, that is a problem of it.
//! - *A change of owner clears the statement and stands as a problem*; the record says whose word the destinations are,
//!   the distributor's pins keep it.
//! - *A removed destination is an object, not a bucket*: another layout leaves objects behind in the same bucket. Only the
//!   distributor, who wrote them, may say that they are overwritten, and only for the generation that it read.
//! - *Problems of a record say since when, not how often*: a count would make a revision of every read.

pub mod adapters;
pub mod catalog;
mod config;
pub mod decide;
pub mod destinations;
pub mod enter;
mod error;
pub mod execute;
pub mod feed;
pub mod guard;
pub mod model;
pub mod parse;
pub mod plan;
pub mod ports;
mod rows;
pub mod rpc;
pub mod settings;
pub mod statements;

#[cfg(test)]
mod generated_tests;
#[cfg(test)]
mod guard_tests;

use std::sync::Arc;

use mint_api::audit_log::{AuditLog, GrpcAuditLog};
use mint_api::registry::v1::registry_service_server::RegistryServiceServer;
use mint_port::{Points, Port, Ported as _};
use mint_runtime::{Api, Process};
use mint_store::Database;
use mint_types::ServiceName;

use crate::{
    catalog::Catalog, decide::Deciding, enter::Entering, execute::Synchronizer, feed::Feed, rpc::Rpc,
    statements::Statements,
};

pub use config::{Config, SourceConfig};
pub use error::Error;

/// Who may call what.
pub const PERMISSIONS: &str = include_str!("../permissions/rpc.json");

/// What readiness waits for besides the peers.
const SOURCE: &str = "source";

/// Every fault point of this service: before and after each outside call and each durable write (`libs/port`).
pub const FAULT_POINTS: &[Points] = &[<dyn ports::Source>::POINTS, <dyn AuditLog>::POINTS, Catalog::POINTS];

/// The life of the process.
pub async fn run(config: Config, process: Process) -> Result<(), Error> {
    let defaults = Arc::new(config.defaults().map_err(mint_runtime::Error::from)?);
    let source_config = config.source().map_err(mint_runtime::Error::from)?;
    let database =
        Database::open(&config.state.url, catalog::SCHEMA, catalog::MIGRATIONS, config.state.migration());
    let database = database.await.map_err(Error::opening)?;

    let catalog = Catalog::open(database, process.clock(), &defaults).await?;
    let audit = GrpcAuditLog::new(process.peer(ServiceName::Audit)?, process.entropy());
    let audit: Port<dyn AuditLog> = Port::held_by(ServiceName::RegistrySync.as_str(), Arc::new(audit));
    let statements = Statements(config.statements.clone());
    let (entropy, clock) = (process.entropy(), process.clock());
    let deciding = Deciding {
        catalog: catalog.clone(),
        audit: audit.clone(),
        entropy: Arc::clone(&entropy),
        clock: Arc::clone(&clock),
        statements: statements.clone(),
    };
    let entering = Entering::new(catalog.clone(), audit, entropy, clock, Arc::clone(&defaults));
    let entering = entering.believing(statements);
    let mut source = adapters::source(&source_config, Arc::clone(&defaults))?;
    if let Some(file) = config.settings_file() {
        let told = adapters::beside::WithSettingsFile::new(source, file, Arc::clone(&defaults));
        source = Arc::new(told);
    }
    let synchronizer =
        Synchronizer::open(Port::new(source), catalog.clone(), entering.clone(), process.clock()).await?;
    let synchronizer = Arc::new(synchronizer);

    let readiness = process.readiness();
    readiness.require(SOURCE);
    let reading = Arc::clone(&synchronizer);
    let (schedule, shutdown) = (config.schedule(), process.shutdown());
    process.spawn("synchronizer", async move {
        reading.run(schedule, shutdown, move || readiness.answered(SOURCE)).await;
    });

    let feed = Feed::new(catalog.clone(), defaults);
    let rpc = Rpc { catalog, feed, entering, deciding, synchronizer };
    let api = Api {
        permissions: PERMISSIONS,
        routes: tonic::service::Routes::new(RegistryServiceServer::new(rpc)),
        services: &["mint.registry.v1.RegistryService"],
        descriptors: mint_api::DESCRIPTORS,
    };
    process.serve(api).await?;
    Ok(())
}
