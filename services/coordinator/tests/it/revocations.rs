//! What two operators have ended at once.

use std::sync::Arc;
use std::time::Duration;

use mint_api::audit_log::{AuditLog, MemoryAuditLog};
use mint_coordinator::{ApplicationState, Asked, Operator, Revocation, Store as _, Waiting, carry};
use mint_port::Port;
use mint_saga::{Failure, Sealed};
use mint_testkit::SeededEntropy;
use mint_types::{Clock as _, CredentialKind, Principal, RequestId};

use crate::stage::{Stage, application};
use crate::world::{Fault, OVERLAP};

const KIND: CredentialKind = CredentialKind::Password;

async fn delivered() -> Stage {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1)]).await;
    stage.live_for(Duration::from_mins(1)).await;
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered);
    stage.world.forget_log();
    stage
}

async fn revoke(stage: &Stage, statement: &[u8]) {
    revoke_of(stage, "app-a", KIND, statement).await;
}

async fn revoke_of(stage: &Stage, application: &str, kind: CredentialKind, statement: &[u8]) {
    let revocation = Revocation {
        application: application.parse().unwrap(),
        kind,
        id: format!("a-statement of {application}"),
        statement: Sealed::new(statement.to_vec()),
        asked_at: stage.clock.now(),
    };
    stage.store.keep_revocations(&[revocation]).await.unwrap();
}

/// The carrier and the engine, side by side, for so many rounds of three seconds.
async fn rounds(stage: &mut Stage, number: usize) -> usize {
    rounds_of(stage, number, Duration::from_secs(3), &MemoryAuditLog::default()).await
}

async fn rounds_of(stage: &mut Stage, number: usize, length: Duration, log: &MemoryAuditLog) -> usize {
    let audit: Port<dyn AuditLog> = Port::held_by("coordinator", Arc::new(log.clone()));
    let mut waiting = Waiting::default();
    let mut open = 0;
    for _ in 0..number {
        open = carry(&stage.parts, &audit, &mut waiting).await.unwrap();
        stage.turn().await;
        stage.clock.advance(length);
    }
    open
}

async fn change(stage: &Stage, revision: u64, change: impl FnOnce(&mut mint_types::Application)) {
    let mut record = application("app-a", revision);
    change(&mut record);
    stage.take_in(&[record]).await;
}

#[tokio::test]
async fn what_operators_revoke_ends_with_a_fresh_version_whatever_fails_on_the_way() {
    let mut stage = delivered().await;
    let leaked = stage.world.live("app-a", KIND);
    revoke(&stage, b"signed").await;
    stage.world.rule(|seen| match (seen.api, seen.index) {
        ("revoke", 0) => Some(Fault::Fails(Failure::new("SERVICE_UNREACHABLE", "no connection"))),
        _ => None,
    });
    assert_eq!(rounds(&mut stage, 5).await, 0, "closed: {:?}", stage.world.apis("app-a"));
    let live = stage.world.live("app-a", KIND);
    assert!(live.len() == 1 && live.is_disjoint(&leaked), "{live:?}, was {leaked:?}");
    assert_eq!(stage.world.delivered("app-a", KIND), live.first().copied());
    assert!(stage.world.apis("app-a").starts_with(&["revoke", "revoke"]), "{:?}", stage.world.apis("app-a"));
    stage.live_for(Duration::from_mins(5)).await;
    let status = stage.status("app-a").await;
    assert_eq!((status.state, status.problems.len()), (ApplicationState::Delivered, 0), "{status:?}");
    let other = stage.world.live("app-a", CredentialKind::Client);
    assert_eq!(other, [1].into(), "nobody said anything of the client");
    stage.world.assert_sound();
}

#[tokio::test]
async fn a_revocation_does_not_wait_for_a_bucket_that_refuses() {
    let mut stage = delivered().await;
    let leaked = stage.world.live("app-a", KIND);
    stage.world.refuse("app-a", true);
    revoke(&stage, b"signed").await;
    assert_eq!(rounds(&mut stage, 4).await, 0);
    let live = stage.world.live("app-a", KIND);
    assert!(live.is_disjoint(&leaked), "the leaked one has ended although nobody has the new one");
    stage.world.refuse("app-a", false);
    stage.live_for(Duration::from_hours(1)).await;
    assert_eq!(stage.world.delivered("app-a", KIND), live.first().copied());
}

#[tokio::test]
async fn an_overlap_that_runs_is_cut_short_and_another_version_follows() {
    let mut stage = delivered().await;
    let id = "app-a".parse().unwrap();
    let open = |desk: &mut mint_coordinator::Desk| {
        // as an operator's request would
        let credential = desk.credential(KIND);
        let event = mint_saga::Event::Opened {
            id: mint_types::RotationId::from_bytes([7; 16]),
            cause: mint_saga::Cause::Requested,
            traceparent: None,
        };
        desk.credentials.insert(
            KIND,
            mint_saga::apply(
                &credential,
                event,
                desk.nudged_at.unwrap_or(mint_types::Timestamp::from_unix_micros(0)),
            )
            .unwrap(),
        );
        Vec::new()
    };
    stage.store.edit(&id, stage.clock.now(), &open).await.unwrap();
    stage.turn().await;
    assert_eq!(stage.world.live("app-a", KIND), [1, 2].into(), "the overlap runs");
    revoke(&stage, b"signed").await;
    assert_eq!(rounds(&mut stage, 6).await, 0);
    assert_eq!(stage.world.live("app-a", KIND), [3].into(), "long before {OVERLAP:?} have passed");
    assert_eq!(stage.world.delivered("app-a", KIND), Some(3));
    stage.world.assert_sound();
}

#[tokio::test]
async fn a_statement_that_is_not_believed_is_a_problem_and_is_not_carried_again() {
    let mut stage = delivered().await;
    revoke(&stage, b"forged").await;
    assert_eq!(rounds(&mut stage, 3).await, 0);
    assert_eq!(stage.world.count("revoke"), 1);
    assert_eq!(stage.world.live("app-a", KIND), [1].into());
    let status = stage.status("app-a").await;
    assert!(status.problems.iter().any(|problem| problem.kind == "statement_signers_missing"), "{status:?}");
}

#[tokio::test]
async fn a_clock_that_is_set_back_delays_nobody() {
    let mut stage = Stage::new().await;
    stage.turn().await;
    let hour = Duration::from_hours(1);
    let before = stage.clock.now();
    stage.clock.set(before.plus(hour));
    stage.world.refuse("app-a", true);
    stage.take_in(&[application("app-a", 1)]).await;
    stage.turn().await;
    stage.world.refuse("app-a", false);
    stage.clock.set(before);
    stage.turn().await;
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered, "at once, not after an hour");
}

#[tokio::test]
async fn a_pass_looks_at_every_application_that_rests_under_its_lease() {
    let stage = delivered().await;
    assert_eq!(mint_coordinator::reconcile_all(&stage.parts).await.unwrap(), 1);
    assert_eq!(stage.world.apis("app-a"), ["reconcile"]);
    assert!(stage.world.log().iter().all(|seen| seen.token > 0));
}

#[tokio::test]
async fn what_nobody_accounts_for_is_a_problem_until_a_later_look_does_not_find_it() {
    let stage = delivered().await;
    stage.world.has_a_stranger("app-a", true);
    mint_coordinator::reconcile_all(&stage.parts).await.unwrap();
    let problems = stage.status("app-a").await.problems;
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!(problem.kind, "unaccounted_version", "what the next Retire sweeps is nobody's problem");
    assert_eq!(
        (problem.detail.as_str(), problem.since),
        ("client: the issuer has 2 live versions", stage.clock.now())
    );
    assert_eq!(problem.next_action, "rotate the application");
    stage.clock.advance(Duration::from_mins(10));
    mint_coordinator::reconcile_all(&stage.parts).await.unwrap();
    assert_eq!(stage.status("app-a").await.problems, problems, "it keeps its beginning");
    stage.world.has_a_stranger("app-a", false);
    mint_coordinator::reconcile_all(&stage.parts).await.unwrap();
    assert_eq!(stage.status("app-a").await.problems, []);
}

#[tokio::test]
async fn what_is_found_while_a_rotation_is_open_is_told_and_is_no_problem() {
    let mut stage = delivered().await;
    let id = "app-a".parse().unwrap();
    stage.world.refuse("app-a", true);
    let audit: Port<dyn AuditLog> = Port::held_by("coordinator", Arc::new(MemoryAuditLog::default()));
    let operator = Operator::new(Arc::clone(&stage.parts), audit);
    let request = RequestId::random(&SeededEntropy::new(1));
    let asked = Asked { by: Principal::Operator("second".into()), request };
    operator.rotate(&id, &[KIND], &asked).await.unwrap();
    stage.turn().await;
    stage.world.has_a_stranger("app-a", true);
    let found = operator.reconcile(&id, false).await.unwrap();
    assert!(found.iter().any(|finding| finding.reason == "UNACCOUNTED_VERSION"), "{found:?}");
    let problems = stage.status("app-a").await.problems;
    assert!(problems.iter().all(|problem| problem.kind != "unaccounted_version"), "{problems:?}");
}

#[tokio::test]
async fn a_pause_does_not_hold_up_what_a_revocation_needs_and_nothing_else_goes_on() {
    for everything in [false, true] {
        let mut stage = delivered().await;
        let id = "app-a".parse().unwrap();
        let (leaked, now) = (stage.world.live("app-a", KIND), stage.clock.now());
        if everything {
            stage.store.set_all_paused(Some("a drill"), now).await.unwrap();
        } else {
            assert!(stage.store.set_paused(&id, Some("a drill"), now).await.unwrap());
        }
        revoke(&stage, b"signed").await;
        assert_eq!(rounds(&mut stage, 8).await, 0, "{:?}", stage.world.apis("app-a"));
        let live = stage.world.live("app-a", KIND);
        assert!(live.len() == 1 && live.is_disjoint(&leaked), "{live:?}, was {leaked:?}");
        assert_eq!(stage.world.delivered("app-a", KIND), live.first().copied());
        stage.live_for(Duration::from_mins(10)).await;
        let desk = stage.store.desk(&id).await.unwrap().unwrap();
        assert!(desk.credentials[&KIND].rotation.is_none(), "it is carried to its end");
        assert_eq!(desk.paused.is_some(), !everything, "it stays paused");
        stage.world.forget_log();
        stage.live_for(Duration::from_hours(24 * 40)).await;
        assert!(stage.world.log().is_empty(), "{:?}", stage.world.apis("app-a"));
        stage.world.assert_sound();
    }
}

#[tokio::test]
async fn a_revocation_takes_a_rotation_along_that_a_pause_had_stopped() {
    let mut stage = delivered().await;
    let id = "app-a".parse().unwrap();
    let leaked = stage.world.live("app-a", KIND);
    let open = |desk: &mut mint_coordinator::Desk| {
        let event = mint_saga::Event::Opened {
            id: mint_types::RotationId::from_bytes([7; 16]),
            cause: mint_saga::Cause::Requested,
            traceparent: None,
        };
        let now = mint_types::Timestamp::from_unix_micros(0);
        desk.credentials.insert(KIND, mint_saga::apply(&desk.credential(KIND), event, now).unwrap());
        Vec::new()
    };
    let now = stage.clock.now();
    assert!(stage.store.set_paused(&id, Some("a drill"), now).await.unwrap());
    stage.store.edit(&id, now, &open).await.unwrap();
    stage.turn().await;
    assert!(stage.world.log().is_empty(), "paused");
    revoke(&stage, b"signed").await;
    assert_eq!(rounds(&mut stage, 8).await, 0, "{:?}", stage.world.apis("app-a"));
    let live = stage.world.live("app-a", KIND);
    assert!(live.len() == 1 && live.is_disjoint(&leaked), "{live:?}, was {leaked:?}");
}

#[tokio::test]
async fn an_unconfirmed_redirect_url_is_a_problem_and_holds_nothing_up() {
    let mut stage = Stage::new().await;
    stage.world.leave_unconfirmed("app-a", Some("https://new.example/cb"));
    for revision in 1..6 {
        stage.take_in(&[application("app-a", revision)]).await;
        stage.live_for(Duration::from_mins(1)).await;
    }
    let status = stage.status("app-a").await;
    assert_eq!(status.state, ApplicationState::Delivered, "however often it was ensured");
    let kinds: Vec<_> = status.problems.iter().map(|problem| problem.kind.as_str()).collect();
    assert_eq!(kinds, ["redirect_url_unconfirmed"]);
    assert!(status.problems[0].detail.contains("https://new.example/cb"), "{status:?}");
    stage.world.leave_unconfirmed("app-a", None);
    stage.take_in(&[application("app-a", 6)]).await;
    stage.live_for(Duration::from_mins(1)).await;
    assert_eq!(stage.status("app-a").await.problems, []);
}

#[tokio::test]
async fn while_another_client_type_waits_nothing_of_the_client_is_made_and_the_password_goes_on() {
    let mut stage = delivered().await;
    let public = |revision| {
        let mut record = application("app-a", revision);
        record.settings.as_mut().unwrap().confidential = false;
        record
    };
    stage.world.leave_client_type("app-a", true);
    let kept = stage.store.desk(&"app-a".parse().unwrap()).await.unwrap().unwrap();
    stage.take_in(&[public(2)]).await;
    stage.live_for(Duration::from_hours(3)).await;
    let desk = stage.store.desk(&"app-a".parse().unwrap()).await.unwrap().unwrap();
    let current = |desk: &mint_coordinator::Desk| desk.credentials[&CredentialKind::Client].current.clone();
    assert!(current(&kept).is_some_and(|current| !current.probe.is_empty()));
    assert_eq!(current(&desk), current(&kept), "what consumers use is known as before");
    assert!(!desk.credentials.contains_key(&CredentialKind::PublicClient), "nothing was begun of it");
    let made = |stage: &Stage, kind| stage.world.apis_of("app-a", kind).contains(&"create");
    for kind in [CredentialKind::Client, CredentialKind::PublicClient] {
        assert!(!made(&stage, kind), "{kind}: {:?}", stage.world.apis("app-a"));
    }
    assert!(made(&stage, CredentialKind::Password), "{:?}", stage.world.apis("app-a"));
    let problems = stage.status("app-a").await.problems;
    let kinds: Vec<_> = problems.iter().map(|problem| problem.kind.as_str()).collect();
    assert_eq!(kinds, ["client_type_unconfirmed"]);

    stage.world.leave_client_type("app-a", false);
    stage.take_in(&[public(3)]).await;
    // the very turn in which it is said that nothing waits any more
    stage.turn().await;
    assert!(stage.world.delivered("app-a", CredentialKind::PublicClient).is_some());
    assert_eq!(stage.status("app-a").await.problems, []);
}

#[tokio::test]
async fn a_value_that_the_issuer_has_is_settled_at_every_store_before_another_client_type_is_waited_for() {
    for is_in_force in [false, true] {
        let mut stage = Stage::new().await;
        stage.world.replace();
        stage.take_in(&[application("app-a", 1)]).await;
        stage.live_for(Duration::from_mins(1)).await;
        stage.world.hesitate("app-a", true);
        let audit: Port<dyn AuditLog> = Port::held_by("coordinator", Arc::new(MemoryAuditLog::default()));
        let operator = Operator::new(Arc::clone(&stage.parts), audit);
        let request = RequestId::random(&SeededEntropy::new(1));
        let asked = Asked { by: Principal::Operator("ada".into()), request };
        operator.rotate(&"app-a".parse().unwrap(), &[CredentialKind::Client], &asked).await.unwrap();
        stage.turn().await;
        assert_eq!(
            stage.world.live("app-a", CredentialKind::Client),
            [2].into(),
            "one store has it, and the issuer"
        );

        stage.world.leave_client_type("app-a", !is_in_force);
        stage.world.rule(move |seen| {
            let other = is_in_force && seen.api == "deliver" && seen.kind == Some(CredentialKind::Client);
            other.then(|| Fault::Fails(Failure::new("SETTINGS_CHANGED", "the settings want another kind")))
        });
        stage.world.hesitate("app-a", false);
        stage.world.forget_log();
        let public = |record: &mut mint_types::Application| {
            record.settings.as_mut().unwrap().confidential = false;
        };
        change(&stage, 2, public).await;
        stage.live_for(Duration::from_mins(30)).await;
        let apis = stage.world.apis_of("app-a", CredentialKind::Client);
        assert_eq!(apis.contains(&"abandon"), is_in_force, "{apis:?}");
        let desk = stage.store.desk(&"app-a".parse().unwrap()).await.unwrap().unwrap();
        let client = &desk.credentials[&CredentialKind::Client];
        assert!(client.rotation.is_none(), "{client:?}");
        if is_in_force {
            assert!(stage.world.delivered("app-a", CredentialKind::PublicClient).is_some());
        } else {
            let current =
                client.current.as_ref().map(|current| (current.version.0, current.destinations.len()));
            assert_eq!(current, Some((2, 1)), "every store has it, and that is known");
        }
        stage.world.assert_sound();
    }
}

#[tokio::test]
async fn a_new_owners_word_that_came_too_early_is_looked_at_again_when_it_counts() {
    let day = Duration::from_hours(24);
    let mut stage = delivered().await;
    let now = stage.clock.now();
    stage.world.has_an_heir("app-a", now.plus(day));
    let public = |record: &mut mint_types::Application| {
        record.settings.as_mut().unwrap().confidential = false;
    };
    change(&stage, 2, public).await;
    stage.turn().await;
    let ensured = |stage: &Stage| stage.world.count("ensure");
    assert_eq!(ensured(&stage), 1);
    stage.live_for(day.saturating_sub(Duration::from_secs(1))).await;
    let problems = stage.status("app-a").await.problems;
    assert!(problems.iter().any(|problem| problem.kind == "client_type_unconfirmed"), "{problems:?}");
    assert_eq!(ensured(&stage), 1, "nobody is asked before");
    stage.live_for(Duration::from_secs(2)).await;
    assert_eq!(ensured(&stage), 2);
    assert_eq!(stage.status("app-a").await.problems, [], "nobody signed again");
    assert!(stage.world.delivered("app-a", CredentialKind::PublicClient).is_some());
    stage.live_for(day).await;
    assert_eq!(ensured(&stage), 2, "and it is not asked for ever");
}

#[tokio::test]
async fn a_statement_is_not_lost_while_the_rotators_keys_cannot_be_read() {
    let mut stage = delivered().await;
    let leaked = stage.world.live("app-a", KIND);
    stage.world.rule(|seen| {
        let refusal = || Fault::Fails(Failure::new("STATEMENT_KEYS_UNUSABLE", "the file is being replaced"));
        (seen.api == "revoke").then(refusal)
    });
    revoke(&stage, b"signed").await;
    assert_eq!(rounds(&mut stage, 3).await, 1, "it is still open");
    let status = stage.status("app-a").await;
    assert!(status.problems.iter().any(|problem| problem.kind == "statement_keys_unusable"), "{status:?}");
    stage.world.heal();
    assert_eq!(rounds(&mut stage, 6).await, 0);
    assert!(stage.world.live("app-a", KIND).is_disjoint(&leaked), "what leaked has ended");
}

#[tokio::test]
async fn what_was_refused_is_carried_when_it_is_said_again() {
    let mut stage = delivered().await;
    let leaked = stage.world.live("app-a", KIND);
    stage.world.rule(|seen| {
        let refusal =
            || Fault::Fails(Failure::new("STATEMENT_UNTRUSTED", "a new operator's key is not there yet"));
        (seen.api == "revoke").then(refusal)
    });
    revoke(&stage, b"signed").await;
    assert_eq!(rounds(&mut stage, 2).await, 0, "it is refused");
    stage.world.heal();
    assert_eq!(rounds(&mut stage, 2).await, 0, "and not carried by itself");
    assert_eq!(stage.world.live("app-a", KIND), leaked);
    revoke(&stage, b"signed").await;
    assert_eq!(rounds(&mut stage, 6).await, 0);
    assert!(stage.world.live("app-a", KIND).is_disjoint(&leaked), "what leaked has ended");
    let told = stage.world.count("revoke");
    revoke(&stage, b"signed").await;
    assert_eq!(rounds(&mut stage, 2).await, 0);
    assert_eq!(stage.world.count("revoke"), told, "what is done is done");
}

#[tokio::test]
async fn a_revocation_of_a_retired_application_rotates_nothing_and_is_closed_with_its_user() {
    let mut stage = delivered().await;
    revoke(&stage, b"signed").await;
    change(&stage, 2, |record| record.active = false).await;
    let log = MemoryAuditLog::default();
    assert_eq!(rounds_of(&mut stage, 300, Duration::from_millis(200), &log).await, 1, "it may come back");
    for api in ["create", "abandon"] {
        assert_eq!(stage.world.count(api), 0, "{api}: {:?}", stage.world.apis("app-a"));
    }
    let told = stage.world.count("revoke");
    assert!((1..20).contains(&told), "{told} times in a minute");
    stage.live_for(Duration::from_hours(24 * 30)).await;
    assert!(stage.world.is_deleted("app-a"));
    assert!(log.entries().is_empty());
    rounds_of(&mut stage, 2, Duration::from_secs(3), &log).await;
    assert!(stage.store.revocations(None).await.unwrap().is_empty());
    let entries = log.entries();
    let [_, entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(entry.act.action, "revocation.close");
    assert!(entry.act.resource.contains("IDENTITY_DELETED"), "{entry:?}");
    assert_eq!(entry.outcome, Some(mint_api::audit_log::Outcome::Success));
}

#[tokio::test]
async fn a_revocation_of_an_application_that_comes_back_is_carried_to_its_end() {
    let mut stage = delivered().await;
    let leaked = stage.world.live("app-a", KIND);
    revoke(&stage, b"signed").await;
    change(&stage, 2, |record| record.active = false).await;
    assert_eq!(rounds(&mut stage, 8).await, 1);
    change(&stage, 3, |_| {}).await;
    stage.turn().await;
    assert_eq!(rounds(&mut stage, 8).await, 0, "{:?}", stage.world.apis("app-a"));
    let live = stage.world.live("app-a", KIND);
    assert!(live.len() == 1 && live.is_disjoint(&leaked), "{live:?}, was {leaked:?}");
    stage.world.assert_sound();
}

#[tokio::test]
async fn what_the_settings_do_not_want_ends_with_the_kind_that_took_its_place_and_nothing_rotates_on() {
    for was_combined in [false, true] {
        let combined = |record: &mut mint_types::Application| {
            record.settings = Some(crate::stage::settings(&["bucket"], mint_types::Layout::Combined, true));
        };
        let mut stage = delivered().await;
        if was_combined {
            change(&stage, 2, combined).await;
            stage.live_for(Duration::from_hours(1)).await;
            stage.world.forget_log();
        } else {
            change(&stage, 2, combined).await;
        }
        revoke(&stage, b"signed").await;
        assert_eq!(rounds(&mut stage, 12).await, 0, "{:?}", stage.world.log());
        assert_eq!(stage.world.apis_of("app-a", KIND), Vec::<&str>::new(), "nobody wants it");
        let made = |stage: &Stage| {
            let apis = stage.world.apis_of("app-a", CredentialKind::Combined);
            apis.into_iter().filter(|api| *api == "create").count()
        };
        assert_eq!(made(&stage), 1, "{:?}", stage.world.log());
        stage.live_for(Duration::from_hours(1)).await;
        rounds(&mut stage, 3).await;
        assert_eq!(made(&stage), 1, "nothing rotates on");
        stage.world.assert_sound();
    }
}

#[tokio::test]
async fn what_no_kind_can_end_any_more_is_closed_and_told() {
    let mut stage = delivered().await;
    change(&stage, 2, |record| {
        record.settings = Some(crate::stage::settings(&["bucket"], mint_types::Layout::Split, false));
    })
    .await;
    stage.live_for(Duration::from_hours(1)).await;
    stage.world.forget_log();
    revoke_of(&stage, "app-a", CredentialKind::Client, b"signed").await;
    let log = MemoryAuditLog::default();
    rounds_of(&mut stage, 3, Duration::from_secs(3), &log).await;
    assert!(stage.store.revocations(None).await.unwrap().is_empty(), "{:?}", stage.world.log());
    assert!(log.entries()[0].act.resource.contains("KIND_UNWANTED"), "{:?}", log.entries());
    assert_eq!(stage.world.count("create"), 0);
}

#[tokio::test]
async fn half_of_what_is_meant_that_no_kind_can_end_rotates_the_other_half_once() {
    let mut stage = Stage::new().await;
    let settings = |layout, confidential| {
        move |record: &mut mint_types::Application| {
            record.settings = Some(crate::stage::settings(&["bucket"], layout, confidential));
        }
    };
    change(&stage, 1, settings(mint_types::Layout::Combined, true)).await;
    stage.live_for(Duration::from_mins(1)).await;
    revoke_of(&stage, "app-a", CredentialKind::Combined, b"signed").await;
    change(&stage, 2, settings(mint_types::Layout::Split, false)).await;
    let log = MemoryAuditLog::default();
    rounds_of(&mut stage, 200, Duration::from_secs(3), &log).await;
    assert!(stage.store.revocations(None).await.unwrap().is_empty(), "{:?}", stage.world.log());
    let entries = log.entries();
    let [_, entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert!(entry.act.resource.contains("KIND_UNWANTED"), "the client's half: {entry:?}");
    let made = stage.world.apis_of("app-a", KIND).into_iter().filter(|api| *api == "create").count();
    assert_eq!(made, 1, "{:?}", stage.world.log());
    stage.world.assert_sound();
}

#[tokio::test]
async fn what_is_meant_of_a_client_waits_with_its_type_until_somebody_decides() {
    for is_signed in [false, true] {
        let mut stage = delivered().await;
        let leaked = stage.world.live("app-a", CredentialKind::Client);
        stage.world.leave_client_type("app-a", true);
        let public = |record: &mut mint_types::Application| {
            record.settings.as_mut().unwrap().confidential = false;
        };
        change(&stage, 2, public).await;
        // before anybody knows that it waits, too
        revoke_of(&stage, "app-a", CredentialKind::Client, b"signed").await;
        let log = MemoryAuditLog::default();
        let mut waiting = Waiting::default();
        let audit: Port<dyn AuditLog> = Port::held_by("coordinator", Arc::new(log.clone()));
        assert_eq!(carry(&stage.parts, &audit, &mut waiting).await.unwrap(), 1);
        assert_eq!(rounds_of(&mut stage, 20, Duration::from_secs(3), &log).await, 1, "it is open");
        assert!(log.entries().is_empty(), "{:?}", log.entries());
        assert_eq!(stage.world.live("app-a", CredentialKind::Client), leaked);
        let shown = stage.status("app-a").await.credentials;
        let shown = shown.iter().find(|one| one.kind == CredentialKind::Client);
        assert!(shown.is_some_and(|one| one.version.is_some()), "what lives is shown: {shown:?}");

        stage.world.leave_client_type("app-a", false);
        if is_signed {
            change(&stage, 3, public).await;
        } else {
            change(&stage, 3, |_| {}).await;
        }
        rounds_of(&mut stage, 20, Duration::from_secs(3), &log).await;
        assert!(stage.store.revocations(None).await.unwrap().is_empty(), "{:?}", stage.world.log());
        let told: Vec<_> = log.entries().into_iter().map(|entry| entry.act.resource).collect();
        assert_eq!(told.iter().any(|told| told.contains("KIND_UNWANTED")), is_signed, "{told:?}");
        if !is_signed {
            assert!(stage.world.live("app-a", CredentialKind::Client).is_disjoint(&leaked), "it has ended");
        }
    }
}

#[tokio::test]
async fn a_revocation_that_waits_lets_what_failed_wait_too() {
    let mut stage = delivered().await;
    revoke(&stage, b"signed").await;
    stage.world.rule(|seen| {
        let down = || Fault::Fails(Failure::new("ISSUER_REFUSED", "500"));
        (seen.api == "create").then(down)
    });
    let log = MemoryAuditLog::default();
    assert_eq!(rounds_of(&mut stage, 300, Duration::from_millis(200), &log).await, 1);
    let (made, told) = (stage.world.count("create"), stage.world.count("revoke"));
    assert!((2..15).contains(&made), "{made} tries in a minute");
    assert!((2..20).contains(&told), "{told} looks in a minute");
    stage.world.heal();
    stage.live_for(Duration::from_mins(5)).await;
    assert_eq!(rounds(&mut stage, 3).await, 0);
}

#[tokio::test]
async fn however_many_wait_the_latest_is_carried_too() {
    let mut stage = delivered().await;
    let leaked = stage.world.live("app-a", KIND);
    for number in 0..mint_coordinator::REVOCATIONS_PAGE * 2 {
        revoke_of(&stage, &format!("gone-{number}"), KIND, b"signed").await;
    }
    stage.clock.advance(Duration::from_secs(1));
    revoke(&stage, b"signed").await;
    rounds(&mut stage, 5).await;
    assert!(stage.world.live("app-a", KIND).is_disjoint(&leaked), "what leaked has ended");
}

#[tokio::test]
async fn what_an_operator_begins_while_a_statement_is_carried_is_not_lost() {
    let stage = delivered().await;
    let id = "app-a".parse().unwrap();
    revoke(&stage, b"signed").await;
    let told = Arc::new(tokio::sync::Notify::new());
    let waits = Arc::clone(&told);
    stage.world.rule(move |seen| (seen.api == "revoke").then(|| Fault::Waits(Arc::clone(&waits))));
    let audit: Port<dyn AuditLog> = Port::held_by("coordinator", Arc::new(MemoryAuditLog::default()));
    let operator = Operator::new(Arc::clone(&stage.parts), audit.clone());
    let parts = Arc::clone(&stage.parts);
    let carrying = tokio::spawn(async move { carry(&parts, &audit, &mut Waiting::default()).await.unwrap() });
    while stage.world.count("revoke") == 0 {
        tokio::task::yield_now().await;
    }
    let request = RequestId::random(&SeededEntropy::new(1));
    let asked = Asked { by: Principal::Operator("second".into()), request };
    let started = operator.rotate(&id, &[KIND], &asked).await.unwrap();
    told.notify_one();
    assert_eq!(carrying.await.unwrap(), 1);
    let desk = stage.store.desk(&id).await.unwrap().unwrap();
    let open = desk.credentials[&KIND].rotation.as_ref().unwrap();
    assert_eq!(open.id, started[0].rotation, "what the operator was told is open");
}

#[tokio::test]
async fn what_a_store_has_and_the_issuer_lacks_is_given_up_without_keeping_the_lease() {
    let mut stage = Stage::new().await;
    stage.world.replace();
    stage.world.hesitate("app-a", true);
    stage.world.rule(|seen| {
        (seen.api == "accept").then(|| Fault::Fails(Failure::new("ISSUER_UNREACHABLE", "no connection")))
    });
    stage.take_in(&[application("app-a", 1)]).await;
    stage.turn().await;
    stage.clock.advance(Duration::from_secs(1));
    revoke(&stage, b"signed").await;
    let audit: Port<dyn AuditLog> = Port::held_by("coordinator", Arc::new(MemoryAuditLog::default()));
    assert_eq!(carry(&stage.parts, &audit, &mut Waiting::default()).await.unwrap(), 1);
    assert_eq!(stage.world.count("abandon"), 1, "{:?}", stage.world.log());
    let desk = stage.store.desk(&"app-a".parse().unwrap()).await.unwrap().unwrap();
    assert!(desk.credentials[&KIND].rotation.is_none(), "it is closed, and a fresh one follows");
    assert_eq!(carry(&stage.parts, &audit, &mut Waiting::default()).await.unwrap(), 1);
    assert_eq!(stage.world.count("revoke"), 2, "nobody keeps the lease");
}
