//! Whether a receipt proves that every destination has the version.

use mint_secret::Receipt;
use mint_types::Version;

use super::{Ask, known};
use crate::Error;
use crate::state::{ApplicationState, Made, RotationState};

/// Proof that a receipt for a version was accepted; the issuer's commits take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    pub(super) version: Version,
}

impl Delivered {
    /// The version that every destination has.
    pub fn version(&self) -> Version {
        self.version
    }
}

/// What AcceptReceipt is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcceptPlan {
    /// It was accepted before.
    Accepted,
    /// Verify it; it must be about this.
    Verify(Box<Made>),
}

/// Whether a receipt is to be looked at.
pub fn accept(state: &ApplicationState, ask: Ask) -> Result<AcceptPlan, Error> {
    let rotation = known(state, ask)?;
    match (rotation.state, &rotation.made) {
        (RotationState::Created, Some(made)) => Ok(AcceptPlan::Verify(Box::new(made.clone()))),
        (RotationState::Delivered | RotationState::Retiring | RotationState::Retired, _) => {
            Ok(AcceptPlan::Accepted)
        }
        (RotationState::Creating | RotationState::Created, _) => {
            Err(Error::ReceiptInvalid("the rotation has made nothing yet".to_owned()))
        }
        (RotationState::Abandoned | RotationState::Superseded, _) => {
            Err(Error::RotationClosed { state: rotation.state.as_str(), advice: "begin a new rotation" })
        }
    }
}

/// Whether a verified receipt is the one of this rotation.
pub fn check_receipt(
    receipt: &Receipt,
    application: &mint_types::ApplicationId,
    ask: Ask,
    made: &Made,
) -> Result<Delivered, Error> {
    let differs = |what: &str| Err(Error::ReceiptInvalid(format!("it is for another {what}")));
    if receipt.application != *application {
        return differs("application");
    }
    if receipt.kind != ask.kind {
        return differs("kind");
    }
    if receipt.rotation != ask.rotation {
        return differs("rotation");
    }
    if receipt.version != made.version {
        return differs("version");
    }
    if receipt.envelope != made.digest {
        return differs("envelope");
    }
    Ok(Delivered { version: made.version })
}
