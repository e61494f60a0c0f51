//! What the broker needs of others.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use mint_api::audit_log::{Act, Announced, AuditError, Behalf, Outcome};
use mint_secret::SecretValue;
use mint_types::Timestamp;

use crate::grants::Subject;
use crate::refusal::Refusal;
use crate::signing::TaggedToken;

/// What stood behind `Authorization: Bearer`.
#[derive(Debug)]
pub struct Bearer(SecretValue);

impl Bearer {
    /// The token of a header's value; none if it is no bearer token (RFC 6750, section 2.1).
    pub fn of_header(value: &str) -> Option<Self> {
        let (scheme, token) = value.split_once(' ')?;
        let inside = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
        };
        let is_token = (1..=LONGEST_BEARER).contains(&token.len()) && token.bytes().all(inside);
        (scheme.eq_ignore_ascii_case("bearer") && is_token).then(|| Self(SecretValue::new(token.to_owned())))
    }

    /// The token, for the call that verifies it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Beyond it a header is no session but an attack.
const LONGEST_BEARER: usize = 8 * 1024;

/// The IAM solution.
#[mint_port::port(service = "broker", name = "sessions")]
#[async_trait]
pub trait Sessions: fmt::Debug + Send + Sync {
    /// Whose session it is. `BackendUnreachable` if nobody can say.
    async fn recognize(&self, bearer: &Bearer) -> Result<Subject, Refusal>;
}

/// STS: one call, unsigned, and only with a token that carries its tag.
#[mint_port::port(service = "broker", name = "sts")]
#[async_trait]
pub trait TokenExchange: fmt::Debug + Send + Sync {
    /// `AssumeRoleWithWebIdentity` for the role, session name and duration that the token was signed for.
    async fn exchange(&self, token: &TaggedToken) -> Result<AwsCredentials, StsFault>;
}

/// The audit log.
#[mint_port::port(service = "broker", name = "audit")]
#[async_trait]
pub trait Ledger: fmt::Debug + Send + Sync {
    /// Makes the announcement durable; on an error nothing may be signed.
    async fn announce(&self, act: Act, behalf: Behalf) -> Result<Announced, AuditError>;

    /// Makes the outcome durable; on an error nothing is handed out.
    async fn conclude(&self, announced: Announced, outcome: Outcome) -> Result<(), AuditError>;
}

/// Temporary credentials. Cloning shares them; nothing of the secrets is printed.
#[derive(Debug, Clone)]
pub struct AwsCredentials {
    /// The access key id, which is a name.
    pub access_key_id: String,
    /// The secret key.
    pub secret_access_key: Arc<SecretValue>,
    /// The session token.
    pub session_token: Arc<SecretValue>,
    /// When they end.
    pub expiration: Timestamp,
}

/// How STS failed, told apart by what helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StsFault {
    /// `ExpiredTokenException`: a fresh token helps.
    #[error("the token had expired when it arrived (ExpiredTokenException): compare the clocks")]
    TokenExpired,
    /// `InvalidIdentityToken`.
    #[error(
        "the token is not taken (InvalidIdentityToken): STS cannot fetch our keys, or does not know our issuer"
    )]
    TokenInvalid,
    /// `IDPCommunicationError`.
    #[error("STS could not reach our keys (IDPCommunicationError): try again")]
    KeysUnreachable,
    /// `IDPRejectedClaim`.
    #[error("a claim of the token is not taken (IDPRejectedClaim)")]
    ClaimRejected,
    /// `AccessDenied`.
    #[error(
        "the role's trust policy refuses the token (AccessDenied): it must allow sts:TagSession and this issuer"
    )]
    AccessDenied,
    /// `PackedPolicyTooLarge`.
    #[error("the session's tags are too large (PackedPolicyTooLarge)")]
    PackedPolicyTooLarge,
    /// Another refusal.
    #[error("refused with {0}")]
    Refused(String),
    /// The request was never sent.
    #[error("no connection")]
    Unconnected,
    /// Sent, and no answer came.
    #[error("no answer")]
    Unanswered,
    /// An answer that nobody can understand.
    #[error("an answer that is none of STS's: {0}")]
    Malformed(&'static str),
}

impl StsFault {
    /// Stable, in upper snake case.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TokenExpired => "STS_TOKEN_EXPIRED",
            Self::TokenInvalid => "STS_TOKEN_INVALID",
            Self::KeysUnreachable => "STS_KEYS_UNREACHABLE",
            Self::ClaimRejected => "STS_CLAIM_REJECTED",
            Self::AccessDenied => "STS_ACCESS_DENIED",
            Self::PackedPolicyTooLarge => "STS_PACKED_POLICY_TOO_LARGE",
            Self::Refused(_) => "STS_REFUSED",
            Self::Unconnected => "STS_UNCONNECTED",
            Self::Unanswered => "STS_UNANSWERED",
            Self::Malformed(_) => "STS_MALFORMED",
        }
    }

    /// Whether credentials may have come to be that nobody holds.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unanswered | Self::Malformed(_))
    }
}
