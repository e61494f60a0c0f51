//! What instances report, and how long Retire waits for them.

use std::sync::Arc;
use std::time::Duration;

use mint_api::WireFault;
use mint_api::audit_log::MemoryAuditLog;
use mint_api::convert::duration_to_wire;
use mint_api::coordination::v1::coordination_service_server::CoordinationService;
use mint_api::coordination::v1::{GetApplicationRequest, ReportVersionRequest};
use mint_coordinator::{NotKept, Operator, Reported, Rpc, SqlStore, Store};
use mint_port::Port;
use mint_saga::{Report, Unheard};
use mint_testkit::ManualClock;
use mint_types::{Clock, CredentialKind, SpiffeId, VersionId};
use tonic::Request;

use crate::stage::{Stage, application, policy};
use crate::world::{GRACE, OVERLAP, World};

const PASSWORD: CredentialKind = CredentialKind::Password;
const POLL: Duration = Duration::from_mins(2);

async fn current(stage: &Stage) -> VersionId {
    let desk = stage.store.desk(&"app-a".parse().unwrap()).await.unwrap().unwrap();
    desk.credentials[&PASSWORD].current.as_ref().unwrap().version_id
}

fn said(instance: &str, version_id: VersionId, sequence: u64) -> Reported {
    Reported {
        application: "app-a".parse().unwrap(),
        instance: instance.parse().unwrap(),
        report: Report { kind: PASSWORD, version_id, sequence, poll_interval: POLL },
    }
}

async fn report(stage: &Stage, reported: Reported) -> Result<(), NotKept> {
    stage.store.report(&[reported], stage.clock.now()).await.unwrap().remove(0)
}

/// An application with one delivered version whose next rotation has just been delivered; answers both versions.
async fn adopting(stage: &mut Stage) -> (VersionId, VersionId) {
    stage.take_in(&[application("app-a", 1)]).await;
    stage.turn().await;
    let first = current(stage).await;
    let second = loop {
        let next = stage.turn().await.unwrap();
        stage.clock.advance(next.since(stage.clock.now()));
        stage.turn().await;
        let now = current(stage).await;
        if now != first {
            break now;
        }
    };
    stage.world.forget_log();
    (first, second)
}

#[tokio::test]
async fn retire_waits_until_every_instance_holds_the_new_version() {
    let mut stage = Stage::new().await;
    let (first, second) = adopting(&mut stage).await;
    report(&stage, said("a", second, 1)).await.unwrap();
    let mut sequence = 1;
    for _ in 0..15 {
        sequence += 1;
        report(&stage, said("b", first, sequence)).await.unwrap();
        stage.live_for(Duration::from_mins(1)).await;
    }
    assert_eq!(stage.world.count("retire"), 0, "b has not got it, long after the overlap");
    let status = stage.status("app-a").await;
    let problem = status.problems.iter().find(|problem| problem.kind == "instances_lagging").unwrap();
    assert!(problem.detail.contains("1 of the instances") && problem.detail.ends_with(": b"), "{problem:?}");
    assert_eq!(status.instances[0].instance.as_str(), "b");
    assert!(status.instances[0].lagging && status.instance_count == 1, "a is silent: {status:#?}");

    report(&stage, said("b", second, 100)).await.unwrap();
    stage.turn().await;
    assert_eq!(stage.world.count("retire"), 1, "at once, without waiting for the next look");
    assert!(stage.status("app-a").await.problems.is_empty());
    stage.live_for(GRACE * 2).await;
    stage.world.assert_sound();
}

#[tokio::test]
async fn retire_goes_on_at_the_longest_overlap_and_the_laggards_stay_a_problem() {
    let mut stage = Stage::new().await;
    stage.store = stage.store.clone().waiting_at_most(OVERLAP * 2);
    stage.parts = crate::stage::parts(&stage.world, Arc::new(stage.store.clone()), policy("one"), 1);
    stage.engine = mint_coordinator::Engine::new(Arc::clone(&stage.parts));
    let (first, _) = adopting(&mut stage).await;
    for minute in 1..=25 {
        report(&stage, said("b", first, minute)).await.unwrap();
        stage.live_for(Duration::from_mins(1)).await;
        let retired = stage.world.count("retire") > 0;
        assert_eq!(retired, minute >= 20, "after {minute} minutes");
    }
    let status = stage.status("app-a").await;
    assert_eq!(status.problems[0].kind, "instances_lagging", "{status:#?}");
    // it goes away, and so does the problem
    stage.clock.advance(POLL * 4);
    assert!(stage.status("app-a").await.problems.is_empty());
}

#[tokio::test]
async fn an_instance_that_misses_three_polls_is_not_waited_for() {
    let mut stage = Stage::new().await;
    let (first, _) = adopting(&mut stage).await;
    stage.live_for(OVERLAP.saturating_sub(Duration::from_mins(1))).await;
    report(&stage, said("b", first, 1)).await.unwrap();
    stage.live_for(Duration::from_mins(6)).await;
    assert_eq!(stage.world.count("retire"), 0);
    stage.live_for(Duration::from_mins(2)).await;
    assert_eq!(stage.world.count("retire"), 1);
}

#[tokio::test]
async fn a_report_never_shortens_the_overlap() {
    let mut stage = Stage::new().await;
    let (_, second) = adopting(&mut stage).await;
    report(&stage, said("a", second, 1)).await.unwrap();
    stage.live_for(OVERLAP.saturating_sub(Duration::from_secs(1))).await;
    assert_eq!(stage.world.count("retire"), 0);
    stage.live_for(Duration::from_secs(2)).await;
    assert_eq!(stage.world.count("retire"), 1, "nobody lags");
    // the same costs nothing beyond the reports
    stage.world.assert_sound();
}

#[tokio::test]
async fn contract_reports_are_kept_refused_and_survive() {
    for database in mint_testkit::databases(mint_coordinator::SCHEMA, mint_coordinator::MIGRATIONS).await {
        let url = database.url.clone();
        let mut stage = Stage::on(database, policy("one"), World::new(ManualClock::default())).await;
        let (first, second) = adopting(&mut stage).await;
        let mut elsewhere = said("a", second, 1);
        elsewhere.application = "app-z".parse().unwrap();
        let mut client = said("a", second, 6);
        client.report.kind = CredentialKind::Client;
        let foreign = VersionId::random(&mint_testkit::SeededEntropy::new(999));
        let reports = [
            said("a", first, 5),
            said("b", second, 1),
            said("a", second, 5),
            said("a", foreign, 9),
            elsewhere,
            client,
        ];
        let answers = stage.store.report(&reports, stage.clock.now()).await.unwrap();
        assert_eq!(
            answers,
            [
                Ok(()),
                Ok(()),
                Err(NotKept::Unheard(Unheard::Replayed { last: 5 })),
                Err(NotKept::VersionUnknown),
                Err(NotKept::ApplicationUnknown),
                Err(NotKept::VersionUnknown),
            ]
        );
        let reopened =
            mint_store::Database::open(&url, mint_coordinator::SCHEMA, mint_coordinator::MIGRATIONS, false);
        let store = SqlStore::new(reopened.await.unwrap());
        let desk = store.desk(&"app-a".parse().unwrap()).await.unwrap().unwrap();
        let held: Vec<_> = desk.adoption.roster.holdings(stage.clock.now()).collect();
        assert_eq!(held.len(), 2);
        assert_eq!((held[0].0.as_str(), held[0].2.version_id), ("a", first));
        let again = store.report(&[said("a", second, 5)], stage.clock.now()).await.unwrap();
        assert!(again[0].is_err(), "a restart forgets no sequence");
    }
}

fn rpc(stage: &Stage) -> Rpc {
    Rpc::new(Operator::new(
        Arc::clone(&stage.parts),
        Port::held_by("coordinator", Arc::new(MemoryAuditLog::default())),
    ))
}

fn request(from: &str, version_id: &str, sequence: u64) -> Request<ReportVersionRequest> {
    let message = ReportVersionRequest {
        application_id: "app-a".into(),
        kind: mint_api::types::v1::CredentialKind::Password.into(),
        version_id: version_id.into(),
        instance: "web-1".into(),
        sequence,
        poll_interval: Some(duration_to_wire(POLL)),
    };
    let peer: SpiffeId = format!("spiffe://mint.local/{from}").parse().unwrap();
    let mut request = Request::new(message);
    request.extensions_mut().insert(peer);
    request
}

#[tokio::test]
async fn a_forged_or_replayed_report_is_refused() {
    let mut stage = Stage::new().await;
    let (first, second) = adopting(&mut stage).await;
    let rpc = rpc(&stage);
    let (first, second) = (first.to_string(), second.to_string());
    let reason = async |request| {
        let refused = rpc.report_version(request).await.unwrap_err();
        WireFault::from_status(&refused).reason
    };
    for stranger in ["application/app-b", "operator/one", "team/team-a/ann", "service/rotator"] {
        assert_eq!(reason(request(stranger, &first, 1)).await, "NOT_OWNER", "{stranger}");
    }
    let own = "application/app-a";
    rpc.report_version(request(own, &first, 7)).await.unwrap();
    let replayed = rpc.report_version(request(own, &second, 7)).await.unwrap_err();
    let fault = WireFault::from_status(&replayed);
    assert_eq!((fault.reason.as_str(), fault.metadata["last_sequence"].as_str()), ("REPORT_REPLAYED", "7"));
    let unknown = "00000000-0000-4000-8000-000000000000";
    assert_eq!(reason(request(own, unknown, 8)).await, "VERSION_UNKNOWN");
    let spoil: [fn(&mut ReportVersionRequest); 5] = [
        |message| message.instance = "a b".into(),
        |message| message.instance = String::new(),
        |message| message.poll_interval = None,
        |message| message.poll_interval = Some(duration_to_wire(Duration::from_millis(999))),
        |message| message.poll_interval = Some(duration_to_wire(Duration::from_secs(3601))),
    ];
    for spoil in spoil {
        let mut request = request(own, &first, 9);
        spoil(request.get_mut());
        assert_eq!(reason(request).await, "INVALID_MESSAGE");
    }
}

#[tokio::test]
async fn a_team_sees_how_its_own_applications_stand_and_no_others() {
    let mut stage = Stage::new().await;
    let (_, second) = adopting(&mut stage).await;
    report(&stage, said("web-1", second, 1)).await.unwrap();
    let rpc = rpc(&stage);
    let asked = async |from: &str| {
        let peer: SpiffeId = format!("spiffe://mint.local/{from}").parse().unwrap();
        let mut request = Request::new(GetApplicationRequest { application_id: "app-a".into() });
        request.extensions_mut().insert(peer);
        rpc.get_application(request).await.map(|answer| answer.into_inner().application.unwrap())
    };
    for reader in ["team/team-a/ann", "operator/one"] {
        let status = asked(reader).await.unwrap();
        let instances: Vec<&str> = status.instances.iter().map(|held| held.instance.as_str()).collect();
        assert_eq!(instances, ["web-1"], "{reader}");
    }
    let refused = asked("team/team-b/ann").await.unwrap_err();
    assert_eq!(WireFault::from_status(&refused).reason, "NOT_OWNER");
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
}

#[tokio::test]
async fn reports_that_come_together_are_one_write() {
    let mut stage = Stage::new().await;
    let (first, _) = adopting(&mut stage).await;
    let rpc = rpc(&stage);
    let before = stage.store.commits();
    let asked = (0..50).map(|number| {
        let mut request = request("application/app-a", &first.to_string(), 1);
        request.get_mut().instance = format!("web-{number}");
        rpc.report_version(request)
    });
    let answers = futures::future::join_all(asked).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(stage.store.commits() - before, 1);
    let desk = stage.store.desk(&"app-a".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(desk.adoption.roster.holdings(stage.clock.now()).count(), 50, "what was answered is durable");
}
