//! Settings that this version of Mint cannot do, in a registry file.

use std::process::Stdio;

use mint_tests::world::executable;
use serde_json::Value;
use tokio::process::Command;

const REGISTRY: &str = "
teams: [{id: stups, account_id: '123456789012'}]
applications:
  - {id: good, team_id: stups, name: Good, settings: {buckets: [team-stups], scopes: [uid.read]}}
  - {id: sealed, team_id: stups, name: Sealed, settings: {buckets: [team-stups], layout: sealed}}
  - {id: google, team_id: stups, name: Google, settings: {buckets: ['gs://team-stups']}}
";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_supported_yet_is_a_problem_of_its_application_alone() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let registry = directory.path().join("registry.yaml");
    std::fs::write(&registry, REGISTRY).expect("the registry file is writable");
    let output = Command::new(executable("mint"))
        .args(["up", "--once", "--output", "json", "--registry"])
        .arg(&registry)
        .arg("--data")
        .arg(directory.path().join("data"))
        .stdin(Stdio::null())
        .output()
        .await
        .expect("mint starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
    assert_eq!((&document["summary"]["delivered"], &document["summary"]["failed"]), (&1.into(), &2.into()));
    let applications = document["applications"].as_array().expect("applications");
    for application in applications {
        let id = application["id"].as_str().expect("an id");
        let unsupported = |problem: &&Value| problem["type"] == "unsupported";
        let problems = application["problems"].as_array().expect("problems");
        let problem = problems.iter().find(unsupported);
        let expected = match id {
            "sealed" => Some("layout"),
            "google" => Some("buckets"),
            _ => None,
        };
        assert_eq!(problem.is_some(), expected.is_some(), "{application}");
        assert_eq!(
            application["state"],
            if expected.is_some() { "failed" } else { "delivered" },
            "{application}"
        );
        if let (Some(problem), Some(field)) = (problem, expected) {
            let detail = problem["detail"].as_str().expect("a detail");
            assert!(detail.contains(field) && detail.contains("not supported yet"), "{problem}");
            assert!(
                problem["next_action"].as_str().expect("an action").contains("mint app set"),
                "{problem}"
            );
        }
    }
}
