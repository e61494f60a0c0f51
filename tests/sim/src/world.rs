//! One world, from its first application to a last look at everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mint_api::audit_log::MemoryAuditLog;
use mint_invariants::{Invariant, Violation, no_mass_death};
use mint_types::{Budget, CredentialKind, Period};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::clock::{MachineClock, TrueTime};
use crate::outside::{Catalog, Client, Issuer, Log, Manner, PREFIX, Password, Stores, Usable, User, record};
use crate::ports::{Member, Network, Replicas};
use crate::rng::{Rng, SimulatedEntropy, derived};
use crate::scene::{Numbers, Process, ProcessId, Scene, State};
use crate::services::{Disks, Machines, Role, distributor_keys, rotator_keys};
use crate::settle::settle;
use crate::tally::Tally;
use crate::weather::weather;

/// What a world is made of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// How many rotations it is to see.
    pub rotations: u64,
    /// Faults in a million calls.
    pub fault_rate: u64,
    /// Whether operators have versions ended at once, and the issuer compared.
    pub operators: bool,
    /// Whether its story is kept.
    pub trace: bool,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was counted.
    pub tally: Tally,
    /// A hash over everything that happened, with its time.
    pub hash: u64,
    /// Its story, if asked for.
    pub lines: Vec<String>,
}

/// Lives through a world.
#[expect(clippy::expect_used, reason = "without a runtime or a disk in memory there is nothing to simulate")]
pub fn run(plan: &Plan) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(live(plan)).expect("disks in memory")
}

/// The shortest. Each application has another one, so that they come together and part again: in step, each death would
/// strike all of them, and most calls would be repetitions.
const PERIOD: Duration = Duration::from_mins(30);
const APART: Duration = Duration::from_mins(1);
/// A world that does not get on at all ends nevertheless.
const LONGEST_PER_ROTATION: Duration = Duration::from_mins(20);
const LOOK: Duration = Duration::from_mins(1);

async fn live(plan: &Plan) -> Result<Outcome, mint_store::Error> {
    let mut rng = Rng::new(derived(plan.seed, 1));
    let time = TrueTime::begin();
    let roles = roles(&mut rng);
    let processes = roles.iter().enumerate().map(|(index, role)| process(time, index, *role)).collect();
    let mut state = State {
        rng,
        fault_rate: plan.fault_rate,
        calm: true,
        tally: Tally { worlds: 1, ..Tally::default() },
        issuer: Issuer::new(manner(plan.seed)),
        stores: Stores::default(),
        catalog: Catalog::default(),
        log: Log::default(),
        processes,
        completed: BTreeSet::new(),
        operators: plan.operators,
        revoked: BTreeMap::new(),
        envelopes: 0,
        carried: BTreeMap::new(),
        hostile: false,
        windows: BTreeMap::new(),
        admitted: BTreeMap::new(),
        hash: 0xcbf2_9ce4_8422_2325,
        lines: plan.trace.then(Vec::new),
        time,
        seed: plan.seed,
    };
    let numbers = Numbers::default();
    populate(&mut state, &numbers);
    let (died, deaths) = unbounded_channel();
    let (rotators, distributors) = (rotator_keys(plan.seed), distributor_keys(plan.seed));
    let scene = Arc::new(Scene::new(state, numbers, died, Arc::new(rotators), Arc::new(distributors)));
    let network = Arc::new(network(&scene, &roles));
    let machines = Arc::new(Machines {
        scene: Arc::clone(&scene),
        network: Arc::clone(&network),
        disks: Disks::new()?,
        roles,
        log: MemoryAuditLog::default(),
        seed: plan.seed,
    });
    for process in 0..machines.roles.len() {
        machines.start(process).await?;
    }
    tokio::spawn(supervise(Arc::clone(&machines), deaths));
    tokio::spawn(weather(Arc::clone(&network), plan.seed));
    scene.locked().calm = false;
    let longest = LONGEST_PER_ROTATION.saturating_mul(u32::try_from(plan.rotations).unwrap_or(u32::MAX))
        + Duration::from_hours(6);
    while scene.locked().tally.rotations < plan.rotations && time.elapsed() < longest {
        tokio::time::sleep(LOOK).await;
    }
    settle(&machines, &SimulatedEntropy::new(derived(plan.seed, 4))).await;
    Ok(outcome(&scene, plan))
}

/// One world in three has Glewlwyd.
fn manner(seed: u64) -> Manner {
    if derived(seed, 7).is_multiple_of(3) { Manner::Glewlwyd } else { Manner::ServiceUser }
}

fn outcome(scene: &Scene, plan: &Plan) -> Outcome {
    let mut state = scene.locked();
    let fleet = u64::try_from(state.catalog.records.len()).unwrap_or(0);
    let takings = std::mem::take(&mut state.issuer.takings);
    state.judge(no_mass_death(Budget::default(), fleet, &takings, &[]));
    state.tally.simulated = state.time.elapsed();
    let (issuer, rotations) = (state.issuer.manner, state.tally.rotations);
    state.tally.rotations_at.insert(issuer, rotations);
    if rotations < plan.rotations {
        let detail = format!("the world came to {rotations} of {} rotations", plan.rotations);
        state.violated(Violation::of_all(Invariant::NothingLost, detail));
    }
    state.tally.broken_worlds = u64::from(!state.tally.is_clean());
    Outcome { tally: state.tally.clone(), hash: state.hash, lines: state.lines.take().unwrap_or_default() }
}

/// One or two of each, except identity-provisioner.
fn roles(rng: &mut Rng) -> Vec<Role> {
    let mut roles = vec![Role::Provisioner(0)];
    let kinds: [fn(usize) -> Role; 3] = [Role::Coordinator, Role::Rotator, Role::Distributor];
    for kind in kinds {
        let replicas = 1 + rng.index(2);
        roles.extend((0..replicas).map(kind));
    }
    roles
}

fn process(time: TrueTime, index: ProcessId, role: Role) -> Process {
    let name = match role {
        Role::Coordinator(replica) => format!("coordinator-{replica}"),
        Role::Rotator(replica) => format!("rotator-{replica}"),
        Role::Distributor(replica) => format!("distributor-{replica}"),
        Role::Provisioner(replica) => format!("identity-provisioner-{replica}"),
    };
    let machine = u64::try_from(index).unwrap_or(0);
    Process { name, clock: MachineClock::new(time, machine), alive: false, incarnation: 0, tasks: Vec::new() }
}

fn network(scene: &Arc<Scene>, roles: &[Role]) -> Network {
    fn members<S>(roles: &[Role], is_it: impl Fn(&Role) -> bool) -> Vec<Member<S>> {
        let fitting = roles.iter().enumerate().filter(|(_, role)| is_it(role));
        fitting.map(|(process, _)| Member::new(process)).collect()
    }
    Network {
        scene: Arc::clone(scene),
        provisioners: Replicas {
            service: "identity-provisioner",
            members: members(roles, |role| matches!(role, Role::Provisioner(_))),
        },
        rotators: Replicas {
            service: "rotator",
            members: members(roles, |role| matches!(role, Role::Rotator(_))),
        },
        distributors: Replicas {
            service: "distributor",
            members: members(roles, |role| matches!(role, Role::Distributor(_))),
        },
        coordinators: Replicas {
            service: "coordinator",
            members: members(roles, |role| matches!(role, Role::Coordinator(_))),
        },
    }
}

/// Enough applications that looking for what is due costs little beside doing it.
const TEAMS: [&str; 3] = ["red", "green", "blue"];

/// Each kind of credential, with one bucket and with two; some of them in use before Mint came.
fn populate(state: &mut State, numbers: &Numbers) {
    use CredentialKind::{Client, Combined, Password, PublicClient};
    let layouts: [(&str, &[CredentialKind], usize, bool); 8] = [
        ("split-one", &[Password, Client], 1, false),
        ("split-two", &[Password, Client], 2, false),
        ("split-old", &[Password, Client], 1, true),
        ("public-one", &[Password, PublicClient], 1, false),
        ("public-two", &[Password, PublicClient], 2, false),
        ("combined-one", &[Combined], 1, false),
        ("combined-two", &[Combined], 2, false),
        ("combined-old", &[Combined], 2, true),
    ];
    let each = layouts.iter().flat_map(|layout| TEAMS.iter().map(move |team| (layout, team)));
    let mut period = PERIOD;
    for ((name, kinds, buckets, foreign), team) in each {
        period += APART;
        let (name, kinds, buckets, foreign) = (&format!("{name}-{team}"), *kinds, *buckets, *foreign);
        let revision = state.catalog.revision.0 + 1;
        let Some(record) = record(name, kinds, buckets, Period::from_seconds(period.as_secs()), revision)
        else {
            continue;
        };
        state.catalog.revision = record.revision;
        if foreign {
            in_use_before(state, numbers, &record);
        }
        state.catalog.records.insert(record.id.clone(), record);
    }
}

/// Somebody else gave it its credentials, and it uses them.
fn in_use_before(state: &mut State, numbers: &Numbers, record: &mint_types::Application) {
    let username = format!("{PREFIX}{}", record.id);
    let (password, secret, client) = ("an-old-password", "an-old-secret", format!("old-{}", record.id));
    let user = User {
        client_id: client.clone(),
        confidential: true,
        enabled: true,
        passwords: vec![Password {
            txid: "old-password".to_owned(),
            plaintext: password.to_owned(),
            valid_until: None,
        }],
        clients: vec![Client {
            txid: "old-client".to_owned(),
            id: client.clone(),
            secret: secret.to_owned(),
            ended: false,
        }],
    };
    state.issuer.users.insert(username.clone(), user);
    let Some(settings) = &record.settings else { return };
    for kind in settings.kinds() {
        let has = |object| kind.issuer_objects().contains(&object);
        let held = Usable {
            user: has(mint_types::IssuerObject::User).then(|| (username.clone(), password.to_owned())),
            client: has(mint_types::IssuerObject::Client).then(|| (client.clone(), Some(secret.to_owned()))),
        };
        for destination in settings.destinations(&record.id, *kind) {
            let place = state.stores.place(destination.bucket.name.as_str(), &destination.key);
            place.current = Some(Arc::new(held.clone()));
            place.keep = numbers.max_overlap;
        }
    }
}

const BACK_SOON: Duration = Duration::from_secs(3);
const LONG_AWAY: Duration = Duration::from_mins(1);

/// Starts again whatever died, after a while.
async fn supervise(machines: Arc<Machines>, mut deaths: UnboundedReceiver<ProcessId>) {
    while let Some(process) = deaths.recv().await {
        let machines = Arc::clone(&machines);
        tokio::spawn(async move {
            let pause = {
                let mut state = machines.scene.locked();
                // at once usually; sometimes later than its leases end
                let longest = if state.rng.below(8) == 0 { LONG_AWAY } else { BACK_SOON };
                state.within(longest)
            };
            tokio::time::sleep(pause).await;
            if let Err(error) = machines.start(process).await {
                let detail = format!("a service does not start: {error}");
                machines.scene.locked().violated(Violation::of_all(Invariant::NothingLost, detail));
            }
        });
    }
}
