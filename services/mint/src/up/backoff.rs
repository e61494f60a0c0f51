//! When a child that died is started again.

use std::time::Duration;

/// The first restart is quick: most deaths are one of a kind.
const FIRST: Duration = Duration::from_millis(100);
/// A child that dies at once every time must not keep the machine busy.
const CAP: Duration = Duration::from_secs(5);
/// A child that lived this long is well again.
const HEALTHY: Duration = Duration::from_secs(10);

/// The pauses before restarts.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { next: FIRST }
    }

    /// How long to wait after a child died that had lived for `lived`.
    pub(crate) fn after_death(&mut self, lived: Duration) -> Duration {
        if lived >= HEALTHY {
            self.next = FIRST;
        }
        let pause = self.next;
        self.next = (pause * 2).min(CAP);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_cap_and_starts_again_after_a_healthy_life() {
        let mut backoff = Backoff::new();
        let pauses: Vec<_> =
            (0..8).map(|_| backoff.after_death(Duration::from_secs(1)).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(backoff.after_death(Duration::from_secs(10)).as_millis(), 100);
        assert_eq!(backoff.after_death(Duration::from_secs(9)).as_millis(), 200);
    }
}
