//! `GET /live`: what is alive at the issuer of service users.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::harness::World;

const USER: &str = "stups_ledger";

/// State and whether it opens, of each version.
fn versions(object: &Value) -> Vec<(&str, bool)> {
    let versions = object["versions"].as_array().unwrap();
    versions
        .iter()
        .map(|version| (version["state"].as_str().unwrap(), version["opens"].as_bool().unwrap()))
        .collect()
}

#[tokio::test]
async fn every_credential_that_has_not_ended_is_listed_as_alive() {
    let world = World::start().await;
    assert!(world.live("ledger").await.is_empty(), "there never was such a user");
    let first_client = world.put_user(USER, &["uid"], true).await;
    let (old, new) = (world.new_password(USER).await, world.new_password(USER).await);
    let client = world.new_client(USER).await;
    let objects = world.live("ledger").await;
    assert_eq!(versions(&objects[0]), [("pending", true), ("pending", true)]);
    assert_eq!(versions(&objects[1]), [("committed", false), ("pending", true)], "the first has no secret");
    assert_eq!(objects[1]["versions"][0]["id"], first_client.as_str());
    assert_eq!(objects[1]["versions"][1]["transaction"], client.txid.as_str());
    assert_eq!(objects[0]["versions"][0]["created_us"], 1_800_000_000_000_000_i64);

    world.commit_password(USER, &new.txid).await;
    world.commit_client(USER, &client.txid).await;
    let objects = world.live("ledger").await;
    assert_eq!(versions(&objects[0]), [("in_grace", true), ("committed", true)]);
    assert_eq!((&objects[0]["live"], &objects[1]["live"]), (&json!(2), &json!(1)));
    assert_eq!(objects[0]["versions"][0]["transaction"], old.txid.as_str());
    assert_eq!(objects[0]["versions"][0]["valid_until_us"], 1_800_000_010_000_000_i64);
    assert_eq!(versions(&objects[1]), [("committed", true)], "a client's commit ends all others at once");
    let text = json!(objects).to_string();
    for secret in [&old.password, &new.password, &client.secret] {
        assert!(!text.contains(secret.as_str()));
    }
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(versions(&world.live("ledger").await[0]), [("committed", true)]);
}

#[tokio::test]
async fn a_disabled_user_has_versions_that_open_nothing_and_a_deleted_one_has_none() {
    let world = World::start().await;
    world.ready_user(USER, &["uid"]).await;
    world.put_user(USER, &[], true).await;
    let objects = world.live("ledger").await;
    for object in &objects {
        assert_eq!((&object["state"], &object["live"]), (&json!("disabled"), &json!(0)));
        assert_eq!(versions(object), [("committed", false)]);
    }
    let path = format!("/{USER}");
    world.service_user("identity-provisioner", Method::DELETE, &path, &Value::Null).await;
    for object in world.live("ledger").await {
        assert_eq!((&object["state"], versions(&object)), (&json!("deleted"), vec![]));
        assert_eq!(object["deleted_us"], 1_800_000_000_000_000_i64);
    }
    world.put_user(USER, &["uid"], true).await;
    assert_eq!(world.live("ledger").await[0]["state"], "enabled");
}
