//! Whether a rotation can be given up.

use mint_issuer_contract::EndsOf;

use super::{Ask, belongs, owes_a_set};
use crate::Error;
use crate::state::{ApplicationState, RotationState};

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
    let Some(rotation) = state.rotation(ask.rotation) else {
        // a Create that is still on its way must find it given up
        return Ok(AbandonPlan::Abandon);
    };
    belongs(rotation, ask)?;
    match rotation.state {
        RotationState::Created if owes_a_set(rotation, ends) => Err(Error::RotationClosed {
            state: rotation.state.as_str(),
            advice: "a destination has its value: hand over the receipt again until the issuer has it too",
        }),
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
