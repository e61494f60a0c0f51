//! What is counted.

use std::collections::BTreeMap;
use std::time::Duration;

use mint_invariants::Violation;

use crate::faults::Fault;

/// What happened in a world, or in many.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Rotations that were completed.
    pub rotations: u64,
    /// What went wrong on purpose.
    pub faults: BTreeMap<Fault, u64>,
    /// Logins of applications with what they hold.
    pub logins: u64,
    /// Those that were refused.
    pub failed_logins: u64,
    /// Versions alive that nothing accounts for.
    pub unaccounted: u64,
    /// Rotations that do not move.
    pub stuck: u64,
    /// Simulated time.
    pub simulated: Duration,
    /// Worlds.
    pub worlds: u64,
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
        self.logins += other.logins;
        self.failed_logins += other.failed_logins;
        self.unaccounted += other.unaccounted;
        self.stuck += other.stuck;
        self.simulated += other.simulated;
        self.worlds += other.worlds;
        self.violations.extend(other.violations);
    }

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty() && self.failed_logins == 0 && self.unaccounted == 0 && self.stuck == 0
    }
}
