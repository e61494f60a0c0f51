//! The request log and ordered faults.

use http::Method;
use serde_json::{Value, json};

use crate::harness::World;

fn brief(calls: &[Value]) -> Vec<String> {
    let brief = |call: &Value| {
        format!("{} {} {} {}", call["principal"], call["api"], call["status"], call["application"])
            .replace('"', "")
    };
    calls.iter().map(brief).collect()
}

#[tokio::test]
async fn every_call_is_in_the_log_with_who_what_and_for_whom() {
    let world = World::start().await;
    let (password, client) = world.ready_user("stups_ledger", &["uid"]).await;
    world.probe("stups_ledger", &password.password).await;
    world.probe("stups_ledger", "wrong").await;
    world.client_login(&client.id, &client.secret).await;
    world.client_login(&client.id, "wrong").await;
    world.client_login("nobody", "x").await;
    world.service_user("rotator", Method::DELETE, "/stups_ledger", &json!({})).await;
    world.get("/kio/apps/tracker").await;
    world.get("/nowhere").await;
    let calls = world.calls().await;
    let expected = [
        "identity-provisioner service-user.put 200 ledger".to_owned(),
        "rotator service-user.create_password 200 ledger".to_owned(),
        "rotator service-user.create_client 200 ledger".to_owned(),
        "rotator service-user.commit_password 200 ledger".to_owned(),
        "rotator service-user.commit_client 200 ledger".to_owned(),
        "mint-prober oauth2.token 200 ledger".to_owned(),
        "mint-prober oauth2.token 400 ledger".to_owned(),
        format!("{} oauth2.token 200 ledger", client.id),
        "anonymous oauth2.token 401 ledger".to_owned(),
        "anonymous oauth2.token 401 null".to_owned(),
        "rotator service-user.delete 403 ledger".to_owned(),
        "anonymous kio.get 401 tracker".to_owned(),
        "anonymous unknown 404 null".to_owned(),
    ];
    assert_eq!(brief(&calls), expected);
    for call in &calls {
        assert!(call["started_us"].as_i64().unwrap() <= call["ended_us"].as_i64().unwrap());
    }
    let last = calls.last().unwrap()["id"].as_u64().unwrap();
    assert_eq!(world.get(&format!("/calls?since={}", last - 1)).await.json().as_array().unwrap().len(), 1);
    assert_eq!(world.get(&format!("/calls?since={last}")).await.json(), json!([]));
}

#[tokio::test]
async fn a_lost_answer_was_done_and_is_in_the_log() {
    let world = World::start().await;
    let (old, _) = world.ready_user("stups_ledger", &["uid"]).await;
    let new = world.new_password("stups_ledger").await;
    world.order_fault(json!({"api": "service-user.commit_password", "kind": "lose_answer"})).await;
    let bearer = format!("Bearer {}", world.secret("rotator/issuer-token"));
    let path = "/service-user/services/stups_ledger/password";
    let body = json!({"txid": new.txid}).to_string();
    let lost = world.attempt(Method::PUT, path, &[("authorization", &bearer)], &body).await;
    assert!(lost.is_none(), "{lost:?}");
    world.clock.advance(std::time::Duration::from_secs(10));
    assert_eq!(world.probe("stups_ledger", &old.password).await.status, 400, "the commit was done");
    let calls = world.calls().await;
    let commits = calls.iter().filter(|call| call["api"] == "service-user.commit_password");
    assert_eq!(commits.count(), 2);
    assert_eq!(world.commit_password("stups_ledger", &new.txid).await.status, 200, "the fault is used up");
}

#[tokio::test]
async fn a_failed_and_a_lying_call_did_nothing() {
    let world = World::start().await;
    world.ready_user("stups_ledger", &["uid"]).await;
    world
        .order_fault(json!({"api": "service-user.delete", "kind": "fail", "status": 429, "headers": {"retry-after": "7"}}))
        .await;
    world.order_fault(json!({"api": "service-user.*", "kind": "lie", "body": "<html>", "count": 2})).await;
    let delete = async || {
        world.service_user("identity-provisioner", Method::DELETE, "/stups_ledger", &json!({})).await
    };
    let failed = delete().await;
    assert_eq!((failed.status.as_u16(), failed.header("retry-after")), (429, "7"));
    for _ in 0..2 {
        let lied = delete().await;
        assert_eq!((lied.status.as_u16(), lied.body.as_ref()), (200, &b"<html>"[..]));
    }
    assert_eq!(world.get("/faults").await.json(), json!([]));
    let shown = world.service_user("identity-provisioner", Method::GET, "/stups_ledger", &json!({})).await;
    assert_eq!(shown.status, 200, "nobody was deleted");
    assert_eq!(delete().await.status, 200);
}

#[tokio::test]
async fn a_fault_hits_only_what_matches_and_can_be_cleared() {
    let world = World::start().await;
    let (ledger, _) = world.ready_user("stups_ledger", &["uid"]).await;
    let (tracker, _) = world.ready_user("stups_tracker", &["uid"]).await;
    world
        .order_fault(
            json!({"api": "oauth2.token", "kind": "fail", "match": "username=stups_ledger&", "count": 9}),
        )
        .await;
    assert_eq!(world.probe("stups_tracker", &tracker.password).await.status, 200);
    assert_eq!(world.probe("stups_ledger", &ledger.password).await.status, 503);
    assert_eq!(world.get("/faults").await.json()[0]["count"], 8);
    assert_eq!(world.send(Method::DELETE, "/faults?match=another", &[], "").await.status, 204);
    assert_eq!(world.get("/faults").await.json()[0]["count"], 8, "an order for others stays");
    let own = "/faults?match=username%3Dstups_ledger%26";
    assert_eq!(world.send(Method::DELETE, own, &[], "").await.status, 204);
    assert_eq!(world.get("/faults").await.json(), json!([]));
    world.order_fault(json!({"api": "oauth2.token", "kind": "fail", "count": 9})).await;
    assert_eq!(world.send(Method::DELETE, "/faults", &[], "").await.status, 204);
    assert_eq!(world.probe("stups_ledger", &ledger.password).await.status, 200);
    let nonsense = world.send(Method::POST, "/faults", &[], r#"{"api": "x", "kind": "explode"}"#).await;
    assert_eq!(nonsense.error(), (400, "malformed".into()));
    let misspelt =
        world.send(Method::POST, "/faults", &[], r#"{"api": "s4.PutObject", "kind": "fail"}"#).await;
    assert_eq!(misspelt.error(), (400, "unknown_api".into()));
}

#[tokio::test]
async fn a_lie_may_be_ten_megabytes_long() {
    let world = World::start().await;
    let spaces = " ".repeat(10 * 1024 * 1024);
    world.order_fault(json!({"api": "kio.list", "kind": "lie", "body": spaces})).await;
    assert_eq!(world.get("/kio/apps").await.body.len(), spaces.len());
}

#[tokio::test]
async fn a_slow_call_is_done_although_its_caller_gave_up() {
    let world = World::start().await;
    world.put_user("stups_ledger", &["uid"], true).await;
    world.order_fault(json!({"api": "service-user.delete", "kind": "slow", "delay_ms": 200})).await;
    let nothing = json!({});
    let delete = world.service_user("identity-provisioner", Method::DELETE, "/stups_ledger", &nothing);
    let gave_up = tokio::time::timeout(std::time::Duration::from_millis(50), delete).await;
    assert!(gave_up.is_err());
    for _ in 0..200 {
        let calls = world.calls().await;
        let deleted =
            calls.iter().find(|call| call["api"] == "service-user.delete").expect("it is in the log");
        if deleted["status"] == 200 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the call was never done");
}
