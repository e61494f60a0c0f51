//! Whether the issuer still accepts what consumers have: when that is asked, and what an answer means. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use mint_saga::{Backoff, Due, Failure, Sealed, reason, schedule};
use mint_types::{ApplicationId, CredentialKind, Presence, Problem, Timestamp, Version};
use serde::{Deserialize, Serialize};

use crate::desk::{Desk, IdentityPhase};
use crate::plan::{identity_need, is_occupied};
use crate::ports::Verdict;

/// The checks of an application.
pub type Checks = BTreeMap<CredentialKind, Check>;

/// What is known of one credential.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Check {
    /// The version that was asked about last: what is known of it says nothing of another one.
    pub version: Version,
    /// When the issuer last accepted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    /// What keeps the answer of the last check from being one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsure: Option<Unsure>,
    /// Since when it is known that the issuer refuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Timestamp>,
    /// Since when it is known that no key opens what the rotator would log in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable_since: Option<Timestamp>,
}

impl Check {
    /// Nothing is known of a version yet.
    pub fn of(version: Version) -> Self {
        Self { version, accepted_at: None, unsure: None, changed_at: None, unreadable_since: None }
    }
}

/// A check that has to be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Unsure {
    /// When it was made.
    pub asked_at: Timestamp,
    /// When it is made again.
    pub again_at: Timestamp,
    /// How many in a row gave no answer.
    pub tries: u32,
}

/// What a credential needs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing, until something changes or another day begins.
    Rest,
    /// Nothing before this time.
    Wait(Timestamp),
    /// Ask whether the issuer accepts it.
    Ask,
    /// It was changed at the issuer: rotate it.
    Repair,
}

/// Nobody waits less for another try: a check is never urgent, and each is a few writes.
const BACKOFF: Backoff = Backoff { base: Duration::from_mins(2), cap: Duration::from_hours(2) };
/// Repairs that may be under way at once, whatever the reason.
const FEWEST_REPAIRS: usize = 5;
/// And one more for so many checks of the last hour.
const CHECKS_PER_REPAIR: usize = 10;
/// Repairs that take longer hold nobody else up: their user may be disabled at the issuer for good.
pub(crate) const RECENT: Duration = Duration::from_hours(1);

/// The version that consumers find, if nothing at all is being done about it.
pub(crate) fn at_rest(desk: &Desk, kind: CredentialKind, now: Timestamp) -> Option<(Version, Sealed)> {
    let in_use = desk.record.active && desk.record.presence == Presence::Present && desk.paused.is_none();
    let has_user = desk.standing.identity == IdentityPhase::Enabled
        && identity_need(desk).is_none()
        && desk.standing.removal.is_none();
    let is_secret = kind != CredentialKind::PublicClient && desk.kinds().contains(&kind);
    if !in_use || !has_user || !is_secret || !desk.is_deliverable() {
        return None;
    }
    if desk.credential(kind).rotation.is_some() || is_occupied(desk, kind) {
        return None;
    }
    if !matches!(desk.due(kind, now), Some(Due::At(_))) {
        return None;
    }
    let current = desk.as_found(kind).current?;
    let lies_somewhere = !current.destinations.is_empty() && !current.probe.is_empty();
    lies_somewhere.then_some((current.version, current.probe))
}

/// What a credential needs, where everyone is asked about once in a period.
pub fn turn(desk: &Desk, kind: CredentialKind, period: Duration, now: Timestamp) -> Turn {
    let Some((version, _)) = at_rest(desk, kind, now) else { return Turn::Rest };
    let check = check_of(desk, kind, version);
    if check.changed_at.is_some() {
        return Turn::Repair;
    }
    // what was written under a clock that has been set back since says nothing
    if let Some(unsure) = check.unsure.filter(|unsure| unsure.asked_at <= now) {
        return if now < unsure.again_at { Turn::Wait(unsure.again_at) } else { Turn::Ask };
    }
    let slot = schedule::slot(&desk.record.id, kind, period, now);
    // whoever made it logged in with it
    let delivered_at = desk.credential(kind).current.map(|current| current.delivered_at);
    let known = [check.accepted_at, delivered_at].into_iter().flatten().filter(|at| *at <= now).max();
    if known.is_some_and(|known| slot <= known) { Turn::Rest } else { Turn::Ask }
}

/// What is known of a version; nothing, if another one was asked about.
fn check_of(desk: &Desk, kind: CredentialKind, version: Version) -> Check {
    let known = desk.standing.checks.get(&kind).filter(|check| check.version == version);
    known.cloned().unwrap_or_else(|| Check::of(version))
}

/// The check of what consumers find; none if that was never asked about.
fn current_check(desk: &Desk, kind: CredentialKind) -> Option<&Check> {
    let current = desk.credentials.get(&kind)?.current.as_ref()?;
    desk.standing.checks.get(&kind).filter(|check| check.version == current.version)
}

/// When the issuer last accepted what consumers find, in a check.
pub(crate) fn accepted_at(desk: &Desk, kind: CredentialKind) -> Option<Timestamp> {
    current_check(desk, kind)?.accepted_at
}

/// What is wrong with a credential that was changed at the issuer, or cannot be checked, until another version is delivered.
pub(crate) fn problem(desk: &Desk, kind: CredentialKind) -> Option<Problem> {
    let check = current_check(desk, kind)?;
    let changed = check.changed_at.map(|since| (refusal(check.version), since));
    let unreadable = || check.unreadable_since.map(|since| (impossible(check.version), since));
    let (failure, since) = changed.or_else(unreadable)?;
    Some(failure.problem(Some(kind), since))
}

/// What a version is that the issuer accepts no more.
pub(crate) fn refusal(version: Version) -> Failure {
    let detail = format!("the issuer refused two logins with version {version}, which it accepted before");
    Failure::new(reason::CREDENTIAL_CHANGED_AT_ISSUER, detail)
}

/// What a version is of which nobody can find out any more whether the issuer accepts it.
pub(crate) fn impossible(version: Version) -> Failure {
    let detail = format!("no key of the rotator opens what it would log in with as version {version}");
    Failure::new(reason::CHECK_IMPOSSIBLE, detail)
}

/// Whether a check failed of what no later try can mend: with these keys, it is never made.
pub(crate) fn is_impossible(failure: &Failure) -> bool {
    failure.is(reason::ENVELOPE_UNOPENABLE) || failure.is(reason::ENVELOPE_INVALID)
}

/// What the rotator's answer makes of what is known; `random` spreads those who ask again.
pub(crate) fn after(
    known: &Check,
    answer: &Result<Verdict, Failure>,
    period: Duration,
    now: Timestamp,
    random: u64,
) -> Check {
    let before = known.unsure.map_or(0, |unsure| unsure.tries);
    let unreadable_since = match answer {
        Err(failure) if is_impossible(failure) => known.unreadable_since.or(Some(now)),
        // whoever did not answer says nothing of the keys
        Err(_) => known.unreadable_since,
        Ok(_) => None,
    };
    let again = |wait: Duration, tries| Check {
        unsure: Some(Unsure { asked_at: now, again_at: now.plus(wait), tries }),
        unreadable_since,
        ..known.clone()
    };
    match answer {
        Ok(Verdict::Accepted) => Check { accepted_at: Some(now), ..Check::of(known.version) },
        Ok(Verdict::Refused) => Check {
            unsure: None,
            changed_at: known.changed_at.or(Some(now)),
            unreadable_since,
            ..known.clone()
        },
        Ok(Verdict::RefusedOnce { retry_after } | Verdict::NotNow { retry_after }) => {
            again(*retry_after, before)
        }
        Ok(Verdict::NotTried) => again(period, 0),
        Err(failure) => {
            let tries = before.saturating_add(1);
            again(BACKOFF.delay(tries, failure.retry_after, random), tries)
        }
    }
}

/// Notes an answer on the desk.
pub(crate) fn note(
    desk: &mut Desk,
    (kind, version): (CredentialKind, Version),
    answer: &Result<Verdict, Failure>,
    period: Duration,
    now: Timestamp,
    random: u64,
) {
    let known = check_of(desk, kind, version);
    desk.standing.checks.insert(kind, after(&known, answer, period, now, random));
}

/// What a look at everybody found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// Whom to ask about.
    pub ask: Vec<(ApplicationId, CredentialKind)>,
    /// What to rotate.
    pub repair: Vec<(ApplicationId, CredentialKind)>,
    /// When something has to be asked again.
    pub again_at: Option<Timestamp>,
    /// Checks that were answered within the last hour.
    answered: usize,
    /// Repairs of the last hour that have not delivered yet.
    under_way: usize,
}

impl Round {
    /// Looks at an application.
    pub fn look(&mut self, desk: &Desk, period: Duration, now: Timestamp) {
        let is_recent = |at: Timestamp| at <= now && now.since(at) < RECENT;
        for kind in desk.kinds() {
            let Some(check) = current_check(desk, *kind) else { continue };
            let answered = check.accepted_at.into_iter().chain(check.changed_at).max();
            self.answered += usize::from(answered.is_some_and(is_recent));
            let open = desk.credential(*kind).rotation.map(|rotation| rotation.opened_at);
            self.under_way += usize::from(check.changed_at.is_some() && open.is_some_and(is_recent));
        }
        for kind in desk.kinds() {
            match turn(desk, *kind, period, now) {
                Turn::Rest => {}
                Turn::Wait(until) => self.again_at = Some(self.again_at.map_or(until, |at| at.min(until))),
                Turn::Ask => self.ask.push((desk.record.id.clone(), *kind)),
                Turn::Repair => self.repair.push((desk.record.id.clone(), *kind)),
            }
        }
    }

    /// How many more repairs may begin now.
    pub fn repairs_left(&self) -> usize {
        FEWEST_REPAIRS.max(self.answered / CHECKS_PER_REPAIR).saturating_sub(self.under_way)
    }
}
