//! Rows to desks and back.

use std::collections::BTreeMap;

use mint_saga::Credential;
use mint_store::{Row, Transaction, Value};
use mint_types::{ApplicationId, CredentialKind, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::desk::Desk;
use crate::store::StoreError;

const ONE: &str = "SELECT * FROM applications WHERE application_id = $1";
const CREDENTIALS: &str = "SELECT kind, saga FROM credentials WHERE application_id = $1";
const PUT: &str = "INSERT INTO credentials (application_id, kind, saga) VALUES ($1, $2, $3) \
     ON CONFLICT (application_id, kind) DO UPDATE SET saga = excluded.saga";

pub(super) fn to_json<T: Serialize>(application: &ApplicationId, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| corrupt(application.as_str(), &error))
}

pub(super) fn from_json<T: DeserializeOwned>(application: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| corrupt(application, &error))
}

fn corrupt(application: &str, error: &serde_json::Error) -> StoreError {
    // serde's text may quote a value: only the place is told
    let detail = format!("{:?} at line {} column {}", error.classify(), error.line(), error.column());
    StoreError::Corrupt { application: application.to_owned(), detail }
}

pub(super) fn application_id(row: &Row) -> Result<ApplicationId, StoreError> {
    let text = row.text("application_id")?;
    text.parse().map_err(|error: mint_types::InvalidId| StoreError::Corrupt {
        application: text.clone(),
        detail: error.to_string(),
    })
}

pub(super) fn credential(application: &str, row: &Row) -> Result<(CredentialKind, Credential), StoreError> {
    let credential: Credential = from_json(application, &row.text("saga")?)?;
    Ok((credential.kind, credential))
}

pub(super) fn desk(row: &Row, credentials: BTreeMap<CredentialKind, Credential>) -> Result<Desk, StoreError> {
    let application = row.text("application_id")?;
    let nudged_at = row.integer("nudged_at")?;
    Ok(Desk {
        record: from_json(&application, &row.text("record")?)?,
        conditions: from_json(&application, &row.text("conditions")?)?,
        standing: from_json(&application, &row.text("standing")?)?,
        credentials,
        paused: if row.boolean("paused")? { Some(row.text("pause_reason")?) } else { None },
        nudged_at: (nudged_at > 0).then(|| Timestamp::from_unix_micros(nudged_at)),
        change: row.unsigned("change")?,
    })
}

/// An application's row with its desk, read within a write.
pub(super) async fn load(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
) -> Result<Option<(Row, Desk)>, StoreError> {
    let Some(row) = transaction.query_optional(ONE, &[application.as_str().into()]).await? else {
        return Ok(None);
    };
    let credentials = transaction
        .query(CREDENTIALS, &[application.as_str().into()])
        .await?
        .iter()
        .map(|row| credential(application.as_str(), row))
        .collect::<Result<_, _>>()?;
    let desk = desk(&row, credentials)?;
    Ok(Some((row, desk)))
}

pub(super) async fn put_credential(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    credential: &Credential,
) -> Result<(), StoreError> {
    let saga = to_json(application, credential)?;
    let args: [Value; 3] = [application.as_str().into(), credential.kind.as_str().into(), saga.into()];
    transaction.execute(PUT, &args).await?;
    Ok(())
}

/// Writes every credential that differs from what was read.
pub(super) async fn put_changed(
    transaction: &mut Transaction<'_>,
    before: &Desk,
    after: &Desk,
) -> Result<bool, StoreError> {
    let mut changed = false;
    for (kind, credential) in &after.credentials {
        if before.credentials.get(kind) != Some(credential) {
            put_credential(transaction, &after.record.id, credential).await?;
            changed = true;
        }
    }
    Ok(changed)
}
