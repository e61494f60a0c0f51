//! The clocks of the operating system.

use std::time::{SystemTime, UNIX_EPOCH};

use mint_types::{Clock, Monotonic, Timestamp};

/// The kernel's name of the current boot (`proc(5)`, `/proc/sys/kernel/random/boot_id`).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The wall clock, and `CLOCK_BOOTTIME` with the kernel's boot id: it counts sleep, and an instant that a process
/// wrote down still compares after the process was restarted.
#[derive(Debug)]
pub struct SystemClock {
    boot: String,
}

impl SystemClock {
    /// Reads the boot id. Where the kernel has none, instants compare within this process only.
    pub fn new(entropy: &dyn mint_types::Entropy) -> Self {
        let boot = std::fs::read_to_string(BOOT_ID).ok().map(|text| text.trim().to_owned());
        let boot = boot.filter(|text| !text.is_empty()).unwrap_or_else(|| {
            let mut bytes = [0; 16];
            entropy.fill(&mut bytes);
            format!("process-{:032x}", u128::from_be_bytes(bytes))
        });
        Self { boot }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
    fn now(&self) -> Timestamp {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
        };
        Timestamp::from_unix_micros(micros)
    }

    fn monotonic(&self) -> Monotonic {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
        Monotonic {
            boot: self.boot.clone(),
            nanos: seconds.saturating_mul(1_000_000_000).saturating_add(nanos),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemEntropy;

    #[test]
    fn an_instant_compares_with_one_read_by_another_clock_of_the_same_boot() {
        let before = SystemClock::new(&SystemEntropy).monotonic();
        let after = SystemClock::new(&SystemEntropy).monotonic();
        assert!(after.since(&before).is_some());
        assert!(after.nanos >= before.nanos && before.nanos > 0);
    }
}
