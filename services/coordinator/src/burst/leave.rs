//! How a worker leaves: each outcome is one write, the last one gives the lease back and may reserve the next.

use mint_saga::schedule::NEVER;
use mint_types::{CredentialKind, FencingToken, Timestamp};

use super::{Burst, Pace, Progress};
use crate::desk::Desk;
use crate::error::BurstError;
use crate::lease::Reservation;
use crate::plan::{World, decide};
use crate::store::{Change, Lease, LeaseFate, Store};

impl Burst<'_> {
    pub(super) async fn park(&self, kind: CredentialKind, unwritten: bool) -> Result<Pace, BurstError> {
        let mut progress = self.progress.lock().await;
        self.leave(&mut progress, unwritten.then_some(kind)).await
    }

    /// One credential has nothing more to do; the last one gives the lease back.
    pub(super) async fn leave(
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
    pub(super) async fn keep(
        &self,
        progress: &mut Progress,
        kind: Option<CredentialKind>,
    ) -> Result<bool, BurstError> {
        let kept_at = self.parts.clock.monotonic();
        let until = self.parts.clock.now().plus(self.parts.policy.lease);
        let paused = self.commit(progress, kind, LeaseFate::KeepUntil(until)).await?;
        progress.until = until;
        progress.kept_at = kept_at;
        Ok(paused)
    }

    /// Writes and gives the lease back.
    pub(super) async fn release(
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
        self.parts.reservations.keep(reservation);
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
    let waits = now < wake_at && wake_at < NEVER;
    waits && desk.record.active && desk.credentials.values().any(|credential| credential.rotation.is_some())
}
