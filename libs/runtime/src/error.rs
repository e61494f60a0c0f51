//! What can go wrong in a process besides its own work, and the exit codes.

use std::net::SocketAddr;
use std::path::PathBuf;

use mint_types::{Code, ServiceName};

use crate::{BoxError, ConfigError};

/// Exit codes (sysexits.h).
pub mod exit {
    /// Wrong command line or configuration.
    pub const USAGE: u8 = 64;
    /// Something the process cannot do without is not there.
    pub const UNAVAILABLE: u8 = 69;
    /// A fault of ours.
    pub const INTERNAL: u8 = 70;
    /// A key or certificate cannot be used.
    pub const IDENTITY: u8 = 78;
}

/// Why a process cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key or certificate cannot be used.
    #[error("{} cannot be used: {problem}", file.display())]
    Identity {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The socket cannot be opened.
    #[error("cannot listen on {address}")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A peer is called that the configuration does not have.
    #[error("the peer {0} is not configured (peers.{0})")]
    PeerMissing(ServiceName),
    /// Something the process cannot do without is not there.
    #[error("{what} is not available")]
    Unavailable {
        /// What is missing.
        what: String,
        /// What it says.
        #[source]
        source: BoxError,
    },
    /// Requests or tasks did not end within the drain deadline.
    #[error("the drain deadline passed before everything ended")]
    DrainDeadline,
    /// A background task without which the process is no use has ended.
    #[error("the background task {0} ended unexpectedly")]
    TaskEnded(&'static str),
    /// The network server failed.
    #[error("the server failed: {0}")]
    Server(String),
    /// What is compiled in does not fit together.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// Something indispensable is missing: the process ends with exit code 69.
    pub fn unavailable(what: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::Unavailable { what: what.into(), source: source.into() }
    }

    /// How a caller should understand it.
    pub fn code(&self) -> Code {
        match self {
            Self::Config(_) | Self::PeerMissing(_) => Code::InvalidArgument,
            Self::Identity { .. } => Code::Unauthenticated,
            Self::Listen { .. } | Self::Unavailable { .. } => Code::Unavailable,
            Self::DrainDeadline => Code::DeadlineExceeded,
            Self::TaskEnded(_) | Self::Server(_) | Self::Internal(_) => Code::Internal,
        }
    }

    /// The exit code of a process that ends with it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::PeerMissing(_) => exit::USAGE,
            Self::Identity { .. } => exit::IDENTITY,
            Self::Listen { .. } | Self::Unavailable { .. } => exit::UNAVAILABLE,
            Self::DrainDeadline | Self::TaskEnded(_) | Self::Server(_) | Self::Internal(_) => exit::INTERNAL,
        }
    }

    /// The same for any error: the first of its chain that is one of ours decides, else it is a fault of ours.
    pub(crate) fn exit_code_of(error: &(dyn std::error::Error + 'static)) -> u8 {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(ours) = error.downcast_ref::<Self>() {
                return ours.exit_code();
            }
            if error.is::<ConfigError>() {
                return exit::USAGE;
            }
            next = error.source();
        }
        exit::INTERNAL
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the service cannot run")]
    struct Outer(#[source] Error);

    #[test]
    fn the_exit_code_is_that_of_our_error_in_the_chain() {
        let error = Outer(Error::Config(ConfigError::new("listen", "is missing")));
        assert_eq!(Error::exit_code_of(&error), exit::USAGE);
        assert_eq!(Error::exit_code_of(&std::fmt::Error), exit::INTERNAL);
        assert_eq!(chain(&error), "the service cannot run: configuration key `listen` is missing");
    }
}
