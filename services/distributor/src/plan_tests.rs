use std::time::Duration;

use mint_secret::EnvelopeDigest;
use mint_testkit::SeededEntropy;
use mint_types::{CredentialKind, RotationId, Timestamp, Version};

use super::{Answer, Attempt, Content, EXPIRY_MARGIN, Place, Step, plan};

const EXPIRY: u64 = 60;

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_micros(0).plus(Duration::from_secs(1_000_000 + second))
}

fn content(version: u64) -> Content {
    Content {
        kind: CredentialKind::Password,
        version: Version(version),
        rotation: RotationId::random(&SeededEntropy::new(version)),
        envelope: EnvelopeDigest::of(&version.to_be_bytes()),
    }
}

fn place(bucket: &str) -> Place {
    Place { store: String::new(), bucket: bucket.to_owned(), key: "mint/shop/user.json".to_owned() }
}

fn attempt(sequence: u64, version: u64, second: u64, answer: Answer) -> Attempt {
    Attempt {
        sequence,
        place: place("one"),
        content: content(version),
        signed_at: at(second),
        expires_at: at(second + EXPIRY),
        answer,
    }
}

fn written(recorded: u64) -> Answer {
    Answer::Written { recorded }
}

/// The end of the fear of an attempt that was signed at this second.
fn feared_until(second: u64) -> u64 {
    second + EXPIRY + EXPIRY_MARGIN.as_secs()
}

struct Case {
    sentence: &'static str,
    attempts: Vec<Attempt>,
    now: u64,
    step: Step,
}

#[test]
fn late_writes_table() {
    let end = feared_until(0);
    let wait = Step::Wait { until: at(end) };
    let cases = [
        Case { sentence: "nothing was tried: put", attempts: vec![], now: 0, step: Step::Put },
        Case {
            sentence: "this version is written: nothing to do",
            attempts: vec![attempt(1, 7, 0, written(2))],
            now: 1,
            step: Step::Settled,
        },
        Case {
            sentence: "this version was refused: put again",
            attempts: vec![attempt(1, 7, 0, Answer::Refused)],
            now: 1,
            step: Step::Put,
        },
        Case {
            sentence: "this version was not answered: put again at once, the same bytes cannot harm themselves",
            attempts: vec![attempt(1, 7, 0, Answer::None)],
            now: 1,
            step: Step::Put,
        },
        Case {
            sentence: "this version was not answered once and written once: settled",
            attempts: vec![attempt(1, 7, 0, Answer::None), attempt(2, 7, 1, written(3))],
            now: 2,
            step: Step::Settled,
        },
        Case {
            sentence: "an older version was written before: put",
            attempts: vec![attempt(1, 6, 0, written(2))],
            now: 1,
            step: Step::Put,
        },
        Case {
            sentence: "an older version was written before this one was: settled",
            attempts: vec![attempt(1, 6, 0, written(2)), attempt(3, 7, 1, written(4))],
            now: 2,
            step: Step::Settled,
        },
        Case {
            sentence: "an older version was refused while this one was written: settled",
            attempts: vec![attempt(1, 6, 0, Answer::Refused), attempt(2, 7, 0, written(3))],
            now: 1,
            step: Step::Settled,
        },
        Case {
            sentence: "an older version was never answered: put early all the same",
            attempts: vec![attempt(1, 6, 0, Answer::None)],
            now: 1,
            step: Step::Put,
        },
        Case {
            sentence: "the early put is written: wait until the older one cannot land",
            attempts: vec![attempt(1, 6, 0, Answer::None), attempt(2, 7, 1, written(3))],
            now: 2,
            step: wait,
        },
        Case {
            sentence: "the early put is not answered: put again",
            attempts: vec![attempt(1, 6, 0, Answer::None), attempt(2, 7, 1, Answer::None)],
            now: 2,
            step: Step::Put,
        },
        Case {
            sentence: "a microsecond is not missing from the wait",
            attempts: vec![attempt(1, 6, 0, Answer::None), attempt(2, 7, 1, written(3))],
            now: end - 1,
            step: wait,
        },
        Case {
            sentence: "the older one can no longer land: put once more",
            attempts: vec![attempt(1, 6, 0, Answer::None), attempt(2, 7, 1, written(3))],
            now: end,
            step: Step::Put,
        },
        Case {
            sentence: "put once more and written: settled",
            attempts: vec![
                attempt(1, 6, 0, Answer::None),
                attempt(2, 7, 1, written(3)),
                attempt(4, 7, end, written(5)),
            ],
            now: end + 1,
            step: Step::Settled,
        },
        Case {
            sentence: "put once more without an answer: put again, nothing to wait for",
            attempts: vec![
                attempt(1, 6, 0, Answer::None),
                attempt(2, 7, 1, written(3)),
                attempt(4, 7, end, Answer::None),
            ],
            now: end + 1,
            step: Step::Put,
        },
        Case {
            sentence: "the older one was unanswered and expired before this version was tried: one put is enough",
            attempts: vec![attempt(1, 6, 0, Answer::None), attempt(2, 7, end, written(3))],
            now: end + 1,
            step: Step::Settled,
        },
        Case {
            sentence: "a replica's older write was answered after ours was begun: put once more, nothing to wait for",
            attempts: vec![attempt(1, 6, 0, written(4)), attempt(2, 7, 0, written(3))],
            now: 1,
            step: Step::Put,
        },
        Case {
            sentence: "of two unanswered older ones the later decides",
            attempts: vec![
                attempt(1, 5, 0, Answer::None),
                attempt(2, 6, 30, Answer::None),
                attempt(3, 7, 31, written(4)),
            ],
            now: 32,
            step: Step::Wait { until: at(feared_until(30)) },
        },
        Case {
            sentence: "an attempt elsewhere is not feared here",
            attempts: vec![
                Attempt { place: place("two"), ..attempt(1, 6, 0, Answer::None) },
                attempt(2, 7, 1, written(3)),
            ],
            now: 2,
            step: Step::Settled,
        },
        Case {
            sentence: "the same bucket behind another endpoint is not written by this, and feared all the same",
            attempts: vec![
                Attempt {
                    place: Place { store: "https://s3.example".to_owned(), ..place("one") },
                    ..attempt(1, 7, 0, written(2))
                },
                Attempt {
                    place: Place { store: "https://s3.example".to_owned(), ..place("one") },
                    ..attempt(3, 6, 0, Answer::None)
                },
                attempt(4, 7, 1, written(5)),
            ],
            now: 2,
            step: wait,
        },
    ];
    for case in cases {
        let plan = plan(&content(7), &[place("one")], &case.attempts, at(case.now));
        assert_eq!(plan.steps, [case.step], "{}", case.sentence);
    }
}

#[test]
fn a_plan_for_no_destination_is_never_complete() {
    assert!(!plan(&content(7), &[], &[], at(0)).is_complete());
}

#[test]
fn one_destination_in_trouble_leaves_the_others_settled() {
    let attempts = [attempt(1, 7, 0, written(2))];
    let plan = plan(&content(7), &[place("one"), place("two")], &attempts, at(1));
    assert_eq!(plan.steps, [Step::Settled, Step::Put]);
    assert!(!plan.is_complete());
}

#[test]
fn another_envelope_of_the_same_version_is_another_content() {
    let attempts = [attempt(1, 7, 0, Answer::None)];
    let resealed = Content { envelope: EnvelopeDigest::of(b"other"), ..content(7) };
    assert_eq!(plan(&resealed, &[place("one")], &attempts, at(1)).steps, [Step::Put]);
    let mut attempts = attempts.to_vec();
    attempts.push(Attempt { content: resealed.clone(), ..attempt(2, 7, 1, written(3)) });
    let wait = Step::Wait { until: at(feared_until(0)) };
    assert_eq!(plan(&resealed, &[place("one")], &attempts, at(2)).steps, [wait]);
}

#[test]
fn what_is_over_is_dropped_only_before_the_first_put_of_a_version() {
    let attempts = vec![
        attempt(1, 5, 0, Answer::None),
        attempt(2, 6, 200, written(3)),
        attempt(4, 6, 201, Answer::Refused),
        attempt(5, 6, 202, Answer::None),
    ];
    let first = plan(&content(7), &[place("one")], &attempts, at(203));
    assert_eq!((first.steps, first.obsolete), (vec![Step::Put], vec![1, 2, 4]));
    let mut later = attempts;
    later.push(attempt(6, 7, 203, Answer::None));
    let second = plan(&content(7), &[place("one")], &later, at(204));
    assert_eq!((second.steps, second.obsolete), (vec![Step::Put], vec![]));
}

mod random_histories {
    use proptest::prelude::*;

    use super::*;

    /// A store that behaves as badly as S3 may: an unanswered write lands at any moment before its fear ends, or never.
    #[derive(Debug, Clone)]
    struct Event {
        version: u64,
        after: u64,
        answered: bool,
        lands_after: Option<u64>,
    }

    fn event() -> impl Strategy<Value = Event> {
        (6u64..=7, 0u64..100, any::<bool>(), proptest::option::of(0u64..feared_until(0))).prop_map(
            |(version, after, answered, lands_after)| Event { version, after, answered, lands_after },
        )
    }

    proptest! {
        #[test]
        fn once_a_version_is_settled_no_older_write_can_land(events in proptest::collection::vec(event(), 0..8)) {
            let mut attempts = Vec::new();
            let mut landings = Vec::new();
            let (mut now, mut sequence) = (0, 0);
            let mut newest = 0;
            for event in events {
                now += event.after;
                if event.version < newest { continue; }
                newest = event.version;
                sequence += 2;
                let answer = if event.answered { written(sequence + 1) } else { Answer::None };
                attempts.push(attempt(sequence, event.version, now, answer));
                let landing = if event.answered { Some(now) } else { event.lands_after.map(|after| now + after) };
                landings.extend(landing.map(|second| (second, event.version)));
            }
            let plan = plan(&content(7), &[place("one")], &attempts, at(now));
            if plan.is_complete() {
                prop_assert!(landings.iter().all(|(second, version)| *version == 7 || *second <= now));
                let last = landings.iter().enumerate().filter(|(_, (second, _))| *second <= now).max_by_key(
                    |(index, (second, _))| (*second, *index));
                prop_assert_eq!(last.map(|(_, (_, version))| *version), Some(7));
            }
        }
    }
}

#[test]
fn after_a_restart_under_a_clock_that_was_set_back_the_full_time_counts_from_the_start() {
    let sent = attempt(1, 6, 5000, Answer::None);
    let (now, uptime) = (at(100), Duration::from_secs(10));
    let seen = super::in_present_time(sent.clone(), None, uptime, now);
    assert_eq!((seen.signed_at, seen.expires_at), (at(90), at(90 + EXPIRY)));
    let ahead = super::in_present_time(sent.clone(), None, uptime, at(5001));
    assert_eq!(ahead, sent, "a clock that goes on is believed");
    let jumped = super::in_present_time(sent, Some(Duration::from_secs(1)), uptime, at(9000));
    assert_eq!(jumped.expires_at, at(8999 + EXPIRY), "what this process began is as old as it is");
}
