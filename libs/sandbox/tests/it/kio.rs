//! The registry (COMPAT §2).

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::harness::World;
use crate::wire::Answer;

impl World {
    async fn kio(&self, path: &str) -> Answer {
        let bearer = format!("Bearer {}", self.secret("registry-sync/kio-token"));
        self.send(Method::GET, &format!("/kio/apps{path}"), &[("authorization", &bearer)], "").await
    }

    async fn ids(&self, query: &str) -> Vec<String> {
        let answer = self.kio(query).await;
        if answer.body.is_empty() {
            return Vec::new();
        }
        answer.json().as_array().unwrap().iter().map(|app| app["id"].as_str().unwrap().to_owned()).collect()
    }

    async fn change(&self, change: &Value) -> Answer {
        self.send(Method::POST, "/registry", &[], &change.to_string()).await
    }
}

#[tokio::test]
async fn applications_are_listed_and_shown_with_what_kio_says_of_them() {
    let world = World::start().await;
    assert_eq!(world.ids("").await, ["ledger", "tracker", "fax"]);
    let shown = world.kio("/ledger").await.json();
    assert_eq!((&shown["team_id"], &shown["name"]), (&json!("payments"), &json!("General Ledger")));
    assert_eq!((&shown["active"], &shown["subtitle"]), (&json!(true), &json!("Books")));
    shown["last_modified"].as_str().unwrap().parse::<mint_types::Timestamp>().unwrap();
    assert!(shown.get("settings").is_none(), "settings are not the registry's");
    assert_eq!(world.kio("/nobody").await.error(), (404, "not_found".into()));
}

#[tokio::test]
async fn a_list_is_filtered_and_an_empty_result_is_a_200_with_an_empty_body() {
    let world = World::start().await;
    assert_eq!(world.ids("?active=false").await, ["fax"]);
    assert_eq!(world.ids("?team_id=logistics&active=true").await, ["tracker"]);
    assert_eq!(world.ids("?search=SHIPMENT").await, ["tracker"]);
    let nothing = world.kio("?team_id=nobody").await;
    assert_eq!((nothing.status.as_u16(), nothing.body.len()), (200, 0));
    assert_eq!(world.kio("?modified_after=yesterday").await.error(), (400, "invalid_query".into()));
}

#[tokio::test]
async fn only_the_registrys_own_token_reads_it() {
    let world = World::start().await;
    for path in ["/kio/apps", "/kio/apps/ledger"] {
        assert_eq!(world.get(path).await.error(), (401, "invalid_token".into()));
        let bearer = format!("Bearer {}", world.secret("rotator/issuer-token"));
        let foreign = world.send(Method::GET, path, &[("authorization", &bearer)], "").await;
        assert_eq!(foreign.error(), (403, "insufficient_scope".into()));
    }
}

#[tokio::test]
async fn a_change_is_seen_by_modified_after_and_outlives_a_restart() {
    let mut world = World::start().await;
    let before = world.kio("/ledger").await.json()["last_modified"].as_str().unwrap().to_owned();
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.ids(&format!("?modified_after={before}")).await, [""; 0]);
    let fresh = json!({"put": {"id": "stock", "team_id": "logistics", "name": "Stock"}});
    assert_eq!(world.change(&fresh).await.status, 204);
    assert_eq!(world.change(&json!({"put": {"id": "ledger", "active": false}})).await.status, 204);
    assert_eq!(world.change(&json!({"remove": "fax"})).await.status, 204);
    let changed = ["ledger", "stock"];
    assert_eq!(world.ids(&format!("?modified_after={before}")).await, changed);
    assert_eq!(world.kio("/ledger").await.json()["name"], "General Ledger", "what was not given stays");
    world.restart().await;
    assert_eq!(world.ids(&format!("?modified_after={before}")).await, changed);
    assert_eq!(world.ids("").await, ["ledger", "tracker", "stock"]);
    assert_eq!(world.kio("/fax").await.status, 404);
}

#[tokio::test]
async fn a_changed_registry_file_wins_over_what_was_changed_before() {
    let mut world = World::start().await;
    world.change(&json!({"put": {"id": "ledger", "name": "Changed"}})).await;
    world.change(&json!({"put": {"id": "tracker", "name": "Changed too"}})).await;
    let file = world.directory.path().join("registry.yaml");
    let text = std::fs::read_to_string(&file).unwrap().replace("General Ledger", "Main Ledger");
    std::fs::write(&file, text.replace("  - {id: fax,", "  - {id: telex,")).unwrap();
    world.restart().await;
    assert_eq!(world.kio("/ledger").await.json()["name"], "Main Ledger");
    assert_eq!(world.kio("/tracker").await.json()["name"], "Changed too");
    assert_eq!(world.ids("").await, ["ledger", "tracker", "telex"]);
}

#[tokio::test]
async fn a_change_that_makes_no_application_is_refused() {
    let world = World::start().await;
    for change in [
        json!({"put": {"id": "a/b", "team_id": "payments", "name": "x"}}),
        json!({"put": {"id": "new", "team_id": "nobody", "name": "x"}}),
        json!({"put": {"id": "new", "team_id": "payments"}}),
        json!({"put": {"id": "ledger", "sttings": {}}}),
        json!({"putt": {}}),
    ] {
        assert_eq!(world.change(&change).await.error(), (400, "malformed".into()), "{change}");
    }
    assert_eq!(world.change(&json!({"remove": "nobody"})).await.status, 404);
}
