//! Whether a rotation can be given up.

use mint_issuer_contract::EndsOf;
use mint_types::IssuerObject;

use super::{Ask, WrittenSomewhere, belongs, objects_set, owes_a_set};
use crate::Error;
use crate::state::{ApplicationState, Made, Rotation, RotationState};

/// What Abandon is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbandonPlan {
    /// It is given up already.
    Abandoned,
    /// Write that it is given up.
    Abandon,
}

/// Whether a rotation can be given up: not once its receipt is accepted, and not while a destination has a value that the
/// issuer lacks.
pub fn abandon(state: &ApplicationState, ask: Ask, ends: EndsOf) -> Result<AbandonPlan, Error> {
    let owes = |rotation: &&Rotation| rotation.state == RotationState::Created && owes_a_set(rotation, ends);
    if let Some(rotation) = state.rotation(ask.rotation).filter(owes) {
        belongs(rotation, ask)?;
        return Err(Error::RotationClosed {
            state: rotation.state.as_str(),
            advice: "a destination has its value: hand over the receipt again until the issuer has it too",
        });
    }
    forsake(state, ask)
}

/// The same where nobody can read any more what the issuer lacks: only a fresh version lets readers in again.
pub fn forsake(state: &ApplicationState, ask: Ask) -> Result<AbandonPlan, Error> {
    let Some(rotation) = state.rotation(ask.rotation) else {
        // a Create that is still on its way must find it given up
        return Ok(AbandonPlan::Abandon);
    };
    belongs(rotation, ask)?;
    match rotation.state {
        RotationState::Creating | RotationState::Created => Ok(AbandonPlan::Abandon),
        RotationState::Abandoned | RotationState::Superseded => Ok(AbandonPlan::Abandoned),
        RotationState::Delivered | RotationState::Retiring | RotationState::Retired => {
            Err(Error::RotationClosed {
                state: rotation.state.as_str(),
                advice: "its version is delivered: go on with Retire, or supersede it by the next rotation",
            })
        }
    }
}

/// A value that a destination has and the issuer lacks, and what a receipt that was verified before lets it be set with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// The version.
    pub made: Made,
    /// The objects on which its value is set.
    pub sets: Vec<IssuerObject>,
    /// What lets it be set: the first write was written down after its receipt was verified.
    pub written: WrittenSomewhere,
}

/// What must be set before a rotation can be given up. Whoever gives it up may have lost the receipt by which it was begun,
/// and without it nobody could ever set it: readers would stay shut out.
pub fn owed(state: &ApplicationState, ask: Ask, ends: EndsOf) -> Result<Option<Owed>, Error> {
    let Some(rotation) = state.rotation(ask.rotation) else { return Ok(None) };
    belongs(rotation, ask)?;
    let (Some(made), Some(first_write)) = (&rotation.made, &rotation.first_write) else { return Ok(None) };
    if rotation.state != RotationState::Created || !owes_a_set(rotation, ends) {
        return Ok(None);
    }
    let sets = objects_set(ask.kind, ends).filter(|object| !rotation.committed_on(*object)).collect();
    let written = WrittenSomewhere { version: made.version, since: first_write.wall };
    Ok(Some(Owed { made: made.clone(), sets, written }))
}
