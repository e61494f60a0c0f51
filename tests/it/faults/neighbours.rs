//! One application's trouble stays its own.

use mint_api::coordination::v1::ApplicationState;
use mint_tests::world::{Live, at_rest};
use serde_json::json;

use super::{CREATE, DEADLINE, logs_in, passwords, rotate_password, world};

#[tokio::test(flavor = "multi_thread")]
async fn f01_one_application_without_a_bucket_delays_nobody() {
    let world = world().await;
    let (troubled, next) = ("f01-first-of-all", "f01-next");
    let failed = ApplicationState::Failed as i32;
    world.until(troubled, "has failed", DEADLINE, |status| status.state == failed).await;
    world.until(next, "delivered", DEADLINE, at_rest).await;
    rotate_password(&world, next).await;
    world.until(next, "rotated", DEADLINE, |status| at_rest(status) && passwords(status) == 2).await;
    assert_eq!(world.live(next).await, Live { passwords: 1, clients: 1 });
    logs_in(&world, next).await;

    assert_eq!(world.shown_problems(troubled).await, ["no_destination"]);
    assert_eq!(world.shown_problems(next).await, [""; 0]);
    // its user is there, and no credential that nobody could fetch
    assert!(world.objects(troubled).await.iter().any(|object| object.object == "user"));
    assert_eq!(world.calls_of(0, CREATE, troubled).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn f12_a_429_starves_nobody_and_nothing_is_begun_again() {
    let world = world().await;
    let ids = ["f12-a", "f12-b", "f12-c", "f12-d"];
    world.until_at_rest(&ids, DEADLINE).await;
    let since = world.last_call().await;
    let slow_down = json!({"api": CREATE, "kind": "fail", "status": 429, "count": 1, "match": "f12-",
        "headers": {"retry-after": "2"}});
    world.fault(slow_down).await;
    for id in ids {
        rotate_password(&world, id).await;
    }
    for id in ids {
        world.until(id, "rotated", DEADLINE, |status| at_rest(status) && passwords(status) == 2).await;
        assert_eq!(world.live(id).await, Live { passwords: 1, clients: 1 }, "{id}");
        assert_eq!(world.shown_problems(id).await, [""; 0], "{id}");
    }
    let calls = world.calls(since).await;
    let creations = |id: &str, status: u16| {
        let of = |call: &&mint_tests::world::Call| {
            call.api == CREATE && call.application.as_deref() == Some(id) && call.status == status
        };
        calls.iter().filter(of).count()
    };
    let pauses = calls.iter().filter(|call| call.status == 429 && call.path.contains("f12-")).count();
    assert_eq!(pauses, 1, "the issuer asked for a pause once");
    for id in ids {
        assert_eq!(creations(id, 200), 1, "{id}: made once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f14_one_missing_scope_holds_up_no_other_password() {
    let world = world().await;
    let (troubled, next) = ("f14-scope", "f14-next");
    world.until_at_rest(&[troubled, next], DEADLINE).await;
    let before = world.live(troubled).await;
    let unknown_scope = json!({"api": "service-user.put", "kind": "fail", "status": 400, "count": 10_000,
        "match": troubled, "body": "{\"error\": \"unknown scope\"}"});
    world.fault(unknown_scope).await;
    let set = world.mint(&["app", "set", troubled, "--scope", "nobody.knows"]).await;
    assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
    world.until(troubled, "has a problem", DEADLINE, |status| !status.problems.is_empty()).await;

    rotate_password(&world, next).await;
    world.until(next, "rotated", DEADLINE, |status| at_rest(status) && passwords(status) == 2).await;
    assert_eq!(world.live(next).await, Live { passwords: 1, clients: 1 });
    assert_eq!(world.shown_problems(next).await, [""; 0]);
    let problems = world.shown_problems(troubled).await;
    assert!(problems.iter().any(|problem| problem.starts_with("issuer_")), "{problems:?}");
    assert_eq!(world.live(troubled).await, before, "its credentials go on to work");
    logs_in(&world, troubled).await;

    // the issuer learns the scope: the next put is what the settings ask for, and the problem is over
    world.heal_of(troubled).await;
    world.until(troubled, "repaired", DEADLINE, at_rest).await;
}
