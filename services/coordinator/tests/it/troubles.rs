//! What one application's trouble means for it and for others.

use std::collections::BTreeSet;
use std::time::Duration;

use mint_coordinator::{ApplicationState, CredentialState, Store};
use mint_saga::Failure;
use mint_types::{Clock, CredentialKind, Layout, Revision};

use crate::stage::{Stage, application, policy, settings};
use crate::world::{Fault, GRACE, OVERLAP};

fn limited(seconds: u64) -> Fault {
    let mut failure = Failure::new("ISSUER_RATE_LIMITED", "429");
    failure.retry_after = Some(Duration::from_secs(seconds));
    Fault::Fails(failure)
}

async fn wait_until(mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..3000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not become true within 30 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_applications_trouble_delays_nobody() {
    let mut stage = Stage::new().await;
    let records: Vec<_> =
        (0..200).map(|number| application(&format!("app-{number:03}"), number + 1)).collect();
    stage.take_in(&records).await;
    stage.world.refuse("app-001", true);
    stage.world.rule(|seen| match (seen.application.as_str(), seen.api) {
        ("app-000", "create") => Some(Fault::Hangs),
        ("app-002", "create") => Some(Fault::Fails(Failure::new("ISSUER_REFUSED", "500"))),
        _ => None,
    });
    let (world, store) = (stage.world.clone(), stage.store.clone());
    let working = tokio::spawn(async move {
        // ends only when the hanging call meets its deadline
        stage.turn().await;
        stage
    });
    // while it hangs, everybody else is served
    wait_until(async || {
        let desks = store.desks(None, None, 500).await.unwrap();
        let states = desks.iter().map(|desk| mint_coordinator::status(desk, 3, world.clock.now()).state);
        states.filter(|state| *state == ApplicationState::Delivered).count() == 197
    })
    .await;
    assert!(!working.is_finished(), "the hanging call is still waited for");
    assert_eq!(world.apis("app-001").iter().filter(|api| **api == "deliver").count(), 2);
    world.assert_sound();
    working.abort();
}

#[tokio::test]
async fn a_hanging_call_ends_with_its_deadline_and_is_a_problem() {
    let mut policy = policy("one");
    policy.call_deadline = Duration::from_millis(50);
    let mut stage = Stage::with(policy).await;
    stage.take_in(&[application("app-a", 1)]).await;
    stage.world.rule(|seen| (seen.api == "deliver").then_some(Fault::Hangs));
    stage.turn().await;
    let status = stage.status("app-a").await;
    assert_eq!(status.problems[0].kind, "service_unanswered");
    assert_eq!(status.state, ApplicationState::Pending);
    stage.world.heal();
    stage.live_for(Duration::from_secs(10)).await;
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered);
    assert_eq!(stage.world.count("create"), 2, "the same envelope is delivered again");
}

#[tokio::test]
async fn a_429_pauses_only_calls_to_the_issuer() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1)]).await;
    stage.turn().await;
    // app-b is between Create and Deliver when app-c hears 429
    stage.take_in(&[application("app-b", 2)]).await;
    stage.world.refuse("app-b", true);
    stage.turn().await;
    stage.world.refuse("app-b", false);
    stage.world.rule(|seen| (seen.application == "app-c" && seen.api == "ensure").then(|| limited(90)));
    stage.take_in(&[application("app-c", 3)]).await;
    stage.turn().await;
    stage.world.forget_log();

    stage.take_in(&[application("app-d", 4)]).await;
    stage.clock.advance(Duration::from_secs(80));
    stage.turn().await;
    let apis: BTreeSet<_> = stage.world.log().iter().map(|seen| seen.api).collect();
    assert_eq!(apis, BTreeSet::from(["accept", "deliver"]), "only app-b, and nothing that calls the issuer");
    assert_eq!(stage.status("app-c").await.problems[0].kind, "issuer_rate_limited");

    stage.world.heal();
    stage.live_for(Duration::from_mins(2)).await;
    for id in ["app-b", "app-c", "app-d"] {
        assert_eq!(stage.status(id).await.state, ApplicationState::Delivered, "{id}");
    }
}

#[tokio::test]
async fn a_destination_that_refuses_is_retried_with_the_same_envelope_until_it_is_repaired() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1)]).await;
    stage.world.refuse("app-a", true);
    stage.live_for(Duration::from_mins(1)).await;
    let status = stage.status("app-a").await;
    assert_eq!(status.state, ApplicationState::Failed);
    assert!(status.credentials.iter().all(|one| one.state == CredentialState::Failed && one.attempts >= 3));
    let problem = &status.problems[0];
    assert_eq!(
        (problem.kind.as_str(), problem.destination.as_deref()),
        ("destination_refused", Some("bucket/app-a"))
    );
    assert!(!problem.next_action.is_empty() && problem.attempts >= 3);
    assert_eq!(stage.world.count("create"), 2, "no retry adds a version");

    stage.world.refuse("app-a", false);
    let mut repaired = application("app-a", 2);
    repaired.identity_revision = Revision(1);
    repaired.settings_generation = 2;
    stage.take_in(&[repaired]).await;
    stage.turn().await;
    let status = stage.status("app-a").await;
    assert_eq!((status.state, status.problems.len()), (ApplicationState::Delivered, 0), "at once");
    assert_eq!(stage.world.count("create"), 2);
    stage.world.assert_sound();
}

#[tokio::test]
async fn a_problem_stays_until_it_is_over() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1)]).await;
    stage.world.refuse("app-a", true);
    stage.turn().await;
    let since = stage.status("app-a").await.problems[0].since;
    let mut attempts = 1;
    for _ in 0..30 {
        stage.clock.advance(Duration::from_secs(61));
        stage.turn().await;
        let status = stage.status("app-a").await;
        assert!(!status.problems.is_empty());
        assert!(status.problems.iter().all(|problem| problem.since == since));
        let now = status.credentials[0].attempts;
        assert!(now >= attempts, "attempts went from {attempts} to {now}");
        attempts = now;
    }
    assert!(attempts > 8, "{attempts}");
}

#[tokio::test]
async fn an_application_without_a_bucket_gets_its_user_and_a_problem() {
    let mut stage = Stage::new().await;
    let mut record = application("app-a", 1);
    record.settings = None;
    stage.take_in(&[record.clone()]).await;
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Pending, "the user comes first");
    stage.live_for(Duration::from_hours(1)).await;
    assert_eq!(stage.world.apis("app-a"), ["ensure"]);
    let status = stage.status("app-a").await;
    assert_eq!(status.state, ApplicationState::Failed);
    assert_eq!(status.problems[0].kind, "no_destination");
    assert!(status.credentials.iter().all(|one| one.state == CredentialState::Failed));

    record.settings = Some(settings(&["bucket"], Layout::Split, true));
    (record.revision, record.settings_generation) = (Revision(2), 1);
    stage.take_in(&[record]).await;
    stage.turn().await;
    let status = stage.status("app-a").await;
    assert_eq!((status.state, status.problems.len()), (ApplicationState::Delivered, 0));
}

#[tokio::test]
async fn an_identity_that_cannot_be_brought_up_to_date_does_not_stop_rotations() {
    let mut stage = Stage::new().await;
    let mut record = application("app-a", 1);
    stage.take_in(&[record.clone()]).await;
    stage.turn().await;
    stage.world.rule(|seen| {
        (seen.api == "ensure").then(|| Fault::Fails(Failure::new("ISSUER_REFUSED", "no such scope")))
    });
    (record.revision, record.identity_revision) = (Revision(2), Revision(2));
    stage.take_in(&[record]).await;
    stage.live_for(Duration::from_hours(4)).await;
    assert!(stage.world.delivered("app-a", CredentialKind::Password) >= Some(2));
    let status = stage.status("app-a").await;
    assert_eq!(status.state, ApplicationState::Failed);
    assert!(status.problems.iter().any(|problem| problem.kind == "issuer_refused"));
}

#[tokio::test]
async fn a_new_application_whose_user_cannot_be_made_fails_after_three_attempts() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1)]).await;
    stage.world.rule(|seen| {
        (seen.api == "ensure").then(|| Fault::Fails(Failure::new("ISSUER_MALFORMED_ANSWER", "<html>")))
    });
    stage.live_for(Duration::from_secs(30)).await;
    assert_eq!(stage.world.count("create"), 0);
    let status = stage.status("app-a").await;
    assert_eq!(status.state, ApplicationState::Failed);
    assert!(status.credentials.iter().all(|one| one.state == CredentialState::Failed));
    stage.world.heal();
    stage.live_for(Duration::from_mins(10)).await;
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered);
}

#[tokio::test]
async fn an_envelope_that_nobody_opens_starts_the_rotation_again() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1)]).await;
    let left = std::sync::atomic::AtomicI32::new(2);
    stage.world.rule(move |seen| {
        let spoiled = seen.api == "deliver" && left.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) > 0;
        spoiled.then(|| Fault::Fails(Failure::new("ENVELOPE_UNOPENABLE", "no such key")))
    });
    stage.live_for(Duration::from_mins(1)).await;
    assert_eq!(stage.world.count("abandon"), 2);
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered);
    assert_eq!(stage.world.live("app-a", CredentialKind::Password).len(), 1, "what was made is swept");
    stage.world.assert_sound();
}

#[tokio::test]
async fn an_issuer_that_lies_raises_an_alarm_and_does_not_freeze_the_credential() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1)]).await;
    stage.turn().await;
    stage.world.lie(true);
    stage.live_for(Duration::from_hours(3)).await;
    let alarm = |status: &mint_coordinator::Status| {
        status.problems.iter().any(|problem| problem.kind == "previous_version_alive")
    };
    assert!(alarm(&stage.status("app-a").await));
    let before = stage.world.delivered("app-a", CredentialKind::Password);
    stage.live_for(Duration::from_hours(3)).await;
    assert!(stage.world.delivered("app-a", CredentialKind::Password) > before);
    assert!(alarm(&stage.status("app-a").await));
    stage.world.lie(false);
    stage.live_for(Duration::from_hours(3) + OVERLAP + GRACE).await;
    assert!(!alarm(&stage.status("app-a").await), "a later proof ends it");
}

#[tokio::test]
async fn a_budget_that_is_used_up_postpones_and_is_no_failure() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1)]).await;
    let left = std::sync::atomic::AtomicI32::new(12);
    stage.world.rule(move |seen| {
        let used_up = seen.api == "create" && left.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) > 0;
        let mut failure = Failure::new("BUDGET_EXHAUSTED", "60 calls a minute");
        failure.retry_after = Some(Duration::from_secs(5));
        used_up.then_some(Fault::Fails(failure))
    });
    for _ in 0..6 {
        stage.turn().await;
        let status = stage.status("app-a").await;
        assert!(status.state == ApplicationState::Pending && status.problems.is_empty(), "{status:#?}");
        stage.clock.advance(Duration::from_secs(6));
    }
    stage.live_for(Duration::from_mins(2)).await;
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered);
}

#[tokio::test]
async fn a_rotation_that_the_rotator_has_closed_gives_way_to_a_new_one() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1)]).await;
    stage.world.rule(|seen| {
        let closed = seen.api == "create" && seen.index < 3;
        closed.then(|| Fault::Fails(Failure::new("ROTATION_CLOSED", "abandoned: begin a new rotation")))
    });
    stage.turn().await;
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered);
    let rotations: BTreeSet<_> = stage.world.log().iter().filter_map(|seen| seen.rotation).collect();
    assert!(rotations.len() > 2, "a closed id is not used again");
    stage.world.assert_sound();
}

#[tokio::test]
async fn a_429_is_obeyed_by_other_coordinators_and_after_a_restart() {
    let mut stage = Stage::new().await;
    stage.world.rule(|seen| (seen.api == "ensure").then(|| limited(90)));
    stage.take_in(&[application("app-a", 1)]).await;
    stage.turn().await;
    assert_eq!(stage.world.count("ensure"), 1);
    stage.take_in(&[application("app-b", 2), application("app-c", 3)]).await;
    for (holder, seconds) in [("one", 1), ("two", 80)] {
        stage.clock.advance(Duration::from_secs(seconds));
        let store = std::sync::Arc::new(stage.store.clone());
        stage.parts = crate::stage::parts(&stage.world, store, policy(holder), seconds);
        stage.engine = mint_coordinator::Engine::new(std::sync::Arc::clone(&stage.parts));
        stage.turn().await;
        assert_eq!(stage.world.count("ensure"), 1, "{holder} after {seconds} s");
    }
    assert_eq!(stage.status("app-a").await.problems[0].kind, "issuer_rate_limited", "it is still a problem");
    stage.world.heal();
    stage.live_for(Duration::from_mins(2)).await;
    for id in ["app-a", "app-b", "app-c"] {
        assert_eq!(stage.status(id).await.state, ApplicationState::Delivered, "{id}");
    }
}

#[tokio::test]
async fn a_first_write_is_told_to_the_issuer_at_once_whatever_another_store_answers() {
    let mut stage = Stage::new().await;
    stage.world.replace();
    stage.world.hesitate("app-a", true);
    stage.take_in(&[application("app-a", 1)]).await;
    stage.turn().await;
    let kind = CredentialKind::Client;
    assert_eq!(stage.world.apis_of("app-a", kind), ["create", "deliver", "accept"], "without any wait");
    assert_eq!(stage.world.live("app-a", kind), [1].into(), "the issuer has what a store holds");
    let status = stage.status("app-a").await;
    assert!(status.problems.iter().any(|problem| problem.kind == "destination_refused"), "{status:?}");
    stage.live_for(Duration::from_mins(10)).await;
    assert_eq!(stage.world.live("app-a", kind), [1].into(), "the same version is tried again at the other");
    assert_eq!(stage.world.apis_of("app-a", kind).iter().filter(|api| **api == "accept").count(), 1);
    stage.world.hesitate("app-a", false);
    stage.live_for(Duration::from_mins(10)).await;
    let status = stage.status("app-a").await;
    assert_eq!((status.state, status.problems.len()), (ApplicationState::Delivered, 0));
    stage.world.assert_sound();
}

#[tokio::test]
async fn a_wait_of_decades_that_somebody_asked_for_by_mistake_is_an_hour() {
    let mut stage = Stage::new().await;
    stage.world.rule(|seen| (seen.api == "ensure").then(|| limited(1_764_000_000)));
    stage.take_in(&[application("app-a", 1)]).await;
    stage.turn().await;
    assert_eq!(stage.world.count("ensure"), 1);
    stage.world.heal();
    stage.clock.advance(Duration::from_mins(59));
    stage.turn().await;
    assert_eq!(stage.world.count("ensure"), 1, "an hour is granted");
    stage.live_for(Duration::from_mins(5)).await;
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered);
}

#[tokio::test]
async fn a_pause_that_was_written_under_a_clock_that_was_ahead_holds_nobody() {
    let mut stage = Stage::new().await;
    let (now, year) = (stage.clock.now(), Duration::from_hours(365 * 24));
    stage.store.pause_issuer(now.plus(year), now.plus(year)).await.unwrap();
    stage.take_in(&[application("app-a", 1)]).await;
    stage.live_for(Duration::from_mins(2)).await;
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered);
    let asked = stage.world.count("ensure");
    let now = stage.clock.now();
    let (soon, latest) = (now.plus(Duration::from_mins(30)), now.plus(Duration::from_hours(1)));
    stage.store.pause_issuer(soon, latest).await.unwrap();
    stage.take_in(&[application("app-b", 2)]).await;
    stage.turn().await;
    assert_eq!(stage.world.count("ensure"), asked, "a true one takes its place");
    stage.live_for(Duration::from_mins(32)).await;
    assert_eq!(stage.status("app-b").await.state, ApplicationState::Delivered);
}
