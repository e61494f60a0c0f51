//! Where an application's credentials may go: pinned at first use, changed by a statement or by time.
//!
//! The catalog says where they should go; whoever took registry-sync over says so too. So a place that is new is not
//! written before its owner or an operator signed for it, or it was asked for, for all to see, for a day. And a place that is
//! no longer named is written on: whoever reads there must not be left with what a receipt for the others ends. It is given
//! up by such a signature, or by a counted permit after that day. Other kinds of objects than before wait for such a
//! signature, however long they are asked for: what they replace lies in objects that nothing of theirs is written to, and
//! whoever waited a day would cut a whole fleet off at once.

use std::collections::BTreeSet;
use std::time::Duration;

pub use mint_statement::Confirmation;
use mint_statement::{DestinationSet, Place as StatedPlace};
use mint_types::{
    AccountId, Application, ApplicationId, Bucket, BucketName, CredentialKind, Destination, Monotonic,
    OutboundUrl, Prefix, Revision, Settings, TeamId, Timestamp,
};
use serde::{Deserialize, Serialize};

/// What was waited is written down in steps of this: a call every second need not write every second.
const STEP: Duration = Duration::from_mins(1);

/// A bucket with everything that decides whose it is and who can read what lies there.
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
    /// The KMS key that objects are encrypted with; none for the bucket's own.
    #[serde(default)]
    pub kms_key_id: Option<String>,
}

impl Spot {
    /// Where a credential of a kind goes here; none if the endpoint is no URL.
    pub fn destination(&self, application: &ApplicationId, kind: CredentialKind) -> Option<Destination> {
        let endpoint = match self.endpoint.as_str() {
            "" => None,
            endpoint => Some(endpoint.parse::<OutboundUrl>().ok()?),
        };
        let region = Some(self.region.clone()).filter(|region| !region.is_empty());
        Some(Destination {
            bucket: Bucket {
                name: self.bucket.clone(),
                region,
                endpoint,
                kms_key_id: self.kms_key_id.clone(),
            },
            account_id: self.account_id.clone(),
            key: format!("{}{}/{}", self.prefix.directory(), application, kind.object_name()),
        })
    }

    /// Whether both name the same objects, whatever they say of the bucket.
    fn is_same_directory(&self, other: &Self) -> bool {
        self.bucket == other.bucket && self.prefix == other.prefix && self.endpoint == other.endpoint
    }
}

/// Where a record wants the credentials to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The owner.
    pub team: TeamId,
    /// One spot a bucket, in the buckets' order.
    pub spots: Vec<Spot>,
    /// Which kinds; none without settings.
    pub kinds: BTreeSet<CredentialKind>,
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
                kms_key_id: bucket.kms_key_id.clone(),
            })
        });
        let kinds = record.settings.iter().flat_map(Settings::kinds).copied();
        Self {
            team: record.team_id.clone(),
            spots: spots.collect(),
            kinds: kinds.collect(),
            revision: record.revision,
        }
    }

    /// Whether a statement says exactly this.
    pub fn is_stated_by(&self, set: &DestinationSet) -> bool {
        let stated = |place: &StatedPlace| Spot {
            account_id: set.account_id.clone(),
            prefix: set.prefix.clone(),
            bucket: place.name.clone(),
            region: place.region.clone(),
            endpoint: place.endpoint.trim_end_matches('/').to_owned(),
            kms_key_id: place.kms_key_id.clone(),
        };
        set.team == self.team
            && set.kinds == self.kinds
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

/// A spot that is new, or no longer named, and nobody confirmed that.
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

/// Other kinds than before, which nobody confirmed yet. Older pins say, too, for how long they were asked for: that is not
/// read any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherKinds {
    /// Which.
    pub kinds: BTreeSet<CredentialKind>,
}

/// How long something was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waited {
    /// How long, as counted until `counted_at`.
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
    /// Nobody but the catalog says that it is the owner: pins may have been lost. Its word alone confirms nothing.
    #[serde(default)]
    pub is_doubtful: bool,
    /// Another owner whom the catalog names and nobody confirmed.
    pub held_team: Option<TeamId>,
    /// For how long the catalog names that one.
    #[serde(default)]
    pub held_for: Option<Waited>,
    /// The newest record that changed anything here.
    pub revision: Revision,
    /// When the last believed statement was issued: only a later one is believed, so none is believed twice.
    pub stated_at: Option<Timestamp>,
    /// Where credentials may go.
    pub confirmed: BTreeSet<Spot>,
    /// Where else they are wanted.
    pub waiting: Vec<Waiting>,
    /// Where they may go and are no longer wanted: they go there on.
    #[serde(default)]
    pub leaving: Vec<Waiting>,
    /// Which kinds may be written; what was remembered before kinds were says none.
    #[serde(default)]
    pub kinds: BTreeSet<CredentialKind>,
    /// Which other ones are wanted.
    #[serde(default)]
    pub other_kinds: Option<OtherKinds>,
}

/// How a wanted spot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Credentials may go there.
    Confirmed,
    /// Nobody confirmed it.
    Unconfirmed {
        /// How long until it counts as confirmed; none if no time alone confirms it: the owner changed, or the kinds.
        left: Option<Duration>,
    },
}

/// What is new.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// Where credentials are wanted now.
    pub added: Vec<Spot>,
    /// Where they are not wanted any more.
    pub removed: Vec<Spot>,
    /// The kinds that are wanted now, if they are others.
    pub kinds: BTreeSet<CredentialKind>,
}

impl News {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What happened to the pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Nothing that anybody must be told.
    Nothing,
    /// The record was believed because there was nothing to compare it with.
    FirstUse,
    /// A statement confirmed this or a new owner.
    Stated(News),
    /// This was asked for long enough.
    Waited(News),
    /// This is asked for and nobody confirmed it.
    Noticed(News),
    /// These spots are given up by a permit.
    GivenUp(Vec<Spot>),
    /// The owner is new.
    OwnerChanged(TeamId),
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinPlan {
    /// One a wanted spot, in their order.
    pub standings: Vec<Standing>,
    /// Where else credentials go: nobody gave these up.
    pub kept_on: Vec<Spot>,
    /// How long until a permit may give those up; none if it may.
    pub leaving: Option<Duration>,
    /// Which kinds may be written.
    pub kinds: BTreeSet<CredentialKind>,
    /// How the wanted kinds stand.
    pub layout: Standing,
    /// Whether another owner waits.
    pub is_held: bool,
    /// What is to be remembered before anything is written; none if nothing changes.
    pub keep: Option<Pins>,
    /// What is to be told.
    pub event: Event,
}

/// What is decided under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long what nobody confirms waits.
    pub wait: Duration,
    /// Until when writes may have been lost: pins that are missing may be among them, and what was believed is forgotten.
    pub lost_writes_at: Option<Timestamp>,
}

/// Why a statement does not confirm what is wanted.
pub fn misfit(
    pins: Option<&Pins>,
    wanted: &Wanted,
    confirmation: &Confirmation,
    terms: &Terms,
) -> Option<&'static str> {
    if !wanted.is_stated_by(&confirmation.set) {
        return Some("the statement names other destinations, or another owner, than the catalog");
    }
    if pins.and_then(|pins| pins.stated_at) >= Some(confirmation.issued_at) {
        return Some("the statement is not newer than the last one that was acted upon");
    }
    if terms.lost_writes_at.is_some_and(|lost| confirmation.issued_at <= lost) {
        return Some("the statement is from before writes may have been lost: it may have been acted upon");
    }
    None
}

/// Where a record's credentials may go, given what is remembered and perhaps a statement.
pub fn pin(
    pins: Option<&Pins>,
    wanted: &Wanted,
    confirmation: Option<&Confirmation>,
    terms: &Terms,
    now: &Instant,
) -> PinPlan {
    let believed = confirmation.filter(|confirmation| misfit(pins, wanted, confirmation, terms).is_none());
    let lost;
    let before = match pins {
        Some(before) => before,
        None if terms.lost_writes_at.is_none() => return first_use(wanted, believed),
        // there may have been pins: nothing is believed that could not be believed against them
        None => {
            lost = Pins { is_doubtful: true, ..Pins::none(wanted) };
            &lost
        }
    };
    let mut after = before.clone();
    if after.kinds.is_empty() {
        adopt(&mut after, wanted);
    }
    // a replica that reads an older record must not forget what a newer one brought
    let is_newest = wanted.revision >= before.revision;
    let is_same_owner = wanted.team == before.team;
    if is_newest && is_same_owner {
        after.waiting.retain(|waiting| wanted.spots.contains(&waiting.spot));
    }
    let clock = Clock { wait: terms.wait, now };
    let mut plan = match believed {
        Some(statement) if !statement.is_heirs => state(&mut after, wanted, statement),
        heirs if !is_same_owner => hold(&mut after, wanted, heirs, &clock),
        Some(_) | None => {
            let plan = count(&mut after, wanted, is_newest, &clock);
            // everybody could see for a day whom the catalog names and what it wants
            after.is_doubtful &= wanted.spots.is_empty() || !plan.is_confirmed();
            plan
        }
    };
    plan.kinds.clone_from(&after.kinds);
    plan.keep = (after != *before).then(|| Pins { revision: before.revision.max(wanted.revision), ..after });
    plan
}

/// What was remembered before kinds and keys were: those of the record are there for the first time.
fn adopt(after: &mut Pins, wanted: &Wanted) {
    after.kinds.clone_from(&wanted.kinds);
    for spot in wanted.spots.iter().filter(|spot| spot.kms_key_id.is_some()) {
        if after.confirmed.remove(&Spot { kms_key_id: None, ..spot.clone() }) {
            after.confirmed.insert(spot.clone());
        }
    }
}

/// The pins without the places that the record does not name, and which those are.
pub fn given_up(pins: &Pins, wanted: &Wanted) -> (Pins, Vec<Spot>) {
    let gone = not_wanted(pins, wanted);
    let mut left = Pins { leaving: Vec::new(), ..pins.clone() };
    left.confirmed.retain(|spot| wanted.spots.contains(spot));
    (left, gone)
}

impl Pins {
    /// Without a place.
    fn none(wanted: &Wanted) -> Self {
        Self {
            team: wanted.team.clone(),
            is_doubtful: false,
            held_team: None,
            held_for: None,
            revision: wanted.revision,
            stated_at: None,
            confirmed: BTreeSet::new(),
            waiting: Vec::new(),
            leaving: Vec::new(),
            kinds: wanted.kinds.clone(),
            other_kinds: None,
        }
    }
}

impl PinPlan {
    /// The same for every wanted spot, and nothing else.
    fn of_all(wanted: &Wanted, standing: Standing, event: Event) -> Self {
        Self {
            standings: vec![standing; wanted.spots.len()],
            kept_on: Vec::new(),
            leaving: None,
            kinds: wanted.kinds.clone(),
            layout: standing,
            is_held: false,
            keep: None,
            event,
        }
    }

    /// Whether everything that the record names is confirmed.
    pub fn is_confirmed(&self) -> bool {
        self.standings.iter().chain([&self.layout]).all(|standing| *standing == Standing::Confirmed)
    }

    /// The longest that anything waits yet; none if nothing waits for time.
    pub fn left(&self) -> Option<Duration> {
        let waits = self.standings.iter().chain([&self.layout]).filter_map(|standing| match standing {
            Standing::Unconfirmed { left } => *left,
            Standing::Confirmed => None,
        });
        waits.chain(self.leaving).max()
    }
}

fn first_use(wanted: &Wanted, believed: Option<&Confirmation>) -> PinPlan {
    let pins = Pins {
        stated_at: believed.map(|statement| statement.issued_at),
        confirmed: wanted.spots.iter().cloned().collect(),
        ..Pins::none(wanted)
    };
    let plan = PinPlan::of_all(wanted, Standing::Confirmed, Event::FirstUse);
    PinPlan { keep: Some(pins), ..plan }
}

/// Believes a statement: what is wanted is confirmed, and everything else is given up.
fn state(after: &mut Pins, wanted: &Wanted, statement: &Confirmation) -> PinPlan {
    let news = News {
        added: wanted.spots.iter().filter(|spot| !after.confirmed.contains(spot)).cloned().collect(),
        removed: not_wanted(after, wanted),
        kinds: if after.kinds == wanted.kinds { BTreeSet::new() } else { wanted.kinds.clone() },
    };
    let is_news = !news.is_none() || after.team != wanted.team;
    after.team = wanted.team.clone();
    after.is_doubtful = false;
    after.held_team = None;
    after.held_for = None;
    after.stated_at = Some(statement.issued_at);
    after.confirmed = wanted.spots.iter().cloned().collect();
    after.waiting.clear();
    after.leaving.clear();
    after.kinds.clone_from(&wanted.kinds);
    after.other_kinds = None;
    let event = if is_news { Event::Stated(news) } else { Event::Nothing };
    PinPlan::of_all(wanted, Standing::Confirmed, event)
}

/// Another owner: nothing is written until the former one or an operator says that it is right, or the new one does and it
/// was the owner for long enough. The catalog alone does not make whoever signs an owner.
fn hold(after: &mut Pins, wanted: &Wanted, heirs: Option<&Confirmation>, clock: &Clock<'_>) -> PinPlan {
    let is_known = after.held_team.as_ref() == Some(&wanted.team);
    let since = after.held_for.take().filter(|_| is_known);
    let mut since = since.unwrap_or_else(|| Waited { waited: Duration::ZERO, counted_at: clock.now.clone() });
    let standing = clock.tick(&mut since.waited, &mut since.counted_at);
    let left = match (heirs, standing) {
        (Some(statement), Standing::Confirmed) => return state(after, wanted, statement),
        (Some(_), Standing::Unconfirmed { left }) => left,
        (None, _) => None,
    };
    after.held_team = Some(wanted.team.clone());
    after.held_for = Some(since);
    let event = if is_known { Event::Nothing } else { Event::OwnerChanged(wanted.team.clone()) };
    PinPlan { is_held: true, ..PinPlan::of_all(wanted, Standing::Unconfirmed { left }, event) }
}

/// How long what nobody confirms waits, and what time it is.
struct Clock<'a> {
    wait: Duration,
    now: &'a Instant,
}

impl Clock<'_> {
    /// How long it was waited in all; counted on in whole steps.
    fn tick(&self, waited: &mut Duration, counted_at: &mut Instant) -> Standing {
        let total = waited.saturating_add(self.now.since(counted_at));
        let is_other_boot = self.now.monotonic.boot != counted_at.monotonic.boot;
        if is_other_boot || total.saturating_sub(*waited) >= STEP {
            *waited = total;
            *counted_at = self.now.clone();
        }
        if total < self.wait {
            Standing::Unconfirmed { left: Some(self.wait.saturating_sub(total)) }
        } else {
            Standing::Confirmed
        }
    }

    /// How a spot of a list stands, which it enters if it is new to it.
    fn stands(&self, list: &mut Vec<Waiting>, spot: &Spot, noticed: &mut Vec<Spot>) -> Standing {
        if let Some(known) = list.iter_mut().find(|waiting| waiting.spot == *spot) {
            return self.tick(&mut known.waited, &mut known.counted_at);
        }
        let counted_at = self.now.clone();
        list.push(Waiting { spot: spot.clone(), waited: Duration::ZERO, counted_at });
        noticed.push(spot.clone());
        Standing::Unconfirmed { left: Some(self.wait) }
    }
}

/// The same owner, and no statement: what is new waits, and what is removed is kept on.
fn count(after: &mut Pins, wanted: &Wanted, is_newest: bool, clock: &Clock<'_>) -> PinPlan {
    after.held_team = None;
    after.held_for = None;
    let (mut noticed, mut waited) = (News::default(), News::default());
    let mut standings = Vec::with_capacity(wanted.spots.len());
    for spot in &wanted.spots {
        let standing = if after.confirmed.contains(spot) {
            Standing::Confirmed
        } else {
            clock.stands(&mut after.waiting, spot, &mut noticed.added)
        };
        if standing == Standing::Confirmed && after.confirmed.insert(spot.clone()) {
            after.waiting.retain(|waiting| waiting.spot != *spot);
            // the same objects by another account, region or key: nothing is left where they were
            after.confirmed.retain(|other| wanted.spots.contains(other) || !other.is_same_directory(spot));
            waited.added.push(spot.clone());
        }
        standings.push(standing);
    }
    let layout = layout(after, wanted, is_newest, &mut noticed);
    let kept_on = not_wanted(after, wanted);
    after.leaving.retain(|leaving| kept_on.contains(&leaving.spot));
    let mut leaving = None;
    for spot in kept_on.iter().filter(|_| is_newest) {
        if let Standing::Unconfirmed { left } = clock.stands(&mut after.leaving, spot, &mut noticed.removed) {
            leaving = leaving.max(left);
        }
    }
    if !is_newest && !kept_on.is_empty() {
        leaving = Some(clock.wait);
    }
    let event = match (waited.is_none(), noticed.is_none()) {
        (false, _) => Event::Waited(waited),
        (true, false) => Event::Noticed(noticed),
        (true, true) => Event::Nothing,
    };
    PinPlan { standings, kept_on, leaving, layout, ..PinPlan::of_all(wanted, Standing::Confirmed, event) }
}

/// How the wanted kinds stand. Others than before are not written before somebody signs for them: what is written of them ends
/// what lies in the objects of those before.
fn layout(after: &mut Pins, wanted: &Wanted, is_newest: bool, noticed: &mut News) -> Standing {
    if after.kinds == wanted.kinds || wanted.kinds.is_empty() {
        after.other_kinds = None;
        return Standing::Confirmed;
    }
    if is_newest && after.other_kinds.as_ref().is_none_or(|other| other.kinds != wanted.kinds) {
        noticed.kinds.clone_from(&wanted.kinds);
        after.other_kinds = Some(OtherKinds { kinds: wanted.kinds.clone() });
    }
    Standing::Unconfirmed { left: None }
}

/// Where credentials may go and are not wanted.
fn not_wanted(pins: &Pins, wanted: &Wanted) -> Vec<Spot> {
    pins.confirmed.iter().filter(|spot| !wanted.spots.contains(spot)).cloned().collect()
}

#[cfg(test)]
#[path = "pins_tests.rs"]
mod tests;
