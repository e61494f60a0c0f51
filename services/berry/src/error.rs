//! What ends the process, and the exit codes (sysexits.h).

use std::path::PathBuf;

use mint_types::Code;

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
    /// `-c` was used.
    #[error(
        "-c is refused (STATIC_CREDENTIALS_UNSUPPORTED): it names a file of static AWS keys; \
         set AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE instead"
    )]
    StaticCredentials,
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
            Self::StaticCredentials => Code::Unimplemented,
            Self::Aws(error) => error.code(),
            Self::Directory { .. } => Code::FailedPrecondition,
            Self::Runtime(_) => Code::Internal,
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Missing { .. }
            | Self::Invalid { .. }
            | Self::ConfigFile { .. }
            | Self::StaticCredentials
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
