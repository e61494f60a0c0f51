//! A hostile registry-sync that takes away: a bucket, the objects of a layout, or a client's secret. Nobody who reads there is
//! cut off by a receipt for the rest, or opened to others; what the owner or an operator signs happens at once.

use mint_api::coordination::v1::ApplicationStatus;
use mint_api::registry::v1::Settings;
use mint_api::types::v1::Layout;
use mint_tests::application::{Application, Login, eventually};
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Live, Options, World, at_rest, completed_rotations};
use mint_types::ServiceName;

use super::DEADLINE;
use super::hostile::until_told;
use super::redirect::entered;

const SECOND: &str = "team-second";

async fn boot() -> World {
    let entries = [
        Entry::new("victim").buckets(&["team-credentials", SECOND]),
        Entry::new("switched"),
        Entry::new("opened"),
    ];
    let arguments = ["--min-overlap", "1s", "--lease", "5s"].map(ToOwned::to_owned).to_vec();
    let registry = Some(registry(&entries, &["password_grace: 1s"]));
    let world = World::boot(Options { registry, arguments, ..Options::default() }).await;
    world.until_at_rest(&["victim", "switched", "opened"], DEADLINE).await;
    world
}

fn is_unconfirmed(status: &ApplicationStatus) -> bool {
    has_problem(status, "destination_unconfirmed")
}

fn has_problem(status: &ApplicationStatus, expected: &str) -> bool {
    status.problems.iter().any(|problem| problem.r#type == expected)
}

async fn run(world: &World, arguments: &[&str]) {
    let ended = world.mint(arguments).await;
    assert!(ended.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
}

/// What lies there, whoever may read it.
fn object(world: &World, bucket: &str, key: &str) -> Option<serde_json::Value> {
    let file = world.data().join("sandbox/s3").join(bucket).join(key);
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_registry_sync_cuts_no_reader_off_by_taking_a_bucket_a_layout_or_a_secret_away() {
    let world = boot().await;
    let token_url = &world.endpoints.token_url;
    let victim = Application::open(world.data(), "victim").await;
    let before = victim.login_from(SECOND).await.expect("delivered");

    let first_only = |settings: &mut Settings| settings.buckets.retain(|bucket| bucket.name != SECOND);
    entered(&world, "victim", first_only).await;
    world.until("victim", "rotated", DEADLINE, |status| completed_rotations(status) >= 2).await;
    let after = victim.login_from(SECOND).await.expect("delivered there, too");
    assert_ne!(after.password, before.password);
    after.token(token_url).await.expect("who reads there is served");
    world.until("victim", "the owner sees it", DEADLINE, is_unconfirmed).await;

    // switched off without a word: what lies in the former objects lives on
    let switched = Application::open(world.data(), "switched").await.login().await.expect("delivered");
    entered(&world, "switched", |settings| settings.layout = Layout::Combined.into()).await;
    world.until("switched", "the owner sees it", DEADLINE, is_unconfirmed).await;
    switched.token(token_url).await.expect("nothing of it is ended");
    assert_eq!(object(&world, "team-credentials", "switched/credentials.json"), None);

    // opened to whoever knows its id: the client is as it was
    let opened = Application::open(world.data(), "opened").await;
    let holder = opened.login().await.expect("delivered");
    entered(&world, "opened", |settings| settings.confidential = false).await;
    let waits = |status: &ApplicationStatus| has_problem(status, "client_type_unconfirmed");
    world.until("opened", "the owner sees it", DEADLINE, waits).await;
    holder.token(token_url).await.expect("who holds the secret is served");
    let stranger = Login { client_secret: String::new(), ..holder.clone() };
    stranger.token(token_url).await.expect_err("nobody is without it");

    // what was refused stands in the log
    let unconfirmed = [("destination.change", "DESTINATION_UNCONFIRMED")];
    for id in ["victim", "switched"] {
        until_told(&world, id, ServiceName::Distributor, &unconfirmed).await;
    }
    let unconfirmed = [("client.change", "CLIENT_TYPE_UNCONFIRMED")];
    until_told(&world, "opened", ServiceName::IdentityProvisioner, &unconfirmed).await;

    // the owners say that it is right; so small a fleet loses only one thing a day
    let release = ["registry", "release", "--acts", "5"];
    let both = ["--signer", "operator/operator", "--signer", "operator/second"];
    run(&world, &[&release[..], &both[..]].concat()).await;
    run(&world, &["app", "confirm", "victim"]).await;
    eventually("the removed bucket holds tombstones", DEADLINE, || async {
        let found =
            ["user.json", "client.json"].map(|name| object(&world, SECOND, &format!("victim/{name}")));
        found
            .iter()
            .all(|found| found.as_ref().is_some_and(|found| found["mint_tombstone"] == true))
            .then_some(())
    })
    .await;
    run(&world, &["app", "confirm", "switched"]).await;
    run(&world, &["app", "confirm", "opened"]).await;
    let delivered = |status: &ApplicationStatus| at_rest(status) && status.problems.is_empty();
    world.until("opened", "public", DEADLINE, delivered).await;
    let public = opened.login().await.expect("delivered");
    assert_eq!(public.client_secret, "");
    public.token(token_url).await.expect("without a secret");
    // the embedded issuer accepts both: whoever has not fetched yet is served, too
    holder.token(token_url).await.expect("what was fetched before still opens");
    for id in ["victim", "switched"] {
        world.until(id, "at rest", DEADLINE, at_rest).await;
        // the former layout's password has its grace, and nobody waits for it
        let clean = Live { passwords: 1, clients: 1 };
        eventually("nothing else of it lives", DEADLINE, || async {
            (world.live(id).await == clean).then_some(())
        })
        .await;
    }
    victim.login().await.expect("delivered").token(token_url).await.expect("served");
    assert!(object(&world, "team-credentials", "switched/credentials.json").is_some());
    world.stop().await;
}
