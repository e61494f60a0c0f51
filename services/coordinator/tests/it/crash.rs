//! The process dies at every call, before and after its effect, and a new one goes on from the store.

use std::time::Duration;

use mint_coordinator::{ApplicationState, Engine, Store as _};
use mint_types::{Application, CredentialKind, Layout, Revision};

use crate::stage::{Stage, application, parts, policy, settings};
use crate::world::{Fault, GRACE, LEASE, OVERLAP, TOMBSTONE};

/// Runs until the process dies or everything within `horizon` is done; true if it died.
async fn live_or_die(stage: &mut Stage, horizon: Duration) -> bool {
    let died = std::sync::Arc::clone(&stage.world.died);
    tokio::select! {
        () = died.notified() => true,
        () = stage.live_for(horizon) => false,
    }
}

/// A new process on the same state; the old one's tasks end with it.
fn restart(stage: &mut Stage, holder: &str, seed: u64) {
    stage.parts = parts(&stage.world, std::sync::Arc::new(stage.store.clone()), policy(holder), seed);
    stage.engine = Engine::new(std::sync::Arc::clone(&stage.parts));
}

/// The order of calls for one rotation, repetitions aside.
fn assert_order(stage: &Stage) {
    let log = stage.world.log();
    let rotations: std::collections::BTreeSet<_> = log.iter().filter_map(|seen| seen.rotation).collect();
    for rotation in rotations {
        let apis: Vec<_> =
            log.iter().filter(|seen| seen.rotation == Some(rotation)).map(|seen| seen.api).collect();
        let first = |api: &str| apis.iter().position(|seen| *seen == api).unwrap_or(usize::MAX);
        let order = ["create", "deliver", "accept", "retire", "prove"].map(first);
        assert!(order.is_sorted(), "{apis:?}");
    }
}

#[tokio::test]
async fn a_crash_at_every_call_converges_in_the_right_order() {
    let horizon = Duration::from_hours(3) + OVERLAP + GRACE;
    let mut index = 0;
    loop {
        let mut reached = false;
        for fault in [Fault::DiesBefore, Fault::DiesAfter] {
            let mut stage = Stage::new().await;
            stage.take_in(&[application("app-a", 1)]).await;
            let dies = fault.clone();
            stage.world.rule(move |seen| (seen.index == index).then(|| dies.clone()));
            let died = live_or_die(&mut stage, horizon).await;
            reached |= died;
            if died {
                restart(&mut stage, "two", 2);
                stage.clock.advance(LEASE);
                stage.live_for(horizon).await;
            }
            let status = stage.status("app-a").await;
            assert_eq!(status.state, ApplicationState::Delivered, "{fault:?} at {index}: {status:#?}");
            assert!(status.credentials[0].completed >= 2, "{fault:?} at {index}");
            for kind in [CredentialKind::Password, CredentialKind::Client] {
                let live = stage.world.live("app-a", kind);
                assert_eq!(live.len(), 1, "{fault:?} at {index}: {live:?}");
                assert_eq!(live.first().copied(), stage.world.delivered("app-a", kind));
            }
            assert_order(&stage);
            stage.world.assert_sound();
        }
        if !reached {
            assert!(index >= 14, "only {index} calls were reached");
            return;
        }
        index += 1;
    }
}

#[tokio::test]
async fn a_crash_at_every_call_and_another_layout_before_the_restart_converge() {
    let horizon = Duration::from_hours(3) + OVERLAP + GRACE;
    let mut too_late = 0;
    for index in 0.. {
        let mut reached = false;
        for fault in [Fault::DiesBefore, Fault::DiesAfter] {
            let mut stage = Stage::new().await;
            let record = application("app-a", 1);
            stage.take_in(std::slice::from_ref(&record)).await;
            let dies = fault.clone();
            stage.world.rule(move |seen| (seen.index == index).then(|| dies.clone()));
            if !live_or_die(&mut stage, horizon).await {
                continue;
            }
            reached = true;
            let settings = Some(settings(&["bucket"], Layout::Combined, true));
            let changed =
                Application { settings, settings_generation: 2, revision: Revision(2), ..record.clone() };
            stage.take_in(&[changed]).await;
            restart(&mut stage, "two", 2);
            stage.clock.advance(LEASE);
            stage.live_for(horizon).await;
            let status = stage.status("app-a").await;
            assert_eq!(status.state, ApplicationState::Delivered, "{fault:?} at {index}: {status:#?}");
            assert!(status.problems.is_empty(), "{fault:?} at {index}: {status:#?}");
            assert_eq!(stage.world.live("app-a", CredentialKind::Combined).len(), 1);
            let desk = stage.store.desk(&record.id).await.unwrap().unwrap();
            for kind in [CredentialKind::Password, CredentialKind::Client] {
                assert_eq!(desk.credential(kind).rotation, None, "{fault:?} at {index}");
            }
            too_late += stage.world.refused_to_give_up();
            assert_order(&stage);
            stage.world.assert_sound();
        }
        if !reached {
            assert!(index >= 14, "only {index} calls were reached");
            assert!(too_late >= 2, "what was accepted before a death is not given up");
            return;
        }
    }
}

/// In use, out of use past the tombstone period, and back: with a release, because it was deleted meanwhile.
async fn a_whole_life(stage: &mut Stage, fault_at: usize, fault: &Fault) -> bool {
    let record = application("app-a", 1);
    let mut died = false;
    for (revision, active) in [(1, true), (2, false), (3, true)] {
        let revision = Revision(revision);
        stage
            .take_in(&[Application { active, revision, identity_revision: revision, ..record.clone() }])
            .await;
        if revision == Revision(3) {
            stage.world.release("app-a");
        }
        let dies = fault.clone();
        stage.world.rule(move |seen| (seen.index == fault_at).then(|| dies.clone()));
        let horizon = if active { OVERLAP + GRACE } else { TOMBSTONE + OVERLAP };
        if live_or_die(stage, horizon).await {
            died = true;
            restart(stage, "two", 2);
            stage.clock.advance(LEASE);
            stage.live_for(horizon + OVERLAP).await;
        }
        assert_eq!(stage.world.is_deleted("app-a"), !active, "{fault:?} at {fault_at}");
    }
    died
}

#[tokio::test]
async fn a_crash_at_every_call_of_a_removal_converges_and_what_comes_back_is_whole() {
    let mut index = 0;
    loop {
        let mut reached = false;
        for fault in [Fault::DiesBefore, Fault::DiesAfter] {
            let mut stage = Stage::new().await;
            reached |= a_whole_life(&mut stage, index, &fault).await;
            let apis = stage.world.apis("app-a");
            let first = |api: &str| apis.iter().position(|seen| *seen == api).unwrap_or(usize::MAX);
            let order = ["disable", "permit", "tombstone", "delete"].map(first);
            assert!(order.is_sorted() && order[3] < usize::MAX, "{fault:?} at {index}: {apis:?}");
            let status = stage.status("app-a").await;
            assert_eq!(status.state, ApplicationState::Delivered, "{fault:?} at {index}: {status:#?}");
            for kind in [CredentialKind::Password, CredentialKind::Client] {
                let live = stage.world.live("app-a", kind);
                assert_eq!(live.len(), 1, "{fault:?} at {index}: {live:?}");
                assert_eq!(live.first().copied(), stage.world.delivered("app-a", kind));
            }
            stage.world.assert_sound();
        }
        if !reached {
            assert!(index >= 20, "only {index} calls were reached");
            return;
        }
        index += 1;
    }
}

async fn anybody_rotates(stage: &Stage) -> bool {
    let desks = stage.store.desks(None, None, 10).await.unwrap();
    desks.iter().flat_map(|desk| desk.credentials.values()).any(|credential| credential.rotation.is_some())
}

#[tokio::test]
async fn a_process_that_dies_again_and_again_converges() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1), application("app-b", 2)]).await;
    for seed in 2..40_u64 {
        let start = stage.world.log().len();
        let dies_at = start + usize::try_from(seed * 7 % 5).unwrap();
        let fault = if seed % 2 == 0 { Fault::DiesBefore } else { Fault::DiesAfter };
        stage.world.rule(move |seen| (seen.index == dies_at).then(|| fault.clone()));
        live_or_die(&mut stage, Duration::from_mins(30)).await;
        restart(&mut stage, &format!("holder-{seed}"), seed);
        stage.clock.advance(LEASE);
    }
    stage.world.heal();
    stage.live_for(Duration::from_hours(6)).await;
    // where the deaths left the clock decides whether somebody is in the middle of an overlap now, with two that live
    for _ in 0..60 {
        if !anybody_rotates(&stage).await {
            break;
        }
        stage.live_for(Duration::from_mins(1)).await;
    }
    assert!(!anybody_rotates(&stage).await, "a rotation does not end");
    for id in ["app-a", "app-b"] {
        assert_eq!(stage.status(id).await.state, ApplicationState::Delivered);
        assert_eq!(stage.world.live(id, CredentialKind::Password).len(), 1);
    }
    assert_order(&stage);
    stage.world.assert_sound();
}
