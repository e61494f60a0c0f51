//! Who holds which version: what the instances of an application reported, and how long Retire waits for them.
//!
//! A report only lengthens an overlap. Whoever is silent for three polls is not waited for, and nobody is waited for
//! beyond the longest overlap.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use mint_types::{CredentialKind, Timestamp, VersionId};
use serde::{Deserialize, Serialize};

/// So many instances of one application are remembered; a further one is refused.
pub const MOST_INSTANCES: usize = 1000;
/// The shortest poll interval that an instance may announce.
pub const SHORTEST_POLL: Duration = Duration::from_secs(1);
/// The longest poll interval that an instance may announce.
pub const LONGEST_POLL: Duration = Duration::from_hours(1);

/// The sequence of an instance that went away is kept this long, so that its old reports cannot be played again.
const SEQUENCE_KEPT: Duration = Duration::from_hours(24);
/// The longest name of an instance, in bytes.
const LONGEST_NAME: usize = 128;

/// The name of a running copy of an application: `[A-Za-z0-9._@+-]{1,128}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceName(String);

/// A text that is no name of an instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an instance has 1 to {LONGEST_NAME} of the characters A-Z a-z 0-9 . _ @ + -")]
pub struct InvalidInstance;

impl InstanceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a character may stand in a name.
    pub fn allows(character: char) -> bool {
        character.is_ascii_alphanumeric() || "._@+-".contains(character)
    }
}

impl FromStr for InstanceName {
    type Err = InvalidInstance;
    fn from_str(text: &str) -> Result<Self, InvalidInstance> {
        if !(1..=LONGEST_NAME).contains(&text.len()) || !text.chars().all(Self::allows) {
            return Err(InvalidInstance);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for InstanceName {
    type Error = InvalidInstance;
    fn try_from(text: String) -> Result<Self, InvalidInstance> {
        text.parse()
    }
}

impl From<InstanceName> for String {
    fn from(name: InstanceName) -> String {
        name.0
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an instance says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Report {
    /// Of which credential.
    pub kind: CredentialKind,
    /// The version that it holds.
    pub version_id: VersionId,
    /// Higher than that of every earlier report of this instance.
    pub sequence: u64,
    /// How long until it polls again.
    pub poll_interval: Duration,
}

/// What an instance holds of one credential.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Holding {
    /// Which version.
    pub version_id: VersionId,
    /// When it said so.
    pub seen_at: Timestamp,
    /// How often it polls.
    pub poll_interval: Duration,
}

impl Holding {
    /// When it has missed three polls: half an interval is for jitter and slow answers.
    pub fn forgotten_at(&self) -> Timestamp {
        self.seen_at.plus(self.poll_interval.saturating_mul(7) / 2)
    }
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Instance {
    /// Of its last report.
    pub sequence: u64,
    /// When it was last heard of.
    pub seen_at: Timestamp,
    /// What it holds, as far as it is not forgotten.
    pub holds: BTreeMap<CredentialKind, Holding>,
}

/// Why a report is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unheard {
    /// A later one was heard already.
    #[error("the instance has reported with sequence {last} already")]
    Replayed {
        /// The sequence of the last one.
        last: u64,
    },
    /// There are too many instances.
    #[error("the application has {MOST_INSTANCES} instances already")]
    TooMany,
}

/// The instances of one application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roster(BTreeMap<InstanceName, Instance>);

impl Roster {
    /// Takes a report in. What is not taken changes nothing.
    pub fn hear(&mut self, name: &InstanceName, report: &Report, now: Timestamp) -> Result<(), Unheard> {
        if let Some(last) =
            self.0.get(name).map(|known| known.sequence).filter(|last| report.sequence <= *last)
        {
            return Err(Unheard::Replayed { last });
        }
        self.forget(now);
        if !self.0.contains_key(name) && !self.has_room() {
            return Err(Unheard::TooMany);
        }
        let known = self.0.entry(name.clone()).or_insert_with(|| Instance {
            sequence: 0,
            seen_at: now,
            holds: BTreeMap::new(),
        });
        (known.sequence, known.seen_at) = (report.sequence, now);
        // another layout's files are not read any more
        known.holds.retain(|kind, _| *kind == report.kind || !share_an_object(*kind, report.kind));
        let Report { version_id, poll_interval, .. } = report;
        let holding = Holding { version_id: *version_id, seen_at: now, poll_interval: *poll_interval };
        known.holds.insert(report.kind, holding);
        Ok(())
    }

    /// Whoever missed three polls holds nothing; after a day nobody knows it.
    fn forget(&mut self, now: Timestamp) {
        for instance in self.0.values_mut() {
            instance.holds.retain(|_, holding| now < holding.forgotten_at());
        }
        self.0.retain(|_, instance| !instance.holds.is_empty() || now < instance.seen_at.plus(SEQUENCE_KEPT));
    }

    /// Makes room for one more by dropping the instance that is silent for longest.
    fn has_room(&mut self) -> bool {
        if self.0.len() < MOST_INSTANCES {
            return true;
        }
        let silent = self.0.iter().filter(|(_, instance)| instance.holds.is_empty());
        let oldest = silent.min_by_key(|(_, instance)| instance.seen_at).map(|(name, _)| name.clone());
        oldest.is_some_and(|name| self.0.remove(&name).is_some())
    }

    /// What is held now, by whom.
    pub fn holdings(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = (&InstanceName, CredentialKind, &Holding)> {
        self.0.iter().flat_map(move |(name, instance)| {
            let live = instance.holds.iter().filter(move |(_, holding)| now < holding.forgotten_at());
            live.map(move |(kind, holding)| (name, *kind, holding))
        })
    }

    /// Who holds another version than `wanted` of what `kind` replaces.
    pub fn laggards(
        &self,
        kind: CredentialKind,
        wanted: VersionId,
        now: Timestamp,
    ) -> impl Iterator<Item = (&InstanceName, CredentialKind, &Holding)> {
        self.holdings(now)
            .filter(move |(_, held, holding)| share_an_object(*held, kind) && holding.version_id != wanted)
    }

    /// Until when Retire waits for them, if it does: until the last of them would be forgotten, at most `longest` after
    /// `delivered_at`.
    pub fn lagging_until(
        &self,
        kind: CredentialKind,
        wanted: VersionId,
        delivered_at: Timestamp,
        longest: Duration,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let last = self.laggards(kind, wanted, now).map(|(_, _, holding)| holding.forgotten_at()).max()?;
        Some(last.min(delivered_at.plus(longest))).filter(|until| now < *until)
    }
}

/// Whether two kinds live on the same issuer object.
fn share_an_object(one: CredentialKind, other: CredentialKind) -> bool {
    one.issuer_objects().iter().any(|object| other.issuer_objects().contains(object))
}

#[cfg(test)]
#[path = "adoption_tests.rs"]
mod tests;
