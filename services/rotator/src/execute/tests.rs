//! Whole rotations against the world in memory, with the real ledger.

use std::time::Duration;

use mint_api::audit_log::Outcome;
use mint_secret::{Expected, KeyRing, Purpose, open, parse};
use mint_secret::{KeyUse, Object, VerifyKeys};
use mint_testkit::{SeededEntropy, TestDatabase, databases};
use mint_types::{
    ApplicationId, CredentialKind, FencingToken, Layout, RequestId, Revision, RotationId, Version,
};

use super::*;
use crate::KEY_USES;
use crate::adapters::fake::{Fault, PASSWORD_GRACE, World};
use crate::error::IssuerError;
use crate::ledger::{Database, MIGRATIONS, SCHEMA};
use crate::plan::Proving;
use crate::ports::Driven;
use crate::state::{Made, Stage};
use mint_issuer_contract::{Driver, Ends, EndsOf};

mod contract;
mod faults;
mod scenarios;

const MIN_OVERLAP: Duration = Duration::from_mins(10);
const MAX_OVERLAP: Duration = Duration::from_hours(24);
const REQUEST_LIFE: Duration = Duration::from_secs(12);
const HOLD: Duration = Duration::from_mins(2);

/// A rotator on a world, with a database that outlives it.
struct Bench {
    world: World,
    state: TestDatabase,
    rotator: Rotator,
    next_rotation: u64,
}

impl Bench {
    async fn new() -> Self {
        let world = World::new();
        let state = databases(SCHEMA, MIGRATIONS).await.remove(0);
        let rotator = rotator(&world, &state);
        Self { world, state, rotator, next_rotation: 1 }
    }

    /// One on each engine that there is, with its name.
    async fn on_every_engine() -> Vec<(Self, &'static str)> {
        let begin = |state: TestDatabase| {
            let (world, engine) = (World::new(), state.engine);
            let rotator = rotator(&world, &state);
            (Self { world, state, rotator, next_rotation: 1 }, engine)
        };
        databases(SCHEMA, MIGRATIONS).await.into_iter().map(begin).collect()
    }

    /// With one confidential application of Mint's own, in the split layout.
    async fn with_shop() -> (Self, ApplicationId) {
        let bench = Self::new().await;
        let shop = bench.world.add("shop", Layout::Split, true, false);
        (bench, shop)
    }

    /// The process is killed and started again: only the database is left.
    fn restart(&mut self) {
        self.rotator = rotator(&self.world, &self.state);
    }

    fn order(&mut self, application: &ApplicationId, kind: CredentialKind) -> CreateOrder {
        self.next_rotation += 1;
        let entropy = SeededEntropy::new(self.next_rotation);
        CreateOrder {
            order: Order {
                application: application.clone(),
                ask: Ask { rotation: RotationId::random(&entropy), kind },
                token: FencingToken(1),
                request: RequestId::random(&entropy),
            },
            revision: Revision(1),
        }
    }

    /// Begins a rotation: its version is made.
    async fn made(&mut self, application: &ApplicationId, kind: CredentialKind) -> (CreateOrder, Made) {
        let create = self.order(application, kind);
        let made = self.rotator.create(&create).await.unwrap();
        (create, made)
    }

    /// Begins a rotation up to its receipt.
    async fn delivered(&mut self, application: &ApplicationId, kind: CredentialKind) -> (CreateOrder, Made) {
        let (create, made) = self.made(application, kind).await;
        self.deliver(&create.order, &made).await;
        (create, made)
    }

    /// Runs a whole rotation; answers the version and its probe envelope.
    async fn rotate(&mut self, application: &ApplicationId, kind: CredentialKind) -> (Made, Order) {
        let (create, made) = self.delivered(application, kind).await;
        self.world.clock.advance(MIN_OVERLAP);
        self.rotator.retire(&create.order).await.unwrap();
        (made, create.order)
    }

    /// The same by the holder of another lease.
    async fn rotate_as(
        &mut self,
        application: &ApplicationId,
        kind: CredentialKind,
        token: FencingToken,
    ) -> (Made, Order) {
        let mut create = self.order(application, kind);
        create.order.token = token;
        let made = self.rotator.create(&create).await.unwrap();
        self.deliver(&create.order, &made).await;
        self.world.clock.advance(MIN_OVERLAP);
        self.rotator.retire(&create.order).await.unwrap();
        (made, create.order)
    }

    async fn deliver(&self, order: &Order, made: &Made) -> Accepted {
        let receipt = self.world.receipt(&made.envelopes.as_ref().unwrap().delivery);
        self.rotator.accept_receipt(order, &receipt).await.unwrap()
    }

    async fn stages(&self, application: &ApplicationId) -> Vec<(CredentialKind, Stage)> {
        let (versions, _) = self.rotator.versions(application).await.unwrap();
        versions.into_iter().map(|version| (version.kind, version.stage)).collect()
    }

    async fn unresolved(&self, application: &ApplicationId) -> u32 {
        self.rotator.versions(application).await.unwrap().1
    }

    /// What the distributor finds in the envelope.
    fn opened(&self, order: &Order, made: &Made) -> Object {
        let verifiers = VerifyKeys::of(KeyUse::RotatorSign, self.rotator.keys().published());
        let keys = self.world.distributor.seal_keys(KeyUse::DistributorSeal).unwrap();
        let expected = Expected {
            purpose: Purpose::Delivery,
            application: &order.application,
            rotation: Some(order.ask.rotation),
        };
        let (_, plaintext) =
            open(keys, &verifiers, &made.envelopes.as_ref().unwrap().delivery, expected).unwrap();
        parse(order.ask.kind, &plaintext).unwrap()
    }

    async fn wait_for_background(&self) {
        self.rotator.parts.background.close();
        self.rotator.parts.background.wait().await;
        self.rotator.parts.background.reopen();
    }
}

fn rules(ends: EndsOf) -> Rules {
    Rules {
        min_overlap: MIN_OVERLAP,
        max_overlap: MAX_OVERLAP,
        ends,
        request_life: REQUEST_LIFE,
        unresolved_hold: HOLD,
        login_pause: Duration::ZERO,
        replace_window: Duration::from_secs(30),
        proving: Proving { by_login: true, attempts: 5 },
    }
}

fn rotator(world: &World, state: &TestDatabase) -> Rotator {
    let declaration = Driver::declares(world);
    let issuer = std::sync::Arc::new(Driven(world.clone()));
    // a process that is started again draws other secrets
    let drawn = u64::try_from(world.calls().len()).unwrap();
    let world_of_faults = world.clone();
    let world = std::sync::Arc::new(world.clone());
    Rotator::new(Parts {
        ledger: Ledger::new(Database::within(state.database.clone(), &world_of_faults)),
        issuer: mint_port::Port::new(issuer),
        login: mint_port::Port::held_by("rotator", world.clone()),
        catalog: mint_port::Port::new(world.clone()),
        distributor: KnownKeys::new(
            mint_port::Port::new(world.clone()),
            std::sync::Arc::new(world.clock.clone()),
        ),
        audit: mint_port::Port::held_by("rotator", world.clone()),
        keys: KeyRing::in_memory(&KEY_USES, &SeededEntropy::new(5)).unwrap(),
        budget: RateBudget::new(100_000),
        rules: rules(declaration.ends()),
        declaration,
        errors: ErrorBudget { issuer: "of-a-test", lies: 5, window: Duration::from_hours(1) },
        statements: world.statements(),
        metrics: Metrics::new(&opentelemetry::global::meter("test")),
        username_prefix: "stups_".to_owned(),
        clock: std::sync::Arc::new(world.clock.clone()),
        entropy: std::sync::Arc::new(SeededEntropy::new(6 + drawn)),
        background: TaskTracker::new(),
    })
}
