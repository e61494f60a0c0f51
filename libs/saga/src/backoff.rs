//! How long to wait before a failed step is tried again.

use std::time::Duration;

/// Exponential backoff with jitter; randomness is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub base: Duration,
    /// No wait of ours is longer; what the other side asks for may be.
    pub cap: Duration,
}

/// Nobody is left alone for longer because somebody asked for it: an instant in the place of seconds would be decades.
const LONGEST_ASKED: Duration = Duration::from_hours(1);
/// Doublings after which every base has reached every sensible cap.
const MOST_DOUBLINGS: u32 = 30;

impl Backoff {
    /// The wait after `attempts` consecutive failures: between half and all of `base · 2^(attempts-1)`, at most `cap`.
    /// What the other side asked for is obeyed, up to an hour, plus up to a tenth, so that those who were told the same time do not
    /// come back together.
    pub fn delay(&self, attempts: u32, asked: Option<Duration>, random: u64) -> Duration {
        let asked = asked.map(|asked| asked.min(LONGEST_ASKED));
        let doublings = attempts.saturating_sub(1).min(MOST_DOUBLINGS);
        let full = self.base.saturating_mul(1 << doublings).min(self.cap);
        let own = full / 2 + fraction(full / 2, random);
        asked.map_or(own, |asked| own.max(asked.saturating_add(fraction(asked / 10, random))))
    }
}

/// `random / 2^32` of a duration, by the upper half of `random`.
fn fraction(of: Duration, random: u64) -> Duration {
    let micros = (of.as_micros() * u128::from(random >> 32)) >> 32;
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BACKOFF: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_mins(5) };

    #[test]
    fn a_wait_doubles_up_to_its_cap() {
        let longest = |attempts| BACKOFF.delay(attempts, None, u64::MAX).as_millis().div_ceil(1000);
        assert_eq!([1, 2, 3, 4, 9, 10, 4_000_000].map(longest), [1, 2, 4, 8, 256, 300, 300]);
        assert_eq!(BACKOFF.delay(3, None, 0), Duration::from_secs(2), "half of it without luck");
    }

    proptest! {
        #[test]
        fn what_the_other_side_asked_for_is_obeyed_up_to_an_hour(attempts: u32, asked in 0u64..100_000, random: u64) {
            let asked = Duration::from_secs(asked);
            let granted = asked.min(LONGEST_ASKED);
            let delay = BACKOFF.delay(attempts, Some(asked), random);
            prop_assert!(delay >= granted);
            prop_assert!(delay <= BACKOFF.cap.max(granted + granted / 10));
        }
    }
}
