//! What is counted.

use std::collections::BTreeMap;
use std::time::Duration;

use mint_invariants::Violation;

use crate::faults::Fault;
use crate::outside::{Manner, Moment};

/// What happened in a world, or in many.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Rotations that were completed.
    pub rotations: u64,
    /// What went wrong on purpose.
    pub faults: BTreeMap<Fault, u64>,
    /// The same by issuer.
    pub rotations_at: BTreeMap<Manner, u64>,
    /// Logins of applications with what they hold.
    pub logins: u64,
    /// The same by when they were.
    pub logins_at: BTreeMap<Moment, u64>,
    /// Those that were refused.
    pub failed_logins: u64,
    /// Those that were refused while a value was being replaced, which no issuer of that kind can avoid.
    pub logins_in_windows: u64,
    /// Credentials that operators had ended at once.
    pub revocations: u64,
    /// Logins that were refused because of that.
    pub logins_ended: u64,
    /// How often the issuer was to be compared with the ledger.
    pub comparisons: u64,
    /// How often a value was replaced.
    pub windows: u64,
    /// The longest that one value and the next were both at destinations, or one that its issuer did not have.
    pub longest_window: Duration,
    /// Versions alive that nothing accounts for.
    pub unaccounted: u64,
    /// Rotations that do not move.
    pub stuck: u64,
    /// Simulated time.
    pub simulated: Duration,
    /// Worlds.
    pub worlds: u64,
    /// Those in which something was wrong.
    pub broken_worlds: u64,
    /// Everything that broke an invariant, with the world's seed.
    pub violations: Vec<(u64, Violation)>,
}

impl Tally {
    /// Adds another world's.
    pub fn add(&mut self, other: Self) {
        self.rotations += other.rotations;
        for (fault, count) in other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        for (issuer, count) in other.rotations_at {
            *self.rotations_at.entry(issuer).or_default() += count;
        }
        for (moment, count) in other.logins_at {
            *self.logins_at.entry(moment).or_default() += count;
        }
        self.logins_in_windows += other.logins_in_windows;
        self.revocations += other.revocations;
        self.logins_ended += other.logins_ended;
        self.comparisons += other.comparisons;
        self.windows += other.windows;
        self.longest_window = self.longest_window.max(other.longest_window);
        self.broken_worlds += other.broken_worlds;
        self.logins += other.logins;
        self.failed_logins += other.failed_logins;
        self.unaccounted += other.unaccounted;
        self.stuck += other.stuck;
        self.simulated += other.simulated;
        self.worlds += other.worlds;
        self.violations.extend(other.violations);
    }

    /// Applications logged in.
    pub(crate) fn log_in(&mut self, moment: Moment, logins: usize, failed: usize, in_window: u64) {
        let logins = u64::try_from(logins).unwrap_or(u64::MAX);
        self.logins += logins;
        *self.logins_at.entry(moment).or_default() += logins;
        self.failed_logins += u64::try_from(failed).unwrap_or(u64::MAX);
        self.logins_in_windows += in_window;
    }

    /// A value is everywhere, and its issuer has it.
    pub(crate) fn window_closed(&mut self, took: Duration) {
        self.windows += 1;
        self.longest_window = self.longest_window.max(took);
    }

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty() && self.failed_logins == 0 && self.unaccounted == 0 && self.stuck == 0
    }
}
