//! # Purpose
//! Makes the issuer produce a new version of a credential, tests it by a login, seals and signs it for the distributor,
//! retires the previous version when consumers had their time, and proves it dead.
//!
//! # Permission
//! The issuer's service-user API as far as credentials go, and its token endpoint. No AWS at all
//! (`permissions/aws.json` is empty), no store. Acts for the coordinator alone (`permissions/rpc.json`).
//!
//! # Never
//! - calls the issuer before the intent is durable and announced: `nothing_is_done_while_the_audit_log_is_down`,
//!   `create_fails_at_every_port_and_is_repeated` (a death at the issuer's call leaves nothing unaccounted)
//! - ends a version before its successor's receipt is accepted and the overlap has passed:
//!   `retire_is_refused_without_a_receipt`, `retire_is_refused_before_the_overlap_has_passed`,
//!   `a_jump_of_the_wall_clock_does_not_shorten_the_overlap`, `another_boot_begins_the_overlap_again`
//! - believes a receipt that the distributor did not sign for this very envelope:
//!   `a_receipt_that_is_not_for_this_version_is_refused`
//! - loses a version: `create_fails_at_every_port_and_is_repeated`, `retire_fails_at_every_port_and_is_repeated`
//! - piles up versions that nobody knows: `two_calls_without_an_outcome_hold_up_the_next_create`
//! - acts for somebody who lost the lease, and loses nothing by it: `a_stale_fencing_token_is_refused`,
//!   `a_lease_lost_during_create_keeps_what_was_made`
//! - calls trouble a death: `network_trouble_is_never_a_proof_of_death`
//! - writes a plaintext to its database or an error: `no_file_of_the_state_holds_a_secret`,
//!   `no_error_repeats_what_the_issuer_answered`
//!
//! # Shape
//! `rpc` (decode, one call, encode) → `execute` (ledger, log, issuer, ledger, log) → `plan` (every decision, pure) over
//! `state` (what the ledger knows). `ledger` is the durable memory; `ports` and `adapters` the outside; `keys` the
//! distributor's public keys; `rate` the issuer's budget; `turns` one act at a time.
//!
//! # Decisions
//! - *One intent row per call that makes something.* It is settled by what is known: void, kept as a version, or swept
//!   by the next commit on its object. A version whose secret was lost between the issuer's answer and the sealing
//!   counts like a call that was never answered: both are at most one more live version.
//! - *At most two such intents stand.* Then Create is refused for `rotation.unresolved_hold`; after it they are written
//!   off as *presumed* (still accounted for, still swept by the next commit) and one more Create is let through. Without
//!   that way out a credential whose process was killed twice at the wrong moment would need a person.
//! - *A call that was never answered blocks the next Create for `issuer.request_life`*: a password that lands after its
//!   successor would survive the successor's commit.
//! - *A 5xx is an unknown outcome*, a 4xx is not: only the latter says that the issuer looked and did nothing.
//! - *The overlap is counted per boot*, by rows of (rotation, boot, monotonic time): a replica on another machine counts
//!   its own, instead of restarting everybody's.
//! - *A repeated Create after a lost secret makes a fresh version under the same rotation*; there is no way to ask this
//!   issuer for the one it made.
//! - *The audit outcome is told after the ledger has it.* If the log refuses just then, the act fails for the caller, and
//!   its repetition announces and concludes again without acting.
//! - *`oauth2` copies the secrets it sends* into strings that it does not wipe. They live as long as the login.

pub mod adapters;
mod config;
mod error;
mod execute;
mod keys;
mod ledger;
pub mod plan;
pub mod ports;
mod rate;
pub mod rpc;
pub mod state;
mod turns;

use std::sync::Arc;

use mint_api::audit_log::{AuditLog, GrpcAuditLog};
use mint_api::rotation::v1::rotation_service_server::RotationServiceServer;
use mint_port::{Points, Port, Ported as _};
use mint_runtime::http::HttpClient;
use mint_runtime::secret_file::SecretFile;
use mint_runtime::{Api, Process};
use mint_secret::{Generate, KeyRing, KeyUse};
use mint_store::Database;
use mint_types::ServiceName;

use crate::adapters::catalog::GrpcCatalog;
use crate::adapters::distributor::GrpcDistributorKeys;
use crate::adapters::service_user::ServiceUser;
use crate::adapters::token_endpoint::TokenEndpoint;

pub use config::{Config, Driver, IssuerConfig, KeysConfig, RotationConfig};
pub use error::{Error, IssuerError};
pub use execute::{Accepted, CreateOrder, Order, Parts, Proof, Retirement, Rotator};
pub use keys::KnownKeys;
pub use ledger::{Begun, Failed, Ledger, ListedVersion, MIGRATIONS, SCHEMA, ToldOf};
pub use plan::{Ask, Delivered, Make, Rules};
pub use rate::RateBudget;
pub use state::{
    ApplicationState, Attempt, Envelopes, Instant, LiveVersion, Made, RetiredRecord, Rotation, RotationState,
    Stage, Told, Unsettled,
};

/// Why the process ends.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The runtime cannot go on.
    #[error(transparent)]
    Runtime(#[from] mint_runtime::Error),
    /// The ledger cannot be opened.
    #[error("the ledger cannot be opened")]
    State(#[from] mint_store::Error),
}

/// The keys that the rotator owns.
const KEY_USES: [KeyUse; 3] = [KeyUse::RotatorSign, KeyUse::RotatorProbe, KeyUse::RotatorFingerprint];
const SERVICES: &[&str] = &["mint.rotation.v1.RotationService"];

/// Every fault point of this service: before and after each outside call and each durable write (`libs/port`).
pub const FAULT_POINTS: &[Points] = &[
    <dyn ports::Issuer>::POINTS,
    <dyn ports::Login>::POINTS,
    <dyn ports::Catalog>::POINTS,
    <dyn ports::DistributorKeys>::POINTS,
    <dyn AuditLog>::POINTS,
    Ledger::FENCE_POINTS,
    Ledger::WRITE_POINTS,
    Ledger::CREATE_POINTS,
    Ledger::DELIVER_POINTS,
    Ledger::RETIRE_POINTS,
];

/// The life of the process.
pub async fn run(config: Config, process: Process) -> Result<(), StartError> {
    let database = Database::open(&config.state.url, SCHEMA, MIGRATIONS, config.state.migrate()).await?;
    let rotator = Arc::new(assemble(&config, &process, database.clone())?);
    let rpc = rpc::Rpc::new(rotator, process.clock(), process.entropy());
    let api = Api {
        permissions: include_str!("../permissions/rpc.json"),
        routes: tonic::service::Routes::new(RotationServiceServer::new(rpc)),
        services: SERVICES,
        descriptors: mint_api::DESCRIPTORS,
    };
    process.serve(api).await?;
    Ok(())
}

fn assemble(config: &Config, process: &Process, database: Database) -> Result<Rotator, mint_runtime::Error> {
    let generate = if config.keys.generate { Generate::WhenMissing } else { Generate::Never };
    let entropy = process.entropy();
    let keys =
        KeyRing::load(&config.keys.directory, &KEY_USES, generate, entropy.as_ref()).map_err(|error| {
            mint_runtime::Error::Identity { file: config.keys.directory.clone(), problem: error.to_string() }
        })?;
    let IssuerConfig { driver: Driver::ServiceUser, .. } = &config.issuer;
    let http = match &config.issuer.ca {
        Some(file) => HttpClient::with_ca(file)?,
        None => HttpClient::new(),
    };
    let deadline = config.issuer.deadline.as_duration();
    let issuer = ServiceUser::new(
        http.clone(),
        config.issuer.url.clone(),
        SecretFile::new(&config.issuer.token_file),
        deadline,
    );
    let login = TokenEndpoint::new(
        http,
        &config.issuer.token_url,
        config.issuer.revocation_url.clone(),
        SecretFile::new(&config.issuer.prober_client_file),
        deadline,
    );
    let distributor = GrpcDistributorKeys::new(process.peer(ServiceName::Distributor)?);
    Ok(Rotator::new(Parts {
        ledger: Ledger::new(database),
        issuer: Port::new(Arc::new(issuer)),
        login: Port::new(Arc::new(login)),
        catalog: Port::new(Arc::new(GrpcCatalog::new(process.peer(ServiceName::RegistrySync)?))),
        distributor: KnownKeys::new(Port::new(Arc::new(distributor)), process.clock()),
        audit: Port::held_by(
            ServiceName::Rotator.as_str(),
            Arc::new(GrpcAuditLog::new(process.peer(ServiceName::Audit)?, process.entropy())),
        ),
        keys,
        budget: RateBudget::new(config.rotation.rate_per_minute),
        rules: config.rules(),
        username_prefix: config.issuer.username_prefix.clone(),
        clock: process.clock(),
        entropy,
        background: process.tasks().clone(),
    }))
}
