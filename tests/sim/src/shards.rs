//! Many worlds, each with a seed of its own, on some threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::rng::derived;
use crate::tally::Tally;
use crate::world::{Plan, run};

/// A run.
#[derive(Debug, Clone)]
pub struct Shards {
    /// Every world's seed follows from it.
    pub seed: u64,
    /// How many rotations at least, over all worlds.
    pub rotations: u64,
    /// Faults in a million calls.
    pub fault_rate: u64,
    /// Whether operators act in them.
    pub operators: bool,
    /// How many threads.
    pub threads: usize,
    /// Whether the first world that breaks something is the last.
    pub stop_at_first: bool,
}

/// Long enough for backoffs, reboots and overlaps of several rotations to meet; short enough that a seed is soon replayed.
pub const ROTATIONS_PER_WORLD: u64 = 1_000;

/// Lives through worlds until enough rotations were seen; `progress` hears the sum after each.
pub fn run_all(shards: &Shards, progress: &(dyn Fn(&Tally) + Sync)) -> Tally {
    let next = AtomicU64::new(0);
    let worlds = shards.rotations.div_ceil(ROTATIONS_PER_WORLD);
    let sum = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..shards.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let broken = shards.stop_at_first && !locked(&sum).is_clean();
                    if number >= worlds || broken {
                        return;
                    }
                    let plan = Plan {
                        seed: derived(shards.seed, number),
                        rotations: shards.rotations.min(ROTATIONS_PER_WORLD),
                        fault_rate: shards.fault_rate,
                        operators: shards.operators,
                        trace: false,
                    };
                    let outcome = run(&plan);
                    let mut sum = locked(&sum);
                    sum.add(outcome.tally);
                    progress(&sum);
                }
            });
        }
    });
    sum.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn locked(sum: &Mutex<Tally>) -> std::sync::MutexGuard<'_, Tally> {
    sum.lock().unwrap_or_else(PoisonError::into_inner)
}
