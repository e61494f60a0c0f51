//! Several coordinators, and those who lost their lease.

use std::time::Duration;

use mint_coordinator::{ApplicationState, Store, Taker};
use mint_saga::Failure;
use mint_testkit::ManualClock;
use mint_types::Clock;

use crate::stage::{Stage, application, policy};
use crate::world::{Fault, World};

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
    let now = stage.clock.now();
    let taker = Taker { holder: "gone", now, until: now.plus(Duration::from_secs(30)) };
    let decide = |desk: &mut mint_coordinator::Desk, control: mint_coordinator::Control| {
        let world = mint_coordinator::World { now, issuer_paused_until: None, paused: control.paused };
        mint_coordinator::decide(desk, &world)
    };
    let held = stage.store.take(&"app-a".parse().unwrap(), taker, &decide).await.unwrap();
    assert!(held.is_some());
    stage.turn().await;
    assert!(stage.world.log().is_empty(), "it is somebody else's");
    stage.clock.advance(Duration::from_secs(31));
    stage.turn().await;
    assert_eq!(stage.status("app-a").await.state, ApplicationState::Delivered);
    drop(world);
}
