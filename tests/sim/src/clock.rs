//! Clocks: one true time, and what each machine believes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use mint_types::{Clock, Monotonic, Timestamp};
use tokio::time::Instant;

/// When every world begins: 2026-01-01T00:00:00Z.
const BEGINNING: i64 = 1_767_225_600_000_000;
/// Machines were up for a while, each for another one.
const UPTIME: Duration = Duration::from_hours(5);

/// The true time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrueTime(Instant);

impl TrueTime {
    /// Begins now, on the runtime's paused clock.
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }

    /// Since the beginning.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// As a timestamp.
    pub(crate) fn now(self) -> Timestamp {
        Timestamp::from_unix_micros(BEGINNING).plus(self.elapsed())
    }

    /// So long ago, as a timestamp.
    pub(crate) fn before(self, duration: Duration) -> Timestamp {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_unix_micros(self.now().unix_micros().saturating_sub(micros))
    }
}

/// A machine's clocks: the wall clock may be wrong and jump, the monotonic one only begins anew at a boot.
#[derive(Debug, Clone)]
pub(crate) struct MachineClock {
    time: TrueTime,
    machine: u64,
    skew_micros: Arc<AtomicI64>,
    boot: Arc<AtomicU64>,
    booted_nanos: Arc<AtomicU64>,
}

impl MachineClock {
    /// The clocks of a machine.
    pub(crate) fn new(time: TrueTime, machine: u64) -> Self {
        Self {
            time,
            machine,
            skew_micros: Arc::default(),
            boot: Arc::default(),
            booted_nanos: Arc::default(),
        }
    }

    /// From now on the wall clock is this wrong.
    pub(crate) fn set_skew(&self, micros: i64) {
        self.skew_micros.store(micros, Ordering::Relaxed);
    }

    /// The machine boots.
    pub(crate) fn boot(&self) {
        self.boot.fetch_add(1, Ordering::Relaxed);
        self.booted_nanos.store(self.nanos(), Ordering::Relaxed);
    }

    fn nanos(&self) -> u64 {
        u64::try_from(self.time.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        let skewed = self.time.now().unix_micros().saturating_add(self.skew_micros.load(Ordering::Relaxed));
        Timestamp::from_unix_micros(skewed)
    }

    fn monotonic(&self) -> Monotonic {
        let uptime = u64::try_from(UPTIME.as_nanos()).unwrap_or(0) * (self.machine + 1);
        let boot = self.boot.load(Ordering::Relaxed);
        let since_boot = self.nanos() - self.booted_nanos.load(Ordering::Relaxed);
        Monotonic { boot: format!("machine-{}-{boot}", self.machine), nanos: uptime + since_boot }
    }
}
