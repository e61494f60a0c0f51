//! Every decision, as a function of the ledger's state, the request and the clocks; nothing here acts.

mod abandon;
mod accept;
mod create;
mod overlap;
mod prove;
mod retire;

use std::time::Duration;

use mint_types::{CredentialKind, IssuerObject, RotationId};

use crate::Error;
use crate::state::{ApplicationState, Rotation};

pub use abandon::{AbandonPlan, abandon};
pub use accept::{AcceptPlan, Delivered, accept, check_receipt};
pub use create::{CreatePlan, MOST_UNRESOLVED, Make, check_record, create, opens_foreign};
pub use overlap::{overlap, overlap_left};
pub use prove::{ProvePlan, check_probe, grace, prove};
pub use retire::{Commit, Ends, RetirePlan, ended_by, retire};

/// The rules in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How long consumers have to take over a new version.
    pub min_overlap: Duration,
    /// The same where Mint does not know who uses the previous version.
    pub max_overlap: Duration,
    /// How long the issuer accepts older passwords after a commit.
    pub password_grace: Duration,
    /// How long a call may take effect after it was sent.
    pub request_life: Duration,
    /// How long unresolved calls hold up the next Create before they are written off.
    pub unresolved_hold: Duration,
    /// How long to wait before a refused login with a fresh version is repeated, once.
    pub login_pause: Duration,
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

fn known(state: &ApplicationState, ask: Ask) -> Result<&Rotation, Error> {
    let rotation = state.rotation(ask.rotation).ok_or(Error::RotationUnknown(ask.rotation))?;
    belongs(rotation, ask)?;
    Ok(rotation)
}

#[cfg(test)]
mod tests;
