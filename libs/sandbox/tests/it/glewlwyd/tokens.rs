//! Tokens, and what the world knows of all this: the log, faults, what is alive, a restart.

use http::Method;
use serde_json::{Value, json};

use super::{CLIENT, PROBER, USER, properties};
use crate::harness::World;

const CALLER: (&str, &str) = (PROBER, "prober-secret");

impl World {
    async fn tokens(&self, password: &str) -> (String, String) {
        let answer = self.log_in(password).await.json();
        let token = |key: &str| answer[key].as_str().unwrap().to_owned();
        (token("access_token"), token("refresh_token"))
    }

    async fn refresh(&self, token: &str) -> u16 {
        let form = format!("grant_type=refresh_token&refresh_token={token}");
        self.oidc("token", CALLER, &form).await.status.as_u16()
    }

    async fn is_active(&self, token: &str) -> Value {
        self.oidc("introspect", CALLER, &format!("token={token}")).await.json()["active"].clone()
    }

    async fn session(&self) -> String {
        let file = self.secret("rotator/glewlwyd-admin.json");
        let session = self.send(Method::POST, "/glewlwyd/api/auth/", &[], &file).await;
        session.header("set-cookie").split(';').next().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_refresh_token_outlives_its_password_and_dies_with_its_user() {
    let world = World::with_glewlwyd().await;
    let (access, refresh) = world.tokens("pw-1").await;
    world.put_glewlwyd_user(USER, &json!({"password": ["pw-2"]})).await;
    assert_eq!(world.logins(&["pw-1"]).await, [403]);
    assert_eq!((world.refresh(&refresh).await, world.is_active(&access).await), (200, json!(true)));
    world.put_glewlwyd_user(USER, &json!({"enabled": false})).await;
    assert_eq!((world.refresh(&refresh).await, world.is_active(&access).await), (200, json!(true)));
    world.glewlwyd("identity-provisioner", Method::DELETE, &format!("/user/{USER}"), &Value::Null).await;
    assert_eq!((world.refresh(&refresh).await, world.is_active(&access).await), (400, json!(false)));
    world.create("/user/", &json!({"username": USER, "scope": ["app.read"], "password": ["pw-1"]})).await;
    assert_eq!((world.refresh(&refresh).await, world.is_active(&access).await), (400, json!(false)));
}

#[tokio::test]
async fn refresh_tokens_are_listed_and_ended_in_a_session_only() {
    let world = World::with_glewlwyd().await;
    let (_, refresh) = world.tokens("pw-1").await;
    let path = format!("/oidc/token?impersonate={USER}");
    let with_key = world.glewlwyd("rotator", Method::GET, &path, &Value::Null).await;
    assert_eq!(with_key.status, 401, "a key does not open this");
    let cookie = world.session().await;
    let in_session = async |method, path: &str| {
        world.send(method, &format!("/glewlwyd/api/{path}"), &[("cookie", &cookie)], "").await
    };
    let list = in_session(Method::GET, &format!("oidc/token?impersonate={USER}")).await.json();
    assert_eq!((list[0]["client_id"].clone(), list[0]["enabled"].clone()), (json!(PROBER), json!(true)));
    let hash = list[0]["token_hash"].as_str().unwrap().replace('{', "%7B").replace('}', "%7D");
    let path = format!("oidc/token/{hash}?impersonate={USER}");
    assert_eq!(in_session(Method::DELETE, &path).await.status, 200);
    assert_eq!(world.refresh(&refresh).await, 400);
    assert_eq!(in_session(Method::DELETE, &path).await.status, 400);
    assert_eq!(in_session(Method::DELETE, &format!("oidc/token/nope?impersonate={USER}")).await.status, 404);
    assert_eq!(in_session(Method::GET, "oidc/token?impersonate=nobody").await.status, 401);
    assert_eq!(in_session(Method::GET, "oidc/token").await.json(), json!([]), "one's own");
}

#[tokio::test]
async fn a_revoked_token_is_dead_and_only_its_own_client_can_revoke_it() {
    let world = World::with_glewlwyd().await;
    let (access, refresh) = world.tokens("pw-1").await;
    for token in [&access, &refresh] {
        let form = format!("token={token}");
        assert_eq!(world.oidc("introspect", (CLIENT, "cs-1"), &form).await.json(), json!({"active": false}));
        assert_eq!(world.oidc("revoke", (CLIENT, "cs-1"), &form).await.status, 200);
        assert_eq!(world.is_active(token).await, true, "it was another client's");
        assert_eq!(world.oidc("revoke", (PROBER, "wrong"), &form).await.status, 401);
        assert_eq!(world.oidc("revoke", CALLER, &form).await.status, 200);
        assert_eq!(world.is_active(token).await, false);
    }
    assert_eq!(world.refresh(&refresh).await, 400);
}

#[tokio::test]
async fn refusals_of_the_token_endpoint_are_glewlwyds_and_not_the_rfcs() {
    let world = World::with_glewlwyd().await;
    let password = "grant_type=password&username=stups_ledger&password=pw-1";
    for (client, form, expected) in [
        (CALLER, format!("{password}&scope=app.read+nope"), 200),
        (CALLER, password.to_owned(), 400),
        (CALLER, format!("{password}&scope=nope"), 403),
        (CALLER, "grant_type=password&username=nobody&password=x&scope=app.read".to_owned(), 403),
        ((PROBER, "wrong"), format!("{password}&scope=app.read"), 400),
        (CALLER, "grant_type=bogus".to_owned(), 400),
        (CALLER, "grant_type=client_credentials".to_owned(), 403),
        ((PROBER, "wrong"), "grant_type=client_credentials&scope=app.read".to_owned(), 403),
        (CALLER, "grant_type=refresh_token&refresh_token=nope".to_owned(), 400),
    ] {
        let answer = world.oidc("token", client, &form).await;
        assert_eq!(answer.status, expected, "{form}");
        assert!(expected == 200 || answer.body.is_empty(), "{answer:?}");
    }
    let named = world.oidc("token", CALLER, "grant_type=client_credentials&scope=nope").await;
    assert_eq!(named.error(), (400, "scope_invalid".to_owned()));
}

#[tokio::test]
async fn calls_of_glewlwyd_are_logged_with_their_application_and_meet_faults() {
    let world = World::with_glewlwyd().await;
    world.put_glewlwyd_user(USER, &json!({"password": ["", "pw-2"]})).await;
    world.log_in("pw-2").await;
    let calls = world.calls().await;
    let seen: Vec<_> = calls
        .iter()
        .filter(|call| call["application"] == "ledger")
        .map(|call| (call["api"].as_str().unwrap(), call["principal"].as_str().unwrap()))
        .collect();
    let expected = [
        ("glewlwyd.client.create", "identity-provisioner"),
        ("glewlwyd.user.create", "identity-provisioner"),
        ("glewlwyd.user.put", "rotator"),
        ("glewlwyd.token", PROBER),
    ];
    assert_eq!(seen, expected);

    let put = json!({"password": ["", "", "pw-3"]});
    world.order_fault(json!({"api": "glewlwyd.user.put", "kind": "lie"})).await;
    assert_eq!(world.put_glewlwyd_user(USER, &put).await.status, 200);
    assert_eq!(world.logins(&["pw-3"]).await, [403], "it was a lie");
    world.order_fault(json!({"api": "glewlwyd.user.put", "kind": "lose_answer", "match": USER})).await;
    let key = format!("token {}", world.secret("rotator/glewlwyd-token"));
    let headers = [("authorization", key.as_str())];
    let path = format!("/glewlwyd/api/user/{USER}");
    assert!(world.attempt(Method::PUT, &path, &headers, &put.to_string()).await.is_none());
    assert_eq!(world.logins(&["pw-3"]).await, [200], "it was done all the same");
    world
        .order_fault(json!({"api": "glewlwyd.token", "kind": "fail", "match": "username=stups_ledger"}))
        .await;
    assert_eq!(world.log_in("pw-3").await.status, 503);
}

#[tokio::test]
async fn what_is_alive_is_listed_without_a_secret() {
    let world = World::with_glewlwyd().await;
    world.tokens("pw-1").await;
    let first = world.live("ledger").await;
    let short = |objects: &[Value]| -> Vec<Value> {
        let short = |object: &Value| {
            json!([
                object["object"],
                object["name"],
                object["state"],
                object["live"],
                object["refresh_tokens"]
            ])
        };
        objects.iter().map(short).collect()
    };
    let expected = [json!(["user", USER, "enabled", 1, 1]), json!(["client", CLIENT, "enabled", 1, 0])];
    assert_eq!(short(&first), expected);
    assert!(world.live("tracker").await.is_empty(), "another application's");

    world.put_glewlwyd_user(USER, &json!({"password": ["", "pw-2"]})).await;
    let mut client = properties();
    client["password"] = json!("cs-2");
    world.glewlwyd("rotator", Method::PUT, &format!("/client/{CLIENT}"), &client).await;
    let second = world.live("ledger").await;
    assert_eq!(second[0]["versions"][0], first[0]["versions"][0], "a password that is kept keeps its id");
    assert_eq!(second[0]["live"], 2);
    assert_ne!(second[1]["versions"][0]["id"], first[1]["versions"][0]["id"]);
    assert!(!json!(second).to_string().contains("hash"), "{second:?}");

    world.put_glewlwyd_user(USER, &json!({"enabled": false})).await;
    let user = &world.live("ledger").await[0];
    let versions = user["versions"].as_array().unwrap().len();
    assert_eq!((&user["state"], &user["live"], versions), (&json!("disabled"), &json!(0), 2));
    world.glewlwyd("rotator", Method::DELETE, &format!("/user/{USER}"), &Value::Null).await;
    let deleted = [json!(["client", CLIENT, "enabled", 1, 0]), json!(["user", USER, "deleted", 0, 0])];
    assert_eq!(short(&world.live("ledger").await), deleted);
}

#[tokio::test]
async fn a_restart_keeps_glewlwyds_users_clients_and_tokens() {
    let mut world = World::with_glewlwyd().await;
    let (access, refresh) = world.tokens("pw-1").await;
    let secrets =
        ["rotator/glewlwyd-token", "rotator/glewlwyd-admin.json", "identity-provisioner/glewlwyd-token"];
    let before = secrets.map(|file| world.secret(file));
    let cookie = world.session().await;
    world.restart().await;
    assert_eq!(secrets.map(|file| world.secret(file)), before);
    assert_eq!(world.logins(&["pw-1", "nope"]).await, [200, 403]);
    assert_eq!((world.client_credentials("cs-1").await, world.refresh(&refresh).await), (200, 200));
    let path = format!("/glewlwyd/api/oidc/token?impersonate={USER}");
    assert_eq!(world.send(Method::GET, &path, &[("cookie", &cookie)], "").await.status, 200);
    world.clock.advance(std::time::Duration::from_mins(5));
    assert_eq!(world.is_active(&access).await, false, "five minutes are over");
    world.clock.advance(std::time::Duration::from_hours(1));
    assert_eq!(world.refresh(&refresh).await, 400, "an hour without use is over");
}
