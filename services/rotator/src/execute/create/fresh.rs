//! What was made.

use mint_issuer_contract::Handle;
use mint_secret::{ObjectBody, SecretValue, Stamp};

use crate::ports::ClientLogin;

/// One half of what was made, in memory only.
pub(super) struct Half {
    /// The driver's name of it; none where the issuer does not have it yet.
    pub(super) handle: Option<Handle>,
    /// The client's id.
    pub(super) client_id: String,
    /// The password, or the client's secret.
    pub(super) secret: SecretValue,
}

/// What was made, in memory only.
pub(super) enum Fresh {
    Password(Half),
    Client(Half),
    Combined(Half, Half),
    Public(String),
}

impl Fresh {
    pub(super) fn object(&self, username: &str, stamp: Stamp) -> Result<ObjectBody, mint_secret::Error> {
        match self {
            Self::Password(made) => ObjectBody::user(username, &made.secret, stamp),
            Self::Client(made) => ObjectBody::client(&made.client_id, Some(&made.secret), stamp),
            Self::Combined(password, client) => {
                ObjectBody::combined(username, &password.secret, &client.client_id, &client.secret, stamp)
            }
            Self::Public(client_id) => ObjectBody::client(client_id, None, stamp),
        }
    }

    pub(super) fn fingerprinted<'a>(&'a self, username: &'a str) -> (Vec<&'a str>, Vec<&'a SecretValue>) {
        match self {
            Self::Password(made) => (vec![username], vec![&made.secret]),
            Self::Client(made) => (vec![&made.client_id], vec![&made.secret]),
            Self::Combined(password, client) => {
                (vec![username, &client.client_id], vec![&password.secret, &client.secret])
            }
            Self::Public(client_id) => (vec![client_id], Vec::new()),
        }
    }

    /// The handles of the password and of the client.
    pub(super) fn handles(&self) -> (Option<Handle>, Option<Handle>) {
        match self {
            Self::Password(made) => (made.handle.clone(), None),
            Self::Client(made) => (None, made.handle.clone()),
            Self::Combined(password, client) => (password.handle.clone(), client.handle.clone()),
            Self::Public(_) => (None, None),
        }
    }

    /// The password, where the issuer has it already.
    pub(super) fn password_to_test(&self) -> Option<&Half> {
        match self {
            Self::Password(made) | Self::Combined(made, _) => Some(made).filter(|made| made.handle.is_some()),
            Self::Client(_) | Self::Public(_) => None,
        }
    }

    /// The client, where the issuer has it already.
    pub(super) fn client_to_test(&self) -> Option<&Half> {
        match self {
            Self::Client(made) | Self::Combined(_, made) => Some(made).filter(|made| made.handle.is_some()),
            Self::Password(_) | Self::Public(_) => None,
        }
    }
}

pub(super) fn client_login(made: &Half) -> ClientLogin<'_> {
    ClientLogin { id: &made.client_id, secret: &made.secret }
}
