//! What happens within a write: a record comes in, a lease is taken, an outcome is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use mint_store::{Row, Transaction, Value};
use mint_types::mutation::{Mutation, mutated};
use mint_types::{Application, ApplicationId, FencingToken, Timestamp};

use super::rows;
use crate::desk::{Adoption, Conditions, Desk, Standing, calls_for_another_try};
use crate::lease::{Free, HEADSTART};
use crate::store::{
    Change, Control, Decide, Edit, Held, Lease, LeaseFate, NotKept, Reported, Started, StoreError, Taker,
};

const INSERT: &str = include_str!("../sql/applications_insert.sql");
const TAKE_IN: &str = include_str!("../sql/applications_take_in.sql");
const LEASE: &str = include_str!("../sql/applications_lease.sql");
const COMMIT: &str = include_str!("../sql/applications_commit.sql");
const RELEASE: &str = include_str!("../sql/applications_release.sql");
const STIR: &str = include_str!("../sql/applications_stir.sql");
const RESERVE: &str = include_str!("../sql/applications_reserve.sql");

const SET_WAKE: &str = "UPDATE applications SET wake_at = $2 WHERE application_id = $1";
const REST: &str = "UPDATE applications SET wake_at = $2, lease_holder = '', lease_expires_at = 0, reserved_from = 0 \
     WHERE application_id = $1";
const PUT_ROSTER: &str = "INSERT INTO adoption (application_id, roster) VALUES ($1, $2) \
     ON CONFLICT (application_id) DO UPDATE SET roster = excluded.roster";
const WAKE: &str = "UPDATE applications SET wake_at = 0, stir = stir + 1, change = change + 1, changed_at = $2 \
     WHERE application_id = $1";
const ROUSE: &str = "UPDATE applications SET wake_at = 0, stir = stir + 1 WHERE application_id = $1";
pub(super) const CONTROL: &str = "SELECT paused, reason, issuer_paused_until FROM control WHERE id = 1";
pub(super) const ONE: &str = "SELECT * FROM applications WHERE application_id = $1";

pub(super) fn micros(time: Timestamp) -> Value {
    time.unix_micros().into()
}

pub(super) fn control(row: Option<&Row>) -> Result<Control, StoreError> {
    let Some(row) = row else { return Ok(Control::default()) };
    let until = row.integer("issuer_paused_until")?;
    Ok(Control {
        paused: row.boolean("paused")?,
        issuer_paused_until: (until > 0).then(|| Timestamp::from_unix_micros(until)),
    })
}

async fn control_within(transaction: &mut Transaction<'_>) -> Result<Control, StoreError> {
    control(transaction.query_optional(CONTROL, &[]).await?.as_ref())
}

pub(super) async fn take_in_one(
    transaction: &mut Transaction<'_>,
    record: &Application,
    now: Timestamp,
) -> Result<(), StoreError> {
    let id = &record.id;
    let known = transaction.query_optional(ONE, &[id.as_str().into()]).await?;
    let before = known.map(|row| rows::desk(&row, BTreeMap::new(), Adoption::default())).transpose()?;
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
    longest: Duration,
) -> Result<Option<Held>, StoreError> {
    let control = control_within(transaction).await?;
    let Some((row, before)) = rows::load(transaction, application, longest).await? else {
        return Ok(None);
    };
    let now = taker.now.unix_micros();
    if row.integer("wake_at")? > now {
        return Ok(None);
    }
    let claim = rows::claim(&row)?;
    let unless_begun = match claim.is_free_for(taker.holder, taker.now) {
        Free::No if mutated(Mutation::LeasePerKind) => None,
        Free::No => return Ok(None),
        Free::Yes => None,
        Free::UnlessBegun(from) => Some(from),
    };
    // whoever reserved it may be acting until then, if this write comes late
    let until = if unless_begun.is_some() { taker.until.max(claim.expires_at) } else { taker.until };
    let mut desk = before.clone();
    let decision = decide(&mut desk, control);
    if decision.is_idle() {
        // a paused constellation is woken as a whole; until then nobody needs to look again. What somebody else reserved
        // stays so: if this write comes late, he may be acting
        let sql = if unless_begun.is_some() { SET_WAKE } else { REST };
        transaction.execute(sql, &[application.as_str().into(), micros(decision.wake_at)]).await?;
        return Ok(None);
    }
    let opened = rows::put_changed(transaction, &before, &desk).await?;
    desk.change += u64::from(opened);
    let token = FencingToken::after(FencingToken(row.unsigned("fencing_token")?), taker.now).0;
    let args: [Value; 6] = [
        application.as_str().into(),
        Value::unsigned(token)?,
        taker.holder.into(),
        micros(until),
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
    Ok(Some(Held { lease, desk, decision, until, unless_begun }))
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
        LeaseFate::Reserve { token, wake_at, until, changed } => {
            args.extend([lease.stir.into(), micros(wake_at), changed.into(), micros(change.now)]);
            let headstart = i64::try_from(HEADSTART.as_micros()).unwrap_or(i64::MAX);
            let from = wake_at.unix_micros().saturating_sub(headstart).max(1);
            args.extend([Value::unsigned(token.0)?, micros(until), from.into()]);
            RESERVE
        }
    };
    let Some(row) = transaction.query_optional(sql, &args).await? else {
        if let Some(credential) = change.credential.as_ref().filter(|_| mutated(Mutation::StaleCommit)) {
            rows::put_credential(transaction, &lease.application, credential).await?;
            return Ok(false);
        }
        return Err(StoreError::LeaseLost(lease.application.clone()));
    };
    if let Some(credential) = &change.credential {
        rows::put_credential(transaction, &lease.application, credential).await?;
    }
    Ok(row.boolean("paused")? || control_within(transaction).await?.paused)
}

/// An operator changes a desk beside the holder of its lease.
pub(super) async fn edit_one(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    now: Timestamp,
    edit: &Edit<'_>,
) -> Result<Option<Vec<Started>>, StoreError> {
    let Some((_, before)) = rows::load(transaction, application, Adoption::LONGEST).await? else {
        return Ok(None);
    };
    let mut desk = before.clone();
    let started = edit(&mut desk);
    let changed = rows::put_changed(transaction, &before, &desk).await?;
    if changed || !started.is_empty() {
        transaction.execute(STIR, &[application.as_str().into(), micros(now), micros(now)]).await?;
    } else {
        transaction.execute(ROUSE, &[application.as_str().into()]).await?;
    }
    Ok(Some(started))
}

/// Keeps what instances of some applications reported; answers each.
pub(super) async fn hear_all(
    transaction: &mut Transaction<'_>,
    reports: &[Reported],
    now: Timestamp,
    longest: Duration,
) -> Result<Vec<Result<(), NotKept>>, StoreError> {
    let mut by_application: BTreeMap<&ApplicationId, Vec<usize>> = BTreeMap::new();
    for (index, reported) in reports.iter().enumerate() {
        by_application.entry(&reported.application).or_default().push(index);
    }
    let mut answers = vec![Ok(()); reports.len()];
    for (application, indices) in by_application {
        let theirs: Vec<&Reported> = indices.iter().map(|index| &reports[*index]).collect();
        let heard = hear(transaction, application, &theirs, now, longest).await?;
        for (index, answer) in indices.iter().zip(heard) {
            answers[*index] = answer;
        }
    }
    Ok(answers)
}

/// Keeps the reports of one application.
async fn hear(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    reports: &[&Reported],
    now: Timestamp,
    longest: Duration,
) -> Result<Vec<Result<(), NotKept>>, StoreError> {
    let Some((_, before)) = rows::load(transaction, application, longest).await? else {
        return Ok(vec![Err(NotKept::ApplicationUnknown); reports.len()]);
    };
    let mut after = before.clone();
    let answers: Vec<_> = reports.iter().map(|reported| hear_one(&mut after, reported, now)).collect();
    if answers.iter().any(Result::is_ok) {
        let roster = rows::to_json(application, &after.adoption.roster)?;
        transaction.execute(PUT_ROSTER, &[application.as_str().into(), roster.into()]).await?;
    }
    if before.lags(now) && !after.lags(now) {
        transaction.execute(WAKE, &[application.as_str().into(), micros(now)]).await?;
    }
    Ok(answers)
}

fn hear_one(desk: &mut Desk, reported: &Reported, now: Timestamp) -> Result<(), NotKept> {
    let Reported { instance, report, .. } = reported;
    let known = desk.credentials.get(&report.kind).is_some_and(|one| one.knows(report.version_id));
    if !known {
        return Err(NotKept::VersionUnknown);
    }
    Ok(desk.adoption.roster.hear(instance, report, now)?)
}
