//! Names and ids, each a type of its own.

mod prefix;
mod random;
mod scope;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use prefix::Prefix;
pub use random::{RequestId, RotationId, VersionId};
pub use scope::Scope;

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

#[cfg(test)]
mod tests;
