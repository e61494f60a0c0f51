//! The contract of the store, on SQLite, and with `MINT_TEST_POSTGRES` on PostgreSQL; and what is SQLite's own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod contract;

use std::{
    os::unix::fs::PermissionsExt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use contract::{ONE, Place, SCHEMA, count, insert, open};
use mint_store::{Database, Error};

/// A URL, and what must live as long as it is opened.
fn at(url: String, directory: Option<tempfile::TempDir>) -> Place {
    let kept = Arc::new((url, directory));
    Place(Arc::new(move |migrations, migrate| {
        let kept = Arc::clone(&kept);
        Box::pin(async move { Database::open(&kept.0, SCHEMA, migrations, migrate).await })
    }))
}

async fn places() -> Vec<Place> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/a/state.db", directory.path().display());
    let mut places = vec![at(url, Some(directory))];
    if let Ok(server) = std::env::var("MINT_TEST_POSTGRES") {
        let name = format!("store_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let pool = sqlx::PgPool::connect(&server).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&pool).await.unwrap();
        let (before, query) =
            server.split_once('?').map_or((&*server, None), |(before, query)| (before, Some(query)));
        let base = before.rsplit_once('/').unwrap().0;
        let url = query.map_or(format!("{base}/{name}"), |query| format!("{base}/{name}?{query}"));
        places.push(at(url, None));
    }
    places
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
