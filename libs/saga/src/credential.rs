//! The durable state of one credential: what is current, and the rotation that is open.

use std::collections::BTreeMap;

use mint_types::{CredentialKind, Problem, RotationId, Timestamp, Version, VersionId};
use serde::{Deserialize, Serialize};

use crate::{Sealed, Trouble};

/// So many earlier versions are remembered by their id: an instance that is further behind reads a bucket that nobody
/// fills any more.
const MOST_EARLIER: usize = 8;

/// The steps of a rotation, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Node {
    /// The intent is durable; nothing was asked of anybody, or the answer was lost.
    Intend,
    /// The issuer makes the version.
    Create,
    /// It is written to every destination.
    Deliver,
    /// Consumers take it up.
    Adopt,
    /// The previous version is ended.
    Retire,
    /// The ended version is proved dead.
    Prove,
}

/// Why a rotation was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Nothing was ever delivered.
    First,
    /// Its period has passed.
    Scheduled,
    /// An operator asked.
    Requested,
    /// The settings name other destinations than the last delivery reached.
    DestinationsChanged,
    /// The public client has another id.
    ClientChanged,
    /// A check found that the issuer accepts no more what was delivered.
    Changed,
    /// Two operators had what was there ended at once: no pause holds it up.
    Revoked,
}

/// A version that the rotator made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Created {
    /// Its number.
    pub version: Version,
    /// Its random id.
    pub version_id: VersionId,
    /// The keyed fingerprint of its secret.
    pub fingerprint: String,
    /// The version that it replaces.
    pub previous: Version,
    /// The probe envelope: handed back when this version has ended.
    pub probe: Sealed,
    /// Whether the issuer learns of it only once a store holds it (*replace*).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub set_on_first_write: bool,
}

/// Whether a store may hold what the envelope carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Written {
    /// A delivery may have been made whose answer nobody has.
    Unknown,
    /// Every destination refused.
    Nowhere,
    /// At least one destination has it, or may have it.
    Somewhere,
}

/// What the issuer knows of a version that it learns of only once a store holds it (*replace*).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "known", rename_all = "snake_case")]
pub enum FirstWrite {
    /// No store is known to hold it while the issuer lacks it.
    #[default]
    Nowhere,
    /// A store holds it and the issuer lacks it: applications are shut out until it is told.
    Owed {
        /// The distributor's partial receipt.
        partial: Sealed,
    },
    /// The issuer has it; other stores may lack it.
    Settled,
}

impl FirstWrite {
    fn is_nowhere(&self) -> bool {
        *self == Self::Nowhere
    }
}

/// What says that the rotator holds the receipt of a version: without it there is no Retire. The rotator believes neither;
/// it looks at the receipt that it accepted itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Acceptance {
    /// It was handed over.
    Handed {
        /// The distributor's receipt.
        receipt: Sealed,
    },
    /// The rotator says that it accepted one for this very rotation: whoever handed it over died before that was written.
    Told {
        /// The delivery envelope, for another delivery if it turns out not to have it.
        delivery: Sealed,
    },
}

fn long_ago() -> Timestamp {
    Timestamp::from_unix_micros(0)
}

/// Where a rotation stands. Each stage carries what makes it true.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// The intent is durable.
    Intended,
    /// The version exists and its envelope is here.
    Created {
        /// The version.
        created: Created,
        /// The delivery envelope.
        delivery: Sealed,
        /// What is known of earlier deliveries.
        written: Written,
        /// The distributor cannot open it: start again.
        spoiled: bool,
        /// Whether the issuer must be told as soon as a store holds it.
        #[serde(default, skip_serializing_if = "FirstWrite::is_nowhere")]
        first_write: FirstWrite,
    },
    /// Every destination has it; the rotator does not know yet.
    Delivered {
        /// The version.
        created: Created,
        /// The delivery envelope, for another delivery if the receipt is refused.
        delivery: Option<Sealed>,
        /// The distributor's receipt.
        receipt: Sealed,
    },
    /// The rotator has the receipt; consumers take the version up.
    Adopting {
        /// The version.
        created: Created,
        /// What says so.
        #[serde(flatten)]
        acceptance: Acceptance,
        /// When Retire may be asked.
        retire_at: Timestamp,
        /// When that was known: by a clock that has been set back since, it says nothing.
        #[serde(default = "long_ago")]
        since: Timestamp,
    },
    /// The issuer was told to end the previous version.
    Retired {
        /// The version.
        created: Created,
        /// The version that ends.
        ended: Version,
        /// When the proof makes sense.
        prove_at: Timestamp,
        /// When that was known.
        #[serde(default = "long_ago")]
        since: Timestamp,
    },
}

/// An open rotation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rotation {
    /// The idempotency key of every call.
    pub id: RotationId,
    /// Why it was opened.
    pub cause: Cause,
    /// When.
    pub opened_at: Timestamp,
    /// The trace that it belongs to (W3C traceparent).
    pub traceparent: Option<String>,
    /// Where it stands.
    pub stage: Stage,
    /// The probe envelope of the version that it ends.
    pub ending: Option<Sealed>,
}

impl Rotation {
    /// The node that it works at.
    pub fn node(&self) -> Node {
        match &self.stage {
            Stage::Intended => Node::Create,
            Stage::Created { first_write: FirstWrite::Owed { .. }, .. } | Stage::Delivered { .. } => {
                Node::Adopt
            }
            Stage::Created { .. } => Node::Deliver,
            Stage::Adopting { .. } => Node::Retire,
            Stage::Retired { .. } => Node::Prove,
        }
    }
}

/// The version that consumers find.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Current {
    /// Its number.
    pub version: Version,
    /// Its random id.
    pub version_id: VersionId,
    /// When its receipt came.
    pub delivered_at: Timestamp,
    /// Where it was delivered, as [`crate::Wish`] names destinations.
    pub destinations: Vec<String>,
    /// The public client id that it names.
    pub client_id: Option<String>,
    /// Its probe envelope, for the Prove of the next rotation.
    pub probe: Sealed,
}

/// One credential of one application.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Credential {
    /// Which kind.
    pub kind: CredentialKind,
    /// What consumers find.
    pub current: Option<Current>,
    /// How many rotations were completed.
    pub completed: u64,
    /// The open rotation: at most one.
    pub rotation: Option<Rotation>,
    /// Versions that some destination may have had before, the latest last: what an instance may still hold.
    #[serde(default)]
    pub earlier: Vec<VersionId>,
    /// What is wrong, by the step that fails.
    pub troubles: BTreeMap<Node, Trouble>,
}

impl Credential {
    /// A credential of which nothing is known yet.
    pub fn new(kind: CredentialKind) -> Self {
        Self {
            kind,
            current: None,
            completed: 0,
            rotation: None,
            earlier: Vec::new(),
            troubles: BTreeMap::new(),
        }
    }

    /// Whether a version of this id was ever made, as far as is remembered.
    pub fn knows(&self, id: VersionId) -> bool {
        let made = self.rotation.as_ref().and_then(|rotation| rotation.stage.created());
        self.current.as_ref().is_some_and(|current| current.version_id == id)
            || made.is_some_and(|created| created.version_id == id)
            || self.earlier.contains(&id)
    }

    /// What was delivered does not count any more: another kind takes the issuer object over.
    pub fn supersede(&mut self) {
        if let Some(current) = self.current.take() {
            self.remember(current.version_id);
        }
        self.troubles.clear();
    }

    pub(crate) fn remember(&mut self, id: VersionId) {
        self.earlier.retain(|known| *known != id);
        self.earlier.push(id);
        let surplus = self.earlier.len().saturating_sub(MOST_EARLIER);
        self.earlier.drain(..surplus);
    }

    /// How often in a row the step that fails most has failed.
    pub fn attempts(&self) -> u32 {
        self.troubles.values().map(|trouble| trouble.attempts).max().unwrap_or(0)
    }

    /// Everything that is wrong.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.troubles.values().flat_map(|trouble| &trouble.problems)
    }
}
