//! # Purpose
//! Makes service users and OAuth clients exist at the IAM solution as the catalog says, and takes them away again: that
//! they exist, never what opens them.
//!
//! # Permission
//! `permissions/rpc.json`: only the coordinator orders; operators may look, and bring releases. `permissions/aws.json`:
//! nothing. `permissions/postgres.sql`: reads and adds; never deletes, never rewrites what it spent or what was released.
//!
//! # Never
//! - learns or sets a credential: no message and no port has a place for one, and
//!   `a_field_that_nobody_asked_for_is_neither_kept_nor_shown`
//! - takes a user's name from a request: `the_username_is_computed_from_the_configuration`
//! - acts unannounced: `contract_without_the_audit_log_the_issuer_is_not_called`
//! - sends logins anywhere else without the word of the owner or an operator:
//!   `contract_a_hostile_registry_sync_changes_no_redirect_url`, `a_word_is_believed_once`
//! - takes the secret from a client, or asks one for a secret, without such a word:
//!   `contract_a_hostile_registry_sync_opens_no_client_to_whoever_knows_its_id_and_shuts_none`
//! - takes whom the catalog names for the owner whose word counts:
//!   `contract_a_hostile_registry_sync_with_one_teams_key_makes_that_team_no_owner`
//! - remembers a revision from further ahead than any clock, after which nothing would be applied any more:
//!   `contract_a_revision_from_the_future_is_not_remembered`
//! - refuses in silence what nobody honest asks for, or lets whoever asks for it fill the log:
//!   `contract_a_refused_order_is_in_the_log_once_however_often_it_comes_and_without_the_log_too`
//! - removes an orphan while another replica makes it an application's, or the other way round:
//!   `contract_an_orphans_removal_and_its_takeover_by_another_replica_do_not_cross`
//! - acts for a holder of an older lease: `contract_a_lower_fencing_token_is_refused_before_any_call`
//! - disables, deletes or narrows more identities in a day than invariant I6 allows, whatever it is told:
//!   `contract_no_more_than_the_budget_is_taken_away_in_a_day`,
//!   `contract_invented_applications_raise_no_budget_within_a_day`
//! - takes anything from an application that the registry calls active:
//!   `contract_an_application_in_use_loses_nothing_whoever_asks`
//! - takes a user for its own that existed before: `contract_a_user_that_existed_before_is_foreign_for_ever`,
//!   `contract_a_crash_after_the_put_does_not_make_our_own_user_foreign`
//! - takes from a user that existed before what nobody told it of:
//!   `contract_a_user_that_existed_before_keeps_what_it_has_until_settings_are_entered`,
//!   `contract_taking_users_over_is_paid_like_taking_their_scopes`
//! - asks the issuer again for what was confirmed: `contract_what_was_applied_is_answered_without_a_call`
//! - deletes an identity that is not disabled, or is still restorable: `contract_only_a_disabled_identity_is_deleted`,
//!   `nothing_is_deleted_before_its_tombstone_period_ended`
//! - lets a clock that jumps free budget or end a tombstone period:
//!   `contract_a_clock_that_jumps_an_hour_frees_no_budget_and_ends_no_tombstone_early`
//! - uses a deleted name again without release: `contract_a_deleted_id_is_made_again_only_after_a_release_that_names_it`
//! - lets more go than the budget for fewer than two operators, or twice for one statement:
//!   `contract_a_release_by_two_operators_lets_more_go_and_is_acted_upon_once`
//! - has a second budget, or believes a statement twice, because a backup was restored:
//!   `contract_after_lost_writes_there_is_no_budget_for_a_day_and_no_statement_of_before_counts`,
//!   `contract_a_word_of_before_writes_were_lost_confirms_nothing`
//! - permits a removal that the catalog does not justify: `objects_are_removed_only_where_the_catalog_justifies_it`
//! - touches a user without our prefix, or removes one that an application owns:
//!   `contract_an_orphan_is_disabled_rests_and_is_deleted_through_the_same_budget`,
//!   `contract_an_orphan_that_an_application_takes_over_is_not_deleted`
//! - believes a list that lacks a user before it asked directly: `contract_a_list_that_lies_makes_nothing_vanish`
//! - lists the issuer's users once per application: `contract_a_plan_to_take_over_changes_nothing_and_asks_once`
//! - touches an application that the registry lost: `what_ensure_does_follows_from_state_and_record`
//!
//! # Shape
//! `ports` ([`ports::IdentityIssuer`], [`ports::Catalog`]) ← `adapters` (service-user, glewlwyd, gRPC, memory) · `plan` (pure: what is
//! known and what the catalog says in, the next step out) · `budget` (pure: who pays) · `compare` (pure: the issuer's
//! users against what is known) · `redirect` (pure: where logins are sent
//! back to, and whether the client keeps a secret) · `elapsed` (pure: the time that is counted) · `execute` (announce, intend, act, remember,
//! record, conclude) · `state` (identities, fencing tokens, the books of I6) · `statements` (whose word counts) · `rpc`
//! (the wire).
//!
//! # Decisions
//! - *The intent is durable before the call.* A crash in between leaves "in doubt", which the next order resolves by the
//!   same idempotent `PUT`; and a user that Mint itself had begun to make is never taken for a foreign one.
//! - *A redirect URL is pinned, and no time changes it*: unlike a new bucket, which an owner sees stay empty, a new URL is
//!   seen by nobody but those who log in. The first one is believed, because there is nothing to compare it with; everything
//!   else of the user is ensured while another one waits, and the answer says that it does. A name that was deleted and
//!   released begins anew.
//! - *So is the client type*, for the same reason: a client without a secret is anybody's who knows its id, and one that
//!   asks for a secret locks out those who have none. The statement is the one that the distributor waits for, too: so the
//!   switch at the issuer, the version that the rotator makes of it (it looks the client up before) and its delivery follow
//!   one another at once, and before it nothing changes anywhere. Between the switch and the moment at which an instance has
//!   fetched the new object, what it holds works where the issuer accepts both (service-user: a client that became public
//!   still opens by its secret, one that is to have a secret stays open until the first one is committed). Where it cannot
//!   be both (Glewlwyd), the instances are shut out for that long, as with a replaced value; no order of calls avoids that.
//! - *The owner is whom the catalog named first*; its change needs the former one's or an operator's word, or the new one's
//!   after a day, the rule that the distributor's pins have (`mint_statement::Confirmation`). A word that came too early is
//!   looked at again when that day is over, and the answer says when: whoever signed need not sign again.
//! - *An enabled user always has the base scopes* (`uid`, `cn`): the API knows "disabled" only as "no scopes", so a user
//!   without any of its own would be a disabled one.
//! - *The first `PUT` on a user that existed before counts as a taking*: it replaces scopes and redirect URLs, and neither API
//!   tells what they are (COMPAT section 3: a user is shown as its id and its name; a Glewlwyd client is not read, because it
//!   is shown with secrets). Before settings are entered it is not made at all. Taking over a fleet in a day is released by
//!   two operators, who have read `mint import`.
//! - *Ensure also revives*: a disabled or vanished user is made again when the catalog has a newer revision; a deleted one
//!   only once two operators released its name, because whoever has it now need not be who had it then.
//! - *One budget for everything that is taken away*: disables, deletions, scopes, and the permits without which the
//!   distributor overwrites nothing. It counts applications, as `libs/invariants` does: whatever is taken from one within a
//!   day is one act, counted when it begins, and until the last of it is a day old. A removal is counted where it begins (the disable) and again, as one act, on
//!   the day on which it ends (permit, deletion): else a coordinator could save up disabled ones and end them all at once.
//! - *The budget is a share of those who are there since a day*: a list that invents applications cannot pay for its own
//!   removals. A young fleet has the smallest budget there is, one a day, until operators release more.
//! - *The budget is spent before the act and not given back*: a failed attempt may have had its effect.
//! - *A release adds acts until it expires*; one that names applications is for these only and pays for them first. It
//!   lets a deleted name be used again only if the deletion was begun when the release was accepted.
//! - *Periods are counted by the monotonic clock* of a boot that was written down when it was first seen; between two boots
//!   only the wall clock can tell, and the counted time never goes back.
//! - *Restore asks the catalog*: the registry says active again, or an operator said so to registry-sync
//!   (`RestoreApplication`, `mint app restore`). The coordinator's word alone revives nobody.
//! - *A vanished user is told to the catalog* (`RecordIdentity.missing`), whose raised `identity_revision` makes the
//!   coordinator ensure it again; `incarnation` tells everybody that all its credentials are gone.
//! - *An orphan has no lease*: no coordinator acts on what is no application. The operator's decision is remembered and
//!   carried out here to the end. The issuer tells nobody an orphan's scopes, so only an application that takes it over
//!   (`AdoptIdentity`) brings it back.
//! - *Whatever has no prefix is not ours*; with an empty prefix nobody is an orphan.
//! - *Unsettled is not undone*: if the catalog or the audit log cannot be told, the call fails, and its repetition tells
//!   them without calling the issuer.
//! - *An issuer with another API is another adapter behind the same four calls*: `service-user`, and `glewlwyd`, where
//!   user and client are two changes. Both are made again until both were answered.

pub mod adapters;
pub mod budget;
pub mod compare;
mod config;
pub mod elapsed;
mod error;
pub mod execute;
pub mod model;
pub mod plan;
pub mod ports;
pub mod redirect;
pub mod rpc;
pub mod state;
pub mod statements;
mod turns;

use std::sync::Arc;

use mint_api::{
    audit_log::{AuditLog, GrpcAuditLog},
    identity::v1::identity_service_server::IdentityServiceServer,
};
use mint_port::{Points, Port, Ported as _};
use mint_runtime::{Api, Process};
use mint_store::Database;
use mint_types::ServiceName;

use crate::{
    adapters::{glewlwyd::Glewlwyd, registry::RegistryCatalog, service_user::ServiceUserApi},
    execute::{Parts, Provisioner},
    rpc::Rpc,
    state::State,
    statements::Statements,
};

pub use config::{Config, Driver, IssuerSection};
pub use error::Error;

/// Who may call what.
pub const PERMISSIONS: &str = include_str!("../permissions/rpc.json");

/// Every fault point of this service: before and after each outside call and each durable write (`libs/port`).
pub const FAULT_POINTS: &[Points] = &[
    <dyn ports::IdentityIssuer>::POINTS,
    <dyn ports::Catalog>::POINTS,
    <dyn AuditLog>::POINTS,
    State::POINTS,
    State::STRAY_POINTS,
    State::RESTORED_POINTS,
];

/// The life of the process.
pub async fn run(config: Config, process: Process) -> Result<(), Error> {
    let database =
        Database::open(&config.state.url, state::SCHEMA, state::MIGRATIONS, config.state.migration());
    let database = database.await.map_err(Error::opening)?;

    let state = State::new(database, config.budget());
    if let Some(lost_at) = state.lost_writes_at() {
        tracing::warn!(%lost_at, "writes may have been lost: no budget for a day, and no statement of before is believed");
        state.remember_lost_writes(&elapsed::Moment::of(process.clock().as_ref())).await?;
    }

    let IssuerSection { url, token_file, ca_file, .. } = &config.issuer;
    let (url, ca_file) = (url.clone(), ca_file.as_deref());
    let issuer: Port<dyn ports::IdentityIssuer> = match config.issuer.driver {
        Driver::ServiceUser => Port::new(Arc::new(ServiceUserApi::open(url, token_file, ca_file)?)),
        Driver::Glewlwyd => Port::new(Arc::new(Glewlwyd::open(url, token_file, ca_file)?)),
    };
    let provisioner = Provisioner::new(Parts {
        issuer,
        catalog: Port::new(Arc::new(RegistryCatalog::new(process.peer(ServiceName::RegistrySync)?))),
        audit: Port::held_by(
            ServiceName::IdentityProvisioner.as_str(),
            Arc::new(GrpcAuditLog::new(process.peer(ServiceName::Audit)?, process.entropy())),
        ),
        state,
        naming: config.naming(),
        tombstone: config.tombstone(),
        statements: Statements {
            keys_file: config.statements.keys_file.clone(),
            key_file: config.statements.key_file.clone(),
        },
        clock: process.clock(),
        entropy: process.entropy(),
        background: process.tasks().clone(),
    });
    let provisioner = Arc::new(provisioner);
    let (looking, interval) = (Arc::clone(&provisioner), config.issuer.check_interval.as_duration());
    let shutdown = process.shutdown();
    process.spawn("issuer-check", async move { looking.keep_looking(interval, shutdown).await });

    let rpc = Rpc { provisioner, clock: process.clock() };
    let api = Api {
        permissions: PERMISSIONS,
        routes: tonic::service::Routes::new(IdentityServiceServer::new(rpc)),
        services: &["mint.identity.v1.IdentityService"],
        descriptors: mint_api::DESCRIPTORS,
    };
    process.serve(api).await?;
    Ok(())
}
