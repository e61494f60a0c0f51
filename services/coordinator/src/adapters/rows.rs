//! Rows to desks and back.

use std::collections::BTreeMap;
use std::time::Duration;

use mint_saga::{Credential, Roster};
use mint_store::{Row, Transaction, Value};
use mint_types::{ApplicationId, CredentialKind, FencingToken, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::desk::{Adoption, Desk};
use crate::lease::Claim;
use crate::overlong::Overlong;
use crate::store::StoreError;

const ONE: &str = "SELECT * FROM applications WHERE application_id = $1";
const CREDENTIALS: &str = "SELECT kind, saga FROM credentials WHERE application_id = $1";
const ROSTER: &str = "SELECT roster FROM adoption WHERE application_id = $1";
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

pub(super) fn roster(application: &str, row: &Row) -> Result<Roster, StoreError> {
    from_json(application, &row.text("roster")?)
}

pub(super) fn claim(row: &Row) -> Result<Claim, StoreError> {
    let reserved_from = row.integer("reserved_from")?;
    Ok(Claim {
        holder: row.text("lease_holder")?,
        expires_at: Timestamp::from_unix_micros(row.integer("lease_expires_at")?),
        reserved_from: (reserved_from > 0).then(|| Timestamp::from_unix_micros(reserved_from)),
    })
}

pub(super) fn overlong(row: &Row) -> Result<Overlong, StoreError> {
    Ok(Overlong {
        application: application_id(row)?,
        token: FencingToken(row.unsigned("fencing_token")?),
        expires_at: Timestamp::from_unix_micros(row.integer("lease_expires_at")?),
    })
}

pub(super) fn desk(
    row: &Row,
    credentials: BTreeMap<CredentialKind, Credential>,
    adoption: Adoption,
) -> Result<Desk, StoreError> {
    let application = row.text("application_id")?;
    let nudged_at = row.integer("nudged_at")?;
    Ok(Desk {
        record: from_json(&application, &row.text("record")?)?,
        conditions: from_json(&application, &row.text("conditions")?)?,
        standing: from_json(&application, &row.text("standing")?)?,
        credentials,
        adoption,
        paused: if row.boolean("paused")? { Some(row.text("pause_reason")?) } else { None },
        nudged_at: (nudged_at > 0).then(|| Timestamp::from_unix_micros(nudged_at)),
        change: row.unsigned("change")?,
    })
}

/// An application's row with its desk, read within a write.
pub(super) async fn load(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    longest: Duration,
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
    let adoption = transaction.query_optional(ROSTER, &[application.as_str().into()]).await?;
    let roster = adoption.map(|row| roster(application.as_str(), &row)).transpose()?.unwrap_or_default();
    let desk = desk(&row, credentials, Adoption { roster, longest })?;
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
