//! A store refuses, and neither the problem nor the old credential goes away before it is over.

use std::cell::Cell;

use mint_api::coordination::v1::ApplicationState;
use mint_tests::application::{Application, eventually};
use mint_tests::world::{Live, at_rest};
use serde_json::json;

use super::{CREATE, DEADLINE, logs_in, passwords, rotate_password, world};

#[tokio::test(flavor = "multi_thread")]
async fn f05_a_problem_stays_as_long_as_its_cause_however_often_it_is_tried() {
    let world = world().await;
    let id = "f05";
    world.until(id, "delivered", DEADLINE, at_rest).await;
    let since = world.last_call().await;
    world
        .fault(
            json!({"api": "s3.PutObject", "kind": "fail", "status": 403, "count": 10_000, "match": "/f05/"}),
        )
        .await;
    rotate_password(&world, id).await;
    world.until(id, "has a problem", DEADLINE, |status| !status.problems.is_empty()).await;
    let seen = Cell::new(0);
    let (shared, tries) = (&world, &seen);
    eventually("five tries failed", DEADLINE, || async move {
        let status = shared.try_status(id).await.ok()?;
        let problem = status.problems.first().unwrap_or_else(|| panic!("no problems: {status:?}"));
        assert_eq!(problem.r#type, "destination_refused", "{problem:?}");
        let before = tries.replace(problem.attempts);
        assert!(problem.attempts >= before, "{problem:?}: counted down from {before}");
        (problem.attempts >= 5 && status.state == ApplicationState::Failed as i32).then_some(())
    })
    .await;
    assert_eq!(world.shown_problems(id).await, ["destination_refused"]);
    assert_eq!(world.calls_of(since, CREATE, id).await.len(), 1);
    logs_in(&world, id).await;

    world.heal_of("/f05/").await;
    world.until(id, "rotated", DEADLINE, |status| at_rest(status) && passwords(status) == 2).await;
    assert_eq!(world.shown_problems(id).await, [""; 0]);
    assert_eq!(world.live(id).await, Live { passwords: 1, clients: 1 });
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_two_buckets_that_disagree_both_work_and_no_retry_makes_a_password() {
    let world = world().await;
    let id = "f11-two-buckets";
    let path = "team-second/f11-two-buckets";
    world.until(id, "delivered", DEADLINE, at_rest).await;
    let since = world.last_call().await;
    world
        .fault(json!({"api": "s3.PutObject", "kind": "fail", "status": 403, "count": 10_000, "match": path}))
        .await;
    rotate_password(&world, id).await;
    let tried = |status: &mint_api::coordination::v1::ApplicationStatus| {
        status.problems.iter().any(|problem| problem.attempts >= 3)
    };
    world.until(id, "three tries failed", DEADLINE, tried).await;
    let problems = world.shown_problems(id).await;
    assert_eq!(problems, ["destination_refused"]);
    assert_eq!(world.calls_of(since, CREATE, id).await.len(), 1);
    assert_eq!(world.live(id).await, Live { passwords: 2, clients: 1 });
    let application = Application::open(world.data(), id).await;
    let mut found = Vec::new();
    for bucket in ["team-credentials", "team-second"] {
        let login = application.login_from(bucket).await.unwrap_or_else(|error| panic!("{bucket}: {error}"));
        let token = login.token(&world.endpoints.token_url).await;
        token.unwrap_or_else(|error| panic!("{bucket}: {error}"));
        found.push(login.password);
    }
    assert_ne!(found[0], found[1], "one is new, one is old");

    world.heal_of(path).await;
    world.until(id, "rotated", DEADLINE, |status| at_rest(status) && passwords(status) == 2).await;
    assert_eq!(world.calls_of(since, CREATE, id).await.len(), 1, "made once");
    assert_eq!(world.live(id).await, Live { passwords: 1, clients: 1 });
    for bucket in ["team-credentials", "team-second"] {
        let login = application.login_from(bucket).await.unwrap_or_else(|error| panic!("{bucket}: {error}"));
        assert_eq!(login.password, found[0], "{bucket} has the new one");
    }
    logs_in(&world, id).await;
}
