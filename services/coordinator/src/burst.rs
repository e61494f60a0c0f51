//! One worker with one lease: what an application needs now, until it has to wait.
//!
//! The credentials are worked on side by side, each step's outcome is one write, the last one gives the lease back.

mod leave;

use futures::future::join_all;
use mint_saga::{Event, Node, Step, Written, apply, plan};
use mint_types::{ApplicationId, CredentialKind, Monotonic, RotationId, Timestamp};
use tokio::sync::Mutex;
use tracing::Instrument;

use crate::desk::Desk;
use crate::error::BurstError;
use crate::identity;
use crate::plan::Decision;
use crate::policy::Parts;
use crate::ports::{Call, RotationCall};
use crate::removal;
use crate::steps::{self, Outcome};
use crate::store::{Held, Lease};
use crate::take::{go_on, take};

/// Works on an application if it needs it and nobody else does.
pub(crate) async fn work(parts: &Parts, application: &ApplicationId) -> Result<(), BurstError> {
    let kept_at = parts.clock.monotonic();
    let held = match go_on(parts, application).await? {
        Some(held) => Some(held),
        None => take(parts, application).await?,
    };
    let Some(Held { lease, desk, decision, until, .. }) = held else {
        return Ok(());
    };
    parts.bell.changed();
    let progress = Mutex::new(Progress { desk, until, kept_at, active: 0 });
    Burst { parts, lease, progress }.run(&decision).await
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
            (rotation, progress.desk.places(kind))
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
            Outcome::Is(event) if *event == Event::AlreadyAccepted && !is_made(credential) => {
                let detail =
                    "the rotator accepted a receipt for what was never made, as far as is known here";
                let failure = mint_saga::Failure::new(mint_saga::reason::ROTATION_CLOSED, detail);
                Ok(vec![self.failed(credential, vec![failure], None)?])
            }
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
}

/// Whether the open rotation is known to have made a version.
fn is_made(credential: &mint_saga::Credential) -> bool {
    credential.rotation.as_ref().is_some_and(|rotation| rotation.stage.created().is_some())
}

fn log_failure(kind: CredentialKind, rotation: RotationId, node: Node, failure: &mint_saga::Failure) {
    tracing::warn!(
        %kind, %rotation, ?node, code = %failure.reason, detail = %failure.detail,
        destination = failure.destination.as_deref().unwrap_or_default(), "a step failed"
    );
}
