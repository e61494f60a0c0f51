//! Taking away: what is left of an application that is out of use, and what lies where the settings no longer deliver.
//! Pure. What may be taken away, and how much of it in a day, the executors decide; here is only the order.

use std::collections::BTreeMap;
use std::time::Duration;

use mint_saga::{Credential, Failure, Stage, Trouble, reason};
use mint_types::{CredentialKind, Presence, Revision, RotationId, Timestamp, Version};
use serde::{Deserialize, Serialize};

use crate::desk::{Desk, IdentityPhase, Standing};
use crate::plan::IdentityStep;
use crate::ports::{DestinationAnswer, Overwritten};

/// How far the removal of an application is whose identity is disabled.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Removal {
    /// Until when it stays restorable, as identity-provisioner said last.
    pub tombstone_until: Timestamp,
    /// What became of its objects.
    pub objects: Objects,
    /// What keeps objects from being overwritten.
    pub trouble: Option<Trouble>,
}

/// What became of the objects of an application that is out of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "are", rename_all = "snake_case")]
pub enum Objects {
    /// Nothing: they hold what was delivered last.
    Kept,
    /// They are being overwritten: any of them may be a tombstone.
    Condemned,
    /// Each was answered for: it is a tombstone, or a problem names it.
    Settled {
        /// When the identity may follow them.
        delete_at: Timestamp,
    },
}

/// How the objects stand where the settings of an application in use no longer deliver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Clearing {
    /// The record that was answered for completely; only a newer one is acted upon.
    pub done: Revision,
    /// What keeps objects from being overwritten.
    pub trouble: Option<Trouble>,
}

/// A version that is worth nothing any more, although it was delivered: where it lay is a tombstone, or the user that it
/// belonged to is another one now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lost {
    /// This one and every earlier one of the kind.
    pub version: Version,
    /// Whatever this rotation makes, which may have been made already.
    pub rotation: Option<RotationId>,
}

/// When something is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Not before a change.
    Nothing,
    /// Not before this time.
    At(Timestamp),
    /// Now.
    Now(IdentityStep),
}

/// Objects that cannot be reached hold the identity's deletion up for so many tries at most.
const MOST_TRIES: u32 = 5;
/// What was not reached within this time is tried again only when something changed: each day of tries would be counted
/// against the budget of removals.
const PATIENCE: Duration = Duration::from_hours(20);
/// So many keys are named in a problem.
const MOST_NAMED: usize = 10;

/// What the removal needs next.
pub(crate) fn need(desk: &Desk, now: Timestamp) -> Need {
    if desk.record.presence == Presence::Held {
        return Need::Nothing;
    }
    match (desk.record.active, desk.standing.identity) {
        (true, IdentityPhase::Enabled) => clearing(desk, now),
        (false, IdentityPhase::Disabled) => removing(desk, now),
        (false, IdentityPhase::Deleted) => unreached(desk, now),
        (false, IdentityPhase::Enabled) => Need::Now(IdentityStep::Disable),
        (true, _) | (false, IdentityPhase::Unknown) => Need::Nothing,
    }
}

fn removing(desk: &Desk, now: Timestamp) -> Need {
    // asked again, identity-provisioner says until when
    let Some(removal) = &desk.standing.removal else { return Need::Now(IdentityStep::Disable) };
    if now < removal.tombstone_until {
        return Need::At(removal.tombstone_until);
    }
    match removal.objects {
        Objects::Kept | Objects::Condemned => {
            let gate = removal.trouble.as_ref().map(|trouble| trouble.gate_at(desk.nudged_at, now));
            at_or_now(gate, now, IdentityStep::Overwrite)
        }
        Objects::Settled { delete_at } => at_or_now(Some(delete_at), now, IdentityStep::Delete),
    }
}

/// What was not reached before the identity was deleted.
fn unreached(desk: &Desk, now: Timestamp) -> Need {
    let trouble = desk.standing.removal.as_ref().and_then(|removal| removal.trouble.as_ref());
    trouble.map_or(Need::Nothing, |trouble| patiently(trouble, desk, now, IdentityStep::Overwrite))
}

fn clearing(desk: &Desk, now: Timestamp) -> Need {
    let Clearing { done, trouble } = &desk.standing.clearing;
    if !is_left_behind(desk) || *done >= desk.record.revision {
        return Need::Nothing;
    }
    // consumers use the client of the other type until somebody signs, and find it where it lay before
    if desk.is_deliverable() && desk.standing.client_type_waits {
        return Need::Nothing;
    }
    // where it lay before it must be found until it is found elsewhere
    if desk.is_deliverable() && !desk.kinds().iter().all(|kind| is_where_it_belongs(desk, *kind)) {
        return Need::Nothing;
    }
    match trouble {
        Some(trouble) => patiently(trouble, desk, now, IdentityStep::Clear),
        None => Need::Now(IdentityStep::Clear),
    }
}

/// What stands in the way of clearing places that were given up; none once the catalog knows of no such place.
pub(crate) fn clearing_trouble(desk: &Desk) -> Option<&Trouble> {
    desk.standing.clearing.trouble.as_ref().filter(|_| is_left_behind(desk))
}

/// Whether the catalog knows of places that the settings gave up.
fn is_left_behind(desk: &Desk) -> bool {
    !desk.record.removed_destinations.is_empty()
}

/// Whether consumers find a kind at every destination that the settings name.
pub(crate) fn is_where_it_belongs(desk: &Desk, kind: CredentialKind) -> bool {
    let Some(wish) = desk.wish(kind) else { return true };
    desk.as_found(kind).current.is_some_and(|current| current.destinations == wish.destinations)
}

fn patiently(trouble: &Trouble, desk: &Desk, now: Timestamp, step: IdentityStep) -> Need {
    let gate = trouble.gate_at(desk.nudged_at, now);
    let is_nudged = gate != trouble.next_attempt_at;
    let unreached = reason::OBJECTS_NOT_OVERWRITTEN.to_ascii_lowercase();
    let is_unreached = trouble.problems.iter().any(|problem| problem.kind == unreached);
    if is_unreached && !is_nudged && gate.since(trouble.since) >= PATIENCE {
        return Need::Nothing;
    }
    at_or_now(Some(gate), now, step)
}

fn at_or_now(gate: Option<Timestamp>, now: Timestamp, step: IdentityStep) -> Need {
    gate.filter(|gate| now < *gate).map_or(Need::Now(step), Need::At)
}

/// What is made durable before objects are overwritten: nothing that lay there counts as delivered any more. None if
/// that is known already.
pub(crate) fn condemned(desk: &Desk, step: IdentityStep) -> Option<Standing> {
    let standing = &desk.standing;
    let mut next = standing.clone();
    if step == IdentityStep::Overwrite {
        let removal = next.removal.as_mut().filter(|removal| removal.objects == Objects::Kept)?;
        removal.objects = Objects::Condemned;
        next.lost = losing(desk, |_| true);
        return Some(next);
    }
    let is_gone = |kind| !desk.is_deliverable() || desk.wish(kind).is_none();
    next.lost = losing(desk, is_gone);
    (next.lost != standing.lost).then_some(next)
}

/// Everything that was lost before, and everything of these kinds that was made until now.
pub(crate) fn losing(
    desk: &Desk,
    is_meant: impl Fn(CredentialKind) -> bool,
) -> BTreeMap<CredentialKind, Lost> {
    let mut lost = desk.standing.lost.clone();
    for credential in desk.credentials.values().filter(|credential| is_meant(credential.kind)) {
        let rotation = credential.rotation.as_ref();
        let made = rotation.and_then(|rotation| rotation.stage.created()).map(|created| created.version);
        let current = credential.current.as_ref().map(|current| current.version);
        let before = lost.get(&credential.kind).map(|lost| lost.version);
        let version = made.max(current).max(before).unwrap_or(Version::FOREIGN);
        lost.insert(credential.kind, Lost { version, rotation: rotation.map(|rotation| rotation.id) });
    }
    lost
}

/// A credential as consumers find it: what is lost was delivered nowhere, and an open rotation does not deliver it.
pub(crate) fn as_found(mut credential: Credential, lost: Option<&Lost>) -> Credential {
    let Some(lost) = lost else { return credential };
    if let Some(current) = credential.current.as_mut().filter(|current| current.version <= lost.version) {
        current.destinations.clear();
    }
    if let Some(rotation) = credential.rotation.as_mut().filter(|open| Some(open.id) == lost.rotation)
        && let Stage::Created { spoiled, .. } = &mut rotation.stage
    {
        *spoiled = true;
    }
    credential
}

/// What overwriting the objects came to.
pub(crate) enum Answered {
    /// Every one is a tombstone.
    All,
    /// Some are not.
    Some {
        /// One failure that names their keys.
        failure: Failure,
        /// Whether another try could only repeat what each of them answered.
        is_final: bool,
    },
}

/// Sums an answer up.
pub(crate) fn answered(overwritten: Overwritten) -> Answered {
    if overwritten.complete {
        return Answered::All;
    }
    let mut is_final = true;
    let mut failures = Vec::new();
    for object in overwritten.objects {
        match object {
            DestinationAnswer::Written => {}
            DestinationAnswer::Refused(failure) => failures.push(failure),
            DestinationAnswer::Unknown(failure) => {
                is_final = false;
                failures.push(failure);
            }
        }
    }
    Answered::Some { is_final: is_final && !failures.is_empty(), failure: unreached_objects(&failures) }
}

/// One failure for all the objects that hold a credential still.
fn unreached_objects(failures: &[Failure]) -> Failure {
    let named = |failure: &Failure| {
        let place = failure.destination.as_deref().unwrap_or("an object");
        format!("{place} ({})", failure.reason.to_ascii_lowercase())
    };
    let shown: Vec<String> = failures.iter().take(MOST_NAMED).map(named).collect();
    let more = failures.len().saturating_sub(MOST_NAMED);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    let detail = if shown.is_empty() {
        "the distributor did not say which objects are left".to_owned()
    } else {
        format!("still there: {}{more}", shown.join(", "))
    };
    Failure {
        retry_after: failures.iter().filter_map(|failure| failure.retry_after).max(),
        ..Failure::new(reason::OBJECTS_NOT_OVERWRITTEN, detail)
    }
}

/// Objects were not overwritten.
#[derive(Debug, Clone)]
pub(crate) struct NotOverwritten {
    /// What is known of it, in a row.
    pub(crate) trouble: Trouble,
    /// Each object was answered for, and some stores said no.
    pub(crate) are_unreached: bool,
    /// Another try could only repeat that.
    pub(crate) is_final: bool,
}

/// What becomes of a removal after a try to overwrite its objects.
pub(crate) fn after_overwriting(
    removal: &Removal,
    trouble: Option<NotOverwritten>,
    delete_at: Timestamp,
) -> Removal {
    let is_settled = trouble.as_ref().is_none_or(|not| {
        // only what the stores say is waited for no longer: Mint's own services come back
        not.are_unreached && (not.is_final || not.trouble.attempts >= MOST_TRIES)
    });
    let objects = match removal.objects {
        settled @ Objects::Settled { .. } => settled,
        Objects::Kept | Objects::Condemned if is_settled => Objects::Settled { delete_at },
        Objects::Kept | Objects::Condemned => Objects::Condemned,
    };
    Removal { tombstone_until: removal.tombstone_until, objects, trouble: trouble.map(|not| not.trouble) }
}

#[cfg(test)]
#[path = "removal_tests.rs"]
mod tests;
