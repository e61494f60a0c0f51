//! Everything outside of the services, and the processes that they run in: one lock, never held across a wait.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mint_invariants::{Verdict, Violation};
use mint_secret::{KeyRing, KeyStage, KeyUse, PublishedKey, VerifyKeys};
use mint_types::RotationId;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

use crate::clock::{MachineClock, TrueTime};
use crate::faults::Fault;
use crate::hostile::stolen_key;
use crate::outside::{Catalog, Issuer, Log, Stores, Window};
use crate::rng::Rng;
use crate::tally::Tally;

/// A process, by its place in the list.
pub(crate) type ProcessId = usize;

/// One process on a machine of its own.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) clock: MachineClock,
    pub(crate) alive: bool,
    pub(crate) incarnation: u64,
    pub(crate) tasks: Vec<AbortHandle>,
}

/// What the lock guards.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) rng: Rng,
    /// Faults in a million calls.
    pub(crate) fault_rate: u64,
    /// No more faults: what is wrong now must heal.
    pub(crate) calm: bool,
    pub(crate) tally: Tally,
    pub(crate) issuer: Issuer,
    pub(crate) stores: Stores,
    pub(crate) catalog: Catalog,
    pub(crate) log: Log,
    pub(crate) processes: Vec<Process>,
    pub(crate) completed: BTreeSet<RotationId>,
    /// Whether operators act beside the services.
    pub(crate) operators: bool,
    /// What they have had ended at once, by application, until everybody can log in again.
    pub(crate) revoked: BTreeMap<String, crate::operators::Ended>,
    /// How many envelopes were carried.
    pub(crate) envelopes: u64,
    /// What was carried, for whoever replays it.
    pub(crate) carried: BTreeMap<String, Vec<crate::hostile::Carried>>,
    /// Whether somebody who keeps no lease is asking right now.
    pub(crate) hostile: bool,
    /// Since when a value is at a destination that its issuer and other destinations do not have, by application.
    pub(crate) windows: BTreeMap<String, Window>,
    pub(crate) admitted: BTreeMap<(&'static str, String), u64>,
    pub(crate) hash: u64,
    pub(crate) lines: Option<Vec<String>>,
    pub(crate) time: TrueTime,
    pub(crate) seed: u64,
}

/// The numbers that hold in a world.
#[derive(Debug, Clone)]
pub(crate) struct Numbers {
    /// The issuer's grace for passwords.
    pub grace: Duration,
    /// How long consumers have.
    pub min_overlap: Duration,
    /// The same where Mint does not know them.
    pub max_overlap: Duration,
    /// How long a call to the issuer may take.
    pub issuer_deadline: Duration,
    /// How long it may take effect.
    pub request_life: Duration,
    /// How long a store accepts a signed PUT.
    pub put_expiry: Duration,
    /// The coordinator's lease.
    pub lease: Duration,
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(10),
            min_overlap: Duration::from_mins(10),
            max_overlap: Duration::from_hours(2),
            issuer_deadline: Duration::from_secs(10),
            request_life: Duration::from_secs(12),
            put_expiry: Duration::from_mins(1),
            lease: Duration::from_secs(30),
        }
    }
}

/// A world's outside.
pub(crate) struct Scene {
    state: Mutex<State>,
    pub(crate) numbers: Numbers,
    pub(crate) time: TrueTime,
    /// Told of every process that died.
    pub(crate) died: UnboundedSender<ProcessId>,
    pub(crate) rotator_keys: Arc<KeyRing>,
    pub(crate) distributor_keys: Arc<KeyRing>,
    /// Whose signatures envelopes have.
    pub(crate) rotator_verifiers: VerifyKeys,
    /// A key that was retired, in the wrong hands.
    pub(crate) stolen: KeyRing,
    /// What the distributor publishes: its keys, and the stolen one.
    pub(crate) published: Vec<PublishedKey>,
    /// Not a `watch`: that one wakes its listeners in an order that no seed repeats.
    pub(crate) catalog_changed: tokio::sync::Notify,
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Scene")
    }
}

impl Scene {
    pub(crate) fn new(
        state: State,
        numbers: Numbers,
        died: UnboundedSender<ProcessId>,
        rotator_keys: Arc<KeyRing>,
        distributor_keys: Arc<KeyRing>,
    ) -> Self {
        let time = state.time;
        let catalog_changed = tokio::sync::Notify::new();
        let stolen = stolen_key(state.seed);
        let retiring = |key: &PublishedKey| PublishedKey { stage: KeyStage::Retiring, ..key.clone() };
        let mut published: Vec<PublishedKey> = stolen.published().iter().map(retiring).collect();
        published.extend_from_slice(distributor_keys.published());
        Self {
            rotator_verifiers: VerifyKeys::of(KeyUse::RotatorSign, rotator_keys.published()),
            stolen,
            published,
            state: Mutex::new(state),
            numbers,
            time,
            died,
            rotator_keys,
            distributor_keys,
            catalog_changed,
        }
    }

    pub(crate) fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a process: its tasks, its memory. It is started again by whoever listens.
    pub(crate) fn crash(&self, process: ProcessId) {
        let mut state = self.locked();
        let ended = &mut state.processes[process];
        if !ended.alive {
            return;
        }
        ended.alive = false;
        ended.incarnation += 1;
        for task in ended.tasks.drain(..) {
            task.abort();
        }
        let name = ended.name.clone();
        state.trace(|| format!("{name} dies"));
        // the receiver lives as long as the world
        let _world_ended = self.died.send(process);
    }
}

impl State {
    /// Notes an event: into the world's hash, and into its story if somebody wants to read it.
    pub(crate) fn trace(&mut self, event: impl FnOnce() -> String) {
        let event = event();
        let at = self.time.elapsed().as_millis();
        let mut hash = self.hash;
        for byte in at.to_le_bytes().iter().chain(event.as_bytes()) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.hash = hash;
        if let Some(lines) = &mut self.lines {
            let mut line = String::new();
            let _infallible = write!(line, "{:>12.3} s  {event}", self.time.elapsed().as_secs_f64());
            lines.push(line);
        }
    }

    /// Keeps a violation.
    pub(crate) fn judge(&mut self, verdict: Verdict) {
        if let Err(violation) = verdict {
            self.violated(violation);
        }
    }

    pub(crate) fn violated(&mut self, violation: Violation) {
        self.trace(|| format!("VIOLATED {violation}"));
        let seed = self.seed;
        self.tally.violations.push((seed, violation));
    }

    pub(crate) fn count_hostile(&mut self) {
        self.count(Fault::Hostile);
    }
}

/// A process's hold on the scene: through it its ports call, and die.
#[derive(Clone)]
pub(crate) struct Life {
    pub(crate) scene: Arc<Scene>,
    pub(crate) process: ProcessId,
}

impl std::fmt::Debug for Life {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Life({})", self.process)
    }
}

impl Life {
    /// The process ends here: whoever waits for this never goes on.
    pub(crate) async fn die<T>(&self) -> T {
        self.scene.crash(self.process);
        std::future::pending().await
    }

    /// Draws what a call meets. A crash before it happens here.
    pub(crate) async fn meets(&self, point: &str, kinds: &[Fault]) -> Option<Fault> {
        let fault = {
            let mut state = self.scene.locked();
            state.meets(self.process, point, kinds, 1)
        };
        if fault == Some(Fault::CrashBefore) {
            return self.die().await;
        }
        fault
    }

    /// A message is under way.
    pub(crate) async fn travel(&self) {
        let latency = self.scene.locked().latency();
        tokio::time::sleep(latency).await;
    }

    /// Runs work of this process: it ends with it.
    pub(crate) fn spawn<F>(&self, work: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let handle = tokio::spawn(work);
        let mut state = self.scene.locked();
        let process = &mut state.processes[self.process];
        if process.tasks.len() > 32 {
            process.tasks.retain(|task| !task.is_finished());
        }
        process.tasks.push(handle.abort_handle());
        handle
    }
}
