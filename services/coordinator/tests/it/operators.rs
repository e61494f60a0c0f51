//! What operators see and say.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use mint_api::WireFault;
use mint_api::audit_log::{MemoryAuditLog, Outcome};
use mint_api::coordination::v1::coordination_service_server::CoordinationService;
use mint_api::coordination::v1::{
    AdoptIdentityRequest, ApplicationState, GetApplicationRequest, ListApplicationsRequest, PauseRequest,
    ResumeRequest, RotateApplicationRequest, SubmitStatementRequest, WatchApplicationsRequest,
};
use mint_coordinator::Store as _;
use mint_coordinator::{Operator, Rpc};
use mint_port::Port;
use mint_statement::{SignedStatement, Signer, Statement, StatementKey, Subject};
use mint_testkit::SeededEntropy;
use mint_types::{Clock as _, CredentialKind, Revision, SpiffeId};
use tokio::sync::Notify;
use tonic::Request;

use crate::stage::{Stage, application};
use crate::world::Fault;

fn rpc(stage: &Stage) -> (Rpc, MemoryAuditLog) {
    let audit = MemoryAuditLog::default();
    (
        Rpc::new(Operator::new(
            Arc::clone(&stage.parts),
            Port::held_by("coordinator", Arc::new(audit.clone())),
        )),
        audit,
    )
}

/// A request as the operator `second` sends it.
fn asked<T>(message: T) -> Request<T> {
    let peer: SpiffeId = "spiffe://mint.local/operator/second".parse().unwrap();
    let mut request = Request::new(message);
    request.extensions_mut().insert(peer);
    request
}

fn rotate(id: &str) -> Request<RotateApplicationRequest> {
    asked(RotateApplicationRequest { application_id: id.into(), kinds: vec![1] })
}

fn reason(status: &tonic::Status) -> String {
    WireFault::from_status(status).reason
}

#[tokio::test]
async fn an_existing_user_is_taken_over_under_a_lease_of_its_own_and_only_of_an_application_in_use() {
    let mut stage = Stage::new().await;
    let mut retired = application("app-b", 2);
    retired.active = false;
    stage.take_in(&[application("app-a", 1), retired]).await;
    let (rpc, audit) = rpc(&stage);
    let adopt = |id: &str| asked(AdoptIdentityRequest { application_id: id.to_owned() });
    let client = rpc.adopt_identity(adopt("app-a")).await.unwrap().into_inner().client_id;
    assert_eq!(client, "client-of-app-a");
    assert_eq!(stage.world.apis("app-a"), ["adopt"]);
    let entry = audit.entries().pop().unwrap();
    assert_eq!((entry.act.action, entry.outcome), ("identity.adopt", Some(Outcome::Success)));
    stage.turn().await;
    assert_eq!(stage.world.count("ensure"), 0, "it is as the catalog says");
    assert_eq!(stage.status("app-a").await.state, mint_coordinator::ApplicationState::Delivered);
    // while it waits for the end of an overlap, somebody has it reserved
    stage.world.forget_log();
    rpc.adopt_identity(adopt("app-a")).await.unwrap();
    let tokens: Vec<u64> = stage.world.log().iter().map(|seen| seen.token).collect();
    assert_eq!(tokens.len(), 1);

    let refused = rpc.adopt_identity(adopt("app-b")).await.unwrap_err();
    assert_eq!(reason(&refused), "APPLICATION_INACTIVE");
    let missing = mint_saga::Failure::new("USER_UNKNOWN", "the issuer has no such user");
    stage.world.rule(move |seen| (seen.api == "adopt").then(|| Fault::Fails(missing.clone())));
    let refused = rpc.adopt_identity(adopt("app-a")).await.unwrap_err();
    assert_eq!(reason(&refused), "USER_UNKNOWN");
    assert!(stage.status("app-a").await.problems.is_empty(), "it was a question of an operator");
    stage.world.assert_sound();
}

#[tokio::test]
async fn a_rotation_that_is_asked_for_starts_at_once_and_only_once() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1)]).await;
    stage.turn().await;
    stage.world.forget_log();
    let (rpc, audit) = rpc(&stage);
    let first = rpc.rotate_application(rotate("app-a")).await.unwrap().into_inner().rotations;
    let again = rpc.rotate_application(rotate("app-a")).await.unwrap().into_inner().rotations;
    assert!(first[0].started && !again[0].started);
    assert_eq!(first[0].rotation_id, again[0].rotation_id);
    stage.turn().await;
    assert_eq!(stage.world.apis("app-a"), ["create", "deliver", "accept"]);
    let rotation = stage.world.log()[0].rotation.unwrap().to_string();
    assert_eq!(rotation, first[0].rotation_id);
    let entries = audit.entries();
    assert_eq!(entries.len(), 4);
    assert_eq!(
        (entries[0].act.action, entries[0].outcome, entries[1].outcome),
        ("rotation.request", None, Some(Outcome::Success))
    );
    assert_eq!(entries[0].act.kind, Some(CredentialKind::Password));
    assert_eq!(entries[0].act.resource, "asked by operator/second", "the log's actor is the coordinator");
}

#[tokio::test]
async fn without_the_audit_log_nothing_is_done() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1)]).await;
    stage.turn().await;
    let before = stage.status("app-a").await;
    let (rpc, audit) = rpc(&stage);
    audit.set_down(true);
    let refused = rpc.rotate_application(rotate("app-a")).await.unwrap_err();
    assert_eq!(reason(&refused), "AUDIT_UNAVAILABLE");
    let pause = PauseRequest { application_id: "app-a".into(), reason: "test".into() };
    assert_eq!(reason(&rpc.pause(asked(pause)).await.unwrap_err()), "AUDIT_UNAVAILABLE");
    assert_eq!(stage.status("app-a").await, before);
}

#[tokio::test]
async fn a_rotation_that_cannot_be_is_refused_with_its_reason() {
    let stage = Stage::new().await;
    let mut inactive = application("inactive", 1);
    inactive.active = false;
    let mut bare = application("bare", 2);
    bare.settings = None;
    stage.take_in(&[inactive, bare, application("app-a", 3)]).await;
    let (rpc, audit) = rpc(&stage);
    for (id, expected) in [
        ("inactive", "APPLICATION_INACTIVE"),
        ("bare", "NO_DESTINATION"),
        ("unknown", "APPLICATION_UNKNOWN"),
        ("NOT AN ID", "INVALID_MESSAGE"),
    ] {
        assert_eq!(reason(&rpc.rotate_application(rotate(id)).await.unwrap_err()), expected, "{id}");
    }
    let combined = RotateApplicationRequest { application_id: "app-a".into(), kinds: vec![3] };
    assert_eq!(reason(&rpc.rotate_application(asked(combined)).await.unwrap_err()), "KIND_UNKNOWN");
    assert!(audit.entries().is_empty(), "what is refused is no act");
}

#[tokio::test]
async fn a_paused_application_is_held_at_its_next_step_and_goes_on() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1), application("app-b", 2)]).await;
    let (rpc, _) = rpc(&stage);
    let pause = PauseRequest { application_id: "app-a".into(), reason: "looking".into() };
    rpc.pause(asked(pause)).await.unwrap();
    stage.live_for(Duration::from_secs(100)).await;
    assert!(stage.world.apis("app-a").is_empty());
    assert!(!stage.world.apis("app-b").is_empty(), "others go on");
    let get = GetApplicationRequest { application_id: "app-a".into() };
    let status = rpc.get_application(asked(get)).await.unwrap().into_inner().application.unwrap();
    assert!(status.paused);
    assert_eq!(status.pause_reason, "looking");
    rpc.resume(asked(ResumeRequest { application_id: "app-a".into() })).await.unwrap();
    stage.turn().await;
    assert_eq!(stage.status("app-a").await.state, mint_coordinator::ApplicationState::Delivered);
}

#[tokio::test]
async fn a_pause_stops_a_rotation_between_two_steps() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1)]).await;
    let (rpc, _) = rpc(&stage);
    let told = Arc::new(Notify::new());
    let waits = Arc::clone(&told);
    stage.world.rule(move |seen| (seen.api == "create").then(|| Fault::Waits(Arc::clone(&waits))));
    let world = stage.world.clone();
    let operator = async {
        // both credentials are being made when the operator says stop
        while world.count("create") < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let stop = PauseRequest { application_id: String::new(), reason: "stop".into() };
        rpc.pause(asked(stop)).await.unwrap();
        told.notify_one();
        tokio::time::sleep(Duration::from_millis(20)).await;
        told.notify_one();
    };
    tokio::join!(stage.engine.turn(), operator).0.unwrap();
    stage.live_for(Duration::from_secs(100)).await;
    assert_eq!(stage.world.count("deliver"), 0, "{:?}", stage.world.log());
    assert_eq!(stage.world.count("create"), 2);
    stage.world.heal();
    rpc.resume(asked(ResumeRequest { application_id: String::new() })).await.unwrap();
    stage.turn().await;
    assert_eq!(stage.status("app-a").await.state, mint_coordinator::ApplicationState::Delivered);
    stage.world.assert_sound();
}

#[tokio::test]
async fn a_pause_needs_a_reason() {
    let stage = Stage::new().await;
    let (rpc, _) = rpc(&stage);
    let pause = PauseRequest { application_id: String::new(), reason: " ".into() };
    assert_eq!(reason(&rpc.pause(asked(pause)).await.unwrap_err()), "INVALID_MESSAGE");
}

#[tokio::test]
async fn lists_are_paged_and_filtered() {
    let mut stage = Stage::new().await;
    let mut records: Vec<_> =
        (0..7).map(|number| application(&format!("app-{number}"), number + 1)).collect();
    records[3].team_id = "team-b".parse().unwrap();
    records[5].settings = None;
    stage.take_in(&records).await;
    stage.turn().await;
    let (rpc, _) = rpc(&stage);
    let mut ids = Vec::new();
    let mut token = String::new();
    loop {
        let request = ListApplicationsRequest { page_size: 3, page_token: token, ..Default::default() };
        let page = rpc.list_applications(Request::new(request)).await.unwrap().into_inner();
        assert_eq!(page.catalog_revision, 7);
        ids.extend(page.applications.into_iter().map(|one| one.application_id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(ids, (0..7).map(|number| format!("app-{number}")).collect::<Vec<_>>());
    let list = async |request| {
        let page = rpc.list_applications(Request::new(request)).await.unwrap().into_inner();
        page.applications.into_iter().map(|one| one.application_id).collect::<Vec<_>>()
    };
    let team = ListApplicationsRequest { team_id: "team-b".into(), ..Default::default() };
    assert_eq!(list(team).await, ["app-3"]);
    let troubled = ListApplicationsRequest { with_problems: true, page_size: 2, ..Default::default() };
    assert_eq!(list(troubled).await, ["app-5"]);
    let huge = ListApplicationsRequest { page_size: 5001, ..Default::default() };
    assert!(rpc.list_applications(Request::new(huge)).await.is_err());
}

#[tokio::test]
async fn a_watcher_hears_of_everything_once_and_then_of_each_change() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1), application("app-b", 2)]).await;
    stage.turn().await;
    let (rpc, _) = rpc(&stage);
    let all = WatchApplicationsRequest { application_id: String::new() };
    let mut changes = rpc.watch_applications(Request::new(all)).await.unwrap().into_inner();
    let mut next = async || {
        let change = tokio::time::timeout(Duration::from_secs(5), changes.next()).await.ok()?;
        change.unwrap().unwrap().application
    };
    let first = [next().await.unwrap(), next().await.unwrap()];
    assert_eq!([first[0].application_id.as_str(), &first[1].application_id], ["app-a", "app-b"]);
    assert!(first.iter().all(|one| one.state() == ApplicationState::Delivered));

    let mut record = application("app-b", 9);
    record.identity_revision = Revision(2);
    record.active = false;
    stage.take_in(&[record]).await;
    let change = next().await.unwrap();
    assert_eq!((change.application_id.as_str(), change.state()), ("app-b", ApplicationState::Inactive));
    assert!(change.change > first[1].change);
    let quiet = tokio::time::timeout(Duration::from_millis(1500), changes.next()).await;
    assert!(quiet.is_err(), "nothing changed, and something was told: {quiet:?}");
}

#[tokio::test]
async fn a_watcher_of_one_application_hears_of_no_other() {
    let stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1), application("app-b", 2)]).await;
    let (rpc, _) = rpc(&stage);
    let one = WatchApplicationsRequest { application_id: "app-b".into() };
    let mut changes = rpc.watch_applications(Request::new(one)).await.unwrap().into_inner();
    assert_eq!(changes.next().await.unwrap().unwrap().application.unwrap().application_id, "app-b");
    let unknown = WatchApplicationsRequest { application_id: "app-c".into() };
    assert!(rpc.watch_applications(Request::new(unknown)).await.is_err());
}

#[tokio::test]
async fn a_statement_that_lacks_a_signer_is_refused_at_once_and_does_not_stand_in_its_own_way() {
    let stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1)]).await;
    let (rpc, _) = rpc(&stage);
    let key = |name: &str, seed: u8| {
        StatementKey::from_seed(Signer::Operator(name.to_owned()), &[seed; 32]).unwrap()
    };
    let subject = Subject::RevokeNow {
        application: "app-a".parse().unwrap(),
        kinds: [CredentialKind::Password].into(),
    };
    let entropy = SeededEntropy::default();
    let statement = Statement::new(subject, stage.clock.now(), Duration::from_hours(1), &entropy);
    let submit = |signed: &SignedStatement| asked(SubmitStatementRequest { statement: signed.to_bytes() });

    let alone = SignedStatement::sign(statement, &key("ada", 1)).unwrap();
    let twice = alone.clone().signed_by(&key("ada", 2));
    for lacking in [&alone, &twice] {
        let refused = rpc.submit_statement(submit(lacking)).await.unwrap_err();
        assert_eq!(reason(&refused), "STATEMENT_SIGNERS_MISSING");
    }
    let with_a_stranger = alone.clone().signed_by(&key("nobody", 3));
    rpc.submit_statement(submit(&with_a_stranger)).await.unwrap();
    for refused in stage.store.revocations(None).await.unwrap() {
        stage.store.close_revocation(&refused, "STATEMENT_SIGNERS_MISSING", stage.clock.now()).await.unwrap();
    }
    let complete = alone.signed_by(&key("eve", 4));
    // whoever sees it go round can put anything under the name of eve's key, and be first
    let text = String::from_utf8(complete.to_bytes()).unwrap();
    let mut spoilt: serde_json::Value = serde_json::from_str(&text).unwrap();
    spoilt["signatures"][1]["sig"] = spoilt["signatures"][0]["sig"].clone();
    let spoilt = SignedStatement::parse(spoilt.to_string().as_bytes()).unwrap();
    rpc.submit_statement(submit(&spoilt)).await.unwrap();
    for refused in stage.store.revocations(None).await.unwrap() {
        stage.store.close_revocation(&refused, "STATEMENT_BAD_SIGNATURE", stage.clock.now()).await.unwrap();
    }
    rpc.submit_statement(submit(&complete)).await.unwrap();
    rpc.submit_statement(submit(&complete)).await.unwrap();
    let open = stage.store.revocations(None).await.unwrap();
    assert_eq!(open.len(), 1, "it is carried, and once");
    assert_eq!(open[0].statement.as_bytes(), complete.to_bytes());
}
