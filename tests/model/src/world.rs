//! The state of everything, and what can happen next.

use std::collections::BTreeMap;

use mint_coordinator::Desk;
use mint_invariants::Violation;
use mint_rotator::Rules;
use mint_rotator::state::Instant;
use mint_saga::{Credential, Sealed};
use mint_types::mutation::{Mutation, mutated};
use mint_types::{CredentialKind, FencingToken, Monotonic, Timestamp};

use crate::bounds::{BEGIN, Bounds, Hostile, MOST_STEPS, rules};
use crate::calls::{Answer, Call, Late};
use crate::issuer::Issuer;
use crate::ledger::Ledger;
use crate::stores::Stores;
use crate::{desk, judge};

/// What may still go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Left {
    /// Processes that die.
    pub crashes: u8,
    /// Messages that are lost, late or come twice.
    pub messages: u8,
    /// Writes that are refused.
    pub refusals: u8,
    /// Leases that run out.
    pub leases: u8,
    /// Settings without a bucket.
    pub emptied: u8,
    /// Changes of mind of the owner.
    pub changes: u8,
    /// Hostile calls.
    pub hostile: u8,
}

/// The coordinators' row of the application.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Row {
    /// The credentials.
    pub credentials: BTreeMap<CredentialKind, Credential>,
    /// The last lease's token.
    pub token: FencingToken,
    /// Who holds it.
    pub holder: Option<u8>,
    /// Until when.
    pub lease_until: Timestamp,
    /// When somebody should look again.
    pub wake_at: Timestamp,
}

/// What a credential's worker is at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Lane {
    /// About to ask.
    Ready,
    /// It asked.
    Waiting,
    /// It heard.
    Answered(Answer),
    /// It has to wait.
    Parked,
}

/// A coordinator at work.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Worker {
    /// Its lease.
    pub token: FencingToken,
    /// Until when, as it knows.
    pub until: Timestamp,
    /// It looked at its lease and was stopped just then.
    pub checked: bool,
    /// Whether it knows that the owner wants another layout.
    pub changed: bool,
    /// What it knows.
    pub credentials: BTreeMap<CredentialKind, Credential>,
    /// What it does, by credential.
    pub lanes: BTreeMap<CredentialKind, Lane>,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    /// Steps since the last rest: no path is endless that is bounded here.
    pub steps: u16,
    /// The time, on every clock.
    pub now: Timestamp,
    /// What may still go wrong.
    pub left: Left,
    /// Whether the owner wants another layout.
    pub changed: bool,
    /// Rotations that were opened.
    pub opened: u8,
    /// The coordinators' state.
    pub row: Row,
    /// The coordinators.
    pub workers: Vec<Option<Worker>>,
    /// The rotator's state.
    pub ledger: Ledger,
    /// The issuer's.
    pub issuer: Issuer,
    /// The buckets and the distributor's state.
    pub stores: Stores,
    /// What executors are at.
    pub calls: Vec<Call>,
    /// What may still arrive.
    pub limbo: Vec<Late>,
    /// Envelopes that a coordinator kept.
    pub kept: Vec<Sealed>,
    /// What was violated in the last step.
    pub broken: Option<Violation>,
}

/// How an outside call or an answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Luck {
    /// As it should.
    Well,
    /// It arrives, its answer does not.
    AnswerLost,
    /// It does not arrive.
    Lost,
    /// It arrives later, perhaps.
    Late,
    /// It arrives, and once more later, perhaps.
    Twice,
    /// It is refused.
    Refused,
    /// The distributor reads settings without a bucket.
    Emptied,
}

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Process {
    /// A coordinator.
    Coordinator(u8),
    /// The rotator.
    Rotator,
    /// The distributor.
    Distributor,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A coordinator takes the lease.
    Take(u8),
    /// It asks for the next step of a credential, which is answered on this machine.
    Send(u8, CredentialKind, Luck, u8),
    /// It makes an answer durable.
    Record(u8, CredentialKind),
    /// An executor does the next thing.
    Step(usize, Luck),
    /// Something late arrives.
    Land(usize),
    /// A process dies and is started again.
    Crash(Process),
    /// A lease runs out while its holder is stopped.
    LoseLease,
    /// The owner wants another layout.
    Change,
    /// A taken-over coordinator calls.
    Act(Hostile),
    /// Time passes until somebody has to do something.
    Tick,
}

/// The model of one configuration.
#[derive(Debug)]
pub struct Mint {
    /// What may happen.
    pub bounds: Bounds,
    /// The rotator's rules.
    pub rules: Rules,
    /// The application, with no credential begun.
    pub desk: Desk,
    /// The same once its owner wants another layout.
    pub changed: Desk,
}

impl Mint {
    /// A world within bounds.
    pub fn new(bounds: Bounds) -> Self {
        let (desk, changed) = (desk::of(&bounds), desk::changed(&bounds));
        Self { rules: rules(bounds.ends, bounds.min_overlap), bounds, desk, changed }
    }

    /// The application as whoever knows of the change, or does not, finds it in the catalog.
    pub fn desk(&self, changed: bool) -> &Desk {
        if changed { &self.changed } else { &self.desk }
    }

    /// How the world begins: identities made, nothing rotated yet.
    pub fn begin(&self) -> World {
        let bounds = &self.bounds;
        let mut stores = Stores::default();
        if bounds.foreign {
            for kind in bounds.kinds {
                let payload = desk::foreign(*kind);
                for place in desk::places(&self.desk, *kind) {
                    stores.put(&place, &payload, BEGIN);
                }
            }
        }
        World {
            steps: 0,
            now: BEGIN,
            left: Left {
                crashes: bounds.crashes,
                messages: bounds.messages,
                refusals: bounds.refusals,
                leases: bounds.leases,
                emptied: bounds.emptied,
                changes: bounds.changes,
                hostile: bounds.hostile,
            },
            changed: false,
            opened: 0,
            row: Row {
                credentials: BTreeMap::new(),
                token: FencingToken(0),
                holder: None,
                lease_until: BEGIN,
                wake_at: BEGIN,
            },
            workers: vec![None; usize::from(bounds.coordinators)],
            ledger: Ledger::default(),
            issuer: Issuer::new(bounds.foreign),
            stores,
            calls: Vec::new(),
            limbo: Vec::new(),
            kept: Vec::new(),
            broken: None,
        }
    }

    /// The rotator's clocks on a machine. With one machine the wall clock stands still: nothing of the rotator may
    /// depend on it, and states that differ in it alone are one.
    pub fn instant(&self, machine: u8, now: Timestamp) -> Instant {
        let up = now.since(BEGIN) + std::time::Duration::from_secs(if machine == 0 { 10 } else { 1_000_000 });
        let wall = if self.bounds.machines > 1 || mutated(Mutation::EndByAge) { now } else { BEGIN };
        let nanos = u64::try_from(up.as_nanos()).unwrap_or(u64::MAX);
        Instant { wall, monotonic: Monotonic { boot: format!("boot-{machine}"), nanos } }
    }

    /// Whether everything rests as it should, and nothing more will happen within the bounds.
    pub fn is_done(&self, world: &World) -> bool {
        world.calls.is_empty() && world.workers.iter().all(Option::is_none) && self.is_rotated(world)
    }

    /// Whether every credential was rotated as often as the bounds say.
    pub fn is_rotated(&self, world: &World) -> bool {
        let wanted = self.desk(world.changed).kinds();
        self.bounds.kinds.iter().all(|kind| {
            let credential = world.row.credentials.get(kind);
            if !wanted.contains(kind) {
                return credential.is_none_or(|credential| credential.rotation.is_none());
            }
            let enough = |credential: &Credential| match kind {
                // it has no period: it is written once
                CredentialKind::PublicClient => credential.completed >= 1,
                _ => credential.completed >= self.bounds.rotations,
            };
            credential.is_some_and(|credential| credential.rotation.is_none() && enough(credential))
        })
    }

    /// What does not need a fault.
    pub fn progress(&self, world: &World) -> Vec<Action> {
        let mut actions = Vec::new();
        if world.broken.is_some() || world.steps >= MOST_STEPS {
            return actions;
        }
        for (index, _) in world.calls.iter().enumerate() {
            actions.push(Action::Step(index, Luck::Well));
        }
        for (number, worker) in (0_u8..).zip(&world.workers) {
            let Some(worker) = worker else { continue };
            for (kind, lane) in &worker.lanes {
                match lane {
                    Lane::Ready => {
                        for machine in self.machines_for(worker, *kind) {
                            actions.push(Action::Send(number, *kind, Luck::Well, machine));
                        }
                    }
                    Lane::Answered(_) => actions.push(Action::Record(number, *kind)),
                    Lane::Waiting | Lane::Parked => {}
                }
            }
        }
        actions.extend(self.taker(world).map(Action::Take));
        if actions.is_empty() && self.next_instant(world).is_some() {
            actions.push(Action::Tick);
        }
        actions
    }

    /// Whether anything moves without a fault.
    pub fn can_move(&self, world: &World) -> bool {
        let moves = |lane: &Lane| matches!(lane, Lane::Ready | Lane::Answered(_));
        !world.calls.is_empty()
            || world.workers.iter().flatten().any(|worker| worker.lanes.values().any(moves))
            || self.taker(world).is_some()
            || self.next_instant(world).is_some()
    }

    /// The next world, judged.
    pub fn after(&self, world: &World, action: &Action) -> Option<World> {
        let mut next = world.clone();
        next.steps = next.steps.saturating_add(1);
        if !self.perform(&mut next, action) {
            return None;
        }
        if next.broken.is_none() {
            next.broken = judge::violation(self, &next);
        }
        Some(next)
    }

    fn perform(&self, world: &mut World, action: &Action) -> bool {
        match action {
            Action::Take(number) => return self.take(world, *number),
            Action::Send(number, kind, luck, machine) => self.send(world, *number, *kind, *luck, *machine),
            Action::Record(number, kind) => self.record(world, *number, *kind),
            Action::Step(index, luck) => self.step(world, *index, *luck),
            Action::Land(index) => self.land(world, *index),
            Action::Crash(process) => return crate::faults::crash(world, *process),
            Action::LoseLease => crate::faults::lose_lease(self, world),
            Action::Change => crate::faults::change(world),
            Action::Act(act) => self.act(world, *act),
            Action::Tick => self.tick(world),
        }
        true
    }
}
