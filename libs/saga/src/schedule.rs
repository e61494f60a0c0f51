//! When a credential is due: a deterministic phase within its period, so that the load is level.

use std::time::Duration;

use mint_types::{ApplicationId, CredentialKind, Timestamp};

/// Never: the end of time.
pub const NEVER: Timestamp = Timestamp::from_unix_micros(i64::MAX);

/// When the version that was delivered at `delivered_at` should be replaced.
///
/// The application's slots are a period apart, at a phase that follows from its id and the kind. The next rotation
/// is the first slot at least half a period after the delivery: so the gap is at least half a period and less than
/// one and a half, whenever the first delivery was and however late the last one.
pub fn due_at(
    application: &ApplicationId,
    kind: CredentialKind,
    period: Duration,
    delivered_at: Timestamp,
) -> Timestamp {
    let Some(period) = i64::try_from(period.as_micros()).ok().filter(|period| *period > 0) else {
        return NEVER;
    };
    let earliest = delivered_at.unix_micros().saturating_add(period / 2);
    let phase = phase(application, kind, period);
    let behind = (earliest.saturating_sub(phase)).rem_euclid(period);
    let wait = if behind == 0 { 0 } else { period - behind };
    Timestamp::from_unix_micros(earliest.saturating_add(wait))
}

/// When the application's last slot of a period began, at its phase: once in each period something is due.
pub fn slot(
    application: &ApplicationId,
    kind: CredentialKind,
    period: Duration,
    now: Timestamp,
) -> Timestamp {
    let Some(period) = i64::try_from(period.as_micros()).ok().filter(|period| *period > 0) else {
        return now;
    };
    let phase = phase(application, kind, period);
    let into = now.unix_micros().saturating_sub(phase).rem_euclid(period);
    Timestamp::from_unix_micros(now.unix_micros().saturating_sub(into))
}

/// The application's phase within a period, in microseconds.
fn phase(application: &ApplicationId, kind: CredentialKind, period: i64) -> i64 {
    let hash = hash(application.as_str().bytes().chain([0]).chain(kind.as_str().bytes()));
    let spread = (u128::from(hash) * u128::from(period.unsigned_abs())) >> 64;
    i64::try_from(spread).unwrap_or(0)
}

/// FNV-1a with the finisher of splitmix64: the same on every machine, for ever. Not a secret, not a signature.
fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn application(number: u32) -> ApplicationId {
        format!("app-{number}").parse().unwrap()
    }

    #[test]
    fn slots_of_many_applications_are_level() {
        let period = Duration::from_hours(2);
        let mut tenths = [0_u32; 10];
        for number in 0..5000 {
            let due = due_at(
                &application(number),
                CredentialKind::Password,
                period,
                Timestamp::from_unix_micros(0),
            );
            let tenth = (due.unix_micros() - HOUR) * 10 / (2 * HOUR);
            tenths[usize::try_from(tenth).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|count| (400..600).contains(count)), "{tenths:?}");
    }

    #[test]
    fn a_slot_begins_once_in_a_period_and_where_rotations_have_theirs() {
        let period = Duration::from_hours(2);
        let (app, kind) = (application(7), CredentialKind::Password);
        let first = slot(&app, kind, period, Timestamp::from_unix_micros(100 * HOUR));
        assert_eq!(slot(&app, kind, period, first), first);
        assert_eq!(slot(&app, kind, period, first.plus(period / 2)), first);
        assert_eq!(slot(&app, kind, period, first.plus(period)), first.plus(period));
        assert_eq!(due_at(&app, kind, period, first.plus(period / 4)), first.plus(period));
    }

    #[test]
    fn a_period_of_nothing_is_never_due() {
        let due =
            due_at(&application(1), CredentialKind::Client, Duration::ZERO, Timestamp::from_unix_micros(5));
        assert_eq!(due, NEVER);
    }

    proptest! {
        #[test]
        fn never_two_periods_without_a_rotation(
            number: u32, seconds in 1u64..100_000_000, delivered in 0i64..4_000_000_000_000_000,
        ) {
            let period = Duration::from_secs(seconds);
            let delivered = Timestamp::from_unix_micros(delivered);
            let due = due_at(&application(number), CredentialKind::Password, period, delivered);
            let gap = due.since(delivered);
            prop_assert!(gap >= period / 2, "{gap:?} is too short for {period:?}");
            prop_assert!(gap < period + period / 2 + Duration::from_secs(1), "{gap:?} is too long for {period:?}");
        }

        #[test]
        fn a_credential_that_is_rotated_on_time_keeps_its_slot(
            number: u32, seconds in 10u64..1_000_000, lateness in 0u64..4,
        ) {
            let period = Duration::from_secs(seconds);
            let app = application(number);
            let first = due_at(&app, CredentialKind::Client, period, Timestamp::from_unix_micros(0));
            let late = first.plus(Duration::from_secs(lateness));
            let next = due_at(&app, CredentialKind::Client, period, late);
            prop_assert_eq!(next, first.plus(period));
        }
    }
}
