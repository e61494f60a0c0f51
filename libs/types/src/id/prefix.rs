//! The directory above the applications' own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{InvalidId, refuse};

/// A directory above the applications' own: empty, or segments of `[A-Za-z0-9._-]` joined by `/`,
/// none of them `.` or `..`, without a leading or trailing slash, at most 512 characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix(String);

impl Prefix {
    /// The text, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text that stands before an application's id in a key: empty, or ending with a slash.
    pub fn directory(&self) -> String {
        if self.0.is_empty() { String::new() } else { format!("{}/", self.0) }
    }
}

impl FromStr for Prefix {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let segment =
            |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(allowed);
        if text.is_empty() || (text.len() <= 512 && text.split('/').all(segment)) {
            return Ok(Self(text.to_owned()));
        }
        Err(refuse(
            "prefix",
            text,
            "its segments must be [A-Za-z0-9._-]+, not . or .., joined by single slashes",
        ))
    }
}

impl TryFrom<String> for Prefix {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> String {
        prefix.0
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
