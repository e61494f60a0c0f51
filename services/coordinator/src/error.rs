//! What can go wrong.

use mint_api::Fault;
use mint_types::{ApplicationId, Code};

use crate::store::StoreError;

/// Why the process cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process around it.
    #[error(transparent)]
    Runtime(#[from] mint_runtime::Error),
    /// The state cannot be opened.
    #[error("the coordinator's state cannot be opened")]
    State(#[source] mint_runtime::Error),
}

impl Error {
    /// How a caller should understand it.
    pub fn code(&self) -> Code {
        match self {
            Self::Runtime(error) | Self::State(error) => error.code(),
        }
    }
}

impl From<mint_store::Error> for Error {
    fn from(error: mint_store::Error) -> Self {
        Self::State(mint_runtime::Error::Unavailable {
            what: "the coordinator's state".to_owned(),
            source: Box::new(error),
        })
    }
}

/// Why a worker stopped before the application had to wait.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BurstError {
    /// The memory did not answer, or the lease is lost.
    #[error("the outcome could not be kept")]
    Store(#[from] StoreError),
    /// An executor has seen a newer lease.
    #[error("somebody with a newer lease acts on {0}")]
    Fenced(ApplicationId),
    /// An answer that cannot follow.
    #[error("an answer came out of order")]
    Illegal(#[from] mint_saga::Illegal),
    /// An executor did not do what was asked, for this reason; it is asked again.
    #[error("it was refused: {0}")]
    Refused(String),
    /// A fault of ours.
    #[error("{0}")]
    Impossible(&'static str),
}

impl BurstError {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Store(error) => error.code(),
            Self::Fenced(_) => Code::Aborted,
            Self::Refused(_) => Code::Unavailable,
            Self::Illegal(_) | Self::Impossible(_) => Code::Internal,
        }
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::new(error.code(), "STATE_UNAVAILABLE", chain(&error))
    }
}
