//! The real services, built from their parts in front of the scene, and built again when they died.

use std::sync::Arc;
use std::time::Duration;

use mint_api::audit_log::{AuditLog, MemoryAuditLog};
use mint_coordinator::{
    Bell, Engine, IssuerGate, Policy, Reservations, SqlStore, Store as _, Watched, take_in_catalog,
};
use mint_distributor::{Opener, Ports};
use mint_identity_provisioner::model::Naming;
use mint_identity_provisioner::statements::Statements;
use mint_identity_provisioner::{execute as provisioning, state as identities};
use mint_port::Port;
use mint_rotator::{ErrorBudget, KnownKeys, Ledger, Metrics, Proving, RateBudget, Rules};
use mint_saga::Backoff;
use mint_secret::{KeyRing, KeyUse};
use mint_store::{Database, Error, Migration};
use mint_types::{Budget, Clock, Entropy, RequestId, Timestamp};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::disk::Disk;
use crate::operators;
use crate::outside::{PREFIX, is_of_old};
use crate::ports::{
    Audit, DistributorWorld, Network, ProvisionerWorld, RotatorWorld, Wire, Writes, declaration,
};
use crate::rng::{SimulatedEntropy, derived};
use crate::scene::{Life, ProcessId, Scene};

/// How long a coordinator looks away at most: applications whose holder died are noticed this late.
const LONGEST_NAP: Duration = Duration::from_mins(1);
const SHORTEST_NAP: Duration = Duration::from_millis(20);
/// The issuer of a simulation answers as many calls as anybody makes.
const CALLS_PER_MINUTE: u32 = 60_000;

/// Most owners here sign nothing: where their credentials go is waited for.
const PIN_WAIT: Duration = Duration::from_mins(15);

/// How long a disabled identity is restorable.
pub(crate) const TOMBSTONE: Duration = Duration::from_hours(7 * 24);

/// Which service a process is, and which of its replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Coordinator(usize),
    Rotator(usize),
    Distributor(usize),
    Provisioner(usize),
}

/// What the services find again.
#[derive(Debug)]
pub(crate) struct Disks {
    coordinator: Disk,
    rotator: Disk,
    distributor: Disk,
    provisioner: Disk,
}

impl Disks {
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self {
            coordinator: Disk::new()?,
            rotator: Disk::new()?,
            distributor: Disk::new()?,
            provisioner: Disk::new()?,
        })
    }
}

/// Everything that starts processes.
#[derive(Debug)]
pub(crate) struct Machines {
    pub(crate) scene: Arc<Scene>,
    pub(crate) network: Arc<Network>,
    pub(crate) disks: Disks,
    pub(crate) roles: Vec<Role>,
    pub(crate) log: MemoryAuditLog,
    pub(crate) seed: u64,
}

impl Machines {
    /// Starts a process; it is alive when this is done, unless its disk is not well.
    pub(crate) async fn start(&self, process: ProcessId) -> Result<(), Error> {
        let life = Life { scene: Arc::clone(&self.scene), process };
        let (clock, incarnation) = {
            let state = self.scene.locked();
            (state.processes[process].clock.clone(), state.processes[process].incarnation)
        };
        let part = u64::try_from(process).unwrap_or(0) * 1_000_000 + incarnation;
        let being = Being {
            life,
            clock: Arc::new(clock),
            entropy: Arc::new(SimulatedEntropy::new(derived(self.seed, part))),
        };
        match self.roles[process] {
            Role::Coordinator(replica) => self.coordinator(&being, replica).await?,
            Role::Rotator(replica) => self.rotator(&being, replica).await?,
            Role::Distributor(replica) => self.distributor(&being, replica).await?,
            Role::Provisioner(replica) => self.provisioner(&being, replica).await?,
        }
        let mut state = self.scene.locked();
        state.processes[process].alive = true;
        let name = state.processes[process].name.clone();
        state.trace(|| format!("{name} runs"));
        Ok(())
    }

    fn audit(&self, being: &Being, service: &'static str) -> Port<dyn AuditLog> {
        let log = Audit { life: being.life.clone(), service, log: self.log.clone() };
        Port::held_by(service, Arc::new(log))
    }

    async fn coordinator(&self, being: &Being, replica: usize) -> Result<(), Error> {
        use mint_coordinator::{MIGRATIONS, Parts, SCHEMA};
        let database = being.opens(&self.disks.coordinator, SCHEMA, MIGRATIONS).await?;
        let wire = Arc::new(Wire { life: being.life.clone(), network: Arc::clone(&self.network) });
        let lease = self.scene.numbers.lease;
        let parts = Arc::new(Parts {
            policy: Policy {
                // each life has a name of its own: what the last one asked for may still be under way
                holder: RequestId::random(being.entropy.as_ref()).to_string(),
                concurrency: 32,
                lease,
                call_deadline: lease * 2 / 3,
                backoff: Backoff { base: Duration::from_secs(1), cap: Duration::from_mins(5) },
                failed_after: 3,
                min_overlap: self.scene.numbers.min_overlap,
                drift: Some(Duration::from_hours(24)),
            },
            store: Watched::new(Port::new(Arc::new(SqlStore::new(database))), being.clock()),
            identities: Port::new(wire.clone()),
            rotator: Port::new(wire.clone()),
            distributor: Port::new(wire.clone()),
            clock: being.clock(),
            entropy: being.entropy(),
            bell: Bell::default(),
            issuer: IssuerGate::default(),
            reservations: Reservations::default(),
        });
        self.network.coordinators.members[replica].share(Arc::clone(&parts));
        let never = CancellationToken::new();
        being.life.spawn(take_in_catalog(Arc::clone(&parts), Port::new(wire), never));
        if self.scene.locked().operators {
            being.life.spawn(operators::carry_all(Arc::clone(&self.scene), Arc::clone(&parts)));
            being.life.spawn(operators::compare_all(Arc::clone(&self.scene), Arc::clone(&parts)));
        }
        being.life.spawn(work(parts));
        Ok(())
    }

    async fn rotator(&self, being: &Being, replica: usize) -> Result<(), Error> {
        use mint_rotator::{MIGRATIONS, Parts, Rotator, SCHEMA, rpc::Rpc};
        let database = being.opens(&self.disks.rotator, SCHEMA, MIGRATIONS).await?;
        let world = Arc::new(RotatorWorld(being.life.clone()));
        let numbers = &self.scene.numbers;
        let declaration = declaration(self.scene.locked().issuer.manner, numbers.grace);
        let rotator = Rotator::new(Parts {
            ledger: Ledger::new(database),
            issuer: Port::new(world.clone()),
            login: Port::held_by("rotator", world.clone()),
            catalog: Port::new(world.clone()),
            distributor: KnownKeys::new(Port::new(world), being.clock()),
            audit: self.audit(being, "rotator"),
            keys: rotator_keys(self.seed),
            statements: operators::believed(),
            budget: RateBudget::new(CALLS_PER_MINUTE),
            rules: Rules {
                min_overlap: numbers.min_overlap,
                max_overlap: numbers.max_overlap,
                ends: declaration.ends(),
                request_life: numbers.request_life,
                unresolved_hold: Duration::from_mins(2),
                login_pause: Duration::from_secs(1),
                replace_window: Duration::from_secs(30),
                proving: Proving { by_login: true, attempts: 12 },
            },
            declaration,
            // logins that are refused on purpose are no reason to halt an issuer here
            errors: ErrorBudget { issuer: "simulated", lies: u32::MAX, window: Duration::from_hours(1) },
            metrics: Metrics::new(&opentelemetry::global::meter("mint-sim")),
            username_prefix: PREFIX.to_owned(),
            clock: being.clock(),
            entropy: being.entropy(),
            background: TaskTracker::new(),
        });
        let rpc = Rpc::new(Arc::new(rotator), being.clock(), being.entropy());
        self.network.rotators.members[replica].share(Arc::new(rpc));
        Ok(())
    }

    async fn distributor(&self, being: &Being, replica: usize) -> Result<(), Error> {
        use mint_distributor::adapters::{MIGRATIONS, SCHEMA, SqlAttempts, SqlPins, SqlTombstones};
        use mint_distributor::{Distributor, Rpc};
        let database = being.opens(&self.disks.distributor, SCHEMA, MIGRATIONS).await?;
        let world = Arc::new(DistributorWorld(being.life.clone()));
        let ring = Arc::clone(&self.scene.distributor_keys);
        let ports = Ports {
            opener: Arc::new(Opener::new(Arc::clone(&ring), Port::new(world.clone()), being.clock())),
            catalog: Port::new(world.clone()),
            attempts: Port::new(Arc::new(SqlAttempts::new(database.clone()))),
            pins: Port::new(Arc::new(SqlPins::new(database.clone()))),
            tombstones: Port::new(Arc::new(SqlTombstones::new(database))),
            statements: mint_distributor::Statements::new(operators::believed_keys()),
            store: Port::new(world),
            audit: self.audit(being, "distributor"),
            clock: being.clock(),
        };
        let distributor =
            Distributor::new(Arc::clone(&ring), ports, String::new(), self.scene.numbers.put_expiry)
                .with_rules(mint_distributor::Rules { pin_wait: PIN_WAIT, allowed_endpoints: None });
        let rpc =
            Rpc { distributor: Arc::new(distributor), ring, clock: being.clock(), entropy: being.entropy() };
        self.network.distributors.members[replica].share(Arc::new(rpc));
        Ok(())
    }

    /// Operators let those who were in use before Mint came be taken over at once, whatever the budget of the first days.
    fn release_of_the_takeover(&self) -> identities::Accepted {
        let scene = self.scene.locked();
        let old = scene.catalog.records.keys().filter(|id| is_of_old(id)).cloned();
        let applications: std::collections::BTreeSet<_> = old.collect();
        identities::Accepted {
            id: "the-takeover".to_owned(),
            acts: u32::try_from(applications.len()).unwrap_or(u32::MAX),
            applications,
            expires_at: Timestamp::from_unix_micros(i64::MAX / 2),
        }
    }

    async fn provisioner(&self, being: &Being, replica: usize) -> Result<(), Error> {
        use identities::{MIGRATIONS, SCHEMA, State};
        let disk = &self.disks.provisioner;
        let is_first = disk.is_fresh();
        let database = being.opens(disk, SCHEMA, MIGRATIONS).await?;
        if is_first {
            // before anything can go wrong: a process that does not start is not started again here
            let calm = State::new(disk.open(SCHEMA, MIGRATIONS, false, None).await?, Budget::default());
            let taking_over = calm.accept(&self.release_of_the_takeover(), being.clock().now()).await;
            taking_over.map_err(|error| Error::Unavailable { detail: error.to_string() })?;
        }
        let state = State::new(database, Budget::default());
        let world = Arc::new(ProvisionerWorld(being.life.clone()));
        let provisioner = provisioning::Provisioner::new(provisioning::Parts {
            issuer: Port::new(world.clone()),
            catalog: Port::new(world),
            audit: self.audit(being, "identity-provisioner"),
            state,
            tombstone: TOMBSTONE,
            // nobody is believed: no statement is needed here
            statements: Statements { keys_file: None, key_file: None },
            naming: Naming {
                username_prefix: PREFIX.to_owned(),
                realm: "services".to_owned(),
                base_scopes: vec!["uid".to_owned(), "cn".to_owned()],
                reserved_scopes: Vec::new(),
            },
            clock: being.clock(),
            entropy: being.entropy(),
            background: TaskTracker::new(),
        });
        let rpc =
            mint_identity_provisioner::rpc::Rpc { provisioner: Arc::new(provisioner), clock: being.clock() };
        self.network.provisioners.members[replica].share(Arc::new(rpc));
        Ok(())
    }
}

/// One incarnation of a process.
#[derive(Debug)]
struct Being {
    life: Life,
    clock: Arc<crate::clock::MachineClock>,
    entropy: Arc<SimulatedEntropy>,
}

impl Being {
    /// What it keeps on a disk. Only the first process of a disk migrates: nobody dies over that here.
    async fn opens(
        &self,
        disk: &Disk,
        schema: &'static str,
        migrations: &'static [Migration],
    ) -> Result<Database, Error> {
        if disk.is_fresh() {
            drop(disk.open(schema, migrations, true, None).await?);
        }
        disk.open(schema, migrations, false, Some(Writes::of(&self.life))).await
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    fn entropy(&self) -> Arc<dyn Entropy> {
        self.entropy.clone()
    }
}

/// The rotator's keys: all replicas and incarnations share them.
pub(crate) fn rotator_keys(seed: u64) -> KeyRing {
    let uses = [KeyUse::RotatorSign, KeyUse::RotatorProbe, KeyUse::RotatorFingerprint];
    keys(&uses, derived(seed, 2))
}

/// The distributor's.
pub(crate) fn distributor_keys(seed: u64) -> KeyRing {
    keys(&[KeyUse::DistributorSeal, KeyUse::DistributorReceipt], derived(seed, 3))
}

/// Keys of a seed.
#[expect(clippy::expect_used, reason = "keys of 32 random bytes are always good")]
pub(crate) fn keys(uses: &[KeyUse], seed: u64) -> KeyRing {
    KeyRing::in_memory(uses, &SimulatedEntropy::new(seed)).expect("keys in memory")
}

/// A coordinator's life: everything that is due, then a nap.
async fn work(parts: Arc<mint_coordinator::Parts>) {
    let _asked_again_by_every_lease = parts.store.reclaim(&parts.policy.holder).await;
    let mut engine = Engine::new(Arc::clone(&parts));
    loop {
        let nap = match engine.turn().await {
            Ok(Some(at)) => at.since(parts.clock.now()).clamp(SHORTEST_NAP, LONGEST_NAP),
            Ok(None) => LONGEST_NAP,
            Err(_) => Duration::from_secs(1),
        };
        tokio::time::sleep(nap).await;
    }
}
