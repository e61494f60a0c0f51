//! Whether a version is to be made, and which.

use mint_types::mutation::{Mutation, mutated};
use mint_types::{Application, CredentialKind, IssuerObject, Presence, RotationId, Version};

use super::in_flight::{check_creates, check_ends};
use super::spare::check_spares;
use super::{Ask, Rules, belongs, objects_asked, objects_made, owes_a_set};
use crate::Error;
use crate::state::{ApplicationState, Attempt, Instant, Made, Rotation, RotationState, Unsettled};

/// At most this many calls without a known outcome may stand on an issuer object: each may be one more live version.
pub const MOST_UNRESOLVED: usize = 2;

/// What Create is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreatePlan {
    /// It is done: answer the same again.
    Answer(Box<Made>),
    /// Make a version.
    Make(Make),
}

/// How to make a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Make {
    /// The number of the new version.
    pub version: Version,
    /// What it replaces.
    pub previous: Option<Version>,
    /// Open rotations that this one supersedes.
    pub supersedes: Vec<RotationId>,
    /// Whether unresolved calls are written off: presumed to have made something that the next commit sweeps.
    pub writes_off: bool,
}

/// Whether a version is to be made.
pub fn create(state: &ApplicationState, ask: Ask, rules: &Rules, now: &Instant) -> Result<CreatePlan, Error> {
    if let Some(rotation) = state.rotation(ask.rotation)
        && let Some(made) = already_created(rotation, ask)?
    {
        return Ok(CreatePlan::Answer(Box::new(made)));
    }
    let objects = ask.kind.issuer_objects();
    let mut supersedes = Vec::new();
    for other in state.rotations.iter().filter(|other| other.id != ask.rotation && other.state.is_open()) {
        if !objects.iter().any(|object| other.kind.issuer_objects().contains(object)) {
            continue;
        }
        match other.state {
            RotationState::Delivered | RotationState::Retiring
                if !mutated(Mutation::DeliveredMayBeSuperseded) =>
            {
                return Err(Error::RotationOpen { open: other.id, kind: other.kind });
            }
            _ if owes_a_set(other, rules.ends) => {
                return Err(Error::RotationOpen { open: other.id, kind: other.kind });
            }
            _ => supersedes.push(other.id),
        }
    }
    check_ends(state, objects_asked(ask.kind), rules, now)?;
    check_spares(state, ask, rules, now)?;
    let writes_off = check_attempts(state, ask.kind, rules, now)?;
    Ok(CreatePlan::Make(Make {
        version: Version::after(state.last_beside(ask.kind), now.wall),
        previous: previous_of(state, ask),
        supersedes,
        writes_off,
    }))
}

/// What the rotation made, if it is still to be answered; none if it is yet to be made.
fn already_created(rotation: &Rotation, ask: Ask) -> Result<Option<Made>, Error> {
    belongs(rotation, ask)?;
    let closed = |advice| Err(Error::RotationClosed { state: rotation.state.as_str(), advice });
    match (rotation.state, &rotation.made) {
        (RotationState::Creating, _) => Ok(None),
        (RotationState::Created, Some(made)) => Ok(Some(made.clone())),
        (RotationState::Created, None) => closed("the ledger is damaged: begin a new rotation"),
        (RotationState::Delivered | RotationState::Retiring | RotationState::Retired, _) => {
            closed("its envelopes are forgotten since the receipt was accepted; go on with Retire and Prove")
        }
        (RotationState::Abandoned | RotationState::Superseded, _) => closed("begin a new rotation"),
    }
}

/// The newest version of this kind that was delivered.
fn previous_of(state: &ApplicationState, ask: Ask) -> Option<Version> {
    let others =
        state.versions.iter().filter(|version| version.kind == ask.kind && version.rotation != ask.rotation);
    others
        .filter(|version| version.stage == crate::state::Stage::Current)
        .map(|version| version.version)
        .max()
        .filter(|version| *version != Version::FOREIGN)
}

/// Refuses while a call may still take effect, and while too many unresolved ones stand; answers whether they are to
/// be written off, which happens once they stood for the hold time.
fn check_attempts(
    state: &ApplicationState,
    kind: CredentialKind,
    rules: &Rules,
    now: &Instant,
) -> Result<bool, Error> {
    let mut writes_off = false;
    for object in objects_made(kind, rules.ends) {
        let standing: Vec<&Attempt> = state
            .attempts
            .iter()
            .filter(|attempt| attempt.object == object && attempt.state != Unsettled::Presumed)
            .collect();
        let Some(youngest) = standing.iter().map(|attempt| now.since(&attempt.sent)).min() else {
            continue;
        };
        check_creates(state, &[object], rules, now)?;
        if standing.len() < MOST_UNRESOLVED || mutated(Mutation::UnresolvedNotCounted) {
            continue;
        }
        let hold = rules.unresolved_hold.saturating_sub(youngest);
        if !hold.is_zero() {
            let last = standing.iter().min_by_key(|attempt| now.since(&attempt.sent));
            let last_reason = last.and_then(|attempt| attempt.reason.clone());
            return Err(Error::TooManyUnresolved {
                standing: standing.len(),
                last_reason: last_reason.unwrap_or_else(|| "ISSUER_UNKNOWN_OUTCOME".to_owned()),
                retry_after: hold,
            });
        }
        writes_off = true;
    }
    Ok(writes_off)
}

/// Whether the catalog's record asks for this credential, and the identity that the issuer knows.
pub fn check_record(record: &Application, kind: CredentialKind) -> Result<&mint_types::Identity, Error> {
    if !record.active || record.presence == Presence::Held {
        return Err(Error::NotActive(record.id.clone()));
    }
    let settings = record.settings.as_ref().filter(|settings| !settings.buckets.is_empty());
    let settings = settings.ok_or_else(|| Error::NoDestination(record.id.clone()))?;
    if !settings.kinds().contains(&kind) {
        return Err(Error::SettingsChanged { application: record.id.clone(), kind });
    }
    record.identity.as_ref().ok_or_else(|| Error::IdentityMissing(record.id.clone()))
}

/// Whether the ledger opens with a foreign version: the identity was there before Mint, and the ledger knows nothing yet
/// of what the new version replaces.
pub fn opens_foreign(state: &ApplicationState, kind: CredentialKind, identity_is_foreign: bool) -> bool {
    let known = |object: &IssuerObject| state.ever_had(*object);
    identity_is_foreign && !objects_asked(kind).is_empty() && !kind.issuer_objects().iter().any(known)
}
