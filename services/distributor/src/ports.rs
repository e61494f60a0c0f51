//! What delivery needs from outside, each port as small as the power behind it.

use std::fmt::{self, Debug};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mint_api::WireFault;
use mint_api::audit_log::Announced;
use mint_secret::{PublishedKey, Zeroizing};
use mint_types::{
    Application, ApplicationId, CredentialKind, Destination, FencingToken, RemovedDestination, Revision,
    RotationId, Stale, Timestamp, Version,
};

use crate::plan::pins::Pins;
use crate::plan::tombstones::Object;
use crate::plan::{Attempt, Content, Place};

/// The catalog of `registry-sync`.
#[mint_port::port(service = "distributor", name = "catalog")]
#[async_trait]
pub trait Catalog: Debug + Send + Sync {
    /// The application's record, at least as new as a revision.
    async fn application(
        &self,
        application: &ApplicationId,
        at_least: Revision,
    ) -> Result<Application, WireFault>;

    /// Tells the catalog which removed destinations hold no credential any more, exactly as its record listed them.
    async fn overwritten(
        &self,
        application: &ApplicationId,
        removed: &[RemovedDestination],
    ) -> Result<(), WireFault>;
}

/// The rotator's public keys.
#[mint_port::port(service = "distributor", name = "rotator-keys")]
#[async_trait]
pub trait RotatorKeys: Debug + Send + Sync {
    /// Keys of every use and stage.
    async fn list(&self) -> Result<Vec<PublishedKey>, WireFault>;
}

/// What is claimed by whoever asks for a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose credential.
    pub application: ApplicationId,
    /// What is to be written.
    pub content: Content,
    /// The caller's lease.
    pub fencing_token: FencingToken,
}

/// A claim that must not be acted upon.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Somebody holds a newer lease.
    #[error("{0} for this application")]
    StaleFencingToken(Stale),
    /// A newer version of this credential was begun.
    #[error("version {given} of {kind} is superseded: version {highest} was begun")]
    Superseded {
        /// Which credential.
        kind: CredentialKind,
        /// The highest version that was begun.
        highest: Version,
        /// The claimed one.
        given: Version,
    },
    /// The version was removed with its objects.
    #[error("version {version} of {kind} was removed: its objects are tombstones")]
    Removed {
        /// Which credential.
        kind: CredentialKind,
        /// The claimed version.
        version: Version,
    },
    /// The same number was given twice.
    #[error("version {version} of {kind} belongs to another rotation")]
    OtherRotation {
        /// Which credential.
        kind: CredentialKind,
        /// The version.
        version: Version,
    },
    /// The state does not answer.
    #[error(transparent)]
    State(#[from] mint_store::Error),
}

/// A PUT that is about to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Where.
    pub place: Place,
    /// The same with everything that a later PUT there needs.
    pub destination: Destination,
    /// When it was signed.
    pub signed_at: Timestamp,
    /// When the store stops accepting it.
    pub expires_at: Timestamp,
}

/// The outcome of a PUT, where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// The store confirmed it.
    Written,
    /// It surely was not written.
    Refused,
}

/// The durable memory of attempts.
#[mint_port::port(service = "distributor", name = "attempts")]
#[async_trait]
pub trait Attempts: Debug + Send + Sync {
    /// The application's attempts, for a claim that may be acted upon.
    #[read]
    async fn read(&self, claim: &Claim) -> Result<Vec<Attempt>, ClaimError>;

    /// Makes attempts durable before they are sent, raises what the claim raises, drops what is obsolete; answers the
    /// attempts' numbers. Without starts it only raises.
    async fn begin(&self, claim: &Claim, starts: &[Start], obsolete: &[u64]) -> Result<Vec<u64>, ClaimError>;

    /// Makes answers durable, all or none.
    async fn answer(
        &self,
        application: &ApplicationId,
        answers: &[(u64, Answered)],
    ) -> Result<(), mint_store::Error>;
}

/// What a permit lets do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warrant {
    /// Whose objects.
    pub application: ApplicationId,
    /// The caller's lease.
    pub fencing_token: FencingToken,
    /// The permit's id.
    pub permit: String,
}

/// What is remembered of an application's objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// Every object that was ever put, or may have been.
    pub objects: Vec<Object>,
    /// Its attempts.
    pub attempts: Vec<Attempt>,
    /// Whether the permit was acted upon before.
    pub is_known: bool,
}

/// What is made durable before tombstones are put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What the permit covers, and since when each is a tombstone.
    pub covered: Vec<(Place, Timestamp)>,
    /// Kinds whose versions so far are not put again.
    pub ended: Vec<CredentialKind>,
    /// The PUTs that are about to be sent.
    pub starts: Vec<(Content, Start)>,
    /// Attempts that will never matter again.
    pub obsolete: Vec<u64>,
    /// Now.
    pub at: Timestamp,
}

/// The durable memory of objects, for tombstones.
#[mint_port::port(service = "distributor", name = "tombstones")]
#[async_trait]
pub trait Tombstones: Debug + Send + Sync {
    /// What is remembered, for a warrant that may be acted upon.
    #[read]
    async fn read(&self, warrant: &Warrant) -> Result<Memory, ClaimError>;

    /// Makes an order durable: the permit and what it covers, the attempts; answers the attempts' numbers.
    async fn begin(&self, warrant: &Warrant, order: &Order) -> Result<Vec<u64>, ClaimError>;
}

/// The pins of an application, and how often they were changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPins {
    /// The pins.
    pub pins: Pins,
    /// Counts the changes.
    pub changes: u64,
}

/// The durable memory of where credentials may go.
#[mint_port::port(service = "distributor", name = "pin")]
#[async_trait]
pub trait PinBoard: Debug + Send + Sync {
    /// The application's pins; none before its first delivery.
    #[read]
    async fn read(&self, application: &ApplicationId) -> Result<Option<KeptPins>, mint_store::Error>;

    /// Makes pins durable; false if somebody changed them since they were read with this count (none: there were none).
    async fn keep(
        &self,
        application: &ApplicationId,
        seen: Option<u64>,
        pins: &Pins,
    ) -> Result<bool, mint_store::Error>;
}

/// The bytes to write, wiped when the last holder drops them.
#[derive(Clone)]
pub struct Body {
    bytes: Bytes,
    md5: [u8; 16],
}

impl Body {
    /// Takes the bytes over.
    pub fn new(plaintext: Zeroizing<Vec<u8>>) -> Self {
        use md5::Digest as _;
        let md5 = md5::Md5::digest(plaintext.as_slice()).into();
        Self { bytes: Bytes::from_owner(plaintext), md5 }
    }

    /// The bytes, for the call that sends them.
    pub fn expose(&self) -> Bytes {
        self.bytes.clone()
    }

    /// RFC 1864: the store compares it with what arrived, and answers it as the ETag.
    pub fn md5(&self) -> [u8; 16] {
        self.md5
    }
}

/// Prints nothing of it.
impl Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Body(…)")
    }
}

/// A signed request for one PUT. Whoever has it may write these bytes there for a minute: it is not printed.
#[derive(Clone)]
pub struct SignedPut {
    /// The URL with its signature.
    pub url: String,
    /// The headers that are signed.
    pub headers: http::HeaderMap,
    /// Whether the store answers an ETag that is no MD5.
    pub has_opaque_etag: bool,
}

impl Debug for SignedPut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SignedPut(…)")
    }
}

/// What a store answered to a PUT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutAnswer {
    /// It confirmed the write.
    Written,
    /// It surely was not written.
    Refused(Trouble),
    /// Nobody knows.
    Unknown(Trouble),
}

/// Why a destination is not written, for programs and for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Stable reason in upper snake case.
    pub reason: &'static str,
    /// The facts. Never a secret.
    pub detail: String,
    /// What the reader can do about it.
    pub next_action: &'static str,
    /// How long to wait before the next try, if the store said so.
    pub retry_after: Option<Duration>,
}

/// The one power: a single-part PUT.
#[mint_port::port(service = "distributor", name = "store")]
#[async_trait]
pub trait ObjectStore: Debug + Send + Sync {
    /// Signs a PUT; nothing is sent to the store.
    async fn sign(&self, destination: &Destination, body: &Body, at: Timestamp)
    -> Result<SignedPut, Trouble>;

    /// `s3:PutObject`: sends it once.
    async fn put_object(&self, put: SignedPut, body: &Body, announced: &Announced) -> PutAnswer;
}

/// A request to put tombstones, in types.
#[derive(Debug, Clone)]
pub struct Removal {
    /// Whose objects.
    pub application: ApplicationId,
    /// The catalog revision that the caller acts upon.
    pub catalog_revision: Revision,
    /// The caller's lease.
    pub fencing_token: FencingToken,
    /// The permit of identity-provisioner.
    pub permit: Vec<u8>,
    /// The request it belongs to, for the audit log.
    pub request: mint_types::RequestId,
}

/// A request to deliver, in types.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Whose credential.
    pub application: ApplicationId,
    /// The rotation that made it.
    pub rotation: RotationId,
    /// The catalog revision that the caller acts upon.
    pub catalog_revision: Revision,
    /// The caller's lease.
    pub fencing_token: FencingToken,
    /// The sealed credential.
    pub envelope: Vec<u8>,
    /// Whether the issuer learns of it only once a destination has it (*replace*).
    pub replaces: bool,
    /// The request it belongs to, for the audit log.
    pub request: mint_types::RequestId,
}
