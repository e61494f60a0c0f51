//! What the registry says, what the catalog holds, and how one changes the other.

use mint_types::{
    Application, ApplicationId, Identity, Presence, Problem, RemovedDestination, Revision, TeamId, Timestamp,
};

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

/// What an operator decided against what the registry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The registry lost it, and it is out of use.
    Retired,
    /// The registry says that it is out of use, and it is in use.
    Restored,
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
    /// When the registry last took something from it: its use, or its owner.
    pub taken_at: Option<Timestamp>,
    /// The release that allowed it; none: the budget did.
    pub taken_release: Option<String>,
    /// What an operator decided.
    pub decision: Option<Decision>,
    /// The owner whose word the destinations are.
    pub confirmed_team: TeamId,
    /// The destinations statement of the settings in force.
    pub statement: Option<String>,
    /// Where objects may lie that the settings no longer ask for.
    pub removed: Vec<RemovedDestination>,
    /// How often the IAM solution was found without the user.
    pub identity_losses: u64,
    /// Since when the catalog has it.
    pub known_since: Timestamp,
    /// When the date of the registry's last change was read, by our own clock; none if that is not known.
    pub learnt_at: Option<Timestamp>,
}

impl Record {
    /// Whether it is active, as the registry or an operator says.
    pub fn is_active(&self) -> bool {
        match self.decision {
            Some(Decision::Retired) => false,
            Some(Decision::Restored) => true,
            None => self.facts.active,
        }
    }

    /// Whether somebody works with it.
    pub fn is_in_use(&self) -> bool {
        self.presence == Presence::Present && self.is_active()
    }

    /// Whether its owner changed and the new one did not confirm the destinations.
    pub fn is_unconfirmed(&self) -> bool {
        self.facts.team_id != self.confirmed_team
    }

    fn decided_presence(&self) -> Presence {
        match (self.presence, self.decision) {
            (Presence::Held, Some(Decision::Retired)) => Presence::Retired,
            (presence, _) => presence,
        }
    }

    /// What is wrong as long as nobody does something about it.
    fn standing_problems(&self) -> Vec<Problem> {
        let since = self.taken_at.unwrap_or(Timestamp::from_unix_micros(0));
        let mut problems = self.problems.clone();
        if self.is_unconfirmed() {
            let complaint = Complaint {
                reason: "OWNER_CHANGED",
                title: "the application has another owner, who did not confirm where its credentials go",
                detail: format!("it belonged to {}, now to {}", self.confirmed_team, self.facts.team_id),
                next_action: "the new owner confirms with `mint app set` and a destinations statement; until then \
                              nothing new is delivered",
            };
            problems.push(complaint.to_problem(&[], since));
        }
        if self.decision == Some(Decision::Restored) {
            let complaint = Complaint {
                reason: "KEPT_BY_OPERATOR",
                title: "an operator keeps an application in use that the registry does not",
                detail: "the registry says that it is not active".to_owned(),
                next_action: "set active=true in the registry, or end it with `mint app remove`",
            };
            problems.push(complaint.to_problem(&[], since));
        }
        problems
    }

    /// As it is served: with the defaults in it.
    pub fn served(self, defaults: &Defaults) -> Application {
        let settings = match &self.settings {
            Some(entered) => Some(entered.effective(defaults)),
            None => defaults.settings(),
        };
        let (presence, problems) = (self.decided_presence(), self.standing_problems());
        Application {
            active: self.is_active(),
            id: self.id,
            team_id: self.facts.team_id,
            name: self.facts.name,
            subtitle: self.facts.subtitle,
            service_url: self.facts.service_url,
            presence,
            revision: self.revision,
            identity_revision: self.identity_revision,
            settings,
            settings_generation: self.settings_generation,
            identity: self.identity,
            modified_at: self.facts.modified_at,
            problems,
            destinations_statement: self.statement.map(String::into_bytes).unwrap_or_default(),
            removed_destinations: self.removed,
        }
    }

    /// The facts that the identity at the IAM solution depends on.
    fn identity_facts(&self) -> impl PartialEq + use<> {
        let (scopes, redirect_url, confidential) = match &self.settings {
            Some(settings) => (settings.scopes.clone(), settings.redirect_url.clone(), settings.confidential),
            None => (Vec::new(), None, Entered::default().confidential),
        };
        let (team_id, name) = (self.facts.team_id.clone(), self.facts.name.clone());
        // whoever pins the URL and the client type has to look at the word for them
        let word = self.statement.clone();
        (team_id, name, self.is_active(), scopes, redirect_url, confidential, self.identity_losses, word)
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
