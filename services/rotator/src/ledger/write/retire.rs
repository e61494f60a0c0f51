//! Before and after a version ends.

use mint_store::{Transaction, Value};
use mint_types::{ApplicationId, CredentialKind, FencingToken, IssuerObject, RotationId, Version};

use super::calls::instant;
use super::ends::{EndCalls, answered, intend_ends, none_in_flight};
use super::key;
use crate::Error;
use crate::ledger::{Ledger, load_in};
use crate::plan::{self, Ask, Rules};
use crate::state::{Instant, object_name};

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
const PROOF_FAILED: &str = "UPDATE rotation SET proof_logins = proof_logins + 1, \
     proof_alive = CASE WHEN $2 = 1 THEN 1 ELSE proof_alive END, proof_at = $3, proof_boot = $4, proof_nanos = $5 \
     WHERE rotation = $1";

#[mint_port::points(service = "rotator", name = "ledger", list = RETIRE_POINTS)]
impl Ledger {
    /// Makes the intent of a commit durable, and of those calls (`awaited`) that may not come late.
    pub async fn begin_retire(
        &self,
        application: &ApplicationId,
        token: FencingToken,
        ask: Ask,
        awaited: &[IssuerObject],
        rules: &Rules,
        now: &Instant,
    ) -> Result<EndCalls, Error> {
        self.write_fenced(application, token, &|transaction| {
            Box::pin(async move {
                let state = load_in(transaction, application, ask.rotation).await?;
                none_in_flight(transaction, application, &state, awaited, rules, now).await?;
                if transaction.execute(RETIRING, &[ask.rotation.to_string().into()]).await? != 1 {
                    return Err(Error::ReceiptMissing);
                }
                intend_ends(transaction, application, ask.rotation, awaited, now).await
            })
        })
        .await
    }

    /// Records an answered commit (`call` if it was waited for): what it ended, and that every unsettled call on the object is swept.
    pub async fn committed(
        &self,
        application: &ApplicationId,
        ask: Ask,
        object: IssuerObject,
        call: Option<i64>,
        now: &Instant,
    ) -> Result<(), Error> {
        self.database
            .write(|transaction| {
                Box::pin(async move { answer(transaction, application, ask, (object, call), now).await })
            })
            .await
    }

    /// Records that everything is committed, with the answers that were not recorded yet (of the last call, where one was
    /// sent). `token` is there where the issuer was told nothing: then this is the act's first write, which allows it.
    pub async fn retired(
        &self,
        application: &ApplicationId,
        token: Option<FencingToken>,
        ask: Ask,
        answers: &[(IssuerObject, Option<i64>)],
        retired: Option<Version>,
        now: &Instant,
    ) -> Result<(), Error> {
        let Some(token) = token else {
            return self
                .database
                .write(|transaction| {
                    Box::pin(
                        async move { retire_in(transaction, application, ask, answers, retired, now).await },
                    )
                })
                .await;
        };
        self.write_fenced(application, token, &|transaction| {
            Box::pin(async move {
                if transaction.execute(RETIRING, &[ask.rotation.to_string().into()]).await? != 1 {
                    return Err(Error::ReceiptMissing);
                }
                retire_in(transaction, application, ask, answers, retired, now).await
            })
        })
        .await
    }

    /// Records a login with the retired version that did not show its death.
    pub async fn proof_failed(&self, rotation: RotationId, alive: bool, now: &Instant) -> Result<(), Error> {
        let [wall, boot, nanos] = instant(now)?;
        let args = [rotation.to_string().into(), i64::from(alive).into(), wall, boot, nanos];
        self.database.execute(PROOF_FAILED, &args).await?;
        Ok(())
    }
}

/// A call was answered. A second answer to the same call says nothing new.
async fn answer(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    ask: Ask,
    (object, call): (IssuerObject, Option<i64>),
    now: &Instant,
) -> Result<(), Error> {
    answered(transaction, ask.rotation, object, call).await?;
    let state = load_in(transaction, application, ask.rotation).await?;
    if plan::awaits_answer(&state, ask, object) {
        committed_in(transaction, application, ask, object, now).await?;
    }
    Ok(())
}

/// A public client ends nothing at the issuer; its older versions end here.
async fn retire_in(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    ask: Ask,
    answers: &[(IssuerObject, Option<i64>)],
    retired: Option<Version>,
    now: &Instant,
) -> Result<(), Error> {
    for last in answers {
        answer(transaction, application, ask, *last, now).await?;
    }
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
    let [wall, boot, nanos] = instant(now)?;
    let retired = retired.map(|version| Value::unsigned(version.0)).transpose()?.into();
    let args = [ask.rotation.to_string().into(), retired, wall, boot, nanos];
    transaction.execute(RETIRED, &args).await?;
    Ok(())
}

/// What an answered commit, end or set of an object means for its other versions and for unsettled calls.
pub(super) async fn committed_in(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    ask: Ask,
    object: IssuerObject,
    now: &Instant,
) -> Result<(), Error> {
    let (committed, ended) = match object {
        IssuerObject::User => (USER_COMMITTED, USER_ENDED),
        IssuerObject::Client => (CLIENT_COMMITTED, CLIENT_ENDED),
    };
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
}
