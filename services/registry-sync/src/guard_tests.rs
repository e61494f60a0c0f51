//! Operators, owners and the registry's guard, with the catalog on every engine.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mint_runtime::StatementsConfig;
use mint_statement::{DestinationSet, SignedStatement, Statement, StatementKey, Subject, TrustedKeys};
use mint_testkit::SeededEntropy;
use mint_types::{Clock, Presence};

use crate::{
    decide::Deciding,
    execute::tests::{World, draft, entry, id, member, operator, worlds},
    model::Entry,
    plan::Change,
    settings::Defaults,
    statements::Statements,
};

fn key(signer: &str, seed: u8) -> StatementKey {
    StatementKey::from_seed(signer.parse().unwrap(), &[seed; 32]).unwrap()
}

fn statements(directory: &Path) -> Statements {
    let signers = [("operator/ada", 1), ("operator/bea", 2), ("team/stups", 3), ("team/heirs", 4)];
    let keys: Vec<_> = signers.iter().map(|(signer, seed)| key(signer, *seed).trusted()).collect();
    let file = directory.join("keys.json");
    std::fs::write(&file, TrustedKeys::to_text(keys)).unwrap();
    Statements(StatementsConfig { keys_file: Some(file) })
}

fn deciding(world: &World, statements: Statements) -> Deciding {
    Deciding {
        catalog: world.catalog.clone(),
        audit: mint_port::Port::held_by("registry-sync", Arc::new(world.audit.clone())),
        entropy: Arc::new(SeededEntropy::default()),
        clock: Arc::new(world.clock.clone()),
        statements,
    }
}

fn release(world: &World, acts: u32, seed: u64) -> Statement {
    let subject = Subject::RegistryRelease { acts, applications: BTreeSet::new() };
    Statement::new(subject, world.clock.now(), Duration::from_hours(1), &SeededEntropy::new(seed))
}

/// Two replicas plan by the same books.
#[tokio::test]
async fn contract_a_release_is_not_overspent_by_whoever_planned_before_others_spent_it() {
    let directory = tempfile::tempdir().unwrap();
    for world in worlds().await {
        world.put(&["a1", "b1", "c1", "d1"]);
        world.synchronizer.full().await.unwrap();
        let deciding = deciding(&world, statements(directory.path()));
        let both = SignedStatement::sign(release(&world, 1, 1), &key("operator/ada", 1)).unwrap();
        let both = both.signed_by(&key("operator/bea", 2)).to_bytes();
        let payer = deciding.release(&both).await.unwrap().id;
        let held = |name: &str| Change::Held { id: id(name), release: Some(payer.clone()) };
        world.catalog.apply(&[held("b1")]).await.unwrap();
        let refused = world.catalog.apply(&[held("c1"), held("d1")]).await.unwrap_err();
        assert_eq!(refused.reason(), "SOURCE_SHRANK");
        let records = world.catalog.snapshot().await.unwrap();
        let gone = records.values().filter(|record| record.presence == Presence::Held).count();
        assert_eq!((gone, deciding.release(&both).await.unwrap().spent), (1, 1));
    }
}

#[tokio::test]
async fn contract_a_release_by_two_operators_lets_a_list_shrink_once() {
    let directory = tempfile::tempdir().unwrap();
    for world in worlds().await {
        world.put(&["a1", "b1", "c1", "d1"]);
        world.synchronizer.full().await.unwrap();
        let deciding = deciding(&world, statements(directory.path()));
        for name in ["b1", "c1"] {
            world.source.remove(&id(name));
        }
        assert_eq!(world.synchronizer.full().await.unwrap_err().reason(), "SOURCE_SHRANK");
        let one = SignedStatement::sign(release(&world, 1, 1), &key("operator/ada", 1)).unwrap();
        let refused = deciding.release(&one.to_bytes()).await.unwrap_err();
        assert_eq!(refused.reason(), "STATEMENT_SIGNERS_MISSING");
        let both = one.signed_by(&key("operator/bea", 2)).to_bytes();
        assert_eq!(deciding.release(&both).await.unwrap().remaining(), 1);
        world.synchronizer.full().await.unwrap();
        assert_eq!(deciding.release(&both).await.unwrap().remaining(), 0);
        let held = |world: &World| {
            let catalog = world.catalog.clone();
            async move {
                let records = catalog.snapshot().await.unwrap();
                records.values().filter(|record| record.presence == Presence::Held).count()
            }
        };
        assert_eq!(held(&world).await, 2);
        world.source.remove(&id("d1"));
        assert_eq!(world.synchronizer.full().await.unwrap_err().reason(), "SOURCE_SHRANK");
        assert_eq!(held(&world).await, 2);
        let told: Vec<_> = world.audit.entries().iter().map(|entry| entry.act.action).collect();
        assert_eq!(told, ["registry.release"; 2], "announced and concluded, once");
    }
}

#[tokio::test]
async fn contract_an_operator_retires_only_what_the_registry_lost() {
    for world in worlds().await {
        world.put(&["a1", "b1"]);
        world.synchronizer.full().await.unwrap();
        let deciding = deciding(&world, Statements::default());
        let refused = deciding.retire(&operator(), &id("a1")).await.unwrap_err();
        assert_eq!(refused.reason(), "APPLICATION_IN_REGISTRY");
        assert_eq!(
            deciding.retire(&operator(), &id("nobody")).await.unwrap_err().reason(),
            "APPLICATION_UNKNOWN"
        );
        world.source.remove(&id("a1"));
        world.synchronizer.full().await.unwrap();
        world.audit.set_down(true);
        assert_eq!(deciding.retire(&operator(), &id("a1")).await.unwrap_err().reason(), "AUDIT_UNAVAILABLE");
        world.audit.set_down(false);
        let retired = deciding.retire(&operator(), &id("a1")).await.unwrap();
        assert_eq!(deciding.retire(&operator(), &id("a1")).await.unwrap(), retired);
        let served = retired.clone().served(&Defaults::default());
        assert_eq!((served.presence, served.active), (Presence::Retired, false));
        assert_eq!(served.identity_revision, served.revision);
        let restored = deciding.restore(&operator(), &id("a1")).await.unwrap();
        let served = restored.served(&Defaults::default());
        assert_eq!((served.presence, served.active), (Presence::Held, true));
        deciding.retire(&operator(), &id("a1")).await.unwrap();
        world.put(&["a1"]);
        world.synchronizer.full().await.unwrap();
        let back = world.catalog.record(&id("a1")).await.unwrap().unwrap();
        assert!(back.is_in_use() && back.decision.is_none(), "the registry has it again");
    }
}

#[tokio::test]
async fn contract_what_an_operator_keeps_in_use_stays_so_until_the_registry_says_the_same() {
    for world in worlds().await {
        world.put(&["a1"]);
        world.synchronizer.full().await.unwrap();
        let deciding = deciding(&world, Statements::default());
        let inactive = || {
            let mut inactive = entry("a1");
            inactive.facts.active = false;
            inactive
        };
        world.source.put(inactive());
        world.synchronizer.full().await.unwrap();
        let served = async || {
            let record = world.catalog.record(&id("a1")).await.unwrap().unwrap();
            let served = record.served(&Defaults::default());
            let kinds: Vec<_> = served.problems.iter().map(|problem| problem.kind.clone()).collect();
            (served.active, kinds)
        };
        assert_eq!(served().await, (false, vec![]));
        deciding.restore(&operator(), &id("a1")).await.unwrap();
        world.synchronizer.full().await.unwrap();
        assert_eq!(served().await, (true, vec!["kept_by_operator".to_owned()]));
        deciding.retire(&operator(), &id("a1")).await.unwrap();
        assert_eq!(served().await, (false, vec![]));
        deciding.restore(&operator(), &id("a1")).await.unwrap();
        world.put(&["a1"]);
        world.synchronizer.full().await.unwrap();
        assert_eq!(served().await, (true, vec![]));
        world.clock.advance(Duration::from_hours(24));
        world.source.put(inactive());
        world.synchronizer.full().await.unwrap();
        assert_eq!(served().await, (false, vec![]), "the decision is over");
    }
}

fn destinations(world: &World, team: &str) -> Statement {
    let settings = draft().checked(&Defaults::default()).unwrap().effective(&Defaults::default());
    let set = DestinationSet::of(id("a1"), team.parse().unwrap(), &settings);
    let entropy = SeededEntropy::default();
    Statement::new(Subject::Destinations(set), world.clock.now(), Duration::from_hours(1), &entropy)
}

#[tokio::test]
async fn contract_a_destinations_statement_names_exactly_the_settings() {
    let directory = tempfile::tempdir().unwrap();
    for world in worlds().await {
        world.put(&["a1"]);
        world.synchronizer.full().await.unwrap();
        let entering = world.entering.clone().believing(statements(directory.path()));
        let by = |signer: &str, seed| {
            SignedStatement::sign(destinations(&world, "stups"), &key(signer, seed)).unwrap().to_bytes()
        };
        let enter = async |draft, statement: &[u8]| {
            entering.draft(&member("stups"), &id("a1"), 0, draft, statement).await
        };
        let moved = crate::settings::Draft { prefix: "moved".into(), ..draft() };
        let own = by("team/stups", 3);
        assert_eq!(enter(moved, &own).await.unwrap_err().reason(), "STATEMENT_MISMATCH");
        let stranger = by("team/heirs", 4);
        assert_eq!(enter(draft(), &stranger).await.unwrap_err().reason(), "STATEMENT_SIGNERS_MISSING");
        assert_eq!(enter(draft(), b"{}").await.unwrap_err().reason(), "STATEMENT_MALFORMED");
        let entered = enter(draft(), &own).await.unwrap();
        assert_eq!(entered.settings_generation, 1);
        assert_eq!(entered.served(&Defaults::default()).destinations_statement, own);
        let operators = by("operator/ada", 1);
        let again = enter(draft(), &operators).await.unwrap();
        assert_eq!((again.settings_generation, again.statement.unwrap().into_bytes()), (1, operators));
        let unconfirmed = world.entering.draft(&member("stups"), &id("a1"), 1, draft(), &own).await;
        assert_eq!(unconfirmed.unwrap_err().reason(), "STATEMENT_UNTRUSTED", "nobody is trusted there");
    }
}

#[tokio::test]
async fn contract_another_owner_confirms_the_destinations_first() {
    let directory = tempfile::tempdir().unwrap();
    for world in worlds().await {
        world.put(&["a1"]);
        world.synchronizer.full().await.unwrap();
        let entering = world.entering.clone().believing(statements(directory.path()));
        let sign = |team: &str, signer: &str, seed| {
            SignedStatement::sign(destinations(&world, team), &key(signer, seed)).unwrap().to_bytes()
        };
        let first = sign("stups", "team/stups", 3);
        entering.draft(&member("stups"), &id("a1"), 0, draft(), &first).await.unwrap();
        let mut inherited: Entry = entry("a1");
        inherited.facts.team_id = "heirs".parse().unwrap();
        world.source.put(inherited);
        world.synchronizer.full().await.unwrap();
        let record = world.catalog.record(&id("a1")).await.unwrap().unwrap();
        assert_eq!((record.statement.as_ref(), record.settings_generation), (None, 1));
        let served = record.served(&Defaults::default());
        assert_eq!(served.problems[0].kind, "owner_changed");
        let old = entering.draft(&member("stups"), &id("a1"), 1, draft(), &first).await;
        assert_eq!(old.unwrap_err().reason(), "NOT_OWNER");
        let replayed = entering.draft(&member("heirs"), &id("a1"), 1, draft(), &first).await;
        assert_eq!(replayed.unwrap_err().reason(), "STATEMENT_MISMATCH");
        let unsigned = entering.draft(&member("heirs"), &id("a1"), 1, draft(), &[]).await.unwrap();
        assert!(unsigned.is_unconfirmed());
        let own = sign("heirs", "team/heirs", 4);
        let confirmed = entering.draft(&member("heirs"), &id("a1"), 1, draft(), &own).await.unwrap();
        assert_eq!((confirmed.is_unconfirmed(), confirmed.settings_generation), (false, 1));
        assert_eq!(confirmed.served(&Defaults::default()).problems, []);

        world.source.put(entry("a1"));
        world.synchronizer.full().await.unwrap();
        let handed_over = sign("stups", "team/heirs", 4);
        let back = entering.draft(&member("stups"), &id("a1"), 1, draft(), &handed_over).await.unwrap();
        assert!(!back.is_unconfirmed(), "the former owner says whose it is");
    }
}

#[tokio::test]
async fn contract_a_missing_identity_raises_what_it_was_applied_at_and_tombstones_are_forgotten() {
    for world in worlds().await {
        world.put(&["a1"]);
        world.synchronizer.full().await.unwrap();
        world.entering.draft(&operator(), &id("a1"), 0, draft(), &[]).await.unwrap();
        let moved = crate::settings::Draft { prefix: "moved".into(), ..draft() };
        let record = world.entering.draft(&operator(), &id("a1"), 1, moved, &[]).await.unwrap();
        assert_eq!(record.removed.len(), 2);
        let rest = world.catalog.record_tombstones(&id("a1"), &record.removed[..1]).await.unwrap();
        assert_eq!(rest.removed, record.removed[1..]);
        let missing = world.catalog.identity_missing(&id("a1")).await.unwrap();
        assert_eq!((missing.identity_revision, missing.removed), (missing.revision, rest.removed));
    }
}
