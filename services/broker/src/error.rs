//! Why the process cannot run.

use std::path::PathBuf;

use mint_types::Code;

/// Why the process cannot run, or why keys cannot be made.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] mint_runtime::Error);

impl Error {
    /// How a caller should understand it.
    pub fn code(&self) -> Code {
        self.0.code()
    }

    /// A key or the schedule cannot be used: what is wrong with it, and what helps.
    pub(crate) fn keys(path: impl Into<PathBuf>, problem: impl std::fmt::Display) -> Self {
        Self(mint_runtime::Error::Identity { file: path.into(), problem: problem.to_string() })
    }
}
