//! What every engine keeps. Whoever includes this brings `places`: an empty place on each of its engines.

use std::sync::Arc;

use futures::future::BoxFuture;
use mint_store::{Database, Error, Migrate, Migration, Transaction, Value};

use super::places;

pub(crate) const SCHEMA: &str = "store_test";
pub(crate) const FIRST: Migration = Migration {
    version: 1,
    name: "counters",
    sql: "CREATE TABLE counters (name TEXT PRIMARY KEY, count BIGINT NOT NULL, note TEXT, seal BYTEA, \
          CHECK (count >= 0)); CREATE INDEX counters_by_count ON counters (count);",
};
pub(crate) const ONE: &[Migration] = &[FIRST];
pub(crate) const TWO: &[Migration] =
    &[FIRST, Migration { version: 2, name: "more", sql: "CREATE TABLE more (id BIGINT PRIMARY KEY)" }];
pub(crate) const CHANGED: &[Migration] =
    &[Migration { sql: "CREATE TABLE other (id BIGINT PRIMARY KEY)", ..FIRST }];

/// How a place is opened.
type Opening =
    dyn Fn(&'static [Migration], Migrate) -> BoxFuture<'static, Result<Database, Error>> + Send + Sync;

/// Somewhere that a database finds again what was written to it.
#[derive(Clone)]
pub(crate) struct Place(pub(crate) Arc<Opening>);

impl Place {
    async fn open(&self, migrations: &'static [Migration], migrate: bool) -> Result<Database, Error> {
        (self.0)(migrations, migrate.into()).await
    }

    async fn accept(&self, migrations: &'static [Migration], origin: &str) -> Result<Database, Error> {
        (self.0)(migrations, Migrate::Accepting(origin.to_owned())).await
    }
}

pub(crate) async fn open(place: &Place) -> Database {
    place.open(ONE, true).await.unwrap()
}

pub(crate) async fn count(database: &Database, name: &str) -> Option<i64> {
    let row =
        database.query_optional("SELECT count FROM counters WHERE name = $1", &[name.into()]).await.unwrap();
    row.map(|row| row.integer("count").unwrap())
}

pub(crate) async fn insert(transaction: &mut Transaction<'_>, name: &str, number: i64) -> Result<(), Error> {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_concurrent_increments_on_rows_are_all_counted() {
    for place in places().await {
        let database = open(&place).await;
        for name in ["a", "b"] {
            database.write(|transaction| Box::pin(insert(transaction, name, 0))).await.unwrap();
        }
        let increments = (0..24).map(|number| {
            let database = database.clone();
            let name = if number % 2 == 0 { "a" } else { "b" };
            tokio::spawn(async move {
                if number % 3 == 0 {
                    increment(&database, name).await
                } else {
                    increment_row(&database, name).await
                }
            })
        });
        for outcome in futures::future::join_all(increments).await {
            outcome.unwrap().unwrap();
        }
        assert_eq!((count(&database, "a").await, count(&database, "b").await), (Some(12), Some(12)));
    }
}

/// Loses updates unless writes are serializable. Borrows its argument.
async fn increment(database: &Database, name: &str) -> Result<i64, Error> {
    database.write(|transaction| Box::pin(add_one(transaction, name))).await
}

/// Loses updates unless a row that was changed meanwhile is noticed.
async fn increment_row(database: &Database, name: &str) -> Result<i64, Error> {
    database.write_on_rows(|transaction| Box::pin(add_one(transaction, name))).await
}

/// Reads, then writes what it read plus one.
async fn add_one(transaction: &mut Transaction<'_>, name: &str) -> Result<i64, Error> {
    let read = transaction
        .query_optional("SELECT count FROM counters WHERE name = $1", &[Value::from(name)])
        .await?;
    let next = read.map_or(Ok(0), |row| row.integer("count"))? + 1;
    tokio::task::yield_now().await;
    transaction
        .execute("UPDATE counters SET count = $2 WHERE name = $1", &[name.into(), next.into()])
        .await?;
    Ok(next)
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
async fn contract_another_origin_is_quarantined_until_it_is_accepted() {
    for place in places().await {
        let database = open(&place).await;
        assert_eq!(database.lost_writes_at(), None);
        let moved = database.execute("UPDATE mint_origins SET origin = 'elsewhere/1'", &[]).await.unwrap();
        if moved == 0 {
            continue; // an engine that cannot tell one history from another
        }
        for migrate in [false, true] {
            let refused = place.open(ONE, migrate).await.unwrap_err();
            assert!(
                matches!(&refused, Error::Quarantined { known, .. } if known == "elsewhere/1"),
                "{refused}"
            );
        }
        let Err(Error::Quarantined { found, .. }) = place.open(ONE, true).await else {
            panic!("it is quarantined")
        };
        let accepted = place.accept(ONE, &found).await.unwrap();
        let lost_writes_at = accepted.lost_writes_at();
        assert!(lost_writes_at.is_some());
        let reopened = place.open(ONE, false).await.unwrap();
        assert_eq!(reopened.lost_writes_at(), lost_writes_at, "it is remembered");
    }
}
