//! What the coordinator needs of others. Every adapter ends each call within its deadline.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use mint_saga::{Created, Failure, Sealed};
use mint_types::{
    Application, ApplicationId, CredentialKind, FencingToken, IssuerObject, Revision, RotationId, Timestamp,
    Version,
};

/// Who is worked on, by the right of which lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The application.
    pub application: ApplicationId,
    /// The lease's token: executors refuse a lower one than they have seen.
    pub token: FencingToken,
    /// The catalog revision that the caller acts upon.
    pub revision: Revision,
}

/// A call that belongs to a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationCall {
    /// Who is worked on.
    pub call: Call,
    /// Which kind.
    pub kind: CredentialKind,
    /// The idempotency key.
    pub rotation: RotationId,
}

/// One page of the catalog.
#[derive(Debug, Clone, Default)]
pub struct CatalogPage {
    /// Records in order of revision.
    pub records: Vec<Application>,
    /// Present in the next request; empty at the end.
    pub next_page_token: String,
    /// The catalog's revision when the list began.
    pub revision: Revision,
}

/// The catalog, kept by `registry-sync`.
#[mint_port::port(service = "coordinator", name = "catalog")]
#[async_trait]
pub trait Catalog: Debug + Send + Sync {
    /// The records that changed after `since`.
    async fn list(&self, since: Revision, page_token: &str) -> Result<CatalogPage, Failure>;
    /// Each record that changed after `since`, and then each change.
    async fn watch(
        &self,
        since: Revision,
    ) -> Result<BoxStream<'static, Result<Application, Failure>>, Failure>;
}

/// An identity that exists as the catalog says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ensured {
    /// The client id that the IAM solution answered.
    pub client_id: String,
    /// The `identity_revision` that was applied.
    pub applied: Revision,
    /// How often the user was made again after it had vanished; none if the answer does not say.
    pub incarnation: Option<u64>,
    /// A redirect URL that nobody confirmed: the client keeps the one that it has. Empty: the settings ask for none.
    pub unconfirmed_redirect: Option<String>,
    /// Whether the other client type is asked for and nobody confirmed it: the client stays what it is. None if the answer
    /// does not say.
    pub unconfirmed_client_type: Option<bool>,
    /// How long the word of a new owner does not count yet: it is looked at again then.
    pub look_again_after: Option<Duration>,
}

/// What became of an identity that was to lose its scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disabled {
    /// False if there was none.
    pub existed: bool,
    /// Until when it stays restorable.
    pub tombstone_until: Option<Timestamp>,
}

/// Which objects are to be overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removing {
    /// Everything of an application that is out of use.
    Application,
    /// What lies where the settings no longer deliver.
    Destinations,
}

/// A removal permit as identity-provisioner signed it: carried, not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit(pub String);

/// Service users and clients, kept by `identity-provisioner`.
#[mint_port::port(service = "coordinator", name = "identities")]
#[async_trait]
pub trait Identities: Debug + Send + Sync {
    /// Makes the identity exist as the catalog says.
    async fn ensure(&self, call: &Call) -> Result<Ensured, Failure>;
    /// Takes its scopes.
    async fn disable(&self, call: &Call) -> Result<Disabled, Failure>;
    /// Gives them back to the same user and client.
    async fn restore(&self, call: &Call) -> Result<Ensured, Failure>;
    /// Makes an existing user the application's; refused if there is none.
    async fn adopt(&self, call: &Call) -> Result<Ensured, Failure>;
    /// Deletes it, once it was disabled for the tombstone period.
    async fn delete(&self, call: &Call) -> Result<(), Failure>;
    /// Counts the removal of objects and signs that it is permitted.
    async fn permit(&self, call: &Call, removing: Removing) -> Result<Permit, Failure>;
}

/// A new version with its delivery envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// The version.
    pub created: Created,
    /// Sealed to the distributor.
    pub delivery: Sealed,
}

/// What became of a rotation that was to be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abandonment {
    /// It is given up.
    GivenUp,
    /// It cannot be any more: the rotator accepted its receipt, so that its version is delivered.
    Delivered,
}

impl Abandonment {
    /// What the rotator's refusal of this reason means where it names the state that it closed the rotation in.
    pub fn of_refusal(reason: &str, state: Option<&str>) -> Option<Self> {
        let is_delivered = matches!(state?, "delivered" | "retiring" | "retired");
        (reason == mint_saga::reason::ROTATION_CLOSED && is_delivered).then_some(Self::Delivered)
    }
}

/// What became of the previous version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retirement {
    /// The version that ends; 0 if there was none.
    pub ended: Version,
    /// How long the issuer may still accept it.
    pub grace: Duration,
}

/// What a login with an ended version showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The issuer refuses it, or there was nothing to prove.
    Dead,
    /// The grace has not passed.
    NotYet {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The issuer accepts it after its grace.
    Alive,
}

/// What is not as it should be on one object at the issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which kind of object.
    pub object: String,
    /// Stable reason.
    pub reason: String,
    /// The facts.
    pub detail: String,
    /// What will be done about it.
    pub next_action: String,
}

/// What a login with the current version showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The issuer accepts it.
    Accepted,
    /// The issuer refused it once.
    RefusedOnce {
        /// When to ask again.
        retry_after: Duration,
    },
    /// The issuer refused it twice, some time apart.
    Refused,
    /// No login is tried now, so that nobody is locked out.
    NotNow {
        /// When to ask again.
        retry_after: Duration,
    },
    /// No login is ever tried.
    NotTried,
}

/// The objects on which something that a statement meant lives still, or may; none once all of it has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remains(pub Vec<IssuerObject>);

impl Remains {
    /// What the rotator's answer about a kind means; none if nobody understands it. One that names no object may mean each.
    pub fn of_answer(kind: CredentialKind, complete: bool, objects: &[String]) -> Option<Self> {
        if complete {
            return Some(Self::default());
        }
        if objects.is_empty() {
            return Some(Self(kind.issuer_objects().to_vec()));
        }
        let object = |name: &String| match name.as_str() {
            "user" => Some(IssuerObject::User),
            "client" => Some(IssuerObject::Client),
            _ => None,
        };
        objects.iter().map(object).collect::<Option<Vec<_>>>().map(Self)
    }

    /// Whether all of it has ended.
    pub fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }
}

/// The issuer's side of a rotation, kept by `rotator`.
#[mint_port::port(service = "coordinator", name = "rotator")]
#[async_trait]
pub trait Rotator: Debug + Send + Sync {
    /// Makes a version; a repetition answers the same.
    async fn create(&self, call: &RotationCall) -> Result<NewVersion, Failure>;
    /// Hands over the receipt; answers how long Retire will still be refused.
    async fn accept_receipt(&self, call: &RotationCall, receipt: &Sealed) -> Result<Duration, Failure>;
    /// Ends the previous version.
    async fn retire(&self, call: &RotationCall) -> Result<Retirement, Failure>;
    /// Logs in with the ended version and sees it refused.
    async fn prove(&self, call: &RotationCall, probe: &Sealed) -> Result<Proof, Failure>;
    /// Ends at once what there was of a kind when a statement came; answers what is left of it.
    async fn revoke(&self, call: &Call, kind: CredentialKind, statement: &Sealed)
    -> Result<Remains, Failure>;
    /// Compares what is alive at the issuer with the ledger.
    async fn reconcile(&self, call: &Call, dry_run: bool) -> Result<Vec<Finding>, Failure>;
    /// Logs in with the current version of a kind.
    async fn check(&self, call: &Call, kind: CredentialKind, probe: &Sealed) -> Result<Verdict, Failure>;
    /// Gives a rotation up, unless it is delivered; fine if the rotator never heard of it.
    async fn abandon(&self, call: &RotationCall) -> Result<Abandonment, Failure>;
}

/// What one destination answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DestinationAnswer {
    /// It has the object.
    Written,
    /// It surely has not.
    Refused(Failure),
    /// Nobody knows, or an older write must be waited for.
    Unknown(Failure),
}

/// What came of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The receipt; empty unless every destination is written.
    pub receipt: Sealed,
    /// A receipt of some destinations, where the issuer waits for the first write; else empty.
    pub partial: Sealed,
    /// One per destination.
    pub destinations: Vec<DestinationAnswer>,
}

/// What came of overwriting objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overwritten {
    /// One per object that the permit covers.
    pub objects: Vec<DestinationAnswer>,
    /// Whether every one holds its tombstone, and nothing older can land there.
    pub complete: bool,
}

/// Writes to the teams' buckets, kept by `distributor`.
#[mint_port::port(service = "coordinator", name = "distributor")]
#[async_trait]
pub trait Distributor: Debug + Send + Sync {
    /// Opens the envelope and writes it to every destination; `replaces` if the issuer waits for the first write.
    async fn deliver(
        &self,
        call: &RotationCall,
        envelope: &Sealed,
        replaces: bool,
    ) -> Result<Delivery, Failure>;
    /// Overwrites the objects that a permit covers, as far as they can be reached.
    async fn tombstone(&self, call: &Call, permit: &Permit) -> Result<Overwritten, Failure>;
}
