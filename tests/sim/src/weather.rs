//! What happens by itself: processes die at any time, machines boot, clocks jump, owners change their minds, operators
//! ask, and a hostile coordinator tries.

use std::sync::Arc;
use std::time::Duration;

use mint_api::audit_log::{AuditLog, MemoryAuditLog};
use mint_coordinator::{Asked, Operator};
use mint_port::Port;
use mint_secret::KeyUse;
use mint_types::{Principal, RequestId};

use crate::faults::Fault;
use crate::hostile;
use crate::operators;
use crate::owners;
use crate::ports::Network;
use crate::rng::{SimulatedEntropy, derived};
use crate::scene::{Life, Scene};
use crate::services::keys;

/// Between two events at five faults in a hundred calls.
const PAUSE: Duration = Duration::from_mins(6);
const USUAL_RATE: u64 = 50_000;
const SECOND: i64 = 1_000_000;

/// Until the world calms down.
pub(crate) async fn weather(network: Arc<Network>, seed: u64) {
    let forger = keys(&[KeyUse::RotatorSign], derived(seed, 5));
    let entropy = SimulatedEntropy::new(derived(seed, 6));
    loop {
        let (nap, calm) = {
            let mut state = network.scene.locked();
            let rate = state.fault_rate.max(1);
            let pause = PAUSE.mul_f64(1.0_f64.max(USUAL_RATE_F64 / as_f64(rate)).min(10_000.0));
            (state.within(pause), state.calm || state.fault_rate == 0)
        };
        tokio::time::sleep(nap).await;
        if calm {
            continue;
        }
        let chosen = {
            let mut state = network.scene.locked();
            let events = if state.operators { 15 } else { 12 };
            state.rng.below(events)
        };
        match chosen {
            0 | 1 => kill(&network.scene, Fault::Crash),
            2 => kill(&network.scene, Fault::Reboot),
            3 | 4 => jump(&network.scene),
            5 | 6 => rotate(&network, &entropy).await,
            7 | 8 => owners::change_their_mind(&network.scene),
            12 | 13 => operators::revoke(&network, &entropy),
            14 => operators::reconcile(&network).await,
            _ => hostile::trick(&network, &forger, &entropy).await,
        }
    }
}

const USUAL_RATE_F64: f64 = 50_000.0;

fn as_f64(rate: u64) -> f64 {
    u32::try_from(rate.min(USUAL_RATE)).map_or(USUAL_RATE_F64, f64::from)
}

fn kill(scene: &Arc<Scene>, how: Fault) {
    let process = {
        let mut state = scene.locked();
        let count = state.processes.len();
        let process = state.rng.index(count);
        state.count(how);
        if how == Fault::Reboot {
            let clock = state.processes[process].clock.clone();
            clock.boot();
        }
        process
    };
    scene.crash(process);
}

/// A wall clock jumps: seconds usually, minutes and hours sometimes; it is set right after a while.
fn jump(scene: &Arc<Scene>) {
    let mut state = scene.locked();
    let count = state.processes.len();
    let process = state.rng.index(count);
    let most = match state.rng.below(10) {
        // whose budget is a day's: it is judged by the true day
        _ if process == 0 => 5,
        0..=5 => 5,
        6..=8 => 600,
        _ => 3600,
    };
    let seconds =
        i64::try_from(state.rng.below(2 * most + 1)).unwrap_or(0) - i64::try_from(most).unwrap_or(0);
    let clock = state.processes[process].clock.clone();
    let name = state.processes[process].name.clone();
    state.count(Fault::ClockJump);
    state.trace(|| format!("the clock of {name} is {seconds} s off"));
    clock.set_skew(seconds * SECOND);
    let right_again = state.within(Duration::from_mins(15));
    drop(state);
    tokio::spawn(async move {
        tokio::time::sleep(right_again).await;
        clock.set_skew(0);
    });
}

/// An operator asks for a rotation of everything of some application.
async fn rotate(network: &Arc<Network>, entropy: &SimulatedEntropy) {
    let application = {
        let mut state = network.scene.locked();
        let ids: Vec<_> = state.catalog.records.keys().cloned().collect();
        let index = state.rng.index(ids.len());
        ids.get(index).cloned()
    };
    if let Some(application) = application {
        ask(network, entropy, &application).await;
    }
}

/// Asks whichever coordinator runs; false if it was refused, or died over it.
pub(crate) async fn ask(
    network: &Arc<Network>,
    entropy: &SimulatedEntropy,
    application: &mint_types::ApplicationId,
) -> bool {
    let Some((life, operator)) = operator(network) else { return false };
    let by = Principal::Operator("tester".to_owned());
    let asked = Asked { by, request: RequestId::random(entropy) };
    let application = application.clone();
    // in the coordinator's process: if it dies over this, this ends with it, and its write with this
    let answer = life.spawn(async move { operator.rotate(&application, &[], &asked).await.is_ok() });
    answer.await.unwrap_or(false)
}

/// An operator's view, at a coordinator that runs.
pub(crate) fn operator(network: &Arc<Network>) -> Option<(Life, Operator)> {
    let state = network.scene.locked();
    let running = network.coordinators.members.iter().find(|member| state.processes[member.process].alive)?;
    let log: Port<dyn AuditLog> = Port::held_by("coordinator", Arc::new(MemoryAuditLog::default()));
    let life = Life { scene: Arc::clone(&network.scene), process: running.process };
    Some((life, Operator::new(running.service()?, log)))
}
