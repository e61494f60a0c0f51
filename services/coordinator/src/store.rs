//! The coordinator's memory, as a port.

use std::fmt::Debug;

use async_trait::async_trait;
use mint_saga::{Credential, InstanceName, Report, Sealed, Unheard};
use mint_types::{
    Application, ApplicationId, Code, CredentialKind, FencingToken, Revision, RotationId, TeamId, Timestamp,
};

use crate::desk::{Desk, Standing};
use crate::overlong::Overlong;
use crate::plan::Decision;

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody else holds the application now: nothing was written.
    #[error("the lease of {0} is lost")]
    LeaseLost(ApplicationId),
    /// The store itself.
    #[error("the coordinator's state")]
    State(#[from] mint_store::Error),
    /// A row that cannot be read.
    #[error("the state of {application} cannot be read: {detail}")]
    Corrupt {
        /// Whose.
        application: String,
        /// What is wrong with it.
        detail: String,
    },
}

impl StoreError {
    /// How a caller should understand it.
    pub fn code(&self) -> Code {
        match self {
            Self::LeaseLost(_) => Code::Aborted,
            Self::State(error) => error.code(),
            Self::Corrupt { .. } => Code::DataLoss,
        }
    }
}

/// The right to act on an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The application.
    pub application: ApplicationId,
    /// The holder.
    pub holder: String,
    /// Higher than every earlier one of this application.
    pub token: FencingToken,
    /// What had happened beside the holder when it was taken.
    pub stir: i64,
}

/// An application in hand.
#[derive(Debug, Clone)]
pub struct Held {
    /// The right.
    pub lease: Lease,
    /// What is known, with the rotations that were opened.
    pub desk: Desk,
    /// What to do.
    pub decision: Decision,
    /// When the lease ends.
    pub until: Timestamp,
    /// Somebody else had reserved it: act only if it is still before this time.
    pub unless_begun: Option<Timestamp>,
}

/// What stands behind the holder's name on leases that it takes beside its engine.
pub(crate) const ERRAND: &str = " (errand)";

/// Who takes, when, for how long.
#[derive(Debug, Clone, Copy)]
pub struct Taker<'t> {
    /// The holder's name.
    pub holder: &'t str,
    /// The time.
    pub now: Timestamp,
    /// When the lease ends.
    pub until: Timestamp,
}

/// What holds for every application.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Control {
    /// The constellation is paused.
    pub paused: bool,
    /// The issuer asked not to be called before this time.
    pub issuer_paused_until: Option<Timestamp>,
}

/// Decides within the transaction that takes the lease; also opens the rotations on the desk.
pub type Decide<'d> = dyn Fn(&mut Desk, Control) -> Decision + Send + Sync + 'd;

/// What an instance of an application said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// Of which application.
    pub application: ApplicationId,
    /// Which instance.
    pub instance: InstanceName,
    /// What it said.
    pub report: Report,
}

/// Why a report is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    /// There is no such application.
    #[error("there is no such application")]
    ApplicationUnknown,
    /// Mint did not make that version, or long ago.
    #[error("the application has no version of this id")]
    VersionUnknown,
    /// The roster refuses it.
    #[error(transparent)]
    Unheard(#[from] Unheard),
}

/// What a step changed.
#[derive(Debug, Clone)]
pub struct Change {
    /// The credential that was worked on.
    pub credential: Option<Credential>,
    /// The identity as it stands.
    pub standing: Standing,
    /// The time.
    pub now: Timestamp,
    /// What becomes of the lease.
    pub lease: LeaseFate,
}

/// What becomes of a lease with a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseFate {
    /// It is kept until then.
    KeepUntil(Timestamp),
    /// It is given back; look again then.
    Release {
        /// When to look again.
        wake_at: Timestamp,
        /// Whether the status changed.
        changed: bool,
    },
    /// It is given back, and the next one is reserved in the same write ([`crate::lease`]).
    Reserve {
        /// The next one's token.
        token: FencingToken,
        /// When it begins; also when to look again.
        wake_at: Timestamp,
        /// When it ends.
        until: Timestamp,
        /// Whether the status changed.
        changed: bool,
    },
}

/// A request of an operator for one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// Which kind.
    pub kind: CredentialKind,
    /// Its open rotation.
    pub rotation: RotationId,
    /// False if it was open already.
    pub started: bool,
}

/// Versions of a credential that two operators want ended at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Of which application.
    pub application: ApplicationId,
    /// Which credential.
    pub kind: CredentialKind,
    /// The statement's id.
    pub id: String,
    /// The signed statement, for the rotator to verify.
    pub statement: Sealed,
    /// When it was handed in.
    pub asked_at: Timestamp,
}

/// So many of what is to end are read at once.
pub const REVOCATIONS_PAGE: usize = 100;

/// Opens rotations on a desk within a transaction and tells which are open now.
pub type Edit<'e> = dyn Fn(&mut Desk) -> Vec<Started> + Send + Sync + 'e;

/// The port.
#[mint_port::port(service = "coordinator", name = "store")]
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// How far the catalog was taken in.
    #[read]
    async fn revision(&self) -> Result<Revision, StoreError>;
    /// Takes records in, in one write; older records than those known are passed over.
    async fn take_in(
        &self,
        records: &[Application],
        up_to: Revision,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Ends the leases of a holder that was restarted, also those of its errands.
    async fn reclaim(&self, holder: &str) -> Result<(), StoreError>;
    /// Writes something that changes nothing: only to see whether it can be written.
    async fn probe(&self) -> Result<(), StoreError>;
    /// Applications that need a look and that `holder` may take.
    #[read]
    async fn due(&self, holder: &str, now: Timestamp, limit: usize)
    -> Result<Vec<ApplicationId>, StoreError>;
    /// Leases that end after `latest` and are not reserved.
    #[read]
    async fn overlong(&self, latest: Timestamp) -> Result<Vec<Overlong>, StoreError>;
    /// Ends one of them with its token, and looks at the application at once; false if it changed meanwhile.
    async fn end_overlong(&self, overlong: &Overlong) -> Result<bool, StoreError>;
    /// Everybody needs a look now: the clock was set back, and their times were written under the other one.
    async fn wake_all(&self) -> Result<(), StoreError>;
    /// When the next look is needed.
    #[read]
    async fn next_wake(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError>;
    /// Takes the lease if the application is due, nobody else holds it and there is something to do.
    async fn take(
        &self,
        application: &ApplicationId,
        taker: Taker<'_>,
        decide: &Decide<'_>,
    ) -> Result<Option<Held>, StoreError>;
    /// The application of a lease that was reserved, if nothing happened to it or beside it since.
    #[read]
    async fn reserved(&self, lease: &Lease) -> Result<Option<(Desk, Control)>, StoreError>;
    /// Writes what a step changed, if the lease still holds; answers whether to pause.
    async fn commit(&self, lease: &Lease, change: &Change) -> Result<bool, StoreError>;

    /// One application.
    #[read]
    async fn desk(&self, application: &ApplicationId) -> Result<Option<Desk>, StoreError>;
    /// Applications by id.
    #[read]
    async fn desks(
        &self,
        after: Option<&ApplicationId>,
        team: Option<&TeamId>,
        limit: usize,
    ) -> Result<Vec<Desk>, StoreError>;
    /// What changed at or after a time: application and change counter.
    #[read]
    async fn changed_since(&self, since: Timestamp) -> Result<Vec<(ApplicationId, u64)>, StoreError>;

    /// Keeps what instances reported, in one write; answers each. An application is woken when nobody lags any more.
    async fn report(
        &self,
        reports: &[Reported],
        now: Timestamp,
    ) -> Result<Vec<Result<(), NotKept>>, StoreError>;
    /// No call to the issuer before `until`; an earlier end than the known one changes nothing, unless that is after
    /// `latest`, which no pause can be.
    async fn pause_issuer(&self, until: Timestamp, latest: Timestamp) -> Result<(), StoreError>;

    /// Keeps what is to end at once; what is known by its id is kept as it was, but for what was refused: that is open
    /// again.
    async fn keep_revocations(&self, asked: &[Revocation]) -> Result<(), StoreError>;
    /// What is still to end, the oldest first, from after one on: at most [`REVOCATIONS_PAGE`].
    #[read]
    async fn revocations(&self, after: Option<&Revocation>) -> Result<Vec<Revocation>, StoreError>;
    /// It has ended, the rotator does not believe it, or nothing can end it any more.
    async fn close_revocation(
        &self,
        revocation: &Revocation,
        outcome: &str,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Lets an operator change a desk beside the holder of the lease; none if there is no such application. What failed is tried
    /// again at once, unless nothing was changed and nothing is answered: that only wakes it.
    async fn edit(
        &self,
        application: &ApplicationId,
        now: Timestamp,
        edit: &Edit<'_>,
    ) -> Result<Option<Vec<Started>>, StoreError>;
    /// Pauses (with a reason) or resumes one application; false if there is no such one.
    async fn set_paused(
        &self,
        application: &ApplicationId,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Pauses or resumes the whole constellation.
    async fn set_all_paused(&self, reason: Option<&str>, now: Timestamp) -> Result<(), StoreError>;
    /// Whether the whole constellation is paused, and why.
    #[read]
    async fn all_paused(&self) -> Result<Option<String>, StoreError>;
}
