use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mint_audit::{DatabaseLog, Draft, Error, Filter, Leaf, Log, LogStore, MIGRATIONS, Page, Refusal, SCHEMA};
use mint_port::Port;
use mint_testkit::{ManualClock, SeededEntropy, databases};

use crate::stage::init;

/// Counts commits, waits before each until it is told to go on, and fails when it is told to.
#[derive(Debug)]
struct Gated {
    inner: DatabaseLog,
    commits: AtomicU64,
    gate: tokio::sync::Semaphore,
    broken: std::sync::atomic::AtomicBool,
}

#[tonic::async_trait]
impl LogStore for Gated {
    async fn append(&self, batch: &[Draft]) -> Result<Vec<Result<Leaf, Refusal>>, Error> {
        self.gate.acquire().await.unwrap().forget();
        if self.broken.load(Ordering::SeqCst) {
            let full = mint_store::Error::Unavailable { detail: "the disk is full".into() };
            return Err(Error::StateUnavailable(full));
        }
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.inner.append(batch).await
    }

    async fn list(&self, filter: &Filter, start: u64, size: u32) -> Result<Page, Error> {
        self.inner.list(filter, start, size).await
    }
}

async fn gated() -> (Arc<Gated>, mint_testkit::TestDatabase) {
    let at = databases(SCHEMA, MIGRATIONS).await.remove(0);
    let inner = DatabaseLog::new(at.database.clone(), Arc::new(ManualClock::default()));
    let gated = Gated {
        inner,
        commits: AtomicU64::new(0),
        gate: tokio::sync::Semaphore::new(0),
        broken: false.into(),
    };
    (Arc::new(gated), at)
}

#[tokio::test]
async fn appends_that_wait_for_a_commit_share_the_next_one() {
    let (store, _at) = gated().await;
    let (log, writer) = Log::new(Port::new(store.clone()));
    tokio::spawn(writer.run());
    let entropy = SeededEntropy::default();
    let appends: Vec<_> = (0..200)
        .map(|number| {
            let (log, draft) = (log.clone(), init(&entropy, &format!("user-{number}")));
            tokio::spawn(async move { log.append(draft).await.unwrap().unwrap().index })
        })
        .collect();
    // All are queued before the first commit ends: the first takes what it found, the second the rest.
    while store.commits.load(Ordering::SeqCst) == 0 {
        for _ in 0..300 {
            tokio::task::yield_now().await;
        }
        store.gate.add_permits(1);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    store.gate.add_permits(10);
    let mut indexes = Vec::new();
    for append in appends {
        indexes.push(append.await.unwrap());
    }
    indexes.sort_unstable();
    assert_eq!(indexes, (0..200).collect::<Vec<_>>(), "every caller has its own leaf");
    let commits = store.commits.load(Ordering::SeqCst);
    assert!(commits <= 3, "200 entries took {commits} commits");
}

#[tokio::test]
async fn a_failed_commit_fails_every_entry_of_its_batch() {
    let (store, _at) = gated().await;
    let (log, writer) = Log::new(Port::new(store.clone()));
    tokio::spawn(writer.run());
    let entropy = SeededEntropy::default();
    store.broken.store(true, Ordering::SeqCst);
    let drafts: Vec<Draft> = (0..10).map(|number| init(&entropy, &format!("user-{number}"))).collect();
    let appends: Vec<_> = drafts
        .iter()
        .map(|draft| {
            let (log, draft) = (log.clone(), draft.clone());
            tokio::spawn(async move { log.append(draft).await })
        })
        .collect();
    store.gate.add_permits(20);
    for append in appends {
        let error = append.await.unwrap().unwrap_err();
        assert_eq!(error.code(), mint_types::Code::Unavailable);
    }
    assert!(store.list(&Filter::default(), 0, 10).await.unwrap().entries.is_empty());

    store.broken.store(false, Ordering::SeqCst);
    assert_eq!(log.append(drafts[3].clone()).await.unwrap().unwrap().index, 0, "and the log goes on");
}

#[tokio::test]
async fn without_its_writer_the_log_refuses() {
    let (store, _at) = gated().await;
    let (log, writer) = Log::new(Port::new(store));
    drop(writer);
    let refused = log.append(init(&SeededEntropy::default(), "stups_kio")).await;
    assert!(matches!(refused, Err(Error::ShuttingDown)));
}
