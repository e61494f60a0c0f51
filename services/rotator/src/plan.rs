//! Every decision, as a function of the ledger's state, the request and the clocks; nothing here acts.

mod abandon;
mod accept;
mod budget;
mod check;
mod create;
mod gone;
mod in_flight;
mod overlap;
mod prove;
mod reconcile;
mod retire;
mod revoke;
mod spare;

use std::time::Duration;

use mint_issuer_contract::{Ends, EndsOf};
use mint_types::{CredentialKind, IssuerObject, RotationId};

use crate::Error;
use crate::state::{ApplicationState, Rotation};

pub use abandon::{AbandonPlan, Owed, abandon, forsake, owed};
pub use accept::{AcceptPlan, Delivered, WrittenSomewhere, accept, check_receipt};
pub use budget::{ErrorBudget, check_issuer, is_used_up};
pub use check::{CheckPlan, REPETITION, check, current, is_believed, tried};
pub use create::{CreatePlan, MOST_UNRESOLVED, Make, check_record, create, opens_foreign};
pub use gone::{MOST_LEFT, may_be_gone, refused_end};
pub use in_flight::check_ends;
pub use overlap::{overlap, overlap_left};
pub use prove::{ProvePlan, Proving, check_probe, grace, prove};
pub use reconcile::{Finding, Reconciled, reconcile};
pub use retire::{Commit, Ended, RetirePlan, awaits_answer, ended_by, retire, told_of};
pub use revoke::{Ending, RevokePlan, meant_on, revoke};
pub use spare::{FREE_SPARES, SPARE_PAUSE};

/// The rules in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How long consumers have to take over a new version.
    pub min_overlap: Duration,
    /// The same where Mint does not know who uses the previous version.
    pub max_overlap: Duration,
    /// What ends the previous version at this issuer.
    pub ends: EndsOf,
    /// How long a call may take effect after it was sent.
    pub request_life: Duration,
    /// How long unresolved calls hold up the next Create before they are written off.
    pub unresolved_hold: Duration,
    /// How long to wait before a refused login with a fresh version is repeated, once.
    pub login_pause: Duration,
    /// How long a value may be at a destination before the issuer has it (*replace*); longer is an alarm.
    pub replace_window: Duration,
    /// How an ended version is proved dead.
    pub proving: Proving,
}

/// Which rotation of what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// The idempotency key.
    pub rotation: RotationId,
    /// Which credential.
    pub kind: CredentialKind,
}

fn belongs(rotation: &Rotation, ask: Ask) -> Result<(), Error> {
    if rotation.kind == ask.kind { Ok(()) } else { Err(Error::RotationMismatch(rotation.id)) }
}

/// The objects on which a kind makes the issuer produce something: a public client has nothing to produce.
pub fn objects_asked(kind: CredentialKind) -> &'static [IssuerObject] {
    match kind {
        CredentialKind::Password | CredentialKind::Client | CredentialKind::Combined => kind.issuer_objects(),
        CredentialKind::PublicClient => &[],
    }
}

/// Whether what one kind makes the issuer produce lives where the other kind does.
pub fn meet(one: CredentialKind, other: CredentialKind) -> bool {
    objects_asked(one).iter().any(|object| other.issuer_objects().contains(object))
}

/// The objects on which a kind makes the issuer produce something before it is delivered.
pub fn objects_made(kind: CredentialKind, ends: EndsOf) -> impl Iterator<Item = IssuerObject> {
    objects_asked(kind).iter().copied().filter(move |object| ends.of(*object).makes_beside())
}

/// The objects on which a kind's value is set at the issuer once a destination has it (*replace*).
pub fn objects_set(kind: CredentialKind, ends: EndsOf) -> impl Iterator<Item = IssuerObject> {
    objects_asked(kind).iter().copied().filter(move |object| !ends.of(*object).makes_beside())
}

/// Whether a destination has a value of a rotation that the issuer is not known to have: it must be set.
fn owes_a_set(rotation: &Rotation, ends: EndsOf) -> bool {
    rotation.first_write.is_some()
        && objects_set(rotation.kind, ends).any(|object| !rotation.committed_on(object))
}

/// Refuses an issuer that ends the previous version by itself before consumers had their time.
pub fn check_grace(rules: &Rules) -> Result<(), GraceTooShort> {
    for ends in [rules.ends.user, rules.ends.client] {
        if let Ends::Create { grace } = ends
            && grace < rules.min_overlap
        {
            return Err(GraceTooShort { grace, min_overlap: rules.min_overlap });
        }
    }
    Ok(())
}

/// The issuer's grace is shorter than the overlap.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the issuer ends the previous version {grace:?} after it made the next one, which is less than rotation.min_overlap \
     ({min_overlap:?}): applications would be shut out; raise the issuer's grace"
)]
pub struct GraceTooShort {
    /// The issuer's grace.
    pub grace: Duration,
    /// What consumers are promised.
    pub min_overlap: Duration,
}

fn known(state: &ApplicationState, ask: Ask) -> Result<&Rotation, Error> {
    let rotation = state.rotation(ask.rotation).ok_or(Error::RotationUnknown(ask.rotation))?;
    belongs(rotation, ask)?;
    Ok(rotation)
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
