//! Why the rotator does not do what it is asked.

use std::time::Duration;

use mint_api::audit_log::AuditError;
use mint_api::{Fault, WireFault};
use mint_types::{ApplicationId, Code, CredentialKind, Revision, RotationId, Stale};

pub use mint_issuer_contract::IssuerError;

/// Everything that can keep the rotator from an act. No variant carries a secret or an issuer's answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller lost its lease: somebody else acts for the application.
    #[error(transparent)]
    StaleFencingToken(#[from] Stale),
    /// The rotation is unknown here.
    #[error("rotation {0} is unknown: Create was never called with it")]
    RotationUnknown(RotationId),
    /// The rotation is about something else.
    #[error("rotation {0} belongs to another application or kind")]
    RotationMismatch(RotationId),
    /// The rotation is past the point where the call makes sense.
    #[error("the rotation is {state}: {advice}")]
    RotationClosed {
        /// Where it is.
        state: &'static str,
        /// What to do instead.
        advice: &'static str,
    },
    /// Another rotation occupies the issuer object.
    #[error("rotation {open} of {kind} is still open and delivered: finish it first")]
    RotationOpen {
        /// The open one.
        open: RotationId,
        /// Its kind.
        kind: CredentialKind,
    },
    /// Calls without a known outcome: each may account for one live version.
    #[error(
        "{standing} earlier calls may each have made a version nobody knows (last: {last_reason}); \
         nothing more is made until they are old enough to be written off"
    )]
    TooManyUnresolved {
        /// How many stand.
        standing: usize,
        /// What the last one ended with.
        last_reason: String,
        /// When one more is made.
        retry_after: Duration,
    },
    /// What a rotation delivered is not at the issuer any more.
    #[error(
        "the issuer knows the user and not the version that is to stay: somebody deleted it there; nothing is ended, and \
         the next rotation makes a fresh one"
    )]
    VersionGone,
    /// Versions that were made and given up, and that the next end sweeps.
    #[error(
        "{spares} versions were made and given up, and each opens the door until the next one is delivered and ends them; \
         only one more is made every ten minutes"
    )]
    TooManySpares {
        /// How many there are.
        spares: usize,
        /// When one more is made.
        retry_after: Duration,
    },
    /// An earlier call was never answered and may still take effect.
    #[error(
        "an earlier call to the issuer was never answered and may still take effect; wait until it cannot"
    )]
    EarlierCallMayLand {
        /// When it no longer can.
        retry_after: Duration,
    },
    /// Retire without a receipt.
    #[error("no receipt was accepted for this rotation: the new version may have reached nobody")]
    ReceiptMissing,
    /// The receipt is not believed, or is about something else.
    #[error("the receipt is refused: {0}")]
    ReceiptInvalid(String),
    /// Retire too early.
    #[error("the overlap has not passed: consumers may still use the previous version")]
    OverlapNotPassed {
        /// How long it still takes.
        retry_after: Duration,
    },
    /// The overlap began on another machine, whose time nobody here knows: it begins here, now.
    #[error("the overlap has not passed: it is counted anew on this machine")]
    OverlapBegins {
        /// How long it takes.
        retry_after: Duration,
    },
    /// A probe envelope that is not the version's.
    #[error("the probe envelope is refused: {0}")]
    EnvelopeInvalid(String),
    /// A probe envelope that no key of ours opens.
    #[error("no key opens the probe envelope: {0}")]
    EnvelopeUnopenable(mint_secret::Error),
    /// A check of what is not at rest.
    #[error("there is nothing to check: {0}")]
    NothingToCheck(&'static str),
    /// The catalog answered with a refusal of its own, for example that it is behind.
    #[error("the catalog refused: {0}")]
    Catalog(WireFault),
    /// The catalog cannot be asked.
    #[error("the catalog cannot be asked, so nothing is done: {0}")]
    CatalogUnavailable(WireFault),
    /// The catalog says what no catalog can say yet.
    #[error(
        "registry-sync answered a record of {application} at revision {revision}, which is further ahead than any clock: \
         it is not believed"
    )]
    ImplausibleRevision {
        /// Whose record it is.
        application: ApplicationId,
        /// What it claims to be at.
        revision: Revision,
    },
    /// The catalog does not know the identity yet.
    #[error("the catalog does not hold the identity of {0} yet: ensure it first")]
    IdentityMissing(ApplicationId),
    /// The catalog says that its client is one that cannot be its.
    #[error(
        "the catalog says that the client of {application} is {client_id}, which at this issuer can only be {username}: \
         nothing is made for it"
    )]
    ForeignClient {
        /// Whose record it is.
        application: ApplicationId,
        /// Whose client it may be.
        client_id: String,
        /// What it has to be.
        username: String,
    },
    /// Retired or lost by the registry: nothing is made for it.
    #[error("{0} is not active in the registry: nothing is made for it")]
    NotActive(ApplicationId),
    /// Nowhere to deliver to.
    #[error("{0} has no destination: enter a bucket in its settings")]
    NoDestination(ApplicationId),
    /// The settings no longer ask for this kind.
    #[error("the settings of {application} do not ask for a {kind} any more")]
    SettingsChanged {
        /// The application.
        application: ApplicationId,
        /// The kind.
        kind: CredentialKind,
    },
    /// The distributor's keys cannot be fetched.
    #[error("the distributor's keys cannot be fetched, so nothing can be sealed or checked: {0}")]
    KeysUnavailable(String),
    /// The log does not answer.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The rate budget of the issuer is used up.
    #[error("the budget of calls to the issuer is used up")]
    BudgetExhausted {
        /// When there is some again.
        retry_after: Duration,
    },
    /// The issuer did not do it, or nobody knows.
    #[error("{call}: {error}")]
    Issuer {
        /// Which call.
        call: &'static str,
        /// What happened.
        #[source]
        error: IssuerError,
    },
    /// No verdict came of as many logins as are allowed with one ended version.
    #[error(
        "{logins} logins with the ended version gave no verdict; no more are tried, so that nobody is locked out"
    )]
    ProofGivenUp {
        /// How many.
        logins: u32,
    },
    /// The issuer lied too often: nothing is made or ended there until an operator resumes.
    #[error(
        "the issuer broke its word {lies} times within an hour (last: {last_reason}): rotations there are halted until \
         an operator resumes them"
    )]
    IssuerHalted {
        /// How often.
        lies: u32,
        /// What the last lie was.
        last_reason: String,
    },
    /// The issuer refuses the version that it just made.
    #[error("the issuer refused a login with the version that it just made ({error})")]
    RejectedLogin {
        /// The OAuth 2.0 error code.
        error: String,
    },
    /// A statement is not believed.
    #[error(transparent)]
    Statement(#[from] mint_statement::Error),
    /// A statement was acted upon before.
    #[error("statement {0} was acted upon already: have a new one signed")]
    StatementUsed(String),
    /// The application's own rows break an invariant: nothing more is done for it.
    #[error("{0}; nothing more is done for this application until somebody looked at it")]
    InvariantViolated(mint_invariants::Violation),
    /// The ledger does not answer.
    #[error(transparent)]
    State(#[from] mint_store::Error),
    /// Sealing failed or a key is missing.
    #[error(transparent)]
    Secret(#[from] mint_secret::Error),
}

impl Error {
    /// Whether nobody can read a probe envelope any more, however often it is tried.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::EnvelopeInvalid(_) | Self::EnvelopeUnopenable(_))
    }

    /// The stable reason, upper snake case.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::StaleFencingToken(_) => "STALE_FENCING_TOKEN",
            Self::RotationUnknown(_) => "ROTATION_UNKNOWN",
            Self::RotationMismatch(_) => "ROTATION_MISMATCH",
            Self::RotationClosed { .. } | Self::VersionGone => "ROTATION_CLOSED",
            Self::RotationOpen { .. } => "ROTATION_OPEN",
            Self::TooManyUnresolved { .. } => "TOO_MANY_UNRESOLVED_INTENTS",
            Self::TooManySpares { .. } => "TOO_MANY_SPARE_VERSIONS",
            Self::EarlierCallMayLand { .. } => "ISSUER_UNKNOWN_OUTCOME",
            Self::ReceiptMissing => "RECEIPT_MISSING",
            Self::ReceiptInvalid(_) => "RECEIPT_INVALID",
            Self::OverlapNotPassed { .. } | Self::OverlapBegins { .. } => "OVERLAP_NOT_PASSED",
            Self::EnvelopeInvalid(_) => "ENVELOPE_INVALID",
            Self::EnvelopeUnopenable(_) => "ENVELOPE_UNOPENABLE",
            Self::NothingToCheck(_) => "NOTHING_TO_CHECK",
            Self::Catalog(fault) => catalog_reason(fault),
            Self::CatalogUnavailable(_) => "CATALOG_UNAVAILABLE",
            Self::ImplausibleRevision { .. } => "CATALOG_IMPLAUSIBLE",
            Self::IdentityMissing(_) => "CATALOG_BEHIND",
            Self::ForeignClient { .. } => "CLIENT_NOT_ITS_OWN",
            Self::NotActive(_) => "APPLICATION_UNKNOWN",
            Self::NoDestination(_) => "NO_DESTINATION",
            Self::SettingsChanged { .. } => "SETTINGS_CHANGED",
            Self::KeysUnavailable(_) => "SERVICE_UNREACHABLE",
            Self::Audit(_) => "AUDIT_UNAVAILABLE",
            Self::BudgetExhausted { .. } => "BUDGET_EXHAUSTED",
            Self::Issuer { error, .. } => error.reason(),
            Self::RejectedLogin { .. } => "ISSUER_REJECTED_LOGIN",
            Self::ProofGivenUp { .. } => "PROOF_GIVEN_UP",
            Self::IssuerHalted { .. } => "ISSUER_HALTED",
            Self::Statement(error) => error.reason(),
            Self::StatementUsed(_) => "STATEMENT_USED",
            Self::InvariantViolated(_) => "INVARIANT_VIOLATED",
            Self::State(_) => "STATE_UNAVAILABLE",
            Self::Secret(_) => "SEALING_FAILED",
        }
    }

    /// How a caller should understand it.
    pub fn code(&self) -> Code {
        match self {
            Self::RotationUnknown(_) => Code::NotFound,
            Self::RotationMismatch(_) | Self::ReceiptInvalid(_) | Self::EnvelopeInvalid(_) => {
                Code::InvalidArgument
            }
            Self::StaleFencingToken(_)
            | Self::RotationClosed { .. }
            | Self::RotationOpen { .. }
            | Self::ReceiptMissing
            | Self::OverlapNotPassed { .. }
            | Self::OverlapBegins { .. }
            | Self::EnvelopeUnopenable(_)
            | Self::NothingToCheck(_)
            | Self::IdentityMissing(_)
            | Self::ForeignClient { .. }
            | Self::NotActive(_)
            | Self::NoDestination(_)
            | Self::SettingsChanged { .. }
            | Self::RejectedLogin { .. }
            | Self::ProofGivenUp { .. }
            | Self::IssuerHalted { .. }
            | Self::VersionGone
            | Self::StatementUsed(_) => Code::FailedPrecondition,
            Self::Statement(error) => error.code(),
            Self::TooManyUnresolved { .. } | Self::TooManySpares { .. } | Self::BudgetExhausted { .. } => {
                Code::ResourceExhausted
            }
            Self::EarlierCallMayLand { .. }
            | Self::CatalogUnavailable(_)
            | Self::KeysUnavailable(_)
            | Self::Audit(_) => Code::Unavailable,
            Self::Catalog(fault) => fault.code,
            Self::Issuer { error, .. } => error.code(),
            Self::InvariantViolated(_) | Self::ImplausibleRevision { .. } => Code::DataLoss,
            Self::State(error) => error.code(),
            Self::Secret(error) => error.code(),
        }
    }

    /// When a repeat makes sense.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyUnresolved { retry_after, .. }
            | Self::TooManySpares { retry_after, .. }
            | Self::EarlierCallMayLand { retry_after }
            | Self::OverlapNotPassed { retry_after }
            | Self::OverlapBegins { retry_after }
            | Self::BudgetExhausted { retry_after }
            | Self::Issuer { error: IssuerError::RateLimited { retry_after }, .. } => Some(*retry_after),
            Self::Catalog(fault) | Self::CatalogUnavailable(fault) => fault.retry_after,
            _ => None,
        }
    }

    /// Whether it was asked for what nobody honest asks for, or only by mistake or late, and the log may not have heard of it
    /// yet: one that the log was told the outcome of already is told once more at most.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Statement(error) => !matches!(error, mint_statement::Error::KeyFile { .. }),
            Self::StaleFencingToken(_)
            | Self::RotationMismatch(_)
            | Self::ImplausibleRevision { .. }
            | Self::ReceiptMissing
            | Self::ReceiptInvalid(_)
            | Self::OverlapNotPassed { .. }
            | Self::EnvelopeInvalid(_)
            | Self::EnvelopeUnopenable(_)
            | Self::StatementUsed(_) => true,
            _ => false,
        }
    }

    /// Whether something may have been made or ended although the call failed.
    pub fn outcome_is_unknown(&self) -> bool {
        match self {
            Self::Issuer { error, .. } => !error.surely_without_effect(),
            Self::RejectedLogin { .. } => true,
            _ => false,
        }
    }
}

/// The catalog's own reasons that a caller must be able to tell apart; any other is its unavailability.
fn catalog_reason(fault: &WireFault) -> &'static str {
    match fault.reason.as_str() {
        "CATALOG_BEHIND" => "CATALOG_BEHIND",
        "APPLICATION_UNKNOWN" => "APPLICATION_UNKNOWN",
        "SETTINGS_INVALID" => "SETTINGS_INVALID",
        _ => "CATALOG_UNAVAILABLE",
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let mut fault = Self::new(error.code(), error.reason(), error.to_string());
        fault.retry_after = error.retry_after();
        match &error {
            Error::Issuer { call, error: IssuerError::Refused { status } } => {
                fault.with("call", *call).with("status", status.to_string())
            }
            Error::Issuer { call, .. } => fault.with("call", *call),
            Error::InvariantViolated(violation) => fault.with("invariant", violation.invariant.id()),
            Error::RotationOpen { open, .. } => fault.with("open_rotation", open.to_string()),
            Error::RotationClosed { state, .. } => fault.with("state", *state),
            Error::TooManyUnresolved { last_reason, .. } => fault.with("last_reason", last_reason),
            Error::StaleFencingToken(stale) => fault.with("seen", stale.highest.to_string()),
            _ => fault,
        }
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        Fault::from(error).into()
    }
}
