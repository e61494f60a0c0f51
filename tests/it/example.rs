//! The example of the README, from the first start to the last repair.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use mint_tests::application::Application;
use mint_tests::world::{Options, World, executable};
use serde_json::Value;
use tokio::process::Command;

async fn once(data: &std::path::Path) -> (i32, Value) {
    let output = Command::new(executable("mint"))
        .args(["up", "--once", "--output", "json", "--timeout", "180s", "--data"])
        .arg(data)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("mint starts");
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("stdout is not one document ({error}): {}", String::from_utf8_lossy(&output.stderr))
    });
    (output.status.code().expect("an exit code"), document)
}

fn states(document: &Value) -> BTreeMap<String, String> {
    let applications = document["applications"].as_array().expect("applications");
    let pair = |application: &Value| {
        let text = |field: &str| application[field].as_str().expect("a text").to_owned();
        (text("id"), text("state"))
    };
    applications.iter().map(pair).collect()
}

fn problem_types(document: &Value, id: &str) -> Vec<String> {
    let applications = document["applications"].as_array().expect("applications");
    let application =
        applications.iter().find(|application| application["id"] == id).expect("the application");
    let problems = application["problems"].as_array().expect("problems");
    for problem in problems {
        for field in ["type", "title", "detail", "next_action", "since"] {
            assert!(
                problem[field].as_str().is_some_and(|text| !text.is_empty()),
                "{id}: {field} of {problem}"
            );
        }
        assert!(problem["attempts"].is_u64(), "{problem}");
        assert!(problem.get("credential").is_some() && problem.get("destination").is_some(), "{problem}");
    }
    problems.iter().map(|problem| problem["type"].as_str().expect("type").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_delivers_thirty_reports_two_and_is_repaired_by_settings() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let data = directory.path().join("world");

    let (code, document) = once(&data).await;
    let summary = &document["summary"];
    assert_eq!(
        (&summary["delivered"], &summary["failed"], &summary["inactive"]),
        (&Value::from(30), &Value::from(2), &Value::from(1)),
        "{document:#}"
    );
    assert!(
        summary["upstream_calls"].as_u64().is_some_and(|calls| calls > 0 && calls <= 12 * 33),
        "{summary}"
    );
    assert_eq!(code, 1);
    let states = states(&document);
    assert_eq!(states.len(), 33);
    let failed: Vec<&String> =
        states.iter().filter(|(_, state)| *state == "failed").map(|(id, _)| id).collect();
    let without_bucket =
        failed.iter().find(|id| problem_types(&document, id).contains(&"no_destination".to_owned()));
    let refused =
        failed.iter().find(|id| problem_types(&document, id).contains(&"destination_refused".to_owned()));
    let (without_bucket, refused) =
        (*without_bucket.expect("no bucket"), *refused.expect("a refusing bucket"));
    assert_ne!(without_bucket, refused);
    for (id, _) in states.iter().filter(|(_, state)| *state == "delivered") {
        assert_eq!(problem_types(&document, id), Vec::<String>::new(), "{id}");
    }
    for name in ["endpoints.json", "run/rotator.pid"] {
        assert!(!data.join(name).exists(), "{name} is removed at exit");
    }

    let world = World::boot(Options { data: Some(data.clone()), ..Options::default() }).await;
    let spare = mint_tests::repository::root().join("deploy/examples/registry.yaml");
    let example = std::fs::read_to_string(spare).expect("the example");
    assert!(example.contains("spare"), "the example has a spare bucket");
    let bucket = example
        .split(|character: char| !(character.is_ascii_alphanumeric() || character == '-' || character == '.'))
        .find(|word| word.contains("spare") && word.contains('-'))
        .expect("the spare bucket's name");
    for id in [without_bucket, refused] {
        let output = world.mint(&["app", "set", id, "--bucket", bucket]).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let delivered = mint_api::coordination::v1::ApplicationState::Delivered as i32;
    for id in [without_bucket, refused] {
        let status =
            world.until(id, "delivered", Duration::from_mins(1), |status| status.state == delivered).await;
        assert_eq!(status.problems, [], "{id}");
        let application = Application::open(world.data(), id).await;
        let login = application.login().await.unwrap_or_else(|error| panic!("{id}: {error}"));
        login.token(&world.endpoints.token_url).await.unwrap_or_else(|error| panic!("{id}: {error}"));
    }
    let stopped = world.stop().await;
    assert!(stopped.status.success(), "{:?}", stopped.status);

    let (code, document) = once(&data).await;
    assert_eq!(
        (&document["summary"]["delivered"], &document["summary"]["failed"], &document["summary"]["inactive"]),
        (&Value::from(32), &Value::from(0), &Value::from(1)),
        "{document:#}"
    );
    assert_eq!(code, 0);
}
