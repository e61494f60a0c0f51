use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mint_testkit::{ManualClock, SeededEntropy};

use super::*;
use crate::config::Access;

/// A store in memory, with ETags.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeStore(Arc<Mutex<HashMap<&'static str, Answer>>>);

#[derive(Debug, Default)]
struct Answer {
    object: Option<(String, String)>,
    fails: bool,
    asked: Vec<Option<String>>,
}

impl FakeStore {
    /// Both files of a version.
    pub(crate) fn deliver(&self, version: u32) {
        self.put("user.json", &user(version));
        self.put("client.json", &client(version));
    }

    fn put(&self, name: &'static str, text: &str) {
        let mut objects = self.0.lock().unwrap();
        objects.entry(name).or_default().object =
            Some((text.to_owned(), format!("\"etag-{}\"", text.len() * 31 + sum(text))));
    }

    fn fail(&self, name: &'static str, fails: bool) {
        self.0.lock().unwrap().entry(name).or_default().fails = fails;
    }

    fn asked(&self, name: &'static str) -> Vec<bool> {
        self.0.lock().unwrap()[name].asked.iter().map(Option::is_some).collect()
    }
}

fn sum(text: &str) -> usize {
    text.bytes().map(usize::from).sum()
}

fn user(version: u32) -> String {
    format!("{{\"application_username\": \"u\", \"application_password\": \"mint-canary-pw-{version}\"}}")
}

fn client(version: u32) -> String {
    format!("{{\"client_id\": \"c{version}\", \"client_secret\": \"mint-canary-cs-{version}\", \"more\": 1}}")
}

#[async_trait]
impl CredentialStore for FakeStore {
    async fn get(&self, name: &'static str, unless: Option<&str>) -> Fetched {
        let mut objects = self.0.lock().unwrap();
        let answer = objects.entry(name).or_default();
        answer.asked.push(unless.map(ToOwned::to_owned));
        match &answer.object {
            _ if answer.fails => Fetched::Failed("the store answered 503 SlowDown".to_owned()),
            None => Fetched::Absent(Absence::MissingOrForbidden),
            Some((_, etag)) if unless == Some(etag) => Fetched::Unchanged,
            Some((text, etag)) => {
                Fetched::Found { bytes: Zeroizing::new(text.as_bytes().to_vec()), etag: Some(etag.clone()) }
            }
        }
    }
}

/// A poller of an empty directory and an empty store.
pub(crate) fn world() -> (Poller, FakeStore, tempfile::TempDir) {
    let (store, place) = (FakeStore::default(), tempfile::tempdir().unwrap());
    let poller = poller(place.path(), &store);
    (poller, store, place)
}

fn poller(root: &Path, store: &FakeStore) -> Poller {
    let access = Access { mode: 0o600, uid: None, gid: None };
    let directory =
        Directory::open(root, &access, Arc::new(ManualClock::default()), Arc::new(SeededEntropy::default()))
            .unwrap();
    Poller::new(Layout::Split, directory, Box::new(store.clone())).unwrap()
}

fn on_disk(root: &Path) -> (Option<String>, Option<String>) {
    let read = |name: &str| fs::read_to_string(root.join(name)).ok();
    (read("user.json"), read("client.json"))
}

fn states(report: &Report) -> Vec<FileState> {
    report.files.iter().map(|(_, state)| state.clone()).collect()
}

#[tokio::test]
async fn a_new_version_replaces_the_pair() {
    let (mut poller, store, place) = world();
    store.deliver(1);
    let report = poller.poll().await;
    assert_eq!(states(&report), [FileState::Replaced, FileState::Replaced]);
    assert!(report.is_complete && report.is_well());
    assert_eq!(on_disk(place.path()), (Some(user(1)), Some(client(1))));
    store.deliver(2);
    poller.poll().await;
    assert_eq!(on_disk(place.path()), (Some(user(2)), Some(client(2))));
}

#[tokio::test]
async fn what_did_not_change_is_asked_for_by_its_etag_and_left_alone() {
    let (mut poller, store, place) = world();
    store.deliver(1);
    poller.poll().await;
    let before = fs::read_link(place.path().join("..data")).unwrap();
    assert_eq!(states(&poller.poll().await), [FileState::Unchanged, FileState::Unchanged]);
    assert_eq!(store.asked("user.json"), [false, true]);
    assert_eq!(fs::read_link(place.path().join("..data")).unwrap(), before, "no switch without a reason");
}

#[tokio::test]
async fn when_one_changes_the_other_is_carried_along() {
    let (mut poller, store, place) = world();
    store.deliver(1);
    poller.poll().await;
    store.put("user.json", &user(2));
    assert_eq!(states(&poller.poll().await), [FileState::Replaced, FileState::Unchanged]);
    assert_eq!(on_disk(place.path()), (Some(user(2)), Some(client(1))));
    poller.poll().await;
    assert_eq!(store.asked("client.json"), [false, true, true], "its ETag still counts after the switch");
}

#[tokio::test]
async fn any_error_keeps_the_old_files() {
    let (mut poller, store, place) = world();
    store.deliver(1);
    poller.poll().await;
    store.deliver(2);
    store.fail("client.json", true);
    let report = poller.poll().await;
    assert!(!report.is_well() && report.is_complete);
    assert_eq!(on_disk(place.path()), (Some(user(2)), Some(client(1))));
    store.fail("client.json", false);
    poller.poll().await;
    assert_eq!(on_disk(place.path()), (Some(user(2)), Some(client(2))));
}

#[tokio::test]
async fn what_has_another_shape_is_refused() {
    let (mut poller, store, place) = world();
    store.deliver(1);
    poller.poll().await;
    for rubbish in
        ["[]", "", "null", "<html>", "{}", "{\"application_username\": \"u\"}", &client(2), "[\"a\", \"b\"]"]
    {
        store.put("user.json", rubbish);
        let report = poller.poll().await;
        assert!(
            matches!(&states(&report)[0], FileState::Failed(why) if !why.contains("canary")),
            "{rubbish}: {report:?}"
        );
        assert_eq!(on_disk(place.path()).0, Some(user(1)), "{rubbish}");
    }
}

#[tokio::test]
async fn a_tombstone_is_an_absence_and_keeps_the_old_file() {
    let (mut poller, store, place) = world();
    store.deliver(1);
    poller.poll().await;
    store.put("user.json", "{\"mint_tombstone\": true, \"since\": \"2026-11-22T00:00:00Z\"}");
    let report = poller.poll().await;
    assert_eq!(states(&report)[0], FileState::Absent(Absence::Tombstone));
    assert_eq!(on_disk(place.path()).0, Some(user(1)));
}

#[tokio::test]
async fn an_absent_object_is_reported_and_the_directory_incomplete() {
    let (mut poller, store, place) = world();
    store.put("user.json", &user(1));
    let report = poller.poll().await;
    assert_eq!(states(&report), [FileState::Replaced, FileState::Absent(Absence::MissingOrForbidden)]);
    assert!(!report.is_complete && !report.is_well());
    assert_eq!(on_disk(place.path()), (Some(user(1)), None));
}

#[tokio::test]
async fn a_public_client_has_no_secret() {
    let (mut poller, store, _place) = world();
    store.put("user.json", &user(1));
    store.put("client.json", "{\"client_id\": \"c\", \"client_secret\": null}");
    assert!(poller.poll().await.is_well());
}

#[tokio::test]
async fn a_file_that_somebody_removed_or_changed_is_fetched_again() {
    let (mut poller, store, place) = world();
    store.deliver(1);
    poller.poll().await;
    fs::remove_file(place.path().join("user.json")).unwrap();
    assert_eq!(states(&poller.poll().await)[0], FileState::Replaced);
    assert_eq!(on_disk(place.path()).0, Some(user(1)));
    fs::write(place.path().join("client.json"), "garbage").unwrap();
    poller.poll().await;
    assert_eq!(on_disk(place.path()).1, Some(client(1)));
}

#[tokio::test]
async fn a_restart_finds_what_is_there() {
    let (mut first, store, place) = world();
    store.deliver(1);
    first.poll().await;
    let mut second = poller(place.path(), &store);
    assert_eq!(states(&second.poll().await), [FileState::Unchanged, FileState::Unchanged]);
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_fails_the_files_and_keeps_the_old_ones() {
    let (mut poller, store, place) = world();
    store.deliver(1);
    poller.poll().await;
    store.deliver(2);
    // a directory in the way of the temporary link: works for root too
    let blocker = place.path().join("..data.tmp");
    fs::create_dir(&blocker).unwrap();
    fs::write(blocker.join("x"), "x").unwrap();
    let report = poller.poll().await;
    assert!(states(&report).iter().all(|state| matches!(state, FileState::Failed(_))), "{report:?}");
    assert_eq!(on_disk(place.path()), (Some(user(1)), Some(client(1))));
    fs::remove_dir_all(&blocker).unwrap();
    assert!(poller.poll().await.is_well());
    assert_eq!(on_disk(place.path()), (Some(user(2)), Some(client(2))));
}
