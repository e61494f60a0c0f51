//! Takes the catalog in: the list of what changed, then each change; from where it stopped, whatever happens.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use mint_port::Port;
use mint_saga::{Backoff, Failure, reason};
use mint_types::{Application, Revision, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::error::chain;
use crate::policy::Parts;
use crate::ports::Catalog;
use crate::store::{Store, StoreError};

/// One write for as many records as are there already.
const LARGEST_BATCH: usize = 200;

/// The catalog is asked again soon: everything new waits for it.
const BACKOFF: Backoff = Backoff { base: Duration::from_millis(200), cap: Duration::from_secs(10) };

/// Why the intake was broken off.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the catalog: {} ({})", .0.detail, .0.reason)]
    Catalog(Failure),
    #[error("the catalog's changes could not be kept")]
    Store(#[from] StoreError),
}

/// Takes the catalog in until `shutdown`.
pub async fn run(parts: Arc<Parts>, catalog: Port<dyn Catalog>, shutdown: CancellationToken) {
    let mut failures = 0;
    loop {
        let mut progressed = false;
        let broken = tokio::select! {
            () = shutdown.cancelled() => return,
            broken = follow(&parts, &*catalog, &mut progressed) => broken,
        };
        failures = if progressed { 1 } else { failures + 1 };
        if let Err(error) = broken {
            tracing::warn!(error = %chain(&error), "reading the catalog was broken off");
        }
        let delay = BACKOFF.delay(failures, None, parts.entropy.below(u64::MAX));
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(delay) => {}
        }
    }
}

/// Lists, then follows until the stream ends.
async fn follow(parts: &Parts, catalog: &dyn Catalog, progressed: &mut bool) -> Result<(), Broken> {
    let since = list(parts, catalog).await?;
    *progressed = true;
    let changes = catalog.watch(since).await.map_err(Broken::Catalog)?;
    let mut batches = changes.ready_chunks(LARGEST_BATCH);
    while let Some(batch) = batches.next().await {
        let mut records = Vec::with_capacity(batch.len());
        let mut failure = None;
        for item in batch {
            match item {
                Ok(record) => records.push(record),
                // a record that nobody can read must not stop those behind it
                Err(error) if error.is(reason::SERVICE_MALFORMED_ANSWER) => {
                    tracing::error!(code = %error.reason, detail = %error.detail, "a record of the catalog is passed over");
                }
                Err(error) => failure = Some(error),
            }
        }
        take_in(parts, records, Revision(0)).await?;
        if let Some(failure) = failure {
            return Err(Broken::Catalog(failure));
        }
    }
    Ok(())
}

/// Everything that changed since the last time, page by page; answers from where to watch.
async fn list(parts: &Parts, catalog: &dyn Catalog) -> Result<Revision, Broken> {
    let since = parts.store.revision().await?;
    let mut token = String::new();
    loop {
        let page = catalog.list(since, &token).await.map_err(Broken::Catalog)?;
        if !page.revision.is_plausible(parts.clock.now()) {
            return Err(Broken::Catalog(from_the_future("the catalog", page.revision)));
        }
        let last = page.next_page_token.is_empty();
        // before the last page only what was written is sure: a restart lists the rest again
        let up_to = if last { page.revision } else { Revision(0) };
        take_in(parts, page.records, up_to).await?;
        if last {
            return Ok(parts.store.revision().await?);
        }
        token = page.next_page_token;
    }
}

/// A revision that no catalog can have given by now. Whoever kept it would believe none that comes after it, also when
/// the catalog is well again.
fn from_the_future(whose: &str, revision: Revision) -> Failure {
    let detail =
        format!("{whose} is said to be at revision {revision}, which is further ahead than any clock");
    Failure::new(reason::SERVICE_MALFORMED_ANSWER, detail)
}

fn is_believed(record: &Application, now: Timestamp) -> bool {
    let ahead = [record.revision, record.identity_revision].into_iter().find(|own| !own.is_plausible(now));
    if let Some(revision) = ahead {
        let refusal = from_the_future(record.id.as_str(), revision);
        tracing::error!(code = %refusal.reason, detail = %refusal.detail, "a record of the catalog is passed over");
    }
    ahead.is_none()
}

async fn take_in(parts: &Parts, mut records: Vec<Application>, up_to: Revision) -> Result<(), StoreError> {
    let now = parts.clock.now();
    records.retain(|record| is_believed(record, now));
    let newest = records.iter().map(|record| record.revision).max().unwrap_or_default();
    let up_to = newest.max(up_to);
    if records.is_empty() && up_to == parts.store.revision().await? {
        return Ok(());
    }
    parts.store.take_in(&records, up_to, now).await?;
    tracing::debug!(records = records.len(), revision = %up_to, "took in the catalog");
    parts.bell.ring();
    Ok(())
}
