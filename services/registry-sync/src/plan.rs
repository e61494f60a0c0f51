//! What a list means for the catalog. Pure: catalog and answers in, changes out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mint_types::{ApplicationId, Budget, Presence, Timestamp};

use crate::{
    model::{Complaint, Entry, Facts, Listing, Malformed, Record, revised},
    ports::{SourceFault, SourceReason},
    settings::Entered,
};

/// The catalog as a plan sees it.
pub type Snapshot = BTreeMap<ApplicationId, Record>;

/// Invariant I6 counts by the day.
const DAY: Duration = Duration::from_hours(24);
/// How many culprits a problem names; the rest are counted.
const NAMED: usize = 5;

/// What a direct read of an application said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Direct {
    /// The registry has it: the list was stale.
    Found(Box<Entry>),
    /// The registry does not have it.
    Missing,
    /// Nobody knows.
    Unanswered(SourceFault),
}

/// One change of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The registry has it, with these facts.
    Observed {
        /// Which application.
        id: ApplicationId,
        /// What the registry says.
        facts: Facts,
        /// What is wrong with what the registry says.
        complaint: Option<Complaint>,
    },
    /// The registry says something about it that cannot be used: it stays as it was.
    Blamed {
        /// Which application.
        id: ApplicationId,
        /// What is wrong.
        complaint: Complaint,
    },
    /// The registry no longer has it.
    Held {
        /// Which application.
        id: ApplicationId,
    },
}

impl Change {
    /// The application that changes.
    pub fn id(&self) -> &ApplicationId {
        match self {
            Self::Observed { id, .. } | Self::Blamed { id, .. } | Self::Held { id } => id,
        }
    }

    /// The record after the change; nothing if the change concerns no record.
    pub fn applied(&self, before: Option<&Record>, now: Timestamp) -> Option<Record> {
        match self {
            Self::Observed { id, facts, complaint } => {
                let standing = before.map(|record| record.problems.as_slice()).unwrap_or_default();
                let problems =
                    complaint.iter().map(|complaint| complaint.to_problem(standing, now)).collect();
                Some(observed(before, id, facts, problems))
            }
            Self::Blamed { complaint, .. } => before.map(|record| Record {
                problems: vec![complaint.to_problem(&record.problems, now)],
                ..record.clone()
            }),
            Self::Held { .. } => before.map(|record| match record.presence {
                Presence::Held => record.clone(),
                Presence::Present => {
                    Record { presence: Presence::Held, held_at: Some(now), ..record.clone() }
                }
            }),
        }
    }
}

/// Everything that follows from a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Changes of records, by id; each makes a difference.
    pub changes: Vec<Change>,
    /// Settings to enter for applications that have none.
    pub settings: Vec<(ApplicationId, Entered)>,
    /// What is wrong with the source all the same.
    pub fault: Option<SourceFault>,
}

/// The applications that a full list leaves out and that have to be read directly before anybody believes it. The
/// whole list is refused if they are more than may vanish in a day (I6).
pub fn doubtful(
    catalog: &Snapshot,
    listing: &Listing,
    now: Timestamp,
) -> Result<Vec<ApplicationId>, SourceFault> {
    if listing.entries.is_empty() && listing.malformed.is_empty() {
        return if catalog.is_empty() { Ok(Vec::new()) } else { Err(empty()) };
    }
    if !listing.malformed.is_empty() {
        // An entry that cannot be read may be any application: no absence is believed.
        return Ok(Vec::new());
    }
    let listed: BTreeSet<&ApplicationId> = listing.entries.iter().map(|entry| &entry.id).collect();
    let present = catalog.values().filter(|record| record.presence == Presence::Present);
    let absent: Vec<ApplicationId> = present
        .clone()
        .filter(|record| !listed.contains(&record.id))
        .map(|record| record.id.clone())
        .collect();
    let held_today = catalog.values().filter(|record| is_held_today(record, now)).count();
    let fleet = present.count() + held_today;
    let allowed = Budget::default().of(count(fleet));
    if count(absent.len() + held_today) > allowed && !absent.is_empty() {
        let detail = format!(
            "{} of {fleet} applications are missing from the list ({}) and {held_today} vanished within a day; \
             {allowed} may",
            absent.len(),
            named(absent.iter().map(ToString::to_string)),
        );
        return Err(SourceFault::new(SourceReason::Shrank, detail));
    }
    Ok(absent)
}

/// The changes that a list and the direct reads make.
pub fn changes(
    catalog: &Snapshot,
    listing: &Listing,
    direct: &BTreeMap<ApplicationId, Direct>,
    now: Timestamp,
) -> Plan {
    let mut plan = Plan { fault: fault_of(listing, direct), ..Plan::default() };
    let found = direct.values().filter_map(|answer| match answer {
        Direct::Found(entry) => Some(entry.as_ref()),
        Direct::Missing | Direct::Unanswered(_) => None,
    });
    for entry in listing.entries.iter().chain(found) {
        let generation = catalog.get(&entry.id).map_or(0, |record| record.settings_generation);
        let proposed = entry.settings.as_ref().filter(|_| generation == 0);
        let complaint = proposed.and_then(|proposed| proposed.as_ref().err()).map(|fault| Complaint {
            reason: fault.reason(),
            title: "the settings in the registry file cannot be entered",
            detail: fault.to_string(),
            next_action: "correct the settings in the file, or enter them with `mint app set`",
        });
        if let Some(Ok(settings)) = proposed {
            plan.settings.push((entry.id.clone(), settings.clone()));
        }
        plan.changes.push(Change::Observed { id: entry.id.clone(), facts: entry.facts.clone(), complaint });
    }
    for (id, answer) in direct {
        if *answer == Direct::Missing {
            plan.changes.push(Change::Held { id: id.clone() });
        }
    }
    for culprit in &listing.malformed {
        if let Some(id) = &culprit.id {
            plan.changes.push(Change::Blamed { id: id.clone(), complaint: blame(culprit) });
        }
    }
    plan.changes.retain(|change| makes_a_difference(change, catalog, now));
    plan.changes.sort_by(|one, other| one.id().cmp(other.id()));
    plan
}

fn makes_a_difference(change: &Change, catalog: &Snapshot, now: Timestamp) -> bool {
    let before = catalog.get(change.id());
    let after = change.applied(before, now);
    after.is_some_and(|after| revised(before, after, mint_types::Revision(0)).is_some())
}

fn observed(
    before: Option<&Record>,
    id: &ApplicationId,
    facts: &Facts,
    problems: Vec<mint_types::Problem>,
) -> Record {
    let fresh = Record {
        id: id.clone(),
        facts: facts.clone(),
        presence: Presence::Present,
        held_at: None,
        revision: mint_types::Revision(0),
        identity_revision: mint_types::Revision(0),
        settings: None,
        settings_generation: 0,
        identity: None,
        problems,
    };
    match before {
        None => fresh,
        Some(record) => Record {
            settings: record.settings.clone(),
            settings_generation: record.settings_generation,
            identity: record.identity.clone(),
            ..fresh
        },
    }
}

fn is_held_today(record: &Record, now: Timestamp) -> bool {
    record.presence == Presence::Held && record.held_at.is_some_and(|since| now.since(since) < DAY)
}

fn empty() -> SourceFault {
    SourceFault::new(SourceReason::Incomplete, "the registry answers that it has no application at all")
}

fn blame(culprit: &Malformed) -> Complaint {
    SourceFault::new(SourceReason::Malformed, culprit.detail.clone()).complaint()
}

fn fault_of(listing: &Listing, direct: &BTreeMap<ApplicationId, Direct>) -> Option<SourceFault> {
    if !listing.malformed.is_empty() {
        let culprits = named(listing.malformed.iter().map(|culprit| culprit.detail.clone()));
        return Some(SourceFault::new(SourceReason::Malformed, culprits));
    }
    let open: Vec<String> = direct
        .iter()
        .filter_map(|(id, answer)| match answer {
            Direct::Unanswered(fault) => Some(format!("{id} ({fault})")),
            Direct::Found(_) | Direct::Missing => None,
        })
        .collect();
    if !open.is_empty() {
        let detail =
            format!("the list leaves out what a direct read neither shows nor denies: {}", named(open));
        return Some(SourceFault::new(SourceReason::Incomplete, detail));
    }
    (listing.entries.is_empty()).then(empty)
}

fn named(culprits: impl IntoIterator<Item = String>) -> String {
    let culprits: Vec<String> = culprits.into_iter().collect();
    let shown = culprits.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
    match culprits.len().checked_sub(NAMED) {
        Some(more) if more > 0 => format!("{shown}; and {more} more"),
        _ => shown,
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
