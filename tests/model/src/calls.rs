//! What is on its way: calls of the coordinators, what executors are in the middle of, what comes late.

use std::time::Duration;

use mint_distributor::{Content, Place};
use mint_saga::{Created, Sealed, Written};
use mint_types::{CredentialKind, FencingToken, IssuerObject, RotationId, Timestamp, Version};

use crate::payload::{Payload, Serial};

/// What a coordinator asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Request {
    /// Make a version.
    Create,
    /// Write it everywhere; true if the issuer waits for the first write.
    Deliver(Sealed, bool),
    /// Take the receipt.
    Accept(Sealed),
    /// End the previous version.
    Retire,
    /// Prove it dead.
    Prove(Sealed),
    /// Give the rotation up.
    Abandon,
}

/// Whose call it is and under which lease.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Envelope {
    /// The coordinator that waits for the answer; none if nobody does any more.
    pub from: Option<u8>,
    /// Its token.
    pub token: FencingToken,
    /// Which credential.
    pub kind: CredentialKind,
    /// Which rotation.
    pub rotation: RotationId,
    /// The machine on which it is answered.
    pub machine: u8,
}

/// How a PUT ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Put {
    /// The store confirmed it.
    Written,
    /// The store refused it.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// Where an executor is between two durable writes or outside calls.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Work {
    /// Create is announced.
    CreateAnnounced,
    /// Its intents are durable.
    CreateBegun {
        /// The version to be.
        version: Version,
        /// What it replaces.
        previous: Option<Version>,
        /// The intents' number.
        number: u8,
        /// What was made so far.
        made: Vec<(IssuerObject, Serial)>,
    },
    /// A destination has a value that the issuer has to get: announced.
    SetAnnounced(Setting),
    /// Its intent is durable.
    SetBegun(Setting),
    /// Retire is announced.
    RetireAnnounced {
        /// What is to be committed.
        commits: Vec<(IssuerObject, Option<Serial>)>,
        /// What ends.
        retires: Option<Version>,
    },
    /// Its intent is durable.
    RetireBegun {
        /// What is still to be committed.
        commits: Vec<(IssuerObject, Option<Serial>)>,
        /// Whether the first of them was answered and is not yet written down.
        answered: bool,
        /// What ends.
        retires: Option<Version>,
    },
    /// A delivery is planned and announced.
    DeliverPlanned(Delivery),
    /// Its attempts are durable; these many are answered.
    DeliverBegun(Delivery, Vec<u64>, Vec<Put>),
}

/// A value on its way to the issuer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Setting {
    /// What is still to be set.
    pub sets: Vec<(IssuerObject, Serial)>,
    /// Whether the first of them was answered and is not yet written down.
    pub answered: bool,
    /// The intent's number.
    pub number: u8,
    /// Whether every destination has it.
    pub whole: bool,
    /// Whether the rotation is given up afterwards.
    pub gives_up: bool,
}

/// A delivery under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Delivery {
    /// The envelope.
    pub envelope: Sealed,
    /// What it carries.
    pub payload: Payload,
    /// What is written.
    pub content: Content,
    /// Every destination.
    pub places: Vec<Place>,
    /// Whether the issuer waits for the first write.
    pub replaces: bool,
    /// The places to write to now.
    pub puts: Vec<usize>,
    /// Attempts that do not matter any more.
    pub obsolete: Vec<u64>,
}

/// An executor's work for a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Call {
    /// The call.
    pub envelope: Envelope,
    /// Whether the act was announced.
    pub announced: bool,
    /// Whether somebody with a higher token had been there when its intent became durable.
    pub overtaken: bool,
    /// How far it is.
    pub work: Work,
}

/// What was sent and has not arrived.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Late {
    /// A coordinator's call, or the second copy of one.
    Request(Envelope, Request),
    /// The rotator's Create at the issuer.
    Create(IssuerObject, Timestamp),
    /// Its commit.
    Commit(IssuerObject, Serial, Timestamp),
    /// Its set.
    Set(IssuerObject, Serial, Timestamp),
    /// A PUT, until the store refuses it.
    Put(Place, Payload, Timestamp),
}

impl Late {
    /// When it can no longer arrive.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Request(..) => None,
            Self::Create(_, until)
            | Self::Commit(_, _, until)
            | Self::Set(_, _, until)
            | Self::Put(_, _, until) => Some(*until),
        }
    }
}

/// What a coordinator hears.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The version is made.
    Created(Created, Sealed),
    /// Every destination has it.
    Delivered(Sealed),
    /// Some destinations have it, and the issuer waits for that.
    Partly(Sealed, Option<Duration>),
    /// Not every destination has it.
    NotDelivered(Written, Option<Duration>),
    /// The receipt is accepted.
    Accepted(Duration),
    /// The previous version was told to end.
    Retired(Version, Duration),
    /// The previous version is dead, or there was nothing to prove.
    Proved,
    /// The issuer may still accept it.
    ProveLater(Duration),
    /// The issuer still accepts it.
    Alive,
    /// It is given up.
    Abandoned,
    /// It cannot be any more: its receipt was accepted.
    AlreadyAccepted,
    /// It is over without a call.
    Finished,
    /// It was refused, or nobody answered.
    Failed(&'static str, Option<Duration>),
}
