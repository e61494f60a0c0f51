use std::sync::Arc;
use std::time::Duration;

use mint_audit::{
    DatabaseLog, Draft, Error, Filter, Leaf, LogStore, MIGRATIONS, Refusal, SCHEMA, canonical_bytes,
    leaf_hash,
};
use mint_store::Database;
use mint_testkit::{ManualClock, SeededEntropy, TestDatabase, databases};
use mint_types::Clock;

use crate::stage::{complete, init};

struct Case {
    at: TestDatabase,
    log: DatabaseLog,
    clock: ManualClock,
    entropy: SeededEntropy,
}

async fn cases() -> Vec<Case> {
    let clock = ManualClock::default();
    let case = |at: TestDatabase| Case {
        log: DatabaseLog::new(at.database.clone(), Arc::new(clock.clone())),
        at,
        clock: clock.clone(),
        entropy: SeededEntropy::default(),
    };
    databases(SCHEMA, MIGRATIONS).await.into_iter().map(case).collect()
}

async fn one(log: &DatabaseLog, draft: &Draft) -> Result<Leaf, Refusal> {
    log.append(std::slice::from_ref(draft)).await.unwrap().remove(0)
}

#[tokio::test]
async fn contract_what_was_answered_is_there_after_reopening() {
    for case in cases().await {
        let mut drafts: Vec<Draft> =
            (0..4).map(|number| init(&case.entropy, &format!("user-{number}"))).collect();
        drafts.push(Draft {
            requested_role: "data-role-via-jwt".into(),
            subject: "ci-job".into(),
            ..init(&case.entropy, "arn:aws:iam::111111111111:role/reader")
        });
        let answers = case.log.append(&drafts).await.unwrap();
        let leaves: Vec<Leaf> = answers.into_iter().map(Result::unwrap).collect();
        case.at.database.close().await;

        let database = Database::open(&case.at.url, SCHEMA, MIGRATIONS, false).await.unwrap();
        let log = DatabaseLog::new(database, Arc::new(case.clock.clone()));
        let page = log.list(&Filter::default(), 0, 100).await.unwrap();
        assert_eq!(page.next, None);
        for (index, (stored, (draft, leaf))) in
            page.entries.iter().zip(drafts.iter().zip(&leaves)).enumerate()
        {
            assert_eq!((&stored.draft, &stored.leaf), (draft, leaf), "{}", case.at.engine);
            assert_eq!(stored.leaf.index, index as u64);
            let hash = leaf_hash(&canonical_bytes(stored.leaf.index, stored.leaf.at, &stored.draft));
            assert_eq!(stored.leaf.hash, hash, "what is stored has the hash that was answered");
        }
        assert_eq!(page.entries.len(), 5);
    }
}

#[tokio::test]
async fn contract_an_entry_id_with_the_same_content_is_the_same_leaf() {
    for case in cases().await {
        let draft = init(&case.entropy, "stups_kio");
        let leaf = one(&case.log, &draft).await.unwrap();
        case.clock.advance(Duration::from_mins(1));
        assert_eq!(one(&case.log, &draft).await.unwrap(), leaf, "{}", case.at.engine);
        let twice = case.log.append(&[draft.clone(), draft]).await.unwrap();
        assert_eq!(twice, [Ok(leaf), Ok(leaf)]);
        assert_eq!(case.log.list(&Filter::default(), 0, 10).await.unwrap().entries.len(), 1);
    }
}

#[tokio::test]
async fn contract_an_entry_id_with_another_content_is_refused() {
    for case in cases().await {
        let draft = init(&case.entropy, "stups_kio");
        one(&case.log, &draft).await.unwrap();
        let other_act = Draft { resource: "stups_other".into(), ..draft.clone() };
        let other_actor =
            Draft { actor: "spiffe://mint.local/service/distributor".parse().unwrap(), ..draft };
        for changed in [other_act, other_actor] {
            assert_eq!(one(&case.log, &changed).await, Err(Refusal::EntryConflict), "{}", case.at.engine);
        }
        assert_eq!(case.log.list(&Filter::default(), 0, 10).await.unwrap().entries.len(), 1);
    }
}

#[tokio::test]
async fn contract_an_outcome_needs_its_own_announcement_once() {
    for case in cases().await {
        let announced = init(&case.entropy, "stups_kio");
        let index = one(&case.log, &announced).await.unwrap().index;
        let outcome = complete(&case.entropy, &announced, index);
        let missing = complete(&case.entropy, &announced, index + 7);
        let huge = complete(&case.entropy, &announced, u64::MAX);
        let of_another =
            Draft { resource: "stups_other".into(), ..complete(&case.entropy, &announced, index) };
        let by_another = Draft {
            actor: "spiffe://mint.local/service/coordinator".parse().unwrap(),
            ..complete(&case.entropy, &announced, index)
        };
        assert_eq!(one(&case.log, &missing).await, Err(Refusal::InitMissing));
        assert_eq!(one(&case.log, &huge).await, Err(Refusal::InitMissing));
        assert_eq!(one(&case.log, &of_another).await, Err(Refusal::InitMismatch));
        assert_eq!(one(&case.log, &by_another).await, Err(Refusal::InitMismatch));
        let leaf = one(&case.log, &outcome).await.unwrap();
        assert_eq!(one(&case.log, &outcome).await.unwrap(), leaf, "{}: repeated", case.at.engine);
        let second = complete(&case.entropy, &announced, index);
        assert_eq!(one(&case.log, &second).await, Err(Refusal::AlreadyCompleted), "{}", case.at.engine);
        let of_outcome = complete(&case.entropy, &announced, leaf.index);
        assert_eq!(one(&case.log, &of_outcome).await, Err(Refusal::InitMissing));
    }
}

#[tokio::test]
async fn contract_a_refused_entry_does_not_spoil_its_batch() {
    for case in cases().await {
        let announced = init(&case.entropy, "stups_kio");
        let batch = [
            announced.clone(),
            complete(&case.entropy, &announced, 99),
            complete(&case.entropy, &announced, 0),
            complete(&case.entropy, &announced, 0),
            Draft { resource: "other".into(), ..announced.clone() },
            init(&case.entropy, "stups_zmon"),
        ];
        let answers = case.log.append(&batch).await.unwrap();
        let indexes: Vec<Result<u64, Refusal>> =
            answers.into_iter().map(|answer| answer.map(|leaf| leaf.index)).collect();
        let expected = [
            Ok(0),
            Err(Refusal::InitMissing),
            Ok(1),
            Err(Refusal::AlreadyCompleted),
            Err(Refusal::EntryConflict),
            Ok(2),
        ];
        assert_eq!(indexes, expected, "{}: positions have no gaps", case.at.engine);
    }
}

#[tokio::test]
async fn contract_concurrent_logs_on_one_database_leave_no_gap() {
    for case in cases().await {
        let second = Database::open(&case.at.url, SCHEMA, MIGRATIONS, false).await.unwrap();
        let logs = [
            Arc::new(DatabaseLog::new(case.at.database.clone(), Arc::new(case.clock.clone()))),
            Arc::new(DatabaseLog::new(second, Arc::new(case.clock.clone()))),
        ];
        let appends = (0..20).map(|number| {
            let (log, draft) =
                (Arc::clone(&logs[number % 2]), init(&case.entropy, &format!("user-{number}")));
            tokio::spawn(async move { one(&log, &draft).await.unwrap().index })
        });
        let mut indexes: Vec<u64> =
            futures::future::join_all(appends).await.into_iter().map(Result::unwrap).collect();
        indexes.sort_unstable();
        assert_eq!(indexes, (0..20).collect::<Vec<_>>(), "{}", case.at.engine);
    }
}

#[tokio::test]
async fn contract_entries_are_listed_by_filter_in_pages() {
    for case in cases().await {
        let start = case.clock.now();
        for number in 0..12_u64 {
            let mut draft = init(&case.entropy, &format!("user-{number}"));
            if number % 3 == 0 {
                draft.application = Some("zmon".parse().unwrap());
            }
            if number % 4 == 0 {
                draft.action = "identity.ensure".into();
                draft.actor = "spiffe://mint.local/service/identity-provisioner".parse().unwrap();
            }
            draft.rotation = (number >= 10).then(|| "00000000-0000-4000-8000-000000000001".parse().unwrap());
            one(&case.log, &draft).await.unwrap();
            case.clock.advance(Duration::from_secs(1));
        }
        let listed = async |filter: Filter| -> Vec<u64> {
            let mut indexes = Vec::new();
            let mut next = Some(0);
            while let Some(start) = next {
                let page = case.log.list(&filter, start, 2).await.unwrap();
                assert!(page.entries.len() <= 2);
                indexes.extend(page.entries.iter().map(|stored| stored.leaf.index));
                next = page.next;
            }
            indexes
        };
        let zmon = Some("zmon".parse().unwrap());
        let provisioner = Some("spiffe://mint.local/service/identity-provisioner".parse().unwrap());
        let at = |seconds| Some(start.plus(Duration::from_secs(seconds)));
        let table: Vec<(Filter, Vec<u64>)> = vec![
            (Filter::default(), (0..12).collect()),
            (Filter { application: zmon.clone(), ..Filter::default() }, vec![0, 3, 6, 9]),
            (Filter { actor: provisioner, ..Filter::default() }, vec![0, 4, 8]),
            (
                Filter { action: Some("identity.ensure".into()), application: zmon, ..Filter::default() },
                vec![0],
            ),
            (
                Filter {
                    rotation: Some("00000000-0000-4000-8000-000000000001".parse().unwrap()),
                    ..Filter::default()
                },
                vec![10, 11],
            ),
            (Filter { since: at(3), until: at(6), ..Filter::default() }, vec![3, 4, 5]),
            (Filter { since: at(100), ..Filter::default() }, vec![]),
            (Filter { until: at(0), ..Filter::default() }, vec![]),
            (Filter { until: at(100), ..Filter::default() }, (0..12).collect()),
        ];
        for (filter, expected) in table {
            let shown = format!("{}: {filter:?}", case.at.engine);
            assert_eq!(listed(filter).await, expected, "{shown}");
        }
    }
}

#[tokio::test]
async fn contract_time_never_runs_backwards_in_the_log() {
    for case in cases().await {
        let first = one(&case.log, &init(&case.entropy, "a")).await.unwrap();
        case.clock.set("2020-01-01T00:00:00Z".parse().unwrap());
        let second = one(&case.log, &init(&case.entropy, "b")).await.unwrap();
        assert_eq!(second.at, first.at, "{}", case.at.engine);
        case.clock.set(first.at.plus(Duration::from_secs(1)));
        assert!(one(&case.log, &init(&case.entropy, "c")).await.unwrap().at > second.at);
    }
}

#[tokio::test]
async fn contract_a_closed_database_is_unavailable_and_never_success() {
    for case in cases().await {
        case.at.database.close().await;
        let error = case.log.append(&[init(&case.entropy, "stups_kio")]).await.unwrap_err();
        assert!(matches!(error, Error::StateUnavailable(_)), "{}: {error:?}", case.at.engine);
        assert_eq!(error.code(), mint_types::Code::Unavailable);
    }
}

#[tokio::test]
async fn contract_the_role_may_neither_change_nor_drop() {
    for case in cases().await {
        if case.at.engine != "postgres" {
            continue;
        }
        case.at.administer(include_str!("../../permissions/postgres.sql")).await;
        let url = case.at.url_as("mint_audit");
        let database = Database::open(&url, SCHEMA, MIGRATIONS, false).await.unwrap();
        let log = DatabaseLog::new(database.clone(), Arc::new(case.clock.clone()));
        one(&log, &init(&case.entropy, "stups_kio")).await.unwrap();
        assert_eq!(log.list(&Filter::default(), 0, 10).await.unwrap().entries.len(), 1);
        for forbidden in [
            "UPDATE entries SET resource = 'x'",
            "DELETE FROM entries",
            "TRUNCATE entries",
            "DROP TABLE entries",
            "ALTER TABLE entries ADD COLUMN x TEXT",
            "DELETE FROM mint_migrations",
            "CREATE TABLE other (x TEXT)",
        ] {
            assert!(database.execute(forbidden, &[]).await.is_err(), "{forbidden}");
        }
        assert_eq!(log.list(&Filter::default(), 0, 10).await.unwrap().entries.len(), 1);
    }
}
