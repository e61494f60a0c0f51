//! What is to end at once, in SQL.

use mint_store::{Database, Row, Transaction};
use mint_types::{CredentialKind, Timestamp};

use super::writes::micros;
use super::{pages, rows};
use crate::store::{REVOCATIONS_PAGE, Revocation, StoreError};

// what was refused and is said again is carried again; what is carried or done stays as it is
const KEEP: &str = "INSERT INTO revocations (statement_id, kind, application_id, statement, asked_at, outcome, closed_at) \
     VALUES ($1, $2, $3, $4, $5, '', 0) \
     ON CONFLICT (statement_id, kind) DO UPDATE SET asked_at = excluded.asked_at, outcome = '', closed_at = 0 \
     WHERE revocations.outcome NOT IN ('', 'done')";
const OPEN: &str = "SELECT statement_id, kind, application_id, statement, asked_at FROM revocations \
     WHERE outcome = '' AND (asked_at > $1 OR (asked_at = $1 AND (statement_id > $2 OR (statement_id = $2 AND kind > $3)))) \
     ORDER BY asked_at, statement_id, kind LIMIT $4";
const CLOSE: &str = "UPDATE revocations SET outcome = $3, closed_at = $4 \
     WHERE statement_id = $1 AND kind = $2 AND outcome = ''";

pub(super) async fn keep(transaction: &mut Transaction<'_>, asked: &[Revocation]) -> Result<(), StoreError> {
    for revocation in asked {
        let args = [
            revocation.id.as_str().into(),
            revocation.kind.as_str().into(),
            revocation.application.as_str().into(),
            rows::to_json(&revocation.application, &revocation.statement)?.into(),
            micros(revocation.asked_at),
        ];
        transaction.execute(KEEP, &args).await?;
    }
    Ok(())
}

pub(super) async fn open(
    database: &Database,
    after: Option<&Revocation>,
) -> Result<Vec<Revocation>, StoreError> {
    let args = [
        after.map_or(i64::MIN, |after| after.asked_at.unix_micros()).into(),
        after.map_or("", |after| after.id.as_str()).into(),
        after.map_or("", |after| after.kind.as_str()).into(),
        pages::limit(REVOCATIONS_PAGE),
    ];
    database.query(OPEN, &args).await?.iter().map(read).collect()
}

pub(super) async fn close(
    transaction: &mut Transaction<'_>,
    revocation: &Revocation,
    outcome: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let args = [revocation.id.as_str().into(), revocation.kind.as_str().into(), outcome.into(), micros(now)];
    transaction.execute(CLOSE, &args).await?;
    Ok(())
}

fn read(row: &Row) -> Result<Revocation, StoreError> {
    let application = rows::application_id(row)?;
    let corrupt = |detail: &str| StoreError::Corrupt {
        application: application.to_string(),
        detail: format!("a revocation's {detail} cannot be read"),
    };
    let kind: CredentialKind = row.text("kind")?.parse().map_err(|_| corrupt("kind"))?;
    let statement = rows::from_json(application.as_str(), &row.text("statement")?)?;
    Ok(Revocation {
        id: row.text("statement_id")?,
        kind,
        statement,
        asked_at: Timestamp::from_unix_micros(row.integer("asked_at")?),
        application,
    })
}
