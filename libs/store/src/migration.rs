//! The embedded schema changes of one service.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::{Error, Row};

/// One change of the schema. Once released it never changes: its checksum is in every database.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Ascending from 1.
    pub version: i64,
    /// For people; recorded with the version.
    pub name: &'static str,
    /// Statements that both engines understand: `TEXT`, `BIGINT` and `BYTEA` columns.
    pub sql: &'static str,
}

impl Migration {
    pub(crate) fn checksum(&self) -> String {
        hex::encode(Sha256::digest(self.sql.as_bytes()))
    }
}

pub(crate) const CREATE: &str = "CREATE TABLE IF NOT EXISTS mint_migrations \
     (version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)";
pub(crate) const LIST: &str = "SELECT version, checksum FROM mint_migrations ORDER BY version";
pub(crate) const RECORD: &str = "INSERT INTO mint_migrations (version, name, checksum) VALUES ($1, $2, $3)";

/// Whether a statement was refused because nothing was ever migrated here.
pub(crate) fn has_no_table(detail: &str) -> bool {
    matches!(detail, "SQLite code 1" | "SQLSTATE 42P01")
}

/// Which migrations are still to be run, or why this database is not for this program.
pub(crate) fn pending<'m>(migrations: &'m [Migration], applied: &[Row]) -> Result<Vec<&'m Migration>, Error> {
    let mut recorded = BTreeMap::new();
    for row in applied {
        recorded.insert(row.integer("version")?, row.text("checksum")?);
    }
    let newest = migrations.iter().map(|migration| migration.version).max().unwrap_or(0);
    if let Some((version, _)) = recorded.iter().next_back().filter(|(version, _)| **version > newest) {
        return Err(Error::Newer { database: *version, program: newest });
    }
    if let Some((version, _)) =
        recorded.iter().find(|(version, _)| !migrations.iter().any(|known| known.version == **version))
    {
        return Err(Error::Changed { version: *version });
    }
    let mut missing = Vec::new();
    for migration in migrations {
        match recorded.get(&migration.version) {
            Some(checksum) if *checksum == migration.checksum() => {}
            Some(_) => {
                return Err(Error::Changed { version: migration.version });
            }
            None => missing.push(migration),
        }
    }
    missing.sort_by_key(|migration| migration.version);
    Ok(missing)
}
