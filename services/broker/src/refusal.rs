//! Why nothing is handed out, and how the two edges say it.

use std::time::Duration;

use http::StatusCode;
use mint_api::Fault;
use mint_types::Code;

use crate::ports::StsFault;
use crate::signing::Algorithm;

/// Why a caller gets nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request itself.
    #[error("{0}")]
    BadRequest(&'static str),
    /// There is no session, or none that is valid.
    #[error("the session is not valid: {0}")]
    NoSession(&'static str),
    /// Nobody granted this subject anything.
    #[error("nothing is granted to this subject; whoever operates the broker adds it to the grant table")]
    NotGranted,
    /// Too often.
    #[error("too many requests of this subject")]
    TooMany {
        /// When the next one is taken.
        retry_after: Duration,
    },
    /// STS gave no credentials.
    #[error("STS: {0}")]
    Sts(#[from] StsFault),
    /// Nobody can say whether the session is valid.
    #[error("the IAM solution does not answer, so nobody can say whether the session is valid: try again")]
    BackendUnreachable,
    /// The act cannot be said before it is done.
    #[error("the audit log does not take the entry, so nothing is signed: try again")]
    AuditUnavailable,
    /// There is no key to sign with.
    #[error("there is no active {0} key: whoever operates the broker makes one with `mint-broker keys`")]
    NoKey(Algorithm),
    /// The route is retired.
    #[error(
        "POST /v1/mint-aws-creds is retired: take a token from POST /v1/mint-oidc-jwt and exchange it at STS with AssumeRoleWithWebIdentity"
    )]
    Retired,
    /// There is no such route.
    #[error("there is no such call")]
    NotFound,
    /// There is no such method on the route.
    #[error("the call has another method")]
    WrongMethod,
    /// A fault of ours.
    #[error("{0}")]
    Internal(&'static str),
}

impl Refusal {
    /// On the HTTP side.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NoSession(_) => StatusCode::UNAUTHORIZED,
            Self::NotGranted => StatusCode::FORBIDDEN,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Sts(_) | Self::BackendUnreachable => StatusCode::BAD_GATEWAY,
            Self::AuditUnavailable | Self::NoKey(_) | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Retired => StatusCode::GONE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    /// The `error` of the HTTP body, and the outcome that is counted.
    pub fn word(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::NoSession(_) => "unauthorized",
            Self::NotGranted => "forbidden",
            Self::TooMany { .. } => "rate_limited",
            Self::Sts(_) => "sts_error",
            Self::BackendUnreachable => "backend_unreachable",
            Self::AuditUnavailable | Self::NoKey(_) | Self::Internal(_) => "internal_error",
            Self::Retired => "gone",
            Self::NotFound => "not_found",
            Self::WrongMethod => "method_not_allowed",
        }
    }

    /// The reason on the gRPC side, in logs and in the audit log.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "REQUEST_INVALID",
            Self::NoSession(_) => "SESSION_INVALID",
            Self::NotGranted => "NOT_GRANTED",
            Self::TooMany { .. } => "RATE_LIMITED",
            Self::Sts(fault) => fault.reason(),
            Self::BackendUnreachable => "BACKEND_UNREACHABLE",
            Self::AuditUnavailable => "AUDIT_UNAVAILABLE",
            Self::NoKey(_) => "NO_SIGNING_KEY",
            Self::Retired => "ROUTE_RETIRED",
            Self::NotFound | Self::WrongMethod => "NO_SUCH_CALL",
            Self::Internal(_) => "INTERNAL",
        }
    }

    /// How a caller should understand it.
    pub fn code(&self) -> Code {
        match self {
            Self::BadRequest(_) => Code::InvalidArgument,
            Self::NoSession(_) => Code::Unauthenticated,
            Self::NotGranted => Code::PermissionDenied,
            Self::TooMany { .. } => Code::ResourceExhausted,
            Self::Sts(_) | Self::BackendUnreachable | Self::AuditUnavailable => Code::Unavailable,
            Self::NoKey(_) => Code::FailedPrecondition,
            Self::Retired | Self::NotFound | Self::WrongMethod => Code::Unimplemented,
            Self::Internal(_) => Code::Internal,
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let fault = Self::new(refusal.code(), refusal.reason(), refusal.to_string());
        match refusal {
            Refusal::TooMany { retry_after } => fault.after(retry_after),
            _ => fault,
        }
    }
}
