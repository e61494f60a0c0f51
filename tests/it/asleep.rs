//! Processes that stop past the lease and go on as if nothing had been: nobody notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mint_tests::application::{Application, eventually};
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Live, Options, World, at_rest, completed_rotations};
use mint_types::ServiceName;
use rustix::process::Signal;

const DEADLINE: Duration = Duration::from_mins(3);
const LEASE: Duration = Duration::from_secs(4);
/// Between two logins of an application.
const PACE: Duration = Duration::from_millis(150);

/// Fetches and logs in until it is told to stop; answers how often, and every failure.
async fn log_in_all_the_time(
    application: Application,
    token_url: String,
    stop: Arc<AtomicBool>,
) -> (u64, Vec<String>) {
    let (mut logins, mut failures) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let outcome = match application.login().await {
            Ok(login) => login.token(&token_url).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(_) => logins += 1,
            Err(error) => failures.push(format!("{}: {error}", application.id)),
        }
        tokio::time::sleep(PACE).await;
    }
    (logins, failures)
}

/// Rotates everything, stops the service while it is under way, and lets it go on when every lease is over.
async fn rotate_through_a_sleep(world: &World, ids: &[&str], service: ServiceName) {
    let since = world.last_call().await;
    let before = completed_rotations(&world.status(ids[0]).await);
    for id in ids {
        world.rotate(id, &[]).await;
    }
    eventually("the rotations are under way", DEADLINE, || async {
        let calls = world.calls(since).await;
        calls.iter().any(|call| call.api.starts_with("service-user.create")).then_some(())
    })
    .await;
    assert!(world.signal(service.as_str(), Signal::STOP), "{service} runs");
    tokio::time::sleep(LEASE + Duration::from_secs(1)).await;
    assert!(world.signal(service.as_str(), Signal::CONT), "{service} sleeps");
    for id in ids {
        let rotated = |status: &mint_api::coordination::v1::ApplicationStatus| {
            at_rest(status) && completed_rotations(status) == before + 1
        };
        world.until(id, &format!("rotated while {service} slept"), DEADLINE, rotated).await;
        assert_eq!(world.live(id).await, Live { passwords: 1, clients: 1 }, "{id}, {service} slept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_sleeps_past_the_lease_and_wakes_up_harms_nobody() {
    let ids = ["split", "combined", "two-buckets"];
    let entries = [
        Entry::new("split"),
        Entry::new("combined").combined(),
        Entry::new("two-buckets").buckets(&["team-credentials", "team-second"]),
    ];
    let lease = format!("{}s", LEASE.as_secs());
    let arguments = ["--min-overlap", "3s", "--lease", lease.as_str()].map(ToOwned::to_owned).to_vec();
    let registry = Some(registry(&entries, &["password_grace: 1s"]));
    let world = World::boot(Options { registry, arguments, ..Options::default() }).await;
    world.until_at_rest(&ids, DEADLINE).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut loops = Vec::new();
    for id in ids {
        let application = Application::open(world.data(), id).await;
        let token_url = world.endpoints.token_url.clone();
        loops.push(tokio::spawn(log_in_all_the_time(application, token_url, stop.clone())));
    }
    for service in [ServiceName::Coordinator, ServiceName::Rotator, ServiceName::Distributor] {
        rotate_through_a_sleep(&world, &ids, service).await;
    }
    stop.store(true, Ordering::Relaxed);
    for login_loop in loops {
        let (logins, failures) = login_loop.await.expect("a login loop does not panic");
        assert_eq!(failures, Vec::<String>::new(), "of {logins} logins");
        assert!(logins > 20, "only {logins} logins prove little");
    }
    world.stop().await;
}
