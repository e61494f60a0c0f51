//! Where an application's credentials may go: pinned at first use, changed by a statement or by time.
//!
//! The catalog says where they should go; whoever took registry-sync over says so too. So a place that is new is not
//! written before its owner or an operator signed for it, or it was asked for, for all to see, for a day.

use std::collections::BTreeSet;
use std::time::Duration;

use mint_statement::{DestinationSet, Place as StatedPlace};
use mint_types::{AccountId, Application, BucketName, Monotonic, Prefix, Revision, TeamId, Timestamp};
use serde::{Deserialize, Serialize};

/// What was waited is written down in steps of this: a call every second need not write every second.
const STEP: Duration = Duration::from_mins(1);

/// A bucket with everything that decides whose it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spot {
    /// The account that must own the bucket.
    pub account_id: Option<AccountId>,
    /// The directory above the application's own.
    pub prefix: Prefix,
    /// The bucket.
    pub bucket: BucketName,
    /// Its region; empty for the distributor's default.
    pub region: String,
    /// The store's endpoint; empty for the distributor's default.
    pub endpoint: String,
}

/// Where a record wants the credentials to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The owner.
    pub team: TeamId,
    /// One spot a bucket, in the buckets' order.
    pub spots: Vec<Spot>,
    /// When the record last changed.
    pub revision: Revision,
}

impl Wanted {
    /// What a record wants.
    pub fn of(record: &Application) -> Self {
        let spots = record.settings.iter().flat_map(|settings| {
            settings.buckets.iter().map(|bucket| Spot {
                account_id: settings.account_id.clone(),
                prefix: settings.prefix.clone(),
                bucket: bucket.name.clone(),
                region: bucket.region.clone().unwrap_or_default(),
                endpoint: bucket.endpoint.as_ref().map(|url| url.as_str().to_owned()).unwrap_or_default(),
            })
        });
        Self { team: record.team_id.clone(), spots: spots.collect(), revision: record.revision }
    }

    /// Whether a statement says exactly this.
    pub fn is_stated_by(&self, set: &DestinationSet) -> bool {
        let stated = |place: &StatedPlace| Spot {
            account_id: set.account_id.clone(),
            prefix: set.prefix.clone(),
            bucket: place.name.clone(),
            region: place.region.clone(),
            endpoint: place.endpoint.trim_end_matches('/').to_owned(),
        };
        set.team == self.team
            && set.buckets.iter().map(stated).collect::<BTreeSet<_>>() == self.spots.iter().cloned().collect()
    }
}

/// A moment, by both clocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instant {
    /// Counts where boots differ.
    pub wall: Timestamp,
    /// Counts within a boot.
    pub monotonic: Monotonic,
}

impl Instant {
    /// How long after `earlier`: a clock that was set back adds nothing and takes nothing away.
    fn since(&self, earlier: &Self) -> Duration {
        self.monotonic.since(&earlier.monotonic).unwrap_or_else(|| self.wall.since(earlier.wall))
    }
}

/// A new spot that nobody confirmed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// Which.
    pub spot: Spot,
    /// How long it was asked for, as counted until `counted_at`.
    pub waited: Duration,
    /// When that was counted.
    pub counted_at: Instant,
}

/// What is remembered of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// The owner on whose word it rests.
    pub team: TeamId,
    /// Another owner whom the catalog names and nobody confirmed.
    pub held_team: Option<TeamId>,
    /// The newest record that changed anything here.
    pub revision: Revision,
    /// When the last believed statement was issued: only a later one is believed, so none is believed twice.
    pub stated_at: Option<Timestamp>,
    /// Where credentials may go.
    pub confirmed: BTreeSet<Spot>,
    /// Where else they are wanted.
    pub waiting: Vec<Waiting>,
}

/// A verified statement about this application's destinations, by its owner or an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// When it was issued.
    pub issued_at: Timestamp,
    /// What it says.
    pub set: DestinationSet,
}

/// How a wanted spot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Credentials may go there.
    Confirmed,
    /// Nobody confirmed it.
    Unconfirmed {
        /// How long until it counts as confirmed; none if no time confirms it, because the owner changed.
        left: Option<Duration>,
    },
}

/// What happened to the pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Nothing that anybody must be told.
    Nothing,
    /// The record was believed because there was nothing to compare it with.
    FirstUse,
    /// A statement confirmed these new spots or a new owner.
    Stated(Vec<Spot>),
    /// These spots were asked for long enough.
    Waited(Vec<Spot>),
    /// These spots are new.
    Noticed(Vec<Spot>),
    /// The owner is new.
    OwnerChanged(TeamId),
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinPlan {
    /// One a wanted spot, in their order.
    pub standings: Vec<Standing>,
    /// What is to be remembered before anything is written; none if nothing changes.
    pub keep: Option<Pins>,
    /// What is to be told.
    pub event: Event,
}

/// Why a statement does not confirm what is wanted.
pub fn misfit(pins: Option<&Pins>, wanted: &Wanted, confirmation: &Confirmation) -> Option<&'static str> {
    if !wanted.is_stated_by(&confirmation.set) {
        return Some("the statement names other destinations, or another owner, than the catalog");
    }
    if pins.and_then(|pins| pins.stated_at) >= Some(confirmation.issued_at) {
        return Some("the statement is not newer than the last one that was acted upon");
    }
    None
}

/// Where a record's credentials may go, given what is remembered and perhaps a statement.
pub fn pin(
    pins: Option<&Pins>,
    wanted: &Wanted,
    confirmation: Option<&Confirmation>,
    wait: Duration,
    now: &Instant,
) -> PinPlan {
    let believed = confirmation.filter(|confirmation| misfit(pins, wanted, confirmation).is_none());
    let Some(before) = pins else {
        return first_use(wanted, believed);
    };
    let mut after = before.clone();
    // a replica that reads an older record must not forget what a newer one brought
    let is_newest = wanted.revision >= before.revision;
    let is_same_owner = wanted.team == before.team;
    if is_newest && (is_same_owner || believed.is_some()) {
        after.confirmed.retain(|spot| wanted.spots.contains(spot));
        after.waiting.retain(|waiting| wanted.spots.contains(&waiting.spot));
    }
    let (standings, event) = match believed {
        Some(statement) => state(&mut after, wanted, statement),
        None if !is_same_owner => hold(&mut after, wanted),
        None => count(&mut after, wanted, wait, now),
    };
    let keep = (after != *before).then(|| Pins { revision: before.revision.max(wanted.revision), ..after });
    PinPlan { standings, keep, event }
}

fn first_use(wanted: &Wanted, believed: Option<&Confirmation>) -> PinPlan {
    let pins = Pins {
        team: wanted.team.clone(),
        held_team: None,
        revision: wanted.revision,
        stated_at: believed.map(|statement| statement.issued_at),
        confirmed: wanted.spots.iter().cloned().collect(),
        waiting: Vec::new(),
    };
    let standings = vec![Standing::Confirmed; wanted.spots.len()];
    PinPlan { standings, keep: Some(pins), event: Event::FirstUse }
}

/// Believes a statement: everything wanted is confirmed.
fn state(after: &mut Pins, wanted: &Wanted, statement: &Confirmation) -> (Vec<Standing>, Event) {
    let new: Vec<Spot> =
        wanted.spots.iter().filter(|spot| !after.confirmed.contains(spot)).cloned().collect();
    let is_news = !new.is_empty() || after.team != wanted.team;
    after.team = wanted.team.clone();
    after.held_team = None;
    after.stated_at = Some(statement.issued_at);
    after.confirmed.extend(wanted.spots.iter().cloned());
    after.waiting.retain(|waiting| !wanted.spots.contains(&waiting.spot));
    let event = if is_news { Event::Stated(new) } else { Event::Nothing };
    (vec![Standing::Confirmed; wanted.spots.len()], event)
}

/// Another owner: nothing is written until it is confirmed, however long that takes.
fn hold(after: &mut Pins, wanted: &Wanted) -> (Vec<Standing>, Event) {
    let event = if after.held_team.as_ref() == Some(&wanted.team) {
        Event::Nothing
    } else {
        Event::OwnerChanged(wanted.team.clone())
    };
    after.held_team = Some(wanted.team.clone());
    (vec![Standing::Unconfirmed { left: None }; wanted.spots.len()], event)
}

/// The same owner, and no statement: new spots wait.
fn count(after: &mut Pins, wanted: &Wanted, wait: Duration, now: &Instant) -> (Vec<Standing>, Event) {
    after.held_team = None;
    let (mut noticed, mut waited) = (Vec::new(), Vec::new());
    let mut standings = Vec::with_capacity(wanted.spots.len());
    for spot in &wanted.spots {
        if after.confirmed.contains(spot) {
            standings.push(Standing::Confirmed);
            continue;
        }
        let Some(index) = after.waiting.iter().position(|waiting| waiting.spot == *spot) else {
            let counted_at = now.clone();
            after.waiting.push(Waiting { spot: spot.clone(), waited: Duration::ZERO, counted_at });
            noticed.push(spot.clone());
            standings.push(Standing::Unconfirmed { left: Some(wait) });
            continue;
        };
        let total = tick(&mut after.waiting[index], now);
        if total < wait {
            standings.push(Standing::Unconfirmed { left: Some(wait.saturating_sub(total)) });
            continue;
        }
        after.waiting.remove(index);
        after.confirmed.insert(spot.clone());
        waited.push(spot.clone());
        standings.push(Standing::Confirmed);
    }
    let event = match (waited.is_empty(), noticed.is_empty()) {
        (false, _) => Event::Waited(waited),
        (true, false) => Event::Noticed(noticed),
        (true, true) => Event::Nothing,
    };
    (standings, event)
}

/// How long it was waited in all; counted on in whole steps.
fn tick(waiting: &mut Waiting, now: &Instant) -> Duration {
    let total = waiting.waited.saturating_add(now.since(&waiting.counted_at));
    let is_other_boot = now.monotonic.boot != waiting.counted_at.monotonic.boot;
    if is_other_boot || total.saturating_sub(waiting.waited) >= STEP {
        waiting.waited = total;
        waiting.counted_at = now.clone();
    }
    total
}

#[cfg(test)]
#[path = "pins_tests.rs"]
mod tests;
