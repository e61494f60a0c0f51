//! Why a delivery is not even tried, or its outcome cannot be told.

use std::time::Duration;

use mint_api::audit_log::AuditError;
use mint_api::{Fault, InvalidMessage, WireFault};
use mint_types::{ApplicationId, Code, CredentialKind, Revision, Version};

use crate::ports::ClaimError;

/// Everything that ends a call, from the caller's point of view. What single destinations say is no error: it is in
/// the answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The message breaks the contract.
    #[error(transparent)]
    Message(#[from] InvalidMessage),
    /// The envelope is not one that may be delivered here.
    #[error("the envelope is refused")]
    Envelope(#[source] mint_secret::Error),
    /// The rotator's keys are needed and not known.
    #[error("the rotator does not tell its keys: {0}")]
    RotatorKeys(WireFault),
    /// The application's record is not available.
    #[error("registry-sync does not answer the application's record: {0}")]
    Catalog(WireFault),
    /// registry-sync answered something else than it was asked for.
    #[error("registry-sync answered another record than {0}'s of the wanted revision")]
    OtherRecord(ApplicationId),
    /// registry-sync says what no catalog can say yet.
    #[error(
        "registry-sync answered a record of {application} at revision {revision}, which is further ahead than any clock: \
         it is not believed"
    )]
    ImplausibleRevision {
        /// The application.
        application: ApplicationId,
        /// What it claims to be at.
        revision: Revision,
    },
    /// The rotator signed a number that it cannot have given yet.
    #[error("version {version} of {application} is further ahead than any clock: it is not written")]
    ImplausibleVersion {
        /// The application.
        application: ApplicationId,
        /// The version.
        version: Version,
    },
    /// There is nowhere to write.
    #[error("application {0} has no bucket: nothing can be delivered")]
    NoDestination(ApplicationId),
    /// The settings no longer ask for this kind: its object is absent, or another kind's.
    #[error("the settings of {application} do not ask for a {kind} any more")]
    SettingsChanged {
        /// The application.
        application: ApplicationId,
        /// The kind.
        kind: CredentialKind,
    },
    /// An envelope seals a tombstone: these need a permit.
    #[error("the envelope seals a tombstone instead of a credential")]
    TombstoneSealed,
    /// The permit is not believed.
    #[error("the removal permit is refused")]
    Permit(#[source] mint_statement::Error),
    /// What is in use is not overwritten.
    #[error("application {0} is in use: nothing of it is overwritten")]
    ApplicationActive(ApplicationId),
    /// The catalog is older than what the permit was given for.
    #[error("registry-sync answered settings of {0} that are older than the permit")]
    SettingsBehind(ApplicationId),
    /// The catalog moved credentials elsewhere, and nobody confirmed it.
    #[error("the destinations of {application} are not confirmed: the former ones stay as they are")]
    Unconfirmed {
        /// The application.
        application: ApplicationId,
        /// When another look makes sense, if time alone can confirm them.
        left: Option<Duration>,
    },
    /// Others change the pins all the time.
    #[error("the pins of {0} are being changed by others")]
    PinsChanging(ApplicationId),
    /// The claim must not be acted upon, or the state does not answer.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The log did not take an entry.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A receipt cannot be signed.
    #[error("the receipt cannot be signed")]
    Receipt(#[source] mint_secret::Error),
    /// The process cannot start or go on. Not transparent: the exit code is that of the source.
    #[error("the distributor cannot run")]
    Runtime(#[from] mint_runtime::Error),
}

impl From<mint_store::Error> for Error {
    fn from(error: mint_store::Error) -> Self {
        Self::Claim(ClaimError::State(error))
    }
}

impl Error {
    /// How a caller should understand it.
    pub fn code(&self) -> Code {
        match self {
            Self::Message(_) | Self::TombstoneSealed | Self::ImplausibleVersion { .. } => {
                Code::InvalidArgument
            }
            Self::Envelope(error) => error.code(),
            Self::RotatorKeys(_) | Self::Audit(_) => Code::Unavailable,
            Self::Catalog(fault) => catalog_reason(fault).0,
            Self::OtherRecord(_) | Self::ImplausibleRevision { .. } => Code::DataLoss,
            Self::NoDestination(_)
            | Self::SettingsChanged { .. }
            | Self::ApplicationActive(_)
            | Self::SettingsBehind(_)
            | Self::Unconfirmed { .. } => Code::FailedPrecondition,
            Self::Permit(error) => error.code(),
            Self::PinsChanging(_) => Code::Aborted,
            Self::Claim(error) => match error {
                ClaimError::StaleFencingToken(_)
                | ClaimError::Superseded { .. }
                | ClaimError::Removed { .. }
                | ClaimError::OtherRotation { .. } => Code::FailedPrecondition,
                ClaimError::State(error) if error.is_unavailable() => Code::Unavailable,
                ClaimError::State(error) => error.code(),
            },
            Self::Receipt(_) => Code::Internal,
            Self::Runtime(error) => error.code(),
        }
    }

    /// The stable reason on the wire.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Message(_) => "INVALID_MESSAGE",
            Self::Envelope(mint_secret::Error::NotOurs(_) | mint_secret::Error::Unopenable(_)) => {
                "ENVELOPE_UNOPENABLE"
            }
            Self::Envelope(_) | Self::TombstoneSealed | Self::ImplausibleVersion { .. } => "ENVELOPE_INVALID",
            Self::Permit(error) => error.reason(),
            Self::ApplicationActive(_) => "APPLICATION_ACTIVE",
            Self::SettingsBehind(_) => "CATALOG_BEHIND",
            Self::Unconfirmed { .. } => "DESTINATION_UNCONFIRMED",
            Self::PinsChanging(_) => "PINS_CHANGING",
            Self::RotatorKeys(_) => "ROTATOR_UNAVAILABLE",
            Self::Catalog(fault) => catalog_reason(fault).1,
            Self::OtherRecord(_) => "CATALOG_UNAVAILABLE",
            Self::ImplausibleRevision { .. } => "CATALOG_IMPLAUSIBLE",
            Self::NoDestination(_) => "NO_DESTINATION",
            Self::SettingsChanged { .. } => "SETTINGS_CHANGED",
            Self::Claim(error) => match error {
                ClaimError::StaleFencingToken(_) => "STALE_FENCING_TOKEN",
                ClaimError::Superseded { .. } | ClaimError::Removed { .. } => "VERSION_SUPERSEDED",
                ClaimError::OtherRotation { .. } => "ENVELOPE_INVALID",
                ClaimError::State(_) => "STATE_UNAVAILABLE",
            },
            Self::Audit(_) => "AUDIT_UNAVAILABLE",
            Self::Receipt(_) | Self::Runtime(_) => "INTERNAL",
        }
    }
}

impl Error {
    /// Whether it was asked for what nobody honest asks for, or only by mistake or late: the audit log hears of it.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Envelope(_)
            | Self::TombstoneSealed
            | Self::Permit(_)
            | Self::ApplicationActive(_)
            | Self::Unconfirmed { .. }
            | Self::SettingsChanged { .. }
            | Self::ImplausibleRevision { .. }
            | Self::ImplausibleVersion { .. }
            | Self::OtherRecord(_) => true,
            Self::Claim(error) => match error {
                ClaimError::Superseded { .. }
                | ClaimError::Removed { .. }
                | ClaimError::OtherRotation { .. }
                | ClaimError::StaleFencingToken(_) => true,
                ClaimError::State(_) => false,
            },
            Self::Message(_)
            | Self::RotatorKeys(_)
            | Self::Catalog(_)
            | Self::NoDestination(_)
            | Self::SettingsBehind(_)
            | Self::PinsChanging(_)
            | Self::Audit(_)
            | Self::Receipt(_)
            | Self::Runtime(_) => false,
        }
    }
}

/// What registry-sync said, in the words of our caller.
fn catalog_reason(fault: &WireFault) -> (Code, &'static str) {
    match fault.reason.as_str() {
        "APPLICATION_UNKNOWN" => (Code::NotFound, "APPLICATION_UNKNOWN"),
        "CATALOG_BEHIND" => (Code::FailedPrecondition, "CATALOG_BEHIND"),
        _ => (Code::Unavailable, "CATALOG_UNAVAILABLE"),
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let retry_after = match &error {
            Error::Catalog(fault) | Error::RotatorKeys(fault) => fault.retry_after,
            Error::Unconfirmed { left, .. } => *left,
            _ => None,
        };
        let (code, reason) = (error.code(), error.reason());
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        let mut fault = Self::new(code, reason, format!("{error}{}", cause.unwrap_or_default()));
        fault.retry_after = retry_after;
        fault
    }
}
