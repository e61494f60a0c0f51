//! How often each subject was served lately.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mint_types::Clock;

use crate::grants::Subject;
use crate::plan::take_turn;
use crate::refusal::Refusal;

/// Limits per subject. Only subjects of the grant table come here, so it cannot grow without end.
#[derive(Debug)]
pub(crate) struct Turns {
    interval: Duration,
    burst: u32,
    due: Mutex<HashMap<Subject, u64>>,
}

impl Turns {
    pub(crate) fn new(interval: Duration, burst: u32) -> Self {
        Self { interval, burst, due: Mutex::default() }
    }

    pub(crate) fn take(&self, subject: &Subject, clock: &dyn Clock) -> Result<(), Refusal> {
        let now = clock.monotonic().nanos;
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let known = due.get(subject).copied().unwrap_or(0);
        let next = take_turn(known, now, self.interval, self.burst)
            .map_err(|retry_after| Refusal::TooMany { retry_after })?;
        due.insert(subject.clone(), next);
        Ok(())
    }
}
