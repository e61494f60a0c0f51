//! Why this world cannot exist.

use std::net::SocketAddr;

use mint_types::Code;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Registry(#[from] crate::world::Invalid),
    #[error("{address} is not on this machine: the sandbox speaks plain http and is for one machine only")]
    NotLoopback { address: SocketAddr },
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("the state cannot be opened")]
    State(#[from] mint_store::Error),
    #[error("{what} cannot be written or read")]
    Files { what: &'static str, source: std::io::Error },
}

impl Error {
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
