//! What happens within a write: a record comes in, a lease is taken, an outcome is kept.

use std::collections::BTreeMap;

use mint_store::{Transaction, Value};
use mint_types::{Application, ApplicationId, FencingToken, Timestamp};

use super::rows;
use crate::desk::{Conditions, Standing, calls_for_another_try};
use crate::store::{Change, Decide, Held, Lease, LeaseFate, StoreError, Taker};

const INSERT: &str = include_str!("../sql/applications_insert.sql");
const TAKE_IN: &str = include_str!("../sql/applications_take_in.sql");
const LEASE: &str = include_str!("../sql/applications_lease.sql");
const COMMIT: &str = include_str!("../sql/applications_commit.sql");
const RELEASE: &str = include_str!("../sql/applications_release.sql");

const SET_WAKE: &str = "UPDATE applications SET wake_at = $2 WHERE application_id = $1";
pub(super) const CONTROL: &str = "SELECT paused, reason FROM control WHERE id = 1";
pub(super) const ONE: &str = "SELECT * FROM applications WHERE application_id = $1";

pub(super) fn micros(time: Timestamp) -> Value {
    time.unix_micros().into()
}

async fn is_paused(transaction: &mut Transaction<'_>) -> Result<bool, StoreError> {
    let row = transaction.query_optional(CONTROL, &[]).await?;
    row.map_or(Ok(false), |row| Ok(row.boolean("paused")?))
}

pub(super) async fn take_in_one(
    transaction: &mut Transaction<'_>,
    record: &Application,
    now: Timestamp,
) -> Result<(), StoreError> {
    let id = &record.id;
    let known = transaction.query_optional(ONE, &[id.as_str().into()]).await?;
    let before = known.map(|row| rows::desk(&row, BTreeMap::new())).transpose()?;
    if before.as_ref().is_some_and(|before| before.record.revision >= record.revision) {
        return Ok(());
    }
    let conditions = Conditions::of(record, before.as_ref().map(|before| &before.conditions), now);
    let mut args: Vec<Value> = vec![
        id.as_str().into(),
        record.team_id.as_str().into(),
        Value::unsigned(record.revision.0)?,
        rows::to_json(id, record)?.into(),
        rows::to_json(id, &conditions)?.into(),
    ];
    let Some(before) = before else {
        args.extend([rows::to_json(id, &Standing::default())?.into(), micros(now)]);
        transaction.execute(INSERT, &args).await?;
        return Ok(());
    };
    let nudged_at = if calls_for_another_try(&before.record, record) { Some(now) } else { before.nudged_at };
    args.extend([nudged_at.map_or(0, Timestamp::unix_micros).into(), micros(now)]);
    transaction.execute(TAKE_IN, &args).await?;
    Ok(())
}

pub(super) async fn try_to_take(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    taker: Taker<'_>,
    decide: &Decide<'_>,
) -> Result<Option<Held>, StoreError> {
    let paused = is_paused(transaction).await?;
    let Some((row, before)) = rows::load(transaction, application).await? else {
        return Ok(None);
    };
    let now = taker.now.unix_micros();
    if row.integer("lease_expires_at")? > now || row.integer("wake_at")? > now {
        return Ok(None);
    }
    let mut desk = before.clone();
    let decision = decide(&mut desk, paused);
    if decision.is_idle() {
        // a paused constellation is woken as a whole; until then nobody needs to look again
        transaction.execute(SET_WAKE, &[application.as_str().into(), micros(decision.wake_at)]).await?;
        return Ok(None);
    }
    let opened = rows::put_changed(transaction, &before, &desk).await?;
    desk.change += u64::from(opened);
    let token = FencingToken::after(FencingToken(row.unsigned("fencing_token")?), taker.now).0;
    let args: [Value; 6] = [
        application.as_str().into(),
        Value::unsigned(token)?,
        taker.holder.into(),
        micros(taker.until),
        opened.into(),
        now.into(),
    ];
    transaction.execute(LEASE, &args).await?;
    let lease = Lease {
        application: application.clone(),
        holder: taker.holder.to_owned(),
        token: FencingToken(token),
        stir: row.integer("stir")?,
    };
    Ok(Some(Held { lease, desk, decision }))
}

pub(super) async fn try_to_commit(
    transaction: &mut Transaction<'_>,
    lease: &Lease,
    change: &Change,
) -> Result<bool, StoreError> {
    let mut args: Vec<Value> = vec![
        lease.application.as_str().into(),
        Value::unsigned(lease.token.0)?,
        lease.holder.as_str().into(),
        rows::to_json(&lease.application, &change.standing)?.into(),
    ];
    let sql = match change.lease {
        LeaseFate::KeepUntil(until) => {
            args.extend([micros(until), micros(change.now)]);
            COMMIT
        }
        LeaseFate::Release { wake_at, changed } => {
            args.extend([lease.stir.into(), micros(wake_at), changed.into(), micros(change.now)]);
            RELEASE
        }
    };
    let Some(row) = transaction.query_optional(sql, &args).await? else {
        return Err(StoreError::LeaseLost(lease.application.clone()));
    };
    if let Some(credential) = &change.credential {
        rows::put_credential(transaction, &lease.application, credential).await?;
    }
    Ok(row.boolean("paused")? || is_paused(transaction).await?)
}
