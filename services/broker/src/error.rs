//! Why the process cannot run.

use std::path::PathBuf;

use mint_types::Code;

/// Why the process cannot run, or why keys cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process's surroundings.
    #[error(transparent)]
    Runtime(#[from] mint_runtime::Error),
    /// A key or the schedule cannot be used.
    #[error("{path} cannot be used: {problem}")]
    Keys {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it, and what helps.
        problem: String,
    },
}

impl Error {
    /// How a caller should understand it.
    pub fn code(&self) -> Code {
        match self {
            Self::Runtime(error) => error.code(),
            Self::Keys { .. } => Code::FailedPrecondition,
        }
    }

    pub(crate) fn keys(path: impl Into<PathBuf>, problem: impl std::fmt::Display) -> Self {
        Self::Keys { path: path.into(), problem: problem.to_string() }
    }
}
