//! How many writes reach the disk for a rotation when many are under way at once: transactions that commit at the same
//! moment share one (group commit).

use std::time::{Duration, Instant};

use mint_api::coordination::v1::{ApplicationStatus, RotateApplicationRequest};
use mint_api::types::v1::CredentialKind;
use mint_tests::registry::Entry;
use mint_tests::world::{World, at_rest};

use crate::PATIENCE;
use crate::postgres::Postgres;

/// A backend tells its counts when it rests for so long, at the latest.
const TOLD: Duration = Duration::from_secs(11);
/// As it is configured where nobody dies: a call lasts two thirds of it at most, and here many wait for two processors.
const LEASE: &str = "30s";
/// Between two looks at everybody.
const LOOK: Duration = Duration::from_secs(1);

/// What PostgreSQL counted so far.
#[derive(Debug, Clone, Copy)]
struct Counts {
    at: Instant,
    transactions: u64,
    syncs: u64,
}

impl Counts {
    async fn now(postgres: &Postgres) -> Self {
        let at = Instant::now();
        tokio::time::sleep(TOLD).await;
        // a transaction has a number of its own if it writes
        let rows =
            postgres.ask("SELECT pg_snapshot_xmax(pg_current_snapshot())::text, wal_sync FROM pg_stat_wal");
        let number = |column: usize| rows[0][column].parse().expect("a count");
        Self { at, transactions: number(0), syncs: number(1) }
    }

    fn since(self, before: Self) -> (f64, f64, f64) {
        let more = |now: u64, then: u64| f64::from(u32::try_from(now - then).expect("a small number"));
        let seconds = self.at.duration_since(before.at).as_secs_f64();
        (more(self.transactions, before.transactions), more(self.syncs, before.syncs), seconds)
    }
}

/// Rotates the passwords of so many applications at once and prints what that cost.
pub(crate) async fn measure(count: usize) {
    let directory = tempfile::Builder::new().prefix("mint-syncs-").tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    let postgres = Postgres::start(&directory.path().join("postgres"));
    let entries: Vec<Entry> = (0..count).map(|number| Entry::new(&format!("in-flight-{number}"))).collect();
    let ids: Vec<String> = entries.iter().map(|entry| entry.id.clone()).collect();
    let world = crate::boot(directory.path(), &entries, &postgres, LEASE).await;
    world.until_at_rest(&ids, PATIENCE).await;
    println!("{count} applications are delivered; now nobody rotates");
    let rested = Counts::now(&postgres).await;
    tokio::time::sleep(TOLD).await;
    let before = Counts::now(&postgres).await;
    rotate_at_once(&world, &ids).await;
    let after = Counts::now(&postgres).await;

    let rotations = f64::from(u32::try_from(count).expect("a small number"));
    println!("{:<34}{:>10}{:>14}{:>12}", "", "in all", "per rotation", "per second");
    let tell = |what: &str, number: f64, each: Option<f64>, seconds: f64| {
        let each = each.map_or_else(|| "-".to_owned(), |each| format!("{each:.2}"));
        println!("{what:<34}{number:>10}{each:>14}{:>12.1}", number / seconds);
    };
    let (transactions, syncs, seconds) = before.since(rested);
    tell("at rest: transactions that write", transactions, None, seconds);
    tell("at rest: syncs of the log", syncs, None, seconds);
    let (transactions, syncs, seconds) = after.since(before);
    tell("rotating: transactions that write", transactions, Some(transactions / rotations), seconds);
    tell("rotating: syncs of the log", syncs, Some(syncs / rotations), seconds);
    world.stop().await;
}

/// Orders everybody's rotation before anybody's ends, and waits for all of them.
async fn rotate_at_once(world: &World, ids: &[String]) {
    let refused: u32 = futures::future::join_all(ids.iter().map(|id| order(world, id))).await.iter().sum();
    println!("{} rotations are ordered; {refused} orders were refused at first and repeated", ids.len());
    let started = Instant::now();
    loop {
        let statuses = world.statuses().await.expect("the coordinator answers");
        let done = statuses.iter().filter(|status| at_rest(status) && is_rotated(status)).count();
        if done == ids.len() {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{done} of {} rotations are over", ids.len());
        tokio::time::sleep(LOOK).await;
    }
}

/// Orders a rotation until the coordinator takes it; answers how many times it did not.
async fn order(world: &World, id: &str) -> u32 {
    let (started, mut refused) = (Instant::now(), 0);
    loop {
        let kinds = vec![CredentialKind::Password as i32];
        let request = RotateApplicationRequest { application_id: id.to_owned(), kinds };
        match world.coordination().rotate_application(request).await {
            Ok(_) => return refused,
            Err(refusal) => {
                assert!(started.elapsed() < PATIENCE, "{id}: no rotation is started: {refusal:?}");
                refused += 1;
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// Whether its password was replaced since it was delivered first.
fn is_rotated(status: &ApplicationStatus) -> bool {
    let passwords = status.credentials.iter().filter(|line| line.kind == CredentialKind::Password as i32);
    passwords.map(|line| line.completed_rotations).min().unwrap_or_default() >= 2
}
