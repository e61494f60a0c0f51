//! Whether the previous version may end, and what ends with it.

use std::time::Duration;

use mint_issuer_contract::{Ends, Handle};
use mint_types::mutation::{Mutation, mutated};
use mint_types::{CredentialKind, IssuerObject, Version};

use super::in_flight::{check_creates, check_ends};
use super::{Ask, Delivered, Rules, known, objects_asked, overlap, overlap_left};
use crate::Error;
use crate::state::{ApplicationState, Instant, Made, Rotation, RotationState};

/// What Retire is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetirePlan {
    /// It is done: answer the same again.
    Retired(Option<Version>),
    /// This boot has not begun to count the overlap: begin, and refuse.
    BeginOverlap(Duration),
    /// Send these calls, in this order, then write that it is done.
    Commit {
        /// The receipt was accepted.
        delivered: Delivered,
        /// What is still to be ended.
        commits: Vec<Commit>,
        /// The version of the same kind that ends.
        retires: Option<Version>,
    },
}

/// What ends the older versions on one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// On which object.
    pub object: IssuerObject,
    /// What the call keeps; none where the issuer needs no call, and only the ledger is written.
    pub keep: Option<Handle>,
}

/// Whether the previous version may end.
pub fn retire(state: &ApplicationState, ask: Ask, rules: &Rules, now: &Instant) -> Result<RetirePlan, Error> {
    let rotation = known(state, ask)?;
    match rotation.state {
        RotationState::Retired => {
            return Ok(RetirePlan::Retired(rotation.retired.as_ref().and_then(|retired| retired.version)));
        }
        RotationState::Creating | RotationState::Created => return Err(Error::ReceiptMissing),
        RotationState::Abandoned | RotationState::Superseded => {
            return Err(Error::RotationClosed {
                state: rotation.state.as_str(),
                advice: "begin a new rotation",
            });
        }
        RotationState::Delivered | RotationState::Retiring => {}
    }
    match overlap_left(state, ask, rules, now)?.filter(|_| !mutated(Mutation::RetireBeforeAdopt)) {
        None if mutated(Mutation::RetireBeforeAdopt) => {}
        None => return Ok(RetirePlan::BeginOverlap(overlap(state, ask, rules))),
        Some(left) if !left.is_zero() => return Err(Error::OverlapNotPassed { retry_after: left }),
        Some(_) => {}
    }
    let made = rotation.made.as_ref().ok_or(Error::ReceiptMissing)?;
    let ending = |object: &IssuerObject| commit(state, rotation, made, *object, rules.ends.of(*object));
    let commits: Vec<Commit> = objects_asked(ask.kind).iter().filter_map(ending).collect();
    check_calls(state, &commits, rules, now)?;
    let retires = made.previous.filter(|_| ask.kind != CredentialKind::PublicClient);
    Ok(RetirePlan::Commit { delivered: Delivered { version: made.version }, commits, retires })
}

/// Refuses while an earlier call may land on top of one of these.
pub(super) fn check_calls(
    state: &ApplicationState,
    commits: &[Commit],
    rules: &Rules,
    now: &Instant,
) -> Result<(), Error> {
    let told: Vec<IssuerObject> = told_of(commits).collect();
    check_creates(state, &told, rules, now)?;
    check_ends(state, &told, rules, now)
}

/// The objects on which the issuer is told.
pub fn told_of(commits: &[Commit]) -> impl Iterator<Item = IssuerObject> {
    commits.iter().filter(|commit| commit.keep.is_some()).map(|commit| commit.object)
}

/// What ends the older versions on one object, by what ends them at this issuer; none if nothing is left to do.
pub(super) fn commit(
    state: &ApplicationState,
    rotation: &Rotation,
    made: &Made,
    object: IssuerObject,
    ends: Ends,
) -> Option<Commit> {
    if rotation.committed_on(object) || !ends.makes_beside() {
        return None;
    }
    if ends.is_told_only_of_others() && !others_on(state, rotation, object) {
        return None;
    }
    let keep = if ends.is_told() { Some(made.handle_on(object)?.clone()) } else { None };
    Some(Commit { object, keep })
}

/// Whether anything but this rotation's version lives on an object, or may.
fn others_on(state: &ApplicationState, rotation: &Rotation, object: IssuerObject) -> bool {
    let ask = Ask { rotation: rotation.id, kind: rotation.kind };
    !ended_by(state, ask, object).is_empty() || state.attempts.iter().any(|attempt| attempt.object == object)
}

/// Whether an answered call on an object still has to be written down. A second answer to the same call says nothing new,
/// and must not sweep what was begun since the first.
pub fn awaits_answer(state: &ApplicationState, ask: Ask, object: IssuerObject) -> bool {
    let own = state.rotation(ask.rotation);
    own.is_some_and(|own| own.state == RotationState::Retiring && !own.committed_on(object))
}

/// A version that ends on an object, and whether nothing of it is left alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Which credential.
    pub kind: CredentialKind,
    /// Which version.
    pub version: Version,
    /// Whether it is ended as a whole.
    pub wholly: bool,
}

/// What a rotation's call on an object ends: every other version that lives there.
pub fn ended_by(state: &ApplicationState, ask: Ask, object: IssuerObject) -> Vec<Ended> {
    let others = state
        .versions
        .iter()
        .filter(|version| version.rotation != ask.rotation || version.version == Version::FOREIGN)
        .filter(|version| version.lives_on(object));
    others
        .map(|version| Ended {
            kind: version.kind,
            version: version.version,
            wholly: version
                .kind
                .issuer_objects()
                .iter()
                .all(|other| *other == object || !version.lives_on(*other)),
        })
        .collect()
}
