//! What the issuer made.

use mint_secret::{ObjectBody, SecretValue, Stamp};

use crate::ports::{ClientLogin, NewClient, NewPassword};

/// What the issuer made, in memory only.
pub(super) enum Fresh {
    Password(NewPassword),
    Client(NewClient),
    Combined(NewPassword, NewClient),
    Public(String),
}

impl Fresh {
    pub(super) fn object(&self, username: &str, stamp: Stamp) -> Result<ObjectBody, mint_secret::Error> {
        match self {
            Self::Password(made) => ObjectBody::user(username, &made.password, stamp),
            Self::Client(made) => ObjectBody::client(&made.client_id, Some(&made.client_secret), stamp),
            Self::Combined(password, client) => {
                let secret = &client.client_secret;
                ObjectBody::combined(username, &password.password, &client.client_id, secret, stamp)
            }
            Self::Public(client_id) => ObjectBody::client(client_id, None, stamp),
        }
    }

    pub(super) fn fingerprinted<'a>(&'a self, username: &'a str) -> (Vec<&'a str>, Vec<&'a SecretValue>) {
        match self {
            Self::Password(made) => (vec![username], vec![&made.password]),
            Self::Client(made) => (vec![&made.client_id], vec![&made.client_secret]),
            Self::Combined(password, client) => {
                (vec![username, &client.client_id], vec![&password.password, &client.client_secret])
            }
            Self::Public(client_id) => (vec![client_id], Vec::new()),
        }
    }

    /// The handles of the commits: of the password, of the client.
    pub(super) fn handles(&self) -> (Option<String>, Option<String>) {
        match self {
            Self::Password(made) => (Some(made.txid.clone()), None),
            Self::Client(made) => (None, Some(made.txid.clone())),
            Self::Combined(password, client) => (Some(password.txid.clone()), Some(client.txid.clone())),
            Self::Public(_) => (None, None),
        }
    }
}

pub(super) fn client_login(made: &NewClient) -> ClientLogin<'_> {
    ClientLogin { id: &made.client_id, secret: &made.client_secret }
}
