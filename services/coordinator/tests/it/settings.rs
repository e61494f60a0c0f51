//! What a change of settings starts.

use std::sync::Arc;
use std::time::Duration;

use mint_coordinator::{ApplicationState, Store};
use mint_types::{Clock, CredentialKind, Layout, Revision};

use crate::stage::{Stage, application, settings};
use crate::world::{Fault, GRACE, OVERLAP};

#[tokio::test]
async fn a_new_bucket_is_filled_at_once() {
    let mut stage = Stage::new().await;
    let mut record = application("app-a", 1);
    stage.take_in(&[record.clone()]).await;
    stage.turn().await;
    stage.world.forget_log();
    record.settings = Some(settings(&["bucket", "bucket-b"], Layout::Split, true));
    record.revision = Revision(2);
    stage.take_in(&[record]).await;
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Pending);
    stage.turn().await;
    assert_eq!(stage.world.count("deliver"), 2);
    assert_eq!(stage.world.count("ensure"), 0);
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered, "consumers have it");
    stage.live_for(OVERLAP + GRACE + Duration::from_secs(1)).await;
    assert_eq!(stage.world.live("app-a", CredentialKind::Client).len(), 1);
    stage.world.assert_sound();
}

#[tokio::test]
async fn a_bucket_that_is_added_during_a_rotation_is_filled_after_it() {
    let mut stage = Stage::new().await;
    let mut record = application("app-a", 1);
    stage.take_in(&[record.clone()]).await;
    stage.turn().await;
    record.settings = Some(settings(&["bucket", "bucket-b"], Layout::Split, true));
    record.revision = Revision(2);
    stage.take_in(&[record.clone()]).await;
    stage.turn().await;
    // both rotations adopt now
    record.settings = Some(settings(&["bucket", "bucket-b", "bucket-c"], Layout::Split, true));
    record.revision = Revision(3);
    stage.take_in(&[record]).await;
    stage.world.forget_log();
    stage.turn().await;
    assert_eq!(stage.world.count("create"), 0, "one rotation is open per issuer object");
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Pending);
    stage.live_for((OVERLAP + GRACE) * 2).await;
    assert_eq!(stage.world.count("create"), 2);
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered);
    stage.world.assert_sound();
}

#[tokio::test]
async fn another_layout_has_its_own_credentials_and_the_old_ones_begin_anew_when_they_come_back() {
    let mut stage = Stage::new().await;
    let mut record = application("app-a", 1);
    stage.take_in(&[record.clone()]).await;
    stage.turn().await;
    record.settings = Some(settings(&["bucket"], Layout::Combined, true));
    record.revision = Revision(2);
    stage.take_in(&[record.clone()]).await;
    stage.turn().await;
    let status = stage.status("app-a").await;
    assert_eq!(status.credentials.len(), 1);
    assert_eq!(
        (status.state, status.credentials[0].kind),
        (ApplicationState::Delivered, CredentialKind::Combined)
    );

    record.settings = Some(settings(&["bucket"], Layout::Split, true));
    record.revision = Revision(3);
    stage.take_in(&[record]).await;
    stage.world.forget_log();
    stage.turn().await;
    let kinds: Vec<_> =
        stage.world.log().iter().filter(|seen| seen.api == "create").filter_map(|seen| seen.kind).collect();
    assert_eq!(kinds.len(), 2, "what the combined rotation ended does not count as delivered");
}

#[tokio::test]
async fn a_rotation_of_a_layout_that_is_gone_is_given_up_before_the_new_one_begins() {
    let mut stage = Stage::new().await;
    let mut record = application("app-a", 1);
    stage.world.refuse("app-a", true);
    stage.take_in(&[record.clone()]).await;
    stage.turn().await;
    stage.world.refuse("app-a", false);
    record.settings = Some(settings(&["bucket"], Layout::Combined, true));
    record.revision = Revision(2);
    stage.take_in(&[record]).await;
    stage.live_for(Duration::from_mins(1)).await;
    assert_eq!(stage.world.count("abandon"), 2);
    let status = stage.status("app-a").await;
    assert_eq!((status.state, status.credentials.len()), (ApplicationState::Delivered, 1), "{status:#?}");
    assert!(status.problems.is_empty(), "{:#?}", status.problems);
    stage.world.assert_sound();
}

#[tokio::test]
async fn a_public_client_is_written_again_only_when_its_id_changes() {
    let mut stage = Stage::new().await;
    let mut record = application("app-a", 1);
    record.settings = Some(settings(&["bucket"], Layout::Split, false));
    stage.take_in(&[record.clone()]).await;
    stage.turn().await;
    // the catalog tells what Ensure answered
    record.identity = Some(mint_types::Identity {
        username: "stups_app-a".into(),
        client_id: "client-of-app-a".into(),
        foreign: false,
    });
    record.revision = Revision(2);
    stage.take_in(&[record.clone()]).await;
    stage.clock.advance(Duration::from_hours(2160));
    stage.live_for(Duration::from_hours(6)).await;
    let public = CredentialKind::PublicClient;
    assert_eq!(stage.world.delivered("app-a", public), Some(1));

    stage.world.set_client("app-a", "another-client");
    (record.revision, record.identity_revision) = (Revision(3), Revision(3));
    stage.take_in(&[record]).await;
    stage.turn().await;
    assert_eq!(stage.world.delivered("app-a", public), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settings_change_during_its_own_delivery_is_applied() {
    let mut stage = Stage::new().await;
    let mut record = application("app-a", 1);
    let told = Arc::new(tokio::sync::Notify::new());
    let waits = Arc::clone(&told);
    stage.world.rule(move |seen| (seen.api == "deliver").then(|| Fault::Waits(Arc::clone(&waits))));
    stage.take_in(&[record.clone()]).await;
    let (world, store, now) = (stage.world.clone(), stage.store.clone(), stage.clock.now());
    let working = tokio::spawn(async move {
        stage.turn().await;
        stage
    });
    while world.count("deliver") < 2 {
        tokio::task::yield_now().await;
    }
    // both writes are under way when the team enters another bucket; the clock stands still: nothing compares times
    record.settings = Some(settings(&["bucket", "bucket-b"], Layout::Split, true));
    (record.revision, record.settings_generation) = (Revision(2), 2);
    store.take_in(&[record], Revision(2), now).await.unwrap();
    world.heal();
    while !working.is_finished() {
        told.notify_one();
        tokio::task::yield_now().await;
    }
    let mut stage = working.await.unwrap();
    stage.live_for((OVERLAP + GRACE) * 2).await;
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered);
    let id = "app-a".parse().unwrap();
    for credential in stage.store.desk(&id).await.unwrap().unwrap().credentials.values() {
        assert_eq!(credential.current.as_ref().unwrap().destinations.len(), 2, "{credential:#?}");
    }
    stage.world.assert_sound();
}

#[tokio::test]
async fn every_switch_between_layouts_ends_clean() {
    let mut stage = Stage::new().await;
    let mut record = application("app-a", 1);
    stage.take_in(&[record.clone()]).await;
    stage.turn().await;
    let forms = [
        (Layout::Combined, true),
        (Layout::Split, true),
        (Layout::Split, false),
        (Layout::Combined, true),
        (Layout::Split, false),
        (Layout::Split, true),
    ];
    for ((layout, confidential), revision) in forms.into_iter().zip(2..) {
        record.settings = Some(settings(&["bucket"], layout, confidential));
        (record.revision, record.identity_revision) = (Revision(revision), Revision(revision));
        stage.take_in(&[record.clone()]).await;
        stage.live_for((OVERLAP + GRACE) * 2).await;
        let status = stage.status("app-a").await;
        assert_eq!(status.state, ApplicationState::Delivered, "{layout} {confidential}: {status:#?}");
        let kinds: Vec<_> = status.credentials.iter().map(|credential| credential.kind).collect();
        assert_eq!(kinds, CredentialKind::of(layout, confidential));
        assert!(status.problems.is_empty(), "{:#?}", status.problems);
        assert!(
            status.credentials.iter().all(|one| one.rotation.is_none() && one.attempts == 0),
            "{status:#?}"
        );
    }
    stage.world.assert_sound();
}
