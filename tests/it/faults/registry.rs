//! The registry lies, forgets and retires.

use std::sync::Arc;

use mint_api::coordination::v1::ApplicationState;
use mint_api::registry::v1::registry_service_client::RegistryServiceClient;
use mint_api::registry::v1::{
    GetApplicationRequest, GetSourceRequest, SyncSourceRequest, UpdateSettingsRequest,
};
use mint_runtime::client::Channel;
use mint_tests::application::{Application, eventually};
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Live, Options, World, at_rest};
use mint_types::ServiceName;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use super::{DEADLINE, Shared, logs_in, passwords, rotate_password, tempo};

/// Retired later; without a bucket they cost little, and their users are what it is about.
const RETIRED: [&str; 3] = ["f17-00", "f17-01", "f17-02"];

/// Enough that one list of users for each of them would be seen.
fn crowd() -> Vec<String> {
    (0..45).map(|number| format!("f17-{number:02}")).collect()
}

/// The world whose registry is played with; by one test at a time, because there is one registry.
async fn world() -> (Arc<World>, MutexGuard<'static, ()>) {
    static WORLD: Shared = Shared::new();
    static TURN: Mutex<()> = Mutex::const_new(());
    let options = || {
        let mut entries: Vec<Entry> = crowd().iter().map(|id| Entry::new(id).buckets(&[])).collect();
        entries.extend(["f02-a", "f02-b", "f04-first", "f04-gone", "f04-last"].map(Entry::new));
        let registry = registry(&entries, &["password_grace: 1s"]);
        Options { registry: Some(registry), arguments: tempo(), ..Options::default() }
    };
    let world = WORLD.world(options).await;
    (world, TURN.lock().await)
}

/// Waits until everybody's user was made.
async fn the_crowd_is_there(world: &World) {
    for id in crowd() {
        // an application without a bucket fails when nothing but its credentials is missing; some were retired since
        let settled = [ApplicationState::Failed as i32, ApplicationState::Inactive as i32];
        world.until(&id, "its user is there", DEADLINE, |status| settled.contains(&status.state)).await;
    }
}

fn source(world: &World) -> RegistryServiceClient<Channel> {
    RegistryServiceClient::new(world.channel(ServiceName::RegistrySync, &world.operator()))
}

/// Has the registry read until its list is taken.
pub(super) async fn read_the_list(world: &World) {
    let mut source = source(world);
    eventually("the list is taken", DEADLINE, || {
        let mut source = source.clone();
        async move { source.sync_source(SyncSourceRequest {}).await.ok() }
    })
    .await;
    let standing = source.get_source(GetSourceRequest {}).await.expect("answered").into_inner();
    assert_eq!(standing.problems, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_an_empty_answer_of_the_registry_takes_nothing_from_anybody() {
    let (world, _turn) = world().await;
    let ids = ["f02-a", "f02-b"];
    world.until_at_rest(&ids, DEADLINE).await;
    the_crowd_is_there(&world).await;
    let since = world.last_call().await;
    for body in ["", "[]"] {
        world
            .fault(json!({"api": "kio.list", "kind": "lie", "status": 200, "count": 10_000, "body": body}))
            .await;
        let mut source = source(&world);
        for _ in 0..3 {
            // refused or told as a problem of the source: the problem is what counts
            let _refusal = source.sync_source(SyncSourceRequest {}).await;
        }
        let standing = source.get_source(GetSourceRequest {}).await.expect("answered").into_inner();
        assert!(!standing.problems.is_empty(), "{body:?} is a problem of the source");
        let shown = world.mint(&["status", "--output", "json"]).await;
        let document: Value = serde_json::from_slice(&shown.stdout).expect("one document");
        assert_eq!(document["source"]["problems"][0]["type"], standing.problems[0].r#type, "{document:#}");
        // nobody waits for the registry either
        let begun = passwords(&world.status("f02-a").await);
        rotate_password(&world, "f02-a").await;
        world
            .until("f02-a", "rotated", DEADLINE, |status| at_rest(status) && passwords(status) > begun)
            .await;
        world.heal().await;
    }
    for id in ids {
        let status = world.status(id).await;
        assert_eq!((status.state, status.problems.len()), (ApplicationState::Delivered as i32, 0), "{id}");
        assert_eq!(world.live(id).await, Live { passwords: 1, clients: 1 }, "{id}");
        assert!(world.objects(id).await.iter().all(|object| object.state == "enabled"), "{id}");
        logs_in(&world, id).await;
    }
    let taken: Vec<_> = world.calls(since).await;
    let taken =
        taken.iter().filter(|call| matches!(call.api.as_str(), "service-user.put" | "service-user.delete"));
    assert_eq!(taken.count(), 0, "nothing was disabled or deleted");
    read_the_list(&world).await;
}

/// Enters the settings of another for an application, as the operator, whether or not the catalog knows it.
async fn enter_settings(world: &World, id: &str) {
    let mut registry = source(world);
    let template = GetApplicationRequest { application_id: "f02-a".to_owned(), min_revision: 0 };
    let template = registry.get_application(template).await.expect("known").into_inner().application;
    let request = UpdateSettingsRequest {
        application_id: id.to_owned(),
        settings: template.expect("a record").settings,
        ..Default::default()
    };
    registry.update_settings(request).await.unwrap_or_else(|refusal| panic!("{id}: {refusal}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn f03_settings_entered_before_the_cached_list_knows_the_application_are_kept() {
    let (world, _turn) = world().await;
    world.until("f02-a", "delivered", DEADLINE, at_rest).await;
    let id = "f03-new";
    let known = world.statuses().await.expect("answered");
    let stale: Vec<Value> = known
        .iter()
        .map(|status| &status.application_id)
        .filter(|known| *known != id)
        .map(|id| json!({"id": id, "team_id": "team", "name": id, "active": true}))
        .collect();
    let stale = Value::from(stale).to_string();
    world
        .fault(json!({"api": "kio.list", "kind": "lie", "status": 200, "count": 10_000, "body": stale}))
        .await;
    world.registry(json!({"put": {"id": id, "team_id": "team", "name": id, "active": true}})).await;
    enter_settings(&world, id).await;
    for _ in 0..3 {
        read_the_list(&world).await;
    }
    world.until(id, "delivered", DEADLINE, at_rest).await;
    read_the_list(&world).await;
    let status = world.status(id).await;
    assert_eq!((status.state, status.problems.len()), (ApplicationState::Delivered as i32, 0), "{status:?}");
    assert_eq!(world.live(id).await, Live { passwords: 1, clients: 1 });
    world.heal().await;
    read_the_list(&world).await;
    assert_eq!(world.shown_problems(id).await, [""; 0]);
    logs_in(&world, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_an_application_that_vanishes_while_it_rotates_stops_nobody_after_it() {
    let (world, _turn) = world().await;
    let (gone, others) = ("f04-gone", ["f04-first", "f04-last"]);
    world.until_at_rest(&[gone, others[0], others[1]], DEADLINE).await;
    // with the application the embedded world takes its role: what it held before must go on to work
    let login = Application::open(world.data(), gone).await.login().await.expect("delivered");
    let slow = json!({"api": super::CREATE, "kind": "slow", "delay_ms": 2000, "count": 1, "match": gone});
    world.fault(slow).await;
    for id in [gone, others[0], others[1]] {
        rotate_password(&world, id).await;
    }
    eventually("its rotation is under way", DEADLINE, || async {
        (world.faults_left(gone).await == 0).then_some(())
    })
    .await;
    world.registry(json!({"remove": gone})).await;
    read_the_list(&world).await;
    for id in others {
        world.until(id, "rotated", DEADLINE, |status| at_rest(status) && passwords(status) == 2).await;
        assert_eq!(world.live(id).await, Live { passwords: 1, clients: 1 }, "{id}");
    }
    let held = |status: &mint_api::coordination::v1::ApplicationStatus| {
        status.state == ApplicationState::Held as i32 && !status.problems.is_empty()
    };
    world.until(gone, "held", DEADLINE, held).await;
    assert!(world.shown_problems(gone).await.contains(&"application_missing".to_owned()));
    login.token(&world.endpoints.token_url).await.expect("what it held works");
    assert!(world.objects(gone).await.iter().all(|object| object.state == "enabled"));

    world.registry(json!({"put": {"id": gone, "team_id": "team", "name": gone, "active": true}})).await;
    read_the_list(&world).await;
    world.until(gone, "goes on", DEADLINE, |status| at_rest(status) && passwords(status) == 2).await;
    assert_eq!(world.live(gone).await, Live { passwords: 1, clients: 1 });
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_retiring_applications_does_not_list_all_users_for_each() {
    let (world, _turn) = world().await;
    the_crowd_is_there(&world).await;
    // a fleet that is not a day old has a budget of one a day
    let release = ["registry", "release", "--acts", "3"];
    let operators = ["--signer", "operator/operator", "--signer", "operator/second"];
    let named = RETIRED.iter().flat_map(|id| ["--application", *id]);
    let arguments: Vec<&str> = release.into_iter().chain(operators).chain(named).collect();
    let released = world.mint(&arguments).await;
    assert!(released.status.success(), "{}", String::from_utf8_lossy(&released.stderr));
    let since = world.last_call().await;
    for id in RETIRED {
        world.registry(json!({"put": {"id": id, "active": false}})).await;
    }
    read_the_list(&world).await;
    for id in RETIRED {
        let inactive = |status: &mint_api::coordination::v1::ApplicationStatus| {
            status.state == ApplicationState::Inactive as i32
        };
        world.until(id, "inactive", DEADLINE, inactive).await;
        eventually("its user is disabled", DEADLINE, || async {
            let objects = world.objects(id).await;
            objects.iter().any(|object| object.object == "user" && object.state == "disabled").then_some(())
        })
        .await;
    }
    let calls = world.calls(since).await;
    let lists = calls.iter().filter(|call| call.api == "service-user.list").count();
    assert!(lists <= 1, "{lists} lists of all users for {} retired applications", RETIRED.len());
    for id in RETIRED {
        let own = calls.iter().filter(|call| call.application.as_deref() == Some(id));
        let own: Vec<&str> =
            own.map(|call| call.api.as_str()).filter(|api| api.starts_with("service-user.")).collect();
        assert!(own.len() <= 2, "{id}: {own:?}");
    }
}
