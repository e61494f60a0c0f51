//! What a rotation costs in durable commits, counted in each service's own write-ahead log while it runs, and held against
//! a golden file that may only fall.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mint_api::audit::v1::audit_service_client::AuditServiceClient;
use mint_api::audit::v1::{ListEntriesRequest, Phase};
use mint_api::coordination::v1::RotateApplicationRequest;
use mint_api::types::v1::CredentialKind;
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Options, World, at_rest};
use mint_types::ServiceName;

/// SQLite's file format 4: the header of a write-ahead log, and of each frame in it.
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

const COUNTED: [ServiceName; 4] =
    [ServiceName::Coordinator, ServiceName::Rotator, ServiceName::Distributor, ServiceName::Audit];
/// The file counts a rotation without trouble. On a machine that is slow a lease is renewed, or a call repeated, and that is a
/// commit more: one rotation of these has to be without.
const MOST_TURNS: u64 = 4;

/// The log of a service's state: which one it is (its salts change when it begins anew), and how many commits are in it.
/// <https://www.sqlite.org/fileformat2.html#walformat>
fn commits(state: &Path) -> Option<(u64, usize)> {
    let log = std::fs::read(state).ok()?;
    let number = |at: usize| Some(u32::from_be_bytes(log.get(at..at + 4)?.try_into().ok()?));
    let salts = |at: usize| Some(u64::from(number(at)?) << 32 | u64::from(number(at + 4)?));
    let (page, own) = (usize::try_from(number(8)?).ok()?, salts(16)?);
    let frames = (HEADER..).step_by(FRAME_HEADER + page).take_while(|at| salts(at + 8) == Some(own));
    // a frame that ends a transaction says how large the database is after it
    Some((own, frames.filter(|at| number(at + 4) != Some(0)).count()))
}

/// What the golden file allows.
fn golden() -> BTreeMap<String, usize> {
    let file = mint_tests::repository::root().join("tests/golden/commits.txt");
    let text = std::fs::read_to_string(file).expect("the golden file");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let lines = lines.filter_map(|line| line.split_once(' '));
    lines.map(|(service, count)| (service.to_owned(), count.trim().parse().expect("a count"))).collect()
}

fn log_of(world: &World, service: ServiceName) -> PathBuf {
    world.data().join("state").join(service.as_str()).join("state.db-wal")
}

async fn announced(world: &World) -> usize {
    let mut audit = AuditServiceClient::new(world.channel(ServiceName::Audit, &world.operator()));
    let request = ListEntriesRequest { page_size: 1000, ..ListEntriesRequest::default() };
    let page = audit.list_entries(request).await.expect("the log answers").into_inner();
    page.entries.iter().filter(|entry| entry.phase == Phase::Init as i32).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_costs_no_more_durable_commits_than_the_golden_file_says() {
    let id = "counted";
    let world = World::boot(Options {
        registry: Some(registry(&[Entry::new(id)], &["password_grace: 1s"])),
        arguments: ["--min-overlap", "2s"].map(ToOwned::to_owned).to_vec(),
        ..Options::default()
    })
    .await;
    world.until_at_rest(&[id], Duration::from_mins(2)).await;

    let golden = golden();
    let mut excess = Vec::new();
    for turn in 1..=MOST_TURNS {
        let counted = one_rotation(&world, id, turn + 1).await;
        println!("commits: {:?}; acts: {}", counted.0, counted.1);
        excess = over(&golden, &counted);
        if excess.is_empty() {
            break;
        }
    }
    assert!(excess.is_empty(), "no rotation of {MOST_TURNS} keeps to the golden file: {excess:?}");
    world.stop().await;
}

/// What each service committed while the application rotated, and how many acts were announced meanwhile.
async fn one_rotation(world: &World, id: &str, rotations: u64) -> (Vec<(ServiceName, usize)>, usize) {
    let before = COUNTED.map(|service| commits(&log_of(world, service)).expect("a write-ahead log"));
    let acts_before = announced(world).await;
    let kinds = vec![CredentialKind::Password as i32];
    let request = RotateApplicationRequest { application_id: id.to_owned(), kinds };
    world.coordination().rotate_application(request).await.expect("started");
    let rotated = |status: &mint_api::coordination::v1::ApplicationStatus| {
        at_rest(status) && status.credentials.iter().any(|line| line.completed_rotations == rotations)
    };
    world.until(id, "it has rotated", Duration::from_mins(2), rotated).await;
    let acts = announced(world).await - acts_before;
    assert!(acts >= 3, "create, deliver and retire are announced: {acts}");

    let mut counts = Vec::new();
    for (service, (log, count)) in COUNTED.into_iter().zip(before) {
        let (same, now) = commits(&log_of(world, service)).expect("a write-ahead log");
        // a log that began anew in between tells nothing
        counts.push((service, if log == same { now - count } else { usize::MAX }));
    }
    (counts, acts)
}

/// Who committed more often than the golden file allows.
fn over(golden: &BTreeMap<String, usize>, counted: &(Vec<(ServiceName, usize)>, usize)) -> Vec<String> {
    let (counts, acts) = counted;
    let allowed = counts.iter().map(|(service, count)| match service {
        // the operator's order is a write of its own, and no part of the rotation
        ServiceName::Coordinator => (service, golden[service.as_str()] + 1, count),
        ServiceName::Audit => (service, golden[service.as_str()] * acts, count),
        _ => (service, golden[service.as_str()], count),
    });
    let over = allowed.filter(|(_, most, count)| count > &most);
    over.map(|(service, most, count)| format!("{service} made {count} commits, not {most}")).collect()
}
