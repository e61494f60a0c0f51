//! Leases that end later than any lease can: who took them had a clock that was ahead. Without this rule a crash under such
//! a clock would lock an application until everybody else's clock is there, too.
//!
//! Such a lease is honoured for one lease from when this process first saw it, by its monotonic clock, and only while its
//! row stays as it was: a holder that lives writes the row before its lease ends by its own monotonic clock. Ending it
//! raises the token in the same write, so that a holder that lives after all can neither commit nor, once the next one
//! acts, call anybody. A reserved lease may end as late as it likes: nobody is kept out before it begins.

use std::collections::BTreeMap;
use std::time::Duration;

use mint_types::{ApplicationId, FencingToken, Monotonic, Timestamp};

use crate::lease::HEADSTART;

/// How much later than a lease from now one may end: clocks of coordinators differ by less.
const TOLERANCE: Duration = HEADSTART;

/// A lease that ends later than any can, as its row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlong {
    /// Of which application.
    pub application: ApplicationId,
    /// Its token.
    pub token: FencingToken,
    /// When it would end.
    pub expires_at: Timestamp,
}

/// The latest end of a lease that is taken now.
pub(crate) fn latest_end(now: Timestamp, lease: Duration) -> Timestamp {
    now.plus(lease).plus(TOLERANCE)
}

/// Which of them this process has seen, since when.
#[derive(Debug, Default)]
pub(crate) struct Sightings {
    seen: BTreeMap<ApplicationId, (Overlong, Monotonic)>,
    looked_at: Option<Monotonic>,
}

impl Sightings {
    /// Whether it is time to look: once in a lease, and when one that was seen may be ended.
    pub(crate) fn is_time_to_look(&self, monotonic: &Monotonic, lease: Duration) -> bool {
        let looked = self.looked_at.as_ref().and_then(|before| monotonic.since(before));
        looked.is_none_or(|passed| lease <= passed)
            || self.next_look(monotonic, lease).is_some_and(|left| left.is_zero())
    }

    /// Takes in what there is now; answers those that were there unchanged for a lease.
    pub(crate) fn compare(
        &mut self,
        found: Vec<Overlong>,
        monotonic: &Monotonic,
        lease: Duration,
    ) -> Vec<Overlong> {
        let mut before = std::mem::take(&mut self.seen);
        self.looked_at = Some(monotonic.clone());
        let mut over = Vec::new();
        for overlong in found {
            let since = before.remove(&overlong.application).filter(|(known, _)| *known == overlong);
            let since = since.map_or_else(|| monotonic.clone(), |(_, since)| since);
            if monotonic.since(&since).is_some_and(|passed| lease <= passed) {
                over.push(overlong);
            } else {
                self.seen.insert(overlong.application.clone(), (overlong, since));
            }
        }
        over
    }

    /// How long until the first of them may be ended.
    pub(crate) fn next_look(&self, monotonic: &Monotonic, lease: Duration) -> Option<Duration> {
        let left = |since: &Monotonic| lease.saturating_sub(monotonic.since(since).unwrap_or_default());
        self.seen.values().map(|(_, since)| left(since)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(30);

    fn at(seconds: u64) -> Monotonic {
        Monotonic { boot: "boot".into(), nanos: seconds * 1_000_000_000 }
    }

    fn overlong(token: u64) -> Overlong {
        Overlong {
            application: "app-a".parse().unwrap(),
            token: FencingToken(token),
            expires_at: Timestamp::from_unix_micros(1_800_000_000_000_000),
        }
    }

    #[test]
    fn it_is_ended_when_it_was_seen_unchanged_for_one_lease() {
        let mut sightings = Sightings::default();
        assert!(sightings.is_time_to_look(&at(0), LEASE));
        assert_eq!(sightings.compare(vec![overlong(1)], &at(0), LEASE), []);
        assert!(!sightings.is_time_to_look(&at(29), LEASE));
        assert_eq!(sightings.next_look(&at(29), LEASE), Some(Duration::from_secs(1)));
        assert_eq!(sightings.compare(vec![overlong(1)], &at(29), LEASE), []);
        assert!(sightings.is_time_to_look(&at(30), LEASE), "the one that was seen may be ended");
        assert_eq!(sightings.compare(vec![overlong(1)], &at(30), LEASE), [overlong(1)]);
        assert_eq!(sightings.next_look(&at(30), LEASE), None);
    }

    #[test]
    fn a_holder_that_writes_is_honoured_anew() {
        let mut sightings = Sightings::default();
        sightings.compare(vec![overlong(1)], &at(0), LEASE);
        let renewed = Overlong { expires_at: overlong(1).expires_at.plus(LEASE), ..overlong(1) };
        assert_eq!(sightings.compare(vec![renewed.clone()], &at(20), LEASE), []);
        assert_eq!(sightings.compare(vec![renewed.clone()], &at(40), LEASE), []);
        assert_eq!(sightings.compare(vec![overlong(2)], &at(45), LEASE), [], "somebody else has it");
        assert_eq!(sightings.compare(vec![], &at(60), LEASE), []);
        assert_eq!(sightings.compare(vec![overlong(2)], &at(80), LEASE), [], "it was gone meanwhile");
    }

    #[test]
    fn time_of_another_boot_counts_nothing() {
        let mut sightings = Sightings::default();
        sightings.compare(vec![overlong(1)], &Monotonic { boot: "other".into(), nanos: 0 }, LEASE);
        assert_eq!(sightings.compare(vec![overlong(1)], &at(1000), LEASE), []);
    }
}
