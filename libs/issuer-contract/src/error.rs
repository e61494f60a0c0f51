//! What became of a call to the issuer.

use std::time::Duration;

use mint_types::Code;

/// What became of a call to the issuer, from the caller's point of view.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// It was surely not sent.
    #[error("the issuer could not be reached: {0}")]
    NotSent(String),
    /// It was refused, and surely had no effect.
    #[error("the issuer refused it with status {status}")]
    Refused {
        /// HTTP status.
        status: u16,
    },
    /// It was refused because there are too many calls, and surely had no effect.
    #[error("the issuer asks for a pause")]
    RateLimited {
        /// How long.
        retry_after: Duration,
    },
    /// It was sent; nobody knows what became of it.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
    /// It was answered with success that makes no sense: it may have had its effect.
    #[error("the issuer's answer makes no sense: {0}")]
    Malformed(&'static str),
    /// Our own client at the token endpoint, or our token, is refused or unreadable: the configuration is wrong.
    #[error("the rotator's own access to the issuer is refused: {0}")]
    OwnAccess(String),
    /// The driver does not do this at all: it was not sent.
    #[error("{0}")]
    Unsupported(&'static str),
}

impl IssuerError {
    /// Whether the call surely made nothing.
    pub fn surely_without_effect(&self) -> bool {
        match self {
            Self::NotSent(_)
            | Self::Refused { .. }
            | Self::RateLimited { .. }
            | Self::OwnAccess(_)
            | Self::Unsupported(_) => true,
            Self::Unknown(_) | Self::Malformed(_) => false,
        }
    }

    /// Whether an end was refused because nothing is known by its handle (any more). It may be a lie, or somebody else's
    /// answer.
    pub fn says_unknown(&self) -> bool {
        matches!(self, Self::Refused { status: 404 | 409 | 410 })
    }

    /// Whether the issuer has finished with the call, so that nothing of it can take effect later.
    pub fn was_answered(&self) -> bool {
        !matches!(self, Self::Unknown(_))
    }

    /// The stable reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotSent(_) => "ISSUER_UNREACHABLE",
            Self::Refused { .. } | Self::OwnAccess(_) => "ISSUER_REFUSED",
            Self::RateLimited { .. } => "ISSUER_RATE_LIMITED",
            Self::Unknown(_) => "ISSUER_UNKNOWN_OUTCOME",
            Self::Malformed(_) => "ISSUER_MALFORMED_ANSWER",
            Self::Unsupported(_) => "UNSUPPORTED",
        }
    }

    /// How a caller should understand it.
    pub fn code(&self) -> Code {
        match self {
            Self::NotSent(_) | Self::Unknown(_) => Code::Unavailable,
            Self::Refused { .. } | Self::OwnAccess(_) | Self::Unsupported(_) => Code::FailedPrecondition,
            Self::RateLimited { .. } => Code::ResourceExhausted,
            Self::Malformed(_) => Code::DataLoss,
        }
    }
}
