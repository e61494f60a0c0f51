use mint_types::Revision;

use super::*;

const DAY: Duration = Duration::from_hours(24);
use crate::settings::SettingsFault;

const NOW: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);
/// Since when a catalog of these tests has its applications: long enough to count.
const BEFORE: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000 - 24 * 3_600_000_000);

fn id(text: &str) -> ApplicationId {
    text.parse().unwrap()
}

fn entry(name: &str) -> Entry {
    let facts = Facts {
        team_id: "stups".parse().unwrap(),
        name: name.to_uppercase(),
        active: true,
        subtitle: String::new(),
        service_url: String::new(),
        modified_at: None,
    };
    Entry { id: id(name), facts, settings: None }
}

fn listing(names: &[&str]) -> Listing {
    Listing { entries: names.iter().map(|name| entry(name)).collect(), malformed: Vec::new() }
}

fn doubtful(
    catalog: &Snapshot,
    listing: &Listing,
    now: Timestamp,
) -> Result<Vec<ApplicationId>, SourceFault> {
    super::doubtful(catalog, listing, &[], now)
}

fn changes(
    catalog: &Snapshot,
    listing: &Listing,
    direct: &BTreeMap<ApplicationId, Direct>,
    now: Timestamp,
) -> Plan {
    super::changes(catalog, listing, direct, &Allowance::of(catalog, &[], now), now)
}

fn catalog(names: &[&str]) -> Snapshot {
    let plan = changes(&Snapshot::new(), &listing(names), &BTreeMap::new(), NOW);
    let records = plan.changes.iter().enumerate().map(|(index, change)| {
        let revision = Revision(index as u64 + 1);
        revised(None, change.applied(None, BEFORE).unwrap(), revision).unwrap()
    });
    records.map(|record| (record.id.clone(), record)).collect()
}

fn fleet(size: usize) -> Vec<String> {
    (0..size).map(|number| format!("app-{number}")).collect()
}

fn names(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

fn held(catalog: &mut Snapshot, name: &str, since: Timestamp) {
    let change = Change::Held { id: id(name), release: None };
    let record = change.applied(catalog.get(&id(name)), since).unwrap();
    catalog.insert(id(name), record);
}

#[test]
fn an_absence_is_doubted_before_it_is_believed() {
    let catalog = catalog(&["a1", "b1"]);
    assert_eq!(doubtful(&catalog, &listing(&["a1"]), NOW), Ok(vec![id("b1")]));
    assert_eq!(doubtful(&catalog, &listing(&["a1", "b1", "c1"]), NOW), Ok(vec![]));
}

#[test]
fn a_list_that_shrinks_by_more_than_the_budget_is_refused_whole() {
    // (fleet, listed of it, whether the rest may be doubted one by one)
    let table = [
        (1, 1, true),
        (2, 1, true),
        (2, 0, false),
        (33, 30, true),
        (33, 29, false),
        (33, 16, false),
        (100, 95, true),
        (100, 94, false),
        (1000, 990, true),
        (1000, 989, false),
    ];
    for (size, listed, believed) in table {
        let all = fleet(size);
        let mut shrunk = listing(&names(&all[..listed]));
        // A stranger keeps the list from being empty, as with pages of another tenant.
        shrunk.entries.push(entry("stranger"));
        let answer = doubtful(&catalog(&names(&all)), &shrunk, NOW);
        match answer {
            Ok(absent) => {
                assert!(believed, "{listed} of {size}");
                assert_eq!(absent.len(), size - listed);
            }
            Err(fault) => {
                assert!(!believed, "{listed} of {size}");
                assert_eq!(fault.reason, SourceReason::Shrank);
            }
        }
    }
}

#[test]
fn a_fleet_cannot_vanish_a_few_at_a_time() {
    let all = fleet(33);
    let mut catalog = catalog(&names(&all));
    for name in &all[..3] {
        held(&mut catalog, name, NOW);
    }
    let fewer = listing(&names(&all[4..]));
    assert_eq!(doubtful(&catalog, &fewer, NOW).unwrap_err().reason, SourceReason::Shrank);
    assert_eq!(doubtful(&catalog, &listing(&names(&all[3..])), NOW), Ok(vec![]));
    let tomorrow = NOW.plus(DAY);
    assert_eq!(doubtful(&catalog, &fewer, tomorrow), Ok(vec![id(&all[3])]));
}

#[test]
fn an_empty_list_removes_nothing() {
    let fault = doubtful(&catalog(&["a1"]), &Listing::default(), NOW).unwrap_err();
    assert_eq!(fault.reason, SourceReason::Incomplete);
    assert_eq!(doubtful(&Snapshot::new(), &Listing::default(), NOW), Ok(vec![]));
    let plan = changes(&Snapshot::new(), &Listing::default(), &BTreeMap::new(), NOW);
    assert_eq!(plan.fault.unwrap().reason, SourceReason::Incomplete);
}

#[test]
fn with_a_malformed_entry_no_absence_is_believed() {
    let mut broken = listing(&["a1"]);
    broken.malformed.push(Malformed { id: None, detail: "entry 1 (\"b/1\")".into() });
    assert_eq!(doubtful(&catalog(&["a1", "b1"]), &broken, NOW), Ok(vec![]));
}

#[test]
fn only_a_confirmed_absence_holds_an_application() {
    let catalog = catalog(&["a1", "b1"]);
    let outage = Direct::Unanswered(SourceFault::new(SourceReason::Unreachable, "503"));
    let table = [
        (Direct::Missing, vec![Change::Held { id: id("b1"), release: None }], None),
        (Direct::Found(Box::new(entry("b1"))), vec![], None),
        (outage, vec![], Some(SourceReason::Incomplete)),
    ];
    for (answer, expected, fault) in table {
        let direct = BTreeMap::from([(id("b1"), answer)]);
        let plan = changes(&catalog, &listing(&["a1"]), &direct, NOW);
        assert_eq!(plan.changes, expected);
        assert_eq!(plan.fault.map(|fault| fault.reason), fault);
    }
}

#[test]
fn a_held_application_that_is_listed_again_is_present() {
    let mut catalog = catalog(&["a1", "b1"]);
    held(&mut catalog, "b1", NOW);
    let plan = changes(&catalog, &listing(&["a1", "b1"]), &BTreeMap::new(), NOW);
    assert_eq!(plan.changes.len(), 1);
    let record = plan.changes[0].applied(catalog.get(&id("b1")), NOW).unwrap();
    assert_eq!(record.presence, Presence::Present);
}

#[test]
fn a_list_that_ends_or_moves_more_than_the_budget_is_refused_whole() {
    let all = fleet(20);
    let catalog = catalog(&names(&all));
    let spoilt = |spoil: fn(&mut Facts), count: usize| {
        let mut list = listing(&names(&all));
        list.entries.iter_mut().take(count).for_each(|entry| spoil(&mut entry.facts));
        doubtful(&catalog, &list, NOW)
    };
    let spoils: [fn(&mut Facts); 2] =
        [|facts| facts.active = false, |facts| facts.team_id = "another".parse().unwrap()];
    for spoil in spoils {
        assert_eq!(spoilt(spoil, 2), Ok(vec![]));
        assert_eq!(spoilt(spoil, 3).unwrap_err().reason, SourceReason::Shrank);
    }
    let renamed: fn(&mut Facts) = |facts| facts.name = "Other".into();
    assert_eq!(spoilt(renamed, 20), Ok(vec![]), "that takes nothing");
}

#[test]
fn what_nobody_pays_for_is_left_out() {
    let all = fleet(20);
    let catalog = catalog(&names(&all));
    let direct = all.iter().take(5).map(|name| (id(name), Direct::Missing)).collect();
    let plan = changes(&catalog, &listing(&names(&all[5..])), &direct, NOW);
    assert_eq!(plan.changes.len(), 2);
    assert_eq!(plan.fault.unwrap().reason, SourceReason::Shrank);
}

#[test]
fn a_release_pays_for_what_the_budget_does_not() {
    let all = fleet(20);
    let catalog = catalog(&names(&all));
    let release = |id: &str, acts, names: &[&str]| Release {
        id: id.into(),
        acts,
        spent: 0,
        applications: names.iter().map(|name| self::id(name)).collect(),
        expires_at: NOW.plus(DAY),
    };
    let left = listing(&names(&all[4..]));
    let asked = |releases: &[Release]| super::doubtful(&catalog, &left, releases, NOW);
    assert!(asked(&[release("r", 1, &[])]).is_err());
    assert!(asked(&[release("r", 9, &["app-10", "app-11"])]).is_err());
    assert_eq!(asked(&[release("r", 2, &[])]).unwrap().len(), 4);
    let named = [release("n", 1, &["app-3"]), release("r", 1, &[])];
    assert_eq!(asked(&named).unwrap().len(), 4);
    let direct = all[..4].iter().map(|name| (id(name), Direct::Missing)).collect();
    let plan = super::changes(&catalog, &left, &direct, &Allowance::of(&catalog, &named, NOW), NOW);
    let payers: Vec<_> = plan.changes.iter().map(Change::release).collect();
    assert_eq!((payers, plan.fault), (vec![None, None, Some("r"), Some("n")], None));
}

#[test]
fn a_stale_list_takes_no_newer_fact_back() {
    let dated = |name: &str, at: Timestamp| {
        let mut list = listing(&["a1"]);
        (list.entries[0].facts.name, list.entries[0].facts.modified_at) = (name.into(), Some(at));
        list
    };
    let modified = NOW;
    let first = changes(&Snapshot::new(), &dated("new", modified), &BTreeMap::new(), NOW);
    let record = first.changes[0].applied(None, NOW).unwrap();
    let catalog = Snapshot::from([(id("a1"), record)]);
    let older = dated("old", Timestamp::from_unix_micros(modified.unix_micros() - 1));
    let seen = |list: &Listing, now| changes(&catalog, list, &BTreeMap::new(), now).changes.len();
    assert_eq!(seen(&older, NOW), 0);
    assert_eq!(seen(&older, NOW.plus(STALENESS)), 1, "no list is that old: the registry was restored");
    assert_eq!(seen(&dated("newer", NOW.plus(STALENESS)), NOW), 1);
}

/// What the registry says lasts no longer than what it says of itself is possible.
#[test]
fn a_date_in_the_future_freezes_nothing() {
    let dated = |name: &str, at: Timestamp| {
        let mut list = listing(&["a1"]);
        (list.entries[0].facts.name, list.entries[0].facts.modified_at) = (name.into(), Some(at));
        list
    };
    let in_ten_years = NOW.plus(DAY * 3650);
    let first = changes(&Snapshot::new(), &dated("of the future", in_ten_years), &BTreeMap::new(), NOW);
    let record = first.changes[0].applied(None, NOW).unwrap();
    let seen = |record: &Record, now: Timestamp| {
        let corrected = dated("corrected", Timestamp::from_unix_micros(NOW.unix_micros() - 1));
        changes(&Snapshot::from([(id("a1"), record.clone())]), &corrected, &BTreeMap::new(), now)
            .changes
            .len()
    };
    assert_eq!(seen(&record, NOW), 0, "a list may be as old as that");
    assert_eq!(seen(&record, NOW.plus(STALENESS)), 1);
    // of a record that an older Mint read nobody knows when: what cannot be true holds nothing up
    assert_eq!(seen(&Record { learnt_at: None, ..record.clone() }, NOW), 1);
    // the same date read again is not read later
    let again = first.changes[0].applied(Some(&record), NOW.plus(DAY)).unwrap();
    assert_eq!(again, record);
}

/// 100 real applications; an answer adds 9900 that nobody has, and the next one ends the real ones.
#[test]
fn invented_applications_pay_for_nobodys_end() {
    let real = fleet(100);
    let mut catalog = catalog(&names(&real));
    let mut answer = listing(&names(&real));
    answer.entries.extend((0..9900).map(|number| entry(&format!("invented-{number}"))));
    for change in changes(&catalog, &answer, &BTreeMap::new(), NOW).changes {
        let record = change.applied(catalog.get(change.id()), NOW).unwrap();
        catalog.insert(record.id.clone(), record);
    }
    assert_eq!(catalog.len(), 10_000, "they are made");
    let ended = |count: usize, now: Timestamp| {
        let mut list = answer.clone();
        list.entries.iter_mut().take(count).for_each(|entry| entry.facts.active = false);
        let whole = doubtful(&catalog, &list, now).is_ok();
        (whole, changes(&catalog, &list, &BTreeMap::new(), now).changes.len())
    };
    let within_the_day = NOW.plus(DAY.saturating_sub(Duration::from_micros(1)));
    for now in [NOW, within_the_day] {
        assert_eq!(ended(5, now), (true, 5));
        assert_eq!(ended(6, now), (false, 5), "by the budget of 100");
        assert_eq!(ended(100, now), (false, 5));
    }
    assert_eq!(Allowance::of(&catalog, &[], NOW.plus(DAY)).allowed, 100, "who stays a day is believed");
}

#[test]
fn an_unchanged_list_changes_nothing() {
    let catalog = catalog(&["a1", "b1"]);
    assert_eq!(changes(&catalog, &listing(&["a1", "b1"]), &BTreeMap::new(), NOW), Plan::default());
}

#[test]
fn a_malformed_entry_is_a_problem_of_its_application_alone() {
    let mut broken = listing(&["a1"]);
    broken.malformed.push(Malformed { id: Some(id("b1")), detail: "entry 1: name is a number".into() });
    let catalog = catalog(&["a1", "b1"]);
    let plan = changes(&catalog, &broken, &BTreeMap::new(), NOW);
    assert_eq!(plan.fault.as_ref().unwrap().reason, SourceReason::Malformed);
    assert_eq!(plan.changes.len(), 1);
    let before = &catalog[&id("b1")];
    let after = plan.changes[0].applied(Some(before), NOW).unwrap();
    assert_eq!(after.problems[0].kind, "source_malformed");
    assert_eq!(Record { problems: vec![], ..after.clone() }, *before);

    let later = NOW.plus(Duration::from_mins(1));
    let again = plan.changes[0].applied(Some(&after), later).unwrap();
    assert_eq!(again, after, "a standing problem keeps its beginning and makes no new revision");
    let healed = changes(&BTreeMap::from([(id("b1"), after)]), &listing(&["b1"]), &BTreeMap::new(), later);
    assert_eq!(healed.changes.len(), 1);
}

#[test]
fn settings_of_the_file_are_proposed_only_to_applications_without_any() {
    let mut proposing = listing(&["a1", "b1"]);
    proposing.entries[0].settings = Some(Ok(Entered::default()));
    proposing.entries[1].settings =
        Some(Err(SettingsFault { field: "prefix", rule: "no".into(), unsupported: false }));
    let mut catalog = catalog(&["a1", "b1"]);
    let plan = changes(&catalog, &proposing, &BTreeMap::new(), NOW);
    assert_eq!(plan.settings, [(id("a1"), Entered::default())]);
    let record = plan.changes[0].applied(catalog.get(&id("b1")), NOW).unwrap();
    assert_eq!(record.problems[0].kind, "settings_invalid");

    for record in catalog.values_mut() {
        record.settings_generation = 1;
    }
    assert_eq!(changes(&catalog, &proposing, &BTreeMap::new(), NOW), Plan::default());
}

#[test]
fn only_facts_of_the_identity_raise_its_revision() {
    type Edit = fn(&mut Record);
    let catalog = catalog(&["a1"]);
    let before = &catalog[&id("a1")];
    let scoped = |record: &mut Record| {
        record.settings = Some(Entered { scopes: vec!["a.b".parse().unwrap()], ..Entered::default() });
    };
    let table: [(Edit, bool); 10] = [
        (|record| record.facts.team_id = "other".parse().unwrap(), true),
        (|record| record.facts.name = "other".into(), true),
        (|record| record.facts.active = false, true),
        (scoped, true),
        (|record| record.settings = Some(Entered { confidential: false, ..Entered::default() }), true),
        (
            |record| {
                record.settings =
                    Some(Entered { redirect_url: Some("https://a.example".into()), ..Entered::default() });
            },
            true,
        ),
        (|record| record.facts.subtitle = "other".into(), false),
        (|record| record.settings = Some(Entered::default()), false),
        (|record| record.presence = Presence::Held, false),
        (
            |record| {
                record.identity = Some(mint_types::Identity {
                    username: "u".into(),
                    client_id: "c".into(),
                    foreign: false,
                });
            },
            false,
        ),
    ];
    for (number, (edit, raises)) in table.into_iter().enumerate() {
        let mut after = before.clone();
        edit(&mut after);
        let revised = revised(Some(before), after, Revision(9)).unwrap();
        assert_eq!(revised.revision, Revision(9), "row {number}");
        assert_eq!(revised.identity_revision == Revision(9), raises, "row {number}");
    }
    assert_eq!(revised(Some(before), before.clone(), Revision(9)), None);
}

/// A record of an application that was just listed.
pub(crate) fn catalog_record(name: &str) -> Record {
    catalog(&[name]).remove(&id(name)).unwrap()
}
