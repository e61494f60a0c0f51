//! Rows to state.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use mint_issuer_contract::Handle;
use mint_secret::EnvelopeDigest;
use mint_store::Row;
use mint_types::{
    ApplicationId, CredentialKind, IssuerObject, Monotonic, RotationId, Timestamp, Version, VersionId,
};

use crate::Error;
use crate::state::{
    ApplicationState, Attempt, EndCall, Envelopes, Instant, LiveVersion, Made, Proofs, RetiredRecord,
    Revoking, Rotation, RotationState, Stage, Told, Unsettled,
};

// An index is looked up for each state: a list of states is a table of its own, made anew every time, and "this rotation
// or one of these states" reads all that ever were.
macro_rules! in_states {
    ($query:literal, $($state:literal),+) => {
        concat!($($query, " = '", $state, "' UNION ALL "),+)
    };
}
pub(super) const ROTATIONS: &str = concat!(
    in_states!(
        "SELECT * FROM rotation WHERE application = $1 AND rotation <> $2 AND state",
        "creating",
        "created",
        "delivered",
        "retiring"
    ),
    "SELECT * FROM rotation WHERE application = $1 AND rotation = $2"
);
pub(super) const OVERLAPS: &str = concat!(
    in_states!(
        "SELECT overlap.rotation, overlap.boot, overlap.nanos FROM rotation \
         JOIN overlap ON overlap.rotation = rotation.rotation \
         WHERE rotation.application = $1 AND rotation.rotation <> $2 AND rotation.state",
        "delivered",
        "retiring"
    ),
    "SELECT rotation, boot, nanos FROM overlap WHERE rotation = $2"
);
pub(super) const VERSIONS: &str = concat!(
    in_states!(
        "SELECT kind, version, rotation, stage, user_ended_at, client_ended_at FROM version \
         WHERE application = $1 AND stage",
        "pending",
        "previous"
    ),
    "SELECT kind, version, rotation, stage, user_ended_at, client_ended_at FROM version \
     WHERE application = $1 AND stage = 'current'"
);
// the end of an index for each kind: grouped by kind, all that ever was would be read
pub(super) const LAST: &str = "SELECT 'password' AS kind, MAX(version) AS version FROM version \
     WHERE application = $1 AND kind = 'password' \
     UNION ALL SELECT 'client', MAX(version) FROM version WHERE application = $1 AND kind = 'client' \
     UNION ALL SELECT 'combined', MAX(version) FROM version WHERE application = $1 AND kind = 'combined' \
     UNION ALL SELECT 'public-client', MAX(version) FROM version WHERE application = $1 AND kind = 'public-client'";
pub(super) const ATTEMPTS: &str = concat!(
    in_states!(
        "SELECT object, state, reason, sent_at, sent_boot, sent_nanos FROM attempt WHERE application = $1 AND state",
        "sent",
        "stray"
    ),
    "SELECT object, state, reason, sent_at, sent_boot, sent_nanos FROM attempt \
     WHERE application = $1 AND state = 'presumed'"
);
pub(super) const END_CALLS: &str = "SELECT object, sent_at, sent_boot, sent_nanos FROM end_call \
     WHERE application = $1 AND state = 'sent'";
pub(super) const REVOKING: &str = "SELECT kind, through FROM revocation \
     WHERE application = $1 AND done_at IS NULL";
/// A password every two hours is 4,380 lines a year; operators look at the newest.
pub(super) const LIST: &str = "SELECT version.kind AS kind, version.version AS version, \
     version.version_id AS version_id, version.rotation AS rotation, stage, \
     version.fingerprint AS fingerprint, created_at, delivered_at, ended_at, set_window_micros FROM version \
     LEFT JOIN rotation ON rotation.rotation = version.rotation AND rotation.version = version.version \
     WHERE version.application = $1 ORDER BY created_at DESC, version.version DESC LIMIT 500";

/// The answers of all queries about one application.
pub(super) struct Queries {
    pub(super) rotations: Vec<Row>,
    pub(super) overlaps: Vec<Row>,
    pub(super) versions: Vec<Row>,
    pub(super) last: Vec<Row>,
    pub(super) attempts: Vec<Row>,
    pub(super) end_calls: Vec<Row>,
    pub(super) revoking: Vec<Row>,
}

impl Queries {
    pub(super) fn into_state(self, application: &ApplicationId) -> Result<ApplicationState, Error> {
        let mut overlaps: BTreeMap<String, Vec<Monotonic>> = BTreeMap::new();
        for row in &self.overlaps {
            let began = Monotonic { boot: row.text("boot")?, nanos: row.unsigned("nanos")? };
            overlaps.entry(row.text("rotation")?).or_default().push(began);
        }
        let mut rotations = Vec::with_capacity(self.rotations.len());
        for row in &self.rotations {
            let overlap = overlaps.remove(&row.text("rotation")?).unwrap_or_default();
            rotations.push(rotation(row, overlap, application)?);
        }
        Ok(ApplicationState {
            rotations,
            versions: self.versions.iter().map(live_version).collect::<Result<_, _>>()?,
            last: last_of(&self.last)?,
            attempts: self.attempts.iter().map(attempt).collect::<Result<_, _>>()?,
            end_calls: self.end_calls.iter().map(end_call).collect::<Result<_, _>>()?,
            revoking: self.revoking.iter().map(revoking).collect::<Result<_, _>>()?,
        })
    }
}

/// The highest version of each kind.
pub(super) fn last_of(rows: &[Row]) -> Result<Vec<(CredentialKind, Version)>, Error> {
    rows.iter().filter_map(|row| last(row).transpose()).collect()
}

fn corrupt(column: &str) -> Error {
    Error::State(mint_store::Error::Corrupt { detail: format!("column `{column}` has an unknown value") })
}

fn parsed<T: FromStr>(row: &Row, column: &str) -> Result<T, Error> {
    row.text(column)?.parse().map_err(|_| corrupt(column))
}

fn rotation(row: &Row, overlap: Vec<Monotonic>, application: &ApplicationId) -> Result<Rotation, Error> {
    if row.text("application")? != application.as_str() {
        return Err(corrupt("application"));
    }
    Ok(Rotation {
        id: parsed(row, "rotation")?,
        kind: parsed(row, "kind")?,
        state: RotationState::from_name(&row.text("state")?).ok_or_else(|| corrupt("state"))?,
        made: made(row)?,
        overlap,
        first_write: instant(row, ["first_write_at", "first_write_boot", "first_write_nanos"])?,
        excused: row.optional_text("excused_by")?.is_some(),
        user_committed: row.optional_integer("user_committed_at")?.is_some(),
        client_committed: row.optional_integer("client_committed_at")?.is_some(),
        retired: retired(row)?,
        proved_dead: row.optional_integer("dead_at")?.is_some(),
        proofs: Proofs {
            logins: u32::try_from(row.unsigned("proof_logins")?).unwrap_or(u32::MAX),
            alive: row.boolean("proof_alive")?,
            last: instant(row, ["proof_at", "proof_boot", "proof_nanos"])?,
        },
        told: Told {
            create: row.boolean("create_told")?,
            retire: row.boolean("retire_told")?,
            prove: row.boolean("prove_told")?,
            set: row.boolean("set_told")?,
        },
    })
}

fn made(row: &Row) -> Result<Option<Made>, Error> {
    let Some(version) = row.optional_unsigned("version")? else {
        return Ok(None);
    };
    let envelopes = match (row.optional_bytes("delivery_envelope")?, row.optional_bytes("probe_envelope")?) {
        (Some(delivery), Some(probe)) => Some(Envelopes { delivery, probe }),
        _ => None,
    };
    let digest = row.bytes("envelope_digest")?.try_into().map_err(|_| corrupt("envelope_digest"))?;
    Ok(Some(Made {
        version: Version(version),
        version_id: parsed::<VersionId>(row, "version_id")?,
        fingerprint: row.text("fingerprint")?,
        previous: row.optional_unsigned("previous_version")?.map(Version),
        digest: EnvelopeDigest(digest),
        envelopes,
        password_handle: row.optional_text("password_txid")?.and_then(Handle::new),
        client_handle: row.optional_text("client_txid")?.and_then(Handle::new),
    }))
}

fn retired(row: &Row) -> Result<Option<RetiredRecord>, Error> {
    let at = instant(row, ["retired_at", "retired_boot", "retired_nanos"])?;
    let version = row.optional_unsigned("retired_version")?.map(Version);
    Ok(at.map(|at| RetiredRecord { version, at }))
}

/// Both clocks out of three columns; none if the first is empty.
fn instant(row: &Row, [wall, boot, nanos]: [&str; 3]) -> Result<Option<Instant>, Error> {
    let Some(wall) = row.optional_timestamp(wall)? else {
        return Ok(None);
    };
    let monotonic = Monotonic { boot: row.text(boot)?, nanos: row.unsigned(nanos)? };
    Ok(Some(Instant { wall, monotonic }))
}

fn live_version(row: &Row) -> Result<LiveVersion, Error> {
    Ok(LiveVersion {
        kind: parsed(row, "kind")?,
        version: Version(row.unsigned("version")?),
        rotation: parsed(row, "rotation")?,
        stage: Stage::from_name(&row.text("stage")?).ok_or_else(|| corrupt("stage"))?,
        user_ended: row.optional_integer("user_ended_at")?.is_some(),
        client_ended: row.optional_integer("client_ended_at")?.is_some(),
    })
}

/// None if there never was a version of the kind.
fn last(row: &Row) -> Result<Option<(CredentialKind, Version)>, Error> {
    let Some(version) = row.optional_unsigned("version")? else {
        return Ok(None);
    };
    Ok(Some((parsed(row, "kind")?, Version(version))))
}

fn attempt(row: &Row) -> Result<Attempt, Error> {
    let state = match row.text("state")?.as_str() {
        "sent" => Unsettled::Sent,
        "stray" => Unsettled::Stray,
        "presumed" => Unsettled::Presumed,
        _ => return Err(corrupt("state")),
    };
    Ok(Attempt { object: object(row)?, state, reason: row.optional_text("reason")?, sent: sent(row)? })
}

fn end_call(row: &Row) -> Result<EndCall, Error> {
    Ok(EndCall { object: object(row)?, sent: sent(row)? })
}

fn revoking(row: &Row) -> Result<Revoking, Error> {
    Ok(Revoking { kind: parsed(row, "kind")?, through: Version(row.unsigned("through")?) })
}

fn object(row: &Row) -> Result<IssuerObject, Error> {
    match row.text("object")?.as_str() {
        "user" => Ok(IssuerObject::User),
        "client" => Ok(IssuerObject::Client),
        _ => Err(corrupt("object")),
    }
}

fn sent(row: &Row) -> Result<Instant, Error> {
    let monotonic = Monotonic { boot: row.text("sent_boot")?, nanos: row.unsigned("sent_nanos")? };
    Ok(Instant { wall: row.timestamp("sent_at")?, monotonic })
}

/// A line of the ledger for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedVersion {
    /// Which credential.
    pub kind: CredentialKind,
    /// Its number; 0 is foreign.
    pub version: Version,
    /// Its random id; none for a foreign one.
    pub version_id: Option<String>,
    /// The rotation that made it.
    pub rotation: RotationId,
    /// Where it is in its life.
    pub stage: Stage,
    /// Keyed fingerprint; none for a foreign one.
    pub fingerprint: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its receipt was stored.
    pub delivered_at: Option<Timestamp>,
    /// When it was told to end.
    pub ended_at: Option<Timestamp>,
    /// How long a destination had it before the issuer did, where the issuer knows one value at a time.
    pub replace_window: Option<Duration>,
}

impl ListedVersion {
    pub(super) fn of(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            kind: parsed(row, "kind")?,
            version: Version(row.unsigned("version")?),
            version_id: row.optional_text("version_id")?,
            rotation: parsed(row, "rotation")?,
            stage: Stage::from_name(&row.text("stage")?).ok_or_else(|| corrupt("stage"))?,
            fingerprint: row.optional_text("fingerprint")?,
            created_at: row.timestamp("created_at")?,
            delivered_at: row.optional_timestamp("delivered_at")?,
            ended_at: row.optional_timestamp("ended_at")?,
            replace_window: row.optional_unsigned("set_window_micros")?.map(Duration::from_micros),
        })
    }
}
