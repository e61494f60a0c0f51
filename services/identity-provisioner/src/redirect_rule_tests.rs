use mint_statement::DestinationSet;
use mint_types::Prefix;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_micros(1_800_000_000_000_000 + seconds * 1_000_000)
}

fn team(name: &str) -> TeamId {
    name.parse().unwrap()
}

fn pin(url: Option<&str>, stated_at: Option<i64>, held: Option<&str>) -> Pin {
    Pin {
        team: Some(team("own")),
        heir: None,
        url: url.map(Into::into),
        is_public: Some(false),
        stated_at: stated_at.map(at),
        held: held.map(Into::into),
        is_type_held: false,
    }
}

fn wanted(url: Option<&str>) -> Wanted {
    Wanted { team: team("own"), url: url.map(Into::into), is_public: false }
}

/// What somebody says about what is wanted.
fn word(issued_at: i64, wanted: &Wanted) -> Confirmation {
    let client = if wanted.is_public { CredentialKind::PublicClient } else { CredentialKind::Client };
    let set = DestinationSet {
        application: "shop".parse().unwrap(),
        team: wanted.team.clone(),
        account_id: None,
        prefix: Prefix::default(),
        buckets: [].into(),
        redirect_url: wanted.url.clone(),
        kinds: [CredentialKind::Password, client].into(),
    };
    Confirmation { issued_at: at(issued_at), is_heirs: false, set }
}

const OWN: Option<&str> = Some("https://own.example/cb");
const EVIL: Option<&str> = Some("https://evil.example/cb");
const DAY: i64 = 24 * 3600;

#[test]
fn the_first_url_is_believed_and_another_one_only_with_a_word_that_names_it() {
    let said = |issued_at, url| Some(word(issued_at, &wanted(url)));
    let table = [
        (None, OWN, None, pin(OWN, None, None), Event::Nothing),
        (None, None, None, pin(None, None, None), Event::Nothing),
        (None, OWN, said(1, OWN), pin(OWN, Some(1), None), Event::Nothing),
        (Some(pin(OWN, None, None)), OWN, None, pin(OWN, None, None), Event::Nothing),
        (Some(pin(OWN, None, None)), EVIL, None, pin(OWN, None, EVIL), Event::Held),
        (Some(pin(OWN, None, EVIL)), EVIL, None, pin(OWN, None, EVIL), Event::Nothing),
        (Some(pin(OWN, None, None)), None, None, pin(OWN, None, Some("")), Event::Held),
        (Some(pin(OWN, None, EVIL)), EVIL, said(2, OWN), pin(OWN, None, EVIL), Event::Nothing),
        (Some(pin(OWN, None, EVIL)), EVIL, said(2, EVIL), pin(EVIL, Some(2), None), Event::Confirmed),
        (Some(pin(OWN, None, EVIL)), OWN, None, pin(OWN, None, None), Event::Nothing),
        (Some(pin(None, None, None)), OWN, said(2, OWN), pin(OWN, Some(2), None), Event::Confirmed),
    ];
    for (pin, url, word, expected, event) in table {
        let ruling = rule(pin.as_ref(), &wanted(url), word.as_ref(), at(0));
        let what = format!("{pin:?} {url:?} {word:?}");
        let is_newly_said = event == Event::Confirmed;
        let expected = Ruling { pin: expected, url: event, client: Event::Nothing, is_newly_said };
        assert_eq!(ruling, expected, "{what}");
    }
}

#[test]
fn a_word_is_believed_once() {
    let evil = wanted(EVIL);
    let first = rule(Some(&pin(OWN, Some(5), None)), &evil, Some(&word(5, &evil)), at(9));
    assert_eq!((first.url, first.pin.url.as_deref()), (Event::Held, OWN), "not newer than the last one");
    let newer = rule(Some(&pin(OWN, Some(5), None)), &wanted(OWN), Some(&word(6, &wanted(OWN))), at(9));
    assert_eq!(newer.pin.stated_at, Some(at(6)));
    let replayed = rule(Some(&newer.pin), &evil, Some(&word(6, &evil)), at(9));
    assert_eq!(replayed.url, Event::Held);
}

#[test]
fn another_client_type_needs_a_word_that_names_it_either_way_and_no_time_confirms_it() {
    for was_public in [false, true] {
        let before = Pin { is_public: Some(was_public), ..pin(OWN, None, None) };
        let other = Wanted { is_public: !was_public, ..wanted(OWN) };
        let held = rule(Some(&before), &other, None, at(0));
        assert_eq!((held.client, held.url), (Event::Held, Event::Nothing));
        assert_eq!((held.pin.is_public, held.pin.is_type_held), (Some(was_public), true));
        let later = rule(Some(&held.pin), &other, None, at(1_000 * DAY));
        assert_eq!((later.client, &later.pin), (Event::Nothing, &held.pin), "said once");

        let mut of_before = word(2, &other);
        of_before.set.kinds.clear();
        let of_the_other_type = word(2, &Wanted { is_public: was_public, ..other.clone() });
        for lie in [of_before, of_the_other_type] {
            assert_eq!(rule(Some(&held.pin), &other, Some(&lie), at(0)).pin.is_public, Some(was_public));
        }
        let stated = rule(Some(&held.pin), &other, Some(&word(2, &other)), at(0));
        assert_eq!((stated.client, stated.pin.is_public), (Event::Confirmed, Some(!was_public)));
        assert!(!stated.pin.is_type_held);
        let back = rule(Some(&held.pin), &Wanted { is_public: was_public, ..other }, None, at(0));
        assert!(!back.pin.is_type_held, "nothing waits any more");
    }
}

#[test]
fn what_was_remembered_before_owners_and_client_types_were_takes_those_that_are_there() {
    let older = Pin { team: None, is_public: None, ..pin(OWN, Some(3), None) };
    let public = Wanted { is_public: true, ..wanted(OWN) };
    let ruling = rule(Some(&older), &public, None, at(0));
    assert_eq!((ruling.client, ruling.pin.is_public), (Event::Nothing, Some(true)));
    assert_eq!((ruling.pin.team, ruling.pin.stated_at), (Some(team("own")), Some(at(3))));
}

#[test]
fn a_new_owners_own_word_counts_when_the_catalog_named_it_for_a_day() {
    let theirs = Wanted { team: team("other"), ..wanted(EVIL) };
    let heirs = |issued_at| Confirmation { is_heirs: true, ..word(issued_at, &theirs) };
    let first = rule(Some(&pin(OWN, None, None)), &theirs, Some(&heirs(1)), at(1));
    assert_eq!((first.url, first.pin.url.as_deref()), (Event::Held, OWN));
    let named = Some(Heir { team: team("other"), since: at(1) });
    assert_eq!((&first.pin.team, &first.pin.heir), (&Some(team("own")), &named));
    let soon = rule(Some(&first.pin), &theirs, Some(&heirs(2)), at(DAY));
    assert_eq!((soon.url, soon.pin.url.as_deref(), &soon.pin.heir), (Event::Nothing, OWN, &named));
    let after = rule(Some(&first.pin), &theirs, Some(&heirs(2)), at(DAY + 1));
    assert_eq!((after.url, after.pin.url.as_deref()), (Event::Confirmed, EVIL));
    assert_eq!((after.pin.team, after.pin.heir), (Some(team("other")), None));

    // the former owner or an operator says it at once
    let at_once = rule(Some(&first.pin), &theirs, Some(&word(2, &theirs)), at(2));
    assert_eq!((at_once.url, at_once.pin.team), (Event::Confirmed, Some(team("other"))));

    // whoever was the owner in between begins anew, and who is named without a word stays an heir
    let back = rule(Some(&first.pin), &wanted(OWN), None, at(DAY / 2));
    assert_eq!((&back.pin.team, &back.pin.heir), (&Some(team("own")), &None));
    let again = rule(Some(&back.pin), &theirs, Some(&heirs(3)), at(DAY + 1));
    assert_eq!((again.url, again.pin.heir.unwrap().since), (Event::Held, at(DAY + 1)));
    let silent = rule(Some(&first.pin), &theirs, None, at(1_000 * DAY));
    assert_eq!((silent.pin.url.as_deref(), silent.pin.team), (OWN, Some(team("own"))));
}
