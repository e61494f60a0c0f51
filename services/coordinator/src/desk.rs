//! Everything the coordinator knows of one application, as it lies in the store.

use std::collections::BTreeMap;
use std::time::Duration;

use mint_saga::{Credential, Due, Facts, Roster, Stage, Trouble, Wish};
use mint_types::{
    Application, CredentialKind, IssuerObject, Presence, Problem, Revision, Settings, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::checks::Checks;
use crate::plan::identity_need;
use crate::removal::{self, Clearing, Lost, Removal};

/// Where the identity is in its life, as far as the coordinator saw to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityPhase {
    /// Nothing was asked yet.
    #[default]
    Unknown,
    /// It exists with its scopes.
    Enabled,
    /// It exists without scopes.
    Disabled,
    /// It was deleted.
    Deleted,
}

/// What the holder of the lease knows of the identity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Standing {
    /// Where it is.
    pub identity: IdentityPhase,
    /// The `identity_revision` that was applied last.
    pub ensured: Revision,
    /// The record's revision when it was applied: a newer record knows better which client id there is.
    pub ensured_with: Revision,
    /// The client id that was answered.
    pub client_id: Option<String>,
    /// What keeps the identity from being as it should.
    pub trouble: Option<Trouble>,
    /// How often the user was made again, as far as it was acted upon.
    #[serde(default)]
    pub incarnation: u64,
    /// Whether the client stays of the other type than the settings ask for until somebody confirms it: nothing of the
    /// client can be made as it is asked for.
    #[serde(default)]
    pub client_type_waits: bool,
    /// When the word of a new owner, which came too early, is looked at again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look_again_at: Option<Timestamp>,
    /// How far its removal is; none while it is in use.
    #[serde(default)]
    pub removal: Option<Removal>,
    /// What became of objects where the settings no longer deliver.
    #[serde(default)]
    pub clearing: Clearing,
    /// Versions that are worth nothing any more.
    #[serde(default)]
    pub lost: BTreeMap<CredentialKind, Lost>,
    /// What the last comparison with the issuer found that no rotation of its own accord sets right.
    #[serde(default)]
    pub unaccounted: Vec<Problem>,
    /// Whether the issuer still accepts what consumers have.
    #[serde(default, skip_serializing_if = "Checks::is_empty")]
    pub checks: Checks,
}

/// What is wrong with the record as it stands, since when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// Active, and no bucket to deliver to.
    pub undeliverable_since: Option<Timestamp>,
    /// The registry lost it.
    pub held_since: Option<Timestamp>,
}

impl Conditions {
    /// The conditions of a record; one that lasts keeps its beginning.
    pub fn of(record: &Application, before: Option<&Self>, now: Timestamp) -> Self {
        let present = record.presence == Presence::Present;
        let undeliverable = record.active && present && !is_deliverable(record);
        let since = |holds: bool, earlier: fn(&Self) -> Option<Timestamp>| {
            holds.then(|| before.and_then(earlier).unwrap_or(now))
        };
        Self {
            undeliverable_since: since(undeliverable, |before| before.undeliverable_since),
            held_since: since(!present, |before| before.held_since),
        }
    }
}

fn is_deliverable(record: &Application) -> bool {
    record.settings.as_ref().is_some_and(|settings| !settings.buckets.is_empty())
}

fn is_of_client(kind: CredentialKind) -> bool {
    kind.issuer_objects().contains(&IssuerObject::Client)
}

/// Whether a change of the record makes another try of a failed step sensible.
pub(crate) fn calls_for_another_try(before: &Application, after: &Application) -> bool {
    before.settings != after.settings
        || before.settings_generation != after.settings_generation
        || before.identity_revision != after.identity_revision
        || before.active != after.active
        || before.presence != after.presence
        || before.destinations_statement != after.destinations_statement
}

/// Who holds which version, and how long that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    /// What the instances reported.
    pub roster: Roster,
    /// Nobody is waited for longer than this after a delivery.
    pub longest: Duration,
}

impl Adoption {
    /// Where nobody says: a day, as at the rotator.
    pub const LONGEST: Duration = Duration::from_hours(24);
}

impl Default for Adoption {
    fn default() -> Self {
        Self { roster: Roster::default(), longest: Self::LONGEST }
    }
}

/// One application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desk {
    /// The catalog's record.
    pub record: Application,
    /// What is wrong with it.
    pub conditions: Conditions,
    /// The identity.
    pub standing: Standing,
    /// The credentials that were ever begun.
    pub credentials: BTreeMap<CredentialKind, Credential>,
    /// What its instances reported.
    pub adoption: Adoption,
    /// Why it is paused.
    pub paused: Option<String>,
    /// When something changed that makes another try sensible.
    pub nudged_at: Option<Timestamp>,
    /// Counts the changes.
    pub change: u64,
}

impl Desk {
    /// The settings in force.
    pub fn settings(&self) -> Option<&Settings> {
        self.record.settings.as_ref()
    }

    /// Whether there is a bucket.
    pub fn is_deliverable(&self) -> bool {
        is_deliverable(&self.record)
    }

    /// The kinds that the settings want; an application without settings will have the default ones.
    pub fn kinds(&self) -> &'static [CredentialKind] {
        self.settings().map_or_else(|| CredentialKind::of(mint_types::Layout::Split, true), Settings::kinds)
    }

    /// What the settings want of a kind; none if they do not want it, or it needs a client of a type that waits for a word.
    pub fn wish(&self, kind: CredentialKind) -> Option<Wish> {
        let settings = self.settings().filter(|settings| settings.kinds().contains(&kind))?;
        if is_of_client(kind) && (self.standing.client_type_waits || self.may_come_to_wait(kind)) {
            return None;
        }
        Some(Wish::new(&self.record.id, kind, settings, self.client_id()))
    }

    /// Whether identity-provisioner has still to say if the client becomes of the type that a kind needs. What is made
    /// before it has said so would take the place of what consumers go on using while it waits.
    fn may_come_to_wait(&self, kind: CredentialKind) -> bool {
        let is_public = |kind: CredentialKind| kind == CredentialKind::PublicClient;
        let is_other = |credential: &&Credential| {
            is_of_client(credential.kind) && is_public(credential.kind) != is_public(kind)
        };
        let was_other =
            self.credentials.values().filter(is_other).any(|credential| credential.current.is_some());
        was_other && identity_need(self).is_some()
    }

    /// Where an open rotation of a kind is delivered: what the settings want of it, whether or not they want it now.
    pub(crate) fn places(&self, kind: CredentialKind) -> Option<Wish> {
        let settings = self.settings()?;
        Some(Wish::new(&self.record.id, kind, settings, self.client_id()))
    }

    /// The credential of a kind, begun or not.
    pub fn credential(&self, kind: CredentialKind) -> Credential {
        self.credentials.get(&kind).cloned().unwrap_or_else(|| Credential::new(kind))
    }

    /// The same as consumers find it: what is lost was delivered nowhere. What happens next is decided from this.
    pub fn as_found(&self, kind: CredentialKind) -> Credential {
        removal::as_found(self.credential(kind), self.standing.lost.get(&kind))
    }

    /// When the next rotation of a kind should be opened; none if the settings do not want it.
    pub(crate) fn due(&self, kind: CredentialKind, now: Timestamp) -> Option<Due> {
        Some(self.wish(kind)?.due(&self.as_found(kind), now, self.nudged_at))
    }

    /// What the plan of a credential must know.
    pub fn facts(&self, kind: CredentialKind, now: Timestamp, issuer_paused: Option<Timestamp>) -> Facts {
        let wish = self.wish(kind);
        let next_due_at = match self.due(kind, now) {
            Some(Due::At(at)) => at,
            Some(Due::Now(_)) | None => now,
        };
        Facts {
            wanted: wish.is_some() && self.record.active,
            // nothing is settled for one that is out of use: its objects are overwritten soon
            deliverable: self.is_deliverable() && self.record.active,
            issuer_paused_until: issuer_paused,
            nudged_at: self.nudged_at,
            next_due_at,
            lagging_until: self.lagging_until(kind, now),
        }
    }

    /// Until when Retire waits for instances that hold an older version.
    fn lagging_until(&self, kind: CredentialKind, now: Timestamp) -> Option<Timestamp> {
        let credential = self.credentials.get(&kind)?;
        let current = credential.current.as_ref()?;
        if self.standing.lost.get(&kind).is_some_and(|lost| current.version <= lost.version) {
            return None;
        }
        let delivered_at = current.delivered_at;
        let Stage::Adopting { created, .. } = &credential.rotation.as_ref()?.stage else { return None };
        let Adoption { roster, longest } = &self.adoption;
        roster.lagging_until(kind, created.version_id, delivered_at, *longest, now)
    }

    /// Whether any Retire waits for instances.
    pub(crate) fn lags(&self, now: Timestamp) -> bool {
        self.credentials.keys().any(|kind| self.lagging_until(*kind, now).is_some())
    }

    /// The client id that consumers should find: the one that Ensure answered, unless the record is newer.
    fn client_id(&self) -> Option<&str> {
        let recorded = self.record.identity.as_ref().map(|identity| identity.client_id.as_str());
        if self.record.revision > self.standing.ensured_with {
            recorded.or(self.standing.client_id.as_deref())
        } else {
            self.standing.client_id.as_deref().or(recorded)
        }
    }
}
