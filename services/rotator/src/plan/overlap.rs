//! How long the previous version lives on beside the new one.

use std::time::Duration;

use mint_types::Version;
use mint_types::mutation::{Mutation, mutated};

use super::{Ask, Rules, known, objects_asked};
use crate::Error;
use crate::state::{ApplicationState, Instant, LiveVersion, RotationState};

/// How long consumers of what a rotation replaces have: nothing where it replaces nothing or ends nothing.
pub fn overlap(state: &ApplicationState, ask: Ask, rules: &Rules) -> Duration {
    let mut replaced = replaced_by(state, ask).peekable();
    if replaced.peek().is_none() {
        Duration::ZERO
    } else if replaced.any(|version| version.version == Version::FOREIGN)
        && !mutated(Mutation::ForeignWithoutMaxOverlap)
    {
        rules.max_overlap
    } else {
        rules.min_overlap
    }
}

/// The live versions that a rotation's commits end. Pending ones count: some destination may have them.
fn replaced_by(state: &ApplicationState, ask: Ask) -> impl Iterator<Item = &LiveVersion> {
    let objects = objects_asked(ask.kind);
    state
        .versions
        .iter()
        .filter(move |version| version.rotation != ask.rotation || version.version == Version::FOREIGN)
        .filter(move |version| objects.iter().any(|object| version.lives_on(*object)))
}

/// How long Retire is still refused; none if this boot has not begun to count.
pub fn overlap_left(
    state: &ApplicationState,
    ask: Ask,
    rules: &Rules,
    now: &Instant,
) -> Result<Option<Duration>, Error> {
    let rotation = known(state, ask)?;
    if rotation.state == RotationState::Retired {
        return Ok(Some(Duration::ZERO));
    }
    let overlap = overlap(state, ask, rules);
    if overlap.is_zero() {
        return Ok(Some(Duration::ZERO));
    }
    if mutated(Mutation::EndByAge) {
        let made = rotation.made.as_ref().map_or(0, |made| made.version.0);
        let age = u64::try_from(now.wall.unix_millis()).unwrap_or(0).saturating_sub(made);
        return Ok(Some(overlap.saturating_sub(Duration::from_millis(age))));
    }
    if mutated(Mutation::OverlapOfAnotherBoot) {
        let since = |began: &mint_types::Monotonic| now.monotonic.nanos.saturating_sub(began.nanos);
        let elapsed = rotation.overlap.first().map(|began| Duration::from_nanos(since(began)));
        return Ok(elapsed.map(|elapsed| overlap.saturating_sub(elapsed)));
    }
    let elapsed = rotation.overlap.iter().find_map(|began| now.monotonic.since(began));
    Ok(elapsed.map(|elapsed| overlap.saturating_sub(elapsed)))
}
