//! `mint revoke --now`: what leaked ends at the issuer at once, by two operators' signatures and nobody else's.

use std::time::Duration;

use mint_tests::application::{Application, eventually};
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Options, World};
use serde_json::Value;

const APP: &str = "shop";
const GRACE: &str = "password_grace: 2s";

/// Without revocation everything that is rotated would live for an hour more.
async fn boot() -> World {
    let arguments = ["--min-overlap", "1h", "--lease", "5s"].map(ToOwned::to_owned).to_vec();
    let registry = Some(registry(&[Entry::new(APP)], &[GRACE]));
    let world = World::boot(Options { registry, arguments, ..Options::default() }).await;
    world.until_at_rest(&[APP], Duration::from_mins(2)).await;
    world
}

/// What the log has of an action: phase and outcome of each entry.
async fn audited(world: &World, action: &str) -> Vec<(String, String, String)> {
    let list = ["audit", "list", "--application", APP, "--action", action, "--output", "json"];
    let output = world.mint(&list).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let entries: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let row = |entry: &Value| (text(entry, "kind"), text(entry, "phase"), text(entry, "reason"));
    entries.iter().map(row).collect()
}

/// 32 bytes in base64, for its owner alone.
fn write_key(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let key = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, [7_u8; 32]);
    std::fs::write(file, key).expect("the file is writable");
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leaked_no_longer_logs_in_and_what_takes_its_place_does() {
    let world = boot().await;
    let application = Application::open(world.data(), APP).await;
    let leaked = application.login().await.expect("delivered");
    leaked.token(&world.endpoints.token_url).await.expect("it logs in");

    let alone = world.mint(&["revoke", "--now", APP, "--signer", "operator/operator"]).await;
    assert!(!alone.status.success(), "one operator is not enough");
    // somebody's own key counts for nothing, whatever the coordinator carries
    let forged = world.data().join("mallory.key");
    write_key(&forged);
    let mallory = format!("operator/mallory={}", forged.display());
    let carried =
        world.mint(&["revoke", "--now", APP, "--signer", "operator/operator", "--signer", &mallory]).await;
    assert!(carried.status.success(), "it is carried: {}", String::from_utf8_lossy(&carried.stderr));
    eventually("the rotator refuses it", Duration::from_secs(30), || async {
        let entries = audited(&world, "credential.revoke").await;
        entries.iter().any(|(_, _, reason)| reason == "STATEMENT_SIGNERS_MISSING").then_some(())
    })
    .await;
    leaked.token(&world.endpoints.token_url).await.expect("one operator ends nothing");

    let both = ["--signer", "operator/operator", "--signer", "operator/second"];
    let revoked = world.mint(&[&["revoke", "--now", APP], &both[..]].concat()).await;
    assert!(revoked.status.success(), "{}", String::from_utf8_lossy(&revoked.stderr));
    eventually("what leaked is refused", Duration::from_mins(1), || async {
        leaked.token(&world.endpoints.token_url).await.err()
    })
    .await;
    eventually("what took its place logs in", Duration::from_mins(1), || async {
        let login = application.login().await.ok()?;
        let is_new = login.password != leaked.password && login.client_secret != leaked.client_secret;
        if is_new { login.token(&world.endpoints.token_url).await.ok() } else { None }
    })
    .await;
    eventually("both are in the log, before and after", Duration::from_secs(30), || async {
        let entries = audited(&world, "credential.revoke").await;
        let count = |kind: &str, phase: &str| {
            entries.iter().filter(|(of, at, why)| of == kind && at == phase && why.is_empty()).count()
        };
        let both = ["password", "client"]
            .iter()
            .all(|kind| count(kind, "init") >= 1 && count(kind, "complete") >= 1);
        both.then_some(())
    })
    .await;
    world.until_at_rest(&[APP], Duration::from_mins(2)).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_accounted_for_and_a_dry_run_says_so() {
    let world = boot().await;
    for arguments in [&["reconcile", APP, "--dry-run"][..], &["reconcile"]] {
        let output = world.mint(arguments).await;
        let (said, error) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{error}");
        assert!(said.contains("everything is accounted for"), "{said}");
    }
    world.stop().await;
}
