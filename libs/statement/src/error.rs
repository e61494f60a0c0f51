//! Why a statement is not believed.

use std::path::PathBuf;

use mint_types::{Code, Timestamp};

use crate::KeyId;

/// Everything that this crate refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are no DSSE envelope with a statement that we know.
    #[error("the statement is malformed: {0}")]
    Malformed(String),
    /// A signature does not fit.
    #[error("the signature by {0} does not fit")]
    BadSignature(KeyId),
    /// Nobody whom we trust signed it.
    #[error("no trusted key signed the statement (it names {0})")]
    Untrusted(String),
    /// Somebody whom we trust signed it, but not those who must.
    #[error("the statement is signed by {signers}, but {needed} must sign it")]
    SignersMissing {
        /// Who signed.
        signers: String,
        /// Who must.
        needed: String,
    },
    /// Its time has not come or is over.
    #[error("the statement holds from {from} to {until}, and it is {now}")]
    NotInForce {
        /// Its beginning.
        from: Timestamp,
        /// Its end.
        until: Timestamp,
        /// The verifier's clock.
        now: Timestamp,
    },
    /// It is meant to live longer than a statement may.
    #[error("the statement lives longer than 30 days")]
    LivesTooLong,
    /// It releases nothing, or more removals than one statement may.
    #[error(
        "a statement releases 1 to {} removals, not {acts}: more of them are several statements",
        crate::MOST_ACTS
    )]
    Immoderate {
        /// How many it says.
        acts: u32,
    },
    /// It is about something else.
    #[error("the statement is about another {0}")]
    Mismatch(&'static str),
    /// A file with keys cannot be used.
    #[error("key file {path}: {problem}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        problem: String,
    },
}

impl Error {
    /// How a caller should understand it.
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_)
            | Self::BadSignature(_)
            | Self::LivesTooLong
            | Self::Immoderate { .. }
            | Self::Mismatch(_) => Code::InvalidArgument,
            Self::Untrusted(_) | Self::SignersMissing { .. } => Code::PermissionDenied,
            Self::NotInForce { .. } => Code::FailedPrecondition,
            Self::KeyFile { .. } => Code::Internal,
        }
    }

    /// The stable reason on the wire.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::LivesTooLong => "STATEMENT_MALFORMED",
            Self::Immoderate { .. } => "STATEMENT_IMMODERATE",
            Self::BadSignature(_) => "STATEMENT_BAD_SIGNATURE",
            Self::Untrusted(_) => "STATEMENT_UNTRUSTED",
            Self::SignersMissing { .. } => "STATEMENT_SIGNERS_MISSING",
            Self::NotInForce { .. } => "STATEMENT_NOT_IN_FORCE",
            Self::Mismatch(_) => "STATEMENT_MISMATCH",
            Self::KeyFile { .. } => "STATEMENT_KEYS_UNUSABLE",
        }
    }
}
