//! Who may act on an application: pure rules over what its row says, and the memory of leases that begin in the future.
//!
//! A write that gives a lease back while a rotation waits may *reserve* the next one in the same write: the next fencing
//! token, the same holder, from when the wait ends for one lease. When the wait ends the holder reads the row and goes
//! on under that token without a write. Why nobody else acts meanwhile:
//!
//! - Before [`HEADSTART`] of the beginning anybody may take the application; the write raises the token, so the holder's
//!   read finds another one. A taker whose write was committed late looks at its clock again, and leaves the application
//!   alone if the reservation may have begun ([`Free::UnlessBegun`]).
//! - From then on until the end of the reservation only the holder may.
//! - The holder goes on only if neither of its clocks says that it is too early, and nothing happened beside it.
//! - Clocks that differ by more than the headstart, a process that was stopped between a look and a call: there the
//!   executors refuse the lower token, as with every other lease.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mint_types::{ApplicationId, Clock, Monotonic, Timestamp};

use crate::store::Lease;

/// How long before a reservation begins nobody else may take the application any more: more than the clocks of two
/// coordinators may differ.
pub const HEADSTART: Duration = Duration::from_secs(10);

/// What a row says of its lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who has it, or had it last.
    pub holder: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// It is reserved: from then on nobody else may take it.
    pub reserved_from: Option<Timestamp>,
}

/// Whether somebody may take an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Free {
    /// Somebody else has it.
    No,
    /// Nobody has it, or whoever asks has reserved it.
    Yes,
    /// Somebody else has reserved it: yes, if after the write it is still before this time.
    UnlessBegun(Timestamp),
}

impl Claim {
    /// Whether `taker` may take it.
    pub fn is_free_for(&self, taker: &str, now: Timestamp) -> Free {
        match self.reserved_from {
            _ if self.expires_at <= now => Free::Yes,
            Some(_) if self.holder == taker => Free::Yes,
            Some(from) if now < from => Free::UnlessBegun(from),
            Some(_) | None => Free::No,
        }
    }
}

/// A lease that begins in the future.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The right, as it will be.
    pub lease: Lease,
    /// When it begins.
    pub begins_at: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    made_at: Monotonic,
    wait: Duration,
}

/// Where a reservation is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Season {
    /// It has not begun.
    Early {
        /// When to look again.
        look_at: Timestamp,
    },
    /// It holds.
    Ripe,
    /// It has ended.
    Over,
}

impl Reservation {
    /// A reservation that is written now.
    pub fn new(lease: Lease, begins_at: Timestamp, until: Timestamp, clock: &dyn Clock) -> Self {
        let wait = begins_at.since(clock.now());
        Self { lease, begins_at, until, made_at: clock.monotonic(), wait }
    }

    /// Where it is: the wall clock must say that it has begun, and the monotonic clock that it may have.
    pub fn season(&self, now: Timestamp, monotonic: &Monotonic) -> Season {
        if now >= self.until {
            return Season::Over;
        }
        match monotonic.since(&self.made_at) {
            None => Season::Over,
            Some(passed) if now >= self.begins_at && passed >= self.wait => Season::Ripe,
            Some(passed) => {
                let left = self.wait.saturating_sub(passed);
                Season::Early { look_at: self.begins_at.max(now.plus(left)) }
            }
        }
    }
}

/// The reservations of this process. Forgotten with it: whoever restarts takes leases as everybody else does.
#[derive(Debug, Default)]
pub struct Reservations(Mutex<BTreeMap<ApplicationId, Reservation>>);

impl Reservations {
    pub(crate) fn keep(&self, reservation: Reservation) {
        self.locked().insert(reservation.lease.application.clone(), reservation);
    }

    /// The reservation of an application if it holds now; it is used up either way.
    pub(crate) fn claim(&self, application: &ApplicationId, clock: &dyn Clock) -> Option<Reservation> {
        let reservation = self.locked().remove(application)?;
        (reservation.season(clock.now(), &clock.monotonic()) == Season::Ripe).then_some(reservation)
    }

    /// Takes back what is reserved, so that nobody of this process goes on with it; answers whether it was still there. If
    /// not, somebody may be going on with it just now.
    pub(crate) fn withdraw(&self, application: &ApplicationId) -> bool {
        self.locked().remove(application).is_some()
    }

    /// Forgets everything.
    pub(crate) fn forget(&self) {
        self.locked().clear();
    }

    /// The applications whose reservation holds now, the longest waiting first.
    pub(crate) fn ripe(&self, clock: &dyn Clock, at_most: usize) -> Vec<ApplicationId> {
        let (now, monotonic) = (clock.now(), clock.monotonic());
        let mut all = self.locked();
        all.retain(|_, reservation| reservation.season(now, &monotonic) != Season::Over);
        let mut ripe: Vec<(Timestamp, ApplicationId)> = all
            .iter()
            .filter(|(_, reservation)| reservation.season(now, &monotonic) == Season::Ripe)
            .map(|(application, reservation)| (reservation.begins_at, application.clone()))
            .collect();
        ripe.sort();
        ripe.into_iter().take(at_most).map(|(_, application)| application).collect()
    }

    /// When the next one has to be looked at.
    pub(crate) fn next_look(&self, clock: &dyn Clock) -> Option<Timestamp> {
        let (now, monotonic) = (clock.now(), clock.monotonic());
        let all = self.locked();
        all.values()
            .filter_map(|reservation| match reservation.season(now, &monotonic) {
                Season::Early { look_at } => Some(look_at),
                Season::Ripe => Some(now),
                Season::Over => None,
            })
            .min()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<ApplicationId, Reservation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use mint_types::FencingToken;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);

    fn after(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_reserved_application_is_free_before_it_begins_and_after_it_ends() {
        let claim = |reserved: Option<u64>| Claim {
            holder: "one".into(),
            expires_at: after(130),
            reserved_from: reserved.map(after),
        };
        let table = [
            (claim(None), "two", 0, Free::No),
            (claim(None), "one", 0, Free::No),
            (claim(None), "two", 130, Free::Yes),
            (claim(Some(90)), "two", 0, Free::UnlessBegun(after(90))),
            (claim(Some(90)), "two", 89, Free::UnlessBegun(after(90))),
            (claim(Some(90)), "two", 90, Free::No),
            (claim(Some(90)), "two", 129, Free::No),
            (claim(Some(90)), "two", 130, Free::Yes),
            (claim(Some(90)), "one", 0, Free::Yes),
            (claim(Some(90)), "one", 100, Free::Yes),
        ];
        for (claim, taker, now, free) in table {
            assert_eq!(claim.is_free_for(taker, after(now)), free, "{claim:?} {taker} {now}");
        }
    }

    #[test]
    fn a_reservation_holds_when_both_clocks_say_so() {
        let clock = mint_testkit::ManualClock::new(NOW);
        let lease = Lease {
            application: "app-a".parse().unwrap(),
            holder: "one".into(),
            token: FencingToken(7),
            stir: 1,
        };
        let reservation = Reservation::new(lease, after(100), after(130), &clock);
        let boot = clock.monotonic();
        let season = |wall: u64, passed: u64| {
            let monotonic = Monotonic { nanos: boot.nanos + passed * 1_000_000_000, ..boot.clone() };
            reservation.season(after(wall), &monotonic)
        };
        assert_eq!(season(99, 99), Season::Early { look_at: after(100) });
        assert_eq!(season(100, 100), Season::Ripe);
        assert_eq!(season(129, 129), Season::Ripe);
        assert_eq!(season(130, 130), Season::Over);
        assert_eq!(season(110, 50), Season::Early { look_at: after(160) }, "the wall clock jumped forward");
        assert_eq!(season(3700, 100), Season::Over, "it jumped by an hour");
        assert_eq!(season(0, 3600), Season::Early { look_at: after(100) }, "it jumped back");
        let elsewhere = Monotonic { boot: "another".into(), nanos: u64::MAX };
        assert_eq!(reservation.season(after(110), &elsewhere), Season::Over);
    }
}
