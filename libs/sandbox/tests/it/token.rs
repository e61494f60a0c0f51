//! The token endpoint (RFC 6749), introspection (RFC 7662), revocation (RFC 7009).

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::harness::World;
use crate::wire::{Answer, basic_header, password_form};

#[tokio::test]
async fn the_field_s_curl_command_gets_a_token() {
    let world = World::start().await;
    let (password, client) = world.ready_user("stups_ledger", &["uid", "ledger.read"]).await;
    let form = password_form("stups_ledger", &password.password);
    let answer = world.oauth("token", (&client.id, &client.secret), &form).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
    let token = answer.json();
    assert_eq!((&token["token_type"], &token["expires_in"]), (&json!("Bearer"), &json!(3600)));
    assert_eq!(token["scope"], "cn uid");
}

#[tokio::test]
async fn an_access_token_verifies_with_the_published_key() {
    let world = World::start().await;
    let (_, client) = world.ready_user("stups_ledger", &["uid"]).await;
    let token = world.client_login(&client.id, &client.secret).await.json();
    let jwks: jsonwebtoken::jwk::JwkSet =
        serde_json::from_value(world.get("/oauth2/jwks").await.json()).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(&jwks.keys[0]).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    let token = token["access_token"].as_str().unwrap();
    let claims = jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims;
    assert_eq!((&claims["sub"], &claims["scope"]), (&json!("stups_ledger"), &json!("uid cn")));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    assert!(!claims["jti"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn every_error_of_rfc_6749_has_its_status_and_name() {
    let world = World::start().await;
    let (password, client) = world.ready_user("stups_ledger", &["uid", "ledger.read"]).await;
    let (other, _) = world.ready_user("stups_tracker", &["uid"]).await;
    let own = (client.id.as_str(), client.secret.as_str());
    let right = password_form("stups_ledger", &password.password);
    let cases = [
        ("", own, (400, "invalid_request")),
        ("grant_type=password", own, (400, "invalid_request")),
        ("grant_type=password&username=stups_ledger", own, (400, "invalid_request")),
        (&format!("{right}&username=stups_tracker"), own, (400, "invalid_request")),
        (&format!("{right}&client_secret={}", client.secret), own, (400, "invalid_request")),
        (&format!("{right}&client_id=another"), own, (400, "invalid_request")),
        (&right, (own.0, "wrong"), (401, "invalid_client")),
        (&right, (own.0, ""), (401, "invalid_client")),
        (&right, ("nobody", "x"), (401, "invalid_client")),
        (&password_form("stups_ledger", "wrong"), own, (400, "invalid_grant")),
        (&password_form("stups_nobody", "wrong"), own, (400, "invalid_grant")),
        (&password_form("stups_tracker", &other.password), own, (400, "invalid_grant")),
        ("grant_type=authorization_code&code=x", own, (400, "unsupported_grant_type")),
        (&right.replace("cn+uid", "cn+ledger.write"), own, (400, "invalid_scope")),
        ("grant_type=client_credentials&scope=ledger.write", own, (400, "invalid_scope")),
    ];
    for (form, basic, (status, error)) in cases {
        let answer = world.oauth("token", basic, form).await;
        assert_eq!(answer.error(), (status, error.to_owned()), "{form}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("www-authenticate").starts_with("Basic realm="), status == 401, "{form}");
    }
    let (id, secret) = world.prober();
    let answer = world.oauth("token", (&id, &secret), "grant_type=client_credentials").await;
    assert_eq!(answer.error(), (400, "unauthorized_client".into()));
}

#[tokio::test]
async fn a_request_that_is_no_form_or_has_no_client_is_refused() {
    let world = World::start().await;
    let (password, client) = world.ready_user("stups_ledger", &["uid"]).await;
    let basic = basic_header((&client.id, &client.secret));
    let json = json!({"grant_type": "password"}).to_string();
    let headers = [("authorization", basic.as_str()), ("content-type", "application/json")];
    let answer = world.send(Method::POST, "/oauth2/token", &headers, &json).await;
    assert_eq!(answer.error(), (400, "invalid_request".into()));
    let form = password_form("stups_ledger", &password.password);
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let answer = world.send(Method::POST, "/oauth2/token", &headers, &form).await;
    assert_eq!(answer.error(), (401, "invalid_client".into()));
    assert_eq!(world.get("/oauth2/token").await.status, 405);
}

#[tokio::test]
async fn scopes_are_those_of_the_user_and_those_that_everybody_has() {
    let world = World::start().await;
    let (password, client) = world.ready_user("stups_ledger", &["uid", "ledger.read"]).await;
    let login = async |scope: &str| {
        let form = format!("grant_type=password&username=stups_ledger&password={}{scope}", password.password);
        let answer = world.oauth("token", (&client.id, &client.secret), &form).await;
        answer.json()["scope"].as_str().unwrap_or("refused").to_owned()
    };
    assert_eq!(login("").await, "uid cn ledger.read");
    assert_eq!(login("&scope=ledger.read+cn").await, "ledger.read cn");
    assert_eq!(login("&scope=").await, "uid cn ledger.read", "an empty parameter counts as absent");
    assert_eq!(login("&scope=order.read").await, "refused");
}

#[tokio::test]
async fn a_token_is_active_until_it_is_revoked_or_too_old() {
    let world = World::start().await;
    let (_, client) = world.ready_user("stups_ledger", &["uid"]).await;
    let (_, other) = world.ready_user("stups_tracker", &["uid"]).await;
    let own = (client.id.as_str(), client.secret.as_str());
    let fresh = async || {
        let answer = world.client_login(own.0, own.1).await.json();
        format!("token={}", answer["access_token"].as_str().unwrap())
    };
    let (first, second) = (fresh().await, fresh().await);
    let shown = world.oauth("introspect", own, &first).await.json();
    assert_eq!((&shown["active"], &shown["username"]), (&json!(true), &json!("stups_ledger")));
    assert_eq!(shown["client_id"], client.id.as_str());

    let thief = world.oauth("revoke", (&other.id, &other.secret), &first).await;
    assert_eq!(thief.error(), (400, "unauthorized_client".into()), "RFC 7009 section 2.1");
    assert_eq!(world.oauth("introspect", own, &first).await.json()["active"], true);
    assert_eq!(
        world.oauth("revoke", own, &format!("{first}&token_type_hint=access_token")).await.status,
        200
    );
    assert_eq!(world.oauth("introspect", own, &first).await.json(), json!({"active": false}));
    assert_eq!(world.oauth("revoke", own, &first).await.status, 200, "again");
    assert_eq!(world.oauth("revoke", own, "token=nonsense").await.status, 200, "RFC 7009 section 2.2");

    assert_eq!(world.oauth("introspect", own, &second).await.json()["active"], true);
    world.clock.advance(Duration::from_hours(1));
    assert_eq!(world.oauth("introspect", own, &second).await.json(), json!({"active": false}));
}

#[tokio::test]
async fn introspection_and_revocation_need_a_client_that_shows_who_it_is() {
    let world = World::start().await;
    let public = world.put_user("stups_ledger", &["uid"], false).await;
    let refused = |answer: Answer| assert_eq!(answer.error(), (401, "invalid_client".into()));
    refused(world.oauth("introspect", (&public, ""), "token=x").await);
    refused(world.oauth("introspect", ("nobody", "x"), "token=x").await);
    refused(world.oauth("revoke", ("nobody", "x"), "token=x").await);
    let (id, secret) = world.prober();
    for path in ["introspect", "revoke"] {
        let answer = world.oauth(path, (&id, &secret), "").await;
        assert_eq!(answer.error(), (400, "invalid_request".into()), "{path}");
    }
}
