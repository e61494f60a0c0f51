//! How the catalog is taken in.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use mint_coordinator::{Catalog, CatalogPage, Store, take_in_catalog};
use mint_port::Port;
use mint_saga::Failure;
use mint_types::{Application, Revision};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::stage::{Stage, application};

/// A catalog in memory whose streams can be cut.
#[derive(Debug, Clone)]
struct MemoryCatalog {
    records: watch::Sender<Vec<Application>>,
    asked: Arc<Mutex<Vec<(&'static str, u64)>>>,
    cut: watch::Sender<u64>,
    page: usize,
}

impl MemoryCatalog {
    fn new(page: usize) -> Self {
        Self {
            records: watch::Sender::new(Vec::new()),
            asked: Arc::default(),
            cut: watch::Sender::new(0),
            page,
        }
    }

    fn put(&self, record: Application) {
        self.records.send_modify(|records| {
            records.retain(|known| known.id != record.id);
            records.push(record);
        });
    }

    fn since(&self, since: Revision) -> Vec<Application> {
        let records = self.records.borrow();
        records.iter().filter(|record| record.revision > since).cloned().collect()
    }
}

#[async_trait]
impl Catalog for MemoryCatalog {
    async fn list(&self, since: Revision, page_token: &str) -> Result<CatalogPage, Failure> {
        self.asked.lock().unwrap().push(("list", since.0));
        let start: usize = page_token.parse().unwrap_or(0);
        let records = self.since(since);
        let end = (start + self.page).min(records.len());
        Ok(CatalogPage {
            revision: records.iter().map(|record| record.revision).max().unwrap_or(since),
            next_page_token: if end < records.len() { end.to_string() } else { String::new() },
            records: records[start..end].to_vec(),
        })
    }

    async fn watch(
        &self,
        since: Revision,
    ) -> Result<BoxStream<'static, Result<Application, Failure>>, Failure> {
        self.asked.lock().unwrap().push(("watch", since.0));
        let catalog = self.clone();
        let changes = self.records.subscribe();
        let mut cut = self.cut.subscribe();
        let records = stream::unfold((since, changes, catalog), |(since, mut changes, catalog)| async move {
            loop {
                changes.mark_unchanged();
                if let Some(record) = catalog.since(since).into_iter().next() {
                    let since = record.revision;
                    return Some((Ok(record), (since, changes, catalog)));
                }
                changes.changed().await.ok()?;
            }
        });
        let cut = async move {
            drop(cut.changed().await);
        };
        Ok(records.take_until(Box::pin(cut)).boxed())
    }
}

async fn wait_for(stage: &Stage, id: &str, revision: u64) {
    for _ in 0..1000 {
        let desk = stage.store.desk(&id.parse().unwrap()).await.unwrap();
        if desk.is_some_and(|desk| desk.record.revision.0 == revision) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{id} at {revision} was not taken in");
}

#[tokio::test]
async fn the_catalog_is_listed_in_pages_and_then_followed_across_broken_streams() {
    let stage = Stage::new().await;
    let catalog = MemoryCatalog::new(2);
    for number in 1..=5 {
        catalog.put(application(&format!("app-{number}"), number));
    }
    let shutdown = CancellationToken::new();
    let intake = tokio::spawn(take_in_catalog(
        Arc::clone(&stage.parts),
        Port::new(Arc::new(catalog.clone())),
        shutdown.clone(),
    ));
    wait_for(&stage, "app-5", 5).await;
    catalog.put(application("app-2", 6));
    wait_for(&stage, "app-2", 6).await;
    catalog.cut.send_modify(|cuts| *cuts += 1);
    catalog.put(application("app-3", 7));
    wait_for(&stage, "app-3", 7).await;
    shutdown.cancel();
    intake.await.unwrap();

    let asked = catalog.asked.lock().unwrap().clone();
    assert_eq!(asked[..4], [("list", 0), ("list", 0), ("list", 0), ("watch", 5)]);
    assert!(asked[4..].iter().all(|(_, since)| *since >= 6), "it goes on where it stopped: {asked:?}");
    assert_eq!(stage.store.revision().await.unwrap(), Revision(7));
}

#[tokio::test]
async fn a_restart_goes_on_at_the_durable_revision() {
    let stage = Stage::new().await;
    stage.take_in(&[application("app-1", 4)]).await;
    let catalog = MemoryCatalog::new(10);
    catalog.put(application("app-2", 9));
    let shutdown = CancellationToken::new();
    let intake = tokio::spawn(take_in_catalog(
        Arc::clone(&stage.parts),
        Port::new(Arc::new(catalog.clone())),
        shutdown.clone(),
    ));
    wait_for(&stage, "app-2", 9).await;
    shutdown.cancel();
    intake.await.unwrap();
    assert_eq!(catalog.asked.lock().unwrap()[0], ("list", 4));
}

#[tokio::test]
async fn a_revision_from_the_future_is_passed_over_and_the_true_ones_after_it_are_believed() {
    let stage = Stage::new().await;
    let catalog = MemoryCatalog::new(10);
    catalog.put(application("app-1", 4));
    let shutdown = CancellationToken::new();
    let intake = tokio::spawn(take_in_catalog(
        Arc::clone(&stage.parts),
        Port::new(Arc::new(catalog.clone())),
        shutdown.clone(),
    ));
    wait_for(&stage, "app-1", 4).await;
    // a catalog that somebody else holds for a minute, and that is well again
    catalog.put(application("app-1", 1 << 62));
    catalog.put(application("app-2", 5));
    catalog.cut.send_modify(|cuts| *cuts += 1);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(stage.store.revision().await.unwrap(), Revision(4), "nothing of it is kept");
    catalog.put(application("app-1", 6));
    catalog.cut.send_modify(|cuts| *cuts += 1);
    wait_for(&stage, "app-2", 5).await;
    wait_for(&stage, "app-1", 6).await;
    shutdown.cancel();
    intake.await.unwrap();
    assert_eq!(stage.store.revision().await.unwrap(), Revision(6));
}
