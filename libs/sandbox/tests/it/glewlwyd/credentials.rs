//! The life of a user and of a client.

use http::Method;
use serde_json::{Value, json};

use super::{CLIENT, USER, client, properties};
use crate::harness::World;

const NOTHING: Value = Value::Null;

#[tokio::test]
async fn a_glewlwyd_user_lives_with_several_passwords_until_it_is_deleted() {
    let world = World::with_glewlwyd().await;
    let shown = json!({
        "username": USER, "name": "Ledger", "email": "", "scope": ["app.read"], "enabled": true, "password": 1,
        "source": "database",
    });
    assert_eq!(world.shown_user(USER).await, shown);
    assert_eq!(world.logins(&["pw-1", "nope"]).await, [200, 403]);

    let change = |password: Value| json!({"scope": ["app.read"], "enabled": true, "password": password});
    assert_eq!(world.put_glewlwyd_user(USER, &change(json!(["", "pw-2"]))).await.status, 200);
    assert_eq!(world.logins(&["pw-1", "pw-2"]).await, [200, 200], "the new one stands beside the old one");
    assert_eq!(world.shown_user(USER).await["password"], 2);
    assert_eq!(world.put_glewlwyd_user(USER, &change(json!([null, ""]))).await.status, 200);
    assert_eq!(world.logins(&["pw-1", "pw-2"]).await, [403, 200], "the first place was retired");

    assert_eq!(
        world.put_glewlwyd_user(USER, &json!({"scope": ["app.read"], "enabled": false})).await.status,
        200
    );
    assert_eq!(world.logins(&["pw-2"]).await, [403]);
    assert_eq!(
        world.put_glewlwyd_user(USER, &json!({"scope": ["app.read"], "enabled": true})).await.status,
        200
    );
    assert_eq!(world.logins(&["pw-2"]).await, [200], "the password was kept");

    let user = format!("/user/{USER}");
    let by = |method, path| world.glewlwyd("identity-provisioner", method, path, &NOTHING);
    assert_eq!(by(Method::DELETE, &user).await.status, 200);
    assert_eq!(world.logins(&["pw-2"]).await, [403]);
    let gone = by(Method::GET, &user).await;
    assert_eq!((gone.status.as_u16(), gone.body.len()), (404, 0));
    assert_eq!(by(Method::DELETE, &user).await.status, 404);
    assert_eq!(
        world.put_glewlwyd_user(USER, &change(json!(["pw-3"]))).await.status,
        404,
        "a PUT makes nobody"
    );
}

#[tokio::test]
async fn equal_passwords_of_a_glewlwyd_user_open_nothing() {
    let world = World::with_glewlwyd().await;
    world.put_glewlwyd_user(USER, &json!({"password": ["same", "same"]})).await;
    assert_eq!(world.logins(&["same"]).await, [403]);
    world.put_glewlwyd_user(USER, &json!({"password": ["", null]})).await;
    assert_eq!(world.logins(&["same"]).await, [200]);
}

#[tokio::test]
async fn glewlwyd_names_every_mistake_of_a_body() {
    let world = World::with_glewlwyd().await;
    let put = async |body: Value| {
        let answer = world.put_glewlwyd_user(USER, &body).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        answer.json()
    };
    assert_eq!(put(json!({"password": null})).await, json!(["password must be an array"]));
    assert_eq!(put(json!({"scope": "app.read"})).await, json!(["scope must be a JSON array of string"]));
    let both = json!(["name must be a string (maximum 256 characters)", "enabled must be a boolean"]);
    assert_eq!(put(json!({"name": 5, "enabled": "yes"})).await, both);
    assert_eq!(world.logins(&["pw-1"]).await, [200], "nothing of a refused body was done");
    let create = async |what: &str, body: Value| {
        world.glewlwyd("identity-provisioner", Method::POST, what, &body).await.json()
    };
    assert_eq!(create("/user/", json!({"username": USER})).await, json!(["username already exist"]));
    assert_eq!(create("/client/", client(CLIENT, "x")).await, json!(["client_id already exist"]));
}

#[tokio::test]
async fn a_glewlwyd_client_has_one_secret_that_is_replaced_at_once() {
    let world = World::with_glewlwyd().await;
    let path = format!("/client/{CLIENT}");
    let put = async |body: Value| {
        let mut whole = properties();
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        assert_eq!(world.glewlwyd("rotator", Method::PUT, &path, &whole).await.status, 200);
    };
    assert_eq!(world.client_credentials("cs-1").await, 200);
    put(json!({"password": "cs-2"})).await;
    assert_eq!((world.client_credentials("cs-1").await, world.client_credentials("cs-2").await), (403, 200));
    put(json!({"enabled": false})).await;
    assert_eq!(world.client_credentials("cs-2").await, 403);
    put(json!({"enabled": true})).await;
    assert_eq!(world.client_credentials("cs-2").await, 200, "a PUT without a password keeps it");
    put(json!({"client_secret": "cs-3"})).await;
    assert_eq!((world.client_credentials("cs-2").await, world.client_credentials("cs-3").await), (403, 200));
    let mut shown = world.glewlwyd("rotator", Method::GET, &path, &NOTHING).await.json();
    assert_ne!(shown["client_secret"], "cs-3", "no secret is shown");
    shown["password"] = json!("cs-2");
    assert_eq!(world.glewlwyd("rotator", Method::PUT, &path, &shown).await.status, 200);
    let both = (world.client_credentials("cs-2").await, world.client_credentials("cs-3").await);
    assert_eq!(both, (403, 200), "a client_secret that is sent back goes before a new password");
    put(json!({})).await;
    assert_eq!((world.client_credentials("cs-2").await, world.client_credentials("cs-3").await), (200, 403));
    assert_eq!(world.glewlwyd("rotator", Method::PUT, &path, &json!({"password": "cs-4"})).await.status, 200);
    assert_eq!(world.client_credentials("cs-4").await, 403, "it has no way to authenticate any more");
    let form = format!("grant_type=password&username={USER}&password=pw-1&scope=app.read");
    assert_eq!(world.oidc("token", (CLIENT, "cs-4"), &form).await.status, 500);
    assert_eq!(world.oidc("token", (CLIENT, "wrong"), &form).await.status, 400);
    put(json!({})).await;
    assert_eq!(world.client_credentials("cs-4").await, 200);
    assert_eq!(world.glewlwyd("rotator", Method::DELETE, &path, &NOTHING).await.status, 200);
    assert_eq!(world.client_credentials("cs-4").await, 403);
    assert_eq!(world.glewlwyd("rotator", Method::GET, &path, &NOTHING).await.status, 404);
}

#[tokio::test]
async fn glewlwyd_lists_in_pages_and_takes_a_slash_at_the_end() {
    let world = World::with_glewlwyd().await;
    let names = async |path: &str, key: &str| {
        let list = world.glewlwyd("identity-provisioner", Method::GET, path, &NOTHING).await.json();
        list.as_array()
            .unwrap()
            .iter()
            .map(|entry| entry[key].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("/user", "username").await, ["mint-rotator", USER]);
    assert_eq!(names("/user/?pattern=stups&limit=5", "username").await, [USER]);
    assert_eq!(names("/user?offset=1&limit=1", "username").await, [USER]);
    assert_eq!(names("/client/", "client_id").await, ["prober", CLIENT]);
}

#[tokio::test]
async fn only_a_key_or_an_administrators_session_opens_the_admin_api() {
    let world = World::with_glewlwyd().await;
    let path = format!("/glewlwyd/api/user/{USER}");
    let get =
        async |headers: &[(&str, &str)]| world.send(Method::GET, &path, headers, "").await.status.as_u16();
    let key = world.secret("rotator/glewlwyd-token");
    assert_eq!(get(&[]).await, 401);
    assert_eq!(get(&[("authorization", "token wrong")]).await, 401);
    assert_eq!(get(&[("authorization", &format!("Bearer {key}"))]).await, 401);
    assert_eq!(get(&[("authorization", &format!("token {key}"))]).await, 200);
    let log_in = async |body: String| {
        let headers = [("content-type", "application/json")];
        world.send(Method::POST, "/glewlwyd/api/auth/", &headers, &body).await
    };
    let session = log_in(world.secret("rotator/glewlwyd-admin.json")).await;
    let cookie = session.header("set-cookie").split(';').next().unwrap().to_owned();
    assert_eq!(get(&[("cookie", &cookie)]).await, 200);
    let users = log_in(json!({"username": USER, "password": "pw-1"}).to_string()).await;
    let users_cookie = users.header("set-cookie").split(';').next().unwrap().to_owned();
    assert_eq!(get(&[("cookie", &users_cookie)]).await, 401, "a session, but no administrator's");
    assert_eq!(log_in(json!({"username": USER, "password": "nope"}).to_string()).await.status, 401);
    world.send(Method::DELETE, "/glewlwyd/api/auth/", &[("cookie", &cookie)], "").await;
    assert_eq!(get(&[("cookie", &cookie)]).await, 401);
}
