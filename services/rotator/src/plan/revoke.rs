//! What ends at once because two operators say so.

use mint_types::{CredentialKind, IssuerObject, Timestamp, Version};

use super::retire::commit;
use super::{Ask, Commit, Delivered, Rules, WrittenSomewhere, objects_asked, objects_set};
use crate::state::{ApplicationState, LiveVersion, Made, Rotation};

/// What Revoke is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevokePlan {
    /// Whatever there was when the statement came has ended.
    Done,
    /// Nothing is made that could take its place: a fresh rotation comes first.
    AwaitsVersion,
    /// The newest version takes its place now, whether or not anybody has it.
    End(Box<Ending>),
}

/// How a version takes the place of all others at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The rotation that made it.
    pub ask: Ask,
    /// The version.
    pub made: Made,
    /// The objects on which its value is set.
    pub sets: Vec<IssuerObject>,
    /// What lets these be set.
    pub written: WrittenSomewhere,
    /// The calls that end the others.
    pub commits: Vec<Commit>,
    /// What lets these be sent.
    pub delivered: Delivered,
    /// Whether it is fresh: made after the statement came, so that nothing older is left.
    pub completes: bool,
}

/// What ends at once of a kind: everything up to `through`, which was the newest version when the statement came.
pub fn revoke(
    state: &ApplicationState,
    kind: CredentialKind,
    through: Version,
    rules: &Rules,
    now: Timestamp,
) -> RevokePlan {
    let objects = objects_asked(kind);
    let on_them = |version: &LiveVersion| objects.iter().any(|object| version.lives_on(*object));
    let is_meant = |version: &LiveVersion| version.kind != kind || version.version <= through;
    let nothing_lives = !state.versions.iter().any(|version| on_them(version) && is_meant(version));
    let nothing_may = !state.attempts.iter().any(|attempt| objects.contains(&attempt.object));
    if nothing_lives && nothing_may {
        return RevokePlan::Done;
    }
    let open = state.rotations.iter().filter(|rotation| rotation.kind == kind && rotation.state.is_open());
    let newest = open.filter_map(|rotation| Some((rotation, rotation.made.as_ref()?))).next_back();
    let Some((rotation, made)) = newest else {
        return RevokePlan::AwaitsVersion;
    };
    let ending = ending(state, rotation, made, through, rules, now);
    match (ending.sets.is_empty() && ending.commits.is_empty(), ending.completes) {
        (false, _) => RevokePlan::End(Box::new(ending)),
        (true, true) => RevokePlan::Done,
        (true, false) => RevokePlan::AwaitsVersion,
    }
}

fn ending(
    state: &ApplicationState,
    rotation: &Rotation,
    made: &Made,
    through: Version,
    rules: &Rules,
    now: Timestamp,
) -> Ending {
    let commits = objects_asked(rotation.kind)
        .iter()
        .filter_map(|object| commit(state, rotation, made, *object, rules.ends.of(*object)));
    let sets = objects_set(rotation.kind, rules.ends).filter(|object| !rotation.committed_on(*object));
    Ending {
        ask: Ask { rotation: rotation.id, kind: rotation.kind },
        made: made.clone(),
        sets: sets.collect(),
        written: WrittenSomewhere { version: made.version, since: now },
        commits: commits.collect(),
        delivered: Delivered { version: made.version },
        completes: made.version > through,
    }
}
