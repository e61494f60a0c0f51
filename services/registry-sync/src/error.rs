//! Why registry-sync did not do what was asked, from the caller's point of view.

use mint_api::{Fault, InvalidMessage, audit_log::AuditError};
use mint_types::{ApplicationId, Code, Revision};

use crate::{ports::SourceFault, settings::SettingsFault};

/// Why registry-sync did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The process cannot run.
    #[error("registry-sync cannot run")]
    Process(#[source] mint_runtime::Error),
    /// The catalog does not have it, nor does the registry.
    #[error("the application {0} is unknown: it must be in the registry first")]
    Unknown(ApplicationId),
    /// The peer is no member of the owning team.
    #[error("{peer} does not own {application}: a member of the owning team, or an operator, may do this")]
    NotOwner {
        /// Which application.
        application: ApplicationId,
        /// Who asked.
        peer: String,
    },
    /// The settings cannot be entered.
    #[error(transparent)]
    Settings(#[from] SettingsFault),
    /// Somebody else changed the settings.
    #[error("the settings are at generation {actual}, not {expected}: read them again and repeat")]
    SettingsChanged {
        /// What the caller had read.
        expected: u64,
        /// What is in force.
        actual: u64,
    },
    /// The registry has it, so the registry retires it.
    #[error("the registry has {0} and says that it is active: retire it there, with active=false")]
    InRegistry(ApplicationId),
    /// A statement is not believed.
    #[error(transparent)]
    Statement(#[from] mint_statement::Error),
    /// The catalog is older than what the caller knows.
    #[error("the catalog is at revision {actual}, behind {wanted}")]
    CatalogBehind {
        /// What the caller knows.
        wanted: Revision,
        /// What the catalog has.
        actual: Revision,
    },
    /// The watcher does not read what it asked for.
    #[error("the watcher did not take a change in time; watch again from the last revision seen")]
    WatcherTooSlow,
    /// The log did not take an announcement or an outcome.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The registry did not answer as it should.
    #[error("the registry was not read: {0}")]
    Source(#[from] SourceFault),
    /// The catalog's database failed.
    #[error("the catalog cannot be used: {0}")]
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
            Self::Unknown(_) => Code::NotFound,
            Self::NotOwner { .. } => Code::PermissionDenied,
            Self::Settings(fault) => fault.code(),
            Self::SettingsChanged { .. } => Code::Aborted,
            Self::CatalogBehind { .. } | Self::InRegistry(_) => Code::FailedPrecondition,
            Self::Statement(error) => error.code(),
            Self::WatcherTooSlow => Code::ResourceExhausted,
            Self::Audit(_) | Self::Source(_) => Code::Unavailable,
            Self::State(error) => error.code(),
            Self::Invalid(_) => Code::InvalidArgument,
        }
    }

    /// The stable reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Process(_) => "PROCESS_FAILED",
            Self::Unknown(_) => "APPLICATION_UNKNOWN",
            Self::NotOwner { .. } => "NOT_OWNER",
            Self::Settings(fault) => fault.reason(),
            Self::SettingsChanged { .. } => "SETTINGS_CHANGED",
            Self::CatalogBehind { .. } => "CATALOG_BEHIND",
            Self::InRegistry(_) => "APPLICATION_IN_REGISTRY",
            Self::Statement(error) => error.reason(),
            Self::WatcherTooSlow => "WATCHER_TOO_SLOW",
            Self::Audit(_) => "AUDIT_UNAVAILABLE",
            Self::Source(fault) => fault.reason.as_str(),
            Self::State(_) => "STATE_UNAVAILABLE",
            Self::Invalid(_) => "INVALID_MESSAGE",
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
            Error::Unknown(application)
            | Error::InRegistry(application)
            | Error::NotOwner { application, .. } => fault.with("application", application.to_string()),
            Error::Settings(settings) => fault.with("field", settings.field),
            Error::SettingsChanged { expected, actual } => {
                fault.with("expected_generation", expected.to_string()).with("generation", actual.to_string())
            }
            Error::CatalogBehind { wanted, actual } => {
                fault.with("wanted_revision", wanted.to_string()).with("revision", actual.to_string())
            }
            Error::Process(_)
            | Error::Statement(_)
            | Error::WatcherTooSlow
            | Error::Source(_)
            | Error::State(_) => fault,
        }
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        Fault::from(error).into()
    }
}
