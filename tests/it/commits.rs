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
    const COUNTED: [ServiceName; 4] =
        [ServiceName::Coordinator, ServiceName::Rotator, ServiceName::Distributor, ServiceName::Audit];
    let id = "counted";
    let world = World::boot(Options {
        registry: Some(registry(&[Entry::new(id)], &["password_grace: 1s"])),
        arguments: ["--min-overlap", "2s"].map(ToOwned::to_owned).to_vec(),
        ..Options::default()
    })
    .await;
    world.until_at_rest(&[id], Duration::from_mins(2)).await;

    let before = COUNTED.map(|service| commits(&log_of(&world, service)).expect("a write-ahead log"));
    let acts_before = announced(&world).await;
    let kinds = vec![CredentialKind::Password as i32];
    let request = RotateApplicationRequest { application_id: id.to_owned(), kinds };
    world.coordination().rotate_application(request).await.expect("started");
    let rotated = |status: &mint_api::coordination::v1::ApplicationStatus| {
        at_rest(status) && status.credentials.iter().any(|line| line.completed_rotations == 2)
    };
    world.until(id, "it has rotated", Duration::from_mins(2), rotated).await;
    let acts = announced(&world).await - acts_before;

    let golden = golden();
    let mut counts = Vec::new();
    for (service, (log, count)) in COUNTED.into_iter().zip(before) {
        let (same, now) = commits(&log_of(&world, service)).expect("a write-ahead log");
        assert_eq!(log, same, "{service}: a rotation fits into one log");
        counts.push((service, now - count));
    }
    println!("commits: {counts:?}; acts: {acts}");
    assert!(acts >= 3, "create, deliver and retire are announced: {acts}");
    for (service, count) in counts {
        let allowed = golden[service.as_str()];
        // the operator's order is a write of its own, and no part of the rotation
        let (of, own) = match service {
            ServiceName::Coordinator => (1, count - 1),
            ServiceName::Audit => (acts, count),
            _ => (1, count),
        };
        assert!(
            own <= allowed * of,
            "{service}: {own} commits for {of}, the golden file allows {allowed} each"
        );
    }
    world.stop().await;
}
