use super::*;

const WAIT: Duration = Duration::from_hours(24);
const TERMS: Terms = Terms { wait: WAIT, lost_writes_at: None };
const HOUR: Duration = Duration::from_hours(1);

/// So many hours after the start, by both clocks.
fn at(hours: u32) -> Instant {
    Instant {
        wall: Timestamp::from_unix_micros(1_800_000_000_000_000).plus(HOUR * hours),
        monotonic: Monotonic { boot: "a".to_owned(), nanos: u64::from(hours) * 3_600_000_000_000 },
    }
}

fn spot(bucket: &str) -> Spot {
    Spot {
        account_id: Some("123456789012".parse().unwrap()),
        prefix: "mint".parse().unwrap(),
        bucket: bucket.parse().unwrap(),
        region: "eu-central-1".to_owned(),
        endpoint: String::new(),
        kms_key_id: None,
    }
}

fn wanted(team: &str, buckets: &[&str], revision: u64) -> Wanted {
    Wanted {
        team: team.parse().unwrap(),
        spots: buckets.iter().map(|bucket| spot(bucket)).collect(),
        kinds: [CredentialKind::Password, CredentialKind::Client].into(),
        revision: Revision(revision),
    }
}

fn statement(wanted: &Wanted, hours: u32) -> Confirmation {
    let spots = wanted.spots.iter();
    let buckets = spots.map(|spot| StatedPlace {
        name: spot.bucket.clone(),
        region: spot.region.clone(),
        endpoint: spot.endpoint.clone(),
        kms_key_id: spot.kms_key_id.clone(),
    });
    let set = DestinationSet {
        application: "shop".parse().unwrap(),
        team: wanted.team.clone(),
        account_id: wanted.spots[0].account_id.clone(),
        prefix: wanted.spots[0].prefix.clone(),
        buckets: buckets.collect(),
        redirect_url: None,
        kinds: wanted.kinds.clone(),
    };
    Confirmation { issued_at: at(hours).wall, is_heirs: false, set }
}

fn pinned(wanted: &Wanted) -> Pins {
    pin(None, wanted, None, &TERMS, &at(0)).keep.unwrap()
}

fn added(bucket: &str) -> News {
    News { added: vec![spot(bucket)], ..News::default() }
}

fn is_confirmed(plan: &PinPlan) -> Vec<bool> {
    plan.standings.iter().map(|standing| *standing == Standing::Confirmed).collect()
}

#[test]
fn the_first_record_is_believed_and_nothing_is_kept_while_nothing_changes() {
    let wanted = wanted("team", &["one-bucket"], 3);
    let plan = pin(None, &wanted, None, &TERMS, &at(0));
    assert_eq!((is_confirmed(&plan), &plan.event), (vec![true], &Event::FirstUse));
    let again = pin(plan.keep.as_ref(), &wanted, None, &TERMS, &at(1));
    assert_eq!((is_confirmed(&again), again.keep, again.event), (vec![true], None, Event::Nothing));
}

#[test]
fn a_new_spot_waits_and_the_others_are_served() {
    let pins = pinned(&wanted("team", &["one-bucket"], 3));
    let more = wanted("team", &["one-bucket", "two-bucket"], 4);
    let first = pin(Some(&pins), &more, None, &TERMS, &at(1));
    assert_eq!(first.standings, [Standing::Confirmed, Standing::Unconfirmed { left: Some(WAIT) }]);
    assert_eq!(first.event, Event::Noticed(added("two-bucket")));
    let later = pin(first.keep.as_ref(), &more, None, &TERMS, &at(24));
    assert_eq!(later.standings[1], Standing::Unconfirmed { left: Some(HOUR) });
    assert_eq!(later.event, Event::Nothing);
    let last = pin(later.keep.as_ref(), &more, None, &TERMS, &at(25));
    assert_eq!((is_confirmed(&last), last.event), (vec![true, true], Event::Waited(added("two-bucket"))));
}

#[test]
fn everything_that_decides_whose_a_bucket_is_and_who_reads_there_makes_it_a_new_spot() {
    let before = wanted("team", &["one-bucket"], 3);
    let pins = pinned(&before);
    let changes: [fn(&mut Spot); 5] = [
        |spot| spot.account_id = Some("999999999999".parse().unwrap()),
        |spot| spot.prefix = "elsewhere".parse().unwrap(),
        |spot| spot.region = "us-east-1".to_owned(),
        |spot| spot.endpoint = "https://evil.example".to_owned(),
        |spot| spot.kms_key_id = Some("alias/evil".to_owned()),
    ];
    for change in changes {
        let mut after = before.clone();
        change(&mut after.spots[0]);
        let plan = pin(Some(&pins), &after, None, &TERMS, &at(1));
        assert_eq!(is_confirmed(&plan), [false], "{:?}", after.spots);
        let said = statement(&before, 1);
        assert!(
            !pin(Some(&pins), &after, Some(&said), &TERMS, &at(1)).is_confirmed(),
            "it says something else"
        );
        assert!(pin(Some(&pins), &after, Some(&statement(&after, 1)), &TERMS, &at(1)).is_confirmed());
    }
}

#[test]
fn pins_of_before_kinds_and_keys_were_remembered_take_those_that_are_there() {
    let mut record = wanted("team", &["one-bucket", "two-bucket"], 3);
    let older = Pins { kinds: BTreeSet::new(), ..pinned(&record) };
    record.spots[1].kms_key_id = Some("alias/shop".to_owned());
    let plan = pin(Some(&older), &record, None, &TERMS, &at(1));
    assert_eq!(
        (is_confirmed(&plan), &plan.kept_on, plan.layout),
        (vec![true, true], &vec![], Standing::Confirmed)
    );
    let kept = plan.keep.unwrap();
    record.spots[1].kms_key_id = Some("alias/evil".to_owned());
    assert_eq!(is_confirmed(&pin(Some(&kept), &record, None, &TERMS, &at(2))), [true, false]);
}

#[test]
fn neither_a_clock_that_is_set_back_nor_another_boot_shortens_or_restarts_the_wait() {
    let pins = pinned(&wanted("team", &["one-bucket"], 3));
    let more = wanted("team", &["two-bucket"], 4);
    let left = |plan: &PinPlan| match plan.standings[0] {
        Standing::Unconfirmed { left } => left.unwrap(),
        Standing::Confirmed => Duration::ZERO,
    };
    let mut kept = pin(Some(&pins), &more, None, &TERMS, &at(1)).keep.unwrap();
    let mut look = |now: &Instant| {
        let plan = pin(Some(&kept), &more, None, &TERMS, now);
        let left = left(&plan);
        kept = plan.keep.unwrap_or_else(|| kept.clone());
        left
    };
    assert_eq!(look(&at(11)), HOUR * 14);
    let set_back = Instant { wall: at(2).wall, ..at(12) };
    assert_eq!(look(&set_back), HOUR * 13, "the same boot: the monotonic clock counts");
    let set_ahead = Instant { wall: at(9_000).wall, ..at(13) };
    assert_eq!(look(&set_ahead), HOUR * 12);
    let rebooted = Monotonic { boot: "b".to_owned(), nanos: 0 };
    assert_eq!(look(&Instant { wall: at(14).wall, monotonic: rebooted }), HOUR * 12, "set back over a boot");
    let later = Monotonic { boot: "b".to_owned(), nanos: 3_600_000_000_000 * 12 };
    assert_eq!(look(&Instant { wall: at(14).wall, monotonic: later }), Duration::ZERO);
}

#[test]
fn what_is_looked_at_often_is_not_written_often() {
    let pins = pinned(&wanted("team", &["one-bucket"], 3));
    let more = wanted("team", &["two-bucket"], 4);
    let kept = pin(Some(&pins), &more, None, &TERMS, &at(1)).keep.unwrap();
    let mut soon = at(1);
    soon.monotonic.nanos += 59_000_000_000;
    assert_eq!(pin(Some(&kept), &more, None, &TERMS, &soon).keep, None);
    soon.monotonic.nanos += 1_000_000_000;
    assert!(pin(Some(&kept), &more, None, &TERMS, &soon).keep.is_some());
}

#[test]
fn a_statement_confirms_at_once_exactly_what_it_says_and_once() {
    let pins = pinned(&wanted("team", &["one-bucket"], 3));
    let more = wanted("team", &["one-bucket", "two-bucket"], 4);
    let said = statement(&more, 1);
    let plan = pin(Some(&pins), &more, Some(&said), &TERMS, &at(1));
    assert_eq!((is_confirmed(&plan), &plan.event), (vec![true, true], &Event::Stated(added("two-bucket"))));

    let kept = plan.keep.unwrap();
    let fewer = wanted("team", &["one-bucket"], 5);
    let removed = pin(Some(&kept), &fewer, Some(&statement(&fewer, 2)), &TERMS, &at(2)).keep.unwrap();
    let replayed =
        pin(Some(&removed), &Wanted { revision: Revision(6), ..more.clone() }, Some(&said), &TERMS, &at(3));
    assert_eq!(is_confirmed(&replayed), [true, false], "the owner removed it since");

    let other = wanted("team", &["one-bucket", "evil-bucket"], 6);
    let plan = pin(Some(&kept), &other, Some(&statement(&more, 4)), &TERMS, &at(4));
    assert_eq!(is_confirmed(&plan), [true, false], "it says something else");
    let older = pin(Some(&kept), &other, Some(&statement(&other, 0)), &TERMS, &at(4));
    assert_eq!(is_confirmed(&older), [true, false], "it is older than the last");
}

#[test]
fn a_statement_that_comes_when_nothing_is_new_cannot_be_replayed_later() {
    let both = wanted("team", &["one-bucket", "two-bucket"], 3);
    let said = statement(&both, 1);
    let kept = pin(Some(&pinned(&both)), &both, Some(&said), &TERMS, &at(1)).keep.unwrap();
    let fewer = wanted("team", &["one-bucket"], 4);
    let removed = pin(Some(&kept), &fewer, Some(&statement(&fewer, 2)), &TERMS, &at(2)).keep.unwrap();
    let replayed =
        pin(Some(&removed), &Wanted { revision: Revision(5), ..both }, Some(&said), &TERMS, &at(3));
    assert_eq!(is_confirmed(&replayed), [true, false]);
}

#[test]
fn a_removed_spot_is_kept_on_for_ever_until_a_statement_or_after_a_day_a_permit_gives_it_up() {
    let both = wanted("team", &["one-bucket", "two-bucket"], 3);
    let fewer = wanted("team", &["one-bucket"], 4);
    let first = pin(Some(&pinned(&both)), &fewer, None, &TERMS, &at(1));
    assert_eq!((is_confirmed(&first), &first.kept_on), (vec![true], &vec![spot("two-bucket")]));
    let removed = News { removed: vec![spot("two-bucket")], ..News::default() };
    assert_eq!((&first.event, first.leaving), (&Event::Noticed(removed.clone()), Some(WAIT)));
    let kept = first.keep.unwrap();
    let later = pin(Some(&kept), &fewer, None, &TERMS, &at(1_000));
    assert_eq!(
        (&later.kept_on, later.leaving),
        (&vec![spot("two-bucket")], None),
        "time alone gives nothing up"
    );

    let (left, gone) = given_up(later.keep.as_ref().unwrap_or(&kept), &fewer);
    assert_eq!((&gone, &left.leaving), (&vec![spot("two-bucket")], &vec![]));
    let after = pin(Some(&left), &fewer, None, &TERMS, &at(1_000));
    assert_eq!((after.kept_on, after.event), (vec![], Event::Nothing));
    let back = pin(Some(&left), &Wanted { revision: Revision(5), ..both }, None, &TERMS, &at(1_001));
    assert_eq!(is_confirmed(&back), [true, false], "it is a new spot");

    let stated = pin(Some(&kept), &fewer, Some(&statement(&fewer, 2)), &TERMS, &at(2));
    assert_eq!((stated.kept_on, stated.event), (vec![], Event::Stated(removed)));
    assert_eq!(stated.keep.unwrap().confirmed, BTreeSet::from([spot("one-bucket")]));
}

#[test]
fn a_removed_spot_that_is_named_again_waits_anew_when_it_is_removed_again() {
    let both = wanted("team", &["one-bucket", "two-bucket"], 3);
    let fewer = wanted("team", &["one-bucket"], 4);
    let kept = pin(Some(&pinned(&both)), &fewer, None, &TERMS, &at(1)).keep.unwrap();
    let healed = pin(Some(&kept), &Wanted { revision: Revision(5), ..both }, None, &TERMS, &at(20));
    assert_eq!((is_confirmed(&healed), &healed.kept_on), (vec![true, true], &vec![]));
    let again = Wanted { revision: Revision(6), ..fewer };
    assert_eq!(pin(healed.keep.as_ref(), &again, None, &TERMS, &at(30)).leaving, Some(WAIT));
}

#[test]
fn the_same_directory_by_another_account_is_not_written_twice_once_it_is_confirmed() {
    let mut other = wanted("team", &["one-bucket"], 4);
    other.spots[0].account_id = Some("999999999999".parse().unwrap());
    let pins = pinned(&wanted("team", &["one-bucket"], 3));
    let first = pin(Some(&pins), &other, None, &TERMS, &at(1));
    assert_eq!((is_confirmed(&first), &first.kept_on), (vec![false], &vec![spot("one-bucket")]));
    let last = pin(first.keep.as_ref(), &other, None, &TERMS, &at(25));
    assert_eq!((is_confirmed(&last), &last.kept_on), (vec![true], &vec![]));
}

#[test]
fn other_kinds_wait_for_a_statement_and_no_time_confirms_them_and_those_of_both_are_served() {
    let split = wanted("team", &["one-bucket"], 3);
    let kinds = |kinds: &[CredentialKind]| Wanted {
        kinds: kinds.iter().copied().collect(),
        revision: Revision(4),
        ..split.clone()
    };
    let public = kinds(&[CredentialKind::Password, CredentialKind::PublicClient]);
    for other in [kinds(&[CredentialKind::Combined]), public] {
        let first = pin(Some(&pinned(&split)), &other, None, &TERMS, &at(1));
        assert_eq!((&first.kinds, first.layout), (&split.kinds, Standing::Unconfirmed { left: None }));
        assert_eq!(first.event, Event::Noticed(News { kinds: other.kinds.clone(), ..News::default() }));
        let kept = first.keep.unwrap();
        let late = pin(Some(&kept), &other, None, &TERMS, &at(10_000));
        assert_eq!((&late.kinds, late.layout, late.left()), (&split.kinds, first.layout, None));
        assert_eq!((late.event, late.keep), (Event::Nothing, None), "said once");
        let stated = pin(Some(&kept), &other, Some(&statement(&other, 2)), &TERMS, &at(2));
        assert_eq!((stated.kinds, stated.layout), (other.kinds.clone(), Standing::Confirmed));
        let back = pin(Some(&kept), &Wanted { revision: Revision(5), ..split.clone() }, None, &TERMS, &at(3));
        assert_eq!((back.layout, back.keep.unwrap().other_kinds), (Standing::Confirmed, None));
    }
}

#[test]
fn a_statement_of_before_kinds_were_named_confirms_no_others() {
    let combined = Wanted {
        kinds: [CredentialKind::Combined].into(),
        revision: Revision(4),
        ..wanted("team", &["one-bucket"], 3)
    };
    let mut said = statement(&combined, 2);
    said.set.kinds.clear();
    let plan =
        pin(Some(&pinned(&wanted("team", &["one-bucket"], 3))), &combined, Some(&said), &TERMS, &at(2));
    assert!(!plan.is_confirmed());
}

#[test]
fn a_replica_that_reads_an_older_record_forgets_nothing() {
    let old = wanted("team", &["one-bucket"], 3);
    let new = wanted("team", &["one-bucket", "two-bucket"], 4);
    let kept = pin(Some(&pinned(&old)), &new, Some(&statement(&new, 1)), &TERMS, &at(1)).keep.unwrap();
    assert_eq!(pin(Some(&kept), &old, None, &TERMS, &at(1)).keep, None);
    assert_eq!(is_confirmed(&pin(Some(&kept), &new, None, &TERMS, &at(1))), [true, true]);
}

#[test]
fn where_pins_may_have_been_lost_the_catalog_is_not_believed_at_once() {
    let wanted = wanted("team", &["evil-bucket"], 3);
    let lost = Terms { lost_writes_at: Some(at(1).wall), ..TERMS };
    let first = pin(None, &wanted, None, &lost, &at(2));
    assert_eq!(first.standings, [Standing::Unconfirmed { left: Some(WAIT) }]);
    assert_eq!(first.event, Event::Noticed(added("evil-bucket")));
    let kept = first.keep.unwrap();
    assert_eq!(is_confirmed(&pin(Some(&kept), &wanted, None, &lost, &at(25))), [false]);
    let later = pin(Some(&kept), &wanted, None, &lost, &at(26));
    assert_eq!((is_confirmed(&later), kept.is_doubtful), (vec![true], true));
    assert!(!later.keep.unwrap().is_doubtful, "everybody could see for a day who owns it");
    for pins in [None, Some(&kept)] {
        for (issued, is_believed) in [(0, false), (1, false), (2, true)] {
            let said = statement(&wanted, issued);
            let plan = pin(pins, &wanted, Some(&said), &lost, &at(2));
            assert_eq!(is_confirmed(&plan), [is_believed], "it may have been acted upon: {issued}");
        }
    }
}

#[test]
fn a_new_owners_own_statement_counts_when_it_was_the_owner_for_a_day() {
    let mine = wanted("team", &["one-bucket"], 3);
    let theirs = wanted("other", &["evil-bucket"], 4);
    let said = |hours| Confirmation { is_heirs: true, ..statement(&theirs, hours) };
    let first = pin(Some(&pinned(&mine)), &theirs, Some(&said(1)), &TERMS, &at(1));
    assert_eq!(first.standings, [Standing::Unconfirmed { left: Some(WAIT) }]);
    assert_eq!((&first.event, first.is_held), (&Event::OwnerChanged("other".parse().unwrap()), true));
    let kept = first.keep.unwrap();
    let mostly = pin(Some(&kept), &theirs, Some(&said(1)), &TERMS, &at(24));
    assert_eq!(mostly.standings, [Standing::Unconfirmed { left: Some(HOUR) }]);
    let after = pin(mostly.keep.as_ref(), &theirs, Some(&said(1)), &TERMS, &at(25));
    assert_eq!((is_confirmed(&after), after.keep.unwrap().team), (vec![true], "other".parse().unwrap()));

    // whoever was the owner in between begins anew
    let between = Wanted { revision: Revision(5), ..mine };
    let back = pin(Some(&kept), &between, None, &TERMS, &at(20)).keep.unwrap();
    let again = Wanted { revision: Revision(6), ..theirs.clone() };
    let held = pin(Some(&back), &again, Some(&said(1)), &TERMS, &at(30));
    assert_eq!(held.standings, [Standing::Unconfirmed { left: Some(WAIT) }]);
}

#[test]
fn a_new_owner_waits_for_ever_for_a_statement_and_the_old_one_goes_on() {
    let mine = wanted("team", &["one-bucket"], 3);
    let pins = pinned(&mine);
    let theirs = wanted("other", &["one-bucket"], 4);
    let held = pin(Some(&pins), &theirs, None, &TERMS, &at(1));
    assert_eq!(held.standings, [Standing::Unconfirmed { left: None }]);
    assert_eq!(held.event, Event::OwnerChanged("other".parse().unwrap()));
    let kept = held.keep.unwrap();
    let still = pin(Some(&kept), &theirs, None, &TERMS, &at(1_000));
    assert_eq!(still.standings, [Standing::Unconfirmed { left: None }]);
    let back = pin(Some(&kept), &Wanted { revision: Revision(5), ..mine }, None, &TERMS, &at(1_001));
    assert_eq!(is_confirmed(&back), [true]);
    let stated = pin(Some(&kept), &theirs, Some(&statement(&theirs, 2)), &TERMS, &at(2));
    assert_eq!((is_confirmed(&stated), stated.keep.unwrap().team), (vec![true], "other".parse().unwrap()));
}
