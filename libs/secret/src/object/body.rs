//! Making an object.

use std::fmt;

use mint_types::{Timestamp, VersionId};
use zeroize::Zeroizing;

use crate::{Error, SecretValue};

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
