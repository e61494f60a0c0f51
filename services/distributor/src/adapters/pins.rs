//! Pins in SQLite or PostgreSQL: one document an application.

use async_trait::async_trait;
use mint_store::{Database, Transaction, Value};
use mint_types::ApplicationId;

use crate::plan::pins::Pins;
use crate::ports::{KeptPins, PinBoard};

const READ: &str = "SELECT changes, document FROM pin WHERE application = $1";
const FIRST: &str =
    "INSERT INTO pin (application, changes, document) VALUES ($1, 1, $2) ON CONFLICT DO NOTHING";
const NEXT: &str =
    "UPDATE pin SET changes = changes + 1, document = $3 WHERE application = $1 AND changes = $2";

/// The adapter.
#[derive(Debug, Clone)]
pub struct SqlPins(Database);

impl SqlPins {
    /// Over an open database of [`super::MIGRATIONS`].
    pub fn new(database: Database) -> Self {
        Self(database)
    }
}

#[async_trait]
impl PinBoard for SqlPins {
    async fn read(&self, application: &ApplicationId) -> Result<Option<KeptPins>, mint_store::Error> {
        let Some(row) = self.0.query_optional(READ, &[application.as_str().into()]).await? else {
            return Ok(None);
        };
        let pins = serde_json::from_str(&row.text("document")?)
            .map_err(|error| mint_store::Error::Corrupt { detail: format!("a pin is not valid: {error}") })?;
        Ok(Some(KeptPins { pins, changes: row.unsigned("changes")? }))
    }

    async fn keep(
        &self,
        application: &ApplicationId,
        seen: Option<u64>,
        pins: &Pins,
    ) -> Result<bool, mint_store::Error> {
        let document = serde_json::to_string(pins).map_err(|error| mint_store::Error::Refused {
            detail: format!("a pin cannot be written: {error}"),
        })?;
        let changed = self.0.write(|transaction| Box::pin(keep(transaction, application, seen, &document)));
        Ok(changed.await? == 1)
    }
}

async fn keep(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    seen: Option<u64>,
    document: &str,
) -> Result<u64, mint_store::Error> {
    let application = Value::from(application.as_str());
    match seen {
        None => transaction.execute(FIRST, &[application, document.into()]).await,
        Some(seen) => {
            transaction.execute(NEXT, &[application, Value::unsigned(seen)?, document.into()]).await
        }
    }
}

#[cfg(test)]
#[path = "pins_contract.rs"]
mod contract;
