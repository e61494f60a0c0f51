//! What a list means for the catalog. Pure: catalog and answers in, changes out.

mod change;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mint_types::{ApplicationId, Presence, Timestamp};

use crate::{
    guard::{Allowance, Release, takes},
    model::{Complaint, Decision, Entry, Facts, Listing, Malformed, Record, revised},
    ports::{SourceFault, SourceReason},
    settings::Entered,
};

pub use change::Change;

/// The catalog as a plan sees it.
pub type Snapshot = BTreeMap<ApplicationId, Record>;

/// A registry may answer lists that are this old (COMPAT section 2).
pub const STALENESS: Duration = Duration::from_mins(2);
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
/// whole list is refused if it takes away more than it may in a day (I6) and than is released: by leaving out, by calling
/// inactive, by naming another owner.
pub fn doubtful(
    catalog: &Snapshot,
    listing: &Listing,
    releases: &[Release],
    now: Timestamp,
) -> Result<Vec<ApplicationId>, SourceFault> {
    if listing.entries.is_empty() && listing.malformed.is_empty() {
        return if catalog.is_empty() { Ok(Vec::new()) } else { Err(empty()) };
    }
    // An entry that cannot be read may be any application: with one, no absence is believed.
    let absent = if listing.malformed.is_empty() { absent(catalog, listing) } else { Vec::new() };
    let mut takings = takings(catalog, listing, now);
    takings.extend(absent.iter().filter(|id| catalog.get(*id).is_some_and(Record::is_in_use)).cloned());
    within(&Allowance::of(catalog, releases, now), &takings)?;
    Ok(absent)
}

/// The applications from which a list takes their use or their owner.
pub fn takings(catalog: &Snapshot, listing: &Listing, now: Timestamp) -> Vec<ApplicationId> {
    let takes = |entry: &&Entry| {
        let before = catalog.get(&entry.id);
        before.is_some_and(|record| !is_stale(record, &entry.facts, now) && takes(record, &entry.facts))
    };
    listing.entries.iter().filter(takes).map(|entry| entry.id.clone()).collect()
}

/// Refuses what nobody pays for, as a whole.
pub fn within(allowance: &Allowance, takings: &[ApplicationId]) -> Result<(), SourceFault> {
    let mut left = allowance.clone();
    if takings.iter().all(|id| left.charge(id).is_some()) {
        return Ok(());
    }
    Err(shrank(allowance, takings.iter().map(ToString::to_string).collect()))
}

fn absent(catalog: &Snapshot, listing: &Listing) -> Vec<ApplicationId> {
    let listed: BTreeSet<&ApplicationId> = listing.entries.iter().map(|entry| &entry.id).collect();
    let missing = |record: &&Record| record.presence == Presence::Present && !listed.contains(&record.id);
    catalog.values().filter(missing).map(|record| record.id.clone()).collect()
}

/// Whether a list says what was true before the catalog learnt better: it may be as old as [`STALENESS`]. After that
/// time an older date is believed, for a registry may have been restored. A date after the one on which it was read cannot
/// be true, and keeps nothing from being believed for longer.
fn is_stale(before: &Record, facts: &Facts, now: Timestamp) -> bool {
    match (before.facts.modified_at, facts.modified_at) {
        (Some(known), Some(listed)) => {
            let read_at = before.learnt_at.or((known <= now).then_some(known));
            let known = read_at.map(|read_at| known.min(read_at));
            known.is_some_and(|known| listed < known && now < known.plus(STALENESS))
        }
        _ => false,
    }
}

fn taken(record: Record, release: Option<String>, now: Timestamp) -> Record {
    Record { taken_at: Some(now), taken_release: release, ..record }
}

/// The changes that a list and the direct reads make. What nobody pays for is left out.
pub fn changes(
    catalog: &Snapshot,
    listing: &Listing,
    direct: &BTreeMap<ApplicationId, Direct>,
    allowance: &Allowance,
    now: Timestamp,
) -> Plan {
    let mut plan = Plan { fault: fault_of(listing, direct), ..Plan::default() };
    let found = direct.values().filter_map(|answer| match answer {
        Direct::Found(entry) => Some(entry.as_ref()),
        Direct::Missing | Direct::Unanswered(_) => None,
    });
    let believed =
        |entry: &&Entry| catalog.get(&entry.id).is_none_or(|record| !is_stale(record, &entry.facts, now));
    for entry in listing.entries.iter().filter(believed).chain(found) {
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
        let (id, facts) = (entry.id.clone(), entry.facts.clone());
        plan.changes.push(Change::Observed { id, facts, complaint, release: None });
    }
    for (id, answer) in direct {
        if *answer == Direct::Missing {
            plan.changes.push(Change::Held { id: id.clone(), release: None });
        }
    }
    for culprit in &listing.malformed {
        if let Some(id) = &culprit.id {
            plan.changes.push(Change::Blamed { id: id.clone(), complaint: blame(culprit) });
        }
    }
    plan.changes.retain(|change| makes_a_difference(change, catalog, now));
    plan.changes.sort_by(|one, other| one.id().cmp(other.id()));
    charged(plan, catalog, allowance)
}

fn charged(plan: Plan, catalog: &Snapshot, allowance: &Allowance) -> Plan {
    let mut left = allowance.clone();
    let (mut paid, mut refused) = (Vec::new(), Vec::new());
    for change in plan.changes {
        if !change.takes(catalog.get(change.id())) {
            paid.push(change);
            continue;
        }
        match left.charge(change.id()) {
            Some(payer) => paid.push(change.paid_by(payer)),
            None => refused.push(change.id().to_string()),
        }
    }
    let over = (!refused.is_empty()).then(|| shrank(allowance, refused));
    Plan { changes: paid, fault: over.or(plan.fault), ..plan }
}

fn shrank(allowance: &Allowance, victims: Vec<String>) -> SourceFault {
    let Allowance { allowed, taken, fleet, .. } = allowance;
    let detail = format!(
        "the list takes {} applications out of use or from their owners ({}), and {taken} were within a day; of {fleet} \
         that are known for a day, {allowed} may be",
        victims.len(),
        named(victims),
    );
    SourceFault::new(SourceReason::Shrank, detail)
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
    now: Timestamp,
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
        taken_at: None,
        taken_release: None,
        decision: None,
        confirmed_team: facts.team_id.clone(),
        statement: None,
        removed: Vec::new(),
        identity_losses: 0,
        known_since: now,
        learnt_at: Some(now),
    };
    let Some(record) = before else { return fresh };
    let same_owner = record.facts.team_id == facts.team_id;
    let same_date = record.facts.modified_at == facts.modified_at;
    Record {
        facts: fresh.facts,
        presence: Presence::Present,
        held_at: None,
        problems: fresh.problems,
        // the registry has it again, or says itself what the operator said
        decision: record.decision.filter(|decision| *decision == Decision::Restored && !facts.active),
        // what the owner before wrote is not the word of this one
        statement: record.statement.clone().filter(|_| same_owner),
        learnt_at: if same_date { record.learnt_at } else { fresh.learnt_at },
        ..record.clone()
    }
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

#[cfg(test)]
#[path = "plan_tests.rs"]
pub(crate) mod tests;
