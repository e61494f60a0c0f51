//! # Purpose
//! Makes the issuer produce a new version of a credential, tests it by a login, seals and signs it for the distributor,
//! retires the previous version when consumers had their time, and proves it dead. At an issuer that knows one value at a
//! time it makes the value itself, and sets it once a destination has it.
//!
//! # Permission
//! The issuer's admin API (service-user or Glewlwyd) as far as credentials go, and its token endpoint. No AWS at all
//! (`permissions/aws.json` is empty), no store. Acts for the coordinator alone (`permissions/rpc.json`).
//!
//! # Never
//! - calls the issuer before the intent is durable and announced: `nothing_is_done_while_the_audit_log_is_down`,
//!   `create_fails_at_every_port_and_is_repeated` (a death at the issuer's call leaves nothing unaccounted)
//! - ends a version before its successor's receipt is accepted and the overlap has passed:
//!   `retire_is_refused_without_a_receipt`, `retire_is_refused_before_the_overlap_has_passed`,
//!   `a_jump_of_the_wall_clock_does_not_shorten_the_overlap`, `another_boot_begins_the_overlap_again`
//! - refuses forged evidence in silence, or lets whoever brings it fill the log:
//!   `forged_evidence_is_refused_and_in_the_log_once_however_often_it_comes`
//! - believes a receipt that the distributor did not sign for this very envelope:
//!   `a_receipt_that_is_not_for_this_version_is_refused`
//! - sends a call whose intent is older than a call lives, when others count on that:
//!   `who_was_stopped_longer_than_a_call_lives_sends_nothing_more`, or goes on with one until it is:
//!   `a_call_is_given_up_when_others_stop_waiting_for_it`,
//!   `of_several_requests_of_a_call_none_is_sent_after_its_time`
//! - lets an end that was not answered come late and end what is newer:
//!   `an_end_that_was_not_answered_is_repeated_only_when_it_can_no_longer_come_late`,
//!   `the_next_value_is_not_made_while_a_set_of_this_one_may_still_bring_it_back`,
//!   `revoke_waits_for_what_may_still_land_on_its_objects_like_every_other_end`,
//!   `who_was_stopped_longer_than_a_call_lives_ends_nothing_more`
//! - loses a version: `create_fails_at_every_port_and_is_repeated`, `retire_fails_at_every_port_and_is_repeated`,
//!   `a_rotation_goes_wrong_at_every_durable_write_and_is_repeated`
//! - piles up versions that nobody knows: `two_calls_without_an_outcome_hold_up_the_next_create`
//! - piles up versions because somebody who holds a lease wants them:
//!   `a_coordinator_that_begins_one_rotation_after_another_piles_up_few_versions`, and lets that hold up two operators:
//!   `what_was_piled_up_holds_up_no_revocation`
//! - goes on with what was open when writes may have been lost (a failover, a restored backup):
//!   `after_a_restored_backup_nothing_that_was_open_goes_on`
//! - acts for somebody who lost the lease, and loses nothing by it: `a_stale_fencing_token_is_refused`,
//!   `a_lease_lost_during_create_keeps_what_was_made`, `what_is_sent_to_the_issuer_is_sent_by_the_highest_token`
//! - calls trouble a death: `network_trouble_is_never_a_proof_of_death`
//! - takes a version for ended because somebody says that it is not there, or waits for one for ever that is not:
//!   `an_issuer_that_denies_what_it_has_ends_nothing_and_piles_up_little`,
//!   `a_user_that_was_deleted_by_hand_and_made_again_gets_a_fresh_version`
//! - sets a value that no destination has, or gives one up that a destination has:
//!   `a_replaced_value_is_set_once_a_destination_has_it_and_never_before`,
//!   `a_value_that_a_destination_has_cannot_be_given_up_before_the_issuer_has_it`,
//!   `a_partial_receipt_is_refused_where_nothing_is_to_be_set`
//! - starts at an issuer that ends versions before consumers had their time:
//!   `an_issuer_whose_grace_is_shorter_than_the_overlap_is_refused_at_the_start`
//! - goes on at an issuer that lies: `an_issuer_that_breaks_its_word_too_often_is_halted_until_an_operator_resumes_it`
//! - ends anything at once that two different operators did not sign for, or twice for one statement:
//!   `a_statement_ends_what_there_was_before_anybody_has_the_new_one`,
//!   `what_two_operators_did_not_say_ends_nothing_and_is_in_the_log`, `without_the_audit_log_nothing_is_revoked`
//! - ends by a statement what was made after it: `what_was_made_after_a_statement_is_not_meant_by_it_whatever_its_kind`,
//!   or leaves what it names to a change of layout:
//!   `what_a_statement_names_ends_with_another_kinds_version_after_a_change_of_layout`
//! - lets a value that nobody can read any more block its object:
//!   `a_value_that_nobody_can_read_any_more_makes_way_for_a_fresh_one`,
//!   `a_revocation_is_not_stopped_by_a_value_that_nobody_can_read_any_more`, or lets a half of which the user was made again do
//!   so: `half_of_a_combined_version_is_set_although_the_user_of_the_other_half_was_made_again`
//! - locks the live user out: `a_version_that_stays_alive_is_tried_three_times_and_then_every_ten_minutes`,
//!   `where_logins_lock_users_out_none_is_tried`, `where_logins_lock_users_out_no_check_is_made`,
//!   `a_changed_credential_is_believed_after_a_second_refusal_and_no_further_login_is_tried`
//! - opens what it is handed for a check unless it is the current version's own, or says more of it than yes or no:
//!   `a_check_opens_no_envelope_but_the_current_versions_own`
//! - halts an issuer because people changed or disabled users there: `users_that_were_disabled_by_hand_do_not_halt_the_issuer`
//! - believes the catalog that another application's client is this one's:
//!   `a_catalog_that_names_anothers_client_gets_no_secret_for_it`,
//!   `the_secret_of_a_client_that_is_not_its_users_is_not_set`, `a_lie_about_the_client_reaches_nobody_elses`
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
//!   successor would survive the successor's commit. It is counted from the intent, so a call has what is left of it and not
//!   its own deadline: one that was sent late, or is several requests, is given up when others stop waiting. If somebody is
//!   there to see that, the time is counted once more from then, for what the issuer may have taken in already.
//! - *An end that was not answered blocks that object for `issuer.request_life`* (its repetition, another end, Revoke, the
//!   next Create) wherever the driver declares that a late one may end what is newer: when it was sent is durable with the
//!   intent, so nobody has to remember it. A set is waited for by the next Create only: repeated, it brings the same value.
//!   An answered end waits for nothing: a request that is done again after its answer came is no fault that TLS lets happen.
//! - *A 5xx is an unknown outcome*, a 4xx is not: only the latter says that the issuer looked and did nothing.
//! - *A version that is gone is found by two answers, and ends nothing*. Somebody deletes a user by hand while a rotation
//!   waits: then its end is refused for ever (404, 409). The driver looks the user up; if the issuer names it (it was made
//!   again, so this is no stranger's answer) and does not know the version that is to stay, the rotation is given up, the
//!   log has `VERSION_GONE`, and a fresh rotation makes what applications need. While the user is not there, nothing
//!   changes: identity-provisioner makes it again. That the older version died with it is likely and not proved: it counts
//!   as alive, with its overlap, until the fresh version's end sweeps it; so a lie costs a rotation and no more, and after
//!   three such on an object the next waits as a problem. For that look the token may read users.
//! - *The overlap is counted per boot*, by rows of (rotation, boot, monotonic time): a replica on another machine counts
//!   its own, instead of restarting everybody's.
//! - *A repeated Create after a lost secret makes a fresh version under the same rotation*; there is no way to ask this
//!   issuer for the one it made.
//! - *The audit outcome is told after the ledger has it.* If the log refuses just then, the act fails for the caller, and
//!   its repetition announces and concludes again without acting. That the log has it is kept with the next write for the
//!   application: whoever dies before that tells it once more, which is no lie.
//! - *Six durable commits for a rotation with an overlap* (`a_rotation_with_an_overlap_takes_six_durable_writes`), whatever
//!   ends its versions: the intent and the version (Create), the receipt, the intent of the end and its answer (Retire), the
//!   token (Prove). A Retire that nobody outside hears of is one write. A combined one takes a seventh: the first half's
//!   answer is kept before the second is asked to end, so that a death between the two is told from one before both. A value
//!   that is set (*replace*) takes a seventh too: that a destination has it is the intent of the set, which the login's
//!   verdict follows; only then is there a receipt to accept.
//! - *A fencing token is raised by an act's first write, before anything is changed at the issuer*, or by a write of its own
//!   if the act is answered without one. So an end keeps its intent even where a late one is harmless and the accepted
//!   receipt could stand for it: without that write two holders could act at once.
//! - *Prove writes its token and no verdict* unless it saw trouble. A login changes nothing, but it is a call like others:
//!   without that write a Prove that comes very late logs in beside whoever follows (found by the simulation). The verdict is
//!   in the audit log and with its caller before the next write keeps it here; whoever dies before that and is asked again
//!   logs in once more; of an issuer that counts failed logins that is told it (`where_logins_lock_users_out_none_is_tried`).
//! - *A check is two writes and one login*: it is counted before it is tried, so that a death cannot make it a third one. A
//!   refusal is told as such when a second login, 20 s later, is refused too; then, or without answers, the next login with
//!   that version is a day away, whoever asks. The count is here and not at the coordinator, who could lie about it. What the
//!   issuer refuses of such a user's fresh versions is the user's trouble, and no lie.
//! - *A few versions that were given up may stand, then one more in ten minutes*: each is swept by the next end, and an
//!   honest rotation must come through to do that. Two operators who revoke do not wait for it.
//! - *What ends a version is declared by the driver* (`libs/issuer-contract`), and the plan takes the declaration, never
//!   the driver's name: a call of its own, a commit with or without a grace, the creation, or setting the next value.
//! - *A partial receipt sets a value and does nothing else.* It comes through the same call as a whole one and is told
//!   apart by its signature. A set that was not answered, or whose login is refused, is sent again with the same value;
//!   until then the rotation can be neither given up nor overtaken, unless no key opens its value any more: then only a
//!   fresh version helps. The login tests the halves that were set. Neither the rate budget nor a halted issuer holds a
//!   set up, but a log that is down does.
//! - *A foreign secret at a replace issuer ends with the first set*: there is no way to let it live beside the new one.
//! - *The error budget counts a rotation once per reason*: else the repetitions for one application that an issuer
//!   refuses would halt all others. Only an operator ends a halt.
//! - *Revoke is bound to what there was when its statement came*: the highest version then of all kinds on its objects,
//!   where numbers only grow. It ends that by the newest version there is (own call, commit, set: whatever ends a version at
//!   this issuer), and again by a fresh one, which completes it. No issuer of ours ends a version without another one, so "at once" is as soon as one is made; an issuer
//!   with a grace accepts the old one for that long. Neither a halted issuer nor the rate budget holds up its calls.
//! - *Not there yet: alternate identities for replace* (two clients in turn, where the issuer's policy allows it). The
//!   declaration would be `OwnCall` with two places: Create sets the secret of the idle client, and Retire overwrites the
//!   other's. But a version that was written somewhere and whose receipt never came is overtaken today by one that lives
//!   beside it; with two places the next one would take its place and shut out whoever has it. So Create needs a rule that
//!   counts places, the same that two-slot access keys need.
//! - *`oauth2` copies the secrets it sends* into strings that it does not wipe. They live as long as the login.

pub mod adapters;
mod config;
mod error;
mod execute;
pub mod guard;
mod keys;
mod ledger;
mod metrics;
pub mod plan;
pub mod ports;
mod rate;
pub mod rpc;
pub mod state;
mod statements;
mod turns;

use std::sync::Arc;

use mint_api::audit_log::{AuditLog, GrpcAuditLog};
use mint_api::rotation::v1::rotation_service_server::RotationServiceServer;
use mint_issuer_contract::{Declaration, Driver};
use mint_port::{Points, Port, Ported as _};
use mint_runtime::http::HttpClient;
use mint_runtime::secret_file::SecretFile;
use mint_runtime::{Api, Process};
use mint_secret::{Generate, KeyRing, KeyUse};
use mint_store::Database;
use mint_types::ServiceName;

use crate::adapters::catalog::GrpcCatalog;
use crate::adapters::distributor::GrpcDistributorKeys;
use crate::adapters::glewlwyd::{Access, Glewlwyd, GlewlwydLogin};
use crate::adapters::service_user::ServiceUser;
use crate::adapters::token_endpoint::{Dialect, TokenEndpoint};

pub use config::{Config, Driver as DriverName, IssuerConfig, KeysConfig, RotationConfig};
pub use error::{Error, IssuerError};
pub use execute::{
    Accepted, CheckOrder, Checked, CreateOrder, Order, Parts, Proof, Retirement, RevokeOrder, Revoked,
    Rotator,
};
pub use keys::KnownKeys;
pub use ledger::{
    Begun, EndCalls, Excuse, Failed, IssuerStanding, Ledger, Lie, ListedVersion, MIGRATIONS, Revocation,
    SCHEMA, ToldOf,
};
pub use metrics::Metrics;
pub use plan::{Ask, Delivered, Ending, ErrorBudget, Finding, Make, Proving, Rules, WrittenSomewhere};
pub use rate::RateBudget;
pub use state::{
    ApplicationState, Attempt, Check, EndCall, Envelopes, Instant, LiveVersion, Made, Proofs, RetiredRecord,
    Rotation, RotationState, Stage, Told, Unsettled,
};
pub use statements::Statements;

/// Why the process ends.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The runtime cannot go on.
    #[error(transparent)]
    Runtime(#[from] mint_runtime::Error),
    /// The ledger cannot be opened.
    #[error("the ledger cannot be opened")]
    State(#[from] mint_store::Error),
    /// The issuer's grace is shorter than the overlap.
    #[error(transparent)]
    Grace(#[from] plan::GraceTooShort),
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
    Ledger::END_POINTS,
    Ledger::RETIRE_POINTS,
    Ledger::SET_POINTS,
    Ledger::ISSUER_POINTS,
    Ledger::REVOKE_POINTS,
    Ledger::CHECK_POINTS,
    Ledger::RESTORED_POINTS,
];

/// The life of the process.
pub async fn run(config: Config, process: Process) -> Result<(), StartError> {
    let database = Database::open(&config.state.url, SCHEMA, MIGRATIONS, config.state.migration()).await?;
    if let Some(lost_at) = database.lost_writes_at() {
        let closed = Ledger::new(database.clone()).close_what_was_open(lost_at).await?;
        tracing::warn!(closed, "writes may have been lost: rotations that were open then are given up");
    }
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

fn assemble(config: &Config, process: &Process, database: Database) -> Result<Rotator, StartError> {
    let generate = if config.keys.generate { Generate::WhenMissing } else { Generate::Never };
    let entropy = process.entropy();
    let keys =
        KeyRing::load(&config.keys.directory, &KEY_USES, generate, entropy.as_ref()).map_err(|error| {
            mint_runtime::Error::Identity { file: config.keys.directory.clone(), problem: error.to_string() }
        })?;
    let Speaks { declaration, issuer, login } = speaks(&config.issuer)?;
    let rules = config.rules(declaration.ends());
    plan::check_grace(&rules)?;
    let errors = config.issuer.error_budget(declaration.driver);
    let distributor = GrpcDistributorKeys::new(process.peer(ServiceName::Distributor)?);
    Ok(Rotator::new(Parts {
        ledger: Ledger::new(database),
        issuer,
        login,
        catalog: Port::new(Arc::new(GrpcCatalog::new(process.peer(ServiceName::RegistrySync)?))),
        distributor: KnownKeys::new(Port::new(Arc::new(distributor)), process.clock()),
        audit: Port::held_by(
            ServiceName::Rotator.as_str(),
            Arc::new(GrpcAuditLog::new(process.peer(ServiceName::Audit)?, process.entropy())),
        ),
        keys,
        budget: RateBudget::new(config.rotation.rate_per_minute),
        rules,
        declaration,
        errors,
        statements: Statements::new(config.statements.keys_file.clone()),
        metrics: Metrics::new(&opentelemetry::global::meter("mint-rotator")),
        username_prefix: config.issuer.username_prefix.clone(),
        clock: process.clock(),
        entropy,
        background: process.tasks().clone(),
    }))
}

/// What speaks to the issuer.
struct Speaks {
    declaration: Declaration,
    issuer: Port<dyn ports::Issuer>,
    login: Port<dyn ports::Login>,
}

fn speaks(config: &IssuerConfig) -> Result<Speaks, mint_runtime::Error> {
    let http = match &config.ca {
        Some(file) => HttpClient::with_ca(file)?,
        None => HttpClient::new(),
    };
    let deadline = config.deadline.as_duration();
    let endpoint = TokenEndpoint::new(
        http.clone(),
        &config.token_url,
        config.revocation_url.clone(),
        SecretFile::new(&config.prober_client_file),
        deadline,
    );
    match config.driver {
        config::Driver::ServiceUser => {
            let token = SecretFile::new(&config.token_file);
            let driver =
                ServiceUser::new(http, config.url.clone(), token, deadline, config.grace.as_duration());
            Ok(behind_ports(driver, endpoint))
        }
        config::Driver::Glewlwyd => {
            let access = || Access {
                http: http.clone(),
                base: config.url.clone(),
                token: SecretFile::new(&config.token_file),
                plugin: config.plugin.clone(),
                administrator: config.administrator_file.as_ref().map(SecretFile::new),
                deadline,
            };
            let driver = Glewlwyd::new(access(), config.recipe.clone());
            Ok(behind_ports(driver, GlewlwydLogin::new(endpoint.in_dialect(Dialect::Glewlwyd), access())))
        }
    }
}

fn behind_ports(driver: impl Driver + 'static, login: impl ports::Login + 'static) -> Speaks {
    Speaks {
        declaration: driver.declares(),
        issuer: Port::new(Arc::new(ports::Driven(driver))),
        login: Port::held_by(ServiceName::Rotator.as_str(), Arc::new(login)),
    }
}
