//! This world's own clock and randomness; everything else takes them as `Clock` and `Entropy`.

use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use mint_types::{Clock, Entropy, Monotonic, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// The machine's clocks.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place where the sandbox reads the clock"
        )]
        let now = std::time::SystemTime::now();
        let since_epoch = now.duration_since(std::time::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp::from_unix_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Monotonic {
        let read = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(read.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(read.tv_nsec).unwrap_or(0);
        Monotonic { boot: "sandbox".to_owned(), nanos: seconds * 1_000_000_000 + nanos }
    }
}

/// The operating system's randomness.
#[derive(Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        SystemRandom::new().fill(bytes).expect("aws-lc aborts before it fails to give random bytes");
    }
}
