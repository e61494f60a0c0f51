//! What this world remembers, and what it must not.

use std::path::{Path, PathBuf};

use http::Method;
use serde_json::json;

use crate::harness::World;

#[tokio::test]
async fn a_restart_keeps_users_credentials_and_open_transactions() {
    let mut world = World::start().await;
    let (password, client) = world.ready_user("stups_ledger", &["uid"]).await;
    let (open_password, open_client) =
        (world.new_password("stups_ledger").await, world.new_client("stups_ledger").await);
    let token = world.client_login(&client.id, &client.secret).await.json()["access_token"].clone();
    let revoked = world.client_login(&client.id, &client.secret).await.json()["access_token"].clone();
    let form = |token: &serde_json::Value| format!("token={}", token.as_str().unwrap());
    world.oauth("revoke", (&client.id, &client.secret), &form(&revoked)).await;
    let secrets = |world: &World| {
        ["registry-sync/kio-token", "rotator/issuer-token", "rotator/prober.json"]
            .map(|file| world.secret(file))
    };
    let before = secrets(&world);
    world.restart().await;
    assert_eq!(secrets(&world), before, "a service does not notice");
    assert_eq!(world.probe("stups_ledger", &password.password).await.status, 200);
    assert_eq!(world.probe("stups_ledger", &open_password.password).await.status, 200);
    let active = async |token| {
        world.oauth("introspect", (&client.id, &client.secret), &form(token)).await.json()["active"].clone()
    };
    assert_eq!((active(&token).await, active(&revoked).await), (json!(true), json!(false)));
    assert_eq!(world.commit_password("stups_ledger", &open_password.txid).await.status, 200);
    assert_eq!(world.commit_client("stups_ledger", &open_client.txid).await.status, 200);
    world.restart().await;
    world.clock.advance(std::time::Duration::from_secs(10));
    assert_eq!(world.probe("stups_ledger", &password.password).await.status, 400, "the grace ran on");
    assert_eq!(world.client_login(&client.id, &client.secret).await.status, 401);
    assert_eq!(world.client_login(&open_client.id, &open_client.secret).await.status, 200);
}

#[tokio::test]
async fn no_issued_secret_is_in_the_state_in_plaintext() {
    let mut world = World::start().await;
    let (password, client) = world.ready_user("stups_ledger", &["uid"]).await;
    world.probe("stups_ledger", &password.password).await;
    let open = world.new_password("stups_ledger").await;
    let bearer = world.secret("rotator/issuer-token");
    let secrets = [password.password, client.secret, open.password, bearer, world.prober().1];
    let check = |state: &Path| {
        let files = files_below(state);
        assert!(files.iter().any(|file| file.ends_with("state.db")), "{files:?}");
        for file in &files {
            let bytes = std::fs::read(file).unwrap();
            for needle in secrets.iter().map(String::as_str).chain(["mint-canary-"]) {
                let found = bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
                assert!(!found, "a secret is in {}", file.display());
            }
        }
    };
    let state = world.data().join("sandbox");
    check(&state);
    world.end().await;
    check(&state);
}

#[tokio::test]
async fn files_with_secrets_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::start().await;
    let secrets = files_below(&world.data().join("run/secrets"));
    assert_eq!(secrets.len(), 7, "{secrets:?}");
    let files = secrets.into_iter().chain(files_below(&world.data().join("sandbox")));
    for file in files {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.display());
    }
    assert_eq!(world.send(Method::GET, "/healthz", &[], "").await.status, 200);
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}
