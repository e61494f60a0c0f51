//! The simulated disk keeps the store's contract, and dies as it is told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../../libs/store/tests/contract/mod.rs"]
mod contract;

use std::sync::Arc;

use contract::{ONE, Place, SCHEMA, count, insert};
use futures::future::BoxFuture;
use mint_sim::{CommitProbe, Disk};
use mint_store::Error;

/// As many engines as the contract asks for: this one.
#[allow(clippy::unused_async, reason = "others ask a server")]
async fn places() -> Vec<Place> {
    let disk = Disk::new().unwrap();
    vec![Place(Arc::new(move |migrations, migrate| {
        let disk = disk.clone();
        Box::pin(async move { disk.open(SCHEMA, migrations, migrate, None).await })
    }))]
}

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
                Self::FailsAfter => Err(Error::OutcomeUnknown { detail: "the connection broke".to_owned() }),
                Self::DiesAfter => std::future::pending().await,
                Self::FailsBefore | Self::DiesBefore => Ok(()),
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_is_kept_or_lost_by_where_its_process_ends() {
    let disk = Disk::new().unwrap();
    let plain = disk.open(SCHEMA, ONE, true, None).await.unwrap();
    for (name, trouble, answers, kept) in [
        ("a", Trouble::FailsBefore, true, false),
        ("b", Trouble::FailsAfter, true, true),
        ("c", Trouble::DiesBefore, false, false),
        ("d", Trouble::DiesAfter, false, true),
    ] {
        let probe: Arc<dyn CommitProbe> = Arc::new(trouble);
        let process = disk.open(SCHEMA, ONE, false, Some(probe)).await.unwrap();
        let write = process.write(|transaction| Box::pin(insert(transaction, name, 1)));
        let outcome = tokio::time::timeout(std::time::Duration::from_secs(1), write).await;
        assert_eq!(outcome.is_ok(), answers, "{trouble:?}");
        assert!(outcome.is_err() || outcome.is_ok_and(|answer| answer.is_err()));
        assert_eq!(count(&plain, name).await.is_some(), kept, "{trouble:?}");
    }
}

#[tokio::test]
async fn an_argument_is_found_by_its_number_wherever_it_stands() {
    let disk = Disk::new().unwrap();
    let database = disk.open(SCHEMA, ONE, true, None).await.unwrap();
    let statement = "INSERT INTO counters (count, name) VALUES ($2, $1)";
    database.execute(statement, &["a".into(), 3.into()]).await.unwrap();
    assert_eq!(count(&database, "a").await, Some(3));
    let missing = database.execute(statement, &["b".into()]).await.unwrap_err();
    assert!(matches!(missing, Error::Refused { .. }), "{missing}");
}
