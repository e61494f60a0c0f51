//! `broker`: identity tokens for readers, and their exchange at STS.
//!
//! # Purpose
//! Who has a session at the IAM solution, or a certificate of the trust domain, reads its own directory at AWS with
//! temporary credentials, and nobody holds a key of AWS for that. The wire format is that which scrapers and CI jobs speak.
//!
//! # Permission
//! - To sign tokens that reader roles trust: `permissions/reader-trust.json` is what such a role says,
//!   `permissions/reader-policy.json` what it may. No role that writes names this issuer.
//! - RPC (`permissions/rpc.json`): applications, each as itself; operators, for the public keys. HTTP: bearer sessions.
//! - Calls: `audit`, the IAM solution's published keys and its introspection, STS (`AssumeRoleWithWebIdentity`, unsigned).
//! - AWS: nothing (`permissions/aws.json` is empty). PostgreSQL: nothing; it keeps no state, so there is no
//!   `postgres.sql`.
//!
//! # Never
//! - is somebody at AWS: `an_aws_variable_in_the_environment_is_refused_by_name_and_its_value_is_not_shown`,
//!   `the_exchange_is_one_unsigned_call_for_exactly_what_was_granted`.
//! - exchanges a token without its tag: the port takes a [`TaggedToken`], which only a signature for a grant makes
//!   (`a_token_has_exactly_the_claims_of_the_wire_format_and_each_tag_one_value`), and the role's trust refuses any other
//!   (`an_untagged_token_is_refused_by_the_role_whoever_signs_it`).
//! - signs a value that is a pattern, a path, empty, too long, or spelled in two cases:
//!   `a_tag_value_that_is_a_pattern_a_path_empty_or_too_long_is_refused`,
//!   `a_table_that_can_be_read_in_two_ways_is_refused`.
//! - serves who is not in the grant table: `who_is_not_in_the_table_or_not_any_more_is_refused`.
//! - believes a session that is forged, of another issuer, or over:
//!   `a_session_is_believed_only_with_a_good_signature_of_the_pinned_algorithm`,
//!   `a_session_of_another_issuer_audience_or_time_is_none`, `at_its_end_a_session_has_ended_whatever_the_leeway`.
//! - believes an opaque session longer than the IAM solution does, or asks about a signed one that is refused:
//!   `an_opaque_session_is_what_the_iam_solution_says_about_it_now`,
//!   `a_signed_session_that_is_refused_is_not_asked_about_instead`.
//! - lets callers queue up for an IAM solution that does not answer:
//!   `while_the_keys_cannot_be_fetched_callers_do_not_queue_up_for_them`,
//!   `while_nobody_says_whether_a_session_is_valid_that_is_not_its_fault_and_nobody_queues_up`.
//! - calls STS for an invalid session, or says that one is invalid when nobody can know:
//!   `an_invalid_session_is_401_and_sts_is_not_called`, `an_iam_solution_that_is_down_is_502_and_an_outcome_of_its_own`.
//! - signs or hands out anything that the audit log did not take:
//!   `without_the_audit_log_nothing_is_signed_and_no_credential_leaves`.
//! - hands credentials of one subject to another: `credentials_are_shared_by_equal_calls_and_never_across_subjects`.
//! - shuts out a token whose key was replaced meanwhile:
//!   `a_token_signed_before_the_key_was_rotated_is_taken_by_sts_afterwards`.
//! - makes a first signing key unless it is told to: `a_missing_key_is_never_made_silently`; signs with one before it was published for a cache
//!   lifetime: `a_key_signs_nothing_before_it_was_published_for_a_cache_lifetime`; withdraws one before its last token has
//!   expired: `a_rotation_publishes_first_signs_later_and_withdraws_last`.
//! - takes a session or hands out a credential in the clear, except on loopback:
//!   `a_value_that_cannot_be_is_refused_by_its_key`,
//!   `the_http_side_speaks_tls_takes_a_renewed_certificate_and_keeps_the_old_one_for_a_broken_one`.
//! - repeats a token, a key or a message of STS in an error or a log:
//!   `each_error_of_sts_is_told_apart_by_its_code_and_its_message_is_never_repeated`.
//!
//! # Shape
//! `http` and `rpc` (decode, one call, encode) → `execute` ([`Broker`]: grant, turn, shelf, then announce, sign, exchange,
//! conclude) → `ports` → `adapters` (JWKS, introspection, STS, audit). Pure: `plan` (what a fault of STS means, freshness, turns),
//! `session` (what makes claims a session), `grants`, `names`, `signing/schedule` (which key is what, and when).
//! `door` and `certificate`: connections of the HTTP side. `flights` lets equal calls share one answer, `shelf` hands answers out again. `signing/tend` makes keys: by `command`,
//! and by the process itself when one has signed for its time (`a_running_process_rotates_its_keys_by_itself`).
//!
//! # Decisions
//! - *No SDK*: the one call of STS is a form and a page of XML; an SDK brings a chain that looks for credentials.
//! - *Credentials go out over HTTP only*, where their wire format is fixed. Internal callers get a token and exchange it
//!   themselves: no message of ours has a field for a credential.
//! - *One grant a subject*: the wire format has no place to say which one is meant.
//! - *The schedule of keys is a file of times*, and what a key is follows from it and the clock: replicas agree without
//!   talking, and a key that is too young does not sign even if the file says so. Who makes the next one holds the
//!   directory's lock; a directory that the process may not write to is said once an hour, and a timer can run
//!   `mint-broker keys rotate` more often than `signing.rotate_every` instead.
//! - *A cached answer keeps its first audit record*: the entry says what was obtained from STS and for whom; to whom it was
//!   handed out again is the same subject.
//! - *A repeat is remembered in memory*, per process: what is lost is obtained again and announced again. Credentials are
//!   never written to a disk for the sake of a header.
//! - *An unreachable STS is an error of STS* (`sts_error`); `backend_unreachable` means that nobody knows who is asking.
//! - *The retired route still recognizes its caller*, to count who is left; its answer does not depend on that.
//!
//! # Not there yet
//! Sealed keys. Peers: shown on the embedded world only.

mod adapters;
mod certificate;
mod command;
mod config;
mod door;
mod error;
mod execute;
#[cfg(test)]
mod fakes;
mod flights;
mod grants;
mod http;
mod metrics;
mod names;
mod plan;
mod ports;
mod refusal;
mod rpc;
mod session;
mod shelf;
mod signing;
mod surroundings;
mod turns;

pub use adapters::{
    GrpcLedger, HttpSts, Introspection, IntrospectionSettings, Oidc, OidcSettings, Recognizer,
};
pub use command::keys_command;
pub use config::{
    Config, HttpConfig, HttpTls, IntrospectionConfig, LimitsConfig, SessionConfig, SigningConfig, StsConfig,
    Switch,
};
pub use error::Error;
pub use execute::{Asked, Bounds, Broker, Parts, REQUESTED_ROLE};
pub use grants::{Grant, GrantRow, GrantTable, Role, Subject};
pub use http::{Edge, router};
pub use metrics::Metrics;
pub use names::{IdempotencyKey, InvalidName, RoleArn, SessionName, TagKey, TagValue};
pub use ports::{AwsCredentials, Bearer, Ledger, Sessions, StsFault, TokenExchange};
pub use refusal::Refusal;
pub use rpc::Rpc;
pub use session::Expected;
pub use shelf::{Obtained, Signed};
pub use signing::{AUDIENCE, Algorithm, KeyBook, PublishedKey, Stage, TaggedToken};

use certificate::Certificate;
use door::Door;
use signing::{Care, LOOK, Tending, make_missing};

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mint_api::audit_log::GrpcAuditLog;
use mint_api::broker::v1::broker_service_server::{BrokerServiceServer, SERVICE_NAME};
use mint_port::{Points, Port, Ported as _};
use mint_runtime::http::HttpClient;
use mint_runtime::secret_file::SecretFile;
use mint_runtime::{Api, Process};
use mint_types::{Clock, ServiceName};
use tokio::net::TcpListener;
use tonic::service::Routes;

/// Every fault point of this service: before and after each outside call (`libs/port`).
pub const FAULT_POINTS: &[Points] =
    &[<dyn Sessions>::POINTS, <dyn TokenExchange>::POINTS, <dyn Ledger>::POINTS];

/// The life of the process.
pub async fn run(config: Config, process: Process) -> Result<(), Error> {
    surroundings::refuse_aws(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))
        .map_err(mint_runtime::Error::from)?;
    let keys = Arc::new(open_keys(&config, &process)?);
    let broker = Broker::new(parts(&config, &process, Arc::clone(&keys))?, bounds(&config), process.tasks());
    let care = Care { clock: process.clock(), every: config.signing.rotate_every, look: LOOK };
    process.spawn("signing-keys", keys.watch(care, process.shutdown()));
    serve_http(&config, &process, Arc::clone(&broker)).await?;
    let api = Api {
        permissions: include_str!("../permissions/rpc.json"),
        routes: Routes::new(BrokerServiceServer::new(Rpc { broker })),
        services: &[SERVICE_NAME],
        descriptors: mint_api::DESCRIPTORS,
    };
    process.serve(api).await?;
    Ok(())
}

/// A grant whose role no key can sign for is a fault of the configuration, seen at start and not by a caller.
fn open_keys(config: &Config, process: &Process) -> Result<KeyBook, Error> {
    let SigningConfig { directory, lifetime, jwks_cache, generate, .. } = &config.signing;
    let now = process.clock().now();
    let table = config.grant_table().map_err(mint_runtime::Error::from)?;
    if *generate {
        for entry in make_missing(Tending { directory, now, cache: *jwks_cache }, table.algorithms())? {
            tracing::warn!(code = "SIGNING_KEY_MADE", kid = entry.kid, algorithm = %entry.algorithm, "there was no key, and signing.generate is on: it signs from now");
        }
    }
    let keys = KeyBook::open(directory, config.http.issuer.as_str(), *lifetime, *jwks_cache)?;
    match table.algorithms().find(|algorithm| !keys.can_sign(*algorithm, now)) {
        None => Ok(keys),
        Some(missing) => Err(Error::keys(directory, Refusal::NoKey(missing))),
    }
}

fn parts(config: &Config, process: &Process, keys: Arc<KeyBook>) -> Result<Parts, Error> {
    let sts = HttpSts::new(
        http_client(config.sts.ca.as_deref())?,
        config.sts.endpoint.clone(),
        config.sts.deadline.as_duration(),
    );
    let ledger = GrpcLedger(GrpcAuditLog::new(process.peer(ServiceName::Audit)?, process.entropy()));
    Ok(Parts {
        keys,
        grants: config.grant_table().map_err(mint_runtime::Error::from)?,
        sts: Port::new(Arc::new(sts)),
        ledger: Port::new(Arc::new(ledger)),
        clock: process.clock(),
        entropy: process.entropy(),
        metrics: Metrics::new(&opentelemetry::global::meter("mint-broker")),
    })
}

fn bounds(config: &Config) -> Bounds {
    Bounds {
        interval: Duration::from_mins(1) / config.limits.per_minute.max(1),
        burst: config.limits.burst,
        margin: config.sts.margin.as_duration(),
    }
}

fn http_client(ca: Option<&Path>) -> Result<HttpClient, mint_runtime::Error> {
    ca.map_or_else(|| Ok(HttpClient::new()), HttpClient::with_ca)
}

fn sessions(config: &SessionConfig, clock: Arc<dyn Clock>) -> Result<Recognizer, mint_runtime::Error> {
    let SessionConfig { issuer, audience, jwks_url, introspection, algorithms, cache, ca } = config.clone();
    let http = http_client(ca.as_deref())?;
    let expected = Expected { issuer, audience };
    let signed = jwks_url.map(|jwks_url| {
        let settings = OidcSettings { expected: expected.clone(), jwks_url, algorithms, cache };
        Oidc::new(settings, http.clone(), Arc::clone(&clock))
    });
    let opaque = introspection.map(|IntrospectionConfig { url, client_file }| {
        let settings = IntrospectionSettings { expected, url, client: SecretFile::new(client_file) };
        Introspection::new(settings, http, clock)
    });
    Ok(Recognizer { signed, opaque })
}

/// Binds at once, so that a taken port ends the process instead of one half of it.
async fn serve_http(config: &Config, process: &Process, broker: Arc<Broker>) -> Result<(), Error> {
    let edge = Edge {
        broker,
        sessions: Port::new(Arc::new(sessions(&config.session, process.clock())?)),
        issuer: config.http.issuer.as_str().to_owned(),
        legacy: config.http.legacy_aws_creds,
    };
    let certificate = config.http.tls.clone().map(Certificate::open).transpose()?;
    if let Some(certificate) = &certificate {
        process.spawn("http-certificate", Arc::clone(certificate).watch(process.shutdown()));
    }
    let address = config.http.listen;
    let socket =
        TcpListener::bind(address).await.map_err(|source| mint_runtime::Error::Listen { address, source })?;
    let shutdown = process.shutdown();
    tracing::info!(%address, tls = certificate.is_some(), issuer = edge.issuer, "answers over http");
    let door = Door { socket, certificate, router: router(edge) };
    process.spawn("http", door.serve_until(shutdown));
    Ok(())
}
