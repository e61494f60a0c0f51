//! The catalog, its source and its readers together, on every engine.

use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt;
use mint_api::audit_log::{MemoryAuditLog, Outcome};
use mint_testkit::{ManualClock, SeededEntropy, TestDatabase, databases};
use mint_types::{Identity, Presence, Principal, Timestamp};

use super::*;
use crate::{
    adapters::memory::MemorySource,
    catalog::{MIGRATIONS, SCHEMA},
    feed::Feed,
    model::{Facts, Malformed},
    ports::SourceReason,
    settings::{Defaults, Draft, DraftBucket},
};

pub(crate) struct World {
    pub(crate) source: MemorySource,
    pub(crate) catalog: Catalog,
    pub(crate) synchronizer: Arc<Synchronizer>,
    pub(crate) entering: Entering,
    pub(crate) audit: MemoryAuditLog,
    pub(crate) clock: ManualClock,
    place: TestDatabase,
}

pub(crate) async fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    for place in databases(SCHEMA, MIGRATIONS).await {
        worlds.push(world(place, MemorySource::default(), Defaults::default()).await);
    }
    worlds
}

async fn world(place: TestDatabase, source: MemorySource, defaults: Defaults) -> World {
    let (clock, audit) = (ManualClock::default(), MemoryAuditLog::default());
    let defaults = Arc::new(defaults);
    let time: Arc<dyn Clock> = Arc::new(clock.clone());
    let catalog = Catalog::open(place.database.clone(), Arc::clone(&time), &defaults).await.unwrap();
    let entropy = Arc::new(SeededEntropy::default());
    let log: mint_port::Port<dyn mint_api::audit_log::AuditLog> =
        mint_port::Port::held_by("registry-sync", Arc::new(audit.clone()));
    let entering = Entering::new(catalog.clone(), log, entropy, Arc::clone(&time), defaults);
    let opened = Synchronizer::open(
        mint_port::Port::new(Arc::new(source.clone())),
        catalog.clone(),
        entering.clone(),
        time,
    );
    let synchronizer = Arc::new(opened.await.unwrap());
    World { source, catalog, synchronizer, entering, audit, clock, place }
}

impl World {
    fn feed(&self) -> Feed {
        Feed::new(self.catalog.clone(), Arc::default())
    }

    pub(crate) fn put(&self, names: &[&str]) {
        for name in names {
            self.source.put(entry(name));
        }
    }

    async fn restarted(self) -> Self {
        world(self.place, self.source, Defaults::default()).await
    }

    async fn sets(&self, author: &Author, name: &str, expected: u64) -> Result<Record, Error> {
        self.entering.draft(author, &id(name), expected, draft(), &[]).await
    }

    fn troubles(&self) -> Vec<(String, u32)> {
        self.synchronizer
            .memory()
            .problems
            .into_iter()
            .map(|problem| (problem.kind, problem.attempts))
            .collect()
    }
}

pub(crate) fn id(text: &str) -> ApplicationId {
    text.parse().unwrap()
}

pub(crate) fn entry(name: &str) -> Entry {
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

pub(crate) fn draft() -> Draft {
    Draft {
        buckets: vec![DraftBucket { name: "team-a-mint".into(), ..DraftBucket::default() }],
        account_id: "123456789012".into(),
        confidential: true,
        ..Draft::default()
    }
}

pub(crate) fn operator() -> Author {
    Author::Peer(Principal::Operator("operator".into()))
}

pub(crate) fn member(team: &str) -> Author {
    Author::Peer(Principal::Team { team: team.parse().unwrap(), member: "member".into() })
}

#[tokio::test]
async fn contract_an_application_that_vanishes_is_held_and_nothing_of_it_changes() {
    for world in worlds().await {
        world.put(&["a1", "b1"]);
        world.synchronizer.full().await.unwrap();
        world.sets(&operator(), "b1", 0).await.unwrap();
        let identity = Identity { username: "stups_b1".into(), client_id: "c".into(), foreign: false };
        let before = world.catalog.record_identity(&id("b1"), &identity).await.unwrap();
        world.source.remove(&id("b1"));
        world.synchronizer.full().await.unwrap();
        let held = world.catalog.record(&id("b1")).await.unwrap().unwrap();
        assert_eq!(held.presence, Presence::Held);
        assert!(held.revision > before.revision);
        assert_eq!(held.taken_at, held.held_at);
        let (presence, held_at, revision) = (before.presence, before.held_at, before.revision);
        assert_eq!(Record { presence, held_at, revision, taken_at: None, ..held }, before);
        world.put(&["b1"]);
        world.synchronizer.full().await.unwrap();
        let back = world.catalog.record(&id("b1")).await.unwrap().unwrap();
        assert_eq!((back.presence, back.settings_generation), (Presence::Present, 1));
    }
}

#[tokio::test]
async fn contract_a_stale_list_is_corrected_by_a_direct_read() {
    for world in worlds().await {
        world.put(&["a1", "b1"]);
        world.synchronizer.full().await.unwrap();
        assert_eq!(world.source.direct_reads(), 0, "a complete list needs no second question");
        world.source.unlist(&id("b1"));
        let before = world.catalog.snapshot().await.unwrap();
        world.synchronizer.full().await.unwrap();
        assert_eq!(world.source.direct_reads(), 1);
        assert_eq!(world.catalog.snapshot().await.unwrap(), before);
        assert_eq!(world.troubles(), []);
    }
}

#[tokio::test]
async fn contract_every_bad_answer_leaves_the_catalog_as_it_was() {
    type Spoil = fn(&World);
    let fault = |reason| Some(SourceFault::new(reason, "as told"));
    let emptied: Spoil = |world| {
        for name in ["a1", "b1", "c1"] {
            world.source.remove(&id(name));
        }
    };
    let another_tenant: Spoil = |world| {
        emptied_of(world);
        world.put(&["x1", "x2", "x3", "x4"]);
    };
    let unconfirmed: Spoil = |world| {
        world.source.unlist(&id("b1"));
        world.source.fail_reads(Some(SourceFault::new(SourceReason::Unreachable, "503")));
    };
    let table: [(&str, Spoil, Option<SourceFault>); 7] = [
        ("source_malformed", |_| {}, fault(SourceReason::Malformed)),
        ("source_incomplete", |_| {}, fault(SourceReason::Incomplete)),
        ("source_unreachable", |_| {}, fault(SourceReason::Unreachable)),
        ("source_incomplete", emptied, None),
        ("source_shrank", another_tenant, None),
        ("source_incomplete", unconfirmed, None),
        (
            "source_malformed",
            |world| world.source.set_malformed(vec![Malformed { id: None, detail: "entry 3".into() }]),
            None,
        ),
    ];
    for (kind, spoil, list_fault) in table {
        for world in worlds().await {
            world.put(&["a1", "b1", "c1"]);
            world.synchronizer.full().await.unwrap();
            let before = world.catalog.snapshot().await.unwrap();
            let accepted_at = world.synchronizer.memory().accepted_at;
            world.clock.advance(Duration::from_secs(30));
            spoil(&world);
            world.source.fail_lists(list_fault.clone());
            let _first = world.synchronizer.full().await;
            let _second = world.synchronizer.full().await;
            assert_eq!(world.catalog.snapshot().await.unwrap(), before, "{kind}");
            assert_eq!(world.troubles(), [(kind.to_owned(), 2)]);
            assert_eq!(world.synchronizer.memory().accepted_at, accepted_at);

            world.source.fail_lists(None);
            world.source.fail_reads(None);
            world.source.set_malformed(vec![]);
            world.put(&["a1", "b1", "c1"]);
            world.synchronizer.full().await.unwrap();
            assert_eq!(world.troubles(), [], "{kind} is over");
        }
    }
}

fn emptied_of(world: &World) {
    for name in ["a1", "b1", "c1"] {
        world.source.remove(&id(name));
    }
}

#[tokio::test]
async fn contract_a_malformed_entry_does_not_hold_up_the_others() {
    for world in worlds().await {
        world.put(&["a1", "b1"]);
        world.synchronizer.full().await.unwrap();
        world.source.set_malformed(vec![Malformed { id: Some(id("b1")), detail: "entry 1: name".into() }]);
        world.source.remove(&id("b1"));
        world.put(&["c1"]);
        world.synchronizer.full().await.unwrap();
        let catalog = world.catalog.snapshot().await.unwrap();
        assert_eq!(catalog[&id("b1")].problems[0].kind, "source_malformed");
        assert_eq!(catalog[&id("b1")].presence, Presence::Present);
        assert!(catalog.contains_key(&id("c1")));
        let revision = world.catalog.revision().await.unwrap();
        world.clock.advance(Duration::from_secs(30));
        world.synchronizer.full().await.unwrap();
        assert_eq!(world.catalog.revision().await.unwrap(), revision, "a standing problem is no change");
    }
}

#[tokio::test]
async fn contract_only_owners_and_operators_change_settings() {
    for world in worlds().await {
        world.put(&["a1"]);
        world.synchronizer.full().await.unwrap();
        let service = Author::Peer(Principal::Service(mint_types::ServiceName::Coordinator));
        let itself = Author::Peer(Principal::Application(id("a1")));
        for stranger in [member("other"), service, itself] {
            let refused = world.sets(&stranger, "a1", 0).await.unwrap_err();
            assert_eq!(refused.reason(), "NOT_OWNER");
        }
        assert_eq!(world.audit.entries(), [], "a refusal is no act");
        assert_eq!(world.sets(&member("stups"), "a1", 0).await.unwrap().settings_generation, 1);
        assert_eq!(world.sets(&operator(), "nobody", 0).await.unwrap_err().reason(), "APPLICATION_UNKNOWN");
    }
}

#[tokio::test]
async fn contract_without_the_audit_log_no_setting_changes() {
    for world in worlds().await {
        world.put(&["a1"]);
        world.synchronizer.full().await.unwrap();
        let before = world.catalog.snapshot().await.unwrap();
        world.audit.set_down(true);
        let refused = world.sets(&operator(), "a1", 0).await.unwrap_err();
        assert_eq!(refused.reason(), "AUDIT_UNAVAILABLE");
        assert_eq!(world.catalog.snapshot().await.unwrap(), before);
        world.audit.set_down(false);
        world.sets(&operator(), "a1", 0).await.unwrap();
        let entries = world.audit.entries();
        let outcomes: Vec<_> = entries.iter().map(|entry| entry.outcome).collect();
        assert_eq!(outcomes, [None, Some(Outcome::Success)]);
        assert_eq!(entries[0].act.action, "settings.update");
        // the log's actor is this service: who asked it stands in the resource
        assert!(entries[0].act.resource.contains(" by "), "{}", entries[0].act.resource);
    }
}

#[tokio::test]
async fn contract_settings_change_only_from_the_generation_read() {
    for world in worlds().await {
        world.put(&["a1"]);
        world.synchronizer.full().await.unwrap();
        let first = world.sets(&operator(), "a1", 0).await.unwrap();
        let repeated = world.sets(&operator(), "a1", 0).await.unwrap();
        assert_eq!(repeated, first, "a repeated call answers as the first did");
        let unchanged = world.sets(&operator(), "a1", 1).await.unwrap();
        assert_eq!(unchanged, first);
        let other = Draft { prefix: "other".into(), ..draft() };
        for stale in [0, 7] {
            let refused =
                world.entering.draft(&operator(), &id("a1"), stale, other.clone(), &[]).await.unwrap_err();
            assert_eq!(refused.reason(), "SETTINGS_CHANGED");
        }
        let second = world.entering.draft(&operator(), &id("a1"), 1, other, &[]).await.unwrap();
        assert_eq!(second.settings_generation, 2);
        assert!(second.revision > first.revision);
        assert_eq!(second.identity_revision, first.identity_revision);
    }
}

#[tokio::test]
async fn contract_settings_for_an_application_that_the_list_lacks_make_it_looked_up() {
    for world in worlds().await {
        world.put(&["a1"]);
        world.synchronizer.full().await.unwrap();
        world.put(&["b1"]);
        world.source.unlist(&id("b1"));
        world.synchronizer.known(&id("b1")).await.unwrap();
        world.sets(&operator(), "b1", 0).await.unwrap();
        world.synchronizer.full().await.unwrap();
        let record = world.catalog.record(&id("b1")).await.unwrap().unwrap();
        assert_eq!((record.presence, record.settings_generation), (Presence::Present, 1));
        let unknown = world.synchronizer.known(&id("nobody")).await.unwrap_err();
        assert_eq!(unknown.reason(), "APPLICATION_UNKNOWN");
    }
}

#[tokio::test]
async fn contract_settings_of_the_file_are_entered_once_and_announced() {
    for world in worlds().await {
        let proposed = draft().checked(&Defaults::default()).unwrap();
        world.source.put(Entry { settings: Some(Ok(proposed.clone())), ..entry("a1") });
        world.audit.set_down(true);
        assert_eq!(world.synchronizer.full().await.unwrap_err().reason(), "AUDIT_UNAVAILABLE");
        assert_eq!(world.troubles(), [("audit_unavailable".to_owned(), 1)]);
        world.audit.set_down(false);
        world.synchronizer.full().await.unwrap();
        let record = world.catalog.record(&id("a1")).await.unwrap().unwrap();
        assert_eq!((record.settings, record.settings_generation), (Some(proposed), 1));
        let other = Draft { prefix: "mine".into(), ..draft() };
        let mine = world.entering.draft(&member("stups"), &id("a1"), 1, other, &[]).await.unwrap();
        world.synchronizer.full().await.unwrap();
        assert_eq!(world.catalog.record(&id("a1")).await.unwrap().unwrap(), mine);
    }
}

#[tokio::test]
async fn contract_one_change_is_one_revision_and_revisions_never_run_backwards() {
    for world in worlds().await {
        world.put(&["a1", "b1", "c1"]);
        let first = world.synchronizer.full().await.unwrap();
        assert_eq!(world.synchronizer.full().await.unwrap(), first, "nothing changed");
        let records = world.catalog.snapshot().await.unwrap();
        let mut revisions: Vec<u64> = records.values().map(|record| record.revision.0).collect();
        revisions.sort_unstable();
        assert_eq!(revisions, [first.0 - 2, first.0 - 1, first.0]);
        world.clock.set(Timestamp::from_unix_micros(0));
        world.sets(&operator(), "a1", 0).await.unwrap();
        assert_eq!(world.catalog.revision().await.unwrap(), Revision(first.0 + 1));
    }
}

#[tokio::test]
async fn contract_an_identity_is_recorded_for_known_applications_only() {
    for world in worlds().await {
        world.put(&["a1"]);
        world.synchronizer.full().await.unwrap();
        let identity = Identity { username: "stups_a1".into(), client_id: "c-1".into(), foreign: true };
        let record = world.catalog.record_identity(&id("a1"), &identity).await.unwrap();
        assert_eq!(record.identity.as_ref(), Some(&identity));
        assert!(record.identity_revision < record.revision);
        assert_eq!(world.catalog.record_identity(&id("a1"), &identity).await.unwrap(), record);
        let unknown = world.catalog.record_identity(&id("nobody"), &identity).await.unwrap_err();
        assert_eq!(unknown.reason(), "APPLICATION_UNKNOWN");
    }
}

#[tokio::test]
async fn contract_a_delta_brings_what_changed_and_removes_nothing() {
    for world in worlds().await {
        let dated = |name: &str, seconds: i64| {
            let facts = Facts {
                modified_at: Some(Timestamp::from_unix_micros(seconds * 1_000_000)),
                ..entry(name).facts
            };
            Entry { facts, ..entry(name) }
        };
        world.source.put(dated("a1", 1000));
        world.source.put(dated("b1", 1000));
        world.synchronizer.full().await.unwrap();
        world.source.remove(&id("a1"));
        world.source.put(dated("c1", 900));
        world.source.put(dated("d1", 800));
        world.synchronizer.delta().await.unwrap();
        let names: Vec<String> =
            world.catalog.snapshot().await.unwrap().keys().map(ToString::to_string).collect();
        assert_eq!(names, ["a1", "b1", "c1"], "a delta looks back as far as a list may be stale");
        let present = |record: &Record| record.presence == Presence::Present;
        assert!(world.catalog.snapshot().await.unwrap().values().all(present));
    }
}

#[tokio::test]
async fn contract_a_date_in_the_future_hides_no_change_from_deltas() {
    for world in worlds().await {
        let dated = |name: &str, at: Timestamp| {
            let facts = Facts { modified_at: Some(at), ..entry(name).facts };
            Entry { facts, ..entry(name) }
        };
        let now = world.clock.now();
        world.source.put(dated("a1", now));
        world.source.put(dated("b1", now.plus(Duration::from_hours(24 * 3650))));
        world.synchronizer.full().await.unwrap();
        assert_eq!(world.catalog.latest_modification().await.unwrap(), Some(now));
        // nothing is read for longer than a list may be old: an outage, or nobody changed anything
        let changed = now.plus(Duration::from_mins(5));
        world.clock.advance(Duration::from_hours(1));
        world.source.put(dated("c1", changed));
        world.source.put(dated("b1", changed));
        world.synchronizer.delta().await.unwrap();
        let catalog = world.catalog.snapshot().await.unwrap();
        assert!(catalog.contains_key(&id("c1")));
        assert_eq!(catalog[&id("b1")].facts.modified_at, Some(changed), "and it is not frozen itself");
    }
}

#[tokio::test]
async fn contract_the_catalog_and_its_troubles_survive_a_restart() {
    for world in worlds().await {
        world.put(&["a1"]);
        assert!(!world.synchronizer.has_read().await.unwrap());
        world.synchronizer.full().await.unwrap();
        let unreachable = SourceFault::new(SourceReason::Unreachable, "503");
        world.source.fail_lists(Some(unreachable));
        world.synchronizer.full().await.unwrap_err();
        let (before, memory) = (world.catalog.snapshot().await.unwrap(), world.synchronizer.memory());
        let world = world.restarted().await;
        assert_eq!(world.catalog.snapshot().await.unwrap(), before);
        assert_eq!(world.synchronizer.memory(), memory);
        assert!(
            world.synchronizer.has_read().await.unwrap(),
            "an outage of the registry does not stop readers"
        );
    }
}

#[tokio::test]
async fn contract_changed_defaults_change_every_record() {
    for place in databases(SCHEMA, MIGRATIONS).await {
        let before = world(place, MemorySource::default(), Defaults::default()).await;
        before.put(&["a1", "b1"]);
        let revision = before.synchronizer.full().await.unwrap();
        let defaults = Defaults { region: Some("eu-west-1".into()), ..Defaults::default() };
        let after = world(before.place, before.source, defaults.clone()).await;
        let changed = after.catalog.page(revision, Revision(u64::MAX >> 1), 10).await.unwrap();
        assert_eq!(changed.len(), 2);
        let raised = changed.iter().filter(|record| record.identity_revision > revision).count();
        assert_eq!(raised, 0, "no identity depends on them");
        let settled = after.catalog.revision().await.unwrap();
        let again = world(after.place, after.source, defaults).await;
        assert_eq!(again.catalog.revision().await.unwrap(), settled);
    }
}

#[tokio::test]
async fn contract_pages_cover_the_catalog_once() {
    for world in worlds().await {
        let names: Vec<String> = (0..7).map(|number| format!("app-{number}")).collect();
        world.put(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let revision = world.synchronizer.full().await.unwrap();
        for size in [1, 2, 3, 7, 8] {
            let (mut seen, mut token) = (Vec::new(), String::new());
            loop {
                let page = world.feed().list(Revision(0), size, &token).await.unwrap();
                assert_eq!(page.revision, revision);
                seen.extend(page.applications.into_iter().map(|application| application.id.to_string()));
                token = page.next_page_token;
                if token.is_empty() {
                    break;
                }
            }
            seen.sort();
            assert_eq!(seen, names, "pages of {size}");
        }
        assert_eq!(world.feed().list(revision, 0, "").await.unwrap().applications, []);
        for (size, token) in [(5001, ""), (1, "nonsense"), (1, "1-x")] {
            let refused = world.feed().list(Revision(0), size, token).await.unwrap_err();
            assert_eq!(refused.reason(), "INVALID_MESSAGE");
        }
    }
}

#[tokio::test]
async fn contract_a_reader_from_the_future_is_told_that_the_catalog_is_behind() {
    for world in worlds().await {
        world.put(&["a1"]);
        let future = Revision(world.synchronizer.full().await.unwrap().0 + 1);
        let behind = world.feed().at_least(future).await.unwrap_err();
        assert_eq!(behind.reason(), "CATALOG_BEHIND");
        assert_eq!(world.feed().list(future, 0, "").await.unwrap_err().reason(), "CATALOG_BEHIND");
        let watch = world.feed().watch(future).await.map(drop);
        assert_eq!(watch.unwrap_err().reason(), "CATALOG_BEHIND");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_no_change_is_lost_between_list_and_watch() {
    const CHANGES: u64 = 40;
    for world in worlds().await {
        let world = Arc::new(world);
        world.put(&["a1", "b1", "c1"]);
        world.synchronizer.full().await.unwrap();
        let writers = ["a1", "b1", "c1"].map(|name| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                for number in 0..CHANGES {
                    let identity =
                        Identity { username: name.into(), client_id: format!("{number}"), foreign: false };
                    world.catalog.record_identity(&id(name), &identity).await.unwrap();
                }
            })
        });
        let feed = world.feed();
        let page = feed.list(Revision(0), 0, "").await.unwrap();
        let mut latest: BTreeMap<ApplicationId, mint_types::Application> =
            page.applications.into_iter().map(|application| (application.id.clone(), application)).collect();
        let mut watch = feed.watch(page.revision).await.unwrap();
        let mut last = page.revision;
        let complete = |latest: &BTreeMap<ApplicationId, mint_types::Application>| {
            let last = (CHANGES - 1).to_string();
            latest
                .values()
                .all(|application| application.identity.as_ref().is_some_and(|i| i.client_id == last))
        };
        while !complete(&latest) {
            let change = tokio::time::timeout(Duration::from_secs(30), watch.next()).await;
            let change = change.expect("no change was lost").unwrap().unwrap();
            assert!(change.revision > last, "changes come in order");
            last = change.revision;
            latest.insert(change.id.clone(), change);
        }
        for writer in writers {
            writer.await.unwrap();
        }
    }
}

#[tokio::test]
async fn contract_a_slow_watcher_is_told_to_come_back() {
    for world in worlds().await {
        let names: Vec<String> = (0..100).map(|number| format!("app-{number}")).collect();
        world.put(&names.iter().map(String::as_str).collect::<Vec<_>>());
        world.synchronizer.full().await.unwrap();
        let feed = world.feed().with_patience(Duration::from_millis(20));
        let mut watch = feed.watch(Revision(0)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        let (mut seen, mut last) = (0, Revision(0));
        let fault = loop {
            match watch.next().await.unwrap() {
                Ok(application) => (seen, last) = (seen + 1, application.revision),
                Err(fault) => break fault,
            }
        };
        assert_eq!(fault.reason, "WATCHER_TOO_SLOW");
        assert!(watch.next().await.is_none());
        let rest = feed.watch(last).await.unwrap().take(100 - seen).count().await;
        assert_eq!(seen + rest, 100);
    }
}

#[tokio::test]
async fn contract_the_role_can_do_its_work_and_delete_nothing() {
    for owner in worlds().await.into_iter().filter(|world| world.place.engine == "postgres") {
        owner.place.administer(include_str!("../permissions/postgres.sql")).await;
        let url = owner.place.url_as("mint_registry_sync");
        let database = mint_store::Database::open(&url, SCHEMA, MIGRATIONS, false).await.unwrap();
        let mut place = owner.place;
        place.database = database.clone();
        let defaults = Defaults { region: Some("eu-west-1".into()), ..Defaults::default() };
        let world = world(place, owner.source, defaults).await;
        world.put(&["a1", "b1"]);
        world.synchronizer.full().await.unwrap();
        world.sets(&operator(), "a1", 0).await.unwrap();
        world.source.remove(&id("b1"));
        world.synchronizer.full().await.unwrap();
        for forbidden in [
            "DELETE FROM applications",
            "TRUNCATE applications",
            "DELETE FROM catalog",
            "DELETE FROM releases",
            "UPDATE releases SET acts = 100",
            "INSERT INTO catalog (id, revision, defaults, problems) VALUES (1, 0, '', '[]')",
            "DELETE FROM mint_migrations",
            "CREATE TABLE other (x TEXT)",
        ] {
            assert!(database.execute(forbidden, &[]).await.is_err(), "{forbidden}");
        }
        assert_eq!(world.catalog.size().await.unwrap(), 2);
    }
}

#[tokio::test]
async fn the_bell_and_the_clock_make_the_source_be_read() {
    let world = worlds().await.remove(0);
    world.put(&["a1"]);
    let shutdown = CancellationToken::new();
    let schedule = Schedule { full: Period::from_seconds(3600), delta: Period::from_seconds(3600) };
    let (synchronizer, stop) = (Arc::clone(&world.synchronizer), shutdown.clone());
    let ready = CancellationToken::new();
    let answered = ready.clone();
    let running =
        tokio::spawn(async move { synchronizer.run(schedule, stop, move || answered.cancel()).await });
    ready.cancelled().await;
    assert!(world.catalog.record(&id("a1")).await.unwrap().is_some());
    world.put(&["b1"]);
    let mut revisions = world.catalog.subscribe();
    revisions.mark_unchanged();
    world.source.bell().notify_one();
    revisions.changed().await.unwrap();
    assert!(world.catalog.record(&id("b1")).await.unwrap().is_some());
    shutdown.cancel();
    running.await.unwrap();
}

#[test]
fn failures_are_repeated_more_and_more_slowly_up_to_the_full_interval() {
    let schedule = Schedule { full: Period::from_seconds(30), delta: Period::from_seconds(5) };
    let pauses: Vec<u64> = (1..=4).map(|failures| backoff(schedule, failures).as_secs()).collect();
    assert_eq!(pauses, [10, 20, 30, 30]);
}
