//! The memory of objects in SQLite or PostgreSQL.

use async_trait::async_trait;
use mint_store::{Database, Row, Transaction, Value};

use super::attempts::{admit, attempts_of, number, replace};
use crate::plan::Place;
use crate::plan::tombstones::Object;
use crate::ports::{ClaimError, Memory, Order, Tombstones, Warrant};

const OBJECTS: &str = "SELECT store, bucket, object_key, kind, region, account_id, kms_key_id, tombstone_since, permit \
     FROM object WHERE application = $1 ORDER BY store, bucket, object_key";
const KNOWN: &str = "SELECT used_at FROM permit WHERE id = $1 AND application = $2";
const USE: &str =
    "INSERT INTO permit (id, application, used_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING";
const COVER: &str = "UPDATE object SET tombstone_since = $5, permit = $6 \
     WHERE application = $1 AND store = $2 AND bucket = $3 AND object_key = $4";
const END: &str = "UPDATE highest_version SET ended = version WHERE application = $1 AND kind = $2";

/// The adapter.
#[derive(Debug, Clone)]
pub struct SqlTombstones(Database);

impl SqlTombstones {
    /// Over an open database of [`super::MIGRATIONS`].
    pub fn new(database: Database) -> Self {
        Self(database)
    }
}

#[async_trait]
impl Tombstones for SqlTombstones {
    async fn read(&self, warrant: &Warrant) -> Result<Memory, ClaimError> {
        admit(&self.0, &warrant.application, warrant.fencing_token).await?;
        let application = Value::from(warrant.application.as_str());
        let rows = self.0.query(OBJECTS, std::slice::from_ref(&application)).await?;
        let used = self.0.query_optional(KNOWN, &[warrant.permit.as_str().into(), application]).await?;
        Ok(Memory {
            objects: rows.iter().map(object).collect::<Result<_, _>>()?,
            attempts: attempts_of(&self.0, &warrant.application).await?,
            is_known: used.is_some(),
        })
    }

    async fn begin(&self, warrant: &Warrant, order: &Order) -> Result<Vec<u64>, ClaimError> {
        self.0.write(|transaction| Box::pin(begin(transaction, warrant, order))).await
    }
}

async fn begin(
    transaction: &mut Transaction<'_>,
    warrant: &Warrant,
    order: &Order,
) -> Result<Vec<u64>, ClaimError> {
    let application = &warrant.application;
    let numbers = number(transaction, application, warrant.fencing_token, order.starts.len()).await?;
    let text = Value::from(application.as_str());
    let used = [warrant.permit.as_str().into(), text.clone(), order.at.into()];
    transaction.execute(USE, &used).await?;
    for (place, since) in &order.covered {
        let row = [
            text.clone(),
            place.store.as_str().into(),
            place.bucket.as_str().into(),
            place.key.as_str().into(),
            (*since).into(),
            warrant.permit.as_str().into(),
        ];
        transaction.execute(COVER, &row).await?;
    }
    for kind in &order.ended {
        transaction.execute(END, &[text.clone(), kind.as_str().into()]).await?;
    }
    let begun = numbers.iter().zip(&order.starts).map(|(number, (content, start))| (*number, content, start));
    replace(transaction, application, &order.obsolete, begun).await?;
    Ok(numbers)
}

fn object(row: &Row) -> Result<Object, mint_store::Error> {
    let corrupt =
        |what: &str| mint_store::Error::Corrupt { detail: format!("an object's {what} is not valid") };
    let account = row.optional_text("account_id")?.map(|text| text.parse()).transpose();
    let owner = row.optional_text("region")?.zip(account.map_err(|_| corrupt("account"))?);
    let since = row.optional_integer("tombstone_since")?;
    Ok(Object {
        place: Place { store: row.text("store")?, bucket: row.text("bucket")?, key: row.text("object_key")? },
        kind: row.text("kind")?.parse().map_err(|_| corrupt("kind"))?,
        owner,
        kms_key_id: row.optional_text("kms_key_id")?,
        since: since.map(mint_types::Timestamp::from_unix_micros),
        permit: row.optional_text("permit")?,
    })
}

#[cfg(test)]
#[path = "tombstones_contract.rs"]
mod contract;
