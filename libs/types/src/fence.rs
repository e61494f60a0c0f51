//! Fencing: who may act for an application.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Grows with every lease of an application; whoever acts refuses a lower one than it has seen (invariant I3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FencingToken(pub u64);

impl FencingToken {
    /// Tokens keep step with the clock in milliseconds; one further ahead than this (a day) was made by no lease, and
    /// whoever remembered it as the highest would be locked for ever.
    const FARTHEST_AHEAD_MILLIS: u64 = 24 * 3600 * 1000;

    fn of_clock(now: Timestamp) -> u64 {
        u64::try_from(now.unix_millis()).unwrap_or(0)
    }

    /// Whether a lease could have made it by now.
    pub fn is_plausible(self, now: Timestamp) -> bool {
        self.0 <= Self::of_clock(now).saturating_add(Self::FARTHEST_AHEAD_MILLIS)
    }

    /// The token after `last`: one more, and never behind the clock, so that a restored backup cannot repeat one. After an
    /// implausible one, which nobody accepted, the clock's.
    pub fn after(last: Self, now: Timestamp) -> Self {
        let clock = Self::of_clock(now);
        if last.is_plausible(now) { Self(clock.max(last.0.saturating_add(1))) } else { Self(clock) }
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fencing_token_grows_with_every_lease_and_stays_near_the_clock() {
        let now = Timestamp::from_unix_micros(1_800_000_000_000_000);
        let first = FencingToken::after(FencingToken(0), now);
        assert_eq!(first, FencingToken(1_800_000_000_000));
        assert_eq!(FencingToken::after(first, now), FencingToken(1_800_000_000_001));
        let an_hour_back = Timestamp::from_unix_micros(now.unix_micros() - 3_600_000_000);
        assert!(first.is_plausible(an_hour_back), "a clock that jumped an hour locks nobody out");
        assert!(FencingToken::after(first, an_hour_back) > first);
        for poison in [u64::MAX, i64::MAX.unsigned_abs(), 1_800_000_000_000 + 25 * 3_600_000] {
            assert!(!FencingToken(poison).is_plausible(now), "{poison}");
            assert_eq!(FencingToken::after(FencingToken(poison), now), first);
        }
    }
}
