//! `mint up` as a parent: its children, its files, its end.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use mint_api::coordination::v1::ApplicationState;
use mint_tests::application::{Environment, eventually};
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Options, World, executable};
use mint_types::ServiceName;
use rustix::process::{Pid, Signal, test_kill_process};

const CHILDREN: [&str; 8] = [
    "sandbox",
    "registry-sync",
    "identity-provisioner",
    "rotator",
    "distributor",
    "coordinator",
    "audit",
    "broker",
];

async fn boot(data: Option<std::path::PathBuf>) -> World {
    let entries = [
        Entry::new("alpha"),
        Entry::new("beta").combined().prefix("teams/blue"),
        Entry::new("gamma").inactive(),
    ];
    let registry = Some(registry(&entries, &[]));
    World::boot(Options { registry, data, ..Options::default() }).await
}

fn alive(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid).is_ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_dies_comes_back_on_the_same_port_and_a_second_up_on_the_same_data_is_refused() {
    let world = boot(None).await;
    let urls = world.endpoints.services.clone();
    assert_eq!(urls.len(), 7, "exactly the gRPC services: {urls:?}");
    for service in ServiceName::ALL {
        let name = service.as_str();
        let before = world.child_pid(name).unwrap_or_else(|| panic!("{name}.pid"));
        assert!(world.signal(name, Signal::KILL), "{name} runs");
        eventually(&format!("{name} is back"), Duration::from_secs(30), || async {
            world.child_pid(name).filter(|pid| *pid != before && alive(*pid))
        })
        .await;
    }
    let delivered = ApplicationState::Delivered as i32;
    world
        .until("alpha", "delivered after all were killed", Duration::from_mins(1), |s| s.state == delivered)
        .await;
    assert_eq!(world.endpoints.services, urls);

    let second = tokio::process::Command::new(executable("mint"))
        .args(["up", "--data"])
        .arg(world.data())
        .stdin(Stdio::null())
        .output()
        .await
        .expect("mint starts");
    assert!(!second.status.success());
    assert!(!second.stderr.is_empty());
    assert!(world.data().join("endpoints.json").exists(), "the first world is untouched");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_children_end_with_sigterm_and_when_their_parent_is_killed() {
    let world = boot(None).await;
    let pids: Vec<i32> =
        CHILDREN.iter().map(|name| world.child_pid(name).unwrap_or_else(|| panic!("{name}"))).collect();
    let stopped = world.stop().await;
    assert!(stopped.status.success(), "{:?}", stopped.status);
    assert!(pids.iter().all(|pid| !alive(*pid)), "every child ended before its parent");
    assert!(!stopped.data.join("endpoints.json").exists());

    let world = boot(Some(stopped.data.clone())).await;
    let pids: Vec<i32> =
        CHILDREN.iter().map(|name| world.child_pid(name).unwrap_or_else(|| panic!("{name}"))).collect();
    let parent = Pid::from_raw(i32::try_from(world.pid()).expect("a pid")).expect("a pid");
    rustix::process::kill_process(parent, Signal::KILL).expect("mint up runs");
    eventually("every child ended after its parent", Duration::from_secs(10), || async {
        pids.iter().all(|pid| !alive(*pid)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_world_are_as_documented_and_private() {
    let world = boot(None).await;
    let delivered = ApplicationState::Delivered as i32;
    for id in ["alpha", "beta"] {
        world.until(id, "delivered", Duration::from_mins(1), |status| status.state == delivered).await;
    }
    for url in [
        &world.endpoints.token_url,
        &world.endpoints.s3_endpoint,
        &world.endpoints.sts_endpoint,
        &world.endpoints.kio_url,
        &world.endpoints.service_user_url,
        &world.endpoints.sandbox_url,
    ] {
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    }
    for url in world.endpoints.services.values() {
        assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    }
    for path in [&world.endpoints.ca, &world.endpoints.operator_cert, &world.endpoints.operator_key] {
        assert!(path.is_absolute() && path.exists(), "{}", path.display());
    }
    for directory in ["operators/operator", "operators/second", "teams/team", "applications/alpha"] {
        for file in ["cert.pem", "key.pem"] {
            let path = world.data().join(directory).join(file);
            let mode = std::fs::metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(file == "cert.pem" || mode.permissions().mode() & 0o777 == 0o600, "{}", path.display());
        }
    }
    let environment = Environment::read(&world.data().join("applications/alpha/env"));
    for name in [
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ROLE_SESSION_NAME",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL_STS",
        "MINT_APPLICATION",
        "MINT_LAYOUT",
        "MINT_COORDINATOR",
        "MINT_CA",
        "MINT_CERT",
        "MINT_KEY",
        "MINT_BUCKET",
    ] {
        assert!(!environment.required(name).is_empty(), "{name}");
    }
    assert_eq!(environment.required("AWS_EC2_METADATA_DISABLED"), "true");
    assert_eq!(environment.optional("MINT_PREFIX"), None);
    let beta = Environment::read(&world.data().join("applications/beta/env"));
    assert_eq!((beta.required("MINT_PREFIX"), beta.required("MINT_LAYOUT")), ("teams/blue", "combined"));
    let token =
        std::fs::read_to_string(environment.required("AWS_WEB_IDENTITY_TOKEN_FILE")).expect("the token");
    assert_eq!(token.split('.').count(), 3, "one JWT");
    assert!(!token.contains('\n'));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_changes_pauses_and_rotates_from_the_command_line() {
    let world = boot(None).await;
    let delivered = ApplicationState::Delivered as i32;
    world.until("alpha", "delivered", Duration::from_mins(1), |status| status.state == delivered).await;
    let shown = world.mint(&["app", "show", "alpha", "--output", "json"]).await;
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let record: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("one JSON document");
    assert!(record.to_string().contains("team-credentials"), "{record}");

    let member = world.data().join("teams/team");
    let [cert, key] = ["cert.pem", "key.pem"].map(|file| member.join(file).to_str().unwrap().to_owned());
    let shown = ["app", "show", "alpha", "--output", "json", "--cert", &cert, "--key", &key];
    let shown = world.mint(&shown).await;
    assert!(shown.status.success() && shown.stderr.is_empty(), "a team sees its own: {shown:?}");
    let record: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("one JSON document");
    assert_eq!(record["status"]["state"], "delivered", "{record}");

    let status = world.mint(&["status", "--output", "json"]).await;
    assert!(serde_json::from_slice::<serde_json::Value>(&status.stdout).is_ok());

    let refused = world.mint(&["app", "set", "alpha", "--redirect-url", "http://plain.example.org"]).await;
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("redirect_url"), "{refused:?}");

    let rotated = world.mint(&["rotate", "alpha", "--kind", "password", "--no-wait"]).await;
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
    let unknown = world.mint(&["rotate", "no-such-application", "--no-wait"]).await;
    assert!(!unknown.status.success());
    let paused = world.mint(&["pause", "beta", "--reason", "a look inside"]).await;
    assert!(paused.status.success(), "{}", String::from_utf8_lossy(&paused.stderr));
    assert!(world.status("beta").await.paused);
    let resumed = world.mint(&["resume", "beta"]).await;
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    assert!(!world.status("beta").await.paused);
    world.stop().await;
}
