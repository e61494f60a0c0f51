//! A coordinator in its world, and the applications it works on.

use std::sync::Arc;
use std::time::Duration;

use mint_coordinator::{
    Bell, Engine, IssuerGate, Parts, Policy, Reservations, SqlStore, Status, Store, Watched, status,
};
use mint_port::Port;
use mint_saga::Backoff;
use mint_store::Database;
use mint_testkit::{ManualClock, SeededEntropy, TestDatabase};
use mint_types::{
    Application, ApplicationId, Bucket, Clock, Layout, Prefix, Presence, Revision, Settings, Timestamp,
};

use crate::world::{LEASE, World};

/// Settings with one bucket per name.
pub(crate) fn settings(buckets: &[&str], layout: Layout, confidential: bool) -> Settings {
    let bucket =
        |name: &&str| Bucket { name: name.parse().unwrap(), region: None, endpoint: None, kms_key_id: None };
    Settings {
        buckets: buckets.iter().map(bucket).collect(),
        account_id: Some("123456789012".parse().unwrap()),
        prefix: Prefix::default(),
        layout,
        scopes: vec![],
        redirect_url: None,
        confidential,
        password_period: "2h".parse().unwrap(),
        client_period: "30d".parse().unwrap(),
    }
}

/// An active application of the default layout with a bucket.
pub(crate) fn application(id: &str, revision: u64) -> Application {
    Application {
        id: id.parse().unwrap(),
        team_id: "team-a".parse().unwrap(),
        name: id.to_owned(),
        active: true,
        subtitle: String::new(),
        service_url: String::new(),
        presence: Presence::Present,
        revision: Revision(revision),
        identity_revision: Revision(revision),
        settings: Some(settings(&["bucket"], Layout::Split, true)),
        settings_generation: 1,
        identity: None,
        modified_at: None,
        problems: vec![],
        destinations_statement: vec![],
        removed_destinations: vec![],
    }
}

/// A coordinator in its world.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) clock: ManualClock,
    pub(crate) store: SqlStore,
    pub(crate) parts: Arc<Parts>,
    pub(crate) engine: Engine,
    _database: TestDatabase,
}

pub(crate) fn policy(holder: &str) -> Policy {
    Policy {
        holder: holder.to_owned(),
        concurrency: 32,
        lease: LEASE,
        call_deadline: Duration::from_secs(20),
        backoff: Backoff { base: Duration::from_secs(1), cap: Duration::from_mins(5) },
        failed_after: 3,
        min_overlap: crate::world::OVERLAP,
        drift: Some(Duration::from_hours(24)),
    }
}

/// The database with the service's own rights: on PostgreSQL those of `permissions/postgres.sql`, and none besides.
pub(crate) async fn as_the_service(database: &TestDatabase) -> Database {
    if database.engine != "postgres" {
        return database.database.clone();
    }
    database.administer(include_str!("../../permissions/postgres.sql")).await;
    let url = database.url_as("mint_coordinator");
    Database::open(&url, mint_coordinator::SCHEMA, mint_coordinator::MIGRATIONS, false).await.unwrap()
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(policy("one")).await
    }

    pub(crate) async fn with(policy: Policy) -> Self {
        let database = mint_testkit::databases(mint_coordinator::SCHEMA, mint_coordinator::MIGRATIONS)
            .await
            .swap_remove(0);
        Self::on(database, policy, World::new(ManualClock::default())).await
    }

    pub(crate) async fn on(database: TestDatabase, policy: Policy, world: World) -> Self {
        let store = SqlStore::new(as_the_service(&database).await);
        let clock = world.clock.clone();
        let parts = parts(&world, Arc::new(store.clone()), policy, 1);
        let engine = Engine::new(Arc::clone(&parts));
        Self { world, clock, store, parts, engine, _database: database }
    }

    pub(crate) async fn take_in(&self, records: &[Application]) {
        let newest = records.iter().map(|record| record.revision).max().unwrap();
        self.store.take_in(records, newest, self.clock.now()).await.unwrap();
    }

    /// Works off everything that is due now.
    pub(crate) async fn turn(&mut self) -> Option<Timestamp> {
        self.engine.turn().await.unwrap()
    }

    /// Moves the clock from one due time to the next for `horizon`.
    pub(crate) async fn live_for(&mut self, horizon: Duration) {
        let end = self.clock.now().plus(horizon);
        while let Some(next) = self.turn().await.filter(|next| *next <= end) {
            self.clock.advance(next.since(self.clock.now()).max(Duration::from_millis(1)));
        }
        let rest = end.since(self.clock.now());
        self.clock.advance(rest);
    }

    pub(crate) async fn status(&self, application: &str) -> Status {
        let id: ApplicationId = application.parse().unwrap();
        status(&self.store.desk(&id).await.unwrap().unwrap(), 3, self.clock.now())
    }
}

pub(crate) fn parts(world: &World, store: Arc<dyn Store>, policy: Policy, seed: u64) -> Arc<Parts> {
    Arc::new(Parts {
        policy,
        store: Watched::new(Port::new(store), Arc::new(world.clock.clone())),
        identities: Port::new(Arc::new(world.clone())),
        rotator: Port::new(Arc::new(world.clone())),
        distributor: Port::new(Arc::new(world.clone())),
        clock: Arc::new(world.clock.clone()),
        entropy: Arc::new(SeededEntropy::new(seed)),
        bell: Bell::default(),
        issuer: IssuerGate::default(),
        reservations: Reservations::default(),
    })
}
