//! The service-user API (COMPAT §3).

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::harness::World;
use crate::wire::user;

const GRACE: Duration = Duration::from_secs(10);
const ALMOST_THE_GRACE: Duration = Duration::from_millis(9_999);
const A_LITTLE: Duration = Duration::from_millis(1);

#[tokio::test]
async fn a_user_is_put_listed_shown_and_deleted_with_all_its_credentials() {
    let world = World::start().await;
    let first = world.put_user("stups_ledger", &["uid"], true).await;
    assert_eq!(world.put_user("stups_ledger", &["uid", "ledger.read"], true).await, first);
    let nothing = json!({});
    let by = |method, path| world.service_user("identity-provisioner", method, path, &nothing);
    assert_eq!(by(Method::GET, "").await.json(), json!([{"id": "stups_ledger"}]));
    assert_eq!(
        by(Method::GET, "/stups_ledger").await.json(),
        json!({"id": "stups_ledger", "name": "A name"})
    );
    assert_eq!(by(Method::GET, "/stups_nobody").await.error(), (404, "unknown_service_user".into()));

    let (password, client) = world.ready_user("stups_ledger", &["uid"]).await;
    assert_eq!(world.probe("stups_ledger", &password.password).await.status, 200);
    assert_eq!(by(Method::DELETE, "/stups_ledger").await.status, 200);
    assert_eq!(world.probe("stups_ledger", &password.password).await.error(), (400, "invalid_grant".into()));
    assert_eq!(world.client_login(&client.id, &client.secret).await.error(), (401, "invalid_client".into()));
    assert_eq!(by(Method::DELETE, "/stups_ledger").await.status, 404);
    assert_eq!(world.commit_password("stups_ledger", &password.txid).await.status, 404);
}

#[tokio::test]
async fn issued_secrets_are_marked_and_long() {
    let world = World::start().await;
    let (password, client) = world.ready_user("stups_ledger", &["uid"]).await;
    for (secret, mark) in [(password.password, "mint-canary-pw-"), (client.secret, "mint-canary-cs-")] {
        let random = secret.strip_prefix(mark).unwrap();
        assert!(random.len() >= 32, "{random}");
        assert!(random.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'), "{random}");
    }
}

#[tokio::test]
async fn older_passwords_live_on_for_the_grace_and_end_after_it() {
    let world = World::start().await;
    world.put_user("stups_ledger", &["uid"], true).await;
    let mut passwords = Vec::new();
    for _ in 0..3 {
        passwords.push(world.new_password("stups_ledger").await);
    }
    let statuses = async || {
        let mut statuses = Vec::new();
        for made in &passwords {
            statuses.push(world.probe("stups_ledger", &made.password).await.status.as_u16());
        }
        statuses
    };
    assert_eq!(statuses().await, [200, 200, 200], "valid at once, beside each other");
    assert_eq!(world.commit_password("stups_ledger", &passwords[1].txid).await.status, 200);
    assert_eq!(statuses().await, [200, 200, 200]);
    world.clock.advance(ALMOST_THE_GRACE);
    assert_eq!(statuses().await, [200, 200, 200], "the grace is not over");
    world.clock.advance(A_LITTLE);
    assert_eq!(statuses().await, [400, 200, 200], "older ones ended, the newer one did not");
    let ended = world.probe("stups_ledger", &passwords[0].password).await;
    assert_eq!(ended.error(), (400, "invalid_grant".into()));
}

#[tokio::test]
async fn a_commit_twice_changes_nothing() {
    let world = World::start().await;
    world.put_user("stups_ledger", &["uid"], true).await;
    let (old, new) = (world.new_password("stups_ledger").await, world.new_password("stups_ledger").await);
    assert_eq!(world.commit_password("stups_ledger", &new.txid).await.status, 200);
    world.clock.advance(GRACE / 2);
    assert_eq!(world.commit_password("stups_ledger", &new.txid).await.status, 200);
    world.clock.advance(GRACE / 2);
    assert_eq!(
        world.probe("stups_ledger", &old.password).await.status,
        400,
        "the grace ran from the first commit"
    );
    let late = world.commit_password("stups_ledger", &old.txid).await;
    assert_eq!(late.error(), (409, "transaction_superseded".into()));
    assert_eq!(world.probe("stups_ledger", &old.password).await.status, 400);
}

#[tokio::test]
async fn a_clients_commit_ends_all_others_at_once() {
    let world = World::start().await;
    let before = world.put_user("stups_ledger", &["uid"], true).await;
    let first = world.new_client("stups_ledger").await;
    assert_eq!(world.commit_client("stups_ledger", &first.txid).await.status, 200);
    let (second, third) = (world.new_client("stups_ledger").await, world.new_client("stups_ledger").await);
    assert_ne!(second.id, third.id);
    for client in [&first, &second, &third] {
        assert_eq!(world.client_login(&client.id, &client.secret).await.status, 200);
    }
    assert_eq!(world.put_user("stups_ledger", &["uid"], true).await, first.id, "until commit");
    assert_eq!(world.commit_client("stups_ledger", &second.txid).await.status, 200);
    for client in [&first, &third] {
        let ended = world.client_login(&client.id, &client.secret).await;
        assert_eq!(ended.error(), (401, "invalid_client".into()));
    }
    assert_eq!(world.client_login(&second.id, &second.secret).await.status, 200);
    assert_eq!(world.put_user("stups_ledger", &["uid"], true).await, second.id);
    assert_eq!(world.commit_client("stups_ledger", &second.txid).await.status, 200, "again");
    assert_eq!(world.commit_client("stups_ledger", &third.txid).await.status, 409);
    assert_ne!(before, second.id);
}

#[tokio::test]
async fn an_unknown_transaction_is_a_404_and_so_is_another_users() {
    let world = World::start().await;
    world.put_user("stups_ledger", &["uid"], true).await;
    world.put_user("stups_tracker", &["uid"], true).await;
    let foreign = world.new_password("stups_tracker").await.txid;
    for txid in ["nonsense", foreign.as_str()] {
        for answer in [
            world.commit_password("stups_ledger", txid).await,
            world.commit_client("stups_ledger", txid).await,
        ] {
            assert_eq!(answer.error(), (404, "unknown_transaction".into()));
        }
    }
}

#[tokio::test]
async fn empty_scopes_refuse_every_login_until_there_are_scopes_again() {
    let world = World::start().await;
    let (password, client) = world.ready_user("stups_ledger", &["uid"]).await;
    let token = world.client_login(&client.id, &client.secret).await.json()["access_token"].clone();
    let active = async || {
        let (id, secret) = world.prober();
        let form = format!("token={}", token.as_str().unwrap());
        world.oauth("introspect", (&id, &secret), &form).await.json()["active"].clone()
    };
    assert_eq!(active().await, true);
    world.put_user("stups_ledger", &[], true).await;
    assert_eq!(world.probe("stups_ledger", &password.password).await.error(), (400, "invalid_grant".into()));
    assert_eq!(world.client_login(&client.id, &client.secret).await.error(), (401, "invalid_client".into()));
    assert_eq!(active().await, false);
    world.put_user("stups_ledger", &["uid"], true).await;
    assert_eq!(world.probe("stups_ledger", &password.password).await.status, 200, "credentials were kept");
    assert_eq!(world.client_login(&client.id, &client.secret).await.status, 200);
}

#[tokio::test]
async fn a_public_client_has_no_secret_and_is_known() {
    let world = World::start().await;
    let id = world.put_user("stups_ledger", &["uid"], false).await;
    let password = world.new_password("stups_ledger").await;
    let form = crate::wire::password_form("stups_ledger", &password.password);
    assert_eq!(world.oauth("token", (&id, ""), &form).await.status, 200);
    assert_eq!(world.client_login(&id, "").await.error(), (400, "unauthorized_client".into()));
    assert_eq!(world.client_login(&id, "guess").await.error(), (401, "invalid_client".into()));
    assert_eq!(world.client_login("stups_ledger_gone", "").await.error(), (401, "invalid_client".into()));
    let answer = world
        .service_user(
            "rotator",
            Method::POST,
            "/stups_ledger/client",
            &json!({"id": "stups_ledger", "client_id": id}),
        )
        .await;
    assert!(answer.json()["client_secret"].is_null(), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_changes_its_type_never_locks_its_holder_out() {
    let world = World::start().await;
    let (password, client) = world.ready_user("stups_ledger", &["uid"]).await;
    let form = crate::wire::password_form("stups_ledger", &password.password);
    assert_eq!(world.put_user("stups_ledger", &["uid"], false).await, client.id);
    assert_eq!(world.oauth("token", (&client.id, &client.secret), &form).await.status, 200, "the old file");
    assert_eq!(world.oauth("token", (&client.id, ""), &form).await.status, 200, "the new file");
    assert_eq!(world.put_user("stups_ledger", &["uid"], true).await, client.id);
    assert_eq!(
        world.oauth("token", (&client.id, ""), &form).await.status,
        200,
        "until a secret is committed"
    );
    let next = world.new_client("stups_ledger").await;
    assert_eq!(world.commit_client("stups_ledger", &next.txid).await.status, 200);
    assert_eq!(world.oauth("token", (&client.id, ""), &form).await.status, 401);
    assert_eq!(world.oauth("token", (&next.id, &next.secret), &form).await.status, 200);
}

#[tokio::test]
async fn a_token_is_good_for_its_own_calls_only() {
    const PROVISIONER: &[&str] = &["identity-provisioner"];
    const ROTATOR: &[&str] = &["rotator"];
    let world = World::start().await;
    world.put_user("stups_ledger", &["uid"], true).await;
    let calls = [
        (Method::GET, "", PROVISIONER),
        (Method::GET, "/stups_ledger", &["identity-provisioner", "rotator"]),
        (Method::PUT, "/stups_ledger", PROVISIONER),
        (Method::DELETE, "/stups_nobody", PROVISIONER),
        (Method::POST, "/stups_ledger/password", ROTATOR),
        (Method::PUT, "/stups_ledger/password", ROTATOR),
        (Method::POST, "/stups_ledger/client", ROTATOR),
        (Method::PUT, "/stups_ledger/client", ROTATOR),
    ];
    for (method, path, holders) in calls {
        for principal in ["identity-provisioner", "rotator"] {
            let answer = world.service_user(principal, method.clone(), path, &json!({"wrong": 1})).await;
            let refused = answer.status == 403;
            assert_eq!(refused, !holders.contains(&principal), "{principal} {method} {path}: {answer:?}");
        }
        let path = format!("/service-user/services{path}");
        let kio = format!("Bearer {}", world.secret("registry-sync/kio-token"));
        let foreign = world.send(method.clone(), &path, &[("authorization", &kio)], "{}").await;
        assert_eq!(foreign.error(), (403, "insufficient_scope".into()));
        for headers in [&[][..], &[("authorization", "Bearer nonsense")], &[("authorization", "Basic x")]] {
            let nobody = world.send(method.clone(), &path, headers, "{}").await;
            assert_eq!(nobody.error(), (401, "invalid_token".into()));
            assert!(nobody.header("www-authenticate").starts_with("Bearer"));
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_exactly_the_api_is_refused() {
    let world = World::start().await;
    world.put_user("stups_ledger", &["uid"], true).await;
    let mut misspelt = user("stups_ledger", &["uid"], true);
    let scopes = misspelt["user_config"]["scopes"].take();
    misspelt["user_config"] = json!({"sopes": scopes});
    for body in [misspelt, user("stups_other", &["uid"], true), json!([]), json!({"id": "stups_ledger"})] {
        let answer = world.service_user("identity-provisioner", Method::PUT, "/stups_ledger", &body).await;
        assert_eq!(answer.error(), (400, "malformed".into()));
    }
    for (method, path, body) in [
        (Method::POST, "/stups_ledger/password", json!({"password": "mine"})),
        (Method::PUT, "/stups_ledger/password", json!({})),
        (Method::POST, "/stups_ledger/client", json!({"id": "stups_other", "client_id": null})),
    ] {
        let answer = world.service_user("rotator", method, path, &body).await;
        assert_eq!(answer.error(), (400, "malformed".into()), "{path}");
    }
}
