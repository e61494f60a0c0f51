//! What a token allows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{InvalidId, refuse};

/// An OAuth 2.0 scope by its full name `<resource_type_id>.<scope_id>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope {
    resource_type: String,
    scope: String,
}

impl Scope {
    /// The part before the last dot.
    pub fn resource_type(&self) -> &str {
        &self.resource_type
    }

    /// The part after the last dot.
    pub fn scope(&self) -> &str {
        &self.scope
    }
}

impl FromStr for Scope {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let parts = text.rsplit_once('.').filter(|(resource_type, scope)| {
            !resource_type.is_empty() && !scope.is_empty() && text.len() <= 255 && text.bytes().all(allowed)
        });
        let Some((resource_type, scope)) = parts else {
            return Err(refuse("scope", text, "it must be <resource_type_id>.<scope_id> of [A-Za-z0-9._-]"));
        };
        Ok(Self { resource_type: resource_type.to_owned(), scope: scope.to_owned() })
    }
}

impl TryFrom<String> for Scope {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> String {
        scope.to_string()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.resource_type, self.scope)
    }
}
