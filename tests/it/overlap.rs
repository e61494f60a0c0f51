//! Every application logs in all the time while everything is rotated and every service is killed: no login fails.

mod login_loops;
mod storm;

use std::collections::BTreeMap;
use std::time::Duration;

use mint_api::coordination::v1::{ApplicationStatus, RotateApplicationRequest};
use mint_api::rotation::v1::ListVersionsRequest;
use mint_api::rotation::v1::rotation_service_client::RotationServiceClient;
use mint_tests::application::{Application, eventually};
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Live, Options, World, at_rest, completed_rotations};
use mint_types::ServiceName;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use self::login_loops::LoginLoops;
use self::storm::{KILLS, ROUNDS, Storm};

/// The issuer's grace in these worlds.
const GRACE: Duration = Duration::from_secs(2);

/// A world whose rotations are short. Consumers must have the overlap to follow.
async fn boot(registry: String, overlap: &str) -> World {
    let arguments = ["--min-overlap", overlap, "--lease", "5s"].map(ToOwned::to_owned).to_vec();
    World::boot(Options { registry: Some(registry), arguments, ..Options::default() }).await
}

/// The example that everybody starts with, with a shorter grace.
fn example() -> String {
    let file = mint_tests::repository::root().join("deploy/examples/registry.yaml");
    let text = std::fs::read_to_string(file).expect("the example");
    let grace = "password_grace: 10s";
    assert!(text.contains(grace), "the example states its grace");
    text.replace(grace, &format!("password_grace: {}s", GRACE.as_secs()))
}

/// How every application stands, without what passes: its state and what its problems are.
fn standing(statuses: &[ApplicationStatus]) -> BTreeMap<String, (i32, Vec<String>)> {
    let problems = |status: &ApplicationStatus| {
        let mut types: Vec<String> = status.problems.iter().map(|problem| problem.r#type.clone()).collect();
        types.sort();
        types
    };
    let row = |status: &ApplicationStatus| (status.application_id.clone(), (status.state, problems(status)));
    statuses.iter().map(row).collect()
}

/// Waits until the example stands as its header says, and answers how and who was delivered.
async fn settled(world: &World) -> (BTreeMap<String, (i32, Vec<String>)>, Vec<String>) {
    let statuses = eventually("the example has settled", Duration::from_mins(2), || async move {
        let statuses = world.statuses().await.ok()?;
        let resting = statuses.iter().filter(|status| at_rest(status)).count();
        let troubled = statuses.iter().filter(|status| !status.problems.is_empty()).count();
        (resting == 30 && troubled == 2 && statuses.len() == 33).then_some(statuses)
    })
    .await;
    let delivered =
        statuses.iter().filter(|status| at_rest(status)).map(|status| status.application_id.clone());
    (standing(&statuses), delivered.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_login_fails_while_everything_rotates_ten_times_and_every_service_is_killed_twenty_times() {
    let seed = std::env::var("MINT_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(rand::random::<u64>);
    println!("seed: {seed} (MINT_TEST_SEED={seed} kills in the same order again)");
    let world = boot(example(), "8s").await;
    let (before, ids) = settled(&world).await;
    let loops = LoginLoops::start(&world, &ids).await;
    let started = std::time::Instant::now();

    let storm = Storm::new(&world, &ids);
    let random = StdRng::seed_from_u64(seed);
    let (killed, ()) = tokio::join!(storm.kill_everything(random), storm.rotate_everything());
    let seconds = started.elapsed().as_secs_f64();
    // an application whose files are old by now fails here and not after the test
    tokio::time::sleep(GRACE + Duration::from_secs(1)).await;
    let seen = loops.end().await;
    assert!(seen.failures.is_empty(), "{} of {} logins failed: {:#?}", seen.failures.len(), seen.logins, {
        seen.failures.iter().take(10).collect::<Vec<_>>()
    });
    for service in ServiceName::ALL {
        assert_eq!(killed.get(&service), Some(&KILLS), "{service}");
    }
    the_final_state_is_the_first_one(&world, &before, &ids).await;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = seen.logins as f64 / seconds;
    println!(
        "logins: {} of {} applications, {rate:.0} a second, 0 failed; kills: {}; {seconds:.0} s",
        seen.logins,
        ids.len(),
        killed.values().sum::<usize>()
    );
    assert!(rate >= 20.0, "only {rate:.1} logins a second prove little");
    world.stop().await;
}

/// The coordinator says of everybody what it said before, the issuer knows one password and one client of each and no
/// more, and what lies in the buckets are these.
async fn the_final_state_is_the_first_one(
    world: &World,
    before: &BTreeMap<String, (i32, Vec<String>)>,
    ids: &[String],
) {
    eventually("everything stands as before", Duration::from_mins(3), || async move {
        let statuses = world.statuses().await.ok()?;
        (standing(&statuses) == *before).then_some(())
    })
    .await;
    for id in ids {
        let status = world.status(id).await;
        assert!(at_rest(&status) && completed_rotations(&status) > ROUNDS, "{status:?}");
        assert_eq!(world.live(id).await, Live { passwords: 1, clients: 1 }, "{id}: alive at the issuer");
        let application = Application::open(world.data(), id).await;
        let login = application.login().await.unwrap_or_else(|error| panic!("{id}: {error}"));
        login.token(&world.endpoints.token_url).await.unwrap_or_else(|error| panic!("{id}: {error}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_previous_version_works_until_its_retirement_and_never_after_its_grace() {
    let ids = ["split", "combined"];
    let entries = [Entry::new("split"), Entry::new("combined").combined()];
    let world = boot(registry(&entries, &[&format!("password_grace: {}s", GRACE.as_secs())]), "4s").await;
    world.until_at_rest(&ids, Duration::from_secs(90)).await;
    for id in ids {
        the_old_login_ends_in_time(&world, id).await;
    }
    world.stop().await;
}

/// Rotates an application and tries its old login all the while.
async fn the_old_login_ends_in_time(world: &World, id: &str) {
    let mut rotator = RotationServiceClient::new(world.channel(ServiceName::Rotator, &world.operator()));
    let old = Application::open(world.data(), id).await.login().await.expect("delivered");
    let request = RotateApplicationRequest { application_id: id.to_owned(), kinds: Vec::new() };
    world.coordination().rotate_application(request).await.expect("started");
    let mut tries = Vec::new();
    let watched = tokio::time::timeout(Duration::from_mins(2), async {
        loop {
            let begun = unix_micros();
            let outcome = old.token(&world.endpoints.token_url).await;
            tries.push((begun, unix_micros(), outcome));
            let status = world.status(id).await;
            if at_rest(&status) && completed_rotations(&status) == 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    watched.await.expect("the rotation ends");
    tokio::time::sleep(GRACE).await;
    tries.push((unix_micros(), i64::MAX, old.token(&world.endpoints.token_url).await));

    let request = ListVersionsRequest { application_id: id.to_owned() };
    let versions = rotator.list_versions(request).await.expect("the ledger").into_inner().versions;
    let ended: Vec<i64> = versions
        .iter()
        .filter_map(|version| version.ended_at.as_ref())
        .map(|at| mint_api::convert::timestamp_from_wire(at).unix_micros())
        .collect();
    // the first call that ends anything is not sent before the ledger says so
    let first_end = *ended.iter().min().expect("a version ended");
    let last_end = *ended.iter().max().expect("a version ended");
    let before: Vec<_> = tries.iter().filter(|(_, end, _)| *end < first_end).collect();
    assert!(before.len() >= 10, "{id}: the overlap was watched: {} logins", before.len());
    for (_, _, outcome) in before {
        assert!(outcome.is_ok(), "{id}: refused before its retirement: {outcome:?}");
    }
    let margin = i64::try_from((GRACE + Duration::from_secs(1)).as_micros()).expect("small");
    let after: Vec<_> = tries.iter().filter(|(begun, _, _)| *begun > last_end + margin).collect();
    assert!(!after.is_empty(), "{id}: nothing was tried after the grace");
    for (_, _, outcome) in after {
        assert!(outcome.is_err(), "{id}: accepted after its grace");
    }
}

fn unix_micros() -> i64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_micros()).expect("before the year 292277")
}
