//! Hands applications that are due to workers: a bounded number at once, each in a task of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mint_types::{ApplicationId, Monotonic, Timestamp};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::burst;
use crate::error::chain;
use crate::overlong::{Sightings, latest_end};
use crate::policy::Parts;
use crate::store::{Store, StoreError};

/// Other replicas' work and leases that ran out are noticed this late; a read of an index costs nothing.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// A clock that is corrected by less is not set back.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// The engine of one coordinator.
#[derive(Debug)]
pub struct Engine {
    parts: Arc<Parts>,
    workers: JoinSet<()>,
    in_flight: HashMap<Id, ApplicationId>,
    overlong: Sightings,
    /// Both clocks at the last look.
    seen: Option<(Timestamp, Monotonic)>,
}

impl Engine {
    /// An engine at rest.
    pub fn new(parts: Arc<Parts>) -> Self {
        // whoever restarts takes leases as everybody else does
        parts.reservations.forget();
        Self {
            parts,
            workers: JoinSet::new(),
            in_flight: HashMap::new(),
            overlong: Sightings::default(),
            seen: None,
        }
    }

    /// Works until `shutdown`, then lets what is under way end.
    pub async fn run(mut self, shutdown: CancellationToken) {
        if let Err(error) = self.parts.store.reclaim(&self.parts.policy.holder).await {
            tracing::warn!(code = ?error.code(), error = %chain(&error), "earlier leases were not taken over");
        }
        while !shutdown.is_cancelled() {
            let nap = match self.dispatch().await {
                Ok(()) => self.nap().await,
                Err(error) => {
                    tracing::error!(code = ?error.code(), error = %chain(&error), "the state does not answer");
                    LONGEST_NAP
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = self.parts.bell.work() => {}
                () = tokio::time::sleep(nap) => {}
                Some(ended) = self.workers.join_next_with_id() => self.reap(ended),
            }
        }
        while let Some(ended) = self.workers.join_next_with_id().await {
            self.reap(ended);
        }
    }

    /// Works off everything that is due now; answers when the next look is needed. For tests and simulations, whose
    /// clock stands still meanwhile.
    pub async fn turn(&mut self) -> Result<Option<Timestamp>, StoreError> {
        loop {
            self.dispatch().await?;
            match self.workers.join_next_with_id().await {
                Some(ended) => self.reap(ended),
                None => return self.next_look().await,
            }
        }
    }

    async fn dispatch(&mut self) -> Result<(), StoreError> {
        self.notice_clock().await?;
        while let Some(ended) = self.workers.try_join_next_with_id() {
            self.reap(ended);
        }
        self.end_overlong().await?;
        let free = self.parts.policy.concurrency.saturating_sub(self.in_flight.len());
        if free == 0 {
            return Ok(());
        }
        // those in flight may still be listed: their lease is taken by their own task
        let limit = free + self.in_flight.len();
        let mut due = self.parts.reservations.ripe(self.parts.clock.as_ref(), limit);
        due.extend(self.parts.store.due(&self.parts.policy.holder, self.parts.clock.now(), limit).await?);
        let mut left = free;
        for application in due {
            if left > 0 && !self.in_flight.values().any(|busy| *busy == application) {
                self.start(application);
                left -= 1;
            }
        }
        Ok(())
    }

    /// Wakes everybody if the clock was set back: what they wait for was written under the other one.
    async fn notice_clock(&mut self) -> Result<(), StoreError> {
        let (now, monotonic) = (self.parts.clock.now(), self.parts.clock.monotonic());
        let was_set_back = match &self.seen {
            None => !self.parts.store.changed_since(now.plus(CLOCK_TOLERANCE)).await?.is_empty(),
            Some((wall, before)) => {
                monotonic.since(before).is_some_and(|passed| now.plus(CLOCK_TOLERANCE) < wall.plus(passed))
            }
        };
        if was_set_back {
            tracing::warn!(code = "CLOCK_SET_BACK", "the clock was set back: everybody is looked at");
            self.parts.store.wake_all().await?;
        }
        self.seen = Some((now, monotonic));
        Ok(())
    }

    /// Ends leases that a clock that was ahead made too long, once no holder can live any more.
    async fn end_overlong(&mut self) -> Result<(), StoreError> {
        let (monotonic, lease) = (self.parts.clock.monotonic(), self.parts.policy.lease);
        if !self.overlong.is_time_to_look(&monotonic, lease) {
            return Ok(());
        }
        let found = self.parts.store.overlong(latest_end(self.parts.clock.now(), lease)).await?;
        for overlong in self.overlong.compare(found, &monotonic, lease) {
            if self.parts.store.end_overlong(&overlong).await? {
                let application = &overlong.application;
                tracing::warn!(%application, code = "LEASE_OVERLONG", "a lease of a clock that was ahead is ended");
            }
        }
        Ok(())
    }

    /// When the next application has to be looked at: by what the store says, and by what this process has reserved.
    async fn next_look(&self) -> Result<Option<Timestamp>, StoreError> {
        let reserved = self.parts.reservations.next_look(self.parts.clock.as_ref());
        let stored = self.parts.store.next_wake(self.parts.clock.now()).await?;
        let left = self.overlong.next_look(&self.parts.clock.monotonic(), self.parts.policy.lease);
        let overlong = left.map(|left| self.parts.clock.now().plus(left));
        Ok([reserved, stored, overlong].into_iter().flatten().min())
    }

    fn start(&mut self, application: ApplicationId) {
        let parts = Arc::clone(&self.parts);
        let span = tracing::info_span!("application", %application);
        let worked_on = application.clone();
        let worker = async move {
            if let Err(error) = burst::work(&parts, &worked_on).await {
                tracing::warn!(code = ?error.code(), error = %chain(&error), "work on an application was broken off");
                // its row still says that it is due: without a pause it would be tried in a tight loop
                tokio::time::sleep(PAUSE_AFTER_BREAK).await;
            }
        };
        let handle = self.workers.spawn(worker.instrument(span));
        self.in_flight.insert(handle.id(), application);
    }

    fn reap(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(code = "WORKER_PANICKED", "a worker ended unexpectedly");
                error.id()
            }
        };
        self.in_flight.remove(&id);
    }

    async fn nap(&self) -> Duration {
        if self.in_flight.len() >= self.parts.policy.concurrency {
            return LONGEST_NAP;
        }
        let now = self.parts.clock.now();
        match self.next_look().await {
            // what is due already is in flight or was just looked at: do not spin
            Ok(Some(at)) => at.since(now).clamp(SHORTEST_NAP, LONGEST_NAP),
            Ok(None) | Err(_) => LONGEST_NAP,
        }
    }
}

/// The slot of a worker that was broken off stays taken this long.
const PAUSE_AFTER_BREAK: Duration = Duration::from_millis(250);
/// Between two looks at what is due, when the store says that something is and nobody could take it.
const SHORTEST_NAP: Duration = Duration::from_millis(5);
