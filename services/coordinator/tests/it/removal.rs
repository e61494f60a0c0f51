//! An application goes out of use, and comes back at any time of it.

use std::time::Duration;

use mint_coordinator::{ApplicationState, Store as _};
use mint_types::{
    Application, Bucket, Clock as _, CredentialKind, Presence, RemovedDestination, Revision, Timestamp,
};

use crate::stage::{Stage, application};
use crate::world::{Fault, GRACE, OVERLAP, TOMBSTONE};

const HOUR: Duration = Duration::from_hours(1);

fn retired(record: &Application, revision: u64) -> Application {
    let revision = Revision(revision);
    Application { active: false, revision, identity_revision: revision, ..record.clone() }
}

fn in_use(record: &Application, revision: u64) -> Application {
    Application { active: true, ..retired(record, revision) }
}

/// Delivered, and then out of use.
async fn removed(stage: &mut Stage) -> Application {
    let record = application("app-a", 1);
    stage.take_in(std::slice::from_ref(&record)).await;
    stage.live_for(OVERLAP + GRACE).await;
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered);
    stage.world.forget_log();
    stage.take_in(&[retired(&record, 2)]).await;
    record
}

#[tokio::test]
async fn a_removal_is_disable_then_tombstones_then_delete_each_in_its_time() {
    let mut stage = Stage::new().await;
    removed(&mut stage).await;
    stage.live_for(TOMBSTONE.saturating_sub(HOUR)).await;
    assert_eq!(stage.world.apis("app-a"), ["disable"]);
    let status = stage.status("app-a").await;
    assert_eq!(status.state, ApplicationState::Inactive);
    assert!(status.tombstone_until.is_some() && !status.identity_deleted);

    stage.live_for(HOUR + OVERLAP / 2).await;
    assert_eq!(stage.world.apis("app-a"), ["disable", "permit", "tombstone"]);
    assert_eq!(stage.world.delivered("app-a", CredentialKind::Password), None);
    stage.live_for(OVERLAP).await;
    assert_eq!(stage.world.apis("app-a"), ["disable", "permit", "tombstone", "delete"]);
    let status = stage.status("app-a").await;
    assert!(status.identity_deleted && status.tombstone_until.is_none() && status.problems.is_empty());
    assert!(
        status.credentials.iter().all(|credential| credential.version.is_none()),
        "consumers find nothing"
    );

    stage.live_for(TOMBSTONE).await;
    assert_eq!(stage.world.apis("app-a").len(), 4, "and nothing after that");
    stage.world.assert_sound();
}

#[tokio::test]
async fn a_bucket_that_refuses_the_tombstone_is_a_problem_and_delays_no_deletion() {
    let mut stage = Stage::new().await;
    removed(&mut stage).await;
    stage.world.refuse("app-a", true);
    stage.live_for(TOMBSTONE + OVERLAP + HOUR).await;
    assert!(stage.world.is_deleted("app-a"), "{:?}", stage.world.apis("app-a"));
    let status = stage.status("app-a").await;
    let [problem] = status.problems.as_slice() else { panic!("{:?}", status.problems) };
    assert_eq!(problem.kind, "objects_not_overwritten");
    assert!(problem.detail.contains("bucket/app-a/user.json (destination_refused)"), "{problem:?}");

    // a day of tries is one act of the budget, a month of them would be thirty
    stage.live_for(HOUR * 24).await;
    let tries = stage.world.count("permit");
    stage.live_for(HOUR * 24 * 30).await;
    assert_eq!(stage.world.count("permit"), tries);
    assert_eq!(stage.status("app-a").await.problems.len(), 1, "it is told for as long as it is so");

    // the bucket's owner repaired it, and an operator says so
    stage.world.refuse("app-a", false);
    assert!(stage.store.set_paused(&"app-a".parse().unwrap(), None, stage.clock.now()).await.unwrap());
    stage.live_for(HOUR).await;
    assert!(stage.status("app-a").await.problems.is_empty());
    assert_eq!(stage.world.delivered("app-a", CredentialKind::Client), None);
    stage.world.assert_sound();
}

#[tokio::test]
async fn an_application_that_comes_back_in_time_has_its_identity_and_its_credentials() {
    let mut stage = Stage::new().await;
    let record = removed(&mut stage).await;
    stage.live_for(TOMBSTONE.saturating_sub(HOUR)).await;
    let held = stage.world.delivered("app-a", CredentialKind::Client);
    stage.world.forget_log();
    stage.take_in(&[in_use(&record, 3)]).await;
    stage.turn().await;
    assert_eq!(stage.world.apis("app-a")[..2], ["restore", "ensure"]);
    let status = stage.status("app-a").await;
    assert_eq!((status.state, status.tombstone_until), (ApplicationState::Delivered, None));
    assert_eq!(stage.world.delivered("app-a", CredentialKind::Client), held, "the client was not due");
    stage.world.assert_sound();
}

#[tokio::test]
async fn a_rotation_that_is_open_when_an_application_goes_is_closed_before_its_user_is_deleted() {
    for wait in [Duration::ZERO, OVERLAP / 2, OVERLAP + GRACE / 2] {
        let mut stage = Stage::new().await;
        let record = application("app-a", 1);
        stage.take_in(std::slice::from_ref(&record)).await;
        let due = stage.turn().await.unwrap();
        stage.clock.advance(due.since(stage.clock.now()));
        if wait.is_zero() {
            // made, and not delivered
            stage.world.refuse("app-a", true);
        }
        stage.turn().await;
        stage.live_for(wait).await;
        let desk = stage.store.desk(&record.id).await.unwrap().unwrap();
        assert!(desk.credentials.values().any(|credential| credential.rotation.is_some()), "after {wait:?}");
        stage.world.forget_log();
        stage.take_in(&[retired(&record, 2)]).await;
        stage.live_for(TOMBSTONE.saturating_sub(HOUR)).await;
        assert_eq!(stage.world.apis("app-a")[0], "disable");
        let desk = stage.store.desk(&record.id).await.unwrap().unwrap();
        assert!(desk.credentials.values().all(|credential| credential.rotation.is_none()), "after {wait:?}");
        assert_eq!(stage.world.count("deliver") + stage.world.count("create"), 0, "nothing new: {wait:?}");
        stage.world.refuse("app-a", false);
        stage.live_for(HOUR + OVERLAP * 2).await;
        assert!(stage.world.is_deleted("app-a"));
        stage.world.assert_sound();
    }
}

#[tokio::test]
async fn what_became_a_tombstone_is_filled_again_by_a_rotation_of_its_own() {
    let mut stage = Stage::new().await;
    let record = removed(&mut stage).await;
    stage.live_for(TOMBSTONE + OVERLAP / 2).await;
    assert_eq!(stage.world.apis("app-a"), ["disable", "permit", "tombstone"]);
    stage.take_in(&[in_use(&record, 3)]).await;
    stage.turn().await;
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered, "within one turn");
    for kind in [CredentialKind::Password, CredentialKind::Client] {
        assert!(stage.world.delivered("app-a", kind).is_some(), "{kind}");
    }
    stage.live_for(HOUR).await;
    assert_eq!(stage.world.count("delete"), 0);
    stage.world.assert_sound();
}

#[tokio::test]
async fn a_deleted_name_is_used_again_only_after_release() {
    let mut stage = Stage::new().await;
    let record = removed(&mut stage).await;
    stage.live_for(TOMBSTONE + OVERLAP + HOUR).await;
    assert!(stage.world.is_deleted("app-a"));
    stage.world.forget_log();
    stage.take_in(&[in_use(&record, 3)]).await;
    stage.live_for(HOUR).await;
    assert!(stage.world.apis("app-a").iter().all(|api| *api == "ensure"), "{:?}", stage.world.apis("app-a"));
    let status = stage.status("app-a").await;
    assert_eq!(status.problems[0].kind, "identity_deleted");
    assert!(status.problems[0].next_action.contains("mint registry release"), "{:?}", status.problems);

    stage.world.release("app-a");
    stage.world.forget_log();
    stage.live_for(HOUR).await;
    for kind in [CredentialKind::Password, CredentialKind::Client] {
        let made = stage.world.apis_of("app-a", kind).iter().filter(|api| **api == "create").count();
        assert_eq!(made, 1, "{kind}: {:?}", stage.world.apis("app-a"));
    }
    let status = stage.status("app-a").await;
    assert_eq!((status.state, status.problems.len()), (ApplicationState::Delivered, 0), "{status:#?}");
    assert!(!status.identity_deleted);
    stage.world.assert_sound();
}

#[tokio::test]
async fn whoever_comes_too_late_to_restore_an_identity_asks_for_a_new_one() {
    let mut stage = Stage::new().await;
    let record = removed(&mut stage).await;
    stage.live_for(HOUR).await;
    stage.world.forget_log();
    let gone = mint_saga::Failure::new("IDENTITY_DELETED", "its deletion was begun");
    stage.world.rule(move |seen| (seen.api == "restore").then(|| Fault::Fails(gone.clone())));
    stage.take_in(&[in_use(&record, 3)]).await;
    stage.live_for(HOUR).await;
    assert_eq!(stage.world.apis("app-a")[..2], ["restore", "ensure"]);
    assert_eq!(stage.world.count("restore"), 1, "it is gone, and stays gone");
}

#[tokio::test]
async fn a_user_that_was_made_again_has_every_kind_delivered_again_at_once() {
    let mut stage = Stage::new().await;
    let mut record = application("app-a", 1);
    stage.take_in(std::slice::from_ref(&record)).await;
    stage.live_for(OVERLAP + GRACE).await;
    stage.world.vanish("app-a");
    stage.world.forget_log();
    (record.revision, record.identity_revision) = (Revision(2), Revision(2));
    stage.take_in(&[record]).await;
    stage.turn().await;
    assert_eq!(stage.world.apis("app-a")[0], "ensure");
    for kind in [CredentialKind::Password, CredentialKind::Client] {
        assert_eq!(stage.world.apis_of("app-a", kind)[..3], ["create", "deliver", "accept"], "{kind}");
        let live = stage.world.live("app-a", kind);
        assert_eq!(live.first().copied(), stage.world.delivered("app-a", kind), "{kind}");
    }
    stage.world.forget_log();
    stage.live_for(OVERLAP + GRACE).await;
    assert_eq!(stage.world.count("create"), 0, "and once");
    stage.world.assert_sound();
}

fn removed_destination(bucket: &str) -> RemovedDestination {
    RemovedDestination {
        bucket: Bucket { name: bucket.parse().unwrap(), region: None, endpoint: None, kms_key_id: None },
        account_id: None,
        key: "app-a/user.json".to_owned(),
        settings_generation: 2,
        removed_at: Timestamp::from_unix_micros(1),
    }
}

#[tokio::test]
async fn what_the_settings_left_behind_is_overwritten_once_the_new_place_is_filled() {
    let mut stage = Stage::new().await;
    let mut record = application("app-a", 1);
    stage.take_in(std::slice::from_ref(&record)).await;
    stage.live_for(OVERLAP + GRACE).await;
    stage.world.forget_log();
    record.settings.as_mut().unwrap().buckets[0].name = "another".parse().unwrap();
    (record.revision, record.settings_generation) = (Revision(2), 2);
    record.removed_destinations = vec![removed_destination("bucket")];
    stage.world.refuse("app-a", true);
    stage.take_in(std::slice::from_ref(&record)).await;
    stage.live_for(Duration::from_mins(5)).await;
    assert_eq!(stage.world.count("tombstone"), 0, "the new bucket is not filled");

    stage.world.refuse("app-a", false);
    stage.live_for(HOUR).await;
    assert_eq!((stage.world.count("permit"), stage.world.count("tombstone")), (1, 1), "once a record");
    let last = stage.world.apis("app-a").iter().rposition(|api| *api == "deliver").unwrap();
    let tombstone = stage.world.apis("app-a").iter().position(|api| *api == "tombstone").unwrap();
    assert!(last < tombstone, "{:?}", stage.world.apis("app-a"));

    (record.revision, record.removed_destinations) = (Revision(3), vec![]);
    stage.take_in(&[record]).await;
    stage.live_for(HOUR).await;
    assert_eq!(stage.world.count("tombstone"), 1);
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered);
    stage.world.assert_sound();
}

#[tokio::test]
async fn a_removed_place_that_cannot_be_overwritten_is_a_problem_and_stops_no_rotation() {
    let mut stage = Stage::new().await;
    let mut record = application("app-a", 1);
    record.removed_destinations = vec![removed_destination("bucket")];
    let failure = mint_saga::Failure::new("BUDGET_EXHAUSTED", "5 of 5 are used up");
    stage.world.rule(move |seen| (seen.api == "permit").then(|| Fault::Fails(failure.clone())));
    stage.take_in(&[record]).await;
    stage.live_for(HOUR * 5).await;
    let status = stage.status("app-a").await;
    let [problem] = status.problems.as_slice() else { panic!("{:?}", status.problems) };
    assert_eq!(problem.kind, "budget_exhausted");
    assert!(problem.next_action.contains("mint registry release"), "{problem:?}");
    assert_eq!(status.state, ApplicationState::Delivered);
    assert!(status.credentials[0].completed >= 2, "it goes on to rotate: {status:#?}");
    stage.world.heal();
    stage.live_for(HOUR).await;
    assert!(stage.status("app-a").await.problems.is_empty());
    stage.world.assert_sound();
}

#[tokio::test]
async fn trouble_with_a_place_that_the_catalog_forgot_is_over() {
    let mut stage = Stage::new().await;
    let mut record = application("app-a", 1);
    record.removed_destinations = vec![removed_destination("bucket")];
    let failure = mint_saga::Failure::new("SERVICE_UNANSWERED", "the answer was lost");
    stage.world.rule(move |seen| (seen.api == "tombstone").then(|| Fault::Fails(failure.clone())));
    stage.take_in(std::slice::from_ref(&record)).await;
    stage.live_for(HOUR).await;
    assert_eq!(stage.status("app-a").await.problems.len(), 1);
    (record.revision, record.removed_destinations) = (Revision(2), vec![]);
    stage.take_in(&[record]).await;
    stage.live_for(HOUR).await;
    assert!(stage.status("app-a").await.problems.is_empty());
}

#[tokio::test]
async fn a_budget_that_is_used_up_holds_a_removal_as_a_problem_that_says_what_to_do() {
    let mut stage = Stage::new().await;
    let mut failure = mint_saga::Failure::new("BUDGET_EXHAUSTED", "5 of 5 are used up");
    failure.retry_after = Some(HOUR * 3);
    stage.world.rule(move |seen| (seen.api == "disable").then(|| Fault::Fails(failure.clone())));
    removed(&mut stage).await;
    stage.live_for(HOUR).await;
    assert_eq!(stage.world.apis("app-a"), ["disable"], "asked again when the executor said");
    let status = stage.status("app-a").await;
    assert_eq!(status.problems[0].kind, "budget_exhausted");
    assert!(status.problems[0].next_action.contains("mint registry release"));
    stage.world.heal();
    stage.live_for(HOUR * 3).await;
    assert!(stage.world.is_disabled("app-a"));
    assert!(stage.status("app-a").await.problems.is_empty());
}

#[tokio::test]
async fn an_application_that_the_registry_lost_is_restored_when_an_operator_says_so_and_else_left_alone() {
    let mut stage = Stage::new().await;
    let record = removed(&mut stage).await;
    stage.live_for(HOUR).await;
    stage.world.forget_log();
    let held = Application { presence: Presence::Held, ..retired(&record, 3) };
    stage.take_in(std::slice::from_ref(&held)).await;
    stage.live_for(TOMBSTONE + HOUR).await;
    assert!(stage.world.log().is_empty(), "nobody decided");
    stage.take_in(&[in_use(&held, 4)]).await;
    stage.live_for(HOUR).await;
    assert_eq!(stage.world.apis("app-a"), ["restore"]);
    assert!(!stage.world.is_disabled("app-a"));
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Held);
}
