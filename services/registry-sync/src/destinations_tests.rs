use mint_types::{Bucket, Layout};

use super::*;
use crate::plan::tests::catalog_record;

const NOW: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);

fn bucket(name: &str) -> Bucket {
    Bucket { name: name.parse().unwrap(), region: None, endpoint: None, kms_key_id: None }
}

fn entered(buckets: &[&str], layout: Layout) -> Entered {
    Entered {
        buckets: buckets.iter().map(|name| bucket(name)).collect(),
        account_id: Some("123456789012".parse().unwrap()),
        layout,
        ..Entered::default()
    }
}

fn keys(record: &Record) -> Vec<String> {
    record
        .removed
        .iter()
        .map(|place| format!("{}/{}@{}", place.bucket.name, place.key, place.settings_generation))
        .collect()
}

#[test]
fn what_the_settings_no_longer_ask_for_stays_until_it_is_overwritten() {
    let defaults = Defaults::default();
    let change = |record: &Record, buckets: &[&str], layout| {
        let settings = entered(buckets, layout);
        record.with_settings(&Entry { settings: &settings, statement: None, defaults: &defaults }, NOW)
    };
    let first = change(&catalog_record("kio"), &["one", "two"], Layout::Split);
    assert_eq!((first.settings_generation, keys(&first)), (1, vec![]));
    let second = change(&first, &["two"], Layout::Split);
    assert_eq!(keys(&second), ["one/kio/user.json@2", "one/kio/client.json@2"]);
    let third = change(&second, &["two"], Layout::Combined);
    let left =
        ["one/kio/user.json@2", "one/kio/client.json@2", "two/kio/user.json@3", "two/kio/client.json@3"];
    assert_eq!(keys(&third), left);
    assert_eq!(change(&third, &["two"], Layout::Combined), third, "equal settings keep their generation");

    let halfway = third.without_removed(&third.removed[..1]);
    assert_eq!(keys(&halfway), left[1..]);
    let back = change(&halfway, &["one", "two"], Layout::Combined);
    assert_eq!(keys(&back), left[1..], "another object of the bucket is asked for");
    let split = change(&back, &["one", "two"], Layout::Split);
    assert_eq!(keys(&split), ["one/kio/credentials.json@5", "two/kio/credentials.json@5"]);
    let again = change(&split, &["two"], Layout::Split);
    let old = third.removed[1].clone();
    assert_eq!(again.without_removed(&[old]), again, "it was removed once more since then");
}

#[test]
fn a_statement_stays_as_long_as_the_destinations_do() {
    let defaults = Defaults::default();
    let record = catalog_record("kio");
    let statement = ("{}".to_owned(), record.facts.team_id.clone());
    let enter = |record: &Record, settings: &Entered, statement: Option<&(String, TeamId)>| {
        record.with_settings(&Entry { settings, statement, defaults: &defaults }, NOW).statement
    };
    let settings = entered(&["one"], Layout::Split);
    let entry = Entry { settings: &settings, statement: Some(&statement), defaults: &defaults };
    let confirmed = record.with_settings(&entry, NOW);
    assert_eq!(confirmed.statement.as_deref(), Some("{}"));
    let mut renamed = entered(&["one"], Layout::Split);
    renamed.scopes = vec!["other.scope".parse().unwrap()];
    assert_eq!(enter(&confirmed, &renamed, None).as_deref(), Some("{}"));
    assert_eq!(
        enter(&confirmed, &entered(&["one"], Layout::Combined), None),
        None,
        "other objects are written"
    );
    assert_eq!(enter(&confirmed, &entered(&["two"], Layout::Split), None), None);
}

#[test]
fn the_bucket_for_everybody_leaves_objects_behind_too() {
    let everybody = |name: &str| Defaults {
        bucket: Some(name.parse().unwrap()),
        account_id: Some("123456789012".parse().unwrap()),
        ..Defaults::default()
    };
    let record = catalog_record("kio").with_defaults(&everybody("old"), &everybody("new"), NOW);
    assert_eq!(keys(&record), ["old/kio/user.json@0", "old/kio/client.json@0"]);
}
