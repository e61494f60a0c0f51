//! What to put, what to wait for, and whether a receipt is due: state in, plan out.
//!
//! S3 is last-writer-wins and cannot be read here, so an older write that was never answered may still land. A
//! destination is settled when one write of ours is confirmed that was begun after every write of something else was
//! answered, refused, or could no longer land.

pub mod pins;
pub mod tombstones;

use std::collections::BTreeSet;
use std::time::Duration;

use mint_secret::EnvelopeDigest;
use mint_types::mutation::{Mutation, mutated};
use mint_types::{CredentialKind, Destination, RotationId, Timestamp, Version};

use crate::ages::before;

/// How much longer than its expiry an unanswered PUT is feared: our clock and the store's may differ, and a request
/// that arrived in time takes its time to be done.
pub const EXPIRY_MARGIN: Duration = Duration::from_secs(30);

/// What is written: two writes with the same content cannot harm each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Content {
    /// Which credential.
    pub kind: CredentialKind,
    /// Which version of it.
    pub version: Version,
    /// The rotation that made it.
    pub rotation: RotationId,
    /// The envelope that was opened.
    pub envelope: EnvelopeDigest,
}

/// Where it is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The store's endpoint; empty for AWS's own.
    pub store: String,
    /// The bucket.
    pub bucket: String,
    /// The object's key.
    pub key: String,
}

impl Place {
    /// The place of a destination; `default_store` is used where its bucket names none.
    pub fn of(destination: &Destination, default_store: &str) -> Self {
        let endpoint = destination.bucket.endpoint.as_ref();
        Self {
            store: endpoint.map_or(default_store, |url| url.as_str()).to_owned(),
            bucket: destination.bucket.name.to_string(),
            key: destination.key.clone(),
        }
    }

    /// Whether a write to one may show at the other. The same bucket behind another endpoint may be the same bucket.
    pub(crate) fn may_be(&self, other: &Self) -> bool {
        self.bucket == other.bucket && self.key == other.key
    }
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Nobody knows: it was never answered, or the answer says nothing.
    None,
    /// The store confirmed it; the answer was recorded at this place of the application's sequence.
    Written {
        /// Position in the application's sequence.
        recorded: u64,
    },
    /// It surely was not written.
    Refused,
}

/// One PUT, as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// Its place in the order of the application's attempts and answers.
    pub sequence: u64,
    /// Where.
    pub place: Place,
    /// What.
    pub content: Content,
    /// When it was signed, and so before it was sent.
    pub signed_at: Timestamp,
    /// When the store stops accepting it.
    pub expires_at: Timestamp,
    /// What became of it.
    pub answer: Answer,
}

impl Attempt {
    /// Until when it may still land.
    fn feared_until(&self) -> Timestamp {
        self.expires_at.plus(EXPIRY_MARGIN)
    }

    /// Whether `write`, once confirmed, surely came after this one.
    fn is_before(&self, write: &Self) -> bool {
        match self.answer {
            Answer::Refused => true,
            Answer::Written { recorded } => recorded < write.sequence,
            Answer::None => self.feared_until() <= write.signed_at || mutated(Mutation::OldAttemptNotAwaited),
        }
    }

    /// Whether it can no longer matter to a write that begins now.
    fn is_over(&self, now: Timestamp) -> bool {
        match self.answer {
            Answer::Refused | Answer::Written { .. } => true,
            Answer::None => self.feared_until() <= now,
        }
    }
}

/// What to do about one destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it holds this content and nothing older can land there any more.
    Settled,
    /// Write it.
    Put,
    /// It is written, but something older may still land on top of it: write once more from then on.
    Wait {
        /// When nothing older can land any more.
        until: Timestamp,
    },
}

/// What to do about all destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// One step a destination, in the destinations' order.
    pub steps: Vec<Step>,
    /// Attempts that will never matter again once the puts have begun.
    pub obsolete: Vec<u64>,
}

impl Plan {
    /// Whether every destination is settled; never for no destination.
    pub fn is_complete(&self) -> bool {
        if mutated(Mutation::CommitBeforeAllDestinations) {
            return self.steps.contains(&Step::Settled);
        }
        let is_somewhere = !self.steps.is_empty() || mutated(Mutation::ReceiptForZeroDestinations);
        is_somewhere && self.steps.iter().all(|step| *step == Step::Settled)
    }
}

/// Plans the delivery of a content to places, given everything that was ever tried and may matter.
pub fn plan(content: &Content, places: &[Place], attempts: &[Attempt], now: Timestamp) -> Plan {
    let steps: Vec<Step> = places.iter().map(|place| step(content, place, attempts, now)).collect();
    let mut obsolete = BTreeSet::new();
    for (place, _) in places.iter().zip(&steps).filter(|(_, step)| **step == Step::Put) {
        let there = || attempts.iter().filter(|attempt| attempt.place.may_be(place));
        // Later attempts of this content compare themselves with everything older than the first one: drop nothing
        // after the first.
        if there().any(|attempt| attempt.content == *content) {
            continue;
        }
        obsolete.extend(there().filter(|attempt| attempt.is_over(now)).map(|attempt| attempt.sequence));
    }
    Plan { steps, obsolete: obsolete.into_iter().collect() }
}

impl Plan {
    /// The same where the issuer learns of the content only once it is written somewhere (*replace*): what is older ends
    /// then, so nothing is written anywhere before nothing older can land on top of it.
    #[must_use]
    pub fn beginning_when_quiet(
        mut self,
        content: &Content,
        places: &[Place],
        attempts: &[Attempt],
        now: Timestamp,
    ) -> Self {
        let may_be_somewhere =
            |attempt: &Attempt| attempt.content == *content && attempt.answer != Answer::Refused;
        if attempts.iter().any(may_be_somewhere) {
            return self;
        }
        let feared = attempts.iter().filter(|attempt| {
            attempt.content != *content
                && !attempt.is_over(now)
                && places.iter().any(|place| attempt.place.may_be(place))
        });
        let Some(until) = feared.map(Attempt::feared_until).max() else {
            return self;
        };
        self.steps.fill(Step::Wait { until });
        self.obsolete.clear();
        self
    }
}

/// An attempt in the terms of the present wall clock: `age` is how long ago this process began it, by the monotonic clock;
/// none if another process did. It counts as old as both clocks agree that it is. A clock that was set back since says
/// nothing about what another process began, which then counts from this process's start.
pub(crate) fn in_present_time(
    attempt: Attempt,
    age: Option<Duration>,
    uptime: Duration,
    now: Timestamp,
) -> Attempt {
    let was_set_back = now < attempt.signed_at;
    let Some(age) = age.or(was_set_back.then_some(uptime)) else {
        return attempt;
    };
    let life = attempt.expires_at.since(attempt.signed_at);
    let signed_at = before(now, age);
    let by_monotonic = signed_at.plus(life);
    let expires_at = if was_set_back { by_monotonic } else { by_monotonic.max(attempt.expires_at) };
    Attempt { signed_at, expires_at, ..attempt }
}

/// Which places hold a content for sure, and since when at the earliest.
pub(crate) fn written(
    content: &Content,
    places: &[Place],
    attempts: &[Attempt],
) -> Option<(Vec<usize>, Timestamp)> {
    let of_it =
        |attempt: &&Attempt| attempt.content == *content && matches!(attempt.answer, Answer::Written { .. });
    let first = attempts.iter().filter(of_it).map(|attempt| attempt.signed_at).min()?;
    let is_written = |place: &Place| attempts.iter().filter(of_it).any(|attempt| attempt.place == *place);
    let indices: Vec<usize> =
        places.iter().enumerate().filter(|(_, place)| is_written(place)).map(|(index, _)| index).collect();
    (!indices.is_empty()).then_some((indices, first))
}

fn step(content: &Content, place: &Place, attempts: &[Attempt], now: Timestamp) -> Step {
    let others: Vec<&Attempt> = attempts
        .iter()
        .filter(|attempt| attempt.place.may_be(place) && attempt.content != *content)
        .collect();
    let written: Vec<&Attempt> = attempts
        .iter()
        .filter(|attempt| attempt.place == *place && attempt.content == *content)
        .filter(|attempt| matches!(attempt.answer, Answer::Written { .. }))
        .collect();
    let comes_last = |write: &&Attempt| others.iter().all(|other| other.is_before(write));
    if written.iter().any(comes_last) {
        return Step::Settled;
    }
    let is_quiet = others.iter().all(|other| other.is_over(now));
    if mutated(Mutation::LateWriteNotReput) && !written.is_empty() && is_quiet {
        return Step::Settled;
    }
    let still_feared = others.iter().filter(|other| !other.is_over(now));
    let Some(until) = still_feared.map(|other| other.feared_until()).max() else {
        return Step::Put;
    };
    // Until then one early write is enough: consumers get the new version while we wait.
    let is_early =
        |write: &&Attempt| others.iter().all(|other| other.is_before(write) || !other.is_over(now));
    if written.iter().any(is_early) {
        return Step::Wait { until };
    }
    Step::Put
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
