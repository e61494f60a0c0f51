//! Calls that were sent and may still take effect. What is sent on top of one may be undone by it, or undo it.

use std::time::Duration;

use mint_types::IssuerObject;
use mint_types::mutation::{Mutation, mutated};

use super::Rules;
use crate::Error;
use crate::state::{ApplicationState, Attempt, Instant, Unsettled};

/// Refuses while an end or a set that was not answered may still land on one of these objects: landing on what is sent
/// now, it would end that. The driver declared that it can ([`mint_issuer_contract::LateEnd`]); other ends are not
/// written down.
pub fn check_ends(
    state: &ApplicationState,
    objects: &[IssuerObject],
    rules: &Rules,
    now: &Instant,
) -> Result<(), Error> {
    if mutated(Mutation::LateEndNotAwaited) {
        return Ok(());
    }
    let on_them = state.end_calls.iter().filter(|call| objects.contains(&call.object));
    wait(on_them.map(|call| left(&call.sent, rules, now)))
}

/// Refuses while a Create that was not answered may still land on one of these objects: landing behind an end, what it
/// made would never be swept.
pub(super) fn check_creates(
    state: &ApplicationState,
    objects: &[IssuerObject],
    rules: &Rules,
    now: &Instant,
) -> Result<(), Error> {
    if mutated(Mutation::EarlierCallNotAwaited) {
        return Ok(());
    }
    let on_them = state.attempts.iter().filter(|attempt| objects.contains(&attempt.object));
    wait(on_them.map(|attempt| may_land(attempt, rules, now)))
}

/// How long a Create may still take effect.
pub(super) fn may_land(attempt: &Attempt, rules: &Rules, now: &Instant) -> Duration {
    match attempt.state {
        Unsettled::Sent => left(&attempt.sent, rules, now),
        Unsettled::Stray | Unsettled::Presumed => Duration::ZERO,
    }
}

fn left(sent: &Instant, rules: &Rules, now: &Instant) -> Duration {
    rules.request_life.saturating_sub(now.since(sent))
}

fn wait(lefts: impl Iterator<Item = Duration>) -> Result<(), Error> {
    let retry_after = lefts.max().unwrap_or_default();
    if retry_after.is_zero() { Ok(()) } else { Err(Error::EarlierCallMayLand { retry_after }) }
}
