//! One worker with one lease: what an application needs now, until it has to wait.
//!
//! The credentials are worked on side by side, each step's outcome is one write, the last one gives the lease back.

use futures::future::join_all;
use mint_saga::{Cause, Event, Node, Step, Written, apply, plan};
use mint_types::{ApplicationId, CredentialKind, FencingToken, Monotonic, RotationId, Timestamp};
use tokio::sync::Mutex;
use tracing::Instrument;

use crate::desk::Desk;
use crate::error::BurstError;
use crate::identity;
use crate::lease::{Reservation, Reservations};
use crate::plan::{Decision, World, decide, share_an_object};
use crate::policy::Parts;
use crate::ports::{Call, RotationCall};
use crate::removal;
use crate::steps::{self, Outcome};
use crate::store::{Change, Control, Decide, Held, Lease, LeaseFate, Store, StoreError, Taker};

/// Works on an application if it needs it and nobody else does.
pub(crate) async fn work(
    parts: &Parts,
    reservations: &Reservations,
    application: &ApplicationId,
) -> Result<(), BurstError> {
    let kept_at = parts.clock.monotonic();
    let held = match go_on(parts, reservations, application).await? {
        Some(held) => Some(held),
        None => take(parts, application).await?,
    };
    let Some(Held { lease, desk, decision, until, .. }) = held else {
        return Ok(());
    };
    parts.bell.changed();
    let progress = Mutex::new(Progress { desk, until, kept_at, active: 0 });
    Burst { parts, reservations, lease, progress }.run(&decision).await
}

/// Goes on with a reserved lease, without a write: only if the next steps need none, and nothing happened meanwhile.
async fn go_on(
    parts: &Parts,
    reservations: &Reservations,
    application: &ApplicationId,
) -> Result<Option<Held>, BurstError> {
    let Some(Reservation { lease, until, .. }) = reservations.claim(application, parts.clock.as_ref()) else {
        return Ok(None);
    };
    let Some((desk, control)) = parts.store.reserved(&lease).await? else {
        return Ok(None);
    };
    let decision = decide(&desk, &world(parts, control));
    let needs_a_write = decision.identity.is_some() || !decision.open.is_empty() || decision.is_idle();
    Ok((!needs_a_write).then_some(Held { lease, desk, decision, until, unless_begun: None }))
}

/// What holds for everybody, as the store and this process know it.
fn world(parts: &Parts, control: Control) -> World {
    if let Some(until) = control.issuer_paused_until {
        parts.issuer.pause(until);
    }
    let now = parts.clock.now();
    World { now, issuer_paused_until: parts.issuer.paused_until(now), paused: control.paused }
}

async fn take(parts: &Parts, application: &ApplicationId) -> Result<Option<Held>, BurstError> {
    let now = parts.clock.now();
    let decide_and_open = move |desk: &mut Desk, control: Control| {
        let decision = decide(desk, &World { now, ..world(parts, control) });
        open_all(parts, desk, &decision, now);
        decision
    };
    Ok(take_to(parts, application, now, &decide_and_open).await?)
}

/// Takes the lease to do what `decide` says; none if it is somebody else's, or may be.
pub(crate) async fn take_to(
    parts: &Parts,
    application: &ApplicationId,
    now: Timestamp,
    decide: &Decide<'_>,
) -> Result<Option<Held>, StoreError> {
    let taker = Taker { holder: &parts.policy.holder, now, until: now.plus(parts.policy.lease) };
    let held = parts.store.take(application, taker, decide).await?;
    let has_begun = |held: &Held| held.unless_begun.is_some_and(|begins| parts.clock.now() >= begins);
    if held.as_ref().is_some_and(has_begun) {
        // the write came late: whoever reserved the application may be acting under the token before ours
        tracing::info!("a reserved application was taken too late, and is left alone until the lease ends");
        return Ok(None);
    }
    Ok(held)
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
            other.supersede();
        }
    }
    desk.credentials.insert(kind, opened);
}

struct Progress {
    desk: Desk,
    until: Timestamp,
    /// Before the lease was last written, or looked at.
    kept_at: Monotonic,
    active: usize,
}

pub(crate) struct Burst<'p> {
    pub(crate) parts: &'p Parts,
    reservations: &'p Reservations,
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
        if !self.intend(step).await? {
            return Ok(Pace::Parked);
        }
        let call = self.call().await;
        let desk = self.progress.lock().await.desk.clone();
        let standing = identity::settle(self, &call, step, &desk).await?;
        let goes_on = identity::is_usable(&standing) && desk.record.active && !decision.drive.is_empty();
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

    /// Before objects are overwritten it is durable that nothing of them counts as delivered; false if somebody paused
    /// the application meanwhile.
    async fn intend(&self, step: crate::plan::IdentityStep) -> Result<bool, BurstError> {
        use crate::plan::IdentityStep::{Clear, Overwrite};
        let mut progress = self.progress.lock().await;
        let condemned = match step {
            Overwrite | Clear => removal::condemned(&progress.desk, step),
            _ => None,
        };
        let Some(standing) = condemned else { return Ok(true) };
        progress.desk.standing = standing;
        if self.keep(&mut progress, None).await? {
            self.release(&mut progress, None, false).await?;
            return Ok(false);
        }
        Ok(true)
    }

    /// Works on one credential until it has to wait.
    async fn drive(&self, kind: CredentialKind) -> Result<(), BurstError> {
        let mut unwritten = false;
        loop {
            let (step, traceparent) = {
                let progress = self.progress.lock().await;
                let now = self.parts.clock.now();
                let credential = progress.desk.as_found(kind);
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
                    unwritten = match &outcome {
                        Outcome::Is(event) => matches!(**event, Event::Delivered { .. }),
                        Outcome::Partly { .. } => true,
                        Outcome::Postponed | Outcome::Failed { .. } => false,
                    };
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
    pub(crate) async fn keep_lease(&self) -> Result<(), BurstError> {
        let mut progress = self.progress.lock().await;
        let policy = &self.parts.policy;
        // the wall clock may have been set back meanwhile: others count what they see of the lease by theirs, too
        let passed = self.parts.clock.monotonic().since(&progress.kept_at).unwrap_or(policy.lease);
        let left = progress.until.since(self.parts.clock.now()).min(policy.lease.saturating_sub(passed));
        if left < policy.call_deadline {
            self.keep(&mut progress, None).await?;
        }
        Ok(())
    }

    /// Makes an outcome durable; parks the credential if it has to wait.
    async fn record(&self, kind: CredentialKind, outcome: Outcome, write: bool) -> Result<Pace, BurstError> {
        let mut progress = self.progress.lock().await;
        let now = self.parts.clock.now();
        let credential = progress.desk.credential(kind);
        let events = self.events_of(&credential, outcome)?;
        let next = events.into_iter().try_fold(credential, |state, event| apply(&state, event, now))?;
        progress.desk.credentials.insert(kind, next);
        if !write {
            return Ok(Pace::GoOn);
        }
        let facts = progress.desk.facts(kind, now, self.parts.issuer.paused_until(now));
        let waits =
            matches!(plan(&progress.desk.as_found(kind), now, &facts), Step::Idle | Step::Wait { .. });
        if !waits && !self.keep(&mut progress, Some(kind)).await? {
            return Ok(Pace::GoOn);
        }
        self.leave(&mut progress, waits.then_some(kind)).await
    }

    fn events_of(
        &self,
        credential: &mint_saga::Credential,
        outcome: Outcome,
    ) -> Result<Vec<Event>, BurstError> {
        match outcome {
            Outcome::Is(event) => Ok(vec![*event]),
            Outcome::Postponed => Err(BurstError::Impossible("what is postponed has no outcome")),
            Outcome::Failed { failures, written } => Ok(vec![self.failed(credential, failures, written)?]),
            Outcome::Partly { partial, failures } => Ok(vec![
                self.failed(credential, failures, Some(Written::Somewhere))?,
                Event::PartlyDelivered { partial },
            ]),
        }
    }

    fn failed(
        &self,
        credential: &mint_saga::Credential,
        failures: Vec<mint_saga::Failure>,
        written: Option<Written>,
    ) -> Result<Event, BurstError> {
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
        let kept_at = self.parts.clock.monotonic();
        let until = self.parts.clock.now().plus(self.parts.policy.lease);
        let paused = self.commit(progress, kind, LeaseFate::KeepUntil(until)).await?;
        progress.until = until;
        progress.kept_at = kept_at;
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
        if !is_worth_reserving(&progress.desk, now, wake_at) {
            self.commit(progress, kind, LeaseFate::Release { wake_at, changed }).await?;
            self.parts.bell.ring();
            return Ok(());
        }
        let token = FencingToken::after(self.lease.token, now);
        let until = wake_at.plus(self.parts.policy.lease);
        let lease = Lease { token, ..self.lease.clone() };
        let reservation = Reservation::new(lease, wake_at, until, self.parts.clock.as_ref());
        self.commit(progress, kind, LeaseFate::Reserve { token, wake_at, until, changed }).await?;
        self.reservations.keep(reservation);
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

/// An open rotation waits for a time that is known: the same coordinator goes on then, without another write.
fn is_worth_reserving(desk: &Desk, now: Timestamp, wake_at: Timestamp) -> bool {
    let waits = now < wake_at && wake_at < mint_saga::schedule::NEVER;
    waits && desk.record.active && desk.credentials.values().any(|credential| credential.rotation.is_some())
}

fn log_failure(kind: CredentialKind, rotation: RotationId, node: Node, failure: &mint_saga::Failure) {
    tracing::warn!(
        %kind, %rotation, ?node, code = %failure.reason, detail = %failure.detail,
        destination = failure.destination.as_deref().unwrap_or_default(), "a step failed"
    );
}
