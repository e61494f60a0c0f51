//! Telling others what changed: pages of a list, and a stream that goes on where a list ended.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt, stream};
use mint_api::{Fault, InvalidMessage};
use mint_types::{Application, Revision};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;

use crate::{Error, catalog::Catalog, model::Record, settings::Defaults};

/// Records of a page when the caller does not say.
const PAGE: u32 = 500;
const LARGEST_PAGE: u32 = 5000;
/// Records read at a time for a watcher.
const READ: u32 = 200;
/// Records that wait for a watcher in memory; the rest waits in the database.
const BUFFER: usize = 64;
/// A watcher that takes nothing for this long is told to come back.
const PATIENCE: Duration = Duration::from_secs(30);
/// Other replicas' changes ring no bell here.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Records changed between two revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// By ascending revision.
    pub applications: Vec<Application>,
    /// Empty at the end.
    pub next_page_token: String,
    /// The catalog's revision when the list began.
    pub revision: Revision,
}

/// What is served of the catalog.
#[derive(Debug, Clone)]
pub struct Feed {
    catalog: Catalog,
    defaults: Arc<Defaults>,
    patience: Duration,
}

/// Changes, and why they end.
pub type Changes = Pin<Box<dyn Stream<Item = Result<Application, Fault>> + Send>>;

impl Feed {
    /// Of this catalog.
    pub fn new(catalog: Catalog, defaults: Arc<Defaults>) -> Self {
        Self { catalog, defaults, patience: PATIENCE }
    }

    /// The same with another patience, for tests.
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// A record as it is served.
    pub fn served(&self, record: Record) -> Application {
        record.served(&self.defaults)
    }

    /// The records changed after `since`. What changes while the pages are read is not in them: watch from the revision
    /// that they answer.
    pub async fn list(&self, since: Revision, page_size: u32, page_token: &str) -> Result<Page, Error> {
        let limit = match page_size {
            0 => PAGE,
            1..=LARGEST_PAGE => page_size,
            _ => return Err(invalid("page_size", format!("at most {LARGEST_PAGE} is allowed"))),
        };
        let actual = self.at_least(since).await?;
        let (after, until) = if page_token.is_empty() { (since, actual) } else { cursor(page_token)? };
        let records = self.catalog.page(after, until, limit).await?;
        let full = u32::try_from(records.len()).is_ok_and(|length| length == limit);
        let last = records.last().map(|record| record.revision).filter(|last| full && *last < until);
        Ok(Page {
            next_page_token: last.map(|last| format!("{last}-{until}")).unwrap_or_default(),
            applications: records.into_iter().map(|record| self.served(record)).collect(),
            revision: until,
        })
    }

    /// The catalog's revision; refused if the caller has seen a later one.
    pub async fn at_least(&self, wanted: Revision) -> Result<Revision, Error> {
        let actual = self.catalog.revision().await?;
        if actual < wanted { Err(Error::CatalogBehind { wanted, actual }) } else { Ok(actual) }
    }

    /// Every record changed after `since`, then each change as it becomes durable. Nothing is lost between the two: both
    /// are read from the catalog by revision.
    pub async fn watch(&self, since: Revision) -> Result<Changes, Error> {
        self.at_least(since).await?;
        let (sender, receiver) = mpsc::channel(BUFFER);
        let (end, ended) = oneshot::channel::<Fault>();
        let bell = self.catalog.subscribe();
        let feed = self.clone();
        tokio::spawn(async move {
            if let Err(error) = feed.follow(since, bell, sender).await {
                tracing::info!(code = error.reason(), "a watch ends");
                // Whoever watched may be gone already.
                let _gone = end.send(error.into());
            }
        });
        let ending = stream::once(ended).filter_map(|fault| async move { fault.ok().map(Err) });
        Ok(Box::pin(ReceiverStream::new(receiver).map(Ok).chain(ending)))
    }

    async fn follow(
        &self,
        since: Revision,
        mut bell: watch::Receiver<Revision>,
        sender: mpsc::Sender<Application>,
    ) -> Result<(), Error> {
        let mut after = since;
        loop {
            bell.mark_unchanged();
            let records = self.catalog.page(after, Revision(u64::MAX >> 1), READ).await?;
            let caught_up = records.is_empty();
            for record in records {
                let revision = record.revision;
                match tokio::time::timeout(self.patience, sender.send(self.served(record))).await {
                    Ok(Ok(())) => after = revision,
                    Ok(Err(_)) => return Ok(()),
                    Err(_) => return Err(Error::WatcherTooSlow),
                }
            }
            if caught_up && !self.wait(&mut bell, &sender).await {
                return Ok(());
            }
        }
    }

    /// Until there may be something new; false if nobody watches any more.
    async fn wait(&self, bell: &mut watch::Receiver<Revision>, sender: &mpsc::Sender<Application>) -> bool {
        let again = async {
            if self.catalog.is_shared() {
                tokio::time::sleep(LOOK_AGAIN).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = sender.closed() => false,
            changed = bell.changed() => changed.is_ok(),
            () = again => true,
        }
    }
}

/// `<last revision>-<revision when the list began>`.
fn cursor(token: &str) -> Result<(Revision, Revision), Error> {
    let parsed =
        token.split_once('-').and_then(|(after, until)| Some((after.parse().ok()?, until.parse().ok()?)));
    match parsed {
        Some((after, until)) => Ok((Revision(after), Revision(until))),
        None => Err(invalid("page_token", "it was not made here".to_owned())),
    }
}

fn invalid(field: &'static str, problem: String) -> Error {
    InvalidMessage::new(field, problem).into()
}
