//! Several coordinators, and those who lost their lease.

use std::sync::Arc;
use std::time::Duration;

use mint_coordinator::{
    ApplicationState, Change, Control, Decision, Desk, DriftConfig, Engine, Held, LeaseFate, Policy,
    RotationConfig, Store, StoreError, Taker, decide,
};
use mint_saga::Failure;
use mint_testkit::{ManualClock, SeededEntropy};
use mint_types::{Clock, Timestamp};

use crate::stage::{Stage, application, parts, policy};
use crate::world::{Fault, LEASE, World};

#[tokio::test]
async fn a_fenced_worker_stops_and_nothing_of_it_is_kept() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1)]).await;
    stage.world.rule(|seen| {
        (seen.api == "create").then(|| Fault::Fails(Failure::new("STALE_FENCING_TOKEN", "newer")))
    });
    tokio::select! {
        _ = stage.engine.turn() => {}
        () = tokio::time::sleep(Duration::from_secs(2)) => {}
    }
    let status = stage.status("app-a").await;
    assert_eq!(status.problems.len(), 0, "somebody else's lease is no problem of the application");
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_two_coordinators_never_act_at_once_on_an_application() {
    for database in mint_testkit::databases(mint_coordinator::SCHEMA, mint_coordinator::MIGRATIONS).await {
        let mut one = Stage::on(database, policy("one"), World::new(ManualClock::default())).await;
        let names = (0..30).map(|number| format!("app-{number:02}"));
        let records: Vec<_> = names.zip(1..).map(|(name, revision)| application(&name, revision)).collect();
        one.take_in(&records).await;
        let other_parts =
            crate::stage::parts(&one.world, std::sync::Arc::new(one.store.clone()), policy("two"), 2);
        let mut other = mint_coordinator::Engine::new(other_parts);
        for _ in 0..20 {
            let (first, second) = tokio::join!(one.engine.turn(), other.turn());
            first.unwrap();
            second.unwrap();
            one.clock.advance(Duration::from_mins(15));
        }
        one.world.assert_sound();
        for record in &records {
            let status = one.status(record.id.as_str()).await;
            assert!(status.credentials[0].completed >= 2, "{status:#?}");
        }
    }
}

#[tokio::test]
async fn a_replica_takes_over_what_another_left_behind() {
    let world = World::new(ManualClock::default());
    let mut stage = Stage::with(policy("one")).await;
    stage.take_in(&[application("app-a", 1)]).await;
    // somebody takes the lease and is never heard of again
    take_under(&stage, "gone", stage.clock.now()).await;
    stage.turn().await;
    assert!(stage.world.log().is_empty(), "it is somebody else's");
    stage.clock.advance(Duration::from_secs(31));
    stage.turn().await;
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered);
    drop(world);
}

/// Somebody takes the lease of `app-a`, whose clock says `now`.
async fn take_under(stage: &Stage, holder: &str, now: Timestamp) -> Held {
    let taker = Taker { holder, now, until: now.plus(LEASE) };
    let decide = |desk: &mut Desk, control: Control| -> Decision {
        decide(desk, &mint_coordinator::World { now, issuer_paused_until: None, paused: control.paused })
    };
    stage.store.take(&"app-a".parse().unwrap(), taker, &decide).await.unwrap().unwrap()
}

fn kept(held: &Held, until: Timestamp) -> Change {
    let standing = held.desk.standing.clone();
    Change { credential: None, standing, now: until, lease: LeaseFate::KeepUntil(until) }
}

#[tokio::test]
async fn a_restarted_process_waits_for_its_own_leases_unless_there_is_one_of_each_executor() {
    for sole_executors in [false, true] {
        let config = RotationConfig { instance: "one".into(), sole_executors, ..RotationConfig::default() };
        let life = |seed| Policy::new(&config, &DriftConfig::default(), &SeededEntropy::new(seed));
        let stage = Stage::with(life(1)).await;
        stage.take_in(&[application("app-a", 1)]).await;
        take_under(&stage, &stage.parts.policy.holder, stage.clock.now()).await;

        let restarted = parts(&stage.world, Arc::new(stage.store.clone()), life(2), 2);
        restarted.store.reclaim(&restarted.policy.holder).await.unwrap();
        let mut engine = Engine::new(restarted);
        engine.turn().await.unwrap();
        assert_eq!(stage.world.log().is_empty(), !sole_executors, "sole executors: {sole_executors}");
        stage.clock.advance(LEASE);
        engine.turn().await.unwrap();
        assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered);
    }
}

#[tokio::test]
async fn a_lease_under_a_clock_that_is_ahead_stalls_nobody_for_an_hour() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1)]).await;
    let held = take_under(&stage, "ahead", stage.clock.now().plus(Duration::from_mins(55))).await;
    let look_at = stage.turn().await.unwrap();
    assert!(stage.world.log().is_empty(), "its holder may live");
    assert_eq!(look_at, stage.clock.now().plus(LEASE));
    stage.clock.advance(LEASE);
    stage.turn().await;
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered);
    assert!(
        stage.world.log().iter().all(|seen| seen.token > held.lease.token.0),
        "the executors refuse the old one"
    );
    let late = stage.store.commit(&held.lease, &kept(&held, stage.clock.now())).await;
    assert!(matches!(late, Err(StoreError::LeaseLost(_))), "{late:?}");
}

#[tokio::test]
async fn a_holder_whose_clock_is_ahead_keeps_what_it_renews() {
    let mut stage = Stage::new().await;
    stage.take_in(&[application("app-a", 1)]).await;
    let ahead = Duration::from_mins(55);
    let held = take_under(&stage, "ahead", stage.clock.now().plus(ahead)).await;
    for _ in 0..10 {
        stage.turn().await;
        stage.clock.advance(LEASE * 2 / 3);
        let until = stage.clock.now().plus(ahead).plus(LEASE);
        stage.store.commit(&held.lease, &kept(&held, until)).await.unwrap();
    }
    stage.turn().await;
    assert!(stage.world.log().is_empty(), "it is somebody else's");
    stage.clock.advance(LEASE);
    stage.turn().await;
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered);
}
