//! What can go wrong in a process besides its own work, and the exit codes.

use std::fmt;
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
///
/// Its `source` is not the cause (the text has that already) but a mark with the exit code: a service's own error is
/// often `#[error(transparent)]` over this one, and then the mark is all that is left of it in the chain.
#[derive(Debug)]
pub enum Error {
    /// The configuration is wrong.
    Config(ConfigError),
    /// A key or certificate cannot be used.
    Identity {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The socket cannot be opened.
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// A peer is called that the configuration does not have.
    PeerMissing(ServiceName),
    /// Something the process cannot do without is not there.
    Unavailable {
        /// What is missing.
        what: String,
        /// What it says.
        source: BoxError,
    },
    /// Requests or tasks did not end within the drain deadline.
    DrainDeadline,
    /// A background task without which the process is no use has ended.
    TaskEnded(&'static str),
    /// What is compiled in does not fit together.
    Internal(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Identity { file, problem } => write!(f, "{} cannot be used: {problem}", file.display()),
            Self::Listen { address, source } => write!(f, "cannot listen on {address}: {source}"),
            Self::PeerMissing(peer) => write!(f, "the peer {peer} is not configured (peers.{peer})"),
            Self::Unavailable { what, source } => {
                write!(f, "{what} is not available: {}", chain(source.as_ref()))
            }
            Self::DrainDeadline => f.write_str("the drain deadline passed before everything ended"),
            Self::TaskEnded(name) => write!(f, "the background task {name} ended unexpectedly"),
            Self::Internal(problem) => f.write_str(problem),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(Mark::of(self.exit_code()))
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

/// The exit code, as the last error of a chain.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mark(u8);

impl Mark {
    pub(crate) fn of(code: u8) -> &'static Self {
        match code {
            exit::USAGE => &Self(exit::USAGE),
            exit::UNAVAILABLE => &Self(exit::UNAVAILABLE),
            exit::IDENTITY => &Self(exit::IDENTITY),
            _ => &Self(exit::INTERNAL),
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}", self.0)
    }
}

impl std::error::Error for Mark {}

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
            Self::TaskEnded(_) | Self::Internal(_) => Code::Internal,
        }
    }

    /// The exit code of a process that ends with it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::PeerMissing(_) => exit::USAGE,
            Self::Identity { .. } => exit::IDENTITY,
            Self::Listen { .. } | Self::Unavailable { .. } => exit::UNAVAILABLE,
            Self::DrainDeadline | Self::TaskEnded(_) | Self::Internal(_) => exit::INTERNAL,
        }
    }

    /// The same for any error: the mark in its chain decides, else it is a fault of ours.
    pub(crate) fn exit_code_of(error: &(dyn std::error::Error + 'static)) -> u8 {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(mark) = error.downcast_ref::<Mark>() {
                return mark.0;
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
    while let Some(cause) = next.filter(|cause| !cause.is::<Mark>()) {
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

    #[derive(Debug, thiserror::Error)]
    #[error(transparent)]
    struct Transparent(#[from] Error);

    #[test]
    fn the_exit_code_is_that_of_our_error_in_the_chain() {
        let error = Outer(Error::Config(ConfigError::new("listen", "is missing")));
        assert_eq!(Error::exit_code_of(&error), exit::USAGE);
        let transparent = Transparent(Error::unavailable("the state", std::fmt::Error));
        assert_eq!(Error::exit_code_of(&transparent), exit::UNAVAILABLE);
        assert_eq!(Error::exit_code_of(&ConfigError::new("listen", "is missing")), exit::USAGE);
        assert_eq!(Error::exit_code_of(&std::fmt::Error), exit::INTERNAL);
        assert_eq!(chain(&error), "the service cannot run: configuration key `listen` is missing");
    }
}
