//! The budget of calls to the issuer: a token bucket, so that the backlog after an outage does not become the next one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mint_types::Monotonic;

use crate::Error;

/// A bucket that holds at most a minute's worth of calls.
#[derive(Debug)]
pub struct RateBudget {
    per_minute: u32,
    state: Mutex<Option<Bucket>>,
}

#[derive(Debug, Clone)]
struct Bucket {
    calls: f64,
    at: Monotonic,
}

impl RateBudget {
    /// So many calls per minute.
    pub fn new(per_minute: u32) -> Self {
        Self { per_minute, state: Mutex::new(None) }
    }

    /// Takes calls out of the budget, all or none.
    pub fn take(&self, calls: u32, now: &Monotonic) -> Result<(), Error> {
        let full = f64::from(self.per_minute);
        let per_second = full / 60.0;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let held = match state.as_ref() {
            None => full,
            Some(bucket) => {
                let elapsed = now.since(&bucket.at).unwrap_or_default();
                (bucket.calls + elapsed.as_secs_f64() * per_second).min(full)
            }
        };
        let left = held - f64::from(calls);
        if left < 0.0 {
            *state = Some(Bucket { calls: held, at: now.clone() });
            let wait = Duration::try_from_secs_f64(-left / per_second).unwrap_or(Duration::from_mins(1));
            return Err(Error::BudgetExhausted { retry_after: wait });
        }
        *state = Some(Bucket { calls: left, at: now.clone() });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic { boot: "a".to_owned(), nanos: seconds * 1_000_000_000 }
    }

    #[test]
    fn a_budget_that_is_used_up_says_when_there_is_some_again() {
        let budget = RateBudget::new(60);
        budget.take(58, &at(0)).unwrap();
        let Err(Error::BudgetExhausted { retry_after }) = budget.take(5, &at(0)) else {
            panic!("not refused")
        };
        assert_eq!(retry_after.as_secs(), 3);
        budget.take(5, &at(3)).unwrap();
        assert!(budget.take(1, &at(3)).is_err());
        budget.take(60, &at(1000)).unwrap();
        assert!(budget.take(1, &at(1000)).is_err(), "a bucket holds no more than a minute's worth");
    }
}
