//! Lies and rubbish from every side: a coded problem on the right application or source, and nothing is lost.

use std::time::Duration;

use mint_api::coordination::v1::{ApplicationState, RotateApplicationRequest};
use mint_api::registry::v1::registry_service_client::RegistryServiceClient;
use mint_api::registry::v1::{GetSourceRequest, SyncSourceRequest};
use mint_api::types::v1::{CredentialKind, Problem};
use mint_tests::application::{Application, eventually};
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Options, World, at_rest};
use mint_types::ServiceName;
use serde_json::{Value, json};

/// An attempt of unknown outcome is waited for 90 s (60 s of expiry, 30 s of skew) before it is put once more.
const DEADLINE: Duration = Duration::from_mins(3);

async fn world(ids: &[&str]) -> World {
    let entries: Vec<Entry> = ids.iter().map(|id| Entry::new(id)).collect();
    let world = World::boot(Options {
        registry: Some(registry(&entries, &["password_grace: 1s"])),
        arguments: vec!["--min-overlap".to_owned(), "1s".to_owned()],
        ..Options::default()
    })
    .await;
    world.until_at_rest(ids, DEADLINE).await;
    world
}

fn check(problem: &Problem) {
    for (field, text) in
        [("title", &problem.title), ("detail", &problem.detail), ("next_action", &problem.next_action)]
    {
        assert!(!text.is_empty(), "{field} of {problem:?}");
    }
    assert!(problem.since.is_some() && problem.attempts > 0, "{problem:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_registry_is_a_problem_of_the_source_and_deletes_nothing() {
    let ids = ["app-a", "app-b", "app-c", "app-d", "app-e", "app-f", "app-g", "app-h"];
    let world = world(&ids).await;
    let mut source = RegistryServiceClient::new(world.channel(ServiceName::RegistrySync, &world.operator()));
    let good: Vec<Value> =
        ids.iter().map(|id| json!({"id": id, "team_id": "team", "name": id, "active": true})).collect();
    let good_text = Value::from(good.clone()).to_string();
    let with =
        |entry: Value| Value::from(good.iter().cloned().chain([entry]).collect::<Vec<_>>()).to_string();
    // empty answers are F2 of `faults`
    let cases = [
        ("not JSON", "<html>gateway</html>".to_owned(), "source_malformed"),
        ("not a list", json!({"applications": []}).to_string(), "source_malformed"),
        (
            "wrong types",
            with(json!({"id": 7, "team_id": "team", "name": "x", "active": true})),
            "source_malformed",
        ),
        ("duplicate ids", with(good[0].clone()), "source_malformed"),
        (
            "an id with a slash",
            with(json!({"id": "a/b", "team_id": "team", "name": "x", "active": true})),
            "source_malformed",
        ),
        (
            "an id that climbs",
            with(json!({"id": "..", "team_id": "team", "name": "x", "active": true})),
            "source_malformed",
        ),
        ("a list cut in half", good_text[..good_text.len() / 2].to_owned(), "source_incomplete"),
        ("half of the applications", Value::from(good[..4].to_vec()).to_string(), "source_"),
        ("10 MB of spaces", " ".repeat(10 * 1024 * 1024), "source_incomplete"),
    ];
    let users_before = user_deletions(&world).await;
    for (what, body, expected) in cases {
        let fault = json!({"api": "kio.list", "kind": "lie", "count": 1000, "status": 200, "body": body});
        world.fault(fault).await;
        // a refused list may be the answer's error or only the source's problem: the problem is what counts
        let _refusal = source.sync_source(SyncSourceRequest {}).await;
        let seen = eventually(what, DEADLINE, || {
            let mut source = source.clone();
            async move {
                let answer = source.get_source(GetSourceRequest {}).await.ok()?.into_inner();
                (!answer.problems.is_empty()).then_some(answer)
            }
        })
        .await;
        assert!(
            seen.problems.iter().any(|problem| problem.r#type.starts_with(expected)),
            "{what}: {:?}",
            seen.problems
        );
        seen.problems.iter().for_each(check);
        assert_eq!(seen.applications, 8, "{what}");
        let shown = world.mint(&["status"]).await;
        let text =
            format!("{}{}", String::from_utf8_lossy(&shown.stdout), String::from_utf8_lossy(&shown.stderr));
        assert!(
            text.contains(&seen.problems[0].r#type) || text.contains(&seen.problems[0].title),
            "{what}: {text}"
        );
        for status in world.statuses().await.expect("the coordinator answers") {
            assert_eq!(status.state, ApplicationState::Delivered as i32, "{what}: {}", status.application_id);
        }
        world.heal().await;
        eventually(&format!("{what}: healed"), DEADLINE, || {
            let mut source = source.clone();
            async move {
                source.sync_source(SyncSourceRequest {}).await.ok()?;
                let answer = source.get_source(GetSourceRequest {}).await.ok()?.into_inner();
                answer.problems.is_empty().then_some(())
            }
        })
        .await;
    }
    assert_eq!(user_deletions(&world).await, users_before, "nothing was disabled or deleted");
    world.stop().await;
}

async fn user_deletions(world: &World) -> usize {
    let changes = ["service-user.put", "service-user.delete"];
    world.calls(0).await.iter().filter(|call| changes.contains(&call.api.as_str())).count()
}

/// Orders a fault for one application, rotates it, waits for the problem, checks that everybody else is well and that the
/// last delivered files work, heals, and waits until the rotation is through.
async fn trouble(world: &World, what: &str, fault: Value, expected: &[&str]) {
    let before = world.status("victim").await;
    let application = Application::open(world.data(), "victim").await;
    world.fault(fault).await;
    let kinds = vec![CredentialKind::Password.into()];
    let request = RotateApplicationRequest { application_id: "victim".to_owned(), kinds };
    world.coordination().rotate_application(request).await.expect("started");
    let status = world.until("victim", what, DEADLINE, |status| !status.problems.is_empty()).await;
    let problem = &status.problems[0];
    assert!(expected.contains(&problem.r#type.as_str()), "{what}: {problem:?}");
    assert_eq!(problem.credential, CredentialKind::Password as i32, "{what}: {problem:?}");
    status.problems.iter().for_each(check);
    let login = application.login().await.unwrap_or_else(|error| panic!("{what}: {error}"));
    if !what.contains("token endpoint") {
        login.token(&world.endpoints.token_url).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    let bystander = world.status("bystander").await;
    assert_eq!(
        (bystander.state, bystander.problems.len()),
        (ApplicationState::Delivered as i32, 0),
        "{what}"
    );
    world.heal().await;
    let rotations = |status: &mint_api::coordination::v1::ApplicationStatus| {
        status.credentials.iter().map(|credential| credential.completed_rotations).sum::<u64>()
    };
    let done = rotations(&before);
    world
        .until("victim", &format!("{what}: healed"), DEADLINE, |status| {
            at_rest(status) && rotations(status) > done
        })
        .await;
    let login = application.login().await.unwrap_or_else(|error| panic!("{what}, healed: {error}"));
    login.token(&world.endpoints.token_url).await.unwrap_or_else(|error| panic!("{what}, healed: {error}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_lies_fails_or_hangs_is_a_problem_of_that_credential_and_breaks_no_login() {
    let world = world(&["victim", "bystander"]).await;
    let create = "service-user.create_password";
    let cases = [
        (
            "200 with HTML",
            json!({"api": create, "kind": "lie", "body": "<html>login</html>"}),
            "issuer_malformed_answer",
        ),
        (
            "no txid",
            json!({"api": create, "kind": "lie", "body": "{\"password\": \"x\"}"}),
            "issuer_malformed_answer",
        ),
        (
            "it hangs",
            json!({"api": create, "kind": "slow", "delay_ms": 120_000}),
            "issuer_unreachable issuer_unknown_outcome",
        ),
        (
            "it loses the answer",
            json!({"api": create, "kind": "lose_answer"}),
            "issuer_unreachable issuer_unknown_outcome",
        ),
        (
            "500",
            json!({"api": create, "kind": "fail", "status": 500}),
            "issuer_unknown_outcome issuer_unreachable issuer_refused",
        ),
        ("403", json!({"api": create, "kind": "fail", "status": 403}), "issuer_refused"),
    ];
    for (what, mut fault, expected) in cases {
        fault["count"] = json!(1);
        fault["match"] = json!("victim");
        trouble(&world, what, fault, &expected.split(' ').collect::<Vec<_>>()).await;
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_refuses_fails_or_redirects_is_a_problem_of_that_destination() {
    let world = world(&["victim", "bystander"]).await;
    for (what, status, expected) in [
        ("403", 403, "destination_refused"),
        ("301", 301, "destination_wrong_region"),
        // last: nobody knows whether a 503 wrote, so the next receipt waits until that attempt can no longer land
        ("503", 503, "destination_unreachable destination_unknown_outcome"),
    ] {
        let fault =
            json!({"api": "s3.PutObject", "kind": "fail", "status": status, "count": 1, "match": "victim"});
        trouble(&world, what, fault, &expected.split(' ').collect::<Vec<_>>()).await;
    }
    world.stop().await;
}
