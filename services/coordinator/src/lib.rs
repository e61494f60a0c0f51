//! # Purpose
//! Decides what happens next for each application and orders the steps of its rotations. It carries ids, states,
//! envelopes and receipts, and nothing else.
//!
//! # Permission
//! - RPC (`permissions/rpc.json`): operators, each team to see how its own applications stand, and each application for what
//!   its instances report.
//! - Calls: `registry-sync` (the catalog), `identity-provisioner`, `rotator`, `distributor`, `audit`.
//! - AWS: nothing. PostgreSQL: its own schema, no DELETE.
//!
//! # Never
//! - acts twice at once on an application: `contract_two_coordinators_never_act_at_once_on_an_application`.
//! - keeps what a holder without a lease writes: `contract_a_stale_lease_cannot_commit`.
//! - repeats a fencing token: `contract_fencing_tokens_only_grow`.
//! - retires before it has a receipt, whatever crashes when: `a_crash_at_every_call_converges_in_the_right_order`.
//! - lets an issuer that knows one value at a time wait for other stores after the first write:
//!   `a_first_write_is_told_to_the_issuer_at_once_whatever_another_store_answers`.
//! - lets one application delay another: `one_applications_trouble_delays_nobody`.
//! - calls an issuer that asked for a pause: `a_429_pauses_only_calls_to_the_issuer`,
//!   `a_429_is_obeyed_by_other_coordinators_and_after_a_restart`.
//! - ensures an identity without a reason: `an_identity_is_ensured_once_not_per_rotation`.
//! - touches an application that the registry lost: `a_held_application_is_left_alone`, except that it restores one that
//!   an operator took into use again:
//!   `an_application_that_the_registry_lost_is_restored_when_an_operator_says_so_and_else_left_alone`.
//! - deletes an identity before its tombstone period, its objects' tombstones and the shortest overlap, in that order:
//!   `a_removal_is_disable_then_tombstones_then_delete_each_in_its_time`,
//!   `a_crash_at_every_call_of_a_removal_converges_and_what_comes_back_is_whole`.
//! - lets a store that refuses hold a deletion up: `a_bucket_that_refuses_the_tombstone_is_a_problem_and_delays_no_deletion`.
//! - shows a team how others' applications stand: `a_team_sees_how_its_own_applications_stand_and_no_others`.
//! - forgets objects that hold a credential still: they stay a problem that names them (the same test).
//! - takes a tombstone for a delivery: `what_became_a_tombstone_is_filled_again_by_a_rotation_of_its_own`; or what belonged
//!   to a user that is gone: `a_user_that_was_made_again_has_every_kind_delivered_again_at_once`.
//! - overwrites where credentials lay before they are found elsewhere:
//!   `what_the_settings_left_behind_is_overwritten_once_the_new_place_is_filled`.
//! - does anything more for a deleted name before its release: `a_deleted_name_is_used_again_only_after_release`.
//! - forgets what two operators want ended at once, or lets a delivery that fails hold it up:
//!   `what_operators_revoke_ends_with_a_fresh_version_whatever_fails_on_the_way`,
//!   `a_revocation_does_not_wait_for_a_bucket_that_refuses`.
//! - rotates for a revocation that nothing can end any more, or keeps it open for ever:
//!   `a_revocation_of_a_retired_application_rotates_nothing_and_is_closed_with_its_user`,
//!   `what_the_settings_do_not_want_ends_with_the_kind_that_took_its_place_and_nothing_rotates_on`,
//!   `what_no_kind_can_end_any_more_is_closed_and_told`,
//!   `half_of_what_is_meant_that_no_kind_can_end_rotates_the_other_half_once`; or closes one while it waits for a word what
//!   the client is to be: `what_is_meant_of_a_client_waits_with_its_type_until_somebody_decides`.
//! - lets a revocation that waits void a backoff, or keep another one waiting:
//!   `a_revocation_that_waits_lets_what_failed_wait_too`, `however_many_wait_the_latest_is_carried_too`.
//! - overwrites what an operator begins meanwhile: `what_an_operator_begins_while_a_statement_is_carried_is_not_lost`.
//! - lets a pause hold up the fresh version that a revocation needs, or does anything else during one:
//!   `a_pause_does_not_hold_up_what_a_revocation_needs_and_nothing_else_goes_on`.
//! - keeps to itself what a comparison with the issuer found:
//!   `what_nobody_accounts_for_is_a_problem_until_a_later_look_does_not_find_it`.
//! - carries a refused statement on: `a_statement_that_is_not_believed_is_a_problem_and_is_not_carried_again`.
//! - does what an operator asks while the audit log is down: `without_the_audit_log_nothing_is_done`.
//! - retires while an instance that reported within its last three polls holds an older version, before the longest
//!   overlap: `retire_waits_until_every_instance_holds_the_new_version`; or waits beyond it:
//!   `retire_goes_on_at_the_longest_overlap_and_the_laggards_stay_a_problem`.
//! - believes a report of somebody else, or an old one: `a_forged_or_replayed_report_is_refused`.
//! - lets a lease of a clock that is ahead stall anybody for longer than two leases:
//!   `a_lease_under_a_clock_that_is_ahead_stalls_nobody_for_an_hour`; or takes it from a holder that lives:
//!   `a_holder_whose_clock_is_ahead_keeps_what_it_renews`.
//! - takes the leases of its own former life back while what that asked for may be under way:
//!   `a_restarted_process_waits_for_its_own_leases_unless_there_is_one_of_each_executor`.
//! - acts beside itself: `an_errand_does_not_take_what_the_engine_beside_it_may_be_going_on_with`.
//! - goes on with a reserved lease after anything happened beside it:
//!   `what_happens_before_it_begins_is_anybodys_and_the_holder_notices`,
//!   `a_taker_whose_write_came_late_leaves_the_application_alone`.
//! - says "no problems" while there is one: `a_problem_stays_until_it_is_over`.
//! - lets a clock that is set back delay anybody: `a_clock_that_is_set_back_delays_nobody`.
//! - takes a moment's refusal for a changed credential, or rotates one because nobody answered:
//!   `a_refusal_that_was_a_moments_matter_rotates_nothing`,
//!   `a_check_without_an_answer_changes_nothing_and_is_made_again_with_growing_pauses`
//! - keeps to itself that it can never find out: `a_check_that_no_key_opens_is_a_problem_until_one_does_or_another_version_is_there`
//! - checks what something is being done about, or nothing may be done about:
//!   `nothing_is_checked_that_is_not_at_rest_in_use_and_unpaused`
//! - rotates everything at once because an issuer refuses everything: `a_mass_of_changed_credentials_is_repaired_a_few_at_a_time`
//! - looks healthy while it cannot write its own state: `a_coordinator_that_cannot_write_says_so_until_it_can`.
//!
//! # Shape
//! `intake` (catalog → store) · `store` (port: one row per application and credential), `watched` (whether it can
//! be written) · `lease` (pure: who may act), `overlong` (pure: leases of clocks that are ahead) · `engine` (who is due) →
//! `burst` (one lease, got by `take`: `identity`, then `steps` side by side) · `plan`, `removal` and `status` (pure, from a `desk`) ·
//! `checks` (pure: what is asked about when, and what an answer means), `drift` (asks) ·
//! `operator`, `adopt`, `feed` and `reports` behind `rpc` · `adapters` (SQL, gRPC). The saga itself is `libs/saga`.
//!
//! # Decisions
//! - *A lease is a row's column, taken by an optimistic write*: the same code on SQLite and PostgreSQL. The token is
//!   also never behind the clock, so that a restored backup cannot repeat one.
//! - *Leases and outcomes are writes on rows* (`write_on_rows`): each changes its application's row, so that of two at once
//!   one is repeated, and those of other applications are not in its way.
//! - *Taking a lease and opening rotations are one write, each step's outcome is one, the last one gives the lease
//!   back and reserves the next* (`lease`): a rotation with an overlap and a grace costs five, the lease that is also the
//!   intent and four steps. Reserved means: the next token is written, and until the reservation begins anybody may take
//!   the application all the same. A lease that is simply kept would lock it for the whole overlap; a heartbeat per
//!   coordinator would cost more writes than it saves where little rotates.
//! - *A name outlives a process only with `rotation.sole_executors`*: else each life takes leases under a name of its own,
//!   and those of the last one must end, as must anybody's. A call lasts two thirds of a lease at most, so then nothing of
//!   it is under way; where there is one of each executor, its turns keep the old call and the next one apart.
//! - *No `SKIP LOCKED`*: a worker that loses a lease to another hears it in the same write and goes on with the next
//!   application. `contract_three_coordinators_never_act_twice` prints what that costs on PostgreSQL.
//! - *Reports of instances are gathered and kept in one write every two seconds*, one row per application, and answered
//!   when it is durable. They only lengthen: Retire waits for laggards after the overlap, at most `rotation.max_overlap`.
//! - *Delivered and accepted are one write*: a crash between them delivers the same envelope again, which the
//!   distributor answers as before. If nobody wants it any more, the rotator refuses to give it up and says that it is
//!   delivered, and Retire comes next: the rotator goes by the receipt that it verified itself, so nothing is believed here.
//! - *`stir`* counts what happened beside the holder (catalog, operators): a release that missed something wakes the
//!   application at once instead of overwriting it.
//! - *A catalog change or an operator makes a failed step try again at once*: people who repair something should not
//!   wait for a backoff.
//! - *The pause after a 429 is durable*, one for the constellation, because it has one issuer: it comes back with every
//!   lease, so other replicas and a restarted one obey it too. The rotator's own budget asks for moments and is not kept.
//! - *Restored settings begin anew*: when a rotation of another kind takes an issuer object over, what was delivered
//!   there counts no longer.
//! - *How much may be taken away is not counted here*: the executors do, and their refusal is a problem of the application.
//!   What holds it back is asked for again, with growing pauses.
//! - *What is lost is named by version and rotation* (`removal::Lost`), not by time: no clock can make a credential that
//!   was delivered since look lost, or one that is lost look delivered. It is durable before a tombstone is asked for.
//! - *Objects that refuse hold the deletion up for five tries at most, and are tried for 20 hours*: each further day would be
//!   counted against the budget of removals. Then `mint resume` makes one more try.
//! - *An application that went out of use has its open rotations closed* while its user is there, disabled: a version that
//!   is still to be ended could be ended by nobody after the deletion, and the rotation would stand in the way of whoever
//!   gets the name next.
//! - *What the rotator keeps in mind and the next Retire sweeps is no problem* (an unresolved intent): nobody has to do
//!   anything about it. Every other finding is one until a comparison does not find it any more; where something was found
//!   the next one is ten minutes later, else six hours.
//! - *A check is an errand and no step*: off the path of rotations, one after the other, at a phase of the day that
//!   follows from the application, and not for what was delivered since then: whoever made it logged in with it. Its answer is
//!   kept once, with the lease's return.
//! - *What was changed at the issuer is rotated beside the lease, like an operator's request*, and the problem ends when a
//!   fresh version is delivered. Why it was changed nobody here knows; if somebody wants to keep it changed, they pause the
//!   application.
//! - *A mass of refusals is repaired five at a time*, or a tenth of the credentials that were checked within the hour: the next
//!   follow as fresh versions are delivered, or after an hour. An issuer that refuses everybody refuses the fresh versions, too,
//!   and they reach nobody: it costs a few logins. Each refused credential is a problem meanwhile.
//! - *An operator who compares has everything at rest checked now*: where an issuer cannot list, that is the only look there is.
//! - *A revocation waits for an application that is out of use*: if it comes back, the old version must not come back with
//!   it. With its user all of them are gone, and it is closed; the audit log hears of whatever is closed undone.
//! - *A revocation marks its rotation* (`Cause::Revoked`), also one that was open already: that is what no pause stops.
//! - *State inside failing services is retried within seconds*, whatever the attempt: nothing is wrong with the
//!   application.

mod adapters;
mod adopt;
mod burst;
mod checks;
mod config;
mod convert;
mod desk;
mod drift;
mod engine;
mod errand;
mod error;
mod feed;
mod identity;
mod intake;
mod lease;
mod operator;
mod overlong;
mod plan;
mod policy;
mod ports;
mod reconciliation;
mod removal;
mod reports;
mod revocation;
mod rpc;
mod status;
mod steps;
mod store;
mod take;
mod watched;

use std::sync::Arc;
use std::time::Duration;

use mint_api::audit_log::{AuditLog, GrpcAuditLog};
use mint_api::coordination::v1::coordination_service_server::{CoordinationServiceServer, SERVICE_NAME};
use mint_port::{Points, Port, Ported as _};
use mint_runtime::{Api, Process, ServiceConfig};
use mint_store::Database;
use mint_types::ServiceName;

pub use adapters::{MIGRATIONS, SCHEMA, SqlStore};
pub use checks::{Check, Checks, Round, Turn as CheckTurn, Unsure, turn as check_turn};
pub use config::{Config, DriftConfig, RotationConfig};
pub use desk::{Adoption, Conditions, Desk, IdentityPhase, Standing};
pub use drift::pass as check_all;
pub use engine::Engine;
pub use error::Error;
pub use feed::Feed;
pub use intake::run as take_in_catalog;
pub use lease::{Claim, Free, HEADSTART, Reservation, Reservations, Season};
pub use operator::{Asked, Operator};
pub use overlong::Overlong;
pub use plan::{Decision, IdentityStep, World, decide};
pub use policy::{Bell, IssuerGate, Parts, Policy};
pub use ports::{
    Abandonment, Call, Catalog, CatalogPage, Delivery, DestinationAnswer, Disabled, Distributor, Ensured,
    Finding, Identities, NewVersion, Overwritten, Permit, Proof, Remains, Removing, Retirement, RotationCall,
    Rotator, Verdict,
};
pub use reconciliation::pass as reconcile_all;
pub use removal::{Clearing, Lost, Objects, Removal};
pub use revocation::{Turn, Waiting, carry, turn};
pub use rpc::Rpc;
pub use status::{ApplicationState, CredentialState, CredentialStatus, InstanceStatus, Status, status};
pub use store::{
    Change, Control, Decide, Edit, Held, Lease, LeaseFate, NotKept, REVOCATIONS_PAGE, Reported, Revocation,
    Started, Store, StoreError, Taker,
};
pub use watched::Watched;

/// Which calls whom.
const PERMISSIONS: &str = include_str!("../permissions/rpc.json");

/// Every fault point of this service: before and after each outside call and each durable write (`libs/port`).
pub const FAULT_POINTS: &[Points] = &[
    <dyn Catalog>::POINTS,
    <dyn Identities>::POINTS,
    <dyn Rotator>::POINTS,
    <dyn Distributor>::POINTS,
    <dyn Store>::POINTS,
    <dyn AuditLog>::POINTS,
];

/// The life of the process.
pub async fn run(config: Config, process: Process) -> Result<(), Error> {
    let state = config.common().state;
    let database = Database::open(&state.url, SCHEMA, MIGRATIONS, state.migration()).await?;
    let policy = Policy::new(&config.rotation, &config.drift, process.entropy().as_ref());
    let deadline = policy.call_deadline;
    let store = SqlStore::new(database).waiting_at_most(config.rotation.max_overlap.as_duration());
    let parts = Arc::new(Parts {
        policy,
        store: Watched::new(Port::new(Arc::new(store)), process.clock()),
        identities: Port::new(Arc::new(adapters::GrpcIdentities::new(
            process.peer(ServiceName::IdentityProvisioner)?,
            deadline,
        ))),
        rotator: Port::new(Arc::new(adapters::GrpcRotator::new(
            process.peer(ServiceName::Rotator)?,
            deadline,
        ))),
        distributor: Port::new(Arc::new(adapters::GrpcDistributor::new(
            process.peer(ServiceName::Distributor)?,
            deadline,
        ))),
        clock: process.clock(),
        entropy: process.entropy(),
        bell: Bell::default(),
        issuer: IssuerGate::default(),
        reservations: Reservations::default(),
    });
    let audit = GrpcAuditLog::new(process.peer(ServiceName::Audit)?, process.entropy());
    let audit: Port<dyn AuditLog> = Port::held_by(ServiceName::Coordinator.as_str(), Arc::new(audit));
    let catalog = adapters::GrpcCatalog::new(process.peer(ServiceName::RegistrySync)?);
    let catalog: Port<dyn Catalog> = Port::new(Arc::new(catalog));

    for peer in Config::PEERS {
        process.readiness().require(peer.as_str());
    }
    process.spawn("intake", intake::run(Arc::clone(&parts), catalog, process.shutdown()));
    let (watched, shutdown) = (Arc::clone(&parts), process.shutdown());
    process.spawn("probe", async move { watched.store.probe_until(shutdown).await });
    process.spawn("reconciliation", reconciliation::run(Arc::clone(&parts), process.shutdown()));
    process.spawn("drift", drift::run(Arc::clone(&parts), process.shutdown()));
    process.spawn("revocations", revocation::run(Arc::clone(&parts), audit.clone(), process.shutdown()));
    process.spawn("engine", work_when_ready(process.clone(), Engine::new(Arc::clone(&parts))));

    let rpc = Rpc::new(Operator::new(parts, audit));
    let api = Api {
        permissions: PERMISSIONS,
        routes: tonic::service::Routes::new(CoordinationServiceServer::new(rpc)),
        services: &[SERVICE_NAME],
        descriptors: mint_api::DESCRIPTORS,
    };
    process.serve(api).await?;
    Ok(())
}

/// Between two looks at whether everybody answered; only at the start.
const READINESS_POLL: Duration = Duration::from_millis(50);

/// Works once every peer has answered: calls before that would be failures that say nothing.
async fn work_when_ready(process: Process, engine: Engine) {
    let shutdown = process.shutdown();
    while !process.readiness().waiting_for().is_empty() {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(READINESS_POLL) => {}
        }
    }
    engine.run(shutdown).await;
}
