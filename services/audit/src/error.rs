//! What can go wrong, from the caller's point of view.

use mint_api::Fault;
use mint_types::Code;

/// Why the log did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The state does not answer: the entry may or may not be there. Repeat with the same entry id.
    #[error("the log cannot be read or written: {0}")]
    StateUnavailable(mint_store::Error),
    /// The process is draining, or its writer is gone: nothing was appended.
    #[error("the log is shutting down")]
    ShuttingDown,
    /// The process cannot run.
    #[error(transparent)]
    Runtime(std::sync::Arc<mint_runtime::Error>),
}

impl Error {
    /// How a caller should understand it.
    pub fn code(&self) -> Code {
        match self {
            Self::StateUnavailable(_) | Self::ShuttingDown => Code::Unavailable,
            Self::Runtime(error) => error.code(),
        }
    }
}

impl From<mint_store::Error> for Error {
    fn from(error: mint_store::Error) -> Self {
        Self::StateUnavailable(error)
    }
}

impl From<mint_runtime::Error> for Error {
    fn from(error: mint_runtime::Error) -> Self {
        Self::Runtime(std::sync::Arc::new(error))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::new(error.code(), "STATE_UNAVAILABLE", error.to_string())
    }
}

/// Why the log does not take an entry, whatever its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The entry id stands for another content.
    #[error("the entry id is taken by an entry with another content")]
    EntryConflict,
    /// There is no announcement at `init_index`.
    #[error("there is no announcement at init_index")]
    InitMissing,
    /// The announcement is of another actor or act.
    #[error("the announcement at init_index is of another actor or of another act")]
    InitMismatch,
    /// The announcement has an outcome.
    #[error("the announcement at init_index has an outcome already")]
    AlreadyCompleted,
}

impl Refusal {
    /// Stable, in upper snake case.
    pub fn reason(self) -> &'static str {
        match self {
            Self::EntryConflict => "ENTRY_CONFLICT",
            Self::InitMissing => "INIT_MISSING",
            Self::InitMismatch => "INIT_MISMATCH",
            Self::AlreadyCompleted => "ALREADY_COMPLETED",
        }
    }

    /// How a caller should understand it.
    pub fn code(self) -> Code {
        match self {
            Self::EntryConflict => Code::AlreadyExists,
            Self::InitMissing | Self::InitMismatch | Self::AlreadyCompleted => Code::FailedPrecondition,
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Fault::new(refusal.code(), refusal.reason(), refusal.to_string())
    }
}
