//! What is written when. Writes that allow an act check the fencing token again; writes that record what happened do
//! not: the truth is written down whoever holds the lease by now.

use mint_store::{Transaction, Value};
use mint_types::{ApplicationId, CredentialKind, FencingToken, IssuerObject, RotationId, Version};

use super::{Ledger, fence, load_in};
use crate::Error;
use crate::plan::{self, Ask, CreatePlan, Make, Rules};
use crate::state::{Instant, Made, object_name};

const OPEN: &str = "INSERT INTO rotation (rotation, application, kind, state, opened_at) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (rotation) DO NOTHING";
const OF_ANOTHER: &str =
    "SELECT rotation FROM rotation WHERE rotation = $1 AND (application <> $2 OR kind <> $3)";
const SUPERSEDE: &str = "UPDATE rotation SET state = 'superseded', delivery_envelope = NULL, probe_envelope = NULL \
     WHERE rotation = $1 AND state IN ('creating', 'created')";
const WRITE_OFF: &str = "UPDATE attempt SET state = 'presumed' \
     WHERE application = $1 AND object = $2 AND state IN ('sent', 'stray')";
const NEXT_ATTEMPT: &str =
    "SELECT COALESCE(MAX(number), 0) + 1 AS number FROM attempt WHERE rotation = $1 AND object = $2";
const ATTEMPT: &str = "INSERT INTO attempt \
     (rotation, object, number, application, state, sent_at, sent_boot, sent_nanos) \
     VALUES ($1, $2, $3, $4, 'sent', $5, $6, $7)";
const SETTLE: &str = "UPDATE attempt SET state = $4, reason = $5 \
     WHERE rotation = $1 AND object = $2 AND number = $3 AND state = 'sent'";
const FOREIGN: &str = "INSERT INTO version (application, kind, version, rotation, stage, created_at, delivered_at) \
     VALUES ($1, $2, 0, $3, 'current', $4, $4) ON CONFLICT (application, kind, version) DO NOTHING";
const MADE: &str = "UPDATE rotation SET state = 'created', previous_version = $2, version = $3, version_id = $4, \
     fingerprint = $5, envelope_digest = $6, delivery_envelope = $7, probe_envelope = $8, password_txid = $9, \
     client_txid = $10 WHERE rotation = $1 AND state = 'creating'";
const PENDING: &str = "INSERT INTO version \
     (application, kind, version, version_id, rotation, stage, fingerprint, created_at) \
     VALUES ($1, $2, $3, $4, $5, 'pending', $6, $7)";
const DELIVERED: &str = "UPDATE rotation SET state = 'delivered', delivery_envelope = NULL, probe_envelope = NULL \
     WHERE rotation = $1 AND state = 'created'";
const PREVIOUS: &str = "UPDATE version SET stage = 'previous' \
     WHERE application = $1 AND kind = $2 AND version = $3 AND stage = 'current'";
const CURRENT: &str = "UPDATE version SET stage = 'current', delivered_at = $2 WHERE rotation = $1 AND stage = 'pending' AND version > 0";
const OVERLAP: &str =
    "INSERT INTO overlap (rotation, boot, nanos) VALUES ($1, $2, $3) ON CONFLICT (rotation, boot) DO NOTHING";
const RETIRING: &str =
    "UPDATE rotation SET state = 'retiring' WHERE rotation = $1 AND state IN ('delivered', 'retiring')";
const USER_COMMITTED: &str = "UPDATE rotation SET user_committed_at = $2 WHERE rotation = $1";
const CLIENT_COMMITTED: &str = "UPDATE rotation SET client_committed_at = $2 WHERE rotation = $1";
const USER_ENDED: &str =
    "UPDATE version SET user_ended_at = $4 WHERE application = $1 AND kind = $2 AND version = $3";
const CLIENT_ENDED: &str =
    "UPDATE version SET client_ended_at = $4 WHERE application = $1 AND kind = $2 AND version = $3";
const ENDED: &str = "UPDATE version SET stage = 'ended', ended_at = $4, ended_by = $5 \
     WHERE application = $1 AND kind = $2 AND version = $3 AND stage <> 'ended'";
const SWEPT: &str = "UPDATE attempt SET state = 'swept' \
     WHERE application = $1 AND object = $2 AND state IN ('sent', 'stray', 'presumed')";
const RETIRED: &str = "UPDATE rotation SET state = 'retired', retired_version = $2, retired_at = $3, \
     retired_boot = $4, retired_nanos = $5 WHERE rotation = $1 AND state = 'retiring'";
const DEAD: &str = "UPDATE rotation SET dead_at = $2 WHERE rotation = $1 AND dead_at IS NULL";
const ABANDON: &str = "UPDATE rotation SET state = 'abandoned', delivery_envelope = NULL, probe_envelope = NULL \
     WHERE rotation = $1 AND state IN ('creating', 'created')";

/// What came of beginning a Create.
#[derive(Debug)]
pub enum Begun {
    /// It is done already.
    Answer(Box<Made>),
    /// The intents are durable: make this, the attempts have these numbers.
    Make(Make, Vec<(IssuerObject, i64)>),
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// It surely made nothing.
    Void(&'static str),
    /// It was answered, but what it made is lost.
    Stray(&'static str),
    /// Nobody knows; it may still land.
    Unknown(&'static str),
}

/// Which outcome the audit log has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToldOf {
    /// Of Create.
    Create,
    /// Of Retire.
    Retire,
    /// Of Prove.
    Prove,
}

impl Ledger {
    /// Makes the intents of a Create durable, after deciding on the state as it is in the same transaction.
    pub async fn begin_create(
        &self,
        application: &ApplicationId,
        token: FencingToken,
        ask: Ask,
        foreign: bool,
        rules: &Rules,
        now: &Instant,
    ) -> Result<Begun, Error> {
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    fence(transaction, application, token).await?;
                    let state = load_in(transaction, application, ask.rotation).await?;
                    let make = match plan::create(&state, ask, rules, now)? {
                        CreatePlan::Answer(made) => return Ok(Begun::Answer(made)),
                        CreatePlan::Make(make) => make,
                    };
                    open(transaction, application, ask, "creating", now).await?;
                    if plan::opens_foreign(&state, ask.kind, foreign) {
                        let args = [
                            application.as_str().into(),
                            ask.kind.as_str().into(),
                            ask.rotation.to_string().into(),
                            now.wall.into(),
                        ];
                        transaction.execute(FOREIGN, &args).await?;
                    }
                    for superseded in &make.supersedes {
                        transaction.execute(SUPERSEDE, &[superseded.to_string().into()]).await?;
                    }
                    let mut numbers = Vec::new();
                    for object in plan::objects_asked(ask.kind) {
                        if make.writes_off {
                            let args = [application.as_str().into(), object_name(*object).into()];
                            transaction.execute(WRITE_OFF, &args).await?;
                        }
                        numbers.push((*object, intend(transaction, application, ask, *object, now).await?));
                    }
                    Ok(Begun::Make(make, numbers))
                })
            })
            .await
    }

    /// Records how an attempt ended without a version.
    pub async fn attempt_failed(
        &self,
        rotation: RotationId,
        object: IssuerObject,
        number: i64,
        failed: Failed,
    ) -> Result<(), Error> {
        let (state, reason) = match failed {
            Failed::Void(reason) => ("void", reason),
            Failed::Stray(reason) => ("stray", reason),
            Failed::Unknown(reason) => ("sent", reason),
        };
        let args = [
            rotation.to_string().into(),
            object_name(object).into(),
            number.into(),
            state.into(),
            reason.into(),
        ];
        self.database.execute(SETTLE, &args).await?;
        Ok(())
    }

    /// Stores the sealed version. What was made is written down although the lease may be lost by now: the new holder
    /// repeats Create with the same rotation, and finds it.
    pub async fn store_made(
        &self,
        application: &ApplicationId,
        ask: Ask,
        made: &Made,
        attempts: &[(IssuerObject, i64)],
        now: &Instant,
    ) -> Result<(), Error> {
        let rotation = Value::from(ask.rotation.to_string());
        let rotation = &rotation;
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    if transaction.execute(MADE, &made_args(ask.rotation, made)?).await? != 1 {
                        return Err(Error::RotationClosed {
                            state: "given up",
                            advice: "begin a new rotation",
                        });
                    }
                    let args = [
                        application.as_str().into(),
                        ask.kind.as_str().into(),
                        Value::unsigned(made.version.0)?,
                        made.version_id.to_string().into(),
                        rotation.clone(),
                        made.fingerprint.as_str().into(),
                        now.wall.into(),
                    ];
                    transaction.execute(PENDING, &args).await?;
                    for (object, number) in attempts {
                        let args = [
                            rotation.clone(),
                            object_name(*object).into(),
                            (*number).into(),
                            "kept".into(),
                            Value::Null,
                        ];
                        transaction.execute(SETTLE, &args).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Records that the audit log has an outcome.
    pub async fn told(&self, rotation: RotationId, of: ToldOf) -> Result<(), Error> {
        let sql = match of {
            ToldOf::Create => "UPDATE rotation SET create_told = 1 WHERE rotation = $1",
            ToldOf::Retire => "UPDATE rotation SET retire_told = 1 WHERE rotation = $1",
            ToldOf::Prove => "UPDATE rotation SET prove_told = 1 WHERE rotation = $1",
        };
        self.database.execute(sql, &[rotation.to_string().into()]).await?;
        Ok(())
    }

    /// Accepts a receipt: the version becomes current, the envelopes are forgotten, the overlap begins.
    pub async fn deliver(
        &self,
        application: &ApplicationId,
        token: FencingToken,
        ask: Ask,
        now: &Instant,
    ) -> Result<(), Error> {
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    fence(transaction, application, token).await?;
                    let rotation = Value::from(ask.rotation.to_string());
                    if transaction.execute(DELIVERED, std::slice::from_ref(&rotation)).await? != 1 {
                        return Ok(());
                    }
                    let state = load_in(transaction, application, ask.rotation).await?;
                    let shares = |kind: CredentialKind| {
                        kind.issuer_objects().iter().any(|object| ask.kind.issuer_objects().contains(object))
                    };
                    for version in state.versions.iter().filter(|version| shares(version.kind)) {
                        transaction
                            .execute(PREVIOUS, &key(application, version.kind, version.version)?)
                            .await?;
                    }
                    transaction.execute(CURRENT, &[rotation, now.wall.into()]).await?;
                    stamp(transaction, ask.rotation, now).await
                })
            })
            .await
    }

    /// Begins to count the overlap on this boot.
    pub async fn begin_overlap(
        &self,
        application: &ApplicationId,
        token: FencingToken,
        ask: Ask,
        now: &Instant,
    ) -> Result<(), Error> {
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    fence(transaction, application, token).await?;
                    stamp(transaction, ask.rotation, now).await
                })
            })
            .await
    }

    /// Makes the intent of a commit durable.
    pub async fn begin_retire(
        &self,
        application: &ApplicationId,
        token: FencingToken,
        ask: Ask,
    ) -> Result<(), Error> {
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    fence(transaction, application, token).await?;
                    if transaction.execute(RETIRING, &[ask.rotation.to_string().into()]).await? != 1 {
                        return Err(Error::ReceiptMissing);
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Records an answered commit: what it ended, and that every unsettled call on the object is swept.
    pub async fn committed(
        &self,
        application: &ApplicationId,
        ask: Ask,
        object: IssuerObject,
        now: &Instant,
    ) -> Result<(), Error> {
        let (committed, ended) = match object {
            IssuerObject::User => (USER_COMMITTED, USER_ENDED),
            IssuerObject::Client => (CLIENT_COMMITTED, CLIENT_ENDED),
        };
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    let state = load_in(transaction, application, ask.rotation).await?;
                    for ends in plan::ended_by(&state, ask, object) {
                        let mut args = key(application, ends.kind, ends.version)?;
                        args.push(now.wall.into());
                        transaction.execute(ended, &args).await?;
                        if ends.wholly {
                            args.push(ask.rotation.to_string().into());
                            transaction.execute(ENDED, &args).await?;
                        }
                    }
                    let args = [application.as_str().into(), object_name(object).into()];
                    transaction.execute(SWEPT, &args).await?;
                    let args = [ask.rotation.to_string().into(), now.wall.into()];
                    transaction.execute(committed, &args).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Records that everything is committed. A public client ends nothing at the issuer; its older versions end here.
    pub async fn retired(
        &self,
        application: &ApplicationId,
        ask: Ask,
        retired: Option<Version>,
        now: &Instant,
    ) -> Result<(), Error> {
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    if ask.kind == CredentialKind::PublicClient {
                        let state = load_in(transaction, application, ask.rotation).await?;
                        let older = |version: &&crate::state::LiveVersion| {
                            version.kind == ask.kind && version.rotation != ask.rotation
                        };
                        for version in state.versions.iter().filter(older) {
                            let mut args = key(application, version.kind, version.version)?;
                            args.extend([now.wall.into(), ask.rotation.to_string().into()]);
                            transaction.execute(ENDED, &args).await?;
                        }
                    }
                    let args = [
                        ask.rotation.to_string().into(),
                        retired.map(|version| Value::unsigned(version.0)).transpose()?.into(),
                        now.wall.into(),
                        now.monotonic.boot.as_str().into(),
                        Value::unsigned(now.monotonic.nanos)?,
                    ];
                    transaction.execute(RETIRED, &args).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Records that the issuer was seen refusing the retired version.
    pub async fn dead(&self, rotation: RotationId, now: &Instant) -> Result<(), Error> {
        self.database.execute(DEAD, &[rotation.to_string().into(), now.wall.into()]).await?;
        Ok(())
    }

    /// Gives a rotation up. One that is not known yet is written down as given up.
    pub async fn abandon(
        &self,
        application: &ApplicationId,
        token: FencingToken,
        ask: Ask,
        now: &Instant,
    ) -> Result<(), Error> {
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    fence(transaction, application, token).await?;
                    let state = load_in(transaction, application, ask.rotation).await?;
                    plan::abandon(&state, ask)?;
                    open(transaction, application, ask, "abandoned", now).await?;
                    transaction.execute(ABANDON, &[ask.rotation.to_string().into()]).await?;
                    Ok(())
                })
            })
            .await
    }
}

async fn open(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    ask: Ask,
    state: &'static str,
    now: &Instant,
) -> Result<(), Error> {
    let rotation = Value::from(ask.rotation.to_string());
    let key = [rotation.clone(), application.as_str().into(), ask.kind.as_str().into()];
    if transaction.query_optional(OF_ANOTHER, &key).await?.is_some() {
        return Err(Error::RotationMismatch(ask.rotation));
    }
    let [rotation, application, kind] = key;
    transaction.execute(OPEN, &[rotation, application, kind, state.into(), now.wall.into()]).await?;
    Ok(())
}

async fn intend(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    ask: Ask,
    object: IssuerObject,
    now: &Instant,
) -> Result<i64, Error> {
    let rotation = Value::from(ask.rotation.to_string());
    let rows = transaction.query(NEXT_ATTEMPT, &[rotation.clone(), object_name(object).into()]).await?;
    let number = rows.first().map_or(Ok(1), |row| row.integer("number"))?;
    let args = [
        rotation,
        object_name(object).into(),
        number.into(),
        application.as_str().into(),
        now.wall.into(),
        now.monotonic.boot.as_str().into(),
        Value::unsigned(now.monotonic.nanos)?,
    ];
    transaction.execute(ATTEMPT, &args).await?;
    Ok(number)
}

async fn stamp(transaction: &mut Transaction<'_>, rotation: RotationId, now: &Instant) -> Result<(), Error> {
    let args = [
        rotation.to_string().into(),
        now.monotonic.boot.as_str().into(),
        Value::unsigned(now.monotonic.nanos)?,
    ];
    transaction.execute(OVERLAP, &args).await?;
    Ok(())
}

fn key(application: &ApplicationId, kind: CredentialKind, version: Version) -> Result<Vec<Value>, Error> {
    Ok(vec![application.as_str().into(), kind.as_str().into(), Value::unsigned(version.0)?])
}

fn made_args(rotation: RotationId, made: &Made) -> Result<[Value; 10], Error> {
    let envelopes = made.envelopes.as_ref();
    Ok([
        rotation.to_string().into(),
        made.previous.map(|version| Value::unsigned(version.0)).transpose()?.into(),
        Value::unsigned(made.version.0)?,
        made.version_id.to_string().into(),
        made.fingerprint.as_str().into(),
        (&made.digest.0).into(),
        envelopes.map(|envelopes| envelopes.delivery.as_slice()).into(),
        envelopes.map(|envelopes| envelopes.probe.as_slice()).into(),
        made.password_txid.as_deref().into(),
        made.client_txid.as_deref().into(),
    ])
}
