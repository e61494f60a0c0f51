//! A clock that is moved by hand.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mint_types::{Clock, Monotonic, Timestamp};

/// 2026-11-22T00:00:00Z: recognisable in a failing test's output.
const START: Timestamp = Timestamp::from_unix_micros(1_795_305_600_000_000);

/// Stands still until it is moved. Clones share the time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    now: Timestamp,
    boot: u64,
    nanos: u64,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new(START)
    }
}

impl ManualClock {
    /// Starts at `now`, in the first boot.
    pub fn new(now: Timestamp) -> Self {
        Self { state: Arc::new(Mutex::new(State { now, boot: 1, nanos: 1_000_000_000 })) }
    }

    /// Both clocks go on.
    pub fn advance(&self, by: Duration) {
        let mut state = self.locked();
        state.now = state.now.plus(by);
        state.nanos += u64::try_from(by.as_nanos()).unwrap();
    }

    /// The wall clock jumps; the monotonic one does not.
    pub fn set(&self, now: Timestamp) {
        self.locked().now = now;
    }

    /// The machine restarts: instants from before do not compare any more.
    pub fn reboot(&self) {
        let mut state = self.locked();
        state.boot += 1;
        state.nanos = 0;
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.locked().now
    }

    fn monotonic(&self) -> Monotonic {
        let state = self.locked();
        Monotonic { boot: format!("boot-{}", state.boot), nanos: state.nanos }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stands_still_until_it_is_moved() {
        let clock = ManualClock::default();
        let (now, instant) = (clock.now(), clock.monotonic());
        assert_eq!((clock.now(), clock.monotonic()), (now, instant.clone()));
        let other = clock.clone();
        other.advance(Duration::from_secs(90));
        assert_eq!(clock.now().since(now), Duration::from_secs(90));
        assert_eq!(clock.monotonic().since(&instant), Some(Duration::from_secs(90)));
        clock.set(now);
        assert_eq!(clock.monotonic().since(&instant), Some(Duration::from_secs(90)));
        clock.reboot();
        assert_eq!(clock.monotonic().since(&instant), None);
        assert_eq!(now.to_string(), "2026-11-22T00:00:00Z");
    }
}
