//! What every engine must do.

use mint_testkit::{TestDatabase, databases};
use mint_types::{CredentialKind, FencingToken, Timestamp};

use super::super::attempts::contract::{claim, start};
use super::super::{MIGRATIONS, SCHEMA, SqlAttempts};
use super::SqlTombstones;
use crate::plan::Content;
use crate::ports::{Attempts as _, ClaimError, Order, Tombstones as _, Warrant};

const SINCE: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);

fn warrant(token: u64) -> Warrant {
    Warrant {
        application: "shop".parse().unwrap(),
        fencing_token: FencingToken(token),
        permit: "p1".to_owned(),
    }
}

/// Covers the bucket, ends the password, and puts a tombstone.
fn order(bucket: &str) -> Order {
    let start = start(bucket, 5);
    Order {
        covered: vec![(start.place.clone(), SINCE)],
        ended: vec![CredentialKind::Password],
        starts: vec![(Content::tombstone(CredentialKind::Password, SINCE), start)],
        obsolete: vec![],
        at: SINCE,
    }
}

async fn engines() -> Vec<(SqlTombstones, SqlAttempts, TestDatabase)> {
    let databases = databases(SCHEMA, MIGRATIONS).await.into_iter();
    databases
        .map(|made| {
            (SqlTombstones::new(made.database.clone()), SqlAttempts::new(made.database.clone()), made)
        })
        .collect()
}

#[tokio::test]
async fn contract_what_was_begun_once_is_remembered_when_its_attempts_are_gone() {
    for (tombstones, attempts, made) in engines().await {
        let old = attempts.begin(&claim("shop", 6, 1), &[start("one", 1)], &[]).await.unwrap();
        attempts.begin(&claim("shop", 7, 1), &[start("two", 5)], &old).await.unwrap();
        let memory = tombstones.read(&warrant(1)).await.unwrap();
        let buckets: Vec<_> = memory.objects.iter().map(|object| object.place.bucket.as_str()).collect();
        assert_eq!(buckets, ["one", "two"], "{}", made.engine);
        let object = &memory.objects[0];
        let (region, account) = object.owner.clone().unwrap();
        assert_eq!((region.as_str(), account.as_str()), ("eu-central-1", "123456789012"), "{}", made.engine);
        assert_eq!(object.kms_key_id.as_deref(), Some("alias/mint"), "{}", made.engine);
        assert_eq!((memory.attempts.len(), memory.is_known), (1, false), "{}", made.engine);
    }
}

#[tokio::test]
async fn contract_an_order_is_remembered_until_the_object_is_put_again() {
    for (tombstones, attempts, made) in engines().await {
        attempts.begin(&claim("shop", 7, 1), &[start("one", 1), start("two", 1)], &[]).await.unwrap();
        let numbers = tombstones.begin(&warrant(1), &order("one")).await.unwrap();
        let memory = tombstones.read(&warrant(1)).await.unwrap();
        assert!(memory.is_known, "{}", made.engine);
        let object = &memory.objects[0];
        assert_eq!((object.since, object.permit.as_deref()), (Some(SINCE), Some("p1")), "{}", made.engine);
        assert_eq!(memory.objects[1].permit, None, "{}", made.engine);
        assert_eq!(memory.attempts.last().unwrap().sequence, numbers[0], "{}", made.engine);

        let again = attempts.begin(&claim("shop", 7, 1), &[start("one", 9)], &[]).await.unwrap_err();
        assert!(matches!(again, ClaimError::Removed { .. }), "{}: {again}", made.engine);
        attempts.begin(&claim("shop", 8, 1), &[start("one", 9)], &[]).await.unwrap();
        let object = tombstones.read(&warrant(1)).await.unwrap().objects.remove(0);
        assert_eq!((object.since, object.permit), (None, None), "{}", made.engine);
    }
}

#[tokio::test]
async fn contract_a_stale_lease_orders_nothing() {
    for (tombstones, attempts, made) in engines().await {
        attempts.begin(&claim("shop", 7, 1), &[start("one", 1)], &[]).await.unwrap();
        tombstones.begin(&warrant(5), &order("one")).await.unwrap();
        let stale = attempts.begin(&claim("shop", 8, 4), &[start("one", 9)], &[]).await.unwrap_err();
        assert!(matches!(stale, ClaimError::StaleFencingToken(_)), "{}: {stale}", made.engine);
        for refused in [
            tombstones.read(&warrant(4)).await.map(drop),
            tombstones.begin(&warrant(4), &order("one")).await.map(drop),
        ] {
            assert!(matches!(refused.unwrap_err(), ClaimError::StaleFencingToken(_)), "{}", made.engine);
        }
    }
}

#[tokio::test]
async fn contract_what_was_put_before_this_table_is_remembered_without_its_owner() {
    for (tombstones, _, made) in engines().await {
        let insert = "INSERT INTO object (application, store, bucket, object_key, kind) \
             VALUES ('shop', '', 'one', 'mint/shop/user.json', 'password')";
        made.database.execute(insert, &[]).await.unwrap();
        let object = tombstones.read(&warrant(1)).await.unwrap().objects.remove(0);
        assert_eq!((object.owner, object.kind), (None, CredentialKind::Password), "{}", made.engine);
    }
}

#[tokio::test]
async fn contract_the_role_puts_tombstones() {
    for (_, _, made) in engines().await {
        if made.engine != "postgres" {
            continue;
        }
        made.administer(include_str!("../../permissions/postgres.sql")).await;
        let url = made.url_as("mint_distributor");
        let database = mint_store::Database::open(&url, SCHEMA, MIGRATIONS, false).await.unwrap();
        SqlAttempts::new(database.clone())
            .begin(&claim("shop", 7, 1), &[start("one", 1)], &[])
            .await
            .unwrap();
        SqlTombstones::new(database).begin(&warrant(2), &order("one")).await.unwrap();
    }
}
