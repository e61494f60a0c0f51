//! What every engine must do alike.

use std::collections::BTreeMap;
use std::time::Duration;

use mint_coordinator::{
    Change, Control, Decision, Desk, Held, LeaseFate, MIGRATIONS, SCHEMA, SqlStore, Store, StoreError, Taker,
    World, decide,
};
use mint_saga::{Cause, Credential, Event, apply};
use mint_testkit::{SeededEntropy, TestDatabase, databases};
use mint_types::{Application, ApplicationId, CredentialKind, Revision, RotationId, Timestamp};

use crate::stage::{application, as_the_service};

const NOW: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);
const LEASE: Duration = Duration::from_secs(30);

async fn stores() -> Vec<(SqlStore, TestDatabase)> {
    let mut stores = Vec::new();
    for database in databases(SCHEMA, MIGRATIONS).await {
        stores.push((SqlStore::new(as_the_service(&database).await), database));
    }
    stores
}

fn id(text: &str) -> ApplicationId {
    text.parse().unwrap()
}

fn after(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

fn rotation(seed: u64) -> RotationId {
    RotationId::random(&SeededEntropy::new(seed))
}

/// Opens what is due, as the coordinator does.
fn open(now: Timestamp) -> impl Fn(&mut Desk, Control) -> Decision + Send + Sync {
    move |desk, control| {
        let decision = decide(desk, &World { now, issuer_paused_until: None, paused: control.paused });
        for (kind, cause) in &decision.open {
            let event = Event::Opened { id: rotation(7), cause: *cause, traceparent: None };
            desk.credentials.insert(*kind, apply(&desk.credential(*kind), event, now).unwrap());
        }
        decision
    }
}

async fn take(store: &SqlStore, application: &str, holder: &str, now: Timestamp) -> Option<Held> {
    let taker = Taker { holder, now, until: now.plus(LEASE) };
    store.take(&id(application), taker, &open(now)).await.unwrap()
}

async fn take_in(store: &SqlStore, records: &[Application]) {
    store.take_in(records, Revision(0), NOW).await.unwrap();
}

fn release(held: &Held, wake_at: Timestamp) -> Change {
    Change {
        credential: None,
        standing: held.desk.standing.clone(),
        now: NOW,
        lease: LeaseFate::Release { wake_at, changed: true },
    }
}

#[tokio::test]
async fn contract_a_lease_excludes_others_until_it_expires() {
    for (store, database) in stores().await {
        take_in(&store, &[application("app-a", 1)]).await;
        let held = take(&store, "app-a", "one", NOW).await.expect("it is free");
        assert!(take(&store, "app-a", "two", after(29)).await.is_none(), "{}", database.engine);
        assert!(store.due("two", after(29), 10).await.unwrap().is_empty());
        assert_eq!(store.due("two", after(30), 10).await.unwrap(), [id("app-a")]);
        let taken = take(&store, "app-a", "two", after(30)).await.expect("it expired");
        assert!(taken.lease.token > held.lease.token);
        assert_eq!(taken.desk.credentials, held.desk.credentials, "the intents were kept");
    }
}

#[tokio::test]
async fn contract_a_stale_lease_cannot_commit() {
    for (store, _database) in stores().await {
        take_in(&store, &[application("app-a", 1)]).await;
        let stale = take(&store, "app-a", "one", NOW).await.unwrap();
        let fresh = take(&store, "app-a", "two", after(31)).await.unwrap();
        let mut credential = fresh.desk.credential(CredentialKind::Password);
        credential.completed = 99;
        for lease in
            [LeaseFate::KeepUntil(after(99)), LeaseFate::Release { wake_at: after(99), changed: true }]
        {
            let change = Change { credential: Some(credential.clone()), lease, ..release(&stale, NOW) };
            let lost = store.commit(&stale.lease, &change).await.unwrap_err();
            assert_eq!(lost, StoreError::LeaseLost(id("app-a")));
        }
        let desk = store.desk(&id("app-a")).await.unwrap().unwrap();
        assert_eq!(desk.credentials, fresh.desk.credentials, "nothing of it was written");
        store.commit(&fresh.lease, &release(&fresh, after(60))).await.unwrap();
        assert!(store.commit(&fresh.lease, &release(&fresh, NOW)).await.is_err(), "given back is given back");
    }
}

#[tokio::test]
async fn contract_fencing_tokens_only_grow() {
    for (store, _database) in stores().await {
        take_in(&store, &[application("app-a", 1)]).await;
        let mut last = 0;
        // the clock may jump back
        for now in [NOW, after(100), after(200), after(150), after(300)] {
            let Some(held) = take(&store, "app-a", "one", now).await else { continue };
            assert!(held.lease.token.0 > last);
            assert!(held.lease.token.0 >= u64::try_from(now.unix_millis()).unwrap());
            last = held.lease.token.0;
            store.commit(&held.lease, &release(&held, NOW)).await.unwrap();
        }
        assert!(last > 0);
    }
}

#[tokio::test]
async fn contract_what_happens_beside_the_holder_wakes_the_application() {
    for (store, _database) in stores().await {
        take_in(&store, &[application("app-a", 1)]).await;
        let held = take(&store, "app-a", "one", NOW).await.unwrap();
        store.commit(&held.lease, &release(&held, after(500))).await.unwrap();
        assert!(store.due("two", after(400), 10).await.unwrap().is_empty());
        assert_eq!(store.next_wake(NOW).await.unwrap(), Some(after(500)));

        let held = take(&store, "app-a", "one", after(500)).await.unwrap();
        take_in(&store, &[application("app-a", 2)]).await;
        store.commit(&held.lease, &release(&held, after(900))).await.unwrap();
        assert_eq!(store.due("two", after(501), 10).await.unwrap(), [id("app-a")]);
    }
}

#[tokio::test]
async fn contract_an_older_record_is_passed_over() {
    for (store, _database) in stores().await {
        let mut newer = application("app-a", 5);
        newer.name = "newer".into();
        store.take_in(&[newer, application("app-b", 6)], Revision(6), NOW).await.unwrap();
        store.take_in(&[application("app-a", 4)], Revision(4), NOW).await.unwrap();
        assert_eq!(store.desk(&id("app-a")).await.unwrap().unwrap().record.name, "newer");
        assert_eq!(store.revision().await.unwrap(), Revision(6), "it never goes back");
        assert!(store.desk(&id("app-c")).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn contract_everything_survives_reopening() {
    for (store, database) in stores().await {
        take_in(&store, &[application("app-a", 1)]).await;
        let held = take(&store, "app-a", "one", NOW).await.unwrap();
        let mut credential = held.desk.credential(CredentialKind::Client);
        credential.completed = 3;
        let change = Change {
            credential: Some(credential.clone()),
            lease: LeaseFate::KeepUntil(after(60)),
            ..release(&held, NOW)
        };
        assert!(!store.commit(&held.lease, &change).await.unwrap());
        let reopened = mint_store::Database::open(&database.url, SCHEMA, MIGRATIONS, true).await.unwrap();
        let desk = SqlStore::new(reopened).desk(&id("app-a")).await.unwrap().unwrap();
        assert_eq!(desk.credentials[&CredentialKind::Client], credential);
        assert_eq!(desk.record, application("app-a", 1));
    }
}

#[tokio::test]
async fn contract_a_pause_is_told_with_the_next_commit_and_survives() {
    for (store, _database) in stores().await {
        take_in(&store, &[application("app-a", 1), application("app-b", 2)]).await;
        let held = take(&store, "app-a", "one", NOW).await.unwrap();
        let keep = Change { lease: LeaseFate::KeepUntil(after(60)), ..release(&held, NOW) };
        assert!(!store.commit(&held.lease, &keep).await.unwrap());
        store.set_paused(&id("app-a"), Some("because"), NOW).await.unwrap();
        assert!(store.commit(&held.lease, &keep).await.unwrap());
        assert!(take(&store, "app-b", "one", NOW).await.is_some(), "others go on");
        let desk = store.desk(&id("app-a")).await.unwrap().unwrap();
        assert_eq!(desk.paused.as_deref(), Some("because"));
        store.set_paused(&id("app-a"), None, NOW).await.unwrap();
        store.set_all_paused(Some("all"), NOW).await.unwrap();
        assert!(store.commit(&held.lease, &keep).await.unwrap());
        store.probe().await.unwrap();
        assert_eq!(store.all_paused().await.unwrap().as_deref(), Some("all"));
        store.set_all_paused(None, NOW).await.unwrap();
        assert_eq!(store.all_paused().await.unwrap(), None);
        assert!(!store.set_paused(&id("app-z"), None, NOW).await.unwrap());
    }
}

#[tokio::test]
async fn contract_an_edit_is_seen_by_the_next_holder() {
    for (store, _database) in stores().await {
        take_in(&store, &[application("app-a", 1)]).await;
        let edit = |desk: &mut Desk| {
            let mut credential = Credential::new(CredentialKind::Password);
            let event = Event::Opened { id: rotation(5), cause: Cause::Requested, traceparent: None };
            credential = apply(&credential, event, NOW).unwrap();
            desk.credentials = BTreeMap::from([(CredentialKind::Password, credential)]);
            vec![]
        };
        assert!(store.edit(&id("app-a"), NOW, &edit).await.unwrap().is_some());
        assert!(store.edit(&id("app-z"), NOW, &edit).await.unwrap().is_none());
        let held = take(&store, "app-a", "one", NOW).await.unwrap();
        let opened = held.desk.credentials[&CredentialKind::Password].rotation.as_ref().unwrap();
        assert_eq!((opened.id, opened.cause), (rotation(5), Cause::Requested));
    }
}

#[tokio::test]
async fn contract_changes_are_counted_and_found_by_time() {
    for (store, _database) in stores().await {
        take_in(&store, &[application("app-a", 1), application("app-b", 2)]).await;
        store.take_in(&[application("app-a", 3)], Revision(3), after(50)).await.unwrap();
        assert_eq!(store.changed_since(after(50)).await.unwrap(), [(id("app-a"), 2)]);
        let mut all = store.changed_since(NOW).await.unwrap();
        all.sort();
        assert_eq!(all, [(id("app-a"), 2), (id("app-b"), 1)]);
    }
}

#[tokio::test]
async fn contract_a_holders_leases_can_be_taken_over_by_name() {
    for (store, _database) in stores().await {
        take_in(&store, &[application("app-a", 1), application("app-b", 2)]).await;
        take(&store, "app-a", "one", NOW).await.unwrap();
        take(&store, "app-b", "two", NOW).await.unwrap();
        store.reclaim("one").await.unwrap();
        assert_eq!(store.due("two", NOW, 10).await.unwrap(), [id("app-a")]);
    }
}

#[tokio::test]
async fn contract_an_overlong_lease_is_ended_once_and_its_holder_cannot_commit() {
    for (store, _database) in stores().await {
        take_in(&store, &[application("app-a", 1), application("app-b", 2)]).await;
        let held = take(&store, "app-a", "ahead", after(3600)).await.unwrap();
        take(&store, "app-b", "right", NOW).await.unwrap();
        let found = store.overlong(after(60)).await.unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((&found[0].application, found[0].token), (&id("app-a"), held.lease.token));
        assert!(store.end_overlong(&found[0]).await.unwrap());
        assert!(!store.end_overlong(&found[0]).await.unwrap(), "it was ended already");
        let late = store.commit(&held.lease, &release(&held, NOW)).await;
        assert!(matches!(late, Err(StoreError::LeaseLost(_))), "{late:?}");
        let next = take(&store, "app-a", "right", NOW).await.unwrap();
        assert!(next.lease.token > held.lease.token);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_of_many_takers_one_gets_the_lease() {
    for (store, _database) in stores().await {
        take_in(&store, &[application("app-a", 1)]).await;
        let takers = (0..16).map(|number| {
            let store = store.clone();
            tokio::spawn(
                async move { take(&store, "app-a", &format!("holder-{number}"), NOW).await.is_some() },
            )
        });
        let won = futures::future::join_all(takers).await.into_iter().filter(|one| *one.as_ref().unwrap());
        assert_eq!(won.count(), 1);
    }
}

#[tokio::test]
async fn contract_the_role_cannot_delete_nor_rewrite_what_it_was_told() {
    for (_, database) in stores().await {
        if database.engine != "postgres" {
            continue;
        }
        let restricted = as_the_service(&database).await;
        for statement in [
            "DELETE FROM applications",
            "DELETE FROM credentials",
            "DELETE FROM intake",
            "DELETE FROM control",
            "UPDATE applications SET application_id = 'other'",
            "UPDATE credentials SET kind = 'other'",
            "INSERT INTO control (id, paused, reason) VALUES (2, 0, '')",
            "CREATE TABLE of_its_own (id BIGINT)",
        ] {
            let refused = restricted.execute(statement, &[]).await;
            assert!(matches!(refused, Err(mint_store::Error::Refused { .. })), "{statement}: {refused:?}");
        }
    }
}
