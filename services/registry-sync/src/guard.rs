//! How much the registry may take away in a day (invariant I6), and what two operators release beyond it. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use mint_types::{ApplicationId, Budget, Timestamp};

use crate::{
    model::{Facts, Record},
    plan::Snapshot,
};

/// Invariant I6 counts by the day.
const DAY: Duration = Duration::from_hours(24);

/// What two operators released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The statement's id.
    pub id: String,
    /// How many acts.
    pub acts: u64,
    /// How many of them are used up.
    pub spent: u64,
    /// Only of these; empty for any.
    pub applications: BTreeSet<ApplicationId>,
    /// From when it no longer holds.
    pub expires_at: Timestamp,
}

impl Release {
    /// How many acts it still allows.
    pub fn remaining(&self) -> u64 {
        self.acts.saturating_sub(self.spent)
    }
}

/// Whether these facts take something from the application: its use, or its owner.
pub fn takes(before: &Record, facts: &Facts) -> bool {
    let owner = facts.team_id != before.facts.team_id && facts.team_id != before.confirmed_team;
    let restored = before.decision == Some(crate::model::Decision::Restored);
    before.is_in_use() && (owner || !(facts.active || restored))
}

/// What may still be taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// How many may be taken within a day.
    pub allowed: u64,
    /// From how many something was taken within a day, and is still gone.
    pub taken: u64,
    /// How many there are that are known for a day.
    pub fleet: u64,
    releases: Vec<Release>,
}

impl Allowance {
    /// By a whole catalog.
    pub fn of(catalog: &Snapshot, releases: &[Release], now: Timestamp) -> Self {
        let taken = catalog.values().filter(|record| is_taken(record, now));
        // whoever invents applications raises no budget within the day in which it would be spent
        let is_settled = |record: &&Record| now.since(record.known_since) >= DAY;
        let gone = taken.clone().filter(is_settled).filter(|record| !record.is_in_use()).count();
        let used = catalog.values().filter(is_settled).filter(|record| record.is_in_use()).count();
        let fleet = count(used + gone);
        Self {
            allowed: Budget::default().of(fleet),
            taken: count(taken.count()),
            fleet,
            releases: releases.to_vec(),
        }
    }

    /// Pays for one application: answers the release that does, or none for the budget; nothing if nobody pays. A
    /// release that names it pays first, one for anybody last.
    pub fn charge(&mut self, id: &ApplicationId) -> Option<Option<String>> {
        let named = |release: &&mut Release| release.remaining() > 0 && release.applications.contains(id);
        if let Some(release) = self.releases.iter_mut().find(named) {
            release.spent += 1;
            return Some(Some(release.id.clone()));
        }
        if self.taken < self.allowed {
            self.taken += 1;
            return Some(None);
        }
        let anybodys = |release: &&mut Release| release.remaining() > 0 && release.applications.is_empty();
        let release = self.releases.iter_mut().find(anybodys)?;
        release.spent += 1;
        Some(Some(release.id.clone()))
    }
}

fn is_taken(record: &Record, now: Timestamp) -> bool {
    let today = record.taken_at.is_some_and(|since| now.since(since) < DAY);
    today && record.taken_release.is_none() && (!record.is_in_use() || record.is_unconfirmed())
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
