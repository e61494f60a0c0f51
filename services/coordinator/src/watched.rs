//! The store, watched: since when it cannot be written, and why. In memory alone: what cannot be written cannot be
//! written down.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mint_port::Port;
use mint_saga::{Failure, Trouble};
use mint_types::{Application, ApplicationId, Clock, Problem, Revision, TeamId, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::error::chain;
use crate::overlong::Overlong;
use crate::store::{
    Change, Control, Decide, Edit, Held, Lease, NotKept, Reported, Revocation, Started, Store, StoreError,
    Taker,
};

/// Between two tries to write while nothing can be written.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// A store that remembers whether it could be written.
#[derive(Debug)]
pub struct Watched {
    store: Port<dyn Store>,
    clock: Arc<dyn Clock>,
    trouble: Mutex<Option<Trouble>>,
}

impl Watched {
    /// Watches a store; nothing is wrong with it until a write fails.
    pub fn new(store: Port<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, trouble: Mutex::default() }
    }

    /// What is wrong with the coordinator itself; empty when nothing is.
    pub fn problems(&self) -> Vec<Problem> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.iter().flat_map(|trouble| trouble.problems.iter().cloned()).collect()
    }

    /// While nothing can be written, tries every second, so that the trouble ends when it is over and not only when
    /// the next application is due.
    pub(crate) async fn probe_until(&self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(PROBE_EVERY) => {}
            }
            if self.problems().is_empty() {
                continue;
            }
            if let Err(error) = self.probe().await {
                tracing::debug!(code = ?error.code(), error = %chain(&error), "the state still cannot be written");
            }
        }
    }

    /// Notes how a write ended. `wrote` says whether a success surely wrote anything: one that found nothing to do
    /// says nothing about the disk.
    fn noted<T>(
        &self,
        answer: Result<T, StoreError>,
        wrote: impl FnOnce(&T) -> bool,
    ) -> Result<T, StoreError> {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match &answer {
            Ok(value) if trouble.is_some() && wrote(value) => {
                tracing::info!("the state can be written again");
                *trouble = None;
            }
            Err(error @ StoreError::State(_)) => {
                let failure = Failure::new("STATE_UNAVAILABLE", chain(error));
                if trouble.is_none() {
                    tracing::error!(code = %failure.reason, detail = %failure.detail, "the state cannot be written");
                }
                let now = self.clock.now();
                *trouble = Some(Trouble::after(trouble.as_ref(), &[failure], None, now, Duration::ZERO));
            }
            // a lease that is lost or a row that nobody can read is no trouble of the store
            Ok(_) | Err(StoreError::LeaseLost(_) | StoreError::Corrupt { .. }) => {}
        }
        answer
    }
}

fn always<T>(_: &T) -> bool {
    true
}

#[async_trait]
impl Store for Watched {
    async fn revision(&self) -> Result<Revision, StoreError> {
        self.store.revision().await
    }

    async fn take_in(
        &self,
        records: &[Application],
        up_to: Revision,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // records that were known already are passed over: such a success proves nothing
        self.noted(self.store.take_in(records, up_to, now).await, |()| false)
    }

    async fn reclaim(&self, holder: &str) -> Result<(), StoreError> {
        self.noted(self.store.reclaim(holder).await, |()| false)
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.noted(self.store.probe().await, always)
    }

    async fn due(
        &self,
        holder: &str,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ApplicationId>, StoreError> {
        self.store.due(holder, now, limit).await
    }

    async fn overlong(&self, latest: Timestamp) -> Result<Vec<Overlong>, StoreError> {
        self.store.overlong(latest).await
    }

    async fn end_overlong(&self, overlong: &Overlong) -> Result<bool, StoreError> {
        self.noted(self.store.end_overlong(overlong).await, |ended| *ended)
    }

    async fn next_wake(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.store.next_wake(now).await
    }

    async fn take(
        &self,
        application: &ApplicationId,
        taker: Taker<'_>,
        decide: &Decide<'_>,
    ) -> Result<Option<Held>, StoreError> {
        self.noted(self.store.take(application, taker, decide).await, Option::is_some)
    }

    async fn reserved(&self, lease: &Lease) -> Result<Option<(Desk, Control)>, StoreError> {
        self.store.reserved(lease).await
    }

    async fn report(
        &self,
        reports: &[Reported],
        now: Timestamp,
    ) -> Result<Vec<Result<(), NotKept>>, StoreError> {
        // reports that were refused are not written: such a success proves nothing
        self.noted(self.store.report(reports, now).await, |answers| answers.iter().any(Result::is_ok))
    }

    async fn pause_issuer(&self, until: Timestamp, latest: Timestamp) -> Result<(), StoreError> {
        self.noted(self.store.pause_issuer(until, latest).await, |()| false)
    }

    async fn commit(&self, lease: &Lease, change: &Change) -> Result<bool, StoreError> {
        self.noted(self.store.commit(lease, change).await, always)
    }

    async fn desk(&self, application: &ApplicationId) -> Result<Option<Desk>, StoreError> {
        self.store.desk(application).await
    }

    async fn desks(
        &self,
        after: Option<&ApplicationId>,
        team: Option<&TeamId>,
        limit: usize,
    ) -> Result<Vec<Desk>, StoreError> {
        self.store.desks(after, team, limit).await
    }

    async fn changed_since(&self, since: Timestamp) -> Result<Vec<(ApplicationId, u64)>, StoreError> {
        self.store.changed_since(since).await
    }

    async fn edit(
        &self,
        application: &ApplicationId,
        now: Timestamp,
        edit: &Edit<'_>,
    ) -> Result<Option<Vec<Started>>, StoreError> {
        self.noted(self.store.edit(application, now, edit).await, Option::is_some)
    }

    async fn set_paused(
        &self,
        application: &ApplicationId,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.noted(self.store.set_paused(application, reason, now).await, |found| *found)
    }

    async fn set_all_paused(&self, reason: Option<&str>, now: Timestamp) -> Result<(), StoreError> {
        self.noted(self.store.set_all_paused(reason, now).await, always)
    }

    async fn all_paused(&self) -> Result<Option<String>, StoreError> {
        self.store.all_paused().await
    }

    async fn keep_revocations(&self, asked: &[Revocation]) -> Result<(), StoreError> {
        self.noted(self.store.keep_revocations(asked).await, always)
    }

    async fn revocations(&self, after: Option<&Revocation>) -> Result<Vec<Revocation>, StoreError> {
        self.store.revocations(after).await
    }

    async fn close_revocation(
        &self,
        revocation: &Revocation,
        outcome: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.noted(self.store.close_revocation(revocation, outcome, now).await, always)
    }

    async fn wake_all(&self) -> Result<(), StoreError> {
        self.noted(self.store.wake_all().await, |()| false)
    }
}
