//! What an application needs now: pure, from its desk.

use std::time::Duration;

use mint_saga::schedule::NEVER;
use mint_saga::{Cause, Due, Step, plan};
use mint_types::{CredentialKind, Presence, Timestamp};

use crate::desk::{Desk, IdentityPhase};
use crate::removal::{self, Need};

/// What the plan must know besides the desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct World {
    /// The time.
    pub now: Timestamp,
    /// No call to the issuer before this time.
    pub issuer_paused_until: Option<Timestamp>,
    /// The whole constellation is paused.
    pub paused: bool,
}

/// What to do with the identity, or with what it leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityStep {
    /// Make it as the catalog says.
    Ensure,
    /// Give its scopes back, then make it as the catalog says.
    Restore,
    /// Take its scopes.
    Disable,
    /// Overwrite every object of an application that is out of use.
    Overwrite,
    /// Delete it.
    Delete,
    /// Overwrite the objects where the settings no longer deliver.
    Clear,
}

impl IdentityStep {
    /// Whether the issuer is called for it.
    fn calls_the_issuer(self) -> bool {
        !matches!(self, Self::Overwrite | Self::Clear)
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// First this.
    pub identity: Option<IdentityStep>,
    /// Rotations to open.
    pub open: Vec<(CredentialKind, Cause)>,
    /// Credentials to work on, side by side: those that are opened too.
    pub drive: Vec<CredentialKind>,
    /// When to look again if there is nothing to do now.
    pub wake_at: Timestamp,
}

impl Decision {
    fn rest(wake_at: Timestamp) -> Self {
        Self { identity: None, open: Vec::new(), drive: Vec::new(), wake_at }
    }

    /// Whether there is nothing to do now.
    pub fn is_idle(&self) -> bool {
        self.identity.is_none() && self.drive.is_empty()
    }

    fn wake_by(&mut self, at: Timestamp) {
        self.wake_at = self.wake_at.min(at);
    }
}

/// What the identity of an application in use needs, whenever.
pub(crate) fn identity_need(desk: &Desk) -> Option<IdentityStep> {
    if !desk.record.active {
        return None;
    }
    let is_held = desk.record.presence == Presence::Held;
    match desk.standing.identity {
        // an operator took it into use again, whether or not the registry has it
        IdentityPhase::Disabled => Some(IdentityStep::Restore),
        IdentityPhase::Unknown | IdentityPhase::Deleted if !is_held => Some(IdentityStep::Ensure),
        IdentityPhase::Enabled if !is_held => {
            (desk.record.identity_revision > desk.standing.ensured).then_some(IdentityStep::Ensure)
        }
        IdentityPhase::Unknown | IdentityPhase::Enabled | IdentityPhase::Deleted => None,
    }
}

/// A word that came too early is not waited for longer than this: what says so was written under another clock.
const LONGEST_WAIT_FOR_A_WORD: Duration = Duration::from_hours(25);

/// When identity-provisioner is to look again at a word that came too early, if nothing else asks it before.
fn look_again(desk: &Desk, now: Timestamp) -> Option<Need> {
    let is_in_use = desk.record.active && desk.record.presence == Presence::Present;
    let at = desk
        .standing
        .look_again_at
        .filter(|_| is_in_use && desk.standing.identity == IdentityPhase::Enabled)?;
    let is_due = at <= now || at.since(now) > LONGEST_WAIT_FOR_A_WORD;
    Some(if is_due { Need::Now(IdentityStep::Ensure) } else { Need::At(at) })
}

/// What to do now.
pub fn decide(desk: &Desk, world: &World) -> Decision {
    let mut decision = Decision::rest(NEVER);
    if world.paused || desk.paused.is_some() {
        urgent(desk, world, &mut decision);
        return decision;
    }
    let mut need = identity_need(desk).map_or_else(|| removal::need(desk, world.now), Need::Now);
    match (need, look_again(desk, world.now)) {
        (Need::Now(_), _) | (_, None) => {}
        (_, Some(Need::At(at))) => decision.wake_by(at),
        (_, Some(again)) => need = again,
    }
    match need {
        Need::Nothing => {}
        Need::At(at) => decision.wake_by(at),
        Need::Now(step) => match identity_gate(desk, world, step) {
            Some(gate) => decision.wake_by(gate),
            None => decision.identity = Some(step),
        },
    }
    if desk.record.presence == Presence::Held {
        return decision;
    }
    let phase = desk.standing.identity;
    let identity_usable = decision.identity.is_some() || phase == IdentityPhase::Enabled;
    if desk.record.active && identity_usable {
        open_rotations(desk, world, &mut decision, |_| true);
        // what was lost with the one that had the name before is known after Ensure: a rotation that is opened with it would
        // count as lost, too, and be made twice
        if phase != IdentityPhase::Deleted {
            new_rotations(desk, world, &mut decision);
        }
    } else if !desk.record.active && phase == IdentityPhase::Disabled && decision.identity.is_none() {
        // what is open is closed while the user is there: after its deletion nobody could end a version of it
        open_rotations(desk, world, &mut decision, |_| true);
    }
    decision
}

/// What no pause holds up: the fresh version in the place of one that two operators had ended at once.
fn urgent(desk: &Desk, world: &World, decision: &mut Decision) {
    let usable = desk.record.active && desk.standing.identity == IdentityPhase::Enabled;
    if desk.record.presence == Presence::Held || !usable {
        return;
    }
    let is_urgent = |kind: CredentialKind| {
        desk.credential(kind).rotation.is_some_and(|rotation| rotation.cause == Cause::Revoked)
    };
    open_rotations(desk, world, decision, is_urgent);
}

/// When the identity may be worked on; none for now.
fn identity_gate(desk: &Desk, world: &World, step: IdentityStep) -> Option<Timestamp> {
    if !step.calls_the_issuer() {
        return None;
    }
    let trouble = desk.standing.trouble.as_ref().map(|trouble| trouble.gate_at(desk.nudged_at, world.now));
    trouble.max(world.issuer_paused_until).filter(|gate| world.now < *gate)
}

fn open_rotations(
    desk: &Desk,
    world: &World,
    decision: &mut Decision,
    is_meant: impl Fn(CredentialKind) -> bool,
) {
    for kind in desk.credentials.keys().filter(|kind| is_meant(**kind)) {
        let facts = desk.facts(*kind, world.now, world.issuer_paused_until);
        match plan(&desk.as_found(*kind), world.now, &facts) {
            Step::Idle => {}
            Step::Wait { until } => decision.wake_by(until),
            Step::Create
            | Step::Deliver { .. }
            | Step::AcceptReceipt { .. }
            | Step::Retire { .. }
            | Step::Prove { .. }
            | Step::Finish
            | Step::Abandon
            | Step::Supersede => decision.drive.push(*kind),
        }
    }
}

fn new_rotations(desk: &Desk, world: &World, decision: &mut Decision) {
    if !desk.is_deliverable() {
        return;
    }
    for kind in desk.kinds() {
        let Some(due) = desk.due(*kind, world.now) else { continue };
        if desk.credential(*kind).rotation.is_some() || is_occupied(desk, *kind) {
            continue;
        }
        match due {
            Due::At(at) => decision.wake_by(at),
            Due::Now(cause) => {
                if let Some(until) = world.issuer_paused_until.filter(|until| world.now < *until) {
                    decision.wake_by(until);
                } else {
                    decision.open.push((*kind, cause));
                    decision.drive.push(*kind);
                }
            }
        }
    }
}

/// Whether an open rotation of another kind works on an issuer object of this kind.
pub(crate) fn is_occupied(desk: &Desk, kind: CredentialKind) -> bool {
    occupant(desk, kind).is_some()
}

/// The other kind whose open rotation works on an issuer object of this kind.
pub(crate) fn occupant(desk: &Desk, kind: CredentialKind) -> Option<CredentialKind> {
    desk.credentials
        .values()
        .filter(|other| other.kind != kind && other.rotation.is_some())
        .map(|other| other.kind)
        .find(|other| share_an_object(*other, kind))
}

/// Whether two kinds live on the same issuer object.
pub(crate) fn share_an_object(one: CredentialKind, other: CredentialKind) -> bool {
    one.issuer_objects().iter().any(|object| other.issuer_objects().contains(object))
}
