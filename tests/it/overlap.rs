//! Every application logs in all the time while everything is rotated and every service is killed: no login fails.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mint_api::coordination::v1::{ApplicationState, Node, RotateApplicationRequest};
use mint_api::rotation::v1::ListVersionsRequest;
use mint_api::rotation::v1::rotation_service_client::RotationServiceClient;
use mint_tests::application::{Application, Login};
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Options, World, executable};
use mint_types::ServiceName;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// How often each application is rotated.
const ROUNDS: u64 = 10;
/// How often each service is killed.
const KILLS: usize = 20;
/// The issuer's grace in this world.
const GRACE: Duration = Duration::from_secs(2);
/// Berry polls each second and jitters; consumers must have the overlap to follow.
const OVERLAP: &str = "4s";

fn entries() -> Vec<Entry> {
    vec![
        Entry::new("split-one"),
        Entry::new("split-two").buckets(&["team-credentials", "team-second"]).prefix("teams/blue"),
        Entry::new("combined").combined(),
        Entry::new("public").public(),
    ]
}

/// What the login loops saw.
#[derive(Debug, Default)]
struct Observed {
    logins: AtomicU64,
    failures: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Observed {
    fn note(&self, who: &str, outcome: Result<String, String>) {
        self.logins.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = outcome {
            self.failures.lock().expect("no panic inside").push(format!("{who}: {error}"));
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Reads the bucket before every login.
async fn log_in_from_the_bucket(application: Application, token_url: String, observed: Arc<Observed>) {
    while !observed.stopped() {
        let outcome = match application.login().await {
            Ok(login) => login.token(&token_url).await,
            Err(error) => Err(format!("fetch: {error}")),
        };
        observed.note(&format!("{} from the bucket", application.id), outcome);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

/// Reads berry's directory before every login.
async fn log_in_from_berrys_directory(
    application: Application,
    directory: PathBuf,
    token_url: String,
    observed: Arc<Observed>,
) {
    while !observed.stopped() {
        let outcome = match read(&directory, application.object_names()) {
            Ok(login) => login.token(&token_url).await,
            Err(error) => Err(error),
        };
        observed.note(&format!("{} from berry's directory", application.id), outcome);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

fn read(directory: &std::path::Path, names: &[&str]) -> Result<Login, String> {
    // a reader takes the directory that is current now and reads all its files there, as a field agent does
    let current = directory.join(names[0]).canonicalize().map_err(|error| error.to_string())?;
    let mut objects = BTreeMap::new();
    for name in names {
        let path = current.parent().ok_or("no directory")?.join(name);
        let text = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        objects.insert((*name).to_owned(), serde_json::from_slice(&text).map_err(|error| error.to_string())?);
    }
    Login::from_objects(&objects)
}

fn at_rest(status: &mint_api::coordination::v1::ApplicationStatus) -> bool {
    status.state == ApplicationState::Delivered as i32
        && status.credentials.iter().all(|credential| credential.node == Node::Unspecified as i32)
}

struct Loops {
    observed: Arc<Observed>,
    berries: Vec<tokio::process::Child>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

async fn start_loops(world: &World) -> Loops {
    let observed = Arc::new(Observed::default());
    let mut berries = Vec::new();
    let mut tasks = Vec::new();
    for entry in entries() {
        let application = Application::open(world.data(), &entry.id).await;
        let directory = world.data().parent().expect("parent").join("berry").join(&entry.id);
        let berry = |once: bool| {
            let mut command = tokio::process::Command::new(executable("mint-berry"));
            command.args(if once { vec!["--once"] } else { vec!["-i", "1"] }).arg(&directory);
            command.env_clear().envs(&application.environment.0).stdin(Stdio::null()).stderr(Stdio::null());
            command.kill_on_drop(true);
            command
        };
        assert!(berry(true).status().await.expect("berry starts").success(), "{}: first fetch", entry.id);
        berries.push(berry(false).spawn().expect("berry starts"));
        let token_url = world.endpoints.token_url.clone();
        tasks.push(tokio::spawn(log_in_from_the_bucket(
            application.clone(),
            token_url.clone(),
            observed.clone(),
        )));
        tasks.push(tokio::spawn(log_in_from_berrys_directory(
            application,
            directory,
            token_url,
            observed.clone(),
        )));
    }
    Loops { observed, berries, tasks }
}

impl Loops {
    async fn end(self) -> (u64, Vec<String>) {
        self.observed.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("a login loop does not panic");
        }
        for mut berry in self.berries {
            berry.kill().await.expect("berry runs until it is killed");
        }
        let failures = self.observed.failures.lock().expect("no panic inside").clone();
        (self.observed.logins.load(Ordering::Relaxed), failures)
    }
}

async fn boot() -> World {
    let registry = registry(&entries(), &[&format!("password_grace: {}s", GRACE.as_secs())]);
    let arguments = ["--min-overlap", OVERLAP, "--lease", "5s"].map(ToOwned::to_owned).to_vec();
    let world = World::boot(Options { registry: Some(registry), arguments, ..Options::default() }).await;
    for entry in entries() {
        world.until(&entry.id, "delivered", Duration::from_secs(90), at_rest).await;
    }
    world
}

async fn rotate_all(world: &World) {
    for entry in entries() {
        let request = RotateApplicationRequest { application_id: entry.id.clone(), kinds: Vec::new() };
        let started =
            mint_tests::application::eventually("a rotation is started", Duration::from_mins(1), || {
                let request = request.clone();
                async move { world.coordination().rotate_application(request).await.ok() }
            });
        started.await;
    }
}

async fn all_rotated(world: &World, rounds: u64) {
    for entry in entries() {
        world
            .until(&entry.id, &format!("rotated {rounds} times"), Duration::from_mins(5), |status| {
                at_rest(status)
                    && status.credentials.iter().all(|credential| {
                        let public =
                            credential.kind == mint_api::types::v1::CredentialKind::PublicClient as i32;
                        public || credential.completed_rotations > rounds
                    })
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_login_fails_while_everything_rotates_ten_times_and_every_service_is_killed_twenty_times() {
    let seed = std::env::var("MINT_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(rand::random::<u64>);
    println!("seed: {seed} (MINT_TEST_SEED={seed} kills in the same order again)");
    let mut random = StdRng::seed_from_u64(seed);
    let world = boot().await;
    let loops = start_loops(&world).await;
    let started = std::time::Instant::now();

    let mut victims: Vec<ServiceName> =
        ServiceName::ALL.into_iter().flat_map(|service| [service; KILLS]).collect();
    let mut killed: BTreeMap<ServiceName, usize> = BTreeMap::new();
    for round in 1..=ROUNDS {
        rotate_all(&world).await;
        let per_round = ServiceName::ALL.len() * KILLS / usize::try_from(ROUNDS).expect("small");
        let mut kills = 0;
        while kills < per_round && !victims.is_empty() {
            let index = random.random_range(0..victims.len());
            let service = victims[index];
            tokio::time::sleep(Duration::from_millis(random.random_range(100..900))).await;
            if world.signal(service.as_str(), rustix::process::Signal::KILL) {
                victims.swap_remove(index);
                *killed.entry(service).or_default() += 1;
                kills += 1;
            }
        }
        all_rotated(&world, round).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    let (logins, failures) = loops.end().await;
    let shown: Vec<&String> = failures.iter().take(10).collect();
    assert!(failures.is_empty(), "{} of {logins} logins failed: {shown:#?}", failures.len());
    for service in ServiceName::ALL {
        assert_eq!(killed.get(&service), Some(&KILLS), "{service}");
    }
    for status in world.statuses().await.expect("the coordinator answers") {
        assert_eq!((status.state, &status.problems), (ApplicationState::Delivered as i32, &Vec::new()));
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = logins as f64 / seconds;
    println!("logins: {logins}, {rate:.0} a second, 0 failed; kills: {}", killed.values().sum::<usize>());
    assert!(rate >= 20.0, "only {rate:.1} logins a second prove little");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_previous_version_works_until_its_retirement_and_never_after_its_grace() {
    let world = boot().await;
    let operator = world.operator();
    let mut rotator = RotationServiceClient::new(world.channel(ServiceName::Rotator, &operator));
    for id in ["split-one", "combined"] {
        let application = Application::open(world.data(), id).await;
        let old = application.login().await.expect("delivered");
        rotate(&world, id).await;
        let mut tries = Vec::new();
        let watched = tokio::time::timeout(Duration::from_mins(2), async {
            loop {
                let begun = unix_micros();
                let outcome = old.token(&world.endpoints.token_url).await;
                tries.push((begun, unix_micros(), outcome));
                let status = world.status(id).await;
                if at_rest(&status)
                    && status.credentials.iter().all(|credential| credential.completed_rotations == 2)
                {
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
    world.stop().await;
}

async fn rotate(world: &World, id: &str) {
    let request = RotateApplicationRequest { application_id: id.to_owned(), kinds: Vec::new() };
    world.coordination().rotate_application(request).await.expect("started");
}

fn unix_micros() -> i64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_micros()).expect("before the year 292277")
}
