//! Who may read as what: a table in the configuration. What is not in it is refused.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use mint_runtime::ConfigError;
use mint_types::{Period, SpiffeId, Timestamp, TrustDomain};
use serde::Deserialize;

use crate::names::{RoleArn, SessionName, TagKey, TagValue};
use crate::refusal::Refusal;
use crate::signing::Algorithm;

/// STS takes 15 minutes to 12 hours (API reference, `DurationSeconds`).
const SHORTEST_SESSION: Period = Period::from_seconds(900);
const LONGEST_SESSION: Period = Period::from_seconds(12 * 3600);

/// Who was recognized. What an issuer calls somebody and a peer's SPIFFE id never stand for each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The `sub` of a session at the IAM solution.
    Bearer(String),
    /// The peer of a mutual-TLS connection.
    Peer(SpiffeId),
}

impl Subject {
    /// What the IAM solution calls somebody; none if it could be taken for a peer, or is no name.
    pub fn bearer(text: &str) -> Option<Self> {
        // OpenID Connect Core, section 2: at most 255 characters of ASCII
        let is_name = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        (is_name && !text.starts_with("spiffe:")).then(|| Self::Bearer(text.to_owned()))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer(name) => f.write_str(name),
            Self::Peer(id) => id.fmt(f),
        }
    }
}

/// `[roles.<name>]`: a role that trusts this broker.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The role.
    pub arn: RoleArn,
    /// What its side verifies: some take only `RS256`.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// The key of the session tag that its policies look at.
    pub tag_key: TagKey,
    /// How long its credentials last.
    #[serde(default = "an_hour")]
    pub session: Period,
}

fn an_hour() -> Period {
    Period::from_seconds(3600)
}

/// `[[grants]]`: one subject, one role, one value.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRow {
    /// The `sub` of its sessions; or [`Self::spiffe`].
    #[serde(default)]
    pub subject: Option<String>,
    /// Its SPIFFE id; or [`Self::subject`].
    #[serde(default)]
    pub spiffe: Option<String>,
    /// The name of a role above.
    pub role: String,
    /// The value of the session tag: the application, the wallet.
    pub value: TagValue,
    /// How its sessions are called at AWS; as the value, if that is a session name.
    #[serde(default)]
    pub session_name: Option<SessionName>,
    /// From this time on it is no grant any more.
    #[serde(default)]
    pub expires: Option<Timestamp>,
}

/// What a subject may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Whose it is.
    pub subject: Subject,
    /// As what.
    pub role: Role,
    /// For what.
    pub value: TagValue,
    /// Under which name.
    pub session_name: SessionName,
    expires: Option<Timestamp>,
}

/// The table.
#[derive(Debug, Clone, Default)]
pub struct GrantTable {
    rows: BTreeMap<Subject, Arc<Grant>>,
}

impl GrantTable {
    /// Reads the table; what contradicts itself, or could be read in two ways, is refused.
    pub fn read(
        roles: &BTreeMap<String, Role>,
        rows: &[GrantRow],
        trust_domain: &TrustDomain,
    ) -> Result<Self, ConfigError> {
        for (name, role) in roles {
            if !(SHORTEST_SESSION..=LONGEST_SESSION).contains(&role.session) {
                return Err(ConfigError::new(format!("roles.{name}.session"), "must be between 15m and 12h"));
            }
        }
        let mut table = Self::default();
        for (number, row) in rows.iter().enumerate() {
            let refuse = |problem: &str| ConfigError::new(format!("grants[{number}]"), problem);
            let subject = subject_of(row, trust_domain).map_err(refuse)?;
            let role = roles.get(&row.role).ok_or_else(|| refuse("names a role that is not configured"))?;
            let session_name = match &row.session_name {
                Some(name) => name.clone(),
                None => row
                    .value
                    .as_str()
                    .parse()
                    .map_err(|_| refuse("needs a session_name: its value has not 2 to 64 characters"))?,
            };
            let grant = Grant {
                subject: subject.clone(),
                role: role.clone(),
                value: row.value.clone(),
                session_name,
                expires: row.expires,
            };
            table.check_spelling(&grant).map_err(refuse)?;
            if table.rows.insert(subject, Arc::new(grant)).is_some() {
                return Err(refuse("is the second one of its subject: a subject has one"));
            }
        }
        Ok(table)
    }

    /// Keys and values that differ in case only are one thing to some who compare them (AWS: tag keys are), and two to
    /// others. Nobody gets to choose.
    fn check_spelling(&self, grant: &Grant) -> Result<(), &'static str> {
        let alike = |one: &str, other: &str| one != other && one.eq_ignore_ascii_case(other);
        for known in self.rows.values() {
            if alike(known.value.as_str(), grant.value.as_str()) {
                return Err("has a value that another grant spells in another case");
            }
            if alike(known.role.tag_key.as_str(), grant.role.tag_key.as_str()) {
                return Err("has a tag key that another role spells in another case");
            }
        }
        Ok(())
    }

    /// The grant of a subject, if it has one now. At its end it has ended.
    pub fn of(&self, subject: &Subject, now: Timestamp) -> Result<Arc<Grant>, Refusal> {
        let grant = self.rows.get(subject).ok_or(Refusal::NotGranted)?;
        if grant.expires.is_some_and(|expires| now >= expires) {
            return Err(Refusal::NotGranted);
        }
        Ok(Arc::clone(grant))
    }

    /// Every role that is granted to somebody, once.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.rows.values().map(|grant| grant.role.algorithm)
    }
}

fn subject_of(row: &GrantRow, trust_domain: &TrustDomain) -> Result<Subject, &'static str> {
    match (&row.subject, &row.spiffe) {
        (Some(name), None) => Subject::bearer(name)
            .ok_or("has a subject that is no `sub`: 1 to 255 visible characters, no SPIFFE id"),
        (None, Some(id)) => {
            let id: SpiffeId = id.parse().map_err(|_| "has a malformed SPIFFE id")?;
            if id.trust_domain != *trust_domain {
                return Err("has a SPIFFE id of another trust domain");
            }
            Ok(Subject::Peer(id))
        }
        (None, None) | (Some(_), Some(_)) => Err("must have either a subject or a spiffe id"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn role(algorithm: Algorithm) -> Role {
        Role {
            arn: "arn:aws:iam::111111111111:role/mint-tagged-reader".parse().unwrap(),
            algorithm,
            tag_key: "mint_application".parse().unwrap(),
            session: an_hour(),
        }
    }

    pub(crate) fn row(subject: &str, value: &str) -> GrantRow {
        GrantRow {
            subject: Some(subject.to_owned()),
            spiffe: None,
            role: "reader".to_owned(),
            value: value.parse().unwrap(),
            session_name: None,
            expires: None,
        }
    }

    pub(crate) fn table(rows: &[GrantRow]) -> Result<GrantTable, ConfigError> {
        let mut other = role(Algorithm::Rs256);
        other.tag_key = "Mint_Application".parse().unwrap();
        let roles = BTreeMap::from([
            ("reader".to_owned(), role(Algorithm::Es256)),
            ("rsa".to_owned(), role(Algorithm::Rs256)),
            ("other".to_owned(), other),
        ]);
        GrantTable::read(&roles, rows, &"mint.local".parse().unwrap())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_micros(second * 1_000_000)
    }

    #[test]
    fn who_is_not_in_the_table_or_not_any_more_is_refused() {
        let expiring = GrantRow { expires: Some(at(100)), ..row("soon", "abc") };
        let table = table(&[row("ci", "abc"), expiring]).unwrap();
        let of = |name: &str, second| table.of(&Subject::bearer(name).unwrap(), at(second));
        assert_eq!(of("ci", 1_000).unwrap().value.as_str(), "abc");
        assert_eq!(of("nobody", 0), Err(Refusal::NotGranted));
        assert_eq!(of("CI", 0), Err(Refusal::NotGranted));
        assert!(of("soon", 99).is_ok());
        assert_eq!(of("soon", 100), Err(Refusal::NotGranted), "at its end it has ended");
        let peer = Subject::Peer("spiffe://mint.local/application/abc".parse().unwrap());
        assert_eq!(table.of(&peer, at(0)), Err(Refusal::NotGranted));
    }

    #[test]
    fn a_peer_and_a_session_of_the_same_text_are_two() {
        assert_eq!(Subject::bearer("spiffe://mint.local/application/abc"), None);
        let peer = GrantRow {
            subject: None,
            spiffe: Some("spiffe://mint.local/application/abc".to_owned()),
            ..row("x", "abc")
        };
        let table = table(&[peer]).unwrap();
        assert_eq!(
            table.of(&Subject::Bearer("spiffe://mint.local/application/abc".to_owned()), at(0)),
            Err(Refusal::NotGranted)
        );
    }

    #[test]
    fn a_table_that_can_be_read_in_two_ways_is_refused() {
        let with = |change: fn(&mut GrantRow)| {
            let mut changed = row("other", "other");
            change(&mut changed);
            table(&[row("ci", "abc"), changed])
        };
        assert!(with(|_| {}).is_ok());
        for (name, change) in [
            ("a second grant", (|row| row.subject = Some("ci".to_owned())) as fn(&mut GrantRow)),
            ("no subject", |row| row.subject = None),
            ("two subjects", |row| row.spiffe = Some("spiffe://mint.local/application/abc".to_owned())),
            ("an unknown role", |row| row.role = "writer".to_owned()),
            ("a value in another case", |row| row.value = "ABC".parse().unwrap()),
            ("a tag key in another case", |row| row.role = "other".to_owned()),
            ("no session name", |row| row.value = "x".parse().unwrap()),
            ("an empty subject", |row| row.subject = Some(String::new())),
            ("a SPIFFE id as a subject", |row| {
                row.subject = Some("spiffe://mint.local/application/abc".to_owned());
            }),
            ("a foreign trust domain", |row| {
                row.subject = None;
                row.spiffe = Some("spiffe://other/application/abc".to_owned());
            }),
        ] {
            assert!(with(change).is_err(), "{name}");
        }
    }
}
