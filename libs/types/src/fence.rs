//! Fencing: who may act for an application.
//!
//! The rule (invariant I3): a service keeps the highest token per application durably, raises it in the transaction that
//! makes an act's intent durable, and refuses a lower one. A token from the future is refused where it is read, before
//! anybody remembers it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::mutation::{Mutation, mutated};

/// Grows with every lease of an application; whoever acts refuses a lower one than it has seen (invariant I3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FencingToken(pub u64);

/// Fencing tokens and revisions keep step with the clock in milliseconds. One further ahead than this (a day) was given by
/// nobody who gives them, and whoever remembered it as the highest would wait for a higher one for ever.
const FARTHEST_AHEAD_MILLIS: u64 = 24 * 3600 * 1000;

fn of_clock(now: Timestamp) -> u64 {
    u64::try_from(now.unix_millis()).unwrap_or(0)
}

/// Whether a number that keeps step with the clock can have been given by now.
pub(crate) fn keeps_step(number: u64, now: Timestamp) -> bool {
    number <= of_clock(now).saturating_add(FARTHEST_AHEAD_MILLIS)
}

impl FencingToken {
    /// Whether a lease could have made it by now.
    pub fn is_plausible(self, now: Timestamp) -> bool {
        mutated(Mutation::TokenFromTheFuture) || keeps_step(self.0, now)
    }

    /// The token after `last`: one more, and never behind the clock, so that a restored backup cannot repeat one. After an
    /// implausible one, which nobody accepted, the clock's.
    pub fn after(last: Self, now: Timestamp) -> Self {
        if mutated(Mutation::TokensRepeatAfterRestore) {
            return Self(last.0.saturating_add(1));
        }
        let clock = of_clock(now);
        if last.is_plausible(now) { Self(clock.max(last.0.saturating_add(1))) } else { Self(clock) }
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a service remembers of an application's leases: the highest token it let act, none before the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fence(pub Option<FencingToken>);

impl Fence {
    /// Whether the holder of a token may act: not once a higher one did.
    pub fn admit(self, given: FencingToken) -> Result<Admitted, Stale> {
        match self.0 {
            Some(highest) if given < highest && mutated(Mutation::NoFencing) => Ok(Admitted::Again),
            Some(highest) if given < highest => Err(Stale { given, highest }),
            Some(highest) if given == highest => Ok(Admitted::Again),
            Some(_) | None => Ok(Admitted::Raises),
        }
    }
}

/// How an admitted token stands to what is remembered.
#[must_use = "a token that raises the fence must be kept before its holder acts"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// It is the highest: there is nothing to keep.
    Again,
    /// It is higher than any: keep it durably before its holder acts.
    Raises,
}

/// The caller lost its lease: somebody with a later one acted for the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("fencing token {given} is stale: {highest} was seen")]
pub struct Stale {
    /// The caller's.
    pub given: FencingToken,
    /// The highest seen.
    pub highest: FencingToken,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_lets_nobody_back_in_who_was_overtaken() {
        let [lower, highest, higher] = [6, 7, 8].map(FencingToken);
        assert_eq!(Fence::default().admit(FencingToken(0)), Ok(Admitted::Raises), "the first is kept");
        let fence = Fence(Some(highest));
        assert_eq!(fence.admit(lower), Err(Stale { given: lower, highest }));
        assert_eq!(fence.admit(highest), Ok(Admitted::Again));
        assert_eq!(fence.admit(higher), Ok(Admitted::Raises));
    }

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
