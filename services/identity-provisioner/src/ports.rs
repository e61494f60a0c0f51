//! What identity-provisioner needs from outside: an issuer that keeps users, and the catalog.

use std::time::Duration;

use async_trait::async_trait;
use mint_api::audit_log::Announced;
use mint_types::{Application, ApplicationId, Code, Identity, Revision};

use crate::model::ServiceUser;

/// Why the issuer did not do what was asked. No text in it ever quotes an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// It was not reached; nothing happened.
    #[error("the issuer cannot be reached: {detail}")]
    Unreachable {
        /// The facts.
        detail: String,
    },
    /// It said no; nothing happened.
    #[error("the issuer answered {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// It asks for a pause; nothing happened.
    #[error("the issuer asks for a pause of {} s", retry_after.as_secs())]
    RateLimited {
        /// How long.
        retry_after: Duration,
    },
    /// It may or may not have happened; a repeat is safe.
    #[error("the issuer did not say whether it did what was asked: {detail}")]
    UnknownOutcome {
        /// The facts.
        detail: String,
    },
    /// It answered what nobody can understand; it may or may not have happened.
    #[error("the issuer's answer cannot be used: {detail}")]
    Malformed {
        /// What is wrong with it.
        detail: &'static str,
    },
}

impl IssuerError {
    /// The stable reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "ISSUER_UNREACHABLE",
            Self::Refused { .. } => "ISSUER_REFUSED",
            Self::RateLimited { .. } => "ISSUER_RATE_LIMITED",
            Self::UnknownOutcome { .. } => "ISSUER_UNKNOWN_OUTCOME",
            Self::Malformed { .. } => "ISSUER_MALFORMED_ANSWER",
        }
    }

    /// How a caller should understand it.
    pub fn code(&self) -> Code {
        match self {
            Self::Unreachable { .. } => Code::Unavailable,
            Self::Refused { .. } => Code::FailedPrecondition,
            Self::RateLimited { .. } => Code::ResourceExhausted,
            Self::UnknownOutcome { .. } => Code::DeadlineExceeded,
            Self::Malformed { .. } => Code::DataLoss,
        }
    }

    /// Whether it surely had no effect.
    pub fn surely_not_done(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Refused { .. } | Self::RateLimited { .. } => true,
            Self::UnknownOutcome { .. } | Self::Malformed { .. } => false,
        }
    }
}

/// An IAM solution, by the calls that this service may make, and no others.
#[mint_port::port(service = "identity-provisioner", name = "issuer")]
#[async_trait]
pub trait IdentityIssuer: std::fmt::Debug + Send + Sync {
    /// The names of all users.
    async fn list(&self) -> Result<Vec<String>, IssuerError>;

    /// Whether a user exists.
    async fn exists(&self, username: &str) -> Result<bool, IssuerError>;

    /// Makes a user be as given; answers its client id. Repeating it is harmless.
    async fn put(&self, announced: &Announced, user: &ServiceUser) -> Result<String, IssuerError>;

    /// Deletes a user; one that is gone already is deleted.
    async fn delete(&self, announced: &Announced, username: &str) -> Result<(), IssuerError>;
}

/// Why the catalog did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// It does not have the application.
    #[error("the catalog does not have the application")]
    Unknown,
    /// It is older than the revision asked for.
    #[error("the catalog is behind the revision asked for")]
    Behind,
    /// It does not answer, or not so that it can be understood.
    #[error("the catalog does not answer: {detail}")]
    Unavailable {
        /// The facts.
        detail: String,
    },
}

/// The catalog of applications.
#[mint_port::port(service = "identity-provisioner", name = "catalog")]
#[async_trait]
pub trait Catalog: std::fmt::Debug + Send + Sync {
    /// The record, at this revision or a later one.
    async fn application(&self, id: &ApplicationId, revision: Revision) -> Result<Application, CatalogError>;

    /// Every record.
    async fn applications(&self) -> Result<Vec<Application>, CatalogError>;

    /// Tells the catalog that the issuer no longer has an application's user, so that it is ensured again.
    async fn report_missing(&self, id: &ApplicationId) -> Result<(), CatalogError>;

    /// Tells the catalog which user and client there are.
    async fn record_identity(&self, id: &ApplicationId, identity: &Identity) -> Result<(), CatalogError>;
}
