//! When a key is what: next, active, retiring. Pure: entries and a time in, standings out.

use std::time::Duration;

use mint_types::{Period, Timestamp};
use serde::{Deserialize, Serialize};

use super::Algorithm;

/// No token lives longer, whatever is configured: a key is kept for so long after its last signature.
pub(crate) const LONGEST_TOKEN: Duration = Duration::from_hours(1);
/// How far the clocks of replicas and relying parties may be apart.
const SKEW: Duration = Duration::from_mins(1);

/// A key in the schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Its id: the thumbprint of its public half.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Since when it is in the published set.
    pub published_at: Timestamp,
    /// From when on it is meant to sign.
    pub active_from: Timestamp,
    /// A certificate of its public half (DER in base64), for relying parties that want one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Signs.
    Active,
    /// Published, not signing yet.
    Next,
    /// Signed until lately; published until the last token has expired.
    Retiring,
}

/// A published key at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing<'a> {
    /// The key.
    pub entry: &'a Entry,
    /// What it is.
    pub stage: Stage,
    /// When it began or begins to sign.
    pub signs_from: Timestamp,
}

/// `schedule.json`: every key of the directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Schedule {
    /// The keys.
    pub keys: Vec<Entry>,
}

impl Schedule {
    /// What is published at `now`, in the order of the JWKS: the active RS256 key (some relying parties take only the
    /// first), other active keys, next, retiring. `cache` is how long relying parties may keep what they fetched.
    pub(crate) fn at(&self, now: Timestamp, cache: Period) -> Vec<Standing<'_>> {
        let mut standings: Vec<Standing<'_>> = [Algorithm::Rs256, Algorithm::Es256]
            .into_iter()
            .flat_map(|algorithm| self.of(algorithm, now, cache))
            .collect();
        // stable: within a stage RS256 stays first, and keys of one algorithm stay in their order
        standings.sort_by_key(|standing| standing.stage);
        standings
    }

    /// The key that signs at `now`.
    pub(crate) fn signer(&self, algorithm: Algorithm, now: Timestamp, cache: Period) -> Option<&Entry> {
        self.of(algorithm, now, cache)
            .into_iter()
            .find(|standing| standing.stage == Stage::Active)
            .map(|standing| standing.entry)
    }

    /// The algorithms whose key has signed for `every`, and whose next one is not there yet.
    pub(crate) fn due(&self, now: Timestamp, cache: Period, every: Period) -> Vec<Algorithm> {
        let is_due = |algorithm: &Algorithm| {
            let keys = self.of(*algorithm, now, cache);
            let is_old = |key: &Standing<'_>| {
                key.stage == Stage::Active && now >= key.signs_from.plus(every.as_duration())
            };
            keys.iter().any(is_old) && keys.iter().all(|key| key.stage != Stage::Next)
        };
        [Algorithm::Rs256, Algorithm::Es256].into_iter().filter(is_due).collect()
    }

    /// Keys that nobody needs any more: their files may go.
    pub(crate) fn ended(&self, now: Timestamp, cache: Period) -> Vec<&Entry> {
        let published: Vec<&str> =
            self.at(now, cache).iter().map(|standing| standing.entry.kid.as_str()).collect();
        self.keys.iter().filter(|entry| !published.contains(&entry.kid.as_str())).collect()
    }

    fn of(&self, algorithm: Algorithm, now: Timestamp, cache: Period) -> Vec<Standing<'_>> {
        let mut entries: Vec<&Entry> =
            self.keys.iter().filter(|entry| entry.algorithm == algorithm).collect();
        entries.sort_by_key(|entry| (entry.published_at, entry.active_from));
        let mut begun: Vec<(&Entry, Timestamp)> = entries
            .into_iter()
            .enumerate()
            .map(|(number, entry)| (entry, signs_from(entry, number == 0, cache)))
            .collect();
        begun.sort_by_key(|(_, from)| *from);
        let ends = |number: usize| begun.get(number + 1).map(|(_, from)| *from);
        let standings = begun.iter().enumerate().filter_map(|(number, (entry, from))| {
            let stage = stage(now, *from, ends(number))?;
            Some(Standing { entry, stage, signs_from: *from })
        });
        standings.collect()
    }
}

/// A key that others may not have fetched yet signs nothing, whatever its schedule says. Nobody can have fetched a set
/// without the first one: before it there was none.
fn signs_from(entry: &Entry, is_first: bool, cache: Period) -> Timestamp {
    if is_first {
        return entry.active_from;
    }
    entry.active_from.max(entry.published_at.plus(cache.as_duration()))
}

/// None: the last token that it signed has expired.
fn stage(now: Timestamp, from: Timestamp, until: Option<Timestamp>) -> Option<Stage> {
    if now < from {
        return Some(Stage::Next);
    }
    match until {
        Some(until) if now >= until.plus(LONGEST_TOKEN).plus(SKEW) => None,
        Some(until) if now >= until => Some(Stage::Retiring),
        Some(_) | None => Some(Stage::Active),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CACHE: Period = Period::from_seconds(600);

    fn at(second: u64) -> Timestamp {
        Timestamp::from_unix_micros(0).plus(Duration::from_secs(second))
    }

    fn entry(kid: &str, algorithm: Algorithm, published: u64, active: u64) -> Entry {
        Entry {
            kid: kid.to_owned(),
            algorithm,
            published_at: at(published),
            active_from: at(active),
            certificate: None,
        }
    }

    fn shown(schedule: &Schedule, second: u64) -> String {
        let standings = schedule.at(at(second), CACHE);
        let texts: Vec<String> =
            standings.iter().map(|standing| format!("{}:{:?}", standing.entry.kid, standing.stage)).collect();
        texts.join(" ")
    }

    #[test]
    fn a_key_goes_next_active_retiring_and_is_withdrawn_when_its_last_token_has_expired() {
        let keys = vec![entry("one", Algorithm::Es256, 0, 0), entry("two", Algorithm::Es256, 1_000, 2_000)];
        let schedule = Schedule { keys };
        for (second, expected) in [
            (0, "one:Active two:Next"),
            (1_999, "one:Active two:Next"),
            (2_000, "two:Active one:Retiring"),
            // an hour and a minute after its last signature
            (5_659, "two:Active one:Retiring"),
            (5_660, "two:Active"),
        ] {
            assert_eq!(shown(&schedule, second), expected, "at {second}");
        }
        let signer =
            |second| schedule.signer(Algorithm::Es256, at(second), CACHE).map(|entry| entry.kid.as_str());
        assert_eq!((signer(1_999), signer(2_000)), (Some("one"), Some("two")));
        assert!(schedule.ended(at(5_659), CACHE).is_empty());
        assert_eq!(schedule.ended(at(5_660), CACHE)[0].kid, "one");
    }

    #[test]
    fn a_key_signs_nothing_before_it_was_published_for_a_cache_lifetime() {
        let keys = vec![entry("one", Algorithm::Es256, 0, 0), entry("two", Algorithm::Es256, 1_000, 1_000)];
        let schedule = Schedule { keys };
        assert_eq!(shown(&schedule, 1_599), "one:Active two:Next", "it says now, and is made to wait");
        assert_eq!(shown(&schedule, 1_600), "two:Active one:Retiring");
        assert!(schedule.signer(Algorithm::Rs256, at(1_600), CACHE).is_none());
    }

    #[test]
    fn a_key_is_due_when_it_has_signed_for_its_time_and_only_until_the_next_one_is_there() {
        const EVERY: Period = Period::from_seconds(10_000);
        let mut schedule = Schedule { keys: vec![entry("one", Algorithm::Es256, 0, 500)] };
        let due = |schedule: &Schedule, second| schedule.due(at(second), CACHE, EVERY);
        assert_eq!(due(&schedule, 10_499), []);
        assert_eq!(due(&schedule, 10_500), [Algorithm::Es256]);
        assert_eq!(
            Schedule::default().due(at(99_999), CACHE, EVERY),
            [],
            "the first one is nobody's to make"
        );
        schedule.keys.push(entry("two", Algorithm::Es256, 10_500, 11_100));
        schedule.keys.push(entry("rsa", Algorithm::Rs256, 0, 1_000));
        assert_eq!(due(&schedule, 10_600), [], "the next one waits");
        assert_eq!(due(&schedule, 11_000), [Algorithm::Rs256], "each algorithm for itself");
        assert_eq!(due(&schedule, 21_099), [Algorithm::Rs256]);
        assert_eq!(due(&schedule, 21_100), [Algorithm::Rs256, Algorithm::Es256]);
    }

    #[test]
    fn the_active_rs256_key_is_first_then_other_active_ones_next_and_retiring() {
        let keys = vec![
            entry("es-old", Algorithm::Es256, 0, 0),
            entry("es", Algorithm::Es256, 1_000, 2_000),
            entry("es-next", Algorithm::Es256, 2_500, 9_000),
            entry("rs-old", Algorithm::Rs256, 0, 0),
            entry("rs", Algorithm::Rs256, 1_000, 2_000),
            entry("rs-next", Algorithm::Rs256, 2_500, 9_000),
        ];
        assert_eq!(
            shown(&Schedule { keys }, 3_000),
            "rs:Active es:Active rs-next:Next es-next:Next rs-old:Retiring es-old:Retiring"
        );
    }
}
