//! What happens when nothing goes wrong.

use std::time::Duration;

use mint_coordinator::{ApplicationState, CredentialState};
use mint_types::{CredentialKind, Layout, Presence, Revision};

use crate::stage::{Stage, application, settings};
use crate::world::{GRACE, OVERLAP};

#[tokio::test]
async fn every_credential_of_a_new_application_is_delivered_at_once() {
    let mut stage = Stage::new().await;
    let mut public = application("public-app", 2);
    public.settings = Some(settings(&["bucket"], Layout::Split, false));
    let mut combined = application("combined-app", 3);
    combined.settings = Some(settings(&["bucket"], Layout::Combined, true));
    stage.take_in(&[application("split-app", 1), public, combined]).await;
    stage.turn().await;

    for (id, kinds) in [
        ("split-app", vec![CredentialKind::Password, CredentialKind::Client]),
        ("public-app", vec![CredentialKind::Password, CredentialKind::PublicClient]),
        ("combined-app", vec![CredentialKind::Combined]),
    ] {
        let status = stage.status(id).await;
        assert_eq!(status.state, ApplicationState::Delivered, "{status:#?}");
        assert_eq!(status.credentials.iter().map(|one| one.kind).collect::<Vec<_>>(), kinds);
        assert!(status.credentials.iter().all(|one| one.state == CredentialState::Current));
        assert!(status.problems.is_empty());
        assert_eq!(stage.world.apis(id)[0], "ensure", "the user comes first");
        for kind in kinds {
            assert_eq!(stage.world.apis_of(id, kind), ["create", "deliver", "accept", "retire"]);
        }
    }
    stage.world.assert_sound();
}

#[tokio::test]
async fn an_idle_application_causes_no_calls_and_no_writes() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1)]).await;
    stage.turn().await;
    stage.turn().await;
    let (calls, commits) = (stage.world.log().len(), stage.store.commits());
    for _ in 0..20 {
        stage.clock.advance(Duration::from_mins(1));
        stage.turn().await;
    }
    assert_eq!((stage.world.log().len(), stage.store.commits()), (calls, commits));
}

#[tokio::test]
async fn a_password_is_replaced_in_its_period_and_its_predecessor_is_proved_dead() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1)]).await;
    stage.turn().await;
    stage.world.forget_log();
    let before = stage.store.commits();
    stage.live_for(Duration::from_hours(3)).await;

    let password = CredentialKind::Password;
    assert_eq!(stage.world.apis_of("app-a", password), ["create", "deliver", "accept", "retire", "prove"]);
    assert_eq!(stage.world.live("app-a", password).len(), 1);
    assert_eq!(stage.world.delivered("app-a", password), Some(2));
    // lease and intent; created; delivered, accepted and the next lease; retired and the next lease; proved
    assert_eq!(stage.store.commits() - before, golden_commits("coordinator"));
    let status = stage.status("app-a").await;
    assert_eq!((status.credentials[0].completed, status.credentials[1].completed), (2, 1));
    stage.world.assert_sound();
}

/// How many commits a rotation may cost.
fn golden_commits(service: &str) -> u64 {
    let lines = include_str!("../../../../tests/golden/commits.txt").lines();
    let mut counts = lines.filter_map(|line| line.strip_prefix(service)?.trim().parse().ok());
    counts.next().unwrap()
}

#[tokio::test]
async fn a_first_delivery_of_two_credentials_costs_eight_commits() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1)]).await;
    let before = stage.store.commits();
    stage.turn().await;
    // lease with both intents, the user, and per credential: created, delivered and accepted, retired
    assert_eq!(stage.store.commits() - before, 8);
}

#[tokio::test]
async fn waits_hold_no_lease() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1)]).await;
    stage.turn().await;
    stage.live_for(Duration::from_hours(3)).await;
    let calls = stage.world.log();
    let tokens: Vec<u64> = calls
        .iter()
        .filter(|call| call.kind == Some(CredentialKind::Password))
        .map(|call| call.token)
        .collect();
    let rotation = &tokens[4..9];
    assert!(rotation[0] == rotation[2] && rotation[2] < rotation[3] && rotation[3] < rotation[4]);
}

#[tokio::test]
async fn ten_rotations_in_a_row_leave_one_live_version_each() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1), application("app-b", 2)]).await;
    stage.live_for(Duration::from_hours(20) + OVERLAP + GRACE).await;
    for id in ["app-a", "app-b"] {
        let status = stage.status(id).await;
        assert!(status.credentials[0].completed >= 9, "{status:#?}");
        assert_eq!(status.state, ApplicationState::Delivered);
        assert_eq!(stage.world.live(id, CredentialKind::Client).len(), 1);
        assert_eq!(stage.world.delivered(id, CredentialKind::Client), Some(1), "30 days have not passed");
    }
    assert_eq!(stage.world.count("ensure"), 2);
    stage.world.assert_sound();
}

#[tokio::test]
async fn an_identity_is_ensured_once_not_per_rotation() {
    let mut stage = Stage::new().await;
    let mut record = application("app-a", 1);
    stage.take_in(&[record.clone()]).await;
    stage.live_for(Duration::from_hours(10)).await;
    assert_eq!(stage.world.count("ensure"), 1);

    record.revision = Revision(5);
    stage.take_in(&[record.clone()]).await;
    stage.turn().await;
    assert_eq!(stage.world.count("ensure"), 1, "nothing changed that the identity depends on");

    record.revision = Revision(6);
    record.identity_revision = Revision(6);
    stage.take_in(&[record]).await;
    stage.turn().await;
    assert_eq!(stage.world.count("ensure"), 2);
}

#[tokio::test]
async fn an_inactive_application_is_disabled_if_it_ever_had_a_user() {
    let mut stage = Stage::new().await;
    let mut never = application("never-active", 1);
    never.active = false;
    let mut record = application("app-a", 2);
    stage.take_in(&[never, record.clone()]).await;
    stage.turn().await;
    assert!(stage.world.apis("never-active").is_empty());
    assert_eq!(stage.status("never-active").await.state, ApplicationState::Inactive);

    (record.active, record.revision, record.identity_revision) = (false, Revision(3), Revision(3));
    stage.take_in(&[record.clone()]).await;
    stage.world.forget_log();
    stage.live_for(Duration::from_hours(10)).await;
    assert_eq!(stage.world.apis("app-a"), ["disable"]);
    assert!(stage.world.is_disabled("app-a"));
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Inactive);

    (record.active, record.revision, record.identity_revision) = (true, Revision(4), Revision(4));
    stage.take_in(&[record]).await;
    stage.world.forget_log();
    stage.turn().await;
    assert_eq!(stage.world.apis("app-a")[..2], ["restore", "ensure"]);
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered);
    stage.world.assert_sound();
}

#[tokio::test]
async fn a_held_application_is_left_alone() {
    let mut stage = Stage::new().await;
    let mut record = application("app-a", 1);
    stage.take_in(&[record.clone()]).await;
    stage.turn().await;
    (record.presence, record.revision) = (Presence::Held, Revision(2));
    stage.take_in(&[record.clone()]).await;
    stage.world.forget_log();
    stage.live_for(Duration::from_hours(10)).await;
    assert!(stage.world.log().is_empty());
    let status = stage.status("app-a").await;
    assert_eq!(status.state, ApplicationState::Held);
    assert_eq!(status.problems[0].kind, "application_missing");

    (record.presence, record.revision) = (Presence::Present, Revision(3));
    stage.take_in(&[record]).await;
    stage.turn().await;
    assert!(stage.world.count("create") >= 1, "the password was overdue");
    assert!(stage.status("app-a").await.problems.is_empty());
}
