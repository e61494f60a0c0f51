//! Why identity-provisioner did not do what was asked, from the caller's point of view.

use mint_api::{Fault, InvalidMessage, audit_log::AuditError, audit_log::Outcome};
use mint_types::{ApplicationId, Code, Revision, Stale, Timestamp};

use crate::{
    plan::Refusal,
    ports::{CatalogError, IssuerError},
};

/// Why identity-provisioner did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The process cannot run.
    #[error("identity-provisioner cannot run")]
    Process(#[source] mint_runtime::Error),
    /// Somebody with a later lease acts.
    #[error(
        "the fencing token {} is older than {}: another holds the lease of {application}",
        stale.given, stale.highest
    )]
    StaleToken {
        /// Which application.
        application: ApplicationId,
        /// The caller's token, and the highest.
        stale: Stale,
    },
    /// It must not be done.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too much was taken away within a day (I6).
    #[error(
        "{spent} of {allowed} applications that something may be taken away from within a day are used up (fleet \
         {fleet}): it is held until tomorrow, or until two operators let more go with `mint registry release --acts N`"
    )]
    BudgetExhausted {
        /// What was taken away within a day.
        spent: u64,
        /// What may be.
        allowed: u64,
        /// How many identities there are.
        fleet: u64,
    },
    /// A statement is not believed.
    #[error(transparent)]
    Statement(#[from] mint_statement::Error),
    /// A statement of a time of which nobody knows what was acted upon.
    #[error(
        "the state lost what was written before {lost_at}: a statement of before then may have been acted upon already; \
         have a new one signed"
    )]
    StatementOfBefore {
        /// When writes may have been lost, last.
        lost_at: Timestamp,
    },
    /// There is nothing to sign with.
    #[error("this service has no key to sign permits with: set [statements] key_file")]
    NoKey,
    /// registry-sync says what no catalog can say yet.
    #[error(
        "registry-sync answered a record of {application} at revision {revision}, which is further ahead than any clock: \
         it is not believed"
    )]
    ImplausibleRevision {
        /// Which application.
        application: ApplicationId,
        /// What it claims to be at.
        revision: Revision,
    },
    /// Nothing is known of it.
    #[error("no identity of {0} is known")]
    UnknownIdentity(ApplicationId),
    /// The issuer did not do it.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// The catalog did not answer.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The log did not take an announcement or an outcome.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error("the state cannot be used: {0}")]
    State(#[from] mint_store::Error),
    /// The request breaks the contract.
    #[error(transparent)]
    Invalid(#[from] InvalidMessage),
}

impl Error {
    /// How a caller should understand it.
    pub fn code(&self) -> Code {
        match self {
            Self::Process(error) => error.code(),
            Self::StaleToken { .. } | Self::Refused(_) | Self::Catalog(CatalogError::Behind) => {
                Code::FailedPrecondition
            }
            Self::BudgetExhausted { .. } => Code::ResourceExhausted,
            Self::ImplausibleRevision { .. } => Code::DataLoss,
            Self::Statement(error) => error.code(),
            Self::NoKey | Self::StatementOfBefore { .. } => Code::FailedPrecondition,
            Self::UnknownIdentity(_) | Self::Catalog(CatalogError::Unknown) => Code::NotFound,
            Self::Issuer(error) => error.code(),
            Self::Catalog(CatalogError::Unavailable { .. }) | Self::Audit(_) => Code::Unavailable,
            Self::State(error) => error.code(),
            Self::Invalid(_) => Code::InvalidArgument,
        }
    }

    /// The stable reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Process(_) => "PROCESS_FAILED",
            Self::StaleToken { .. } => "STALE_FENCING_TOKEN",
            Self::Refused(refusal) => refusal.reason(),
            Self::BudgetExhausted { .. } => "BUDGET_EXHAUSTED",
            Self::Statement(error) => error.reason(),
            Self::StatementOfBefore { .. } => "STATEMENT_BEFORE_LOST_WRITES",
            Self::NoKey => "NO_STATEMENT_KEY",
            Self::ImplausibleRevision { .. } => "CATALOG_IMPLAUSIBLE",
            Self::UnknownIdentity(_) => "IDENTITY_UNKNOWN",
            Self::Issuer(error) => error.reason(),
            Self::Catalog(CatalogError::Unknown) => "APPLICATION_UNKNOWN",
            Self::Catalog(CatalogError::Behind) => "CATALOG_BEHIND",
            Self::Catalog(CatalogError::Unavailable { .. }) => "CATALOG_UNAVAILABLE",
            Self::Audit(_) => "AUDIT_UNAVAILABLE",
            Self::State(_) => "STATE_UNAVAILABLE",
            Self::Invalid(_) => "INVALID_MESSAGE",
        }
    }

    /// Whether it was asked for what nobody honest asks for, or only by mistake or late, and the log may not have heard of it
    /// yet: one that the log was told the outcome of already is told once more at most.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Statement(error) => !matches!(error, mint_statement::Error::KeyFile { .. }),
            Self::StaleToken { .. } | Self::StatementOfBefore { .. } | Self::ImplausibleRevision { .. } => {
                true
            }
            Self::Refused(refusal) => {
                matches!(
                    refusal,
                    Refusal::Active
                        | Refusal::NotDisabled
                        | Refusal::Deleted
                        | Refusal::Reserved(_)
                        | Refusal::NotOurs
                        | Refusal::Belongs
                )
            }
            _ => false,
        }
    }

    /// How an act that ended so is told to the audit log.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Issuer(error) if !error.surely_not_done() => Outcome::Unknown { reason: error.reason() },
            other => Outcome::Failure { reason: other.reason() },
        }
    }

    /// A database that cannot be opened, so that the process ends with the right exit code.
    pub(crate) fn opening(error: mint_store::Error) -> Self {
        Self::Process(match error {
            mint_store::Error::Url { detail } => mint_runtime::ConfigError::new("state.url", detail).into(),
            other => mint_runtime::Error::Unavailable { what: "the state".to_owned(), source: other.into() },
        })
    }
}

impl From<mint_runtime::Error> for Error {
    fn from(error: mint_runtime::Error) -> Self {
        Self::Process(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let fault = Fault::new(error.code(), error.reason(), error.to_string());
        match error {
            Error::Audit(error) => error.into(),
            Error::Invalid(invalid) => invalid.into(),
            Error::StaleToken { application, stale } => fault
                .with("application", application.to_string())
                .with("highest_token", stale.highest.to_string()),
            Error::BudgetExhausted { spent, allowed, fleet } => fault
                .with("spent", spent.to_string())
                .with("allowed", allowed.to_string())
                .with("fleet", fleet.to_string()),
            Error::Issuer(IssuerError::RateLimited { retry_after }) => {
                fault.with("status", "429").after(retry_after)
            }
            Error::Issuer(IssuerError::Refused { status }) => fault.with("status", status.to_string()),
            Error::Refused(Refusal::Reserved(scope)) => fault.with("scope", scope.to_string()),
            Error::Refused(
                Refusal::TombstoneNotPassed { remaining } | Refusal::BeingRemoved { remaining },
            ) => fault.after(remaining),
            Error::UnknownIdentity(application) => fault.with("application", application.to_string()),
            Error::Process(_)
            | Error::Refused(_)
            | Error::Issuer(_)
            | Error::Catalog(_)
            | Error::Statement(_)
            | Error::StatementOfBefore { .. }
            | Error::ImplausibleRevision { .. }
            | Error::NoKey
            | Error::State(_) => fault,
        }
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        Fault::from(error).into()
    }
}
