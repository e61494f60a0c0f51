//! What ends the process, and the exit codes (sysexits.h).

use std::path::PathBuf;

use mint_types::Code;

use crate::keys::KeysFault;

/// Wrong command line, configuration or environment.
pub(crate) const USAGE: u8 = 64;
const INTERNAL: u8 = 70;
/// The directory cannot be used (`EX_CANTCREAT`).
const DIRECTORY: u8 = 73;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why berry cannot work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something must be said and was not.
    #[error("{what} is not named: {how}")]
    Missing {
        /// What.
        what: &'static str,
        /// How to say it.
        how: &'static str,
    },
    /// Something was said that cannot be.
    #[error("{what} cannot be used: {rule}")]
    Invalid {
        /// What.
        what: &'static str,
        /// What it must be.
        rule: String,
    },
    /// The configuration file cannot be used.
    #[error("the configuration file {} cannot be used", path.display())]
    ConfigFile {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        #[source]
        source: BoxError,
    },
    /// The file that `-c` names has no key for us.
    #[error("the credentials file {} is refused ({}): {fault}", path.display(), fault.reason())]
    CredentialsFile {
        /// Where it is.
        path: PathBuf,
        /// Where in it, and what it must be.
        fault: KeysFault,
    },
    /// The file that `-c` names cannot be read.
    #[error("the credentials file {} cannot be read (CREDENTIALS_FILE_UNREADABLE)", path.display())]
    CredentialsFileUnreadable {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The AWS environment cannot be used.
    #[error(transparent)]
    Aws(#[from] mint_aws::Error),
    /// The directory cannot be used.
    #[error("{} cannot be used: {action} failed", path.display())]
    Directory {
        /// Which file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The system refused what every process has.
    #[error("the process cannot run")]
    Runtime(#[source] std::io::Error),
}

impl Error {
    /// How a caller should understand it.
    pub fn code(&self) -> Code {
        match self {
            Self::Missing { .. } | Self::Invalid { .. } | Self::ConfigFile { .. } => Code::InvalidArgument,
            Self::Aws(error) => error.code(),
            Self::CredentialsFile { .. }
            | Self::CredentialsFileUnreadable { .. }
            | Self::Directory { .. } => Code::FailedPrecondition,
            Self::Runtime(_) => Code::Internal,
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Missing { .. }
            | Self::Invalid { .. }
            | Self::ConfigFile { .. }
            | Self::CredentialsFile { .. }
            | Self::CredentialsFileUnreadable { .. }
            | Self::Aws(_) => USAGE,
            Self::Directory { .. } => DIRECTORY,
            Self::Runtime(_) => INTERNAL,
        }
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
