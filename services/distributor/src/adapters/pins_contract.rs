//! What every engine must do.

use std::collections::BTreeSet;

use mint_testkit::databases;
use mint_types::{CredentialKind, Revision, Timestamp};

use super::super::{MIGRATIONS, SCHEMA};
use super::SqlPins;
use crate::plan::pins::{Pins, Spot};
use crate::ports::PinBoard as _;

fn pins(bucket: &str) -> Pins {
    let spot = Spot {
        account_id: Some("123456789012".parse().unwrap()),
        prefix: "mint".parse().unwrap(),
        bucket: bucket.parse().unwrap(),
        region: String::new(),
        endpoint: "https://s3.example".to_owned(),
        kms_key_id: Some("alias/shop".to_owned()),
    };
    Pins {
        team: "team".parse().unwrap(),
        is_doubtful: true,
        held_team: None,
        held_for: None,
        revision: Revision(3),
        stated_at: Some(Timestamp::from_unix_micros(1_800_000_000_000_001)),
        confirmed: BTreeSet::from([spot]),
        waiting: vec![],
        leaving: vec![],
        kinds: BTreeSet::from([CredentialKind::Password, CredentialKind::Client]),
        other_kinds: None,
    }
}

#[tokio::test]
async fn contract_pins_read_back_as_they_were_kept_and_survive_reopening() {
    for made in databases(SCHEMA, MIGRATIONS).await {
        let (board, shop) = (SqlPins::new(made.database.clone()), "shop".parse().unwrap());
        assert_eq!(board.read(&shop).await.unwrap(), None, "{}", made.engine);
        assert!(board.keep(&shop, None, &pins("one-bucket")).await.unwrap(), "{}", made.engine);
        let reopened = mint_store::Database::open(&made.url, SCHEMA, MIGRATIONS, false).await.unwrap();
        let kept = SqlPins::new(reopened).read(&shop).await.unwrap().unwrap();
        assert_eq!(kept.pins, pins("one-bucket"), "{}", made.engine);
    }
}

#[tokio::test]
async fn contract_pins_that_were_kept_before_kinds_were_still_read() {
    for made in databases(SCHEMA, MIGRATIONS).await {
        let (board, shop) = (SqlPins::new(made.database.clone()), "shop".parse().unwrap());
        let older =
            r#"{"team":"team","held_team":null,"revision":3,"stated_at":null,"confirmed":[],"waiting":[]}"#;
        let insert = "INSERT INTO pin (application, changes, document) VALUES ($1, 1, $2)";
        let row = ["shop".into(), older.into()];
        made.database
            .write(|transaction| Box::pin(async { transaction.execute(insert, &row).await }))
            .await
            .unwrap();
        let kept = board.read(&shop).await.unwrap().unwrap().pins;
        assert_eq!((kept.kinds, kept.other_kinds), (BTreeSet::new(), None), "{}", made.engine);
        let waited =
            r#""other_kinds":{"kinds":["combined"],"waited":{"secs":60,"nanos":0},"counted_at":null}}"#;
        let waiting = older.replace("\"waiting\":[]}", &format!("\"waiting\":[],{waited}"));
        let row = ["till".into(), waiting.as_str().into()];
        made.database
            .write(|transaction| Box::pin(async { transaction.execute(insert, &row).await }))
            .await
            .unwrap();
        let other = board.read(&"till".parse().unwrap()).await.unwrap().unwrap().pins.other_kinds;
        assert_eq!(other.unwrap().kinds, BTreeSet::from([CredentialKind::Combined]), "{}", made.engine);
    }
}

#[tokio::test]
async fn contract_of_two_who_change_the_same_pins_one_is_told_to_look_again() {
    for made in databases(SCHEMA, MIGRATIONS).await {
        let (board, shop) = (SqlPins::new(made.database.clone()), "shop".parse().unwrap());
        assert!(board.keep(&shop, None, &pins("one-bucket")).await.unwrap(), "{}", made.engine);
        assert!(!board.keep(&shop, None, &pins("two-bucket")).await.unwrap(), "{}", made.engine);
        let seen = board.read(&shop).await.unwrap().unwrap().changes;
        assert!(board.keep(&shop, Some(seen), &pins("two-bucket")).await.unwrap(), "{}", made.engine);
        assert!(!board.keep(&shop, Some(seen), &pins("three-bucket")).await.unwrap(), "{}", made.engine);
        let kept = board.read(&shop).await.unwrap().unwrap().pins;
        assert_eq!(kept, pins("two-bucket"), "{}", made.engine);
    }
}

#[tokio::test]
async fn contract_the_role_keeps_pins() {
    for made in databases(SCHEMA, MIGRATIONS).await {
        if made.engine != "postgres" {
            continue;
        }
        made.administer(include_str!("../../permissions/postgres.sql")).await;
        let url = made.url_as("mint_distributor");
        let database = mint_store::Database::open(&url, SCHEMA, MIGRATIONS, false).await.unwrap();
        let (board, shop) = (SqlPins::new(database), "shop".parse().unwrap());
        assert!(board.keep(&shop, None, &pins("one-bucket")).await.unwrap());
        let seen = board.read(&shop).await.unwrap().unwrap().changes;
        assert!(board.keep(&shop, Some(seen), &pins("two-bucket")).await.unwrap());
    }
}
