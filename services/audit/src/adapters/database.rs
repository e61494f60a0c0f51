//! The log in SQLite or PostgreSQL.

use std::sync::Arc;

use async_trait::async_trait;
use mint_api::audit::v1::{self, Phase};
use mint_api::convert;
use mint_store::{Database, Migration, Row, Transaction, Value};
use mint_types::{Clock, Timestamp};

use crate::draft::{Draft, Half, Outcome};
use crate::error::{Error, Refusal};
use crate::leaf::{Leaf, canonical_bytes, kind_number, leaf_hash};
use crate::plan::{Decision, Known, Stored, decide};
use crate::ports::{Filter, LogStore, Page};

/// The schema on PostgreSQL.
pub const SCHEMA: &str = "audit";
/// The schema's history.
pub const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "entries", sql: include_str!("../../sql/0001_entries.sql") },
    Migration { version: 2, name: "behalf", sql: include_str!("../../sql/0002_behalf.sql") },
];

const LAST: &str = "SELECT leaf_index, at FROM entries ORDER BY leaf_index DESC LIMIT 1";
const BY_ENTRY_ID: &str = "SELECT * FROM entries WHERE entry_id = $1";
const BY_INDEX: &str = "SELECT * FROM entries WHERE leaf_index = $1";
const OUTCOME_OF: &str = "SELECT leaf_index FROM entries WHERE init_index = $1";
const FIRST_SINCE: &str = "SELECT leaf_index FROM entries WHERE at >= $1 ORDER BY at, leaf_index LIMIT 1";
const INSERT: &str = include_str!("../../sql/entries/insert.sql");
const LIST: &str = include_str!("../../sql/entries/list.sql");
const LIST_BY_APPLICATION: &str = include_str!("../../sql/entries/list_by_application.sql");
const LIST_BY_ROTATION: &str = include_str!("../../sql/entries/list_by_rotation.sql");

/// Another replica may take the same position at the same moment; one of the two commits, the other looks again.
const ATTEMPTS: u32 = 5;

/// The log in a database.
#[derive(Debug)]
pub struct DatabaseLog {
    database: Database,
    clock: Arc<dyn Clock>,
}

impl DatabaseLog {
    /// Over an open database.
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock }
    }

    /// The first position at or after a time; positions and times ascend together.
    async fn first_since(&self, time: Timestamp) -> Result<Option<u64>, mint_store::Error> {
        let row = self.database.query_optional(FIRST_SINCE, &[time.unix_micros().into()]).await?;
        row.map(|row| row.unsigned("leaf_index")).transpose()
    }

    /// The positions that a filter's times allow, from the first to before the second.
    async fn range(&self, filter: &Filter, start: u64) -> Result<Option<(u64, i64)>, mint_store::Error> {
        let start = match filter.since {
            None => start,
            Some(since) => match self.first_since(since).await? {
                None => return Ok(None),
                Some(first) => first.max(start),
            },
        };
        let end = match filter.until {
            None => i64::MAX,
            Some(until) => {
                self.first_since(until).await?.map_or(i64::MAX, |end| i64::try_from(end).unwrap_or(i64::MAX))
            }
        };
        Ok(Some((start, end)))
    }
}

#[async_trait]
impl LogStore for DatabaseLog {
    async fn append(&self, batch: &[Draft]) -> Result<Vec<Result<Leaf, Refusal>>, Error> {
        let batch = Arc::<[Draft]>::from(batch);
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            let now = self.clock.now();
            let written = self.database.write(|transaction| {
                let batch = Arc::clone(&batch);
                Box::pin(async move { place_all(transaction, now, &batch).await })
            });
            match written.await {
                Err(error) if error.is_conflict() && left > 0 => {}
                outcome => return Ok(outcome?),
            }
        }
    }

    async fn list(&self, filter: &Filter, start: u64, size: u32) -> Result<Page, Error> {
        let Some((start, end)) = self.range(filter, start).await? else {
            return Ok(Page::default());
        };
        let text = |value: Option<String>| Value::from(value.unwrap_or_default());
        let arguments = [
            Value::from(i64::try_from(start).unwrap_or(i64::MAX)),
            Value::from(end),
            text(filter.application.as_ref().map(ToString::to_string)),
            text(filter.actor.as_ref().map(ToString::to_string)),
            text(filter.action.clone()),
            text(filter.rotation.map(|rotation| rotation.to_string())),
            Value::from(i64::from(size) + 1),
        ];
        let statement = match (&filter.rotation, &filter.application) {
            (Some(_), _) => LIST_BY_ROTATION,
            (None, Some(_)) => LIST_BY_APPLICATION,
            (None, None) => LIST,
        };
        let rows = self.database.query(statement, &arguments).await?;
        let mut entries = rows.iter().map(stored).collect::<Result<Vec<_>, _>>()?;
        let more = entries.len() > size as usize;
        entries.truncate(size as usize);
        let next = entries.last().filter(|_| more).map(|last| last.leaf.index + 1);
        Ok(Page { entries, next })
    }
}

/// The end of the log within a transaction.
struct End {
    next: u64,
    last_at: Timestamp,
}

impl End {
    async fn read(transaction: &mut Transaction<'_>) -> Result<Self, mint_store::Error> {
        Ok(match transaction.query_optional(LAST, &[]).await? {
            None => Self { next: 0, last_at: Timestamp::from_unix_micros(0) },
            Some(row) => Self { next: row.unsigned("leaf_index")? + 1, last_at: row.timestamp("at")? },
        })
    }
}

async fn place_all(
    transaction: &mut Transaction<'_>,
    now: Timestamp,
    batch: &[Draft],
) -> Result<Vec<Result<Leaf, Refusal>>, mint_store::Error> {
    let mut end = End::read(transaction).await?;
    let mut answers = Vec::with_capacity(batch.len());
    for draft in batch {
        answers.push(place(transaction, &mut end, now, draft).await?);
    }
    Ok(answers)
}

async fn place(
    transaction: &mut Transaction<'_>,
    end: &mut End,
    now: Timestamp,
    draft: &Draft,
) -> Result<Result<Leaf, Refusal>, mint_store::Error> {
    let known = known(transaction, draft).await?;
    match decide(draft, &known) {
        Decision::Same(leaf) => Ok(Ok(leaf)),
        Decision::Refuse(refusal) => Ok(Err(refusal)),
        Decision::Append => {
            let at = now.max(end.last_at);
            let hash = leaf_hash(&canonical_bytes(end.next, at, draft));
            let leaf = Leaf { index: end.next, hash, at };
            transaction.execute(INSERT, &arguments(&leaf, draft)?).await?;
            *end = End { next: end.next + 1, last_at: at };
            Ok(Ok(leaf))
        }
    }
}

async fn known(transaction: &mut Transaction<'_>, draft: &Draft) -> Result<Known, mint_store::Error> {
    let row = transaction.query_optional(BY_ENTRY_ID, &[draft.entry_id.to_string().into()]).await?;
    let same_id = row.as_ref().map(stored).transpose()?;
    let Some(init_index) = draft.concludes() else {
        return Ok(Known { same_id, ..Known::default() });
    };
    let Ok(init_index) = i64::try_from(init_index) else {
        return Ok(Known { same_id, ..Known::default() });
    };
    let row = transaction.query_optional(BY_INDEX, &[init_index.into()]).await?;
    let init = row.as_ref().map(stored).transpose()?;
    let completed = transaction.query_optional(OUTCOME_OF, &[init_index.into()]).await?.is_some();
    Ok(Known { same_id, init, completed })
}

fn arguments(leaf: &Leaf, draft: &Draft) -> Result<Vec<Value>, mint_store::Error> {
    let (outcome, reason) = draft.half.outcome();
    Ok(vec![
        Value::unsigned(leaf.index)?,
        Value::from(&leaf.hash[..]),
        leaf.at.unix_micros().into(),
        draft.entry_id.to_string().into(),
        draft.actor.to_string().into(),
        i32::from(draft.half.phase()).into(),
        draft.action.clone().into(),
        draft.application.as_ref().map(ToString::to_string).unwrap_or_default().into(),
        kind_number(draft).into(),
        draft.resource.clone().into(),
        draft.rotation.map(|rotation| rotation.to_string()).unwrap_or_default().into(),
        draft.request.to_string().into(),
        i32::from(outcome).into(),
        reason.to_owned().into(),
        draft.concludes().map_or(Ok(Value::Null), Value::unsigned)?,
        draft.requested_role.clone().into(),
        draft.subject.clone().into(),
    ])
}

fn corrupt(detail: &'static str) -> mint_store::Error {
    mint_store::Error::Corrupt { detail: format!("an entry of the log {detail}") }
}

fn stored(row: &Row) -> Result<Stored, mint_store::Error> {
    let hash = row.bytes("leaf_hash")?.try_into().map_err(|_| corrupt("has a malformed hash"))?;
    let leaf = Leaf { index: row.unsigned("leaf_index")?, hash, at: row.timestamp("at")? };
    let parse_optional =
        |column: &str| row.text(column).map(|text| Some(text).filter(|text| !text.is_empty()));
    let malformed = |_| corrupt("has a malformed id");
    let kind = i32::try_from(row.integer("kind")?).map_err(|_| corrupt("has a malformed kind"))?;
    let draft = Draft {
        entry_id: row.text("entry_id")?.parse().map_err(malformed)?,
        actor: row.text("actor")?.parse().map_err(|_| corrupt("has a malformed actor"))?,
        action: row.text("action")?,
        application: parse_optional("application_id")?.map(|id| id.parse()).transpose().map_err(malformed)?,
        kind: convert::optional_kind_from_wire("kind", kind).map_err(|_| corrupt("has an unknown kind"))?,
        resource: row.text("resource")?,
        rotation: parse_optional("rotation_id")?.map(|id| id.parse()).transpose().map_err(malformed)?,
        request: row.text("request_id")?.parse().map_err(malformed)?,
        requested_role: row.text("requested_role")?,
        subject: row.text("subject")?,
        half: half(row)?,
    };
    Ok(Stored { leaf, draft })
}

fn half(row: &Row) -> Result<Half, mint_store::Error> {
    let number = |column| row.integer(column).map(|number| i32::try_from(number).unwrap_or(i32::MAX));
    let outcome = v1::Outcome::try_from(number("outcome")?).map_err(|_| corrupt("has an unknown outcome"))?;
    let reason = row.text("reason")?;
    let outcome = match (Phase::try_from(number("phase")?), outcome) {
        (Ok(Phase::Init), _) => return Ok(Half::Init),
        (Ok(Phase::Complete), v1::Outcome::Success) => Outcome::Success,
        (Ok(Phase::Complete), v1::Outcome::Failure) => Outcome::Failure { reason },
        (Ok(Phase::Complete), v1::Outcome::Unknown) => Outcome::Unknown { reason },
        _ => return Err(corrupt("has an unknown phase")),
    };
    let init_index = row.optional_unsigned("init_index")?.ok_or_else(|| corrupt("has no announcement"))?;
    Ok(Half::Complete { init_index, outcome })
}
