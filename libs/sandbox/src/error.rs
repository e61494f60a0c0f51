//! Why this world cannot exist.

use std::net::SocketAddr;

use mint_types::Code;

/// Why this world cannot exist. Nothing listens when one of these is answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry file cannot be a world.
    #[error(transparent)]
    Registry(#[from] crate::world::Invalid),
    /// A listener was asked for that other machines could reach.
    #[error("{address} is not on this machine: the sandbox speaks plain http and is for one machine only")]
    NotLoopback {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The port is taken, or this process may not have it.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// `DIR/sandbox/state.db` is of another program or does not answer.
    #[error("the state cannot be opened")]
    State(#[from] mint_store::Error),
    /// A file or directory below `DIR` cannot be used.
    #[error("{what} cannot be written or read")]
    Files {
        /// What the file is for.
        what: &'static str,
        /// What the operating system says.
        source: std::io::Error,
    },
}

impl Error {
    /// The closed set's code for it.
    pub fn code(&self) -> Code {
        match self {
            Self::Registry(_) | Self::NotLoopback { .. } => Code::InvalidArgument,
            Self::Listen { .. } => Code::Unavailable,
            Self::State(error) => error.code(),
            Self::Files { .. } => Code::Internal,
        }
    }

    /// The exit code of sysexits.h: 64 usage, 69 unavailable, 70 internal.
    pub fn exit_code(&self) -> u8 {
        match self.code() {
            Code::InvalidArgument => 64,
            Code::Unavailable => 69,
            _ => 70,
        }
    }
}
