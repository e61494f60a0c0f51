//! The books of I6: what was taken away, what operators released, who waits, and the time that it is counted by.

use std::collections::BTreeSet;
use std::time::Duration;

use mint_store::{Row, Transaction, Value};
use mint_types::{Budget, Timestamp};

use super::corrupt;
use crate::{
    Error,
    budget::{self, Charge, Release, Spent, Standing},
    elapsed::{Anchor, Moment, counted},
    plan::Taking,
};

/// Invariant I6 counts takings by the day, and the books count intents: what was intended takes effect some minutes later at
/// most, by clocks that are some seconds off.
const DAY: Duration = Duration::from_mins(24 * 60 + 10);

/// Who was there a day ago and still is: no more than there were at any time since. Whoever invents applications raises no
/// budget within the day in which it would be spent.
pub(super) const FLEET: &str =
    "SELECT COUNT(*) AS fleet FROM identities WHERE stage IN ('enabled', 'disabled') AND joined_at <= $1";
pub(super) const SPENT: &str = "SELECT application_id, release_id FROM spending WHERE spent_at > $1";
const SPEND: &str = "INSERT INTO spending (application_id, act, spent_at, release_id) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (application_id, act, spent_at) DO NOTHING";
pub(super) const RELEASES: &str = "SELECT id, acts, applications, expires_at, \
     (SELECT COUNT(*) FROM spending WHERE release_id = releases.id) AS spent \
     FROM releases WHERE expires_at > $1 AND accepted_at >= $2 ORDER BY expires_at";
pub(super) const LOSS: &str = "SELECT counted_at FROM losses WHERE lost_at = $1";
pub(super) const LOSE: &str = "INSERT INTO losses (lost_at, counted_at) VALUES ($1, $2) \
     ON CONFLICT (lost_at) DO NOTHING";
pub(super) const RELEASE: &str = "SELECT id, acts, applications, expires_at, \
     (SELECT COUNT(*) FROM spending WHERE release_id = releases.id) AS spent FROM releases WHERE id = $1";
pub(super) const ACCEPT: &str = "INSERT INTO releases (id, acts, applications, accepted_at, expires_at) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING";
pub(super) const NAME: &str = "UPDATE identities SET released = 1 \
     WHERE application_id = $1 AND (stage = 'deleted' OR intended = 'deleted')";
pub(super) const ANCHOR: &str = "SELECT counted_at, nanos FROM clocks WHERE boot = $1";
pub(super) const LATEST: &str = "SELECT MAX(counted_at) AS latest FROM clocks";
const DROP_ANCHOR: &str = "INSERT INTO clocks (boot, counted_at, nanos) VALUES ($1, $2, $3) \
     ON CONFLICT (boot) DO NOTHING";
pub(super) const WAIT: &str = include_str!("../sql/waiting_put.sql");
pub(super) const WAITING: &str = "SELECT subject, act, since FROM waiting WHERE waits = 1 ORDER BY since";
const SERVED: &str = "UPDATE waiting SET waits = 0 WHERE subject = $1 AND waits = 1";

/// Somebody whose removal waits for the budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// An application, or an orphan's name.
    pub subject: String,
    /// What is to be taken away.
    pub act: String,
    /// Since when.
    pub since: Timestamp,
}

/// How the books stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounts {
    /// The budget.
    pub standing: Standing,
    /// What releases in force still allow.
    pub released: u64,
    /// Who waits.
    pub waiting: Vec<Waiting>,
}

/// The time that is counted; a boot that is seen for the first time is written down.
pub(super) async fn time(transaction: &mut Transaction<'_>, moment: &Moment) -> Result<Timestamp, Error> {
    let boot = Value::from(&moment.monotonic.boot);
    let row = transaction.query_optional(ANCHOR, std::slice::from_ref(&boot)).await?;
    let latest = transaction.query_optional(LATEST, &[]).await?;
    let known = row.as_ref().map(anchor).transpose()?;
    let now = counted(known, latest_of(latest.as_ref())?, moment);
    if known.is_none() {
        let args = [boot, now.into(), Value::unsigned(moment.monotonic.nanos)?];
        transaction.execute(DROP_ANCHOR, &args).await?;
    }
    Ok(now)
}

pub(super) fn anchor(row: &Row) -> Result<Anchor, Error> {
    Ok(Anchor { counted: row.timestamp("counted_at")?, nanos: row.unsigned("nanos")? })
}

pub(super) fn latest_of(row: Option<&Row>) -> Result<Option<Timestamp>, Error> {
    Ok(row.map(|row| row.optional_timestamp("latest")).transpose()?.flatten())
}

pub(super) fn a_day_before(now: Timestamp) -> Value {
    now.unix_micros().saturating_sub(i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX)).into()
}

/// What bounds takings: invariant I6's numbers, and when writes may have been lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) budget: Budget,
    pub(super) lost_at: Option<Timestamp>,
}

/// Which releases count: of one that was accepted before writes were lost nobody knows how much of it is used up.
pub(super) fn in_force(lost_at: Option<Timestamp>, moment: &Moment) -> [Value; 2] {
    [moment.wall.into(), lost_at.unwrap_or(Timestamp::from_unix_micros(0)).into()]
}

/// What there is for a day after writes were lost: nobody knows what was spent in the day before.
pub(super) const NOTHING: Budget = Budget { minimum: 0, percent: 0 };

/// Whether the day after lost writes runs, by the row about them; without one it has not even begun.
pub(super) fn is_in_doubt(loss: Option<&Row>, now: Timestamp) -> Result<bool, Error> {
    Ok(loss.map(|row| row.timestamp("counted_at")).transpose()?.is_none_or(|since| now.since(since) < DAY))
}

pub(super) fn spent(rows: &[Row]) -> Result<Vec<Spent>, Error> {
    let line = |row: &Row| -> Result<Spent, Error> {
        Ok(Spent { subject: row.text("application_id")?, release: row.optional_text("release_id")? })
    };
    rows.iter().map(line).collect()
}

pub(super) fn release(row: &Row) -> Result<Release, Error> {
    let applications: BTreeSet<String> =
        serde_json::from_str(&row.text("applications")?).map_err(|_| corrupt("applications"))?;
    Ok(Release {
        id: row.text("id")?,
        acts: row.unsigned("acts")?,
        spent: row.unsigned("spent")?,
        applications,
        expires_at: row.timestamp("expires_at")?,
    })
}

pub(super) fn waiting(row: &Row) -> Result<Waiting, Error> {
    Ok(Waiting { subject: row.text("subject")?, act: row.text("act")?, since: row.timestamp("since")? })
}

/// Writes into the books, before the act, what is taken away; refused if nobody pays for it.
pub(super) async fn spend(
    transaction: &mut Transaction<'_>,
    subject: &str,
    takes: Taking,
    bounds: Bounds,
    moment: &Moment,
) -> Result<(), Error> {
    let now = time(transaction, moment).await?;
    let day = spent(&transaction.query(SPENT, &[a_day_before(now)]).await?)?;
    let rows = transaction.query(RELEASES, &in_force(bounds.lost_at, moment)).await?;
    let releases = rows.iter().map(release).collect::<Result<Vec<_>, _>>()?;
    let fleet = transaction.query_optional(FLEET, &[a_day_before(now)]).await?;
    let fleet = fleet.map_or(Ok(0), |row| row.unsigned("fleet"))?;
    let in_doubt = match bounds.lost_at {
        Some(lost_at) => {
            is_in_doubt(transaction.query_optional(LOSS, &[lost_at.into()]).await?.as_ref(), now)?
        }
        None => false,
    };
    let budget = if in_doubt { NOTHING } else { bounds.budget };
    let charge = budget::charge(subject, &day, &releases, budget, fleet);
    let release = match charge.map_err(exhausted)? {
        Charge::Paid => None,
        Charge::Budget => Some(None),
        Charge::Release(id) => Some(Some(id)),
    };
    if let Some(release) = release {
        let args = [subject.into(), takes.as_str().into(), now.into(), release.into()];
        transaction.execute(SPEND, &args).await?;
    }
    transaction.execute(SERVED, &[subject.into()]).await?;
    Ok(())
}

fn exhausted(standing: Standing) -> Error {
    let Standing { spent, allowed, fleet } = standing;
    Error::BudgetExhausted { spent, allowed, fleet }
}
