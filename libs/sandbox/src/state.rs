//! What this world remembers over a restart: `DIR/sandbox/state.db`. Of secrets it holds hashes only.

use std::path::Path;

use mint_store::{Database, Error, Migration};

static MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "world", sql: include_str!("state/0001_world.sql") },
    Migration { version: 2, name: "glewlwyd", sql: include_str!("state/0002_glewlwyd.sql") },
];

/// Opens (and creates, for its owner alone) the database below the world's directory.
pub(crate) async fn open(directory: &Path) -> Result<Database, Error> {
    let path = directory.join("sandbox").join("state.db");
    Database::open(&format!("sqlite://{}", path.display()), "sandbox", MIGRATIONS, true).await
}
