//! Removal, permits, releases, orphans and clocks, with the state on every engine.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mint_api::audit_log::Outcome as Told;
use mint_statement::{Removal, SignedStatement, Signer, StatementKey, TrustedKeys};
use mint_testkit::SeededEntropy;
use mint_types::{ApplicationId, Clock, Presence, ServiceName};

use super::*;
use crate::elapsed::Moment;
use crate::execute::tests::{World, id, order, reason, unanswered, worlds};
use crate::{
    adapters::memory::{Trouble, application, naming},
    model::Stage,
    plan::Refusal,
    state::CALL_LIFE,
};

const WEEK: Duration = Duration::from_hours(7 * 24);
const HOUR: Duration = Duration::from_hours(1);

fn key(signer: &str, seed: u8) -> StatementKey {
    StatementKey::from_seed(signer.parse().unwrap(), &[seed; 32]).unwrap()
}

/// The files of a world with two operators, and this service's key.
fn statements(directory: &Path) -> Statements {
    let own = directory.join("statement.key");
    let text = StatementKey::generate(&SeededEntropy::default());
    std::fs::write(&own, text.as_bytes()).unwrap();
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o600)).unwrap();
    let provisioner = Signer::Service(ServiceName::IdentityProvisioner);
    let keys = [
        key("operator/ada", 1).trusted(),
        key("operator/bea", 2).trusted(),
        StatementKey::read(provisioner, &own).unwrap().trusted(),
    ];
    let file = directory.join("keys.json");
    std::fs::write(&file, TrustedKeys::to_text(keys.to_vec())).unwrap();
    Statements { keys_file: Some(file), key_file: Some(own) }
}

fn release(world: &World, acts: u32, names: &[&str], signers: &[(&str, u8)], seed: u64) -> Vec<u8> {
    let applications: BTreeSet<ApplicationId> = names.iter().map(|name| id(name)).collect();
    let subject = Subject::RegistryRelease { acts, applications };
    let entropy = SeededEntropy::new(seed);
    let statement = Statement::new(subject, world.clock.now(), HOUR * 48, &entropy);
    let (first, rest) = signers.split_first().unwrap();
    let signed = SignedStatement::sign(statement, &key(first.0, first.1)).unwrap();
    rest.iter().fold(signed, |signed, (name, seed)| signed.signed_by(&key(name, *seed))).to_bytes()
}

const BOTH: &[(&str, u8)] = &[("operator/ada", 1), ("operator/bea", 2)];

async fn gone(world: &World, name: &str) {
    world.set_active(name, false);
    world.provisioner.disable(&order(name, 1)).await.unwrap();
    world.clock.advance(WEEK);
    world.provisioner.delete(&order(name, 1)).await.unwrap();
}

#[tokio::test]
async fn contract_a_disabled_identity_is_restored_as_it_was_until_it_is_deleted() {
    for world in worlds().await {
        let before = world.ensure("kio", 1).await.unwrap();
        let user = world.issuer.user("stups_kio").unwrap();
        world.set_active("kio", false);
        world.provisioner.disable(&order("kio", 1)).await.unwrap();
        assert_eq!(reason(world.provisioner.restore(&order("kio", 1)).await), "APPLICATION_INACTIVE");
        world.clock.advance(WEEK.saturating_sub(HOUR));
        let error = world.provisioner.delete(&order("kio", 1)).await.unwrap_err();
        let fault = mint_api::Fault::from(error);
        assert_eq!((fault.reason, fault.retry_after), ("TOMBSTONE_NOT_PASSED", Some(HOUR)));
        world.edit("kio", |record| {
            record.active = true;
            record.presence = Presence::Held;
        });
        let after = world.provisioner.restore(&order("kio", 1)).await.unwrap();
        assert_eq!((&after.username, &after.client_id), (&before.username, &before.client_id));
        assert_eq!(world.issuer.user("stups_kio").unwrap(), user);
        assert_eq!((after.disabled_at, after.incarnation), (None, 0));
        // the next removal has its whole period again
        world.edit("kio", |record| {
            record.active = false;
            record.presence = Presence::Retired;
        });
        world.provisioner.disable(&order("kio", 1)).await.unwrap();
        world.clock.advance(HOUR * 2);
        assert_eq!(reason(world.provisioner.delete(&order("kio", 1)).await), "TOMBSTONE_NOT_PASSED");
    }
}

#[tokio::test]
async fn contract_a_clock_that_jumps_an_hour_frees_no_budget_and_ends_no_tombstone_early() {
    for world in worlds().await {
        let names = world.fleet(9).await;
        for name in &names[..2] {
            world.set_active(name, false);
        }
        world.provisioner.disable(&order(&names[0], 1)).await.unwrap();
        let jump = |hours: i64| {
            let now = world.clock.now().unix_micros() + hours * 3_600_000_000;
            world.clock.set(mint_types::Timestamp::from_unix_micros(now));
        };
        let refused = "BUDGET_EXHAUSTED";
        for hours in [1, -1, -1, 30, -29] {
            jump(hours);
            let second = world.provisioner.disable(&order(&names[1], 1)).await;
            assert_eq!(reason(second), refused, "a jump of {hours} h");
        }
        world.clock.advance(HOUR * 23);
        jump(1);
        assert_eq!(reason(world.provisioner.disable(&order(&names[1], 1)).await), refused);
        jump(-1);
        world.clock.advance(HOUR * 2);
        world.provisioner.disable(&order(&names[1], 1)).await.unwrap();
        world.clock.advance(WEEK.saturating_sub(HOUR * 27));
        jump(1);
        assert_eq!(reason(world.provisioner.delete(&order(&names[0], 1)).await), "TOMBSTONE_NOT_PASSED");
        jump(-2);
        // after a restart of the machine only the wall clock tells, and it is behind: nothing is freed
        world.clock.reboot();
        world.clock.advance(HOUR);
        assert_eq!(reason(world.provisioner.delete(&order(&names[0], 1)).await), "TOMBSTONE_NOT_PASSED");
        world.clock.advance(HOUR * 4);
        world.provisioner.delete(&order(&names[0], 1)).await.unwrap();
    }
}

#[tokio::test]
async fn contract_acts_on_one_application_within_a_day_are_one_act() {
    let directory = tempfile::tempdir().unwrap();
    for world in worlds().await {
        let world = world.with_statements(statements(directory.path()));
        let names = world.fleet(9).await;
        for name in &names[..2] {
            world.set_active(name, false);
        }
        let first = order(&names[0], 1);
        world.provisioner.disable(&first).await.unwrap();
        world.clock.advance(WEEK);
        world.provisioner.permit(&first, Taking::Tombstone).await.unwrap();
        world.provisioner.permit(&first, Taking::Tombstone).await.unwrap();
        world.provisioner.delete(&first).await.unwrap();
        world.provisioner.permit(&first, Taking::Tombstone).await.unwrap();
        let budget = world.provisioner.budget().await.unwrap().accounts;
        assert_eq!((budget.standing.spent, budget.standing.allowed, budget.standing.fleet), (1, 1, 8));
        assert_eq!(reason(world.provisioner.disable(&order(&names[1], 1)).await), "BUDGET_EXHAUSTED");
        let budget = world.provisioner.budget().await.unwrap().accounts;
        assert_eq!(budget.waiting.len(), 1);
        assert_eq!(
            (budget.waiting[0].subject.as_str(), budget.waiting[0].act.as_str()),
            (&*names[1], "disable")
        );
        world.clock.advance(HOUR * 25);
        world.provisioner.disable(&order(&names[1], 1)).await.unwrap();
        assert_eq!(world.provisioner.budget().await.unwrap().accounts.waiting, []);
    }
}

#[tokio::test]
async fn contract_a_permit_says_what_the_catalog_justifies_and_is_signed_by_this_service() {
    let directory = tempfile::tempdir().unwrap();
    for world in worlds().await {
        world.ensure("kio", 3).await.unwrap();
        world.set_active("kio", false);
        world.provisioner.disable(&order("kio", 3)).await.unwrap();
        world.clock.advance(WEEK);
        assert_eq!(
            reason(world.provisioner.permit(&order("kio", 3), Taking::Tombstone).await),
            "NO_STATEMENT_KEY"
        );
        let world = world.with_statements(statements(directory.path()));
        assert_eq!(
            reason(world.provisioner.permit(&order("kio", 2), Taking::Tombstone).await),
            "STALE_FENCING_TOKEN"
        );
        assert_eq!(
            reason(world.provisioner.permit(&order("kio", 3), Taking::Destinations).await),
            "NOTHING_REMOVED"
        );
        world.audit.set_down(true);
        assert_eq!(
            reason(world.provisioner.permit(&order("kio", 3), Taking::Tombstone).await),
            "AUDIT_UNAVAILABLE"
        );
        world.audit.set_down(false);
        let permit = world.provisioner.permit(&order("kio", 3), Taking::Tombstone).await.unwrap();
        assert_eq!(world.audit.entries().pop().unwrap().outcome, Some(Told::Success));
        assert_eq!(permit.expires_at, world.clock.now().plus(HOUR));
        let verified =
            world.provisioner.statements.verified(permit.text.as_bytes(), world.clock.now()).unwrap();
        let statement = verified.by_service(ServiceName::IdentityProvisioner).unwrap();
        let expected = Subject::RemovalPermit { application: id("kio"), removal: Removal::Application };
        assert_eq!(statement.subject, expected);
    }
}

#[tokio::test]
async fn contract_a_release_by_two_operators_lets_more_go_and_is_acted_upon_once() {
    let directory = tempfile::tempdir().unwrap();
    for world in worlds().await {
        let names = world.fleet(9).await;
        for name in &names[..5] {
            world.set_active(name, false);
        }
        let one = release(&world, 2, &[], &BOTH[..1], 1);
        assert_eq!(reason(world.provisioner.release(&one).await), "STATEMENT_UNTRUSTED");
        let world = world.with_statements(statements(directory.path()));
        assert_eq!(reason(world.provisioner.release(&one).await), "STATEMENT_SIGNERS_MISSING");
        let both = release(&world, 2, &[], BOTH, 1);
        assert_eq!(world.provisioner.release(&both).await.unwrap().remaining(), 2);
        let disable = async |name: &str| world.provisioner.disable(&order(name, 1)).await;
        for name in &names[..3] {
            disable(name).await.unwrap();
        }
        assert_eq!(reason(disable(&names[3]).await), "BUDGET_EXHAUSTED");
        assert_eq!(world.provisioner.release(&both).await.unwrap().remaining(), 0, "replayed in vain");
        assert_eq!(reason(disable(&names[3]).await), "BUDGET_EXHAUSTED");
        let other = release(&world, 1, &[&names[4]], BOTH, 2);
        world.provisioner.release(&other).await.unwrap();
        assert_eq!(reason(disable(&names[3]).await), "BUDGET_EXHAUSTED", "it names another");
        disable(&names[4]).await.unwrap();
        assert_eq!(world.provisioner.budget().await.unwrap().accounts.standing.spent, 1);
        world.clock.advance(HOUR * 48);
        assert_eq!(reason(world.provisioner.release(&both).await), "STATEMENT_NOT_IN_FORCE");
    }
}

#[tokio::test]
async fn contract_a_deleted_id_is_made_again_only_after_a_release_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    for world in worlds().await {
        let world = world.with_statements(statements(directory.path()));
        world.ensure("kio", 1).await.unwrap();
        let early = release(&world, 1, &["kio"], BOTH, 1);
        world.provisioner.release(&early).await.unwrap();
        gone(&world, "kio").await;
        world.set_active("kio", true);
        let world = world.restarted();
        assert_eq!(reason(world.ensure("kio", 1).await), "IDENTITY_DELETED", "it was released before");
        assert_eq!(reason(world.provisioner.enable(&order("kio", 1)).await), "IDENTITY_UNKNOWN");
        let anybody = release(&world, 9, &[], BOTH, 2);
        world.provisioner.release(&anybody).await.unwrap();
        assert_eq!(reason(world.ensure("kio", 1).await), "IDENTITY_DELETED", "nobody named it");
        let named = release(&world, 1, &["kio"], BOTH, 3);
        world.provisioner.release(&named).await.unwrap();
        world.issuer.trouble(Trouble::Before(unanswered()));
        assert_eq!(reason(world.ensure("kio", 1).await), "ISSUER_UNKNOWN_OUTCOME");
        let again = world.ensure("kio", 1).await.unwrap();
        assert_eq!((again.foreign, again.incarnation, again.released), (false, 1, false));
        gone(&world, "kio").await;
        world.set_active("kio", true);
        assert_eq!(reason(world.ensure("kio", 1).await), "IDENTITY_DELETED", "once");
    }
}

#[tokio::test]
async fn contract_a_user_that_vanishes_is_told_to_the_catalog_and_made_again() {
    for world in worlds().await {
        world.ensure("kio", 1).await.unwrap();
        world.catalog.put(application("other", &[]));
        world.ensure("other", 1).await.unwrap();
        assert_eq!(world.provisioner.look().await.unwrap().vanished, []);
        world.issuer.calls();
        world.issuer.remove("stups_kio");
        world.catalog.set_deaf(true);
        assert_eq!(reason(world.provisioner.look().await), "CATALOG_UNAVAILABLE");
        world.catalog.set_deaf(false);
        world.issuer.calls();
        assert_eq!(world.provisioner.look().await.unwrap().vanished, [id("kio")]);
        assert_eq!(world.issuer.calls(), ["LIST", "GET stups_kio"]);
        assert_eq!(world.provisioner.look().await.unwrap().vanished, [id("kio")]);
        assert_eq!(world.issuer.calls(), ["LIST"], "it is known already");
        let revision = world.catalog.record(&id("kio")).unwrap().identity_revision;
        let again = world.ensure("kio", 1).await.unwrap();
        assert_eq!((again.applied, again.incarnation, again.vanished_at), (revision, 1, None));
        assert!(world.issuer.user("stups_kio").is_some());
        assert_eq!(world.provisioner.look().await.unwrap().vanished, []);
    }
}

#[tokio::test]
async fn contract_a_list_that_lies_makes_nothing_vanish() {
    for world in worlds().await {
        world.ensure("kio", 1).await.unwrap();
        let empty = vec![];
        world.issuer.lie(Some(empty));
        assert_eq!(world.provisioner.look().await.unwrap().vanished, []);
        let known = world.provisioner.identity(&id("kio")).await.unwrap();
        assert_eq!(known.vanished_at, None);
    }
}

#[tokio::test]
async fn contract_an_orphan_is_disabled_rests_and_is_deleted_through_the_same_budget() {
    for world in worlds().await {
        world.fleet(9).await;
        for name in ["stups_stray", "stups_No-Id", "human"] {
            world.issuer.add(naming().disabled_stray(name));
        }
        let orphans = world.provisioner.look().await.unwrap().orphans;
        let names: Vec<_> = orphans.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["stups_No-Id", "stups_stray"]);
        let remove = async |name: &str| world.provisioner.remove(name).await;
        assert_eq!(reason(remove("human").await), "USER_NOT_OURS");
        assert_eq!(reason(remove("stups_app-1").await), "USER_NOT_ORPHANED");
        assert_eq!(reason(remove("stups_nobody").await), "USER_UNKNOWN");
        world.catalog.set_down(true);
        assert_eq!(reason(remove("stups_stray").await), "CATALOG_UNAVAILABLE");
        world.catalog.set_down(false);
        let removed = remove("stups_stray").await.unwrap();
        assert_eq!((removed.stage, removed.until), (Stage::Disabled, Some(world.clock.now().plus(WEEK))));
        assert_eq!(remove("stups_stray").await.unwrap(), removed);
        assert_eq!(reason(remove("stups_No-Id").await), "BUDGET_EXHAUSTED");
        world.provisioner.finish_removals().await.unwrap();
        assert!(world.issuer.user("stups_stray").is_some());
        world.clock.advance(WEEK);
        world.provisioner.finish_removals().await.unwrap();
        assert!(world.issuer.user("stups_stray").is_none());
        assert_eq!(remove("stups_stray").await.unwrap().stage, Stage::Deleted);
        assert_eq!(reason(remove("stups_No-Id").await), "BUDGET_EXHAUSTED", "the deletion counted");
    }
}

#[tokio::test]
async fn contract_an_orphan_that_an_application_takes_over_is_not_deleted() {
    for world in worlds().await {
        world.fleet(9).await;
        world.issuer.add(naming().disabled_stray("stups_late"));
        world.provisioner.remove("stups_late").await.unwrap();
        assert_eq!(reason(world.provisioner.adopt(&order("kio", 1)).await), "USER_UNKNOWN");
        world.catalog.put(application("late", &[]));
        let adopted = world.provisioner.adopt(&order("late", 1)).await.unwrap();
        assert!(adopted.foreign);
        world.clock.advance(WEEK);
        world.provisioner.finish_removals().await.unwrap();
        world.provisioner.finish_removals().await.unwrap();
        assert!(!world.issuer.user("stups_late").unwrap().scopes.is_empty());
        let refused = world.provisioner.remove("stups_late").await.unwrap_err();
        assert!(matches!(refused, Error::Refused(Refusal::Belongs)), "{refused}");
    }
}

/// Two replicas: one removes an orphan while the other makes it an application's.
#[tokio::test]
async fn contract_an_orphans_removal_and_its_takeover_by_another_replica_do_not_cross() {
    for world in worlds().await {
        world.fleet(9).await;
        world.issuer.add(naming().disabled_stray("stups_late"));
        let state = &world.provisioner.state;
        let late = id("late");
        let intend = async |stage, takes| {
            let moment = Moment::of(&world.clock);
            state.intend_stray(("stups_late", Some(&late)), "late", stage, takes, &moment).await
        };
        // the call is under way
        intend(Stage::Disabled, Taking::Disable).await.unwrap();
        world.catalog.put(application("late", &[]));
        for _ in 0..2 {
            let adopted = world.provisioner.adopt(&order("late", 1)).await;
            assert_eq!(reason(adopted), "USER_BEING_REMOVED");
            assert!(
                world.issuer.user("stups_late").unwrap().scopes.is_empty(),
                "nothing is changed meanwhile"
            );
            world.provisioner.finish_removals().await.unwrap();
        }
        world.clock.advance(CALL_LIFE);
        world.provisioner.adopt(&order("late", 1)).await.unwrap();
        assert!(!world.issuer.user("stups_late").unwrap().scopes.is_empty());
        // whoever asked the catalog before, and what comes back late, changes nothing
        let refused = intend(Stage::Deleted, Taking::Delete).await.unwrap_err();
        assert!(matches!(refused, Error::Refused(Refusal::Belongs)), "{refused}");
        state.apply_stray("stups_late", Stage::Disabled, &Moment::of(&world.clock)).await.unwrap();
        assert_eq!(state.stray("stups_late").await.unwrap().unwrap().stage, Stage::None);
    }
}

#[tokio::test]
async fn contract_a_plan_to_take_over_changes_nothing_and_asks_once() {
    for world in worlds().await {
        world.ensure("kio", 1).await.unwrap();
        world.catalog.put(application("runs", &[]));
        world.issuer.add(naming().disabled_stray("stups_runs"));
        world.issuer.calls();
        let entries = world.audit.entries().len();
        let plan = world.provisioner.plan_import().await.unwrap();
        assert_eq!(plan.steps.len(), 2);
        assert_eq!(world.issuer.calls(), ["LIST"]);
        assert_eq!(world.audit.entries().len(), entries, "a plan is no act");
        assert_eq!(reason(world.provisioner.identity(&id("runs")).await), "IDENTITY_UNKNOWN");
    }
}

#[tokio::test]
async fn contract_after_lost_writes_there_is_no_budget_for_a_day_and_no_statement_of_before_counts() {
    let directory = tempfile::tempdir().unwrap();
    for world in worlds().await {
        let world = world.with_statements(statements(directory.path()));
        let names = world.fleet(20).await;
        for name in &names[..4] {
            world.set_active(name, false);
        }
        world.goes_by_the_databases_clock();
        let (used, unseen) = (release(&world, 1, &[], BOTH, 1), release(&world, 1, &[], BOTH, 2));
        assert_eq!(world.provisioner.release(&used).await.unwrap().remaining(), 1);
        assert_eq!(world.provisioner.budget().await.unwrap().accounts.released, 1);
        let Some(world) = world.losing_writes().await else { continue };
        let lost_at = world.provisioner.state.lost_writes_at().unwrap();
        world.clock.set(lost_at.plus(Duration::from_secs(1)));

        let disable = async |world: &World, name: &str| world.provisioner.disable(&order(name, 1)).await;
        assert_eq!(reason(disable(&world, &names[0]).await), "BUDGET_EXHAUSTED", "who knows what was spent");
        let accounts = world.provisioner.budget().await.unwrap().accounts;
        assert_eq!((accounts.standing.allowed, accounts.released), (0, 0));
        for before in [&used, &unseen] {
            assert_eq!(reason(world.provisioner.release(before).await), "STATEMENT_BEFORE_LOST_WRITES");
        }
        let fresh = release(&world, 1, &[], BOTH, 3);
        world.provisioner.release(&fresh).await.unwrap();
        disable(&world, &names[0]).await.unwrap();
        assert_eq!(reason(disable(&world, &names[1]).await), "BUDGET_EXHAUSTED");

        // another start does not begin the day again
        world.clock.advance(HOUR * 20);
        let world = world.restarted();
        world.provisioner.state.remember_lost_writes(&Moment::of(&world.clock)).await.unwrap();
        assert_eq!(reason(disable(&world, &names[1]).await), "BUDGET_EXHAUSTED");
        world.clock.advance(HOUR * 5);
        disable(&world, &names[1]).await.unwrap();
        disable(&world, &names[2]).await.unwrap();
        assert_eq!(reason(disable(&world, &names[3]).await), "BUDGET_EXHAUSTED", "two of twenty, as ever");
    }
}
