//! Versions that were made and given up before anybody had them for sure: each opens the door until the next end. A
//! coordinator that was taken over could pile them up, for nothing but its wish lies between two of them.

use std::time::Duration;

use mint_types::{IssuerObject, Timestamp, Version};

use super::{Ask, Rules, objects_made};
use crate::Error;
use crate::state::{ApplicationState, Instant, LiveVersion, Stage};

/// So many on an object may follow each other as the caller likes.
pub const FREE_SPARES: usize = 3;
/// After these, one in this time: a rotation that is honest must come through, and ends them.
pub const SPARE_PAUSE: Duration = Duration::from_mins(10);

/// Refuses to make one more version while others stand that nobody is known to use. Operators who want everything of a kind
/// ended do not wait for that: it ends with the version that is made now.
pub(super) fn check_spares(
    state: &ApplicationState,
    ask: Ask,
    rules: &Rules,
    now: &Instant,
) -> Result<(), Error> {
    if state.is_revoking(ask.kind) {
        return Ok(());
    }
    for object in objects_made(ask.kind, rules.ends) {
        let spare: Vec<Version> = spares_on(state, ask, object).map(|version| version.version).collect();
        let Some(newest) = spare.iter().max().filter(|_| spare.len() >= FREE_SPARES) else { continue };
        let retry_after = SPARE_PAUSE.saturating_sub(age(*newest, now.wall));
        if !retry_after.is_zero() {
            return Err(Error::TooManySpares { spares: spare.len(), retry_after });
        }
    }
    Ok(())
}

fn spares_on(state: &ApplicationState, ask: Ask, object: IssuerObject) -> impl Iterator<Item = &LiveVersion> {
    let pending = state.versions.iter().filter(|version| version.stage == Stage::Pending);
    pending.filter(move |version| version.rotation != ask.rotation && version.lives_on(object))
}

/// How long ago a version was made; its number says when. One out of a farther future says that a clock was set back, and
/// nobody waits for it.
fn age(version: Version, now: Timestamp) -> Duration {
    let now = u64::try_from(now.unix_millis()).unwrap_or(0);
    let ahead = Duration::from_millis(version.0.saturating_sub(now));
    if ahead > SPARE_PAUSE { SPARE_PAUSE } else { Duration::from_millis(now.saturating_sub(version.0)) }
}
