//! How long a statement of which nothing became is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mint_types::{CredentialKind, Timestamp};

use super::{IDLE, Look, PAUSE, URGENT};
use crate::error::BurstError;

/// Between two looks at one of which nothing has become for long.
const LONGEST: Duration = Duration::from_secs(30);

/// Which statement, of which kind.
pub(super) type Key = (String, CredentialKind);

/// Those of which nothing became with the last look: each is left alone for longer than before, so that whoever cannot be
/// helped keeps nobody waiting, and nobody waits twice as long as what he waits for.
#[derive(Debug, Default)]
pub struct Waiting(BTreeMap<Key, Pause>);

#[derive(Debug, Clone, Copy)]
struct Pause {
    looks: u32,
    length: Duration,
    until: Timestamp,
}

impl Waiting {
    /// A time further away than the pause was written under another clock.
    pub(super) fn waits(&self, key: &Key, now: Timestamp) -> bool {
        self.0.get(key).is_some_and(|pause| now < pause.until && pause.until.since(now) <= pause.length)
    }

    pub(super) fn note(&mut self, key: Key, looked: &Result<Look, BurstError>, now: Timestamp) {
        let first = match looked {
            Ok(Look::Closed) => {
                self.0.remove(&key);
                return;
            }
            Ok(Look::Moved) => Duration::ZERO,
            Ok(Look::Waits) => URGENT,
            Err(_) => PAUSE,
        };
        let pause = self.0.entry(key).or_insert(Pause { looks: 0, length: Duration::ZERO, until: now });
        pause.length = first.saturating_mul(1 << pause.looks.min(16)).min(LONGEST);
        pause.until = now.plus(pause.length);
        pause.looks = pause.looks.saturating_add(u32::from(!first.is_zero()));
    }

    /// Forgets what is closed.
    pub(super) fn keep(&mut self, open: &BTreeSet<Key>) {
        self.0.retain(|key, _| open.contains(key));
    }

    /// When to look again.
    pub(super) fn nap(&self, open: usize, now: Timestamp) -> Duration {
        match self.0.values().map(|pause| pause.until.since(now)).min() {
            Some(next) if self.0.len() >= open => next.clamp(URGENT, IDLE),
            Some(_) | None if open > 0 => URGENT,
            Some(_) | None => IDLE,
        }
    }
}
