//! Reading the source, and making the catalog follow it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mint_port::Port;
use mint_types::{ApplicationId, Clock, Period, Revision, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    catalog::{Catalog, SourceMemory},
    enter::{Author, Entering},
    guard::Allowance,
    model::{Complaint, Entry, Listing, Record},
    plan::{self, Direct, STALENESS, Snapshot},
    ports::{Source, SourceFault},
    settings::Entered,
};

/// When to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Between complete reads.
    pub full: Period,
    /// Between reads of what changed.
    pub delta: Period,
}

/// Keeps the catalog in step with a source.
#[derive(Debug)]
pub struct Synchronizer {
    source: Port<dyn Source>,
    catalog: Catalog,
    entering: Entering,
    clock: Arc<dyn Clock>,
    memory: Mutex<SourceMemory>,
    /// One read at a time: two plans made from one catalog would contradict each other.
    turn: tokio::sync::Mutex<()>,
}

impl Synchronizer {
    /// Remembers what the last process knew of the source.
    pub async fn open(
        source: Port<dyn Source>,
        catalog: Catalog,
        entering: Entering,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let memory = Mutex::new(catalog.source_memory().await?);
        Ok(Self { source, catalog, entering, clock, memory, turn: tokio::sync::Mutex::new(()) })
    }

    /// The source that is read.
    pub fn source(&self) -> &dyn Source {
        &*self.source
    }

    /// How reading goes.
    pub fn memory(&self) -> SourceMemory {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a list was ever taken into the catalog, now or before a restart.
    pub async fn has_read(&self) -> Result<bool, Error> {
        Ok(self.memory().accepted_at.is_some() || self.catalog.size().await? > 0)
    }

    /// Reads everything, now.
    pub async fn full(&self) -> Result<Revision, Error> {
        let _turn = self.turn.lock().await;
        let outcome = self.read_everything().await;
        let (revision, complaint) = match outcome {
            Ok((revision, fault)) => (Ok(revision), fault.map(|fault| fault.complaint())),
            Err(error) => {
                let complaint = complaint_of(&error);
                (Err(error), Some(complaint))
            }
        };
        let accepted = revision.is_ok() && complaint.is_none();
        self.remember(complaint, accepted).await;
        revision
    }

    /// Reads what changed. A trouble stands until a complete read succeeds: a delta cannot tell that it is over.
    pub async fn delta(&self) -> Result<Revision, Error> {
        let _turn = self.turn.lock().await;
        let outcome = self.read_changes().await;
        if let Err(error) = &outcome {
            self.remember(Some(complaint_of(error)), false).await;
        }
        outcome
    }

    /// One record; an application that the catalog does not have yet is looked up in the registry at once, because a
    /// list may be older than its owner's patience.
    pub async fn known(&self, id: &ApplicationId) -> Result<Record, Error> {
        if let Some(record) = self.catalog.record(id).await? {
            return Ok(record);
        }
        let Some(entry) = self.source.read(id).await? else { return Err(Error::Unknown(id.clone())) };
        let listing = Listing { entries: vec![entry], malformed: Vec::new() };
        let nothing_taken = Allowance::of(&Snapshot::new(), &[], self.clock.now());
        self.follow(&Snapshot::new(), &listing, &BTreeMap::new(), &nothing_taken).await?;
        self.catalog.record(id).await?.ok_or_else(|| Error::Unknown(id.clone()))
    }

    /// Reads again and again, until the process ends. `first` is called when the catalog is fit to be served.
    pub async fn run(&self, schedule: Schedule, shutdown: CancellationToken, first: impl Fn() + Send) {
        let bell = self.source.bell();
        let mut failures = 0;
        let mut full_in = Duration::ZERO;
        if self.has_read().await.unwrap_or(false) {
            first();
        }
        loop {
            let wait = if failures > 0 { full_in } else { full_in.min(schedule.delta.as_duration()) };
            let rung = tokio::select! {
                () = shutdown.cancelled() => return,
                () = bell.notified() => true,
                () = tokio::time::sleep(wait) => false,
            };
            full_in = full_in.saturating_sub(wait);
            let everything = rung || failures > 0 || full_in.is_zero();
            let read = if everything { self.full().await } else { self.delta().await };
            match read {
                Ok(revision) => {
                    tracing::debug!(%revision, everything, "read the registry");
                    failures = 0;
                    if everything {
                        full_in = schedule.full.as_duration();
                    }
                    first();
                }
                Err(error) => {
                    tracing::warn!(code = error.reason(), %error, "the registry was not read");
                    failures += 1;
                    full_in = backoff(schedule, failures);
                }
            }
        }
    }

    async fn read_everything(&self) -> Result<(Revision, Option<SourceFault>), Error> {
        let listing = self.source.list().await?;
        let catalog = self.catalog.snapshot().await?;
        let (releases, now) = (self.catalog.releases().await?, self.clock.now());
        let doubtful = plan::doubtful(&catalog, &listing, &releases, now)?;
        let allowance = Allowance::of(&catalog, &releases, now);
        let mut direct = BTreeMap::new();
        for id in doubtful {
            let answer = direct_answer(self.source.read(&id).await);
            direct.insert(id, answer);
        }
        self.follow(&catalog, &listing, &direct, &allowance).await
    }

    async fn read_changes(&self) -> Result<Revision, Error> {
        let Some(latest) = self.catalog.latest_modification().await? else {
            return self.catalog.revision().await;
        };
        let since = Timestamp::from_unix_micros(latest.unix_micros().saturating_sub(micros(STALENESS)));
        let Some(listing) = self.source.changed_after(since).await? else {
            return self.catalog.revision().await;
        };
        let mut known = Snapshot::new();
        for entry in &listing.entries {
            if let Some(record) = self.catalog.record(&entry.id).await? {
                known.insert(entry.id.clone(), record);
            }
        }
        let allowance = self.allowance_for(&known, &listing).await?;
        let (revision, fault) = self.follow(&known, &listing, &BTreeMap::new(), &allowance).await?;
        match fault.filter(|_| !listing.malformed.is_empty()) {
            Some(fault) => Err(fault.into()),
            None => Ok(revision),
        }
    }

    /// The whole catalog is read only if the changes take something away.
    async fn allowance_for(&self, known: &Snapshot, listing: &Listing) -> Result<Allowance, Error> {
        let now = self.clock.now();
        let takings = plan::takings(known, listing, now);
        if takings.is_empty() {
            return Ok(Allowance::of(known, &[], now));
        }
        let allowance = Allowance::of(&self.catalog.snapshot().await?, &self.catalog.releases().await?, now);
        plan::within(&allowance, &takings)?;
        Ok(allowance)
    }

    async fn follow(
        &self,
        catalog: &Snapshot,
        listing: &Listing,
        direct: &BTreeMap<ApplicationId, Direct>,
        allowance: &Allowance,
    ) -> Result<(Revision, Option<SourceFault>), Error> {
        let plan = plan::changes(catalog, listing, direct, allowance, self.clock.now());
        if !plan.changes.is_empty() || !plan.settings.is_empty() {
            let (changes, settings) = (plan.changes.len(), plan.settings.len());
            tracing::info!(changes, settings, "the catalog follows the registry");
        }
        let mut revision = self.catalog.apply(&plan.changes).await?;
        for (id, settings) in &plan.settings {
            revision = self.enter(id, settings).await?.revision.max(revision);
        }
        Ok((revision, plan.fault))
    }

    async fn enter(&self, id: &ApplicationId, settings: &Entered) -> Result<Record, Error> {
        let record = self.catalog.record(id).await?.ok_or_else(|| Error::Unknown(id.clone()))?;
        match self.entering.settings(&Author::Source, record.clone(), 0, settings, None).await {
            // An owner was quicker, which is what the file stands back for.
            Err(Error::SettingsChanged { .. }) => Ok(record),
            outcome => outcome,
        }
    }

    async fn remember(&self, complaint: Option<Complaint>, accepted: bool) {
        let now = self.clock.now();
        let memory = {
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            let problems = complaint.map(|complaint| {
                let mut problem = complaint.to_problem(&memory.problems, now);
                let before = memory.problems.iter().find(|standing| standing.kind == problem.kind);
                problem.attempts = before.map_or(0, |standing| standing.attempts).saturating_add(1);
                problem
            });
            memory.problems = problems.into_iter().collect();
            if accepted {
                memory.accepted_at = Some(now);
            }
            memory.clone()
        };
        if let Err(error) = self.catalog.remember_source(&memory).await {
            tracing::warn!(code = error.reason(), %error, "the state of the source is not remembered");
        }
    }
}

fn direct_answer(answer: Result<Option<Entry>, SourceFault>) -> Direct {
    match answer {
        Ok(Some(entry)) => Direct::Found(Box::new(entry)),
        Ok(None) => Direct::Missing,
        Err(fault) => Direct::Unanswered(fault),
    }
}

fn complaint_of(error: &Error) -> Complaint {
    match error {
        Error::Source(fault) => fault.complaint(),
        other => Complaint {
            reason: other.reason(),
            title: "what the registry says was not taken into the catalog",
            detail: other.to_string(),
            next_action: "look at the service that is named; reading is repeated",
        },
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Doubles from the delta interval to the full one.
fn backoff(schedule: Schedule, failures: u32) -> Duration {
    let delta = schedule.delta.as_duration();
    delta.saturating_mul(1 << failures.min(10)).min(schedule.full.as_duration().max(delta))
}

#[cfg(test)]
#[path = "execute_tests.rs"]
pub(crate) mod tests;
