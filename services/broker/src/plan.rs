//! Decisions about an exchange: pure.

use std::time::Duration;

use mint_api::audit_log::Outcome;
use mint_types::Timestamp;

use crate::ports::StsFault;

/// How often STS is asked again when it could not fetch our keys.
const RETRIES: u32 = 2;
/// Before it is asked again; twice that before the second time.
const PAUSE: Duration = Duration::from_millis(200);

/// How far an exchange has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    signed_again: bool,
    retries: u32,
}

/// What to do about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Sign a fresh token and ask with it.
    SignAgain,
    /// Wait, then ask with a fresh token.
    Wait(Duration),
    /// It stays so.
    GiveUp,
}

impl Progress {
    /// Decides. A token that expired on the way is signed again once; keys that STS could not fetch are asked for again;
    /// an exchange that was not answered is not repeated: whoever asked does that, and sees how long it takes.
    pub(crate) fn after(&mut self, fault: &StsFault) -> Next {
        match fault {
            StsFault::TokenExpired if !self.signed_again => {
                self.signed_again = true;
                Next::SignAgain
            }
            StsFault::KeysUnreachable if self.retries < RETRIES => {
                self.retries += 1;
                Next::Wait(PAUSE.saturating_mul(self.retries))
            }
            StsFault::TokenExpired
            | StsFault::KeysUnreachable
            | StsFault::TokenInvalid
            | StsFault::ClaimRejected
            | StsFault::AccessDenied
            | StsFault::PackedPolicyTooLarge
            | StsFault::Refused(_)
            | StsFault::Unconnected
            | StsFault::Unanswered
            | StsFault::Malformed(_) => Next::GiveUp,
        }
    }
}

/// What the audit log is told about an exchange that failed.
pub(crate) fn outcome_of(fault: &StsFault) -> Outcome {
    let reason = fault.reason();
    if fault.is_unknown() { Outcome::Unknown { reason } } else { Outcome::Failure { reason } }
}

/// Until when credentials are handed out again: whoever gets them must have time to use them. Short ones serve for two
/// thirds of their life.
pub(crate) fn fresh_until(now: Timestamp, expiration: Timestamp, margin: Duration) -> Timestamp {
    let life = expiration.since(now);
    now.plus(life.saturating_sub(margin.min(life / 3)))
}

/// One caller's turn: the generic cell rate algorithm (ITU-T I.371). `due` is when the next call is due at an even pace;
/// a burst may run ahead of that.
pub(crate) fn take_turn(due: u64, now: u64, interval: Duration, burst: u32) -> Result<u64, Duration> {
    let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
    let ahead = interval.saturating_mul(u64::from(burst.saturating_sub(1)));
    let due = due.max(now);
    if due - now > ahead {
        return Err(Duration::from_nanos(due - now - ahead));
    }
    Ok(due.saturating_add(interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_expired_on_the_way_is_signed_again_once() {
        let mut progress = Progress::default();
        assert_eq!(progress.after(&StsFault::TokenExpired), Next::SignAgain);
        assert_eq!(progress.after(&StsFault::TokenExpired), Next::GiveUp);
    }

    #[test]
    fn only_what_passes_is_asked_again() {
        let mut progress = Progress::default();
        assert_eq!(progress.after(&StsFault::KeysUnreachable), Next::Wait(PAUSE));
        assert_eq!(progress.after(&StsFault::KeysUnreachable), Next::Wait(PAUSE * 2));
        assert_eq!(progress.after(&StsFault::KeysUnreachable), Next::GiveUp);
        for fault in [
            StsFault::TokenInvalid,
            StsFault::ClaimRejected,
            StsFault::AccessDenied,
            StsFault::PackedPolicyTooLarge,
            StsFault::Refused("Throttling".to_owned()),
            StsFault::Unconnected,
            StsFault::Unanswered,
            StsFault::Malformed("x"),
        ] {
            assert_eq!(Progress::default().after(&fault), Next::GiveUp, "{fault}");
        }
        assert!(matches!(outcome_of(&StsFault::Unanswered), Outcome::Unknown { reason: "STS_UNANSWERED" }));
        assert!(matches!(
            outcome_of(&StsFault::AccessDenied),
            Outcome::Failure { reason: "STS_ACCESS_DENIED" }
        ));
    }

    #[test]
    fn credentials_are_handed_out_again_until_a_margin_before_their_end() {
        let at = |second: i64| Timestamp::from_unix_micros(second * 1_000_000);
        let margin = Duration::from_mins(5);
        assert_eq!(fresh_until(at(0), at(3_600), margin), at(3_300));
        assert_eq!(fresh_until(at(0), at(600), margin), at(400));
        assert_eq!(fresh_until(at(600), at(600), margin), at(600));
        assert_eq!(fresh_until(at(700), at(600), margin), at(700), "the past serves nobody");
    }

    #[test]
    fn a_burst_is_let_through_and_then_one_each_interval() {
        let second = Duration::from_secs(1);
        let mut due = 0;
        for _ in 0..3 {
            due = take_turn(due, 5_000_000_000, second, 3).unwrap();
        }
        assert_eq!(take_turn(due, 5_000_000_000, second, 3), Err(second));
        assert_eq!(take_turn(due, 5_400_000_000, second, 3), Err(Duration::from_millis(600)));
        let due = take_turn(due, 6_000_000_000, second, 3).unwrap();
        assert!(take_turn(due, 6_000_000_000, second, 3).is_err());
        assert!(take_turn(due, 60_000_000_000, second, 3).is_ok());
    }
}
