//! What the ledger knows of one application: values, no logic that acts.

use std::fmt;
use std::time::Duration;

use mint_issuer_contract::Handle;
use mint_secret::EnvelopeDigest;
use mint_types::{CredentialKind, IssuerObject, Monotonic, RotationId, Timestamp, Version, VersionId};

use crate::plan::{meant_on, meet};

/// Both clocks, read once per decision.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Instant {
    /// For people, and where boots differ.
    pub wall: Timestamp,
    /// For waits that must not be shortened.
    pub monotonic: Monotonic,
}

impl Instant {
    /// How long after `earlier`: by the monotonic clock, or by the wall clock if the two were read in different boots.
    pub fn since(&self, earlier: &Self) -> Duration {
        self.monotonic.since(&earlier.monotonic).unwrap_or_else(|| self.wall.since(earlier.wall))
    }
}

/// How far a rotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RotationState {
    /// Its intent is durable; the issuer may have been asked.
    Creating,
    /// The version is made, tested and sealed.
    Created,
    /// The receipt is accepted; the overlap runs.
    Delivered,
    /// The commit is about to be sent, or was sent without an answer.
    Retiring,
    /// The issuer was told to end the previous version, and answered.
    Retired,
    /// Given up by the coordinator.
    Abandoned,
    /// Given up because a later rotation began, or has to: its version is gone.
    Superseded,
}

impl RotationState {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Creating, "creating"),
        (Self::Created, "created"),
        (Self::Delivered, "delivered"),
        (Self::Retiring, "retiring"),
        (Self::Retired, "retired"),
        (Self::Abandoned, "abandoned"),
        (Self::Superseded, "superseded"),
    ];

    /// The name in the ledger.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("", |(_, name)| name)
    }

    /// The state of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(state, _)| *state)
    }

    /// Whether it still occupies its issuer objects.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Creating | Self::Created | Self::Delivered | Self::Retiring)
    }
}

/// A version that was made, tested and sealed. Sealed bytes only: it may be stored and carried.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Made {
    /// Its number.
    pub version: Version,
    /// Its random id.
    pub version_id: VersionId,
    /// Keyed fingerprint.
    pub fingerprint: String,
    /// What it replaces: none for the first.
    pub previous: Option<Version>,
    /// The delivery envelope's digest, which receipts name.
    pub digest: EnvelopeDigest,
    /// Kept until the receipt is accepted.
    pub envelopes: Option<Envelopes>,
    /// The driver's name of the password, which its commit takes; none where it is set on the first write.
    pub password_handle: Option<Handle>,
    /// The driver's name of the client, which its commit takes; none where it is set on the first write.
    pub client_handle: Option<Handle>,
}

impl Made {
    /// The driver's name of what was made on an object.
    pub fn handle_on(&self, object: IssuerObject) -> Option<&Handle> {
        match object {
            IssuerObject::User => self.password_handle.as_ref(),
            IssuerObject::Client => self.client_handle.as_ref(),
        }
    }
}

/// What the coordinator carries.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Envelopes {
    /// To the distributor.
    pub delivery: Vec<u8>,
    /// To the rotator itself.
    pub probe: Vec<u8>,
}

/// Sealed, but not for logs either.
impl fmt::Debug for Envelopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Envelopes(…)")
    }
}

/// When and what a rotation retired.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RetiredRecord {
    /// The version of the same kind that ended; none if there was none of ours.
    pub version: Option<Version>,
    /// When the issuer answered the last commit.
    pub at: Instant,
}

/// One rotation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rotation {
    /// Its id.
    pub id: RotationId,
    /// Which credential.
    pub kind: CredentialKind,
    /// How far it is.
    pub state: RotationState,
    /// What it made.
    pub made: Option<Made>,
    /// On which boots the overlap began when, nanoseconds since that boot.
    pub overlap: Vec<Monotonic>,
    /// Since when a destination is known to have it, where the issuer learns of it only then (*replace*).
    pub first_write: Option<Instant>,
    /// Whether two operators let it end its predecessors before its receipt.
    pub excused: bool,
    /// Whether the password's commit or set was answered.
    pub user_committed: bool,
    /// Whether the client's commit or set was answered.
    pub client_committed: bool,
    /// What it retired.
    pub retired: Option<RetiredRecord>,
    /// Whether the issuer was seen refusing the retired version.
    pub proved_dead: bool,
    /// The logins that showed no death yet.
    pub proofs: Proofs,
    /// Which outcomes the audit log has.
    pub told: Told,
}

/// Which outcomes the audit log has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Told {
    /// Of Create.
    pub create: bool,
    /// Of Retire.
    pub retire: bool,
    /// Of Prove.
    pub prove: bool,
    /// Of setting the value.
    pub set: bool,
}

/// Logins with an ended version that did not show that it is dead.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Proofs {
    /// How many.
    pub logins: u32,
    /// Whether one of them was accepted; the others were not answered.
    pub alive: bool,
    /// The last one.
    pub last: Option<Instant>,
}

impl Rotation {
    /// Whether the driver's call on an object was answered.
    pub fn committed_on(&self, object: IssuerObject) -> bool {
        match object {
            IssuerObject::User => self.user_committed,
            IssuerObject::Client => self.client_committed,
        }
    }
}

/// The stages of a version's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Made, nobody was told for sure.
    Pending,
    /// The newest that was delivered.
    Current,
    /// Its successor is delivered.
    Previous,
    /// The issuer was told to end it.
    Ended,
}

impl Stage {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Pending, "pending"),
        (Self::Current, "current"),
        (Self::Previous, "previous"),
        (Self::Ended, "ended"),
    ];

    /// The name in the ledger.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(stage, _)| *stage == self).map_or("", |(_, name)| name)
    }

    /// The stage of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(stage, _)| *stage)
    }
}

/// A line of the ledger that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LiveVersion {
    /// Which credential.
    pub kind: CredentialKind,
    /// Its number; 0 is foreign.
    pub version: Version,
    /// The rotation that made it (for a foreign one: that first met it).
    pub rotation: RotationId,
    /// Where it is in its life.
    pub stage: Stage,
    /// Whether its password was ended by a commit.
    pub user_ended: bool,
    /// Whether its client was ended by a commit.
    pub client_ended: bool,
}

impl LiveVersion {
    /// Whether it is alive on an issuer object.
    pub fn lives_on(&self, object: IssuerObject) -> bool {
        let ended = match object {
            IssuerObject::User => self.user_ended,
            IssuerObject::Client => self.client_ended,
        };
        !ended && self.kind.issuer_objects().contains(&object)
    }
}

/// Why an unsettled call may have made something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unsettled {
    /// Never answered, as far as the ledger knows.
    Sent,
    /// Answered, but what it made is lost.
    Stray,
    /// Stood for so long that it is presumed to have made something.
    Presumed,
}

/// A call that may have made a version nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// On which object.
    pub object: IssuerObject,
    /// What is known of it.
    pub state: Unsettled,
    /// The stable reason of its failure, where one was seen.
    pub reason: Option<String>,
    /// When it was sent.
    pub sent: Instant,
}

/// What logins with a current version showed that the issuer did not accept, since the last one that it did.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Check {
    /// Which version.
    pub version: Version,
    /// How many logins were tried.
    pub tries: u32,
    /// How many of them were surely refused; the others were not answered.
    pub refused: u32,
    /// When the last one was tried.
    pub last: Instant,
}

/// A statement that is not known to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revoking {
    /// Whose versions two operators want ended.
    pub kind: CredentialKind,
    /// The newest of them.
    pub through: Version,
}

/// A call that ends something and was not answered, as far as the ledger knows: if it lands late, it may end what is newer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EndCall {
    /// On which object.
    pub object: IssuerObject,
    /// When it was sent.
    pub sent: Instant,
}

/// Everything about one application that decisions need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ApplicationState {
    /// Rotations that are open, and the one that was asked for.
    pub rotations: Vec<Rotation>,
    /// Versions that have not ended.
    pub versions: Vec<LiveVersion>,
    /// The highest version ever, by kind.
    pub last: Vec<(CredentialKind, Version)>,
    /// Calls that may have made something.
    pub attempts: Vec<Attempt>,
    /// Calls that may still end something.
    pub end_calls: Vec<EndCall>,
    /// What two operators want ended, and is not known to have ended.
    pub revoking: Vec<Revoking>,
}

impl ApplicationState {
    /// The rotation of an id.
    pub fn rotation(&self, id: RotationId) -> Option<&Rotation> {
        self.rotations.iter().find(|rotation| rotation.id == id)
    }

    /// The highest version of a kind.
    pub fn last_of(&self, kind: CredentialKind) -> Option<Version> {
        self.last.iter().find(|(known, _)| *known == kind).map(|(_, version)| *version)
    }

    /// The highest version of all kinds that share an object with this one: of two versions there, the later has the higher
    /// number.
    pub fn last_beside(&self, kind: CredentialKind) -> Option<Version> {
        let shares = |known: &CredentialKind| *known == kind || meet(kind, *known);
        self.last.iter().filter(|(known, _)| shares(known)).map(|(_, version)| *version).max()
    }

    /// Whether two operators want ended what lives where this kind does, or may: nothing holds the fresh version up. A
    /// statement of which nothing is left there counts no more, done or not: the coordinator closes some undone.
    pub fn is_revoking(&self, kind: CredentialKind) -> bool {
        let mut left =
            self.revoking.iter().flat_map(|revoking| meant_on(self, revoking.kind, revoking.through));
        left.any(|object| kind.issuer_objects().contains(&object))
    }

    /// Whether any version ever lived on an object.
    pub fn ever_had(&self, object: IssuerObject) -> bool {
        self.last.iter().any(|(kind, _)| kind.issuer_objects().contains(&object))
    }
}

/// The name of an issuer object in the ledger.
pub fn object_name(object: IssuerObject) -> &'static str {
    match object {
        IssuerObject::User => "user",
        IssuerObject::Client => "client",
    }
}
