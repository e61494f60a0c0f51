//! Calls between services: port to port, with everything that a network and a process do to them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mint_coordinator::Call;
use mint_invariants::{Act, Invariant, Violation, one_at_a_time};
use mint_types::FencingToken;
use tokio::task::JoinHandle;
use tonic::{Response, Status};

use crate::faults::{CALL, Fault};
use crate::scene::{Life, ProcessId, Scene};

/// How late a message may come: later than any lease.
const LATEST: Duration = Duration::from_secs(45);
/// Longer than any caller waits.
const NEVER_ANSWERED: Duration = Duration::from_mins(2);

/// One replica of a service.
#[derive(Debug)]
pub(crate) struct Member<S> {
    pub(crate) process: ProcessId,
    service: Mutex<Option<Arc<S>>>,
}

impl<S> Member<S> {
    pub(crate) fn new(process: ProcessId) -> Self {
        Self { process, service: Mutex::new(None) }
    }

    /// It runs, from now on with this memory.
    pub(crate) fn share(&self, service: Arc<S>) {
        *self.service.lock().unwrap_or_else(PoisonError::into_inner) = Some(service);
    }

    pub(crate) fn service(&self) -> Option<Arc<S>> {
        self.service.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Every replica of a service.
#[derive(Debug)]
pub(crate) struct Replicas<S> {
    pub(crate) service: &'static str,
    pub(crate) members: Vec<Member<S>>,
}

/// Everybody who serves.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) scene: Arc<Scene>,
    pub(crate) provisioners: Replicas<mint_identity_provisioner::rpc::Rpc>,
    pub(crate) rotators: Replicas<mint_rotator::rpc::Rpc>,
    pub(crate) distributors: Replicas<mint_distributor::Rpc>,
    pub(crate) coordinators: Replicas<mint_coordinator::Parts>,
}

type Answer<T> = Result<Response<T>, Status>;

impl<S: Send + Sync + 'static> Replicas<S> {
    /// Serves a request at some replica that runs.
    pub(crate) fn serve<T, F, W>(
        &self,
        scene: &Arc<Scene>,
        call: &Call,
        work: &F,
    ) -> Option<JoinHandle<Answer<T>>>
    where
        T: Send + 'static,
        F: Fn(Arc<S>) -> W,
        W: Future<Output = Answer<T>> + Send + 'static,
    {
        let member = {
            let mut state = scene.locked();
            let alive: Vec<&Member<S>> =
                self.members.iter().filter(|member| state.processes[member.process].alive).collect();
            if alive.is_empty() {
                return None;
            }
            alive[state.rng.index(alive.len())]
        };
        let life = Life { scene: Arc::clone(scene), process: member.process };
        let handled = work(member.service()?);
        let (service, call, scene) = (self.service, call.clone(), Arc::clone(scene));
        Some(life.spawn(async move {
            let highest = admitted(&scene, service, &call);
            let answer = handled.await;
            if answer.is_ok() {
                judge(&scene, service, &call, highest);
            }
            answer
        }))
    }
}

fn admitted(scene: &Scene, service: &'static str, call: &Call) -> FencingToken {
    let state = scene.locked();
    let highest = state.admitted.get(&(service, call.application.to_string())).copied().unwrap_or(0);
    FencingToken(highest)
}

/// Whoever was overtaken before it asked is refused (I3).
fn judge(scene: &Scene, service: &'static str, call: &Call, highest: FencingToken) {
    let mut state = scene.locked();
    let act = Act {
        holder: service.to_owned(),
        token: call.token,
        highest: highest.max(call.token),
        leased: false,
    };
    state.judge(one_at_a_time(&call.application, &[act]));
    let known = state.admitted.entry((service, call.application.to_string())).or_default();
    *known = (*known).max(call.token.0);
}

async fn joined<T>(scene: &Scene, handle: Option<JoinHandle<Answer<T>>>) -> Answer<T> {
    let Some(handle) = handle else {
        return Err(Status::unavailable("nobody answers"));
    };
    handle.await.unwrap_or_else(|ended| {
        if ended.is_panic() {
            let violation = Violation::of_all(Invariant::NothingLost, "a service panicked");
            scene.locked().violated(violation);
        }
        Err(Status::unavailable("the connection broke"))
    })
}

/// Calls a service; `get` finds it in the network again when a message comes late.
pub(crate) async fn call<S, T, F, W>(
    life: &Life,
    network: &Arc<Network>,
    point: &'static str,
    get: fn(&Network) -> &Replicas<S>,
    call: &Call,
    work: F,
) -> Result<T, Status>
where
    S: Send + Sync + 'static,
    T: Send + 'static,
    F: Fn(Arc<S>) -> W + Clone + Send + Sync + 'static,
    W: Future<Output = Answer<T>> + Send + 'static,
{
    let scene = &network.scene;
    let fault = life.meets(point, CALL).await;
    life.travel().await;
    match fault {
        Some(Fault::NotSent | Fault::ErrorBefore) => return Err(Status::unavailable("injected")),
        Some(Fault::Late) => {
            later(network, get, call.clone(), work, LATEST);
            tokio::time::sleep(NEVER_ANSWERED).await;
            return Err(Status::deadline_exceeded("injected"));
        }
        Some(Fault::Duplicate) => later(network, get, call.clone(), work.clone(), LATEST),
        _ => {}
    }
    let answer = joined(scene, get(network).serve(scene, call, &work)).await;
    match fault {
        Some(Fault::LostReply) => {
            tokio::time::sleep(NEVER_ANSWERED).await;
            return Err(Status::deadline_exceeded("injected"));
        }
        Some(Fault::ErrorAfter) => return Err(Status::unavailable("injected")),
        Some(Fault::CrashAfter) => return life.die().await,
        _ => {}
    }
    life.travel().await;
    answer.map(Response::into_inner)
}

fn later<S, T, F, W>(
    network: &Arc<Network>,
    get: fn(&Network) -> &Replicas<S>,
    call: Call,
    work: F,
    longest: Duration,
) where
    S: Send + Sync + 'static,
    T: Send + 'static,
    F: Fn(Arc<S>) -> W + Send + Sync + 'static,
    W: Future<Output = Answer<T>> + Send + 'static,
{
    let delay = network.scene.locked().within(longest);
    let network = Arc::clone(network);
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        let handle = get(&network).serve(&network.scene, &call, &work);
        let _nobody_waits = joined(&network.scene, handle).await;
    });
}
