//! Whether a receipt proves that a destination, or every destination, has the version.

use mint_issuer_contract::EndsOf;
use mint_secret::Receipt;
use mint_types::mutation::{Mutation, mutated};
use mint_types::{IssuerObject, Timestamp, Version};

use super::{Ask, known, objects_set};
use crate::Error;
use crate::state::{ApplicationState, Made, RotationState};

/// Proof that a receipt for a version was accepted, or that two operators excused it; the calls that end older versions
/// take it.
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

/// Proof that at least one destination has a version, or that two operators excused it; setting its value takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenSomewhere {
    pub(super) version: Version,
    pub(super) since: Timestamp,
}

impl WrittenSomewhere {
    /// The version that a destination has.
    pub fn version(&self) -> Version {
        self.version
    }

    /// When the first write of it began, by the distributor's clock.
    pub fn since(&self) -> Timestamp {
        self.since
    }
}

/// What AcceptReceipt is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcceptPlan {
    /// It was accepted before.
    Accepted,
    /// Verify it; it must be about this.
    Verify {
        /// What the rotation made.
        made: Box<Made>,
        /// The objects on which its value must be set before the receipt is accepted.
        sets: Vec<IssuerObject>,
    },
}

/// Whether a receipt is to be looked at.
pub fn accept(state: &ApplicationState, ask: Ask, ends: EndsOf) -> Result<AcceptPlan, Error> {
    let rotation = known(state, ask)?;
    match (rotation.state, &rotation.made) {
        (RotationState::Created, Some(made)) => {
            let sets = objects_set(ask.kind, ends).filter(|object| !rotation.committed_on(*object)).collect();
            Ok(AcceptPlan::Verify { made: Box::new(made.clone()), sets })
        }
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

/// Whether a verified receipt is about what this rotation made; whole or partial, it proves that somebody has it.
pub fn check_receipt(
    receipt: &Receipt,
    application: &mint_types::ApplicationId,
    ask: Ask,
    made: &Made,
) -> Result<WrittenSomewhere, Error> {
    let differs = |what: &str| Err(Error::ReceiptInvalid(format!("it is for another {what}")));
    if receipt.application != *application {
        return differs("application");
    }
    if receipt.kind != ask.kind {
        return differs("kind");
    }
    if mutated(Mutation::ReceiptReplayed) {
        return Ok(WrittenSomewhere { version: made.version, since: receipt.first_written_at });
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
    Ok(WrittenSomewhere { version: made.version, since: receipt.first_written_at })
}
