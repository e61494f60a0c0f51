//! Kinds of credentials, their objects, their versions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Timestamp, id::InvalidId};

/// What a credential is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// The service user's password.
    Password,
    /// Id and secret of a confidential OAuth 2.0 client.
    Client,
    /// Password and client as one version.
    Combined,
    /// The id of a public OAuth 2.0 client.
    PublicClient,
}

/// An object of the issuer on which versions live; at most one rotation is open per issuer object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IssuerObject {
    /// The service user with its passwords.
    User,
    /// The OAuth 2.0 client.
    Client,
}

impl CredentialKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Password, Self::Client, Self::Combined, Self::PublicClient];

    /// The name in texts: `password`, `client`, `combined`, `public-client`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Client => "client",
            Self::Combined => "combined",
            Self::PublicClient => "public-client",
        }
    }

    /// The name of the object that an application finds (COMPAT section 1).
    pub fn object_name(self) -> &'static str {
        match self {
            Self::Password => "user.json",
            Self::Client | Self::PublicClient => "client.json",
            Self::Combined => "credentials.json",
        }
    }

    /// The issuer objects that a rotation of this kind occupies.
    pub fn issuer_objects(self) -> &'static [IssuerObject] {
        match self {
            Self::Password => &[IssuerObject::User],
            Self::Client | Self::PublicClient => &[IssuerObject::Client],
            Self::Combined => &[IssuerObject::User, IssuerObject::Client],
        }
    }

    /// The kinds that an application of this layout has.
    pub fn of(layout: Layout, confidential: bool) -> &'static [Self] {
        match (layout, confidential) {
            (Layout::Split, true) => &[Self::Password, Self::Client],
            (Layout::Split, false) => &[Self::Password, Self::PublicClient],
            (Layout::Combined, _) => &[Self::Combined],
        }
    }
}

impl fmt::Display for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CredentialKind {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| InvalidId {
            what: "credential kind",
            value: text.chars().take(80).collect(),
            rule: "it must be password, client, combined or public-client",
        })
    }
}

/// Which objects an application finds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// `user.json` and `client.json`.
    #[default]
    Split,
    /// `credentials.json`.
    Combined,
}

impl Layout {
    /// The name in texts: `split` or `combined`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Split => "split",
            Self::Combined => "combined",
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Layout {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text {
            "split" => Ok(Self::Split),
            "combined" => Ok(Self::Combined),
            _ => Err(InvalidId {
                what: "layout",
                value: text.chars().take(80).collect(),
                rule: "it must be split or combined",
            }),
        }
    }
}

/// The number of a credential's version, ascending per application and kind; 0 is a version that existed before Mint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Version {
    /// The foreign version that was in use before Mint came.
    pub const FOREIGN: Self = Self(0);

    /// The version after `last`: `max(last + 1, unix milliseconds)`, so that a lost ledger cannot reuse a number.
    pub fn after(last: Option<Self>, now: Timestamp) -> Self {
        let by_clock = u64::try_from(now.unix_millis()).unwrap_or(0).max(1);
        Self(last.map_or(by_clock, |last| by_clock.max(last.0.saturating_add(1))))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_never_run_backwards() {
        let now = Timestamp::from_unix_micros(5_000_000);
        assert_eq!(Version::after(None, now), Version(5000));
        assert_eq!(Version::after(Some(Version(4)), now), Version(5000));
        assert_eq!(Version::after(Some(Version(9000)), now), Version(9001));
    }

    #[test]
    fn every_kind_survives_its_text() {
        for kind in CredentialKind::ALL {
            assert_eq!(kind.as_str().parse::<CredentialKind>().unwrap(), kind);
        }
        assert!("passwords".parse::<CredentialKind>().is_err());
    }
}
