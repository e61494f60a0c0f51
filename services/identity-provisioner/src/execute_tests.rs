//! Orders against an issuer and a catalog in memory, with the state on every engine.

use std::time::Duration;

use mint_api::audit_log::MemoryAuditLog;
use mint_testkit::{ManualClock, SeededEntropy, TestDatabase, databases};
use mint_types::{Budget, FencingToken, Revision};

use super::*;
use crate::{
    adapters::memory::{MemoryCatalog, MemoryIssuer, Trouble, application, naming},
    ports::IssuerError,
    state::{MIGRATIONS, SCHEMA},
};

const WEEK: Duration = Duration::from_hours(7 * 24);

pub(crate) struct World {
    pub(crate) issuer: MemoryIssuer,
    pub(crate) catalog: MemoryCatalog,
    pub(crate) audit: MemoryAuditLog,
    pub(crate) clock: ManualClock,
    pub(crate) provisioner: Arc<Provisioner>,
    background: TaskTracker,
    place: TestDatabase,
}

pub(crate) async fn worlds() -> Vec<World> {
    databases(SCHEMA, MIGRATIONS).await.into_iter().map(world).collect()
}

fn world(place: TestDatabase) -> World {
    let (issuer, catalog) = (MemoryIssuer::default(), MemoryCatalog::default());
    catalog.put(application("kio", &["sales_order.read"]));
    on(place, issuer, catalog, ManualClock::default())
}

fn on(place: TestDatabase, issuer: MemoryIssuer, catalog: MemoryCatalog, clock: ManualClock) -> World {
    believing(place, issuer, catalog, clock, Statements::default())
}

fn believing(
    place: TestDatabase,
    issuer: MemoryIssuer,
    catalog: MemoryCatalog,
    clock: ManualClock,
    statements: Statements,
) -> World {
    let (audit, background) = (MemoryAuditLog::default(), TaskTracker::new());
    let provisioner = Arc::new(Provisioner::new(Parts {
        issuer: mint_port::Port::new(Arc::new(issuer.clone())),
        catalog: mint_port::Port::new(Arc::new(catalog.clone())),
        audit: mint_port::Port::held_by("identity-provisioner", Arc::new(audit.clone())),
        state: State::new(place.database.clone(), Budget::default()),
        naming: naming(),
        tombstone: WEEK,
        statements,
        clock: Arc::new(clock.clone()),
        entropy: Arc::new(SeededEntropy::default()),
        background: background.clone(),
    }));
    World { issuer, catalog, audit, clock, provisioner, background, place }
}

impl World {
    /// Waits until the log heard of what was refused.
    pub(crate) async fn settled(&self) {
        self.background.close();
        self.background.wait().await;
        self.background.reopen();
    }

    pub(crate) fn restarted(self) -> Self {
        let statements = self.provisioner.statements.clone();
        self.with_statements(statements)
    }

    pub(crate) fn with_statements(self, statements: Statements) -> Self {
        believing(self.place, self.issuer, self.catalog, self.clock, statements)
    }

    /// The clock becomes that of the database, which says when writes were lost.
    pub(crate) fn goes_by_the_databases_clock(&self) {
        self.clock.set(mint_runtime::SystemClock::new(&SeededEntropy::default()).now());
    }

    /// A backup was restored, and an administrator accepted it. What is written stays as it is, for a test cannot tell what
    /// would be missing; where databases have no origin there is no such world.
    pub(crate) async fn losing_writes(mut self) -> Option<Self> {
        self.place.database = self.place.losing_writes(SCHEMA, MIGRATIONS).await?;
        let world = self.restarted();
        world.provisioner.state.remember_lost_writes(&world.provisioner.moment()).await.unwrap();
        Some(world)
    }

    pub(crate) async fn ensure(&self, name: &str, token: u64) -> Result<Known, Error> {
        self.provisioner.ensure(&order(name, token)).await
    }

    /// The record changes as registry-sync changes it: with a new revision.
    pub(crate) fn edit(&self, name: &str, edit: impl Fn(&mut Application)) {
        let mut record = self.catalog.record(&id(name)).unwrap();
        record.revision = Revision(record.revision.0 + 1);
        record.identity_revision = record.revision;
        edit(&mut record);
        self.catalog.put(record);
    }

    /// The registry says that an application is out of use, or in use again.
    pub(crate) fn set_active(&self, name: &str, active: bool) {
        self.edit(name, |record| record.active = active);
    }

    /// So many identities, made long enough ago to count.
    pub(crate) async fn fleet(&self, size: usize) -> Vec<String> {
        let names = self.newcomers("app", size).await;
        self.clock.advance(Duration::from_mins(24 * 60 + 10));
        names
    }

    async fn newcomers(&self, prefix: &str, size: usize) -> Vec<String> {
        let names: Vec<String> = (0..size).map(|number| format!("{prefix}-{number}")).collect();
        for name in &names {
            self.catalog.put(application(name, &["sales_order.read", "sales_order.write"]));
            self.ensure(name, 1).await.unwrap();
        }
        self.issuer.calls();
        names
    }
}

pub(crate) fn id(text: &str) -> ApplicationId {
    text.parse().unwrap()
}

pub(crate) fn order(name: &str, token: u64) -> Order {
    Order { application: id(name), revision: Revision(5), token: FencingToken(token) }
}

pub(crate) fn reason<T: std::fmt::Debug>(outcome: Result<T, Error>) -> &'static str {
    outcome.unwrap_err().reason()
}

pub(crate) fn unanswered() -> IssuerError {
    IssuerError::UnknownOutcome { detail: "the deadline passed".into() }
}

#[tokio::test]
async fn contract_a_new_user_costs_two_calls_and_is_recorded() {
    for world in worlds().await {
        let known = world.ensure("kio", 1).await.unwrap();
        assert_eq!(world.issuer.calls(), ["GET stups_kio", "PUT stups_kio"]);
        assert_eq!(
            (known.username.as_str(), known.foreign, known.applied),
            ("stups_kio", false, Revision(5))
        );
        let recorded = world.catalog.record(&id("kio")).unwrap().identity.unwrap();
        assert_eq!((recorded.client_id, recorded.foreign), ("client-of-stups_kio".into(), false));
        let user = world.issuer.user("stups_kio").unwrap();
        assert_eq!(user.scopes, ["uid", "cn", "sales_order.read"]);
        assert_eq!((user.owner.as_str(), user.name.as_str()), ("stups", "Kio"));
        let entries = world.audit.entries();
        let told: Vec<_> = entries.iter().map(|entry| (entry.act.resource.as_str(), entry.outcome)).collect();
        assert_eq!(told, [("stups_kio", None), ("stups_kio", Some(Outcome::Success))]);
    }
}

#[tokio::test]
async fn contract_what_was_applied_is_answered_without_a_call() {
    for world in worlds().await {
        let first = world.ensure("kio", 1).await.unwrap();
        let (calls, entries) = (world.issuer.calls().len(), world.audit.entries().len());
        assert_eq!(calls, 2);
        let again = world.ensure("kio", 2).await.unwrap();
        assert_eq!((again.username, again.client_id), (first.username, first.client_id));
        let world = world.restarted();
        world.ensure("kio", 3).await.unwrap();
        assert_eq!(world.issuer.calls(), Vec::<String>::new());
        assert_eq!(entries, 2);
        assert_eq!(world.audit.entries(), [], "what is not done is not announced");
    }
}

#[tokio::test]
async fn contract_a_newer_revision_is_one_put() {
    for world in worlds().await {
        world.ensure("kio", 1).await.unwrap();
        world.issuer.calls();
        world.edit("kio", |record| record.name = "Kio Two".into());
        assert_eq!(world.ensure("kio", 1).await.unwrap().applied, Revision(6));
        assert_eq!(world.issuer.calls(), ["PUT stups_kio"]);
        assert_eq!(world.issuer.user("stups_kio").unwrap().name, "Kio Two");
    }
}

#[tokio::test]
async fn contract_a_user_deleted_by_hand_is_made_again() {
    for world in worlds().await {
        world.ensure("kio", 1).await.unwrap();
        world.issuer.remove("stups_kio");
        world.edit("kio", |_| {});
        let known = world.ensure("kio", 1).await.unwrap();
        assert!(world.issuer.user("stups_kio").is_some());
        assert!(!known.foreign);
    }
}

#[tokio::test]
async fn contract_a_user_that_existed_before_is_foreign_for_ever() {
    for world in worlds().await {
        world.issuer.add(naming().user(&application("kio", &[]), Stage::Enabled));
        assert!(world.ensure("kio", 1).await.unwrap().foreign);
        assert!(world.catalog.record(&id("kio")).unwrap().identity.unwrap().foreign);
        world.edit("kio", |_| {});
        let world = world.restarted();
        assert!(world.ensure("kio", 2).await.unwrap().foreign);
    }
}

/// What a running STUPS mint left: nobody told Mint its scopes and redirect URLs, and no API of the issuer does.
fn in_use_before(world: &World, name: &str) {
    let mut user = naming().user(&application(name, &["sales_order.read"]), Stage::Enabled);
    user.redirect_url = Some("https://kio.example.org/of-old".to_owned());
    world.issuer.add(user);
}

#[tokio::test]
async fn contract_a_user_that_existed_before_keeps_what_it_has_until_settings_are_entered() {
    for world in worlds().await {
        in_use_before(&world, "kio");
        world.edit("kio", |record| {
            record.settings = None;
            record.settings_generation = 0;
        });
        let before = world.issuer.user("stups_kio").unwrap();
        for token in [1, 2] {
            let error = world.ensure("kio", token).await.unwrap_err();
            assert_eq!(error.reason(), "FOREIGN_USER_WITHOUT_SETTINGS");
            assert!(error.to_string().contains("stups_kio"), "{error}");
            assert_eq!(world.issuer.user("stups_kio").unwrap(), before);
        }
        assert_eq!(reason(world.provisioner.adopt(&order("kio", 2)).await), "FOREIGN_USER_WITHOUT_SETTINGS");
        assert!(world.issuer.calls().iter().all(|call| call == "GET stups_kio"));
        let told = world.audit.entries().pop().unwrap().outcome;
        assert_eq!(told, Some(Outcome::Failure { reason: "FOREIGN_USER_WITHOUT_SETTINGS" }));

        // nobody else waits for it, and who has no user yet loses nothing without settings
        let nobodys = Application { settings: None, settings_generation: 0, ..application("fresh", &[]) };
        world.catalog.put(nobodys);
        assert!(!world.ensure("fresh", 1).await.unwrap().foreign);

        let entered = application("kio", &["sales_order.read"]);
        world.edit("kio", |record| {
            record.settings = entered.settings.clone();
            record.settings_generation = 1;
        });
        assert!(world.ensure("kio", 2).await.unwrap().foreign);
    }
}

#[tokio::test]
async fn contract_taking_users_over_is_paid_like_taking_their_scopes() {
    for world in worlds().await {
        let names = ["kio", "essentials", "twintip"];
        for name in names {
            world.catalog.put(application(name, &[]));
            in_use_before(&world, name);
        }
        world.issuer.trouble(Trouble::None);
        world.issuer.trouble(Trouble::Before(unanswered()));
        assert_eq!(reason(world.ensure("kio", 1).await), "ISSUER_UNKNOWN_OUTCOME");
        assert!(world.ensure("kio", 1).await.unwrap().foreign, "it is paid once");
        for name in &names[1..] {
            let before = world.issuer.user(&format!("stups_{name}"));
            assert_eq!(reason(world.ensure(name, 1).await), "BUDGET_EXHAUSTED");
            assert_eq!(world.issuer.user(&format!("stups_{name}")), before);
        }
        let accounts = world.provisioner.budget().await.unwrap().accounts;
        let waiting: Vec<_> =
            accounts.waiting.iter().map(|one| (one.subject.as_str(), one.act.as_str())).collect();
        assert_eq!(waiting, [("essentials", "scopes"), ("twintip", "scopes")]);
        // from then on it is like any other
        world.edit("kio", |record| record.name = "Kio Two".into());
        world.ensure("kio", 1).await.unwrap();
        world.clock.advance(Duration::from_hours(25));
        world.ensure("essentials", 1).await.unwrap();
    }
}

#[tokio::test]
async fn contract_a_crash_after_the_put_does_not_make_our_own_user_foreign() {
    for world in worlds().await {
        let world = lose_the_answer_to_the_put(world).await;
        let world = world.restarted();
        let known = world.ensure("kio", 2).await.unwrap();
        assert!(!known.foreign, "Mint made it");
        assert_eq!(world.issuer.calls(), ["PUT stups_kio"]);
    }
}

/// The GET goes well; the PUT is done and its answer is lost.
async fn lose_the_answer_to_the_put(world: World) -> World {
    world.issuer.trouble(Trouble::None);
    world.issuer.trouble(Trouble::After(unanswered()));
    assert_eq!(reason(world.ensure("kio", 1).await), "ISSUER_UNKNOWN_OUTCOME");
    assert!(world.issuer.user("stups_kio").is_some());
    let told = world.audit.entries().pop().unwrap().outcome;
    assert_eq!(told, Some(Outcome::Unknown { reason: "ISSUER_UNKNOWN_OUTCOME" }));
    assert_eq!(world.issuer.calls(), ["GET stups_kio", "PUT stups_kio"]);
    world
}

#[tokio::test]
async fn contract_every_trouble_of_the_issuer_has_its_reason_and_records_nothing() {
    let pause = Duration::from_secs(90);
    let table = [
        (IssuerError::Unreachable { detail: "refused".into() }, "ISSUER_UNREACHABLE"),
        (IssuerError::Refused { status: 403 }, "ISSUER_REFUSED"),
        (IssuerError::RateLimited { retry_after: pause }, "ISSUER_RATE_LIMITED"),
        (IssuerError::Malformed { detail: "it names no client" }, "ISSUER_MALFORMED_ANSWER"),
        (unanswered(), "ISSUER_UNKNOWN_OUTCOME"),
    ];
    for (trouble, expected) in table {
        for world in worlds().await {
            world.ensure("kio", 1).await.unwrap();
            let before = world.provisioner.identity(&id("kio")).await.unwrap();
            world.edit("kio", |record| record.name = "Kio Two".into());
            world.issuer.trouble(Trouble::After(trouble.clone()));
            assert_eq!(reason(world.ensure("kio", 1).await), expected);
            let after = world.provisioner.identity(&id("kio")).await.unwrap();
            assert_eq!((after.applied, &after.client_id), (before.applied, &before.client_id));
            let sure = trouble.surely_not_done();
            let told = world.audit.entries().pop().unwrap().outcome;
            assert_eq!(told == Some(Outcome::Failure { reason: expected }), sure);
            assert_eq!(world.ensure("kio", 1).await.unwrap().applied, Revision(6), "a repeat is safe");
        }
    }
}

#[tokio::test]
async fn contract_without_the_audit_log_the_issuer_is_not_called() {
    for world in worlds().await {
        world.audit.set_down(true);
        assert_eq!(reason(world.ensure("kio", 1).await), "AUDIT_UNAVAILABLE");
        assert_eq!(world.issuer.calls(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn contract_whoever_repeats_tells_the_catalog_again_without_a_call() {
    for world in worlds().await {
        world.catalog.set_deaf(true);
        assert_eq!(reason(world.ensure("kio", 1).await), "CATALOG_UNAVAILABLE");
        assert_eq!(world.issuer.calls().len(), 2);
        assert_eq!(world.audit.entries().pop().unwrap().outcome, Some(Outcome::Success));
        world.catalog.set_deaf(false);
        world.ensure("kio", 1).await.unwrap();
        assert_eq!(world.issuer.calls(), Vec::<String>::new());
        assert!(world.catalog.record(&id("kio")).unwrap().identity.is_some());
        assert_eq!(world.audit.entries().pop().unwrap().outcome, Some(Outcome::Success));
    }
}

#[tokio::test]
async fn contract_a_lower_fencing_token_is_refused_before_any_call() {
    for world in worlds().await {
        world.ensure("kio", 7).await.unwrap();
        world.issuer.calls();
        world.edit("kio", |_| {});
        let world = world.restarted();
        let stale = order("kio", 6);
        assert_eq!(reason(world.provisioner.ensure(&stale).await), "STALE_FENCING_TOKEN");
        assert_eq!(reason(world.provisioner.disable(&stale).await), "STALE_FENCING_TOKEN");
        assert_eq!(reason(world.provisioner.enable(&stale).await), "STALE_FENCING_TOKEN");
        assert_eq!(reason(world.provisioner.delete(&stale).await), "STALE_FENCING_TOKEN");
        assert_eq!(world.issuer.calls(), Vec::<String>::new());
        world.settled().await;
        let told =
            world.audit.entries().into_iter().filter_map(|entry| Some((entry.act.action, entry.outcome?)));
        let stale = Outcome::Failure { reason: "STALE_FENCING_TOKEN" };
        let acts = ["identity.ensure", "identity.disable", "identity.enable", "identity.delete"];
        assert_eq!(told.collect::<Vec<_>>(), acts.map(|act| (act, stale)));
        world.ensure("kio", 7).await.unwrap();
    }
}

#[tokio::test]
async fn contract_an_older_catalog_or_an_unknown_application_is_refused() {
    for world in worlds().await {
        let ahead = Order { revision: Revision(6), ..order("kio", 1) };
        assert_eq!(reason(world.provisioner.ensure(&ahead).await), "CATALOG_BEHIND");
        assert_eq!(reason(world.ensure("nobody", 1).await), "APPLICATION_UNKNOWN");
        world.catalog.set_down(true);
        assert_eq!(reason(world.ensure("kio", 1).await), "CATALOG_UNAVAILABLE");
        assert_eq!(world.issuer.calls(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn contract_disable_takes_every_scope_and_enable_gives_them_back() {
    for world in worlds().await {
        assert_eq!(world.provisioner.disable(&order("kio", 1)).await.unwrap(), None, "there was none");
        world.ensure("kio", 1).await.unwrap();
        world.issuer.calls();
        world.set_active("kio", false);
        let disabled = world.provisioner.disable(&order("kio", 1)).await.unwrap().unwrap();
        let again = world.provisioner.disable(&order("kio", 1)).await.unwrap().unwrap();
        assert_eq!((again.stage, again.disabled_at), (Stage::Disabled, disabled.disabled_at));
        assert_eq!(world.issuer.calls(), ["PUT stups_kio"]);
        assert_eq!(world.issuer.user("stups_kio").unwrap().scopes, Vec::<String>::new());
        world.set_active("kio", true);
        world.provisioner.enable(&order("kio", 1)).await.unwrap();
        world.provisioner.enable(&order("kio", 1)).await.unwrap();
        assert_eq!(world.issuer.calls(), ["PUT stups_kio"]);
        assert_eq!(world.issuer.user("stups_kio").unwrap().scopes.len(), 3);
    }
}

#[tokio::test]
async fn contract_a_disable_whose_outcome_is_unknown_is_not_forgotten_by_ensure() {
    for world in worlds().await {
        world.ensure("kio", 1).await.unwrap();
        world.set_active("kio", false);
        world.issuer.trouble(Trouble::After(unanswered()));
        assert_eq!(reason(world.provisioner.disable(&order("kio", 1)).await), "ISSUER_UNKNOWN_OUTCOME");
        world.set_active("kio", true);
        let world = world.restarted();
        world.ensure("kio", 1).await.unwrap();
        assert_eq!(world.issuer.user("stups_kio").unwrap().scopes.len(), 3);
    }
}

#[tokio::test]
async fn contract_an_application_in_use_loses_nothing_whoever_asks() {
    for world in worlds().await {
        world.ensure("kio", 1).await.unwrap();
        world.issuer.calls();
        assert_eq!(reason(world.provisioner.disable(&order("kio", 1)).await), "APPLICATION_ACTIVE");
        world.set_active("kio", false);
        world.provisioner.disable(&order("kio", 1)).await.unwrap();
        world.set_active("kio", true);
        assert_eq!(reason(world.provisioner.delete(&order("kio", 1)).await), "APPLICATION_ACTIVE");
        assert_eq!(world.issuer.calls(), ["PUT stups_kio"]);
    }
}

#[tokio::test]
async fn contract_only_a_disabled_identity_is_deleted() {
    for world in worlds().await {
        world.fleet(20).await;
        world.ensure("kio", 1).await.unwrap();
        world.set_active("kio", false);
        assert_eq!(reason(world.provisioner.delete(&order("kio", 1)).await), "IDENTITY_NOT_DISABLED");
        world.provisioner.disable(&order("kio", 1)).await.unwrap();
        world.issuer.calls();
        assert_eq!(reason(world.provisioner.delete(&order("kio", 1)).await), "TOMBSTONE_NOT_PASSED");
        world.clock.advance(WEEK);
        world.issuer.trouble(Trouble::After(unanswered()));
        assert_eq!(reason(world.provisioner.delete(&order("kio", 1)).await), "ISSUER_UNKNOWN_OUTCOME");
        world.provisioner.delete(&order("kio", 1)).await.unwrap();
        world.provisioner.delete(&order("kio", 1)).await.unwrap();
        assert_eq!(world.issuer.calls(), ["DELETE stups_kio", "DELETE stups_kio"]);
        assert!(world.issuer.user("stups_kio").is_none());
        assert_eq!(reason(world.provisioner.enable(&order("kio", 1)).await), "IDENTITY_UNKNOWN");
        world.set_active("kio", true);
        assert_eq!(reason(world.ensure("kio", 1).await), "IDENTITY_DELETED");
    }
}

#[tokio::test]
async fn contract_no_more_than_the_budget_is_taken_away_in_a_day() {
    for world in worlds().await {
        let names = world.fleet(33).await;
        for name in &names[..4] {
            world.set_active(name, false);
        }
        for name in &names[..3] {
            world.provisioner.disable(&order(name, 1)).await.unwrap();
        }
        let world = world.restarted();
        let error = world.provisioner.disable(&order(&names[3], 1)).await.unwrap_err();
        assert!(matches!(error, Error::BudgetExhausted { spent: 3, allowed: 3, fleet: 33 }), "{error}");
        assert!(world.provisioner.disable(&order(&names[0], 1)).await.unwrap().is_some(), "done already");
        let narrowed = application(&names[4], &["sales_order.read"]);
        world.catalog.put(Application { identity_revision: Revision(6), ..narrowed });
        assert_eq!(reason(world.ensure(&names[4], 1).await), "BUDGET_EXHAUSTED", "taking a scope counts");
        let widened = application(&names[5], &["sales_order.read", "sales_order.write", "more.read"]);
        world.catalog.put(Application { identity_revision: Revision(6), ..widened });
        world.ensure(&names[5], 1).await.unwrap();
        // what was counted a day ago may have taken effect some minutes later
        world.clock.advance(Duration::from_secs(24 * 3600 + 600 - 1));
        assert_eq!(reason(world.provisioner.disable(&order(&names[3], 1)).await), "BUDGET_EXHAUSTED");
        world.clock.advance(Duration::from_secs(2));
        world.provisioner.disable(&order(&names[3], 1)).await.unwrap();
        let alive = names
            .iter()
            .filter(|name| !world.issuer.user(&format!("stups_{name}")).unwrap().scopes.is_empty());
        assert_eq!(alive.count(), 29);
    }
}

#[tokio::test]
async fn contract_what_is_taken_away_again_counts_from_the_last_time_on() {
    for world in worlds().await {
        let names = world.fleet(20).await;
        for name in &names[..5] {
            world.set_active(name, false);
        }
        for name in &names[..2] {
            world.provisioner.disable(&order(name, 1)).await.unwrap();
        }
        world.clock.advance(Duration::from_hours(12));
        world.set_active(&names[0], true);
        world.provisioner.restore(&order(&names[0], 1)).await.unwrap();
        world.set_active(&names[0], false);
        world.provisioner.disable(&order(&names[0], 1)).await.unwrap();
        world.clock.advance(Duration::from_hours(13));
        world.provisioner.disable(&order(&names[3], 1)).await.unwrap();
        assert_eq!(reason(world.provisioner.disable(&order(&names[4], 1)).await), "BUDGET_EXHAUSTED");
    }
}

#[tokio::test]
async fn contract_invented_applications_raise_no_budget_within_a_day() {
    for world in worlds().await {
        let names = world.fleet(20).await;
        for name in &names[..5] {
            world.set_active(name, false);
        }
        let invented = world.newcomers("foreign-tenant", 80).await;
        let disable = async |name: &str| world.provisioner.disable(&order(name, 1)).await.map(drop);
        for name in &names[..2] {
            disable(name).await.unwrap();
        }
        let error = disable(&names[2]).await.unwrap_err();
        assert!(matches!(error, Error::BudgetExhausted { spent: 2, allowed: 2, fleet: 20 }), "{error}");
        assert_eq!(world.provisioner.budget().await.unwrap().accounts.standing.fleet, 20);
        // who is disabled and comes back is no newcomer; who was deleted and is made again is one
        world.set_active(&names[0], true);
        world.provisioner.restore(&order(&names[0], 1)).await.unwrap();
        assert_eq!(world.provisioner.budget().await.unwrap().accounts.standing.fleet, 20);
        world.clock.advance(Duration::from_mins(24 * 60 + 10));
        let standing = world.provisioner.budget().await.unwrap().accounts.standing;
        assert_eq!((standing.fleet, standing.allowed), (100, 5), "whoever stays a day is believed");
        assert_eq!(invented.len(), 80);
    }
}

#[tokio::test]
async fn contract_an_attempt_that_is_repeated_is_paid_once() {
    for world in worlds().await {
        let names = world.fleet(20).await;
        for name in &names[..3] {
            world.set_active(name, false);
        }
        for _ in 0..4 {
            world.issuer.trouble(Trouble::Before(IssuerError::Refused { status: 500 }));
            assert_eq!(reason(world.provisioner.disable(&order(&names[0], 1)).await), "ISSUER_REFUSED");
        }
        world.provisioner.disable(&order(&names[0], 1)).await.unwrap();
        world.provisioner.disable(&order(&names[1], 1)).await.unwrap();
        assert_eq!(reason(world.provisioner.disable(&order(&names[2], 1)).await), "BUDGET_EXHAUSTED");
    }
}

#[tokio::test]
async fn contract_a_reserved_scope_or_a_lost_application_is_refused_before_any_call() {
    for world in worlds().await {
        world.catalog.put(application("greedy", &["mint.admin"]));
        assert_eq!(reason(world.ensure("greedy", 1).await), "SCOPE_RESERVED");
        world.edit("kio", |record| record.presence = mint_types::Presence::Held);
        assert_eq!(reason(world.ensure("kio", 1).await), "APPLICATION_MISSING");
        world.edit("kio", |record| {
            record.presence = mint_types::Presence::Present;
            record.active = false;
        });
        assert_eq!(reason(world.ensure("kio", 1).await), "APPLICATION_INACTIVE");
        assert_eq!(world.issuer.calls(), Vec::<String>::new());
        assert_eq!(reason(world.provisioner.identity(&id("kio")).await), "IDENTITY_UNKNOWN");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_orders_for_one_application_take_turns() {
    for world in worlds().await {
        let orders = (0..8).map(|_| {
            let provisioner = Arc::clone(&world.provisioner);
            tokio::spawn(async move { provisioner.ensure(&order("kio", 1)).await })
        });
        for outcome in futures::future::join_all(orders).await {
            outcome.unwrap().unwrap();
        }
        assert_eq!(world.issuer.calls(), ["GET stups_kio", "PUT stups_kio"]);
    }
}

#[tokio::test]
async fn contract_the_role_can_do_its_work_and_take_nothing_back() {
    for owner in worlds().await.into_iter().filter(|world| world.place.engine == "postgres") {
        owner.place.administer(include_str!("../permissions/postgres.sql")).await;
        let url = owner.place.url_as("mint_identity_provisioner");
        let database = mint_store::Database::open(&url, SCHEMA, MIGRATIONS, false).await.unwrap();
        let mut place = owner.place;
        place.database = database.clone();
        let world = world(place);
        world.ensure("kio", 1).await.unwrap();
        world.ensure("kio", 2).await.unwrap();
        world.set_active("kio", false);
        world.provisioner.disable(&order("kio", 2)).await.unwrap();
        world.set_active("kio", true);
        world.provisioner.enable(&order("kio", 2)).await.unwrap();
        for forbidden in [
            "DELETE FROM spending",
            "UPDATE spending SET spent_at = 0",
            "DELETE FROM identities",
            "DELETE FROM fences",
            "UPDATE identities SET application_id = 'x'",
            "DELETE FROM mint_migrations",
            "CREATE TABLE other (x TEXT)",
        ] {
            assert!(database.execute(forbidden, &[]).await.is_err(), "{forbidden}");
        }
    }
}

#[test]
fn the_username_is_computed_from_the_configuration() {
    let naming = Naming { username_prefix: "svc-".into(), ..naming() };
    assert_eq!(naming.username(&id("kio")), "svc-kio");
    assert_eq!(naming.user(&application("kio", &[]), Stage::Enabled).username, "svc-kio");
}

#[tokio::test]
async fn contract_a_refused_order_is_in_the_log_once_however_often_it_comes_and_without_the_log_too() {
    for world in worlds().await {
        world.ensure("kio", 1).await.unwrap();
        let before = world.audit.entries().len();
        for _ in 0..50 {
            let refused = world.provisioner.disable(&order("kio", 1)).await;
            assert_eq!(reason(refused), "APPLICATION_ACTIVE");
            assert_eq!(reason(world.provisioner.release(b"forged").await), "STATEMENT_MALFORMED");
        }
        world.settled().await;
        let entries = world.audit.entries().split_off(before);
        let told: Vec<_> = entries.iter().map(|entry| (entry.act.action, entry.outcome)).collect();
        let failed = |reason| Some(Outcome::Failure { reason });
        let expected = [
            ("identity.disable", None),
            ("identity.disable", failed("APPLICATION_ACTIVE")),
            ("budget.release", None),
            ("budget.release", failed("STATEMENT_MALFORMED")),
        ];
        assert_eq!(told, expected);
        world.audit.set_down(true);
        world.clock.advance(Duration::from_mins(10));
        assert_eq!(reason(world.provisioner.disable(&order("kio", 1)).await), "APPLICATION_ACTIVE");
        assert!(world.issuer.user("stups_kio").unwrap().scopes.len() > 2);
    }
}

/// What would make every later change look applied.
#[tokio::test]
async fn contract_a_revision_from_the_future_is_not_remembered() {
    for world in worlds().await {
        world.ensure("kio", 1).await.unwrap();
        let honest = world.catalog.record(&id("kio")).unwrap();
        for (revision, identity_revision) in [(1 << 62, 6), (6, 1 << 62), (1 << 62, 1 << 62)] {
            let mut record = honest.clone();
            record.revision = Revision(revision);
            record.identity_revision = Revision(identity_revision);
            world.catalog.put(record);
            assert_eq!(reason(world.ensure("kio", 1).await), "CATALOG_IMPLAUSIBLE");
            let permit = world.provisioner.permit(&order("kio", 1), Taking::Tombstone).await;
            assert_eq!(reason(permit), "CATALOG_IMPLAUSIBLE");
        }
        world.catalog.put(honest);
        world.edit("kio", |record| record.name = "Kio Two".into());
        assert_eq!(world.ensure("kio", 1).await.unwrap().applied, Revision(6));
        assert_eq!(world.issuer.user("stups_kio").unwrap().name, "Kio Two");
    }
}
