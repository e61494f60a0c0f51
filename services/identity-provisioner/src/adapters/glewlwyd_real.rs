//! Against a real Glewlwyd, which `tests/peers/glewlwyd.sh` starts and names in the environment.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use mint_runtime::http::HttpClient;

use super::*;
use crate::adapters::canned::{self, announced};
use crate::model::Stage;

/// What rotator would set; here it only shows what still opens.
const SECRET: &str = "set-by-somebody-else";

/// Whether the client gets a token for itself.
async fn logs_in(base: &str, client: &str) -> bool {
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{client}:{SECRET}"));
    let request = Request::post(format!("{base}/oidc/token"))
        .header(header::AUTHORIZATION, format!("Basic {basic}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Bytes::from_static(b"grant_type=client_credentials&scope=uid"))
        .unwrap();
    HttpClient::new().send(request, Duration::from_secs(10), 1 << 20).await.unwrap().status.is_success()
}

#[tokio::test]
#[ignore = "needs a real Glewlwyd: tests/peers/glewlwyd.sh"]
async fn a_real_glewlwyd_keeps_users_and_their_clients() {
    let base = std::env::var("MINT_PEER_GLEWLWYD").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    std::fs::write(&key, std::env::var("MINT_PEER_GLEWLWYD_KEY").unwrap()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let driver = Glewlwyd::open(base.parse().unwrap(), &key, None).unwrap();
    let announced = announced().await;
    let wanted = |stage| ServiceUser {
        username: "stups_kept".to_owned(),
        scopes: scopes(stage),
        ..canned::user(stage)
    };

    assert!(!driver.exists("stups_kept").await.unwrap());
    driver.delete(&announced, "stups_kept").await.unwrap();
    for _ in 0..2 {
        assert_eq!(driver.put(&announced, &wanted(Stage::Enabled)).await.unwrap(), "stups_kept");
    }
    assert!(driver.exists("stups_kept").await.unwrap());
    assert!(driver.list().await.unwrap().contains(&"stups_kept".to_owned()));

    // what somebody else sets opens until the identity is disabled, and again when it is enabled: nothing touches it
    let mut with_secret = client_body(&wanted(Stage::Enabled));
    with_secret["password"] = SECRET.into();
    driver.provide(client_of("stups_kept"), with_secret).await.unwrap();
    assert!(logs_in(&base, "stups_kept").await);
    driver.put(&announced, &wanted(Stage::Disabled)).await.unwrap();
    assert!(!logs_in(&base, "stups_kept").await, "it is disabled");
    driver.put(&announced, &wanted(Stage::Enabled)).await.unwrap();
    assert!(logs_in(&base, "stups_kept").await, "the secret outlived both");

    driver.delete(&announced, "stups_kept").await.unwrap();
    assert!(!driver.exists("stups_kept").await.unwrap());
    assert!(!logs_in(&base, "stups_kept").await);
}

fn scopes(stage: Stage) -> Vec<String> {
    if stage == Stage::Enabled { vec!["uid".to_owned()] } else { Vec::new() }
}
