//! The contract of the store, on SQLite, with `MINT_TEST_POSTGRES` on PostgreSQL, with the feature `simulated` on the
//! engine of simulations.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    os::unix::fs::PermissionsExt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use mint_store::{Database, Error, Migration, Transaction, Value};

const SCHEMA: &str = "store_test";
const FIRST: Migration = Migration {
    version: 1,
    name: "counters",
    sql: "CREATE TABLE counters (name TEXT PRIMARY KEY, count BIGINT NOT NULL, note TEXT, seal BYTEA, \
          CHECK (count >= 0)); CREATE INDEX counters_by_count ON counters (count);",
};
const ONE: &[Migration] = &[FIRST];
const TWO: &[Migration] =
    &[FIRST, Migration { version: 2, name: "more", sql: "CREATE TABLE more (id BIGINT PRIMARY KEY)" }];
const CHANGED: &[Migration] = &[Migration { sql: "CREATE TABLE other (id BIGINT PRIMARY KEY)", ..FIRST }];

#[derive(Clone)]
enum Place {
    At {
        url: String,
        _directory: Option<Arc<tempfile::TempDir>>,
    },
    #[cfg(feature = "simulated")]
    Simulated(mint_store::SimulatedDisk),
}

impl Place {
    async fn open(&self, migrations: &'static [Migration], migrate: bool) -> Result<Database, Error> {
        match self {
            Self::At { url, .. } => Database::open(url, SCHEMA, migrations, migrate).await,
            #[cfg(feature = "simulated")]
            Self::Simulated(disk) => Database::open_simulated(disk, SCHEMA, migrations, migrate, None).await,
        }
    }
}

async fn places() -> Vec<Place> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/a/state.db", directory.path().display());
    let mut places = vec![Place::At { url, _directory: Some(Arc::new(directory)) }];
    #[cfg(feature = "simulated")]
    places.push(Place::Simulated(mint_store::SimulatedDisk::new().unwrap()));
    if let Ok(server) = std::env::var("MINT_TEST_POSTGRES") {
        let name = format!("store_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let pool = sqlx::PgPool::connect(&server).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&pool).await.unwrap();
        let (before, query) =
            server.split_once('?').map_or((&*server, None), |(before, query)| (before, Some(query)));
        let base = before.rsplit_once('/').unwrap().0;
        let url = query.map_or(format!("{base}/{name}"), |query| format!("{base}/{name}?{query}"));
        places.push(Place::At { url, _directory: None });
    }
    places
}

async fn open(place: &Place) -> Database {
    place.open(ONE, true).await.unwrap()
}

async fn count(database: &Database, name: &str) -> Option<i64> {
    let row =
        database.query_optional("SELECT count FROM counters WHERE name = $1", &[name.into()]).await.unwrap();
    row.map(|row| row.integer("count").unwrap())
}

async fn insert(transaction: &mut Transaction<'_>, name: &str, number: i64) -> Result<(), Error> {
    let statement = "INSERT INTO counters (name, count) VALUES ($1, $2)";
    transaction.execute(statement, &[name.into(), number.into()]).await.map(|_| ())
}

#[tokio::test]
async fn contract_a_write_is_readable_after_reopening() {
    for place in places().await {
        let first = open(&place).await;
        first.write(|transaction| Box::pin(insert(transaction, "a", 7))).await.unwrap();
        first.close().await;
        let again = place.open(ONE, false).await.unwrap();
        assert_eq!(count(&again, "a").await, Some(7));
    }
}

#[tokio::test]
async fn contract_every_type_comes_back_as_it_went_in() {
    for place in places().await {
        let database = open(&place).await;
        let statement = "INSERT INTO counters (name, count, note, seal) VALUES ($1, $2, $3, $4)";
        let none: Option<&str> = None;
        for (name, note, seal) in [
            ("first", Value::Null, Value::from(&b"\x00\xff"[..])),
            ("second", "x".into(), Value::Null),
            ("third", none.into(), Value::from(Vec::new())),
        ] {
            database
                .execute(statement, &[name.into(), Value::unsigned(5).unwrap(), note, seal])
                .await
                .unwrap();
        }
        let rows = database.query("SELECT * FROM counters ORDER BY name", &[]).await.unwrap();
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[0].optional_text("note").unwrap(), None);
        assert_eq!(rows[0].bytes("seal").unwrap(), b"\x00\xff");
        assert_eq!(rows[1].text("note").unwrap(), "x");
        assert_eq!(rows[1].optional_bytes("seal").unwrap(), None);
        assert_eq!(rows[2].bytes("seal").unwrap(), b"");
        assert_eq!(rows[2].unsigned("count").unwrap(), 5);
        assert!(matches!(rows[0].text("note"), Err(Error::Corrupt { .. })));
        assert!(matches!(rows[0].integer("name"), Err(Error::Corrupt { .. })));
        assert!(matches!(rows[0].integer("absent"), Err(Error::Corrupt { .. })));
        let total = database.query("SELECT COUNT(*) AS total FROM counters", &[]).await.unwrap();
        assert_eq!(total[0].integer("total").unwrap(), 3);
    }
}

#[tokio::test]
async fn contract_a_failed_write_leaves_nothing() {
    for place in places().await {
        let database = open(&place).await;
        let refused: Result<(), Error> = database
            .write(|transaction| {
                Box::pin(async move {
                    insert(transaction, "a", 1).await?;
                    Err(Error::Refused { detail: "no".into() })
                })
            })
            .await;
        assert_eq!(refused, Err(Error::Refused { detail: "no".into() }));
        assert_eq!(count(&database, "a").await, None);
    }
}

#[tokio::test]
async fn contract_a_swallowed_error_still_rolls_back() {
    for place in places().await {
        let database = open(&place).await;
        database.write(|transaction| Box::pin(insert(transaction, "a", 1))).await.unwrap();
        let swallowed = database
            .write(|transaction| {
                Box::pin(async move {
                    insert(transaction, "b", 1).await?;
                    let _swallowed = insert(transaction, "a", 2).await;
                    Ok::<_, Error>(())
                })
            })
            .await;
        assert!(swallowed.unwrap_err().is_conflict());
        assert_eq!(count(&database, "b").await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_concurrent_increments_are_all_counted() {
    for place in places().await {
        let database = open(&place).await;
        database.write(|transaction| Box::pin(insert(transaction, "a", 0))).await.unwrap();
        let increments = (0..24).map(|_| {
            let database = database.clone();
            tokio::spawn(async move { increment(&database, "a").await })
        });
        for outcome in futures::future::join_all(increments).await {
            outcome.unwrap().unwrap();
        }
        assert_eq!(count(&database, "a").await, Some(24));
    }
}

/// Reads, then writes what it read plus one: loses updates unless writes are serializable. Borrows its argument.
async fn increment(database: &Database, name: &str) -> Result<i64, Error> {
    database
        .write(|transaction| {
            Box::pin(async move {
                let args = [Value::from(name)];
                let read =
                    transaction.query_optional("SELECT count FROM counters WHERE name = $1", &args).await?;
                let next = read.map_or(Ok(0), |row| row.integer("count"))? + 1;
                tokio::task::yield_now().await;
                let update = "UPDATE counters SET count = $2 WHERE name = $1";
                transaction.execute(update, &[name.into(), next.into()]).await?;
                Ok(next)
            })
        })
        .await
}

#[tokio::test]
async fn contract_conflicts_are_told_from_refusals() {
    for place in places().await {
        let database = open(&place).await;
        database.write(|transaction| Box::pin(insert(transaction, "a", 1))).await.unwrap();
        let twice = database.write(|transaction| Box::pin(insert(transaction, "a", 1))).await.unwrap_err();
        assert!(twice.is_conflict(), "{twice}");
        let negative =
            database.write(|transaction| Box::pin(insert(transaction, "b", -1))).await.unwrap_err();
        assert!(matches!(negative, Error::Refused { .. }), "{negative}");
        let nonsense = database.execute("UPDATE nothing SET x = 1", &[]).await.unwrap_err();
        assert!(matches!(nonsense, Error::Refused { .. }), "{nonsense}");
    }
}

#[tokio::test]
async fn contract_errors_never_contain_argument_values() {
    const CANARY: &str = "canary-1f2e3d";
    for place in places().await {
        let database = open(&place).await;
        let statement = "INSERT INTO counters (name, count) VALUES ($1, $2)";
        database.execute(statement, &[CANARY.into(), 1.into()]).await.unwrap();
        let mut errors = vec![database.execute(statement, &[CANARY.into(), 1.into()]).await.unwrap_err()];
        let row = database.query("SELECT name FROM counters", &[]).await.unwrap().remove(0);
        errors.push(row.integer("name").unwrap_err());
        let cast = "SELECT CAST(CAST($1 AS TEXT) AS BIGINT) AS number";
        if database.engine() == "postgres" {
            // SQLite has no types to violate: it stores the text, and casts it to 0.
            errors.push(database.execute(statement, &["x".into(), CANARY.into()]).await.unwrap_err());
            errors.push(database.query(cast, &[CANARY.into()]).await.unwrap_err());
        }
        for error in errors {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            let shown = format!("{error} {error:?} {source:?}");
            assert!(!shown.contains("canary"), "{shown}");
        }
        assert!(!format!("{row:?} {database:?}").contains("canary"));
    }
}

#[tokio::test]
async fn contract_the_read_pool_cannot_write() {
    for place in places().await {
        let database = open(&place).await;
        let written =
            database.query("INSERT INTO counters (name, count) VALUES ('a', 1) RETURNING count", &[]).await;
        assert!(written.is_err());
        assert_eq!(count(&database, "a").await, None);
    }
}

#[tokio::test]
async fn contract_a_newer_database_is_refused() {
    for place in places().await {
        place.open(TWO, true).await.unwrap().close().await;
        for migrate in [true, false] {
            let refused = place.open(ONE, migrate).await.unwrap_err();
            assert_eq!(refused, Error::Newer { database: 2, program: 1 });
        }
    }
}

#[tokio::test]
async fn contract_a_changed_migration_is_refused() {
    for place in places().await {
        open(&place).await.close().await;
        for migrate in [true, false] {
            let refused = place.open(CHANGED, migrate).await.unwrap_err();
            assert_eq!(refused, Error::Changed { version: 1 });
        }
    }
}

#[tokio::test]
async fn contract_a_missing_migration_is_told_when_migrating_is_not_allowed() {
    for place in places().await {
        let empty = place.open(ONE, false).await.unwrap_err();
        assert_eq!(empty, Error::Outdated { missing: 1 });
        open(&place).await.close().await;
        let behind = place.open(TWO, false).await.unwrap_err();
        assert_eq!(behind, Error::Outdated { missing: 2 });
        place.open(TWO, true).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_replicas_that_start_at_once_migrate_once() {
    for place in places().await {
        let starts = (0..4).map(|_| {
            let place = place.clone();
            tokio::spawn(async move { place.open(TWO, true).await.map(|_| ()) })
        });
        for outcome in futures::future::join_all(starts).await {
            outcome.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn contract_a_closed_store_is_unavailable() {
    for place in places().await {
        let database = open(&place).await;
        database.ping().await.unwrap();
        database.close().await;
        assert!(database.ping().await.unwrap_err().is_unavailable());
        assert!(database.execute("DELETE FROM counters", &[]).await.unwrap_err().is_unavailable());
    }
}

#[tokio::test]
async fn a_sqlite_file_is_readable_by_its_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    std::fs::write(&path, b"").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let url = format!("sqlite://{}", path.display());
    let _database = Database::open(&url, SCHEMA, ONE, true).await.unwrap();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.path());
    }
}

#[tokio::test]
async fn a_transaction_that_the_engine_ended_by_itself_does_not_spoil_the_next() {
    let place = places().await.remove(0);
    let database = open(&place).await;
    let broken = database.write(|transaction| {
        Box::pin(async move {
            insert(transaction, "lost", 1).await?;
            // what SQLite does by itself when the disk is full
            transaction.execute("ROLLBACK", &[]).await?;
            insert(transaction, "lost", 1).await?;
            Err::<(), _>(Error::Refused { detail: "given up".to_owned() })
        })
    });
    assert!(broken.await.is_err());
    database.write(|transaction| Box::pin(insert(transaction, "kept", 1))).await.unwrap();
    assert_eq!(count(&database, "kept").await, Some(1));
}

#[tokio::test]
async fn a_full_disk_is_unavailable() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/state.db", directory.path().display());
    let database = Database::open(&url, SCHEMA, ONE, true).await.unwrap();
    database.query("PRAGMA page_count", &[]).await.unwrap();
    let full = database
        .write(|transaction| {
            Box::pin(async move {
                transaction.query("PRAGMA max_page_count = 8", &[]).await?;
                let big = "x".repeat(100_000);
                transaction
                    .execute("INSERT INTO counters (name, count, note) VALUES ('a', 1, $1)", &[big.into()])
                    .await
            })
        })
        .await
        .unwrap_err();
    assert_eq!(full, Error::Unavailable { detail: "the disk is full".into() });
    assert_eq!(count(&database, "a").await, None);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_corrupt() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    std::fs::write(&path, "this is not a database".repeat(400)).unwrap();
    let url = format!("sqlite://{}", path.display());
    let refused = Database::open(&url, SCHEMA, ONE, true).await.unwrap_err();
    assert!(matches!(refused, Error::Corrupt { .. }), "{refused}");
}

#[tokio::test]
async fn an_unusable_url_is_refused_without_being_quoted() {
    for url in ["mysql://root:hunter2@host/db", "sqlite://relative.db", "sqlite::memory:", "hunter2"] {
        let refused = Database::open(url, SCHEMA, ONE, true).await.unwrap_err();
        assert!(matches!(refused, Error::Url { .. }), "{refused}");
        assert!(!refused.to_string().contains("hunter2"));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let refused = Database::open("postgres://mint@127.0.0.1:1/mint", SCHEMA, ONE, false).await.unwrap_err();
    assert!(refused.is_unavailable(), "{refused}");
}

#[cfg(feature = "simulated")]
mod simulated {
    use futures::future::BoxFuture;
    use mint_store::{CommitProbe, SimulatedDisk};

    use super::*;

    /// Fails, or dies, before or after the commit.
    #[derive(Debug, Clone, Copy)]
    enum Trouble {
        FailsBefore,
        FailsAfter,
        DiesBefore,
        DiesAfter,
    }

    impl CommitProbe for Trouble {
        fn before_commit(&self) -> BoxFuture<'_, Result<(), Error>> {
            Box::pin(async move {
                match self {
                    Self::FailsBefore => Err(Error::Unavailable { detail: "the disk is full".to_owned() }),
                    Self::DiesBefore => std::future::pending().await,
                    Self::FailsAfter | Self::DiesAfter => Ok(()),
                }
            })
        }

        fn after_commit(&self) -> BoxFuture<'_, Result<(), Error>> {
            Box::pin(async move {
                match self {
                    Self::FailsAfter => {
                        Err(Error::OutcomeUnknown { detail: "the connection broke".to_owned() })
                    }
                    Self::DiesAfter => std::future::pending().await,
                    Self::FailsBefore | Self::DiesBefore => Ok(()),
                }
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_is_kept_or_lost_by_where_its_process_ends() {
        let disk = SimulatedDisk::new().unwrap();
        let plain = Database::open_simulated(&disk, SCHEMA, ONE, true, None).await.unwrap();
        for (name, trouble, answers, kept) in [
            ("a", Trouble::FailsBefore, true, false),
            ("b", Trouble::FailsAfter, true, true),
            ("c", Trouble::DiesBefore, false, false),
            ("d", Trouble::DiesAfter, false, true),
        ] {
            let probe: Arc<dyn CommitProbe> = Arc::new(trouble);
            let process = Database::open_simulated(&disk, SCHEMA, ONE, false, Some(probe)).await.unwrap();
            let write = process.write(|transaction| Box::pin(insert(transaction, name, 1)));
            let outcome = tokio::time::timeout(std::time::Duration::from_secs(1), write).await;
            assert_eq!(outcome.is_ok(), answers, "{trouble:?}");
            assert!(outcome.is_err() || outcome.is_ok_and(|answer| answer.is_err()));
            assert_eq!(count(&plain, name).await.is_some(), kept, "{trouble:?}");
        }
    }

    #[tokio::test]
    async fn an_argument_is_found_by_its_number_wherever_it_stands() {
        let disk = SimulatedDisk::new().unwrap();
        let database = Database::open_simulated(&disk, SCHEMA, ONE, true, None).await.unwrap();
        let statement = "INSERT INTO counters (count, name) VALUES ($2, $1)";
        database.execute(statement, &["a".into(), 3.into()]).await.unwrap();
        assert_eq!(count(&database, "a").await, Some(3));
        let missing = database.execute(statement, &["b".into()]).await.unwrap_err();
        assert!(matches!(missing, Error::Refused { .. }), "{missing}");
    }
}
