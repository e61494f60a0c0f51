//! What is taken away, by the registry, by settings or by hand: everything of it goes, and nothing else.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use mint_api::coordination::v1::{ApplicationState, ApplicationStatus};
use mint_tests::application::{Application, eventually};
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Live, Options, World, at_rest};
use mint_types::ServiceName;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{DEADLINE, Shared, logs_in, rotate_password, tempo};

/// Two operators sign what goes beyond the budget.
const OPERATORS: [&str; 4] = ["--signer", "operator/operator", "--signer", "operator/second"];

/// The world of those who go, and of their neighbours.
async fn world() -> Arc<World> {
    static WORLD: Shared = Shared::new();
    let options = || {
        let two = ["team-credentials", "team-second"];
        let mut entries: Vec<Entry> = ["f06-two", "f15-bucket"].map(|id| Entry::new(id).buckets(&two)).into();
        entries.extend(["f10-new-bucket", "f13", "f15-gone", "restored"].map(Entry::new));
        let registry = registry(&entries, &["password_grace: 1s"]);
        let arguments = [tempo(), ["--tombstone", "15s"].map(ToOwned::to_owned).to_vec()].concat();
        let look = "MINT_IDENTITY_PROVISIONER__ISSUER__CHECK_INTERVAL";
        let environment = vec![(look.to_owned(), "2s".to_owned())];
        Options { registry: Some(registry), arguments, environment, ..Options::default() }
    };
    let world = WORLD.world(options).await;
    // the budget of a fleet that is not a day old is one a day: operators let each test have its own
    run(&world, &[&["registry", "release", "--acts", "2"], &OPERATORS[..]].concat()).await;
    world
}

fn file(world: &World, bucket: &str, key: &str) -> PathBuf {
    world.data().join("sandbox/s3").join(bucket).join(key)
}

/// What lies in a bucket, whoever may read it.
fn object(world: &World, bucket: &str, key: &str) -> Option<Value> {
    let bytes = std::fs::read(file(world, bucket, key)).ok()?;
    Some(serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{bucket}/{key}: {error}")))
}

fn is_tombstone(world: &World, bucket: &str, key: &str) -> bool {
    let object = object(world, bucket, key).unwrap_or_else(|| panic!("{bucket}/{key} is not there"));
    let keys: Vec<&String> = object.as_object().expect("an object").keys().collect();
    object["mint_tombstone"] == true && keys == ["mint_tombstone", "since"]
}

async fn run(world: &World, arguments: &[&str]) -> String {
    let output = world.mint(arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn set_active(world: &World, id: &str, active: bool) {
    world.registry(json!({"put": {"id": id, "active": active}})).await;
    super::registry::read_the_list(world).await;
}

async fn is_deleted_at_the_issuer(world: &World, id: &str) -> bool {
    let objects = world.objects(id).await;
    !objects.is_empty() && objects.iter().all(|object| object.state == "deleted" && object.live == 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn f06_an_unwritable_bucket_keeps_neither_the_user_alive_nor_the_other_bucket_full() {
    let world = world().await;
    let id = "f06-two";
    world.until(id, "delivered", DEADLINE, at_rest).await;
    let closed = "team-second/f06-two";
    world
        .fault(
            json!({"api": "s3.PutObject", "kind": "fail", "status": 403, "count": 10_000, "match": closed}),
        )
        .await;
    set_active(&world, id, false).await;
    let status = world.until(id, "deleted", DEADLINE, |status| status.identity_deleted).await;
    assert_eq!(status.state, ApplicationState::Inactive as i32);
    assert!(is_deleted_at_the_issuer(&world, id).await, "{:?}", world.objects(id).await);
    assert!(is_tombstone(&world, "team-credentials", "f06-two/user.json"));
    assert!(is_tombstone(&world, "team-credentials", "f06-two/client.json"));
    assert_eq!(world.shown_problems(id).await, ["objects_not_overwritten"]);
    let detail = &status.problems[0].detail;
    for key in ["team-second/f06-two/user.json", "team-second/f06-two/client.json"] {
        assert!(detail.contains(key), "{detail}");
    }

    world.heal_of(closed).await;
    run(&world, &["resume", id]).await;
    world.until(id, "nothing is left", DEADLINE, |status| status.problems.is_empty()).await;
    assert!(is_tombstone(&world, "team-second", "f06-two/user.json"));
    assert!(is_tombstone(&world, "team-second", "f06-two/client.json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_a_new_bucket_is_filled_at_once() {
    let world = world().await;
    let id = "f10-new-bucket";
    world.until(id, "delivered", DEADLINE, at_rest).await;
    assert_eq!(object(&world, "spare-credentials", "f10-new-bucket/user.json"), None);
    run(&world, &["app", "set", id, "--bucket", "team-credentials", "--bucket", "spare-credentials"]).await;
    // the periods are 30 days: nothing but the new bucket asks for a rotation
    eventually("the new bucket is filled", DEADLINE, || async {
        let name = |object: &str| format!("{id}/{object}");
        let user = object(&world, "spare-credentials", &name("user.json"))?;
        let client = object(&world, "spare-credentials", &name("client.json"))?;
        (user["application_password"].is_string() && client["client_secret"].is_string()).then_some(())
    })
    .await;
    world.until(id, "at rest", DEADLINE, at_rest).await;
    for name in ["user.json", "client.json"] {
        let key = format!("{id}/{name}");
        let both = ["team-credentials", "spare-credentials"].map(|bucket| object(&world, bucket, &key));
        assert_eq!(both[0], both[1], "{name}: the buckets agree");
    }
    logs_in(&world, id).await;
    assert_eq!(world.live(id).await, Live { passwords: 1, clients: 1 });
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_a_user_deleted_by_hand_is_made_again_and_everything_of_it_is_delivered_again() {
    let world = world().await;
    let id = "f13";
    world.until(id, "delivered", DEADLINE, at_rest).await;
    let application = Application::open(world.data(), id).await;
    let before = application.login().await.expect("delivered");
    let token = world.data().join("run/secrets/identity-provisioner/issuer-token");
    let token = std::fs::read_to_string(token).expect("the token of the issuer's administrator");
    let url = format!("{}/services/stups_{id}", world.endpoints.service_user_url);
    let request = Request::delete(&url).header("authorization", format!("Bearer {}", token.trim()));
    let request = request.body(Full::<Bytes>::default()).expect("a request");
    let deleted = mint_tests::client::send(request).await.expect("the issuer answers");
    assert!(deleted.status.is_success(), "{}: {:?}", deleted.status, deleted.body);
    before.token(&world.endpoints.token_url).await.expect_err("its user is gone");

    let after = eventually("what lies in the bucket logs in again", DEADLINE, || async {
        let found = application.login().await.ok()?;
        found.token(&world.endpoints.token_url).await.ok().map(|_| found)
    })
    .await;
    assert_eq!(after.username, before.username);
    assert_ne!(after.password, before.password);
    assert_ne!(after.client_secret, before.client_secret, "its client is another one, too");
    world.until(id, "at rest", DEADLINE, at_rest).await;
    assert_eq!(world.live(id).await, Live { passwords: 1, clients: 1 });
    assert_eq!(world.shown_problems(id).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_nothing_of_a_deleted_application_stays_in_a_bucket() {
    let world = world().await;
    let id = "f15-gone";
    world.until(id, "delivered", DEADLINE, at_rest).await;
    let before = Application::open(world.data(), id).await.login().await.expect("delivered");
    set_active(&world, id, false).await;
    let resting = world.until(id, "disabled", DEADLINE, |status| status.tombstone_until.is_some()).await;
    assert!(!resting.identity_deleted);
    before.token(&world.endpoints.token_url).await.expect_err("a disabled user gets no token");
    // whoever runs the removal dies in the middle of it
    assert!(world.signal(ServiceName::Coordinator.as_str(), Signal::KILL), "the coordinator runs");
    world.until(id, "deleted", DEADLINE, |status| status.identity_deleted).await;
    assert!(is_tombstone(&world, "team-credentials", "f15-gone/user.json"));
    assert!(is_tombstone(&world, "team-credentials", "f15-gone/client.json"));
    assert!(is_deleted_at_the_issuer(&world, id).await);
    assert_eq!(world.shown_problems(id).await, [""; 0]);

    // an id that returns may be another application: it gets nothing before two operators say so
    set_active(&world, id, true).await;
    let refused = |status: &ApplicationStatus| {
        status.problems.iter().any(|problem| problem.r#type == "identity_deleted")
    };
    let status = world.until(id, "refused", DEADLINE, refused).await;
    assert!(status.problems[0].next_action.contains("mint registry release"), "{status:?}");
    assert!(is_deleted_at_the_issuer(&world, id).await);
    assert!(is_tombstone(&world, "team-credentials", "f15-gone/user.json"));
    let release = ["registry", "release", "--acts", "1", "--application", id];
    run(&world, &[&release[..], &OPERATORS[..]].concat()).await;
    run(&world, &["resume", id]).await;
    world.until(id, "delivered", DEADLINE, at_rest).await;
    logs_in(&world, id).await;
    before.token(&world.endpoints.token_url).await.expect_err("what its predecessor held is dead");
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_nothing_stays_in_a_removed_bucket() {
    let world = world().await;
    let id = "f15-bucket";
    world.until(id, "delivered", DEADLINE, at_rest).await;
    run(&world, &["app", "set", id, "--bucket", "team-credentials"]).await;
    eventually("the removed bucket holds tombstones", DEADLINE, || async {
        let keys = ["f15-bucket/user.json", "f15-bucket/client.json"];
        keys.iter().all(|key| is_tombstone(&world, "team-second", key)).then_some(())
    })
    .await;
    let record = eventually("the catalog forgets it", DEADLINE, || async {
        let shown = run(&world, &["app", "show", id, "--output", "json"]).await;
        let shown: Value = serde_json::from_str(&shown).expect("one document");
        let removed = shown["application"]["removed_destinations"].as_array().is_some_and(Vec::is_empty);
        removed.then_some(shown)
    })
    .await;
    assert_eq!(record["application"]["settings"]["buckets"].as_array().map(Vec::len), Some(1));
    world.until(id, "at rest", DEADLINE, at_rest).await;
    logs_in(&world, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_comes_back_has_its_old_identity_and_a_credential_within_a_minute() {
    let world = world().await;
    let id = "restored";
    world.until(id, "delivered", DEADLINE, at_rest).await;
    let before = Application::open(world.data(), id).await.login().await.expect("delivered");
    set_active(&world, id, false).await;
    world.until(id, "disabled", DEADLINE, |status| status.tombstone_until.is_some()).await;
    set_active(&world, id, true).await;
    let minute = std::time::Duration::from_mins(1);
    world.until(id, "in use", minute, |status| status.state == ApplicationState::Delivered as i32).await;
    let after = Application::open(world.data(), id).await.login().await.expect("there still");
    assert_eq!((&after.username, &after.client_id), (&before.username, &before.client_id));
    logs_in(&world, id).await;
    rotate_password(&world, id).await;
    world.until(id, "at rest", DEADLINE, at_rest).await;
    logs_in(&world, id).await;
    assert_eq!(world.live(id).await, Live { passwords: 1, clients: 1 });
}
