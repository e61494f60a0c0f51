//! Where credentials go and went: what a change of settings leaves behind, and whose word the destinations are. Pure.

use mint_statement::DestinationSet;
use mint_types::{ApplicationId, Destination, RemovedDestination, Settings, TeamId, Timestamp};

use crate::{
    model::Record,
    settings::{Defaults, Entered},
};

/// What an owner enters.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'e> {
    /// The settings.
    pub settings: &'e Entered,
    /// A destinations statement that names exactly these, and the owner for whom it was verified.
    pub statement: Option<&'e (String, TeamId)>,
    /// What is left open.
    pub defaults: &'e Defaults,
}

impl Record {
    /// The settings in force.
    pub fn effective(&self, defaults: &Defaults) -> Option<Settings> {
        self.settings.as_ref().map(|entered| entered.effective(defaults)).or_else(|| defaults.settings())
    }

    /// The record with other settings in force, at the next generation; equal settings keep theirs.
    pub fn with_settings(&self, entry: &Entry<'_>, now: Timestamp) -> Self {
        let same = self.settings.as_ref() == Some(entry.settings);
        let generation =
            if same { self.settings_generation } else { self.settings_generation.saturating_add(1) };
        let before = self.effective(entry.defaults);
        let after = entry.settings.effective(entry.defaults);
        let unmoved = before.as_ref().is_some_and(|before| set(self, before) == set(self, &after));
        let (statement, confirmed_team) = match entry.statement {
            Some((text, team)) => (Some(text.clone()), team.clone()),
            None => (self.statement.clone().filter(|_| unmoved), self.confirmed_team.clone()),
        };
        Self {
            settings: Some(entry.settings.clone()),
            settings_generation: generation,
            removed: removed(self, before.as_ref(), Some(&after), generation, now),
            statement,
            confirmed_team,
            ..self.clone()
        }
    }

    /// The record under other defaults.
    pub fn with_defaults(&self, before: &Defaults, after: &Defaults, now: Timestamp) -> Self {
        let (old, new) = (self.effective(before), self.effective(after));
        let removed = removed(self, old.as_ref(), new.as_ref(), self.settings_generation, now);
        Self { removed, ..self.clone() }
    }

    /// The record without what was overwritten; what was removed again since then stays.
    pub fn without_removed(&self, overwritten: &[RemovedDestination]) -> Self {
        let done = |removed: &RemovedDestination| {
            overwritten.iter().any(|other| {
                is_same(removed, other) && removed.settings_generation == other.settings_generation
            })
        };
        Self {
            removed: self.removed.iter().filter(|removed| !done(removed)).cloned().collect(),
            ..self.clone()
        }
    }
}

fn set(record: &Record, settings: &Settings) -> DestinationSet {
    DestinationSet::of(record.id.clone(), record.facts.team_id.clone(), settings)
}

fn all(application: &ApplicationId, settings: Option<&Settings>) -> Vec<Destination> {
    let Some(settings) = settings else { return Vec::new() };
    settings.kinds().iter().flat_map(|kind| settings.destinations(application, *kind)).collect()
}

/// What was removed before and is not asked for again, and what is no longer asked for.
fn removed(
    record: &Record,
    before: Option<&Settings>,
    after: Option<&Settings>,
    generation: u64,
    now: Timestamp,
) -> Vec<RemovedDestination> {
    let wanted = all(&record.id, after);
    let is_wanted = |place: &RemovedDestination| {
        wanted.iter().any(|wanted| is_same(place, &removal(wanted.clone(), generation, now)))
    };
    let mut removed: Vec<_> = record.removed.iter().filter(|place| !is_wanted(place)).cloned().collect();
    for destination in all(&record.id, before) {
        let place = removal(destination, generation, now);
        if !is_wanted(&place) && !removed.iter().any(|other| is_same(other, &place)) {
            removed.push(place);
        }
    }
    removed
}

fn removal(destination: Destination, settings_generation: u64, removed_at: Timestamp) -> RemovedDestination {
    let Destination { bucket, account_id, key } = destination;
    RemovedDestination { bucket, account_id, key, settings_generation, removed_at }
}

/// The same object: a bucket's region and encryption are not part of its name.
fn is_same(one: &RemovedDestination, other: &RemovedDestination) -> bool {
    let name = |place: &RemovedDestination| {
        (place.bucket.name.clone(), place.bucket.endpoint.clone(), place.key.clone())
    };
    name(one) == name(other)
}

#[cfg(test)]
#[path = "destinations_tests.rs"]
mod tests;
