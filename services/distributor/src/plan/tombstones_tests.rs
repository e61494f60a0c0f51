use std::time::Duration;

use mint_types::Layout;

use super::*;
use crate::plan::Answer;

const DEFAULT: &str = "https://s3.default";

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_micros(1_800_000_000_000_000).plus(Duration::from_secs(second))
}

fn place(bucket: &str, name: &str) -> Place {
    Place { store: DEFAULT.to_owned(), bucket: bucket.to_owned(), key: format!("mint/shop/{name}") }
}

fn object(bucket: &str, kind: CredentialKind) -> Object {
    Object {
        place: place(bucket, kind.object_name()),
        kind,
        owner: Some(("eu-central-1".to_owned(), "123456789012".parse().unwrap())),
        kms_key_id: None,
        since: None,
        permit: None,
    }
}

fn destinations() -> Removal {
    Removal::Destinations { settings_generation: 4 }
}

fn scene<'a>(objects: &'a [Object], removal: &'a Removal, asked: &'a [Place]) -> Scene<'a> {
    Scene { objects, attempts: &[], permit: "p1", is_known: false, removal, asked, now: at(1) }
}

fn keys(scene: &Scene<'_>) -> Vec<String> {
    let shown = |grave: &Grave| format!("{}/{}", grave.object.place.bucket, grave.object.place.key);
    graves(scene).0.iter().map(shown).collect()
}

#[test]
fn of_a_retired_application_everything_is_covered() {
    let objects =
        [object("one-bucket", CredentialKind::Password), object("one-bucket", CredentialKind::Client)];
    assert_eq!(keys(&scene(&objects, &Removal::Application, &[])).len(), 2);
}

#[test]
fn what_the_settings_ask_for_is_not_covered_by_a_removal_of_destinations() {
    use CredentialKind::{Client, Combined, Password, PublicClient};
    let split = [place("one-bucket", "user.json"), place("one-bucket", "client.json")];
    let combined = [place("one-bucket", "credentials.json")];
    let objects =
        |kinds: &[CredentialKind]| kinds.iter().map(|kind| object("one-bucket", *kind)).collect::<Vec<_>>();
    for (sentence, written, asked, expected) in [
        (
            "split became combined",
            vec![Password, Client, Combined],
            &combined[..],
            vec!["user.json", "client.json"],
        ),
        ("combined became split", vec![Combined, Password, Client], &split[..], vec!["credentials.json"]),
        ("confidential became public: the same key", vec![Password, PublicClient], &split[..], vec![]),
        ("no bucket is left", vec![Password], &[][..], vec!["user.json"]),
    ] {
        let expected: Vec<_> = expected.iter().map(|name| format!("one-bucket/mint/shop/{name}")).collect();
        assert_eq!(keys(&scene(&objects(&written), &destinations(), asked)), expected, "{sentence}");
    }
}

#[test]
fn what_may_be_the_same_object_by_another_endpoint_is_left_alone() {
    let mut old = object("one-bucket", CredentialKind::Password);
    old.place.store = "https://s3.other".to_owned();
    let asked = [place("one-bucket", "user.json")];
    assert!(keys(&scene(&[old], &destinations(), &asked)).is_empty());
}

#[test]
fn a_permit_covers_what_it_covered_at_its_first_use_and_nothing_that_was_put_since() {
    let covered = Object {
        permit: Some("p1".to_owned()),
        since: Some(at(0)),
        ..object("one-bucket", CredentialKind::Password)
    };
    let put_since = object("one-bucket", CredentialKind::Client);
    let of_another =
        Object { permit: Some("p0".to_owned()), ..object("two-bucket", CredentialKind::Password) };
    let objects = [covered, put_since, of_another];
    let again = Scene { is_known: true, ..scene(&objects, &Removal::Application, &[]) };
    assert_eq!(keys(&again), ["one-bucket/mint/shop/user.json"]);
}

#[test]
fn a_repeated_tombstone_says_the_same_and_is_settled() {
    let mut grave_of = object("one-bucket", CredentialKind::Password);
    grave_of.since = Some(at(0));
    let attempt = Attempt {
        sequence: 1,
        place: grave_of.place.clone(),
        content: Content::tombstone(CredentialKind::Password, at(0)),
        signed_at: at(1),
        expires_at: at(61),
        answer: Answer::Written { recorded: 2 },
    };
    let objects = [grave_of];
    let attempts = [attempt];
    let later = Scene {
        attempts: &attempts,
        now: at(500),
        permit: "p2",
        ..scene(&objects, &Removal::Application, &[])
    };
    let (found, _) = graves(&later);
    assert_eq!((found[0].step, found[0].since), (Step::Settled, at(0)), "the new permit changes nothing");
}

#[test]
fn a_tombstone_says_since_when_it_is_one_and_not_since_when_it_is_permitted() {
    let objects = [object("one-bucket", CredentialKind::Password)];
    let (found, _) = graves(&scene(&objects, &Removal::Application, &[]));
    assert_eq!((found[0].step, found[0].since), (Step::Put, at(1)));
}

#[test]
fn kinds_that_nobody_asks_for_are_over() {
    use CredentialKind::{Client, Combined, Password, PublicClient};
    let settings = |layout, confidential| Settings {
        buckets: vec![],
        account_id: None,
        prefix: "mint".parse().unwrap(),
        layout,
        scopes: vec![],
        redirect_url: None,
        confidential,
        password_period: "2h".parse().unwrap(),
        client_period: "30d".parse().unwrap(),
    };
    let split = settings(Layout::Split, true);
    assert_eq!(ended_kinds(&destinations(), Some(&split)), [Combined, PublicClient]);
    assert_eq!(ended_kinds(&destinations(), Some(&settings(Layout::Combined, true))).len(), 3);
    assert_eq!(ended_kinds(&Removal::Application, Some(&split)), [Password, Client, Combined, PublicClient]);
}

#[test]
fn a_place_is_found_again_as_it_was_or_as_its_neighbours_are_or_not_at_all() {
    let whole = object("one-bucket", CredentialKind::Client);
    let forgotten = Object { owner: None, ..object("one-bucket", CredentialKind::Password) };
    let find = |object: &Object, objects: &[Object]| destination_of(object, objects, None, DEFAULT);
    let found = find(&forgotten, std::slice::from_ref(&whole)).unwrap();
    assert_eq!((found.bucket.region.as_deref(), found.bucket.endpoint), (Some("eu-central-1"), None));
    assert_eq!(found.key, "mint/shop/user.json");
    assert!(find(&forgotten, &[]).is_err());
    let mut elsewhere = whole.clone();
    elsewhere.place.store = "https://s3.other".to_owned();
    let found = find(&elsewhere, &[]).unwrap();
    assert_eq!(found.bucket.endpoint.unwrap().as_str(), "https://s3.other");
    elsewhere.place.store = String::new();
    assert!(find(&elsewhere, &[]).is_err(), "AWS's own, while the default is another");
}
