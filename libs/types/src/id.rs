//! Names and ids, each a type of its own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Entropy;

/// A name or id that does not have the form of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} is not valid: {rule}")]
pub struct InvalidId {
    /// Which type refused it.
    pub what: &'static str,
    /// The refused value, shortened.
    pub value: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

fn refuse(what: &'static str, value: &str, rule: &'static str) -> InvalidId {
    InvalidId { what, value: value.chars().take(80).collect(), rule }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text of the name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.to_owned())) } else { Err(refuse($what, text, $rule)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

text_id!(
    /// An application's id in the registry (Kio): `^[a-z][a-z0-9-]*[a-z0-9]$`, at most 63 characters.
    ApplicationId, "application id", "it must match ^[a-z][a-z0-9-]*[a-z0-9]$ and have at most 63 characters",
    |text| {
        let bytes = text.as_bytes();
        (2..=63).contains(&bytes.len())
            && bytes[0].is_ascii_lowercase()
            && bytes.iter().all(|byte| lower_or_digit(*byte) || *byte == b'-')
            && bytes.last().is_some_and(|byte| lower_or_digit(*byte))
    }
);

text_id!(
    /// A team's id: `^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$`, at most 63 characters.
    TeamId, "team id", "it must match ^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$ and have at most 63 characters",
    |text| {
        let bytes = text.as_bytes();
        (1..=63).contains(&bytes.len())
            && lower_or_digit(bytes[0])
            && bytes.iter().all(|byte| lower_or_digit(*byte) || matches!(byte, b'.' | b'_' | b'-'))
            && bytes.last().is_some_and(|byte| lower_or_digit(*byte))
    }
);

text_id!(
    /// An S3 bucket's name: `^[a-z0-9][a-z0-9-.]{1,61}[a-z0-9]$`, without two dots in a row
    /// (AWS, "Bucket naming rules").
    BucketName, "bucket name", "it must match ^[a-z0-9][a-z0-9-.]{1,61}[a-z0-9]$ without two dots in a row",
    |text| {
        let bytes = text.as_bytes();
        (3..=63).contains(&bytes.len())
            && lower_or_digit(bytes[0])
            && bytes.iter().all(|byte| lower_or_digit(*byte) || matches!(byte, b'.' | b'-'))
            && bytes.last().is_some_and(|byte| lower_or_digit(*byte))
            && !text.contains("..")
    }
);

text_id!(
    /// An AWS account id: 12 digits.
    AccountId, "account id", "it must be 12 digits",
    |text| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
);

text_id!(
    /// A SPIFFE trust domain: `^[a-z0-9._-]+$`, at most 255 characters (SPIFFE-ID section 2.1).
    TrustDomain, "trust domain", "it must match ^[a-z0-9._-]{1,255}$",
    |text| {
        (1..=255).contains(&text.len())
            && text.bytes().all(|byte| lower_or_digit(byte) || matches!(byte, b'.' | b'_' | b'-'))
    }
);

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

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh random id (UUID version 4, RFC 9562) out of the given entropy.
            pub fn random(entropy: &dyn Entropy) -> Self {
                let mut bytes = [0; 16];
                entropy.fill(&mut bytes);
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }

            /// The id that these 16 bytes are, as they stand in envelopes and receipts.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The id as a UUID.
            pub fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text).map(Self).map_err(|_| refuse($what, text, "it must be a UUID"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

uuid_id!(
    /// One rotation of one credential; the idempotency key of every call that belongs to it.
    RotationId, "rotation id"
);
uuid_id!(
    /// The random id of a version: the delivered object carries it and acknowledgements name it.
    VersionId, "version id"
);
uuid_id!(
    /// One request, as the audit log and traces name it.
    RequestId, "request id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_id_follows_the_registrys_pattern() {
        for good in ["kio", "a1", "my-app-2", &"a".repeat(63)] {
            assert!(good.parse::<ApplicationId>().is_ok(), "{good}");
        }
        for bad in ["", "a", "1app", "app-", "-app", "App", "a/b", "..", "a.b", "a b", "ä1", &"a".repeat(64)]
        {
            assert!(bad.parse::<ApplicationId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_prefix_cannot_leave_its_directory() {
        for good in ["", "mint", "a/b.c/d_e", "..."] {
            assert!(good.parse::<Prefix>().is_ok(), "{good}");
        }
        for bad in ["/", "/a", "a/", "a//b", "..", "a/../b", ".", "a b", "a\u{0}", "*"] {
            assert!(bad.parse::<Prefix>().is_err(), "{bad}");
        }
        assert_eq!("a/b".parse::<Prefix>().unwrap().directory(), "a/b/");
        assert_eq!(Prefix::default().directory(), "");
    }

    #[test]
    fn a_scope_is_split_at_its_last_dot() {
        let scope: Scope = "sales_order.read".parse().unwrap();
        assert_eq!((scope.resource_type(), scope.scope()), ("sales_order", "read"));
        for bad in ["", "x", ".x", "x.", "a b.c"] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bucket_name_follows_the_field() {
        for bad in ["ab", "Aaa", "a..b", "gs://bucket", "-aa", "a/b", "aa-"] {
            assert!(bad.parse::<BucketName>().is_err(), "{bad}");
        }
        assert!("team-a.credentials".parse::<BucketName>().is_ok());
    }
}
