//! Kills at random, on PostgreSQL: three coordinators, two rotators, two distributors and one of each other service die
//! while every application logs in and rotates without end. No login may fail, and nothing may be done twice.
//!
//! `mint-kills [--kills N] [--seed N]`, with the other programs beside it (`cargo build --workspace --bins`) and
//! PostgreSQL installed. The last line says `N passed, N failed`. Every service connects as the role of its
//! `permissions/postgres.sql`, which owns nothing.
//!
//! `mint-kills --syncs N` kills nobody: it rotates N applications at once and prints how often PostgreSQL wrote to the
//! disk for each.
//!
//! # Shape
//! `crowd` (this program under a service's name: its replicas behind one address), `postgres` (a private cluster),
//! `logins` (the applications), `storm` (deaths and rotations), `acts` (what was done twice), `syncs` (what reaches the
//! disk).

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test program: it fails by panicking, prints, and waits by the real clock"
)]

mod acts;
mod crowd;
mod logins;
mod postgres;
mod storm;
mod syncs;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mint_api::rotation::v1::ListVersionsRequest;
use mint_api::rotation::v1::rotation_service_client::RotationServiceClient;
use mint_tests::application::{Application, eventually};
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Live, Options as WorldOptions, World, at_rest};
use mint_types::ServiceName;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use logins::LoginLoops;
use postgres::Postgres;
use storm::Storm;

/// How long consumers have.
const OVERLAP: Duration = Duration::from_secs(6);
/// How long anything may take to come to rest.
const PATIENCE: Duration = Duration::from_mins(5);

/// What the command line asks for.
#[derive(Debug)]
struct Options {
    kills: usize,
    seed: u64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(service) = arguments.first().and_then(|name| crowd::called(name)) {
        return crowd::run(service, &arguments);
    }
    let number = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        Some(arguments.get(at + 1).and_then(|text| text.parse().ok()).expect("a number"))
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if let Some(count) = number("--syncs") {
        runtime.block_on(syncs::measure(usize::try_from(count).expect("a number of applications")));
        return ExitCode::SUCCESS;
    }
    let seed = number("--seed").unwrap_or_else(rand::random::<u64>);
    let kills = number("--kills").map_or(100, |kills| usize::try_from(kills).expect("a number of kills"));
    println!("seed: {seed} (--seed {seed} draws the same victims and pauses again)");
    let failures = runtime.block_on(run(&Options { kills, seed }));
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Passes and failures, said as they are found.
#[derive(Debug, Default)]
struct Report {
    passed: usize,
    failed: usize,
}

impl Report {
    fn check(&mut self, what: &str, problems: &[String]) {
        if problems.is_empty() {
            self.passed += 1;
            println!("ok    {what}");
            return;
        }
        self.failed += 1;
        println!("FAIL  {what}: {} times", problems.len());
        for problem in problems.iter().take(10) {
            println!("      {problem}");
        }
    }
}

async fn run(options: &Options) -> usize {
    let started = Instant::now();
    let directory = tempfile::Builder::new().prefix("mint-kills-").tempdir().unwrap();
    // PostgreSQL does not run as root: it has to reach its own directory
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    let postgres = Postgres::start(&directory.path().join("postgres"));
    let entries = fleet();
    let ids: Vec<String> = entries.iter().map(|entry| entry.id.clone()).collect();
    // short, because whoever follows a dead coordinator waits for its end
    let world = boot(directory.path(), &entries, &postgres, "3s").await;
    world.until_at_rest(&ids, PATIENCE).await;
    println!("{:>4} s: {} applications are delivered", started.elapsed().as_secs(), ids.len());

    let loops = LoginLoops::start(&world, &ids, OVERLAP).await;
    let storm = Storm::new(&world, &ids, options.kills);
    let random = StdRng::seed_from_u64(options.seed);
    let (killed, rotations) = tokio::join!(storm.kill_everything(random, started), storm.rotate_everything());
    println!("{:>4} s: nobody dies any more", started.elapsed().as_secs());
    world.until_at_rest(&ids, PATIENCE).await;
    println!("{:>4} s: everything is at rest", started.elapsed().as_secs());
    let (logins, failures) = loops.end().await;

    let mut report = Report::default();
    report.check("no login failed", &failures);
    let few = if logins < 100 || rotations == 0 {
        vec![format!("{logins} logins, {rotations} rotations")]
    } else {
        Vec::new()
    };
    report.check("there were logins and rotations enough to prove something", &few);
    report.check("everything is as clean as before", &untidy(&world, &ids).await);
    let (acts, doubles) = acts::done_twice(&world, &postgres).await;
    report.check("nothing was done twice", &doubles);
    let short: Vec<String> =
        killed.iter().filter(|(_, count)| **count == 0).map(|(name, _)| name.clone()).collect();
    report.check("everybody was killed", &short);
    let total: usize = killed.values().sum();
    for (name, count) in &killed {
        println!("{name}: {count} kills");
    }
    println!(
        "kills: {total}; rotations: {rotations}; acts at the issuer: {acts}, twice: {}; seconds: {}",
        doubles.len(),
        started.elapsed().as_secs()
    );
    println!("logins: {logins}, {} failed", failures.len());
    world.stop().await;
    println!("{} passed, {} failed", report.passed, report.failed);
    report.failed
}

fn fleet() -> Vec<Entry> {
    let split = (0..11).map(|number| Entry::new(&format!("split-{number}")));
    let combined = (0..4).map(|number| Entry::new(&format!("combined-{number}")).combined());
    let two = Entry::new("two-buckets").buckets(&["team-credentials", "spare-credentials"]);
    split.chain(combined).chain([two]).collect()
}

async fn boot(directory: &Path, entries: &[Entry], postgres: &Postgres, lease: &str) -> World {
    let mut environment: Vec<(String, String)> = [
        ("COORDINATOR__ROTATION__RETRY_BASE", "200ms"),
        ("COORDINATOR__ROTATION__RETRY_CAP", "2s"),
        ("COORDINATOR__ROTATION__FAILED_AFTER", "1000"),
        ("ROTATOR__ISSUER__DEADLINE", "5s"),
        ("ROTATOR__ISSUER__REQUEST_LIFE", "5s"),
        ("ROTATOR__ROTATION__UNRESOLVED_HOLD", "5s"),
        ("ROTATOR__ROTATION__MAX_OVERLAP", "15s"),
        ("ROTATOR__ROTATION__RATE_PER_MINUTE", "1000000"),
    ]
    .map(|(name, value)| (format!("MINT_{name}"), value.to_owned()))
    .to_vec();
    for service in ServiceName::ALL {
        environment.push((format!("{}STATE__URL", crowd::variables_of(service)), postgres.url_of(service)));
    }
    World::boot(WorldOptions {
        registry: Some(registry(entries, &["password_grace: 1s"])),
        arguments: ["--min-overlap", "6s", "--lease", lease].map(ToOwned::to_owned).to_vec(),
        environment,
        data: Some(directory.join("data")),
        programs: Some(gather(&directory.join("bin"))),
    })
    .await
}

/// The programs of a world under their names, with this one in the place of every service.
fn gather(directory: &Path) -> PathBuf {
    std::fs::create_dir_all(directory).unwrap();
    let own = std::env::current_exe().unwrap();
    for name in ["mint", "mint-sandbox", "mint-broker"] {
        let built = own.with_file_name(name);
        std::fs::copy(&built, directory.join(name))
            .unwrap_or_else(|error| panic!("{}: {error}", built.display()));
    }
    for service in ServiceName::ALL {
        let program = own.with_file_name(format!("mint-{service}"));
        assert!(program.exists(), "{} is missing: cargo build --workspace --bins", program.display());
        std::os::unix::fs::symlink(&own, directory.join(format!("mint-{service}"))).unwrap();
    }
    directory.to_owned()
}

/// What is left over that should not be, after one fresh rotation of everybody.
async fn untidy(world: &World, ids: &[String]) -> Vec<String> {
    for id in ids {
        world.rotate(id, &[]).await;
    }
    world.until_at_rest(ids, PATIENCE).await;
    let rotator = RotationServiceClient::new(world.channel(ServiceName::Rotator, &world.operator()));
    let mut untidy = Vec::new();
    for id in ids {
        let request = ListVersionsRequest { application_id: id.clone() };
        let ledger = rotator.clone().list_versions(request).await.expect("the ledger").into_inner();
        if ledger.unresolved_intents > 0 {
            untidy.push(format!("{id}: {} calls are unresolved", ledger.unresolved_intents));
        }
        let grace = format!("{id}: the grace passes");
        let live = eventually(&grace, PATIENCE, || async {
            let live = world.live(id).await;
            (live.passwords == 1).then_some(live)
        });
        let live = live.await;
        if live != (Live { passwords: 1, clients: 1 }) {
            untidy.push(format!("{id}: {live:?} at the issuer"));
        }
        let login = Application::open(world.data(), id).await.login().await;
        if let Err(error) = match login {
            Ok(login) => login.token(&world.endpoints.token_url).await,
            Err(error) => Err(error),
        } {
            untidy.push(format!("{id}: {error}"));
        }
        let status = world.status(id).await;
        if !at_rest(&status) {
            untidy.push(format!("{status:?}"));
        }
    }
    untidy
}
