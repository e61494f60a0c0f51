//! Before and after the issuer makes a version.

use mint_issuer_contract::Handle;
use mint_store::{Transaction, Value};
use mint_types::mutation::{Mutation, mutated};
use mint_types::{ApplicationId, FencingToken, IssuerObject, RotationId};

use super::calls::{instant, key, next_number, sent};
use super::ends::none_in_flight;
use super::open;
use crate::Error;
use crate::ledger::{Ledger, load_in};
use crate::plan::{self, Ask, CreatePlan, Make, Rules};
use crate::state::{Instant, Made, object_name};

const WRITE_OFF: &str = "UPDATE attempt SET state = 'presumed' \
     WHERE application = $1 AND object = $2 AND state IN ('sent', 'stray')";
const NEXT_ATTEMPT: &str =
    "SELECT COALESCE(MAX(number), 0) + 1 AS number FROM attempt WHERE rotation = $1 AND object = $2";
const MADE_NOTHING: &str = "UPDATE attempt SET state = 'void', reason = 'RECONCILED' \
     WHERE application = $1 AND object = $2 AND state IN ('sent', 'stray', 'presumed')";
const ATTEMPT: &str = "INSERT INTO attempt \
     (rotation, object, number, application, state, sent_at, sent_boot, sent_nanos) \
     VALUES ($1, $2, $3, $4, 'sent', $5, $6, $7)";
const SUPERSEDE: &str = "UPDATE rotation SET state = 'superseded', delivery_envelope = NULL, probe_envelope = NULL \
     WHERE rotation = $1 AND state IN ('creating', 'created')";
const SETTLE: &str = "UPDATE attempt SET state = $4, reason = $5 \
     WHERE rotation = $1 AND object = $2 AND number = $3 AND state = 'sent'";
// a process that was stopped between its intent and its call sent it later than the intent says
const UNANSWERED: &str = "UPDATE attempt SET reason = $4, sent_at = $5, sent_boot = $6, sent_nanos = $7 \
     WHERE rotation = $1 AND object = $2 AND number = $3 AND state = 'sent'";
const FOREIGN: &str = "INSERT INTO version (application, kind, version, rotation, stage, created_at, delivered_at) \
     VALUES ($1, $2, 0, $3, 'current', $4, $4) ON CONFLICT (application, kind, version) DO NOTHING";
const MADE: &str = "UPDATE rotation SET state = 'created', previous_version = $2, version = $3, version_id = $4, \
     fingerprint = $5, envelope_digest = $6, delivery_envelope = $7, probe_envelope = $8, password_txid = $9, \
     client_txid = $10 WHERE rotation = $1 AND state = 'creating'";
const PENDING: &str = "INSERT INTO version \
     (application, kind, version, version_id, rotation, stage, fingerprint, created_at) \
     VALUES ($1, $2, $3, $4, $5, 'pending', $6, $7)";

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

#[mint_port::points(service = "rotator", name = "ledger", list = CREATE_POINTS)]
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
        self.write_fenced(application, token, &|transaction| {
            Box::pin(async move {
                let state = load_in(transaction, application, ask.rotation).await?;
                let make = match plan::create(&state, ask, rules, now)? {
                    CreatePlan::Answer(made) => return Ok(Begun::Answer(made)),
                    CreatePlan::Make(make) => make,
                };
                none_in_flight(transaction, application, &state, plan::objects_asked(ask.kind), rules, now)
                    .await?;
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
                for object in plan::objects_made(ask.kind, rules.ends) {
                    if make.writes_off {
                        let args = [application.as_str().into(), object_name(object).into()];
                        transaction.execute(WRITE_OFF, &args).await?;
                    }
                    numbers.push((object, intend(transaction, application, ask, object, now).await?));
                }
                Ok(Begun::Make(make, numbers))
            })
        })
        .await
    }

    /// Records how an attempt ended without a version. One that was not answered may land for as long as a call lives from
    /// now on, not from its intent on.
    pub async fn attempt_failed(
        &self,
        rotation: RotationId,
        object: IssuerObject,
        number: i64,
        failed: Failed,
        now: &Instant,
    ) -> Result<(), Error> {
        let mut args = key(rotation, object, number);
        let sql = match failed {
            Failed::Void(reason) => {
                args.extend(["void".into(), reason.into()]);
                SETTLE
            }
            Failed::Stray(reason) => {
                args.extend(["stray".into(), reason.into()]);
                SETTLE
            }
            Failed::Unknown(reason) => {
                args.push(reason.into());
                args.extend(instant(now)?);
                UNANSWERED
            }
        };
        self.database.execute(sql, &args).await?;
        Ok(())
    }

    /// Records that the calls on an object without a known outcome made nothing that is still alive: the issuer was asked.
    pub async fn made_nothing(
        &self,
        application: &ApplicationId,
        token: FencingToken,
        object: IssuerObject,
    ) -> Result<(), Error> {
        self.write_fenced(application, token, &|transaction| {
            Box::pin(async move {
                let args = [application.as_str().into(), object_name(object).into()];
                transaction.execute(MADE_NOTHING, &args).await?;
                Ok(())
            })
        })
        .await
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
}

async fn intend(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    ask: Ask,
    object: IssuerObject,
    now: &Instant,
) -> Result<i64, Error> {
    let number = next_number(transaction, NEXT_ATTEMPT, ask.rotation, object).await?;
    if !mutated(Mutation::NoIntent) {
        transaction.execute(ATTEMPT, &sent(application, ask.rotation, object, number, now)?).await?;
    }
    Ok(number)
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
        made.password_handle.as_ref().map(Handle::as_str).into(),
        made.client_handle.as_ref().map(Handle::as_str).into(),
    ])
}
