//! How old a PUT is that was never answered, whatever happens to the wall clock.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mint_types::{ApplicationId, Clock, Monotonic, Timestamp};

use crate::plan::{Attempt, in_present_time};

/// When this process began which attempts, by the clock that nobody sets.
#[derive(Debug)]
pub(crate) struct Ages {
    started: Monotonic,
    begun: Mutex<HashMap<ApplicationId, HashMap<u64, Monotonic>>>,
}

impl Ages {
    /// Of a process that starts now.
    pub(crate) fn new(clock: &dyn Clock) -> Self {
        Self { started: clock.monotonic(), begun: Mutex::default() }
    }

    /// These attempts were begun just now.
    pub(crate) fn note(&self, application: &ApplicationId, numbers: &[u64], clock: &dyn Clock) {
        let now = clock.monotonic();
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let own = begun.entry(application.clone()).or_default();
        own.extend(numbers.iter().map(|number| (*number, now.clone())));
    }

    /// The attempts of an application in the terms of the present wall clock; what is no longer remembered durably is
    /// forgotten here.
    pub(crate) fn present(
        &self,
        application: &ApplicationId,
        attempts: Vec<Attempt>,
        clock: &dyn Clock,
    ) -> Vec<Attempt> {
        let (now, monotonic) = (clock.now(), clock.monotonic());
        let since = |then: &Monotonic| monotonic.since(then).unwrap_or_default();
        let uptime = since(&self.started);
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let own = begun.entry(application.clone()).or_default();
        own.retain(|number, _| attempts.iter().any(|attempt| attempt.sequence == *number));
        let aged = attempts.into_iter().map(|attempt| {
            let age = own.get(&attempt.sequence).map(since);
            in_present_time(attempt, age, uptime, now)
        });
        let aged = aged.collect();
        if own.is_empty() {
            begun.remove(application);
        }
        aged
    }
}

/// So long before a time.
pub(crate) fn before(time: Timestamp, by: Duration) -> Timestamp {
    let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_unix_micros(time.unix_micros().saturating_sub(micros))
}
