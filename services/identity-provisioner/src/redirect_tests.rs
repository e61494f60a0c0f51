//! A registry-sync that was taken over, and owners who confirm.

use std::path::Path;
use std::time::Duration;

use mint_api::audit_log::Outcome as Told;
use mint_statement::{DestinationSet, SignedStatement, Statement, StatementKey, Subject, TrustedKeys};
use mint_testkit::SeededEntropy;
use mint_types::Clock;

use crate::execute::tests::{World, id, order, worlds};
use crate::statements::Statements;

const OWN: &str = "https://kio.example.org/cb";
const EVIL: &str = "https://evil.example/cb";
const DAY: Duration = Duration::from_hours(24);

fn key(signer: &str) -> StatementKey {
    let seed = signer.bytes().fold(0, u8::wrapping_add);
    StatementKey::from_seed(signer.parse().unwrap(), &[seed; 32]).unwrap()
}

/// The owner, another team and an operator are trusted.
fn statements(directory: &Path) -> Statements {
    let keys = ["team/stups", "team/other", "operator/ada"].map(|signer| key(signer).trusted());
    let file = directory.join("keys.json");
    std::fs::write(&file, TrustedKeys::to_text(keys.to_vec())).unwrap();
    Statements { keys_file: Some(file), key_file: None }
}

/// Which URL was confirmed, and by what, may be forgotten: the word of before could bring an older one back.
#[tokio::test]
async fn contract_a_word_of_before_writes_were_lost_confirms_nothing() {
    let directory = tempfile::tempdir().unwrap();
    for world in worlds().await {
        let world = world.with_statements(statements(directory.path()));
        world.goes_by_the_databases_clock();
        assert_eq!(ensured(&world).await, pair(OWN, None));
        asks_for(&world, EVIL, &[]);
        let before = signed(&world, "team/stups", 1);
        let Some(world) = world.losing_writes().await else { continue };
        let lost_at = world.provisioner.state.lost_writes_at().unwrap();
        world.clock.set(lost_at.plus(Duration::from_secs(1)));
        asks_for(&world, EVIL, &before);
        assert_eq!(ensured(&world).await, pair(OWN, Some(EVIL)));
        let after = signed(&world, "team/stups", 2);
        asks_for(&world, EVIL, &after);
        assert_eq!(ensured(&world).await, pair(EVIL, None));
    }
}

/// What somebody signs about the record as it stands.
fn signed(world: &World, signer: &str, seed: u64) -> Vec<u8> {
    let record = world.catalog.record(&id("kio")).unwrap();
    let set = DestinationSet::of(record.id, record.team_id, &record.settings.unwrap());
    let entropy = SeededEntropy::new(seed);
    let statement = Statement::new(Subject::Destinations(set), world.clock.now(), DAY * 7, &entropy);
    SignedStatement::sign(statement, &key(signer)).unwrap().to_bytes()
}

fn asks_for(world: &World, url: &str, statement: &[u8]) {
    world.edit("kio", |record| {
        record.settings.as_mut().unwrap().redirect_url = Some(url.to_owned());
        record.destinations_statement = statement.to_vec();
    });
}

/// Ensures; answers the URL that the client has at the issuer, and the one that waits.
async fn ensured(world: &World) -> (Option<String>, Option<String>) {
    world.ensure("kio", 1).await.unwrap();
    let held = world.provisioner.unconfirmed(&id("kio")).await.unwrap().url;
    (world.issuer.user("stups_kio").unwrap().redirect_url, held)
}

fn pair(url: &str, held: Option<&str>) -> (Option<String>, Option<String>) {
    (Some(url.to_owned()), held.map(ToOwned::to_owned))
}

fn told(world: &World, action: &str) -> Vec<Option<Told>> {
    let entries = world.audit.entries();
    entries.iter().filter(|entry| entry.act.action == action).map(|entry| entry.outcome).collect()
}

#[tokio::test]
async fn contract_a_hostile_registry_sync_changes_no_redirect_url() {
    let directory = tempfile::tempdir().unwrap();
    for world in worlds().await {
        let world = world.with_statements(statements(directory.path()));
        assert_eq!(ensured(&world).await, pair(OWN, None));

        // without a word, with garbage, and with the word of who does not own it
        asks_for(&world, EVIL, &[]);
        assert_eq!(ensured(&world).await, pair(OWN, Some(EVIL)));
        let by_other = signed(&world, "team/other", 1);
        let by_nobody = signed(&world, "team/evil", 2);
        for lie in [by_other, by_nobody, b"{}".to_vec()] {
            asks_for(&world, EVIL, &lie);
            assert_eq!(ensured(&world).await, pair(OWN, Some(EVIL)));
        }
        world.clock.advance(DAY * 30);
        asks_for(&world, EVIL, &[]);
        assert_eq!(ensured(&world).await, pair(OWN, Some(EVIL)), "no time confirms it");
        let refused = Some(Told::Failure { reason: "REDIRECT_URL_UNCONFIRMED" });
        assert_eq!(told(&world, "redirect.change"), [None, refused], "said once");

        // everything else of the user is as the catalog says
        world.edit("kio", |record| record.settings.as_mut().unwrap().scopes.clear());
        assert_eq!(ensured(&world).await, pair(OWN, Some(EVIL)));
        assert_eq!(world.issuer.user("stups_kio").unwrap().scopes, ["uid", "cn"]);

        let world = world.restarted();
        world.set_active("kio", false);
        world.provisioner.disable(&order("kio", 1)).await.unwrap();
        assert_eq!(world.issuer.user("stups_kio").unwrap().redirect_url.as_deref(), Some(OWN));
        world.set_active("kio", true);
        world.provisioner.restore(&order("kio", 1)).await.unwrap();
        assert_eq!(world.issuer.user("stups_kio").unwrap().redirect_url.as_deref(), Some(OWN));
    }
}

#[tokio::test]
async fn contract_the_owner_or_an_operator_confirms_a_redirect_url_and_no_word_counts_twice() {
    let directory = tempfile::tempdir().unwrap();
    for world in worlds().await {
        let world = world.with_statements(statements(directory.path()));
        ensured(&world).await;
        let next = "https://new.example/cb";
        asks_for(&world, next, &[]);
        let by_owner = signed(&world, "team/stups", 1);
        assert_eq!(ensured(&world).await, pair(OWN, Some(next)));
        asks_for(&world, next, &by_owner);
        assert_eq!(ensured(&world).await, pair(next, None));
        assert_eq!(told(&world, "redirect.confirm").len(), 2);

        world.clock.advance(Duration::from_secs(1));
        asks_for(&world, OWN, &[]);
        let by_operator = signed(&world, "operator/ada", 2);
        asks_for(&world, OWN, &by_operator);
        assert_eq!(ensured(&world).await, pair(OWN, None));
        // what the owner once signed is no word for going back to it
        asks_for(&world, next, &by_owner);
        assert_eq!(ensured(&world).await, pair(OWN, Some(next)));
        asks_for(&world, OWN, &[]);
        assert_eq!(ensured(&world).await, pair(OWN, None), "nothing waits any more");
    }
}

/// Whether the client at the issuer has no secret, and whether the other type waits.
async fn client(world: &World) -> (bool, bool) {
    world.ensure("kio", 1).await.unwrap();
    let waits = world.provisioner.unconfirmed(&id("kio")).await.unwrap().client_type;
    (!world.issuer.user("stups_kio").unwrap().confidential, waits)
}

fn asks_for_public(world: &World, is_public: bool, statement: &[u8]) {
    world.edit("kio", |record| {
        record.settings.as_mut().unwrap().confidential = !is_public;
        record.destinations_statement = statement.to_vec();
    });
}

#[tokio::test]
async fn contract_a_hostile_registry_sync_opens_no_client_to_whoever_knows_its_id_and_shuts_none() {
    let directory = tempfile::tempdir().unwrap();
    for world in worlds().await {
        let world = world.with_statements(statements(directory.path()));
        assert_eq!(client(&world).await, (false, false));
        asks_for_public(&world, true, &[]);
        assert_eq!(client(&world).await, (false, true), "who holds the secret is served on");
        world.clock.advance(DAY * 30);
        let by_other = signed(&world, "team/other", 1);
        asks_for_public(&world, true, &by_other);
        assert_eq!(client(&world).await, (false, true), "no time confirms it");
        let refused = Some(Told::Failure { reason: "CLIENT_TYPE_UNCONFIRMED" });
        assert_eq!(told(&world, "client.change"), [None, refused], "said once");

        let world = world.restarted();
        let by_owner = signed(&world, "team/stups", 2);
        asks_for_public(&world, true, &by_owner);
        assert_eq!(client(&world).await, (true, false));
        assert_eq!(told(&world, "client.confirm"), [None, Some(Told::Success)]);

        asks_for_public(&world, false, &by_owner);
        assert_eq!(client(&world).await, (true, true), "who has no secret is served on");
        world.clock.advance(Duration::from_secs(1));
        let by_operator = signed(&world, "operator/ada", 3);
        asks_for_public(&world, false, &by_operator);
        assert_eq!(client(&world).await, (false, false));
    }
}

/// It needs the key of some team, and calls that team the owner.
#[tokio::test]
async fn contract_a_hostile_registry_sync_with_one_teams_key_makes_that_team_no_owner() {
    let directory = tempfile::tempdir().unwrap();
    for world in worlds().await {
        let world = world.with_statements(statements(directory.path()));
        assert_eq!(ensured(&world).await, pair(OWN, None));
        let other = |record: &mut mint_types::Application| record.team_id = "other".parse().unwrap();
        world.edit("kio", other);
        asks_for(&world, EVIL, &[]);
        let by_heir = signed(&world, "team/other", 1);
        asks_for(&world, EVIL, &by_heir);
        assert_eq!(ensured(&world).await, pair(OWN, Some(EVIL)));
        world.clock.advance(DAY.saturating_sub(Duration::from_secs(1)));
        asks_for(&world, EVIL, &by_heir);
        assert_eq!(ensured(&world).await, pair(OWN, Some(EVIL)), "named for less than a day");

        let left = world.provisioner.unconfirmed(&id("kio")).await.unwrap().look_again_after;
        assert_eq!(left, Some(Duration::from_secs(1)));

        // the former owner agrees at once; whoever was the owner meanwhile begins anew
        let world = world.restarted();
        world.edit("kio", |record| record.team_id = "stups".parse().unwrap());
        assert_eq!(ensured(&world).await, pair(OWN, Some(EVIL)));
        world.edit("kio", other);
        asks_for(&world, EVIL, &by_heir);
        world.clock.advance(Duration::from_secs(2));
        assert_eq!(ensured(&world).await, pair(OWN, Some(EVIL)), "it was not the owner in between");
        world.clock.advance(DAY);
        // nothing changed in the catalog: the word of then is looked at again
        assert_eq!(ensured(&world).await, pair(EVIL, None), "for all to see, for a day");
        assert_eq!(world.provisioner.unconfirmed(&id("kio")).await.unwrap().look_again_after, None);

        world.edit("kio", |record| record.team_id = "stups".parse().unwrap());
        asks_for(&world, OWN, &[]);
        let by_its_owner = signed(&world, "team/other", 3);
        asks_for(&world, OWN, &by_its_owner);
        assert_eq!(ensured(&world).await, pair(OWN, None), "whose it is by now says so at once");
    }
}

#[tokio::test]
async fn contract_the_first_settings_are_believed_and_whoever_gets_a_released_name_begins_anew() {
    let directory = tempfile::tempdir().unwrap();
    for world in worlds().await {
        let world = world.with_statements(statements(directory.path()));
        world.edit("kio", |record| {
            record.settings = None;
            record.settings_generation = 0;
        });
        world.ensure("kio", 1).await.unwrap();
        let settings = crate::adapters::memory::application("kio", &[]).settings;
        world.edit("kio", |record| {
            record.settings.clone_from(&settings);
            record.settings_generation = 1;
        });
        assert_eq!(ensured(&world).await, pair(OWN, None));
        world.edit("kio", |record| record.settings.as_mut().unwrap().redirect_url = None);
        world.ensure("kio", 1).await.unwrap();
        let held = world.provisioner.unconfirmed(&id("kio")).await.unwrap().url;
        assert_eq!(held.as_deref(), Some(""), "to have none is another one");
    }
}
