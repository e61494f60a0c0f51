//! One worker with one lease: what an application needs now, until it has to wait.
//!
//! The credentials are worked on side by side, each step's outcome is one write, the last one gives the lease back.

use futures::future::join_all;
use mint_saga::{Cause, Event, Node, Step, Written, apply, plan};
use mint_types::{ApplicationId, CredentialKind, RotationId, Timestamp};
use tokio::sync::Mutex;
use tracing::Instrument;

use crate::desk::Desk;
use crate::error::BurstError;
use crate::identity;
use crate::plan::{Decision, World, decide, share_an_object};
use crate::policy::Parts;
use crate::ports::{Call, RotationCall};
use crate::steps::{self, Outcome};
use crate::store::{Change, Held, Lease, LeaseFate, Store, Taker};

/// Works on an application if it needs it and nobody else does.
pub(crate) async fn work(parts: &Parts, application: &ApplicationId) -> Result<(), BurstError> {
    let Some(held) = take(parts, application).await? else {
        return Ok(());
    };
    let Held { lease, desk, decision } = held;
    parts.bell.changed();
    let until = parts.clock.now().plus(parts.policy.lease);
    let burst = Burst { parts, lease, progress: Mutex::new(Progress { desk, until, active: 0 }) };
    burst.run(&decision).await
}

async fn take(parts: &Parts, application: &ApplicationId) -> Result<Option<Held>, BurstError> {
    let now = parts.clock.now();
    let issuer_paused_until = parts.issuer.paused_until(now);
    let decide_and_open = move |desk: &mut Desk, paused: bool| {
        let decision = decide(desk, &World { now, issuer_paused_until, paused });
        open_all(parts, desk, &decision, now);
        decision
    };
    let taker = Taker { holder: &parts.policy.holder, now, until: now.plus(parts.policy.lease) };
    Ok(parts.store.take(application, taker, &decide_and_open).await?)
}

fn open_all(parts: &Parts, desk: &mut Desk, decision: &Decision, now: Timestamp) {
    for (kind, cause) in &decision.open {
        let span = mint_runtime::trace::span_from(None, "rotation");
        let traceparent = span.in_scope(mint_runtime::trace::current_traceparent);
        open(desk, *kind, *cause, RotationId::random(parts.entropy.as_ref()), traceparent, now);
    }
}

/// Opens a rotation on a desk. What other kinds had delivered on the same issuer object ends with it: if they come
/// back, they begin anew.
pub(crate) fn open(
    desk: &mut Desk,
    kind: CredentialKind,
    cause: Cause,
    id: RotationId,
    traceparent: Option<String>,
    now: Timestamp,
) {
    let Ok(opened) = apply(&desk.credential(kind), Event::Opened { id, cause, traceparent }, now) else {
        return;
    };
    for other in desk.credentials.values_mut() {
        if other.kind != kind && share_an_object(other.kind, kind) {
            other.current = None;
            other.troubles.clear();
        }
    }
    desk.credentials.insert(kind, opened);
}

struct Progress {
    desk: Desk,
    until: Timestamp,
    active: usize,
}

struct Burst<'p> {
    parts: &'p Parts,
    lease: Lease,
    progress: Mutex<Progress>,
}

/// Whether a credential's worker goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    GoOn,
    Parked,
}

impl Burst<'_> {
    async fn run(&self, decision: &Decision) -> Result<(), BurstError> {
        if let Some(step) = decision.identity
            && self.identity(step, decision).await? == Pace::Parked
        {
            return Ok(());
        }
        self.progress.lock().await.active = decision.drive.len();
        let ended = join_all(decision.drive.iter().map(|kind| self.drive(*kind))).await;
        ended.into_iter().collect()
    }

    /// The identity first: a credential belongs to a user that exists.
    async fn identity(
        &self,
        step: crate::plan::IdentityStep,
        decision: &Decision,
    ) -> Result<Pace, BurstError> {
        let call = self.call().await;
        let (record, before) = {
            let progress = self.progress.lock().await;
            (progress.desk.record.clone(), progress.desk.standing.clone())
        };
        let standing = identity::settle(self.parts, &call, step, &record, before).await?;
        let goes_on = identity::is_usable(&standing) && record.active && !decision.drive.is_empty();
        let mut progress = self.progress.lock().await;
        progress.desk.standing = standing;
        if !goes_on {
            self.release(&mut progress, None, true).await?;
            return Ok(Pace::Parked);
        }
        if self.keep(&mut progress, None).await? {
            self.release(&mut progress, None, false).await?;
            return Ok(Pace::Parked);
        }
        Ok(Pace::GoOn)
    }

    /// Works on one credential until it has to wait.
    async fn drive(&self, kind: CredentialKind) -> Result<(), BurstError> {
        let mut unwritten = false;
        loop {
            let (step, traceparent) = {
                let progress = self.progress.lock().await;
                let now = self.parts.clock.now();
                let credential = progress.desk.credential(kind);
                let facts = progress.desk.facts(kind, now, self.parts.issuer.paused_until(now));
                let traceparent =
                    credential.rotation.as_ref().and_then(|rotation| rotation.traceparent.clone());
                (plan(&credential, now, &facts), traceparent)
            };
            let pace = match step {
                Step::Idle | Step::Wait { .. } => self.park(kind, unwritten).await?,
                step => {
                    let span = mint_runtime::trace::span_from(traceparent.as_deref(), "rotation.step");
                    let outcome = self.act(kind, &step).instrument(span).await?;
                    if matches!(outcome, Outcome::Postponed) {
                        continue;
                    }
                    // a receipt is worth nothing before the rotator has it: both are one write
                    unwritten =
                        matches!(&outcome, Outcome::Is(event) if matches!(**event, Event::Delivered { .. }));
                    self.record(kind, outcome, !unwritten).await?
                }
            };
            if pace == Pace::Parked {
                return Ok(());
            }
        }
    }

    async fn act(&self, kind: CredentialKind, step: &Step) -> Result<Outcome, BurstError> {
        self.keep_lease().await?;
        let call = self.call().await;
        let (rotation, wish) = {
            let progress = self.progress.lock().await;
            let rotation = progress.desk.credential(kind).rotation.map(|rotation| rotation.id);
            (rotation, progress.desk.wish(kind))
        };
        let Some(rotation) = rotation else {
            return Err(BurstError::Impossible("a step without a rotation"));
        };
        steps::perform(self.parts, &RotationCall { call, kind, rotation }, step, wish.as_ref()).await
    }

    async fn call(&self) -> Call {
        let progress = self.progress.lock().await;
        Call {
            application: self.lease.application.clone(),
            token: self.lease.token,
            revision: progress.desk.record.revision,
        }
    }

    /// A call must not outlive the lease: it is lengthened first if it might.
    async fn keep_lease(&self) -> Result<(), BurstError> {
        let mut progress = self.progress.lock().await;
        if progress.until.since(self.parts.clock.now()) < self.parts.policy.call_deadline {
            self.keep(&mut progress, None).await?;
        }
        Ok(())
    }

    /// Makes an outcome durable; parks the credential if it has to wait.
    async fn record(&self, kind: CredentialKind, outcome: Outcome, write: bool) -> Result<Pace, BurstError> {
        let mut progress = self.progress.lock().await;
        let now = self.parts.clock.now();
        let credential = progress.desk.credential(kind);
        let event = self.event_of(&credential, outcome)?;
        let next = apply(&credential, event, now)?;
        progress.desk.credentials.insert(kind, next);
        if !write {
            return Ok(Pace::GoOn);
        }
        let facts = progress.desk.facts(kind, now, self.parts.issuer.paused_until(now));
        let waits =
            matches!(plan(&progress.desk.credential(kind), now, &facts), Step::Idle | Step::Wait { .. });
        if !waits && !self.keep(&mut progress, Some(kind)).await? {
            return Ok(Pace::GoOn);
        }
        self.leave(&mut progress, waits.then_some(kind)).await
    }

    fn event_of(&self, credential: &mint_saga::Credential, outcome: Outcome) -> Result<Event, BurstError> {
        let (failures, written) = match outcome {
            Outcome::Is(event) => return Ok(*event),
            Outcome::Postponed => return Err(BurstError::Impossible("what is postponed has no outcome")),
            Outcome::Failed { failures, written } => (failures, written),
        };
        let Some(rotation) = &credential.rotation else {
            return Err(BurstError::Impossible("a failure without a rotation"));
        };
        let node = rotation.node();
        let before = credential.troubles.get(&node).map_or(0, |trouble| trouble.attempts);
        let delay = steps::delay(self.parts, &failures, before.saturating_add(1));
        for failure in &failures {
            log_failure(credential.kind, rotation.id, node, failure);
        }
        Ok(Event::Failed { node, failures, written: written.unwrap_or(Written::Unknown), delay })
    }

    async fn park(&self, kind: CredentialKind, unwritten: bool) -> Result<Pace, BurstError> {
        let mut progress = self.progress.lock().await;
        self.leave(&mut progress, unwritten.then_some(kind)).await
    }

    /// One credential has nothing more to do; the last one gives the lease back.
    async fn leave(
        &self,
        progress: &mut Progress,
        write: Option<CredentialKind>,
    ) -> Result<Pace, BurstError> {
        progress.active = progress.active.saturating_sub(1);
        if progress.active == 0 {
            self.release(progress, write, write.is_some()).await?;
        } else if write.is_some() {
            self.keep(progress, write).await?;
        }
        Ok(Pace::Parked)
    }

    /// Writes and keeps the lease; answers whether to pause.
    async fn keep(&self, progress: &mut Progress, kind: Option<CredentialKind>) -> Result<bool, BurstError> {
        let until = self.parts.clock.now().plus(self.parts.policy.lease);
        let paused = self.commit(progress, kind, LeaseFate::KeepUntil(until)).await?;
        progress.until = until;
        Ok(paused)
    }

    /// Writes and gives the lease back.
    async fn release(
        &self,
        progress: &mut Progress,
        kind: Option<CredentialKind>,
        changed: bool,
    ) -> Result<(), BurstError> {
        let now = self.parts.clock.now();
        let world = World { now, issuer_paused_until: self.parts.issuer.paused_until(now), paused: false };
        let decision = decide(&progress.desk, &world);
        let wake_at = if decision.is_idle() { decision.wake_at } else { now };
        self.commit(progress, kind, LeaseFate::Release { wake_at, changed }).await?;
        self.parts.bell.ring();
        Ok(())
    }

    async fn commit(
        &self,
        progress: &Progress,
        kind: Option<CredentialKind>,
        fate: LeaseFate,
    ) -> Result<bool, BurstError> {
        let change = Change {
            credential: kind.map(|kind| progress.desk.credential(kind)),
            standing: progress.desk.standing.clone(),
            now: self.parts.clock.now(),
            lease: fate,
        };
        let paused = self.parts.store.commit(&self.lease, &change).await?;
        self.parts.bell.changed();
        Ok(paused)
    }
}

fn log_failure(kind: CredentialKind, rotation: RotationId, node: Node, failure: &mint_saga::Failure) {
    tracing::warn!(
        %kind, %rotation, ?node, code = %failure.reason, detail = %failure.detail,
        destination = failure.destination.as_deref().unwrap_or_default(), "a step failed"
    );
}
