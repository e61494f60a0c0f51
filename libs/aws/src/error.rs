//! What can go wrong on the way to credentials.

use std::path::PathBuf;

use mint_types::{Code, InvalidUrl};

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A variable of the standard environment is missing.
    #[error(
        "{0} is not set: web identity is the only source of AWS credentials, and needs AWS_ROLE_ARN, \
         AWS_WEB_IDENTITY_TOKEN_FILE and AWS_REGION"
    )]
    Missing(&'static str),
    /// A variable has a value that cannot be used.
    #[error("{name} is not usable: {rule}")]
    Unusable {
        /// The variable.
        name: &'static str,
        /// What it must be.
        rule: String,
    },
    /// An endpoint that must not be called.
    #[error("{name} is not usable")]
    Endpoint {
        /// The variable.
        name: &'static str,
        /// Why.
        #[source]
        source: InvalidUrl,
    },
    /// A long-lived key lies around.
    #[error("{0} is set: Mint does not use static AWS keys; remove it from the environment")]
    StaticKey(&'static str),
    /// The token file cannot be read.
    #[error("the web-identity token file {path} cannot be read")]
    TokenFile {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The token file does not hold a token.
    #[error("the web-identity token file {path} holds no token: {rule}")]
    TokenMalformed {
        /// Where it is.
        path: PathBuf,
        /// What it must be.
        rule: &'static str,
    },
    /// STS did not answer credentials.
    #[error("STS: {0}")]
    Sts(#[from] StsFault),
}

/// How STS failed, told apart by what helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StsFault {
    /// `ExpiredTokenException`: a fresh token helps.
    #[error("the web-identity token has expired (ExpiredTokenException)")]
    TokenExpired,
    /// `InvalidIdentityToken`: configuration, or STS cannot reach the issuer's JWKS.
    #[error("the web-identity token is not valid (InvalidIdentityToken)")]
    TokenInvalid,
    /// `IDPRejectedClaim`.
    #[error("the identity provider rejected the claim (IDPRejectedClaim)")]
    ClaimRejected,
    /// `IDPCommunicationError`: asking again helps.
    #[error("STS cannot reach the identity provider (IDPCommunicationError)")]
    ProviderUnreachable,
    /// `AccessDenied`: the role's trust policy.
    #[error("the role's trust policy refuses this identity (AccessDenied)")]
    AccessDenied,
    /// `PackedPolicyTooLarge`.
    #[error("the session's tags are too large (PackedPolicyTooLarge)")]
    PackedPolicyTooLarge,
    /// Any other refusal, by its code.
    #[error("refused with {0}")]
    Refused(String),
    /// It does not answer in time, or at all.
    #[error("no answer ({0})")]
    Unreachable(&'static str),
    /// It answers what nobody can understand.
    #[error("the answer is malformed ({0})")]
    Malformed(&'static str),
}

impl StsFault {
    /// Whether asking again, with the same token, can help.
    pub fn passes(&self) -> bool {
        match self {
            Self::ProviderUnreachable | Self::Unreachable(_) => true,
            Self::TokenExpired
            | Self::TokenInvalid
            | Self::ClaimRejected
            | Self::AccessDenied
            | Self::PackedPolicyTooLarge
            | Self::Refused(_)
            | Self::Malformed(_) => false,
        }
    }
}

impl Error {
    /// What kind of failure it is.
    pub fn code(&self) -> Code {
        match self {
            Self::Missing(_)
            | Self::Unusable { .. }
            | Self::Endpoint { .. }
            | Self::StaticKey(_)
            | Self::TokenMalformed { .. } => Code::FailedPrecondition,
            Self::TokenFile { .. } => Code::Unavailable,
            Self::Sts(fault) => match fault {
                StsFault::ProviderUnreachable | StsFault::Unreachable(_) => Code::Unavailable,
                StsFault::Malformed(_) => Code::DataLoss,
                StsFault::TokenExpired | StsFault::TokenInvalid => Code::Unauthenticated,
                StsFault::ClaimRejected
                | StsFault::AccessDenied
                | StsFault::PackedPolicyTooLarge
                | StsFault::Refused(_) => Code::PermissionDenied,
            },
        }
    }
}
