//! # Purpose
//! Makes service users and OAuth clients exist at the IAM solution as the catalog says, and takes them away again: that
//! they exist, never what opens them.
//!
//! # Permission
//! `permissions/rpc.json`: only the coordinator orders; operators may look. `permissions/aws.json`: nothing.
//! `permissions/postgres.sql`: reads and adds; never deletes, never rewrites what it spent.
//!
//! # Never
//! - learns or sets a credential: no message and no port has a place for one, and
//!   `a_field_that_nobody_asked_for_is_neither_kept_nor_shown`
//! - takes a user's name from a request: `the_username_is_computed_from_the_configuration`
//! - acts unannounced: `contract_without_the_audit_log_the_issuer_is_not_called`
//! - acts for a holder of an older lease: `contract_a_lower_fencing_token_is_refused_before_any_call`
//! - disables, deletes or narrows more identities in a day than invariant I6 allows, whatever it is told:
//!   `contract_no_more_than_the_budget_is_taken_away_in_a_day`
//! - takes anything from an application that the registry calls active:
//!   `contract_an_application_in_use_loses_nothing_whoever_asks`
//! - takes a user for its own that existed before: `contract_a_user_that_existed_before_is_foreign_for_ever`,
//!   `contract_a_crash_after_the_put_does_not_make_our_own_user_foreign`
//! - asks the issuer again for what was confirmed: `contract_what_was_applied_is_answered_without_a_call`
//! - deletes an identity that is not disabled: `contract_only_a_disabled_identity_is_deleted`
//! - touches an application that the registry lost: `what_ensure_does_follows_from_state_and_record`
//!
//! # Shape
//! `ports` ([`ports::IdentityIssuer`], [`ports::Catalog`]) ← `adapters` (service-user, gRPC, memory) · `plan` (pure: what is
//! known and what the catalog says in, the next step out) · `execute` (announce, intend, act, remember, record, conclude) ·
//! `state` (identities, fencing tokens, the books of I6) · `rpc` (the wire).
//!
//! # Decisions
//! - *The intent is durable before the call.* A crash in between leaves "in doubt", which the next order resolves by the
//!   same idempotent `PUT`; and a user that Mint itself had begun to make is never taken for a foreign one.
//! - *An enabled user always has the base scopes* (`uid`, `cn`): the API knows "disabled" only as "no scopes", so a user
//!   without any of its own would be a disabled one.
//! - *Ensure also revives*: a disabled, deleted or vanished user is made again when the catalog has a newer revision.
//! - *Taking scopes away counts* into the budget of I6 like disabling and deleting.
//! - *The budget is spent before the act and not given back*: a failed attempt may have had its effect. The same taking from
//!   the same application within a day is paid once.
//! - *Unsettled is not undone*: if the catalog or the audit log cannot be told, the call fails, and its repetition tells
//!   them without calling the issuer.
//! - *Only one driver*: an issuer with another API is another adapter behind the same four calls.

pub mod adapters;
mod config;
mod error;
pub mod execute;
pub mod model;
pub mod plan;
pub mod ports;
pub mod rpc;
pub mod state;
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
    adapters::{registry::RegistryCatalog, service_user::ServiceUserApi},
    execute::{Parts, Provisioner},
    rpc::Rpc,
    state::State,
};

pub use config::{Config, Driver};
pub use error::Error;

/// Who may call what.
pub const PERMISSIONS: &str = include_str!("../permissions/rpc.json");

/// Every fault point of this service: before and after each outside call and each durable write (`libs/port`).
pub const FAULT_POINTS: &[Points] = &[
    <dyn ports::IdentityIssuer>::POINTS,
    <dyn ports::Catalog>::POINTS,
    <dyn AuditLog>::POINTS,
    State::POINTS,
];

/// The life of the process.
pub async fn run(config: Config, process: Process) -> Result<(), Error> {
    let database =
        Database::open(&config.state.url, state::SCHEMA, state::MIGRATIONS, config.state.migrate());
    let database = database.await.map_err(Error::opening)?;

    let issuer = match config.issuer.driver {
        Driver::ServiceUser => ServiceUserApi::open(
            config.issuer.url.clone(),
            &config.issuer.token_file,
            config.issuer.ca_file.as_deref(),
        )?,
    };
    let provisioner = Provisioner::new(Parts {
        issuer: Port::new(Arc::new(issuer)),
        catalog: Port::new(Arc::new(RegistryCatalog::new(process.peer(ServiceName::RegistrySync)?))),
        audit: Port::held_by(
            ServiceName::IdentityProvisioner.as_str(),
            Arc::new(GrpcAuditLog::new(process.peer(ServiceName::Audit)?, process.entropy())),
        ),
        state: State::new(database, config.budget()),
        naming: config.naming(),
        clock: process.clock(),
        entropy: process.entropy(),
    });
    let rpc = Rpc { provisioner: Arc::new(provisioner), clock: process.clock() };
    let api = Api {
        permissions: PERMISSIONS,
        routes: tonic::service::Routes::new(IdentityServiceServer::new(rpc)),
        services: &["mint.identity.v1.IdentityService"],
        descriptors: mint_api::DESCRIPTORS,
    };
    process.serve(api).await?;
    Ok(())
}
