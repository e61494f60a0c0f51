//! What somebody changes at the issuer by hand: found by a login, and repaired by a rotation.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use mint_api::coordination::v1::{ApplicationStatus, CredentialStatus};
use mint_api::types::v1::CredentialKind;
use mint_tests::application::{Application, eventually};
use mint_tests::client::Answer;
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Live, Options, World, at_rest};
use serde_json::{Value, json};

const APP: &str = "shop";
const DEADLINE: Duration = Duration::from_mins(3);
/// The shortest time there is between two checks.
const PERIOD: (&str, &str) = ("MINT_COORDINATOR__DRIFT__PERIOD", "10s");

async fn boot() -> World {
    let arguments = ["--min-overlap", "1s", "--lease", "5s"].map(ToOwned::to_owned).to_vec();
    let registry = Some(registry(&[Entry::new(APP)], &["password_grace: 1s"]));
    let environment = vec![(PERIOD.0.to_owned(), PERIOD.1.to_owned())];
    let world = World::boot(Options { registry, arguments, environment, ..Options::default() }).await;
    world.until(APP, "delivered", DEADLINE, at_rest).await;
    world
}

/// Somebody with rights at the issuer does something there.
async fn by_hand(world: &World, method: Method, path: &str, body: &Value) -> Answer {
    let token = world.data().join("run/secrets/rotator/issuer-token");
    let token = std::fs::read_to_string(token).expect("a token of the issuer");
    let url = format!("{}/services/stups_{APP}{path}", world.endpoints.service_user_url);
    let request = Request::builder()
        .method(method)
        .uri(url)
        .header("authorization", format!("Bearer {}", token.trim()))
        .header("content-type", "application/json")
        .body(Full::<Bytes>::from(body.to_string()))
        .expect("a request");
    let answer = mint_tests::client::send(request).await.expect("the issuer answers");
    assert!(answer.status.is_success(), "{}: {:?}", answer.status, answer.body);
    answer
}

fn password(status: &ApplicationStatus) -> &CredentialStatus {
    let of = |line: &&CredentialStatus| line.kind == CredentialKind::Password as i32;
    status.credentials.iter().find(of).expect("a password")
}

/// What the log has of an action, with its reason.
async fn reasons(world: &World, action: &str) -> Vec<String> {
    let list = ["audit", "list", "--application", APP, "--action", action, "--output", "json"];
    let output = world.mint(&list).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let entries: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    let ended = entries.iter().filter(|entry| entry["phase"] == "complete");
    ended.map(|entry| entry["reason"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_changed_at_the_issuer_by_hand_is_found_and_replaced() {
    let world = boot().await;
    let checked = world
        .until(APP, "checked", DEADLINE, |status| {
            status.credentials.iter().all(|line| line.checked_at.is_some())
        })
        .await;
    let (version, rotations) = (password(&checked).version, password(&checked).completed_rotations);
    let refused = reasons(&world, "credential.check").await;
    assert!(!refused.iter().any(|reason| reason == "CURRENT_VERSION_REFUSED"), "{refused:?}");

    let application = Application::open(world.data(), APP).await;
    let before = application.login().await.expect("delivered");
    before.token(&world.endpoints.token_url).await.expect("it logs in");
    let made = by_hand(&world, Method::POST, "/password", &json!({})).await.json();
    by_hand(&world, Method::PUT, "/password", &json!({ "txid": made["txid"] })).await;
    eventually("what the application has is refused", DEADLINE, || async {
        before.token(&world.endpoints.token_url).await.err()
    })
    .await;

    let after = eventually("what the application fetches logs in again", DEADLINE, || async {
        let found = application.login().await.ok()?;
        found.token(&world.endpoints.token_url).await.ok().map(|_| found)
    })
    .await;
    assert_ne!(after.password, before.password);
    assert_eq!(after.client_secret, before.client_secret, "nobody changed that");
    let refused = reasons(&world, "credential.check").await;
    assert_eq!(
        refused.iter().filter(|reason| *reason == "CURRENT_VERSION_REFUSED").count(),
        2,
        "{refused:?}"
    );
    let repaired = world
        .until(APP, "checked again", DEADLINE, |status| {
            at_rest(status) && password(status).version > version && password(status).checked_at.is_some()
        })
        .await;
    assert_eq!(password(&repaired).completed_rotations, rotations + 1, "one rotation repaired it");
    assert_eq!(world.shown_problems(APP).await, [""; 0]);
    assert_eq!(world.live(APP).await, Live { passwords: 1, clients: 1 }, "what was made by hand has ended");
    world.stop().await;
}
