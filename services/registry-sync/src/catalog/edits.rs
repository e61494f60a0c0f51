//! One change of one record within a write: from the record that is there, and under the next revision if it differs.

use futures::future::BoxFuture;
use mint_store::{Transaction, Value};
use mint_types::{ApplicationId, Presence, Revision, Timestamp};

use crate::{
    Error,
    model::{Decision, Record, revised},
    rows::{columns, record},
    settings::Entered,
};

pub(super) const ONE: &str = "SELECT * FROM applications WHERE id = $1";
pub(super) const PUT: &str = include_str!("../sql/applications/put.sql");

/// What an edit makes of a record; nothing leaves it as it was.
pub(super) type Edit<'e> =
    dyn Fn(Option<&Record>, Timestamp) -> Result<Option<Record>, Error> + Send + Sync + 'e;

impl Record {
    /// Whether these settings were entered by the same call before.
    pub fn is_repetition(&self, expected: u64, settings: &Entered) -> bool {
        let generation = self.settings_generation;
        self.settings.as_ref() == Some(settings) && (generation == expected || generation == expected + 1)
    }

    /// Refuses a caller who has not read the settings in force.
    pub fn expect_generation(&self, expected: u64) -> Result<(), Error> {
        let actual = self.settings_generation;
        if actual == expected { Ok(()) } else { Err(Error::SettingsChanged { expected, actual }) }
    }
}

/// What an operator's decision makes of the one that stands.
pub(super) fn decided(record: &Record, wanted: Decision) -> Result<Option<Decision>, Error> {
    match (wanted, record.presence) {
        (Decision::Retired, Presence::Held | Presence::Retired) => Ok(Some(Decision::Retired)),
        // what an operator kept in use goes the way of the registry again
        (Decision::Retired, Presence::Present) if !record.facts.active => Ok(None),
        (Decision::Retired, Presence::Present) => Err(Error::InRegistry(record.id.clone())),
        (Decision::Restored, _) if record.facts.active => Ok(None),
        (Decision::Restored, _) => Ok(Some(Decision::Restored)),
    }
}

/// The record as it stands after the edit, and the revision if it changed.
pub(super) type Edited = (Option<Record>, Option<Revision>);

pub(super) fn edited<'t>(
    transaction: &'t mut Transaction<'_>,
    id: &'t ApplicationId,
    now: Timestamp,
    edit: &'t Edit<'_>,
) -> BoxFuture<'t, Result<Edited, Error>> {
    Box::pin(async move {
        let row = transaction.query_optional(ONE, &[id.as_str().into()]).await?;
        let before = row.as_ref().map(record).transpose()?;
        let Some(after) = edit(before.as_ref(), now)? else { return Ok((before, None)) };
        if revised(before.as_ref(), after.clone(), Revision(0)).is_none() {
            return Ok((before, None));
        }
        let next = next_revision(transaction, now).await?;
        let Some(after) = revised(before.as_ref(), after, next) else { return Ok((before, None)) };
        transaction.execute(PUT, &columns(&after)?).await?;
        Ok((Some(after), Some(next)))
    })
}

/// `max(last + 1, unix milliseconds)`: a restored backup cannot make revisions run backwards.
pub(super) async fn next_revision(
    transaction: &mut Transaction<'_>,
    now: Timestamp,
) -> Result<Revision, Error> {
    let row = transaction.query_optional("SELECT revision FROM catalog WHERE id = 1", &[]).await?;
    let last = row.map_or(Ok(0), |row| row.unsigned("revision"))?;
    let next = (last + 1).max(u64::try_from(now.unix_millis()).unwrap_or(0));
    transaction.execute("UPDATE catalog SET revision = $1 WHERE id = 1", &[Value::unsigned(next)?]).await?;
    Ok(Revision(next))
}
