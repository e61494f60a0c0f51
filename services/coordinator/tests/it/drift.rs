//! What somebody changes at the issuer behind Mint's back.

use std::sync::Arc;
use std::time::Duration;

use mint_api::audit_log::{AuditLog, MemoryAuditLog};
use mint_coordinator::{
    ApplicationState, CheckTurn, CredentialStatus, Operator, Revocation, Store as _, check_all,
};
use mint_port::Port;
use mint_saga::{Cause, Failure, Sealed};
use mint_types::{Application, Clock as _, CredentialKind, Presence, Revision};

use crate::stage::{Stage, application, policy};
use crate::world::{AGAIN, Fault, LEASE, OVERLAP};

const KIND: CredentialKind = CredentialKind::Client;
const DAY: Duration = Duration::from_hours(24);
const HOUR: Duration = Duration::from_hours(1);
const CHANGED: &str = "credential_changed_at_issuer";

/// Nothing of it is rotated within a month.
fn calm(id: &str) -> Application {
    let mut record = application(id, 1);
    if let Some(settings) = record.settings.as_mut() {
        settings.password_period = "90d".parse().unwrap();
        settings.client_period = "90d".parse().unwrap();
    }
    record
}

async fn delivered(ids: &[String]) -> Stage {
    let mut stage = Stage::new().await;
    stage.take_in(&ids.iter().map(|id| calm(id)).collect::<Vec<_>>()).await;
    stage.live_for(OVERLAP).await;
    for id in ids {
        assert_eq!(stage.status(id).await.state, ApplicationState::Delivered);
    }
    stage.world.forget_log();
    stage
}

async fn one() -> Stage {
    delivered(&["app-a".to_owned()]).await
}

async fn of(stage: &Stage, kind: CredentialKind) -> CredentialStatus {
    stage.status("app-a").await.credentials.into_iter().find(|line| line.kind == kind).unwrap()
}

async fn problems(stage: &Stage) -> Vec<String> {
    stage.status("app-a").await.problems.into_iter().map(|problem| problem.kind).collect()
}

#[tokio::test]
async fn each_credential_at_rest_is_checked_once_a_day_and_never_right_after_it_was_made() {
    let mut stage = one().await;
    check_all(&stage.parts).await.unwrap();
    let first = stage.world.count("check");
    for _ in 0..72 {
        stage.live_for(HOUR).await;
        check_all(&stage.parts).await.unwrap();
    }
    // delivered ten minutes ago: a slot may have begun since
    assert!(first <= 2, "{first}");
    assert_eq!(stage.world.count("check") - first, 6, "two credentials on three days");
    assert_eq!(
        stage.world.apis("app-a").iter().filter(|api| **api != "check").count(),
        0,
        "and nothing else"
    );
    assert!(of(&stage, KIND).await.checked_at.is_some());
    assert_eq!(problems(&stage).await, [""; 0]);
}

#[tokio::test]
async fn what_was_changed_at_the_issuer_is_asked_about_twice_and_then_rotated_at_once() {
    let mut stage = one().await;
    stage.world.change_by_hand("app-a", KIND);
    stage.live_for(DAY).await;
    let again_at = check_all(&stage.parts).await.unwrap();
    assert_eq!(again_at, Some(stage.clock.now().plus(AGAIN)));
    assert_eq!(stage.world.count("check"), 2, "each credential once");
    assert_eq!(problems(&stage).await, [""; 0], "a single refusal says nothing");
    assert_eq!(check_all(&stage.parts).await.unwrap(), again_at, "nobody is asked before");
    assert_eq!(stage.world.count("check"), 2);

    stage.live_for(AGAIN).await;
    assert_eq!(check_all(&stage.parts).await.unwrap(), None);
    assert_eq!(stage.world.count("check"), 3);
    assert_eq!(problems(&stage).await, [CHANGED]);
    let desk = stage.store.desk(&"app-a".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(desk.credential(KIND).rotation.map(|rotation| rotation.cause), Some(Cause::Changed));
    assert!(desk.credential(CredentialKind::Password).rotation.is_none(), "nobody changed that");
    stage.turn().await;
    assert_eq!(problems(&stage).await, [""; 0], "a fresh version is delivered");
    assert_eq!(stage.world.delivered("app-a", KIND), Some(2));
    assert_eq!(of(&stage, KIND).await.checked_at, None, "of this version nothing was asked yet");
    stage.live_for(HOUR).await;
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered);
    stage.world.assert_sound();
}

#[tokio::test]
async fn a_refusal_that_was_a_moments_matter_rotates_nothing() {
    let mut stage = one().await;
    stage.world.change_by_hand("app-a", KIND);
    stage.live_for(DAY).await;
    check_all(&stage.parts).await.unwrap();
    stage.world.change_back("app-a", KIND);
    stage.live_for(AGAIN).await;
    assert_eq!(check_all(&stage.parts).await.unwrap(), None);
    stage.turn().await;
    assert_eq!((stage.world.count("check"), stage.world.count("create")), (3, 0));
    assert_eq!(of(&stage, KIND).await.checked_at, Some(stage.clock.now()));
}

#[tokio::test]
async fn a_check_that_no_key_opens_is_a_problem_until_one_does_or_another_version_is_there() {
    for reason in ["ENVELOPE_UNOPENABLE", "ENVELOPE_INVALID"] {
        let mut stage = one().await;
        let fails = |stage: &Stage, reason: &'static str| {
            stage.world.rule(move |seen| {
                (seen.api == "check").then(|| Fault::Fails(Failure::new(reason, "no key opens it")))
            });
        };
        fails(&stage, reason);
        stage.live_for(DAY).await;
        check_all(&stage.parts).await.unwrap();
        let found = stage.status("app-a").await;
        let [password, client] = found.problems.as_slice() else { panic!("{found:?}") };
        for problem in [password, client] {
            assert_eq!((problem.kind.as_str(), problem.since), ("check_impossible", stage.clock.now()));
            assert!(problem.next_action.contains("mint rotate"), "{problem:?}");
        }
        assert_eq!(found.state, ApplicationState::Delivered, "what consumers have may be as good as ever");

        fails(&stage, "SERVICE_UNREACHABLE");
        stage.live_for(HOUR).await;
        check_all(&stage.parts).await.unwrap();
        assert_eq!(stage.status("app-a").await.problems, found.problems, "it keeps its beginning");

        stage.world.heal();
        let operator = Operator::new(
            Arc::clone(&stage.parts),
            Port::held_by("coordinator", Arc::new(MemoryAuditLog::default())),
        );
        let request = mint_types::RequestId::random(&mint_testkit::SeededEntropy::new(1));
        let asked = mint_coordinator::Asked { by: mint_types::Principal::Operator("ada".into()), request };
        operator.rotate(&"app-a".parse().unwrap(), &[KIND], &asked).await.unwrap();
        stage.turn().await;
        let left = stage.status("app-a").await.problems;
        assert_eq!(left.iter().map(|problem| problem.credential).collect::<Vec<_>>(), [password.credential]);
        stage.live_for(2 * HOUR).await;
        check_all(&stage.parts).await.unwrap();
        assert_eq!(problems(&stage).await, [""; 0], "a key opens it again");
    }
}

#[tokio::test]
async fn a_check_without_an_answer_changes_nothing_and_is_made_again_with_growing_pauses() {
    let mut stage = one().await;
    stage.world.rule(|seen| {
        (seen.api == "check").then(|| Fault::Fails(Failure::new("ISSUER_UNKNOWN_OUTCOME", "a timeout")))
    });
    stage.live_for(DAY).await;
    for _ in 0..(6 * 60) {
        check_all(&stage.parts).await.unwrap();
        stage.clock.advance(Duration::from_mins(1));
    }
    let asked = stage.world.count("check");
    assert!((8..=24).contains(&asked), "{asked} within six hours, of two credentials");
    assert_eq!((problems(&stage).await, stage.world.count("create")), (vec![], 0));
    stage.world.heal();
    stage.live_for(Duration::from_hours(3)).await;
    check_all(&stage.parts).await.unwrap();
    assert_eq!(of(&stage, KIND).await.checked_at, Some(stage.clock.now()));
}

#[tokio::test]
async fn a_429_in_a_check_pauses_the_issuer_for_everybody() {
    let mut stage = one().await;
    stage.world.rule(|seen| {
        let wait = Some(Duration::from_mins(10));
        let limited = Failure { retry_after: wait, ..Failure::new("ISSUER_RATE_LIMITED", "429") };
        (seen.api == "check").then_some(Fault::Fails(limited))
    });
    stage.live_for(DAY).await;
    check_all(&stage.parts).await.unwrap();
    check_all(&stage.parts).await.unwrap();
    assert_eq!(stage.world.count("check"), 1, "the second credential waits, too");
    assert!(stage.parts.issuer.paused_until(stage.clock.now()).is_some());
}

#[tokio::test]
async fn nothing_is_checked_that_is_not_at_rest_in_use_and_unpaused() {
    let id = "app-a".parse().unwrap();
    for case in ["paused", "all paused", "held", "inactive", "rotating", "revoked", "never"] {
        let mut stage = if case == "never" {
            let mut stage = Stage::with(mint_coordinator::Policy { drift: None, ..policy("one") }).await;
            stage.take_in(&[calm("app-a")]).await;
            stage.live_for(OVERLAP).await;
            stage
        } else {
            one().await
        };
        let now = stage.clock.now();
        let mut record = Application { revision: Revision(2), ..calm("app-a") };
        match case {
            "paused" => assert!(stage.store.set_paused(&id, Some("a drill"), now).await.unwrap()),
            "all paused" => stage.store.set_all_paused(Some("a drill"), now).await.unwrap(),
            "held" => {
                record.presence = Presence::Held;
                stage.take_in(&[record]).await;
            }
            "inactive" => {
                record.active = false;
                stage.take_in(&[record]).await;
            }
            "rotating" => {
                stage.world.refuse("app-a", true);
                record.settings.as_mut().unwrap().prefix = "elsewhere".parse().unwrap();
                stage.take_in(&[record]).await;
            }
            "revoked" => {
                let revocation = Revocation {
                    application: id.clone(),
                    kind: KIND,
                    id: "a-statement".to_owned(),
                    statement: Sealed::new(b"signed".to_vec()),
                    asked_at: now,
                };
                stage.store.keep_revocations(&[revocation]).await.unwrap();
            }
            _ => {}
        }
        stage.live_for(DAY).await;
        check_all(&stage.parts).await.unwrap();
        assert_eq!(stage.world.count("check"), 0, "{case}");
        stage.world.assert_sound();
    }
}

#[tokio::test]
async fn a_mass_of_changed_credentials_is_repaired_a_few_at_a_time() {
    let ids: Vec<String> = (0..20).map(|number| format!("app-{number}")).collect();
    let mut stage = delivered(&ids).await;
    for id in &ids {
        stage.world.change_by_hand(id, KIND);
        stage.world.refuse(id, true);
    }
    stage.live_for(DAY).await;
    check_all(&stage.parts).await.unwrap();
    stage.live_for(AGAIN).await;
    for _ in 0..3 {
        check_all(&stage.parts).await.unwrap();
        stage.turn().await;
    }
    // twenty passwords were accepted and twenty clients refused within the hour: a tenth of them is fewer than five
    assert_eq!(stage.world.log().iter().filter(|seen| seen.api == "create").count(), 5);
    stage.live_for(HOUR).await;
    check_all(&stage.parts).await.unwrap();
    stage.turn().await;
    assert_eq!(stage.world.count("create"), 10, "who takes longer than an hour holds nobody else up");
    for id in &ids {
        stage.world.refuse(id, false);
    }
    for _ in 0..4 {
        stage.live_for(Duration::from_mins(6)).await;
        check_all(&stage.parts).await.unwrap();
        stage.turn().await;
    }
    assert_eq!(stage.world.count("create"), 20, "each once");
    for id in &ids {
        assert_eq!(stage.world.delivered(id, KIND), Some(2), "{id}");
        assert_eq!(stage.status(id).await.problems, []);
    }
}

#[tokio::test]
async fn whoever_dies_in_a_check_is_followed_by_another_one() {
    for fault in [Fault::DiesBefore, Fault::DiesAfter] {
        let mut stage = one().await;
        stage.world.change_by_hand("app-a", KIND);
        stage.live_for(DAY).await;
        check_all(&stage.parts).await.unwrap();
        stage.live_for(AGAIN).await;
        let dies = fault.clone();
        stage.world.rule(move |seen| (seen.api == "check").then(|| dies.clone()));
        let died = stage.world.died.clone();
        tokio::select! {
            _ = check_all(&stage.parts) => panic!("nobody died: {fault:?}"),
            () = died.notified() => {}
        }
        stage.world.heal();
        check_all(&stage.parts).await.unwrap();
        assert_eq!(problems(&stage).await, [""; 0], "somebody else's lease");
        stage.live_for(LEASE * 3).await;
        check_all(&stage.parts).await.unwrap();
        stage.turn().await;
        assert_eq!(stage.world.delivered("app-a", KIND), Some(2), "{fault:?}");
        stage.world.assert_sound();
    }
}

#[tokio::test]
async fn a_repair_that_was_given_up_begins_again_while_consumers_have_the_refused_version() {
    let mut stage = one().await;
    stage.world.change_by_hand("app-a", KIND);
    stage.live_for(DAY).await;
    check_all(&stage.parts).await.unwrap();
    stage.live_for(AGAIN).await;
    stage.world.rule(|seen| {
        let closed = Failure::new("ROTATION_CLOSED", "given up");
        (seen.api == "create").then_some(Fault::Fails(closed))
    });
    check_all(&stage.parts).await.unwrap();
    stage.turn().await;
    let desk = stage.store.desk(&"app-a".parse().unwrap()).await.unwrap().unwrap();
    let turn = mint_coordinator::check_turn(&desk, KIND, DAY, stage.clock.now());
    assert_eq!(turn, CheckTurn::Repair);
    assert_eq!(problems(&stage).await, [CHANGED]);
    stage.world.heal();
    check_all(&stage.parts).await.unwrap();
    stage.turn().await;
    assert_eq!(stage.world.delivered("app-a", KIND), Some(2));
}

#[tokio::test]
async fn an_operator_who_compares_has_everything_at_rest_checked_and_repaired() {
    let mut stage = one().await;
    let audit: Port<dyn AuditLog> = Port::held_by("coordinator", Arc::new(MemoryAuditLog::default()));
    let operator = Operator::new(Arc::clone(&stage.parts), audit);
    let id = "app-a".parse().unwrap();
    operator.reconcile(&id, true).await.unwrap();
    assert_eq!(stage.world.count("check"), 0, "a dry run tries no login");
    stage.world.change_by_hand("app-a", KIND);
    operator.reconcile(&id, false).await.unwrap();
    stage.clock.advance(AGAIN);
    let found = operator.reconcile(&id, false).await.unwrap();
    assert!(found.iter().any(|finding| finding.reason == "CREDENTIAL_CHANGED_AT_ISSUER"), "{found:?}");
    stage.turn().await;
    assert_eq!(stage.world.delivered("app-a", KIND), Some(2));
}
