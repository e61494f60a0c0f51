//! What the registry says, what the catalog holds, and how one changes the other.

use mint_types::{Application, ApplicationId, Identity, Presence, Problem, Revision, TeamId, Timestamp};

use crate::settings::{Defaults, Entered, SettingsFault};

/// What the registry says about an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The owner.
    pub team_id: TeamId,
    /// For people.
    pub name: String,
    /// False when it is retired.
    pub active: bool,
    /// One line; may be empty.
    pub subtitle: String,
    /// Where it is served; may be empty.
    pub service_url: String,
    /// When the registry last changed it, if it says.
    pub modified_at: Option<Timestamp>,
}

/// One application of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which application.
    pub id: ApplicationId,
    /// What the registry says.
    pub facts: Facts,
    /// The settings that a file proposes for an application that has none.
    pub settings: Option<Result<Entered, SettingsFault>>,
}

/// An entry that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Which application it is, if that much can be told.
    pub id: Option<ApplicationId>,
    /// Where it stands and what is wrong with it.
    pub detail: String,
}

/// A list as the source answered it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The usable entries; no id twice.
    pub entries: Vec<Entry>,
    /// The others.
    pub malformed: Vec<Malformed>,
}

/// What is wrong with an application's record, before it is known since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Stable reason in upper snake case.
    pub reason: &'static str,
    /// One short sentence.
    pub title: &'static str,
    /// The facts.
    pub detail: String,
    /// What the reader can do.
    pub next_action: &'static str,
}

impl Complaint {
    /// As a problem; one that stands already keeps its beginning.
    pub fn to_problem(&self, standing: &[Problem], now: Timestamp) -> Problem {
        let kind = self.reason.to_ascii_lowercase();
        let since = standing.iter().find(|problem| problem.kind == kind).map_or(now, |problem| problem.since);
        Problem {
            kind,
            title: self.title.to_owned(),
            detail: self.detail.clone(),
            next_action: self.next_action.to_owned(),
            since,
            attempts: 1,
            credential: None,
            destination: None,
        }
    }
}

/// One application of the catalog, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which application.
    pub id: ApplicationId,
    /// What the registry last said.
    pub facts: Facts,
    /// Whether the registry still has it.
    pub presence: Presence,
    /// Since when it is held.
    pub held_at: Option<Timestamp>,
    /// At which revision the record last changed.
    pub revision: Revision,
    /// At which revision a fact last changed that the identity depends on.
    pub identity_revision: Revision,
    /// The settings as entered.
    pub settings: Option<Entered>,
    /// Counts the changes of the settings.
    pub settings_generation: u64,
    /// What the IAM solution holds.
    pub identity: Option<Identity>,
    /// What is wrong with the record.
    pub problems: Vec<Problem>,
}

impl Record {
    /// As it is served: with the defaults in it.
    pub fn served(self, defaults: &Defaults) -> Application {
        let settings = match &self.settings {
            Some(entered) => Some(entered.effective(defaults)),
            None => defaults.settings(),
        };
        Application {
            id: self.id,
            team_id: self.facts.team_id,
            name: self.facts.name,
            active: self.facts.active,
            subtitle: self.facts.subtitle,
            service_url: self.facts.service_url,
            presence: self.presence,
            revision: self.revision,
            identity_revision: self.identity_revision,
            settings,
            settings_generation: self.settings_generation,
            identity: self.identity,
            modified_at: self.facts.modified_at,
            problems: self.problems,
        }
    }

    /// The facts that the identity at the IAM solution depends on.
    fn identity_facts(&self) -> impl PartialEq + use<> {
        let (scopes, redirect_url, confidential) = match &self.settings {
            Some(settings) => (settings.scopes.clone(), settings.redirect_url.clone(), settings.confidential),
            None => (Vec::new(), None, Entered::default().confidential),
        };
        let facts = &self.facts;
        (facts.team_id.clone(), facts.name.clone(), facts.active, scopes, redirect_url, confidential)
    }
}

/// `after` at the revision `next`; nothing if it does not differ from `before`.
pub fn revised(before: Option<&Record>, after: Record, next: Revision) -> Option<Record> {
    let Some(before) = before else {
        return Some(Record { revision: next, identity_revision: next, ..after });
    };
    let unchanged =
        Record { revision: before.revision, identity_revision: before.identity_revision, ..after.clone() };
    if unchanged == *before {
        return None;
    }
    let identity_revision =
        if before.identity_facts() == after.identity_facts() { before.identity_revision } else { next };
    Some(Record { revision: next, identity_revision, ..after })
}
