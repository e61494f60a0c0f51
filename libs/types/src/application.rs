//! The catalog's record of an application.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AccountId, ApplicationId, Bucket, Problem, Settings, TeamId, Timestamp};

/// A revision of the catalog: every change of a record is one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// Whether a catalog could have given it by now.
    pub fn is_plausible(self, now: Timestamp) -> bool {
        crate::fence::keeps_step(self.0, now)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether the registry still has an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// The registry has it.
    Present,
    /// The registry lost it: nothing of it is changed.
    Held,
    /// The registry lost it and an operator decided that it is out of use; it is not active.
    Retired,
}

/// What the IAM solution holds for an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The service user's name.
    pub username: String,
    /// The client id last answered.
    pub client_id: String,
    /// It existed before Mint first saw it.
    pub foreign: bool,
}

/// An object that the settings no longer ask for and that nobody reported overwritten.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RemovedDestination {
    /// The bucket, as it was in force when it was removed.
    pub bucket: Bucket,
    /// The account that owns the bucket; none if none was named.
    pub account_id: Option<AccountId>,
    /// `[<prefix>/]<application>/<object name>`.
    pub key: String,
    /// The first settings generation that no longer asks for it.
    pub settings_generation: u64,
    /// Since when.
    pub removed_at: Timestamp,
}

/// One application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// The registry's id.
    pub id: ApplicationId,
    /// The owner.
    pub team_id: TeamId,
    /// For people.
    pub name: String,
    /// False when the registry retired it.
    pub active: bool,
    /// One line about it; may be empty.
    pub subtitle: String,
    /// Where it is served; may be empty.
    pub service_url: String,
    /// Whether the registry still has it.
    pub presence: Presence,
    /// The revision at which the record last changed.
    pub revision: Revision,
    /// The revision at which a fact last changed that the identity depends on.
    pub identity_revision: Revision,
    /// The settings in force; none when nobody entered any.
    pub settings: Option<Settings>,
    /// Counts the changes of the settings.
    pub settings_generation: u64,
    /// The identity at the IAM solution; none before the first Ensure.
    pub identity: Option<Identity>,
    /// When the registry last changed it, if it says.
    pub modified_at: Option<Timestamp>,
    /// What is wrong with the record or its settings.
    pub problems: Vec<Problem>,
    /// The destinations statement (DSSE) of the settings in force, unverified; empty if there is none.
    #[serde(default)]
    pub destinations_statement: Vec<u8>,
    /// Where credentials of it may still lie although the settings no longer deliver there.
    #[serde(default)]
    pub removed_destinations: Vec<RemovedDestination>,
}
