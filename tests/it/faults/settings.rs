//! What the settings ask for is done, whenever they change.

use mint_tests::application::{Application, eventually};
use mint_tests::world::{World, at_rest};
use serde_json::json;

use super::{DEADLINE, world};

async fn set(world: &World, arguments: &[&str]) {
    let output = world.mint(&[&["app", "set"], arguments].concat()).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn f09_a_change_during_its_own_sync_is_applied() {
    let world = world().await;
    let id = "f09";
    world.until(id, "delivered", DEADLINE, at_rest).await;
    let login = Application::open(world.data(), id).await.login().await.expect("delivered");
    let token_url = &world.endpoints.token_url;
    for scope in ["first.read", "second.read"] {
        login.token_for(token_url, scope).await.expect_err("nobody granted it yet");
    }
    let since = world.last_call().await;
    world
        .fault(json!({"api": "service-user.put", "kind": "slow", "delay_ms": 3000, "count": 1, "match": id}))
        .await;
    set(&world, &[id, "--scope", "first.read"]).await;
    eventually("the first change is on its way", DEADLINE, || async {
        (world.faults_left(id).await == 0).then_some(())
    })
    .await;
    assert_eq!(world.calls_of(since, "service-user.put", id).await.len(), 0, "and not answered yet");
    set(&world, &[id, "--scope", "first.read", "--scope", "second.read"]).await;
    eventually("the second change is in force", DEADLINE, || async {
        login.token_for(token_url, "first.read second.read").await.ok()
    })
    .await;
    world.until(id, "at rest", DEADLINE, at_rest).await;
    assert_eq!(world.calls_of(since, "service-user.put", id).await.len(), 2);
    assert_eq!(world.shown_problems(id).await, [""; 0]);
}
