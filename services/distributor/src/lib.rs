//! `distributor`: opens sealed credentials and writes them where only their application reads.
//!
//! # Purpose
//! Given an envelope that the rotator signed, write its object to every bucket of its application, and say so in a
//! signed receipt, once nothing older can land there any more. Given a permit that identity-provisioner signed, overwrite
//! with tombstones what nobody may use any more.
//!
//! # Permission
//! `s3:PutObject` below the teams' prefixes (`permissions/aws.json`), as a role that trusts the platform's issuer.
//! Served to the coordinator; keys also to the rotator (`permissions/rpc.json`).
//!
//! # Never
//! - reads, lists, copies or deletes an object: the port `ObjectStore` has no such call
//!   (`with_a_services_own_aws_credentials_only_its_one_power_works`).
//! - opens what the rotator did not sign, or what is for somebody else: `an_unsigned_envelope_is_refused`,
//!   `an_envelope_of_another_application_is_refused`.
//! - writes anywhere but below the directory that follows from the signed associated data and the catalog:
//!   `the_directory_comes_from_the_associated_data_and_the_catalog`,
//!   `an_endpoint_with_a_path_names_another_bucket_and_gets_nothing`.
//! - attests what is not written everywhere: `one_refusing_destination_withholds_the_receipt_and_stops_no_other`.
//! - lets an older version win: `an_older_version_is_refused`, `late_writes_table`,
//!   `once_a_version_is_settled_no_older_write_can_land`.
//! - writes a version that was made before writes may have been lost (a failover, a restored backup):
//!   `contract_what_was_made_before_writes_were_lost_is_never_written_again`.
//! - lets an envelope of another kind replace an object:
//!   `a_kind_that_the_settings_do_not_ask_for_does_not_replace_another_kinds_object`.
//! - sends what is not durable as an attempt: `nothing_is_sent_when_the_state_refuses`.
//! - writes what the audit log did not hear of: `nothing_is_sent_when_the_audit_log_is_down`.
//! - acts for a stale lease: `a_stale_fencing_token_is_refused`.
//! - sends a secret to a place that is new and unconfirmed:
//!   `no_secret_goes_to_a_new_bucket_before_a_day_and_the_others_are_served`,
//!   `after_a_change_of_owner_nothing_is_written_until_the_new_one_confirms`, `a_hostile_registry_redirects_nothing`,
//!   `a_hostile_registry_with_one_teams_key_makes_that_team_no_owner`.
//! - lets a receipt end what lies where the settings no longer deliver and nobody confirmed that, or counted it:
//!   `a_hostile_registry_cuts_no_reader_off_by_taking_a_bucket_away`, `a_hostile_registry_ends_nothing_by_another_layout`,
//!   `a_fleet_whose_layouts_are_flipped_keeps_its_objects_however_long_that_is_asked_for`,
//!   `a_removed_bucket_that_refuses_withholds_the_receipt_until_somebody_signs_that_it_is_given_up`.
//! - takes a pin that was lost for one that never was: `where_pins_may_have_been_lost_the_catalog_is_not_believed_at_once`.
//! - believes a statement twice: `a_statement_confirms_at_once_exactly_what_it_says_and_once`.
//! - overwrites what no permit covers, or what is in use:
//!   `a_hostile_coordinator_overwrites_nothing_without_the_provisioners_permit`,
//!   `a_permit_covers_what_it_covered_at_its_first_use_and_nothing_that_was_put_since`,
//!   `what_moved_without_a_confirmation_stays_where_it_is`.
//! - attests a first write that nobody asked for, or begins one that may end what older writes still bring:
//!   `one_written_destination_of_a_replaced_version_is_attested_at_once_whatever_the_others_answer`,
//!   `a_replaced_version_is_written_nowhere_before_nothing_older_can_land_anywhere`.
//! - lets an older write land on a tombstone: `no_older_write_lands_on_a_tombstone`.
//! - remembers a number from further ahead than any clock, which would make every true one look old:
//!   `a_hostile_registry_or_rotator_poisons_nothing_by_a_number_from_the_future`.
//! - keeps or prints a plaintext: `nothing_that_can_be_printed_shows_the_object`.
//!
//! # Shape
//! `rpc` (decode, one call, encode) → `execute` (one delivery; `confirm`, `tombstone`, `puts` below it) → `plan` (attempts in,
//! steps out; `pins`: where credentials may go; `tombstones`: what a permit covers; all pure), `keys` (opens envelopes),
//! `statements` (whom to believe), `answer` (what a store's answer means; pure), `outcome`, `turns`; `ports` and their
//! `adapters` (`attempts`, `pins`, `tombstones` in SQL, `peers` over gRPC, `s3`).
//!
//! # Decisions
//! - The SDK signs and does not send: its orchestrator retries, and follows a bucket into another region.
//! - Order between attempts is the application's own sequence in the database, not the clock: replicas' clocks differ.
//!   The clock only ends the fear of an unanswered PUT, with a margin, and only when the monotonic clock agrees about what
//!   this process sent (`a_clock_that_jumps_neither_shortens_nor_lengthens_the_fear_of_an_unanswered_write`,
//!   `after_a_restart_under_a_clock_that_was_set_back_the_full_time_counts_from_the_start`).
//! - A write is remembered as written after the audit log heard of it. If the log fails in between, the repeat writes
//!   the same bytes again and says so; nothing is attested that was never said.
//! - An unanswered PUT of the same content is repeated at once: the same bytes cannot harm themselves.
//! - *Not there yet: proof that every destination is writable before the first write of a replaced version.* A PUT is the one
//!   call that this service has, and any PUT that proves it leaves something where readers look. What is done instead: it
//!   begins only when no older write can land anywhere, and the first write is attested at once, whatever the others say.
//! - A 200 counts only with the ETag of what was sent: proxies and captive portals answer 200 to anything.
//! - A pin is what decides whose a bucket is: account, prefix, name, region, endpoint; and who can read there: the key. The first record of an application
//!   is believed, because there is nothing to compare it with; but not where writes may have been lost, a restored backup: an
//!   application without a pin may have had one, so there every new one waits or is signed for. Places that did not change are served while another
//!   waits. A removed one is written on: a receipt without it would end what its readers hold. A statement gives it up at
//!   once; else, after the wait, the permit that identity-provisioner counted, which overwrites it in the same act. Time alone
//!   gives nothing up, and who refuses writes is in the way until somebody signs. Bringing it back is new.
//! - The kinds are pinned with the places: another layout, or a client that has a secret no more, ends what lies in the
//!   objects of the former one, which get nothing any more. So its first delivery waits for a statement, and no time
//!   confirms it. A day's wait would hold a registry that was taken over for a day, and then let it cut off everybody at
//!   once: neither a budget of the day nor a permit would count that, because nothing is asked of identity-provisioner.
//! - The wait is counted by the monotonic clock within a boot, and over a boot by the wall clock, which may add nothing but
//!   takes nothing away.
//! - Who the owner is, the catalog says, so a new owner's own word counts only when everybody could see the change for as long
//!   as a new place waits; the former owner's and an operator's count at once.
//! - A destinations statement is believed once because only one that was issued later than the last is believed.
//! - A permit covers what was there at its first use: so a replay never touches what was put since, and one permit stays
//!   one act of the budget. Old destinations are not overwritten while the new ones are unconfirmed: who moved an
//!   application in the catalog must not destroy what it has.
//! - Refused deliveries and removals that no honest caller asks for are in the audit log, the same one once in ten minutes
//!   with the number of the others (`mint_runtime::Refusals`). A stale lease is told, too: an honest coordinator that lost its
//!   own cannot be told from one that tries an old one.
//! - Every 5xx is an unknown outcome, 503 too: what a gateway in front of a store did is not known.

pub mod adapters;
mod ages;
mod answer;
mod config;
mod error;
mod execute;
mod keys;
mod outcome;
mod plan;
mod ports;
mod rpc;
mod statements;
mod turns;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mint_api::audit_log::{AuditLog, GrpcAuditLog};
use mint_api::distribution::v1::distribution_service_server::{DistributionServiceServer, SERVICE_NAME};
use mint_aws::{Environment, Session, StaticKeys};
use mint_port::{Points, Port, Ported as _};
use mint_runtime::http::HttpClient;
use mint_runtime::{Api, ConfigError, Process, Readiness};
use mint_secret::{Generate, KeyRing, KeyUse};
use mint_store::Database;
use mint_types::ServiceName;
use tonic::service::Routes;

pub use config::{Config, KeysConfig, PinsConfig, S3Config};
pub use error::Error;
pub use execute::{Distributor, Ports, Rules};
pub use keys::Opener;
pub use outcome::{Delivered, Line, LineState, Overwritten};
pub use plan::{Answer, Attempt, Content, EXPIRY_MARGIN, Place, Plan, Step, plan};
pub use plan::{pins, tombstones};
pub use ports::{
    Answered, Attempts, Body, Catalog, Claim, ClaimError, Delivery, KeptPins, Memory, ObjectStore, Order,
    PinBoard, PutAnswer, Removal, RotatorKeys, SignedPut, Start, Tombstones, Trouble, Warrant,
};
pub use rpc::Rpc;
pub use statements::Statements;

/// `permissions/rpc.json`, which is the run-time table.
pub const PERMISSIONS: &str = include_str!("../permissions/rpc.json");

/// What must answer once besides the peers: without the rotator's keys no envelope opens.
const ROTATOR_KEYS: &str = "rotator-keys";
/// Between attempts to fetch them at start.
const KEYS_PAUSE: Duration = Duration::from_millis(500);

/// Every fault point of this service: before and after each outside call and each durable write (`libs/port`).
pub const FAULT_POINTS: &[Points] = &[
    <dyn Catalog>::POINTS,
    <dyn RotatorKeys>::POINTS,
    <dyn Attempts>::POINTS,
    <dyn PinBoard>::POINTS,
    <dyn Tombstones>::POINTS,
    <dyn ObjectStore>::POINTS,
    <dyn AuditLog>::POINTS,
];

/// The life of the process.
pub async fn run(config: Config, process: Process) -> Result<(), Error> {
    let database = open_state(&config).await?;
    let lost_writes_at = database.lost_writes_at();
    if process.shutdown().is_cancelled() {
        return Ok(());
    }
    let environment = Environment::of_process("mint-distributor", StaticKeys::Refuse)
        .map_err(|error| credentials_missing(&error))?;
    let ring = Arc::new(open_keys(&config, &process)?);
    let default_endpoint = config.s3.default_endpoint.clone().or_else(|| environment.s3_endpoint.clone());
    let default_store = default_endpoint.as_ref().map(|url| url.as_str().to_owned()).unwrap_or_default();
    let default_region = match config.s3.default_region.as_str() {
        "" => environment.region.clone(),
        region => region.to_owned(),
    };
    let put_expiry = config.s3.put_expiry.as_duration();
    let store = adapters::S3::new(
        Session::new(environment, process.clock(), process.entropy()),
        HttpClient::new(),
        default_endpoint,
        default_region,
        put_expiry,
        config.s3.deadline.as_duration(),
    );
    let rotator = adapters::GrpcRotatorKeys::new(process.peer(ServiceName::Rotator)?);
    let opener = Arc::new(Opener::new(ring.clone(), Port::new(Arc::new(rotator)), process.clock()));
    let ports = Ports {
        opener: opener.clone(),
        catalog: Port::new(Arc::new(adapters::GrpcCatalog::new(process.peer(ServiceName::RegistrySync)?))),
        attempts: Port::new(Arc::new(adapters::SqlAttempts::new(database.clone()))),
        pins: Port::new(Arc::new(adapters::SqlPins::new(database.clone()))),
        tombstones: Port::new(Arc::new(adapters::SqlTombstones::new(database))),
        statements: Statements::new(config.statements.keys_file.clone()),
        store: Port::new(Arc::new(store)),
        audit: Port::held_by(
            ServiceName::Distributor.as_str(),
            Arc::new(GrpcAuditLog::new(process.peer(ServiceName::Audit)?, process.entropy())),
        ),
        clock: process.clock(),
    };
    let distributor = Distributor::new(ring.clone(), ports, default_store, put_expiry)
        .with_rules(rules(&config))
        .after_lost_writes(lost_writes_at)
        .with_background(process.tasks().clone());
    let distributor = Arc::new(distributor);
    process.readiness().require(ROTATOR_KEYS);
    process.spawn("rotator-keys", fetch_keys(opener, process.readiness(), process.shutdown()));
    let rpc = Rpc { distributor, ring, clock: process.clock(), entropy: process.entropy() };
    let api = Api {
        permissions: PERMISSIONS,
        routes: Routes::new(DistributionServiceServer::new(rpc)),
        services: &[SERVICE_NAME],
        descriptors: mint_api::DESCRIPTORS,
    };
    Ok(process.serve(api).await?)
}

fn rules(config: &Config) -> Rules {
    let allowed = config.s3.allowed_endpoints.as_ref();
    Rules {
        pin_wait: config.pins.wait.as_duration(),
        allowed_endpoints: allowed.map(|urls| urls.iter().map(|url| url.as_str().to_owned()).collect()),
    }
}

async fn open_state(config: &Config) -> Result<Database, Error> {
    let opened =
        Database::open(&config.state.url, adapters::SCHEMA, adapters::MIGRATIONS, config.state.migration());
    let opened = opened.await;
    Ok(opened.map_err(|source| mint_runtime::Error::Unavailable {
        what: "the state".to_owned(),
        source: source.into(),
    })?)
}

fn credentials_missing(error: &mint_aws::Error) -> Error {
    let (key, problem) = match error {
        mint_aws::Error::Missing(name) => {
            (*name, "is missing from the environment: web identity needs it".to_owned())
        }
        mint_aws::Error::StaticKey(name) => {
            (*name, "must not be set: Mint does not use static AWS keys".to_owned())
        }
        mint_aws::Error::Unusable { name, rule } => (*name, format!("is not usable: {rule}")),
        mint_aws::Error::Endpoint { name, source } => (*name, format!("is not usable: {source}")),
        other => ("AWS_WEB_IDENTITY_TOKEN_FILE", format!("is not usable: {other}")),
    };
    mint_runtime::Error::from(ConfigError::new(key, problem)).into()
}

fn open_keys(config: &Config, process: &Process) -> Result<KeyRing, Error> {
    let directory: &Path = &config.keys.directory;
    let uses = [KeyUse::DistributorSeal, KeyUse::DistributorReceipt];
    let generate = if config.keys.generate { Generate::WhenMissing } else { Generate::Never };
    let loaded = KeyRing::load(directory, &uses, generate, process.entropy().as_ref());
    Ok(loaded.map_err(|error| mint_runtime::Error::Identity {
        file: directory.to_owned(),
        problem: error.to_string(),
    })?)
}

async fn fetch_keys(
    opener: Arc<Opener>,
    readiness: Readiness,
    shutdown: tokio_util::sync::CancellationToken,
) {
    loop {
        match opener.fetch().await {
            Ok(()) => break,
            Err(error) => tracing::debug!(%error, "the rotator's keys are not known yet"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(KEYS_PAUSE) => {}
        }
    }
    readiness.answered(ROTATOR_KEYS);
}
