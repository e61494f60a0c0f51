//! The objects that applications find: made by the rotator, written unchanged by the distributor, read by berry.

mod body;

use mint_types::CredentialKind;
use serde::Deserialize;

use crate::{Error, Received, SecretValue};

pub use body::{ObjectBody, Stamp};

/// An object taken apart.
#[derive(Debug)]
pub enum Object {
    /// `user.json`.
    User {
        /// The service user's name.
        username: String,
        /// Its password.
        password: SecretValue,
        /// The version id, where Mint wrote one.
        version: Option<String>,
    },
    /// `client.json`.
    Client {
        /// The client's id.
        client_id: String,
        /// Its secret; none for a public client.
        client_secret: Option<SecretValue>,
        /// The version id, where Mint wrote one.
        version: Option<String>,
    },
    /// `credentials.json`.
    Combined {
        /// The service user's name.
        username: String,
        /// Its password.
        password: SecretValue,
        /// The client's id.
        client_id: String,
        /// Its secret.
        client_secret: Option<SecretValue>,
        /// The version id, where Mint wrote one.
        version: Option<String>,
    },
    /// The application was retired: treat the object as absent.
    Tombstone,
}

impl Object {
    /// The version id, where Mint wrote one.
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::User { version, .. } | Self::Client { version, .. } | Self::Combined { version, .. } => {
                version.as_deref()
            }
            Self::Tombstone => None,
        }
    }
}

/// Checks that bytes are the object of a kind, and takes them apart. Unknown fields are tolerated, as the token
/// libraries in the field do; `client_secret` must be present although it may be `null`.
pub fn parse(kind: CredentialKind, bytes: &[u8]) -> Result<Object, Error> {
    let object = kind.object_name();
    let refuse = |problem| Error::Shape { object, problem };
    // serde reads structs from arrays too; the token libraries do not
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(refuse("it is no JSON object"));
    }
    let fields: Fields = serde_json::from_slice(bytes)
        .map_err(|_| refuse("it is no JSON object with texts where texts belong"))?;
    if fields.mint_tombstone == Some(true) {
        return Ok(Object::Tombstone);
    }
    let version = fields.version.clone();
    match kind {
        CredentialKind::Password => {
            let (username, password) = fields.user().map_err(refuse)?;
            Ok(Object::User { username, password, version })
        }
        CredentialKind::Client | CredentialKind::PublicClient => {
            let (client_id, client_secret) = fields.client().map_err(refuse)?;
            Ok(Object::Client { client_id, client_secret, version })
        }
        CredentialKind::Combined => {
            let (user, client) = fields.split();
            let (username, password) = user.user().map_err(refuse)?;
            let (client_id, client_secret) = client.client().map_err(refuse)?;
            Ok(Object::Combined { username, password, client_id, client_secret, version })
        }
    }
}

/// Every field of every object, as it was read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    application_username: Option<String>,
    application_password: Option<Received>,
    client_id: Option<String>,
    client_secret: ClientSecret,
    version: Option<String>,
    mint_tombstone: Option<bool>,
}

impl Fields {
    fn user(self) -> Result<(String, SecretValue), &'static str> {
        let username = self.application_username.filter(|name| !name.is_empty());
        let password =
            self.application_password.map(Received::into_secret).filter(|password| !password.is_empty());
        let username = username.ok_or("application_username is missing or empty")?;
        Ok((username, password.ok_or("application_password is missing or empty")?))
    }

    fn client(self) -> Result<(String, Option<SecretValue>), &'static str> {
        let client_id = self.client_id.filter(|id| !id.is_empty()).ok_or("client_id is missing or empty")?;
        match self.client_secret {
            ClientSecret::Absent => Err("client_secret is missing"),
            ClientSecret::Null => Ok((client_id, None)),
            ClientSecret::Text(secret) if secret.is_empty() => {
                Err("client_secret is empty: a public client's is null")
            }
            ClientSecret::Text(secret) => Ok((client_id, Some(secret))),
        }
    }

    fn split(self) -> (Self, Self) {
        let client = Self { client_id: self.client_id, client_secret: self.client_secret, ..Self::default() };
        let user = Self {
            application_username: self.application_username,
            application_password: self.application_password,
            ..Self::default()
        };
        (user, client)
    }
}

/// Tells `null`, which is a public client's, from absent, which is nobody's.
#[derive(Default)]
enum ClientSecret {
    #[default]
    Absent,
    Null,
    Text(SecretValue),
}

impl<'de> Deserialize<'de> for ClientSecret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<Received>::deserialize(deserializer)?;
        Ok(text.map_or(Self::Null, |secret| Self::Text(secret.into_secret())))
    }
}

#[cfg(test)]
mod tests;
