//! The issuer fails at the commit, and nobody loses count.

use mint_tests::application::eventually;
use mint_tests::world::{Live, at_rest};
use mint_types::ServiceName;
use rustix::process::Signal;
use serde_json::json;

use super::{COMMIT, CREATE, DEADLINE, logs_in, passwords, rotate_password, world};

#[tokio::test(flavor = "multi_thread")]
async fn f07_a_commit_that_keeps_failing_makes_no_further_password() {
    let world = world().await;
    let id = "f07";
    world.until(id, "delivered", DEADLINE, at_rest).await;
    let since = world.last_call().await;
    world.fault(json!({"api": COMMIT, "kind": "fail", "status": 500, "count": 10_000, "match": id})).await;
    rotate_password(&world, id).await;
    eventually("four commits failed", DEADLINE, || async {
        let live = world.live(id).await;
        assert!(live.passwords <= 2, "{live:?}: the old one and the new one");
        (world.calls_of(since, COMMIT, id).await.len() >= 4).then_some(())
    })
    .await;
    assert_eq!(world.calls_of(since, CREATE, id).await.len(), 1);
    assert_ne!(world.shown_problems(id).await, [""; 0]);
    logs_in(&world, id).await;

    world.heal_of(id).await;
    world.until(id, "rotated", DEADLINE, |status| at_rest(status) && passwords(status) == 2).await;
    // committed with the handle of the first try: nothing was made in between, and the old one is gone
    assert_eq!(world.calls_of(since, CREATE, id).await.len(), 1);
    assert_eq!(world.live(id).await, Live { passwords: 1, clients: 1 });
    logs_in(&world, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f08_a_commit_whose_answer_and_witness_are_lost_is_not_a_reason_to_rotate_again() {
    let world = world().await;
    let (id, other) = ("f08", "f08-other");
    world.until_at_rest(&[id, other], DEADLINE).await;
    let since = world.last_call().await;
    world
        .fault(json!({"api": COMMIT, "kind": "lose_answer", "count": 1, "match": "services/stups_f08/"}))
        .await;
    rotate_password(&world, id).await;
    eventually("the commit is done and nobody was told", DEADLINE, || async {
        (!world.calls_of(since, COMMIT, id).await.is_empty()).then_some(())
    })
    .await;
    assert!(world.signal(ServiceName::Coordinator.as_str(), Signal::KILL), "the coordinator runs");
    world.until(id, "rotated", DEADLINE, |status| at_rest(status) && passwords(status) == 2).await;

    // everybody's next turn comes, and it is not this one's again
    for round in 2..4 {
        rotate_password(&world, other).await;
        world.until(other, "rotated", DEADLINE, |status| at_rest(status) && passwords(status) == round).await;
    }
    let status = world.status(id).await;
    assert_eq!(passwords(&status), 2, "{status:?}");
    assert_eq!(world.calls_of(since, CREATE, id).await.len(), 1, "made once");
    assert_eq!(world.live(id).await, Live { passwords: 1, clients: 1 });
    assert_eq!(world.shown_problems(id).await, [""; 0]);
    logs_in(&world, id).await;
}
