//! The objects that applications find: made by the rotator, written unchanged by the distributor, read by berry.

use std::fmt;

use mint_types::{CredentialKind, Timestamp, VersionId};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{Error, Received, SecretValue};

/// What Mint adds to an object (COMPAT section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The version's random id; acknowledgements name it.
    pub version_id: VersionId,
    /// When the version was made.
    pub issued_at: Timestamp,
}

/// The bytes of `user.json`, `client.json` or `credentials.json`: a UTF-8 JSON object, wiped when dropped.
pub struct ObjectBody(Zeroizing<Vec<u8>>);

impl ObjectBody {
    /// `user.json`.
    pub fn user(username: &str, password: &SecretValue, stamp: Stamp) -> Result<Self, Error> {
        build(
            &[("application_username", Some(username)), ("application_password", Some(password.expose()))],
            stamp,
        )
    }

    /// `client.json`; a public client has no secret.
    pub fn client(client_id: &str, client_secret: Option<&SecretValue>, stamp: Stamp) -> Result<Self, Error> {
        build(
            &[("client_id", Some(client_id)), ("client_secret", client_secret.map(SecretValue::expose))],
            stamp,
        )
    }

    /// `credentials.json`: all four keys.
    pub fn combined(
        username: &str,
        password: &SecretValue,
        client_id: &str,
        client_secret: &SecretValue,
        stamp: Stamp,
    ) -> Result<Self, Error> {
        let fields = [
            ("application_username", Some(username)),
            ("application_password", Some(password.expose())),
            ("client_id", Some(client_id)),
            ("client_secret", Some(client_secret.expose())),
        ];
        build(&fields, stamp)
    }

    /// The bytes, for the call that seals or writes them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Prints nothing of it.
impl fmt::Debug for ObjectBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ObjectBody(…)")
    }
}

/// An escaped character takes up to six bytes (`\u0000`).
const LONGEST_ESCAPE: usize = 6;
/// Room for quotes, names and punctuation of a field.
const FIELD_ROOM: usize = 64;

/// Writes into a buffer that is large enough from the start, so that growing leaves no unwiped copy behind.
fn build(fields: &[(&'static str, Option<&str>)], stamp: Stamp) -> Result<ObjectBody, Error> {
    let version = stamp.version_id.to_string();
    let issued_at = stamp.issued_at.to_string();
    let stamps = [("version", Some(version.as_str())), ("issued_at", Some(issued_at.as_str()))];
    let all = fields.iter().chain(&stamps);
    let room = all.clone().map(|(_, value)| FIELD_ROOM + LONGEST_ESCAPE * value.map_or(0, str::len)).sum();
    let mut body = Zeroizing::new(Vec::with_capacity(room));
    for (index, (name, value)) in all.enumerate() {
        body.extend_from_slice(if index == 0 { b"{" } else { b", " });
        append_json(&mut body, Some(*name))?;
        body.extend_from_slice(b": ");
        append_json(&mut body, *value)?;
    }
    body.push(b'}');
    debug_assert!(body.len() <= room, "the buffer never grows");
    Ok(ObjectBody(body))
}

fn append_json(body: &mut Vec<u8>, value: Option<&str>) -> Result<(), Error> {
    serde_json::to_writer(body, &value)
        .map_err(|_| Error::Shape { object: "object", problem: "it cannot be written as JSON" })
}

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
mod tests {
    use super::*;
    use crate::testing::Noise;

    fn stamp() -> Stamp {
        Stamp {
            version_id: VersionId::random(&Noise::new(1)),
            issued_at: Timestamp::from_unix_micros(1_000_000),
        }
    }

    fn secret(text: &str) -> SecretValue {
        SecretValue::new(text.to_owned())
    }

    fn json(body: &ObjectBody) -> serde_json::Value {
        serde_json::from_slice(body.expose()).unwrap()
    }

    #[test]
    fn objects_have_the_fields_that_applications_rely_on() {
        let stamp = stamp();
        let version = stamp.version_id.to_string();
        let issued_at = "1970-01-01T00:00:01Z";
        assert_eq!(
            json(&ObjectBody::user("stups_shop", &secret("p"), stamp).unwrap()),
            serde_json::json!({"application_username": "stups_shop", "application_password": "p",
                "version": version, "issued_at": issued_at})
        );
        assert_eq!(
            json(&ObjectBody::client("id", None, stamp).unwrap()),
            serde_json::json!({"client_id": "id", "client_secret": null, "version": version, "issued_at": issued_at})
        );
        assert_eq!(
            json(&ObjectBody::combined("stups_shop", &secret("p"), "id", &secret("s"), stamp).unwrap()),
            serde_json::json!({"application_username": "stups_shop", "application_password": "p", "client_id": "id",
                "client_secret": "s", "version": version, "issued_at": issued_at})
        );
    }

    #[test]
    fn what_is_built_is_parsed_back() {
        let nasty = "a\"b\\c\n\u{1}ü€😀";
        let body =
            ObjectBody::combined("u", &secret(nasty), "id", &secret(&nasty.repeat(40)), stamp()).unwrap();
        let Object::Combined { username, password, client_id, client_secret, version } =
            parse(CredentialKind::Combined, body.expose()).unwrap()
        else {
            panic!("another shape");
        };
        assert_eq!((username.as_str(), password.expose(), client_id.as_str()), ("u", nasty, "id"));
        assert_eq!(client_secret.unwrap().expose(), nasty.repeat(40));
        assert_eq!(version, Some(stamp().version_id.to_string()));
    }

    #[test]
    fn only_objects_of_the_right_shape_are_accepted() {
        let refused = [
            (CredentialKind::Password, "[]"),
            (CredentialKind::Password, "[\"u\", \"p\"]"),
            (CredentialKind::Password, ""),
            (CredentialKind::Password, "null"),
            (CredentialKind::Password, "<html>"),
            (CredentialKind::Password, "{}"),
            (CredentialKind::Password, r#"{"application_username": "u"}"#),
            (CredentialKind::Password, r#"{"application_username": "u", "application_password": ""}"#),
            (CredentialKind::Password, r#"{"application_username": "u", "application_password": null}"#),
            (CredentialKind::Password, r#"{"application_username": 1, "application_password": "p"}"#),
            (CredentialKind::Password, r#"{"application_username": "u", "application_password": "p"} x"#),
            (CredentialKind::Password, r#"{"client_id": "i", "client_secret": "s"}"#),
            (CredentialKind::Client, r#"{"client_id": "i"}"#),
            (CredentialKind::Client, r#"{"client_id": "", "client_secret": null}"#),
            (CredentialKind::Client, r#"{"client_id": "i", "client_secret": ""}"#),
            (CredentialKind::Client, r#"{"client_id": "i", "client_secret": "s", "client_secret": "t"}"#),
            (CredentialKind::Combined, r#"{"client_id": "i", "client_secret": "s"}"#),
        ];
        for (kind, text) in refused {
            assert!(parse(kind, text.as_bytes()).is_err(), "{kind} {text}");
        }
        let accepted = [
            (
                CredentialKind::Password,
                r#" {"application_username": "u", "application_password": "p", "more": [1]}"#,
            ),
            (CredentialKind::PublicClient, r#"{"client_id": "i", "client_secret": null}"#),
            (CredentialKind::Client, r#"{"client_id": "i", "client_secret": "s"}"#),
        ];
        for (kind, text) in accepted {
            assert!(parse(kind, text.as_bytes()).is_ok(), "{kind} {text}");
        }
    }

    #[test]
    fn a_tombstone_is_told_from_an_object() {
        let text = br#"{"mint_tombstone": true, "since": "2026-01-01T00:00:00Z"}"#;
        for kind in CredentialKind::ALL {
            assert!(matches!(parse(kind, text), Ok(Object::Tombstone)));
        }
    }

    #[test]
    fn a_refusal_shows_nothing_of_the_object() {
        let text = br#"{"application_username": "u", "application_password": ["mint-canary-pw-x"]}"#;
        let refused = parse(CredentialKind::Password, text).unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains("canary"));
        let body = ObjectBody::user("u", &secret("mint-canary-pw-x"), stamp()).unwrap();
        assert!(!format!("{body:?}").contains("canary"));
        let object = parse(CredentialKind::Password, body.expose()).unwrap();
        assert!(!format!("{object:?}").contains("canary"));
    }
}
