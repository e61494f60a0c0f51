use mint_types::Entropy;

use super::*;

const START: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);
const POLL: Duration = Duration::from_mins(2);
const LONGEST: Duration = Duration::from_hours(24);

#[derive(Debug)]
struct Fixed(u8);

impl Entropy for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

fn version(number: u8) -> VersionId {
    VersionId::random(&Fixed(number))
}

fn report(kind: CredentialKind, held: u8, sequence: u64) -> Report {
    Report { kind, version_id: version(held), sequence, poll_interval: POLL }
}

fn name(text: &str) -> InstanceName {
    text.parse().unwrap()
}

fn minutes(minutes: u64) -> Timestamp {
    START.plus(Duration::from_mins(minutes))
}

/// Instances by name, each with the version of the password that it holds, heard at a minute.
fn roster(instances: &[(&str, u8, u64)]) -> Roster {
    let mut roster = Roster::default();
    for (instance, held, heard_at) in instances {
        let said = report(CredentialKind::Password, *held, 1);
        roster.hear(&name(instance), &said, minutes(*heard_at)).unwrap();
    }
    roster
}

#[test]
fn retire_waits_for_whoever_reported_another_version_within_three_polls() {
    type Reports = &'static [(&'static str, u8, u64)];
    let table: [(&str, Reports, u64, Option<u64>); 7] = [
        ("nobody reports", &[], 0, None),
        ("everybody has it", &[("a", 2, 0), ("b", 2, 0)], 0, None),
        ("one has not", &[("a", 2, 0), ("b", 1, 0)], 0, Some(7)),
        ("two have not", &[("a", 1, 3), ("b", 1, 1)], 4, Some(10)),
        ("it missed three polls", &[("b", 1, 0)], 7, None),
        ("one is silent, one is not", &[("a", 1, 0), ("b", 1, 5)], 8, Some(12)),
        ("an even older version", &[("b", 0, 0)], 1, Some(7)),
    ];
    for (what, instances, now, until) in table {
        let waits = roster(instances).lagging_until(
            CredentialKind::Password,
            version(2),
            START,
            LONGEST,
            minutes(now),
        );
        assert_eq!(waits, until.map(minutes), "{what}");
    }
}

#[test]
fn nobody_is_waited_for_beyond_the_longest_overlap() {
    let lagging = roster(&[("a", 1, 8)]);
    let until = |longest, now| {
        let longest = Duration::from_mins(longest);
        lagging.lagging_until(CredentialKind::Password, version(2), START, longest, minutes(now))
    };
    assert_eq!(until(60, 9), Some(minutes(15)));
    assert_eq!(until(10, 9), Some(minutes(10)));
    assert_eq!(until(10, 10), None);
    assert_eq!(until(0, 8), None);
}

#[test]
fn only_what_shares_an_issuer_object_lags() {
    let mut roster = roster(&[("a", 1, 0)]);
    let until = |roster: &Roster, kind| roster.lagging_until(kind, version(2), START, LONGEST, START);
    assert_eq!(until(&roster, CredentialKind::Client), None);
    assert!(until(&roster, CredentialKind::Combined).is_some(), "it replaces the password");
    roster.hear(&name("a"), &report(CredentialKind::Combined, 2, 2), START).unwrap();
    assert_eq!(until(&roster, CredentialKind::Combined), None, "it reads the other layout now");
}

#[test]
fn a_report_that_is_not_newer_is_refused_and_changes_nothing() {
    let mut roster = Roster::default();
    let password = |held, sequence| report(CredentialKind::Password, held, sequence);
    roster.hear(&name("a"), &password(1, 10), START).unwrap();
    let before = roster.clone();
    for sequence in [0, 9, 10] {
        let refused = roster.hear(&name("a"), &password(2, sequence), minutes(1));
        assert_eq!(refused, Err(Unheard::Replayed { last: 10 }));
        assert_eq!(roster, before);
    }
    roster.hear(&name("b"), &password(2, 1), START).unwrap();
    roster.hear(&name("a"), &password(2, 11), START).unwrap();
    // whoever went away and comes back is still known by its sequence
    let later = START.plus(Duration::from_hours(20));
    assert_eq!(roster.hear(&name("a"), &password(1, 11), later), Err(Unheard::Replayed { last: 11 }));
    assert_eq!(roster.holdings(later).count(), 0);
}

#[test]
fn the_thousand_and_first_instance_is_refused_until_one_is_silent() {
    let mut roster = Roster::default();
    let said = report(CredentialKind::Password, 1, 1);
    for number in 0..MOST_INSTANCES {
        roster.hear(&name(&format!("i{number}")), &said, START).unwrap();
    }
    assert_eq!(roster.hear(&name("one-more"), &said, minutes(6)), Err(Unheard::TooMany));
    roster.hear(&name("i5"), &report(CredentialKind::Password, 1, 2), minutes(6)).unwrap();
    roster.hear(&name("one-more"), &said, minutes(7)).unwrap();
    assert_eq!(roster.holdings(minutes(7)).count(), 2);
}

#[test]
fn an_instance_has_a_name_without_surprises() {
    for good in ["a", "web-7.eu@host+1_x", &"x".repeat(128)] {
        assert!(good.parse::<InstanceName>().is_ok(), "{good}");
    }
    for bad in ["", "a b", "a/b", "ä", "a\n", &"x".repeat(129)] {
        assert!(bad.parse::<InstanceName>().is_err(), "{bad}");
    }
}

#[test]
fn a_roster_survives_its_text() {
    let roster = roster(&[("a", 1, 0), ("b", 2, 3)]);
    let text = serde_json::to_string(&roster).unwrap();
    assert_eq!(serde_json::from_str::<Roster>(&text).unwrap(), roster);
}
