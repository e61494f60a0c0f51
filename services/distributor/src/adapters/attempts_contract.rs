//! What every engine must do.

use std::time::Duration;

use mint_secret::EnvelopeDigest;
use mint_testkit::{SeededEntropy, TestDatabase, databases};
use mint_types::{Bucket, CredentialKind, Destination, FencingToken, RotationId, Stale, Timestamp, Version};

use super::{MIGRATIONS, SCHEMA, SqlAttempts};
use crate::plan::{Answer, Attempt, Content, Place};
use crate::ports::{Answered, Attempts as _, Claim, ClaimError, Start};

pub(crate) fn claim(application: &str, version: u64, token: u64) -> Claim {
    Claim {
        application: application.parse().unwrap(),
        content: Content {
            kind: CredentialKind::Password,
            version: Version(version),
            rotation: RotationId::random(&SeededEntropy::new(version)),
            envelope: EnvelopeDigest::of(&version.to_be_bytes()),
        },
        fencing_token: FencingToken(token),
    }
}

pub(crate) fn start(bucket: &str, second: i64) -> Start {
    let signed_at = Timestamp::from_unix_micros(second * 1_000_000);
    Start {
        place: Place {
            store: "https://s3.example".to_owned(),
            bucket: bucket.to_owned(),
            key: "mint/shop/user.json".to_owned(),
        },
        destination: Destination {
            bucket: Bucket {
                name: format!("{bucket}-bucket").parse().unwrap(),
                region: Some("eu-central-1".to_owned()),
                endpoint: None,
                kms_key_id: Some("alias/mint".to_owned()),
            },
            account_id: Some("123456789012".parse().unwrap()),
            key: "mint/shop/user.json".to_owned(),
        },
        signed_at,
        expires_at: signed_at.plus(Duration::from_mins(1)),
    }
}

async fn engines() -> Vec<(SqlAttempts, TestDatabase)> {
    let databases = databases(SCHEMA, MIGRATIONS).await;
    databases.into_iter().map(|made| (SqlAttempts::new(made.database.clone()), made)).collect()
}

fn answers(attempts: &[Attempt]) -> Vec<Answer> {
    attempts.iter().map(|attempt| attempt.answer).collect()
}

#[tokio::test]
async fn contract_an_attempt_is_remembered_as_it_was_begun() {
    for (store, made) in engines().await {
        let claim = claim("shop", 7, 1);
        let numbers = store.begin(&claim, &[start("one", 5), start("two", 5)], &[]).await.unwrap();
        let attempts = store.read(&claim).await.unwrap();
        assert_eq!(
            attempts.iter().map(|attempt| attempt.sequence).collect::<Vec<_>>(),
            numbers,
            "{}",
            made.engine
        );
        let expected = start("two", 5);
        assert_eq!(
            attempts[1],
            Attempt {
                sequence: numbers[1],
                place: expected.place,
                content: claim.content.clone(),
                signed_at: expected.signed_at,
                expires_at: expected.expires_at,
                answer: Answer::None,
            },
            "{}",
            made.engine
        );
        assert_eq!(store.read(&self::claim("other", 1, 1)).await.unwrap(), [], "{}", made.engine);
    }
}

#[tokio::test]
async fn contract_an_answer_comes_after_its_attempt_and_before_the_next_and_stays() {
    for (store, made) in engines().await {
        let claim = claim("shop", 7, 1);
        let first = store.begin(&claim, &[start("one", 5), start("two", 5)], &[]).await.unwrap();
        let told = [(first[0], Answered::Written), (first[1], Answered::Refused)];
        store.answer(&claim.application, &told).await.unwrap();
        let second = store.begin(&claim, &[start("one", 6)], &[]).await.unwrap();
        store.answer(&claim.application, &[(first[0], Answered::Refused)]).await.unwrap();
        let attempts = store.read(&claim).await.unwrap();
        let Answer::Written { recorded } = attempts[0].answer else {
            panic!("{}: {attempts:?}", made.engine);
        };
        assert!(first[0] < recorded && recorded < second[0], "{}", made.engine);
        assert_eq!(answers(&attempts)[1..], [Answer::Refused, Answer::None], "{}", made.engine);
    }
}

#[tokio::test]
async fn contract_a_lower_fencing_token_is_refused_for_ever() {
    for (store, made) in engines().await {
        store.begin(&claim("shop", 7, 5), &[], &[]).await.unwrap();
        let stale = claim("shop", 8, 4);
        for refused in
            [store.read(&stale).await.map(drop), store.begin(&stale, &[start("one", 5)], &[]).await.map(drop)]
        {
            let error = refused.unwrap_err();
            assert!(
                matches!(error, ClaimError::StaleFencingToken(Stale { highest: FencingToken(5), .. })),
                "{}: {error}",
                made.engine
            );
        }
        assert!(store.read(&claim("other", 7, 1)).await.is_ok(), "{}: another application", made.engine);
        assert_eq!(store.read(&claim("shop", 8, 5)).await.unwrap(), [], "{}: nothing was begun", made.engine);
    }
}

#[tokio::test]
async fn contract_an_older_version_is_refused_once_a_newer_was_begun() {
    for (store, made) in engines().await {
        store.begin(&claim("shop", 7, 1), &[], &[]).await.unwrap();
        assert!(store.read(&claim("shop", 6, 1)).await.is_ok(), "{}: nothing of 7 was begun", made.engine);
        store.begin(&claim("shop", 7, 1), &[start("one", 5)], &[]).await.unwrap();
        for refused in [
            store.read(&claim("shop", 6, 2)).await.map(drop),
            store.begin(&claim("shop", 6, 2), &[start("two", 5)], &[]).await.map(drop),
        ] {
            let error = refused.unwrap_err();
            assert!(
                matches!(error, ClaimError::Superseded { highest: Version(7), .. }),
                "{}: {error}",
                made.engine
            );
        }
        let mut client = claim("shop", 6, 2);
        client.content.kind = CredentialKind::Client;
        assert!(store.read(&client).await.is_ok(), "{}: each kind counts for itself", made.engine);
        let mut other = claim("shop", 7, 2);
        other.content.rotation = RotationId::random(&SeededEntropy::new(99));
        let error = store.read(&other).await.unwrap_err();
        assert!(matches!(error, ClaimError::OtherRotation { .. }), "{}: {error}", made.engine);
    }
}

#[tokio::test]
async fn contract_what_is_obsolete_is_dropped_with_the_begin_that_replaces_it() {
    for (store, made) in engines().await {
        let old = store.begin(&claim("shop", 6, 1), &[start("one", 1), start("two", 1)], &[]).await.unwrap();
        let new = store.begin(&claim("shop", 7, 1), &[start("one", 5)], &old[..1]).await.unwrap();
        let left: Vec<u64> =
            store.read(&claim("shop", 7, 1)).await.unwrap().iter().map(|attempt| attempt.sequence).collect();
        assert_eq!(left, [old[1], new[0]], "{}", made.engine);
    }
}

#[tokio::test]
async fn contract_concurrent_begins_of_one_application_get_numbers_of_their_own() {
    for (store, made) in engines().await {
        let starts = [start("one", 5)];
        let begins = (0..8).map(|_| {
            let store = store.clone();
            let starts = starts.clone();
            async move { store.begin(&claim("shop", 7, 1), &starts, &[]).await.unwrap()[0] }
        });
        let mut numbers = futures::future::join_all(begins).await;
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 8, "{}", made.engine);
    }
}

#[tokio::test]
async fn contract_attempts_survive_reopening() {
    for (store, made) in engines().await {
        let claim = claim("shop", 7, 3);
        store.begin(&claim, &[start("one", 5)], &[]).await.unwrap();
        let reopened = mint_store::Database::open(&made.url, SCHEMA, MIGRATIONS, false).await.unwrap();
        let attempts = SqlAttempts::new(reopened).read(&claim).await.unwrap();
        assert_eq!(answers(&attempts), [Answer::None], "{}", made.engine);
    }
}

#[tokio::test]
async fn contract_what_was_made_before_writes_were_lost_is_never_written_again() {
    for (_, made) in engines().await {
        let Some(restored) = made.losing_writes(SCHEMA, MIGRATIONS).await else { continue };
        let lost_at = u64::try_from(restored.lost_writes_at().unwrap().unix_millis()).unwrap();
        let store = SqlAttempts::new(restored);
        let error = store.read(&claim("shop", lost_at - 1, 1)).await.unwrap_err();
        assert!(matches!(error, ClaimError::Superseded { .. }), "{}: {error}", made.engine);
        store.begin(&claim("shop", lost_at, 1), &[start("one", 5)], &[]).await.unwrap();
    }
}

#[tokio::test]
async fn contract_the_role_does_its_work_and_rewrites_no_attempt() {
    for (_, made) in engines().await {
        if made.engine != "postgres" {
            continue;
        }
        made.administer(include_str!("../../permissions/postgres.sql")).await;
        let url = made.url_as("mint_distributor");
        let database = mint_store::Database::open(&url, SCHEMA, MIGRATIONS, false).await.unwrap();
        let store = SqlAttempts::new(database.clone());
        let old = store.begin(&claim("shop", 6, 1), &[start("one", 1)], &[]).await.unwrap();
        let new = store.begin(&claim("shop", 7, 2), &[start("one", 5)], &old).await.unwrap();
        let shop = "shop".parse().unwrap();
        store.answer(&shop, &[(new[0], Answered::Written)]).await.unwrap();
        assert_eq!(store.read(&claim("shop", 7, 2)).await.unwrap().len(), 1);
        for forbidden in [
            "UPDATE attempt SET expires_at = 0",
            "UPDATE attempt SET version = 1",
            "DELETE FROM highest_version",
            "DELETE FROM application",
            "DELETE FROM object",
            "DELETE FROM pin",
            "DELETE FROM permit",
            "UPDATE permit SET used_at = 0",
            "DROP TABLE attempt",
            "CREATE TABLE other (x TEXT)",
        ] {
            assert!(database.execute(forbidden, &[]).await.is_err(), "{forbidden}");
        }
    }
}
