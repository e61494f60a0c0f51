//! The last look: no more faults, everything heals, one fresh rotation of everything, and nothing is left over.

use std::sync::Arc;
use std::time::Duration;

use mint_coordinator::{Desk, Store as _};
use mint_invariants::{Accounting, nothing_lost};
use mint_types::{ApplicationId, CredentialKind, IssuerObject, Period};

use crate::outside::{Moment, PREFIX};
use crate::rng::SimulatedEntropy;
use crate::scene::State;
use crate::services::Machines;
use crate::weather;

const LOOK: Duration = Duration::from_mins(1);
/// What does not heal within this is stuck: longer than every overlap, hold and backoff together.
const PATIENCE: Duration = Duration::from_hours(8);

/// Lets the world heal, asks for one fresh rotation of everything, and looks.
pub(crate) async fn settle(machines: &Arc<Machines>, entropy: &SimulatedEntropy) {
    {
        let mut state = machines.scene.locked();
        state.calm = true;
        state.trace(|| "calm".to_owned());
        for process in &state.processes {
            process.clock.set_skew(0);
        }
    }
    rest_from_now_on(machines);
    // what was under way when it became calm may still land, and who was retired is taken back
    tokio::time::sleep(Duration::from_mins(100)).await;
    let ids: Vec<ApplicationId> = machines.scene.locked().catalog.records.keys().cloned().collect();
    wait_for_rest(machines, &ids, &[]).await;
    let before = completed(machines, &ids).await;
    for id in &ids {
        while !weather::ask(&machines.network, entropy, id).await {
            tokio::time::sleep(LOOK).await;
            if machines.scene.time.elapsed() > PATIENCE * 100 {
                break;
            }
        }
    }
    let stuck = wait_for_rest(machines, &ids, &before).await;
    tokio::time::sleep(machines.scene.numbers.grace + LOOK).await;
    let mut state = machines.scene.locked();
    for id in &ids {
        state.log_in_as(id.as_str(), Moment::Last);
        let mine = stuck.iter().filter(|(application, _)| application == id).map(|(_, what)| what.clone());
        let seen = accounting(&state, id, mine.collect());
        state.tally.stuck += u64::try_from(seen.stuck.len()).unwrap_or(0);
        let unknown = seen.alive.iter().filter(|alive| !seen.ledger.contains(alive)).count();
        state.tally.unaccounted += u64::try_from(unknown).unwrap_or(0);
        state.judge(nothing_lost(id, &seen));
    }
}

/// Nothing is due by itself any more: what is rotated from now on was asked for.
fn rest_from_now_on(machines: &Arc<Machines>) {
    let mut state = machines.scene.locked();
    let ids: Vec<ApplicationId> = state.catalog.records.keys().cloned().collect();
    for id in ids {
        state.catalog.change(&id, false, |record| {
            record.settings_generation += 1;
            if let Some(settings) = &mut record.settings {
                settings.password_period = LONG;
                settings.client_period = LONG;
            }
        });
    }
    drop(state);
    machines.scene.catalog_changed.notify_waiters();
}

/// Longer than any settling.
const LONG: Period = Period::from_seconds(30 * 24 * 3600);

/// Completed rotations of a kind.
type Completed = (ApplicationId, CredentialKind, u64);

async fn desks(machines: &Arc<Machines>, ids: &[ApplicationId]) -> Vec<Desk> {
    let mut found = Vec::new();
    let running = {
        let state = machines.scene.locked();
        let members = &machines.network.coordinators.members;
        members
            .iter()
            .find(|member| state.processes[member.process].alive)
            .and_then(crate::ports::Member::service)
    };
    let Some(parts) = running else { return found };
    for id in ids {
        if let Ok(Some(desk)) = parts.store.desk(id).await {
            found.push(desk);
        }
    }
    found
}

async fn completed(machines: &Arc<Machines>, ids: &[ApplicationId]) -> Vec<Completed> {
    let desks = desks(machines, ids).await;
    let of = |desk: &Desk| {
        let id = desk.record.id.clone();
        let kinds = desk.kinds().iter();
        kinds.map(|kind| (id.clone(), *kind, desk.credential(*kind).completed)).collect::<Vec<_>>()
    };
    desks.iter().flat_map(of).collect()
}

/// Waits until no rotation is open and nothing is wrong, and, where a count is given, one more was completed; answers
/// what did not get there.
async fn wait_for_rest(
    machines: &Arc<Machines>,
    ids: &[ApplicationId],
    before: &[Completed],
) -> Vec<(ApplicationId, String)> {
    let begun = machines.scene.time.elapsed();
    loop {
        let mut restless = restless(&desks(machines, ids).await, ids, before);
        let unended = machines.scene.locked().unended();
        restless.extend(unended.into_iter().map(|id| (id, "something is still to end at once".to_owned())));
        if restless.is_empty() || machines.scene.time.elapsed().saturating_sub(begun) > PATIENCE {
            return restless;
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn restless(desks: &[Desk], ids: &[ApplicationId], before: &[Completed]) -> Vec<(ApplicationId, String)> {
    let mut restless = Vec::new();
    for id in ids {
        let Some(desk) = desks.iter().find(|desk| desk.record.id == *id) else {
            restless.push((id.clone(), "the coordinator does not know it".to_owned()));
            continue;
        };
        if let Some(trouble) = &desk.standing.trouble {
            restless.push((id.clone(), format!("its identity: {:?}", trouble.problems)));
        }
        for kind in desk.kinds() {
            let credential = desk.credential(*kind);
            let fresh = before.iter().find(|(known, of, _)| known == id && of == kind);
            let is_fresh = fresh.is_none_or(|(_, _, count)| credential.completed > *count);
            if credential.current.is_none() || !is_fresh || credential.rotation.is_some() {
                let stage = credential.rotation.as_ref().map(mint_saga::Rotation::node);
                restless.push((id.clone(), format!("{kind} at {stage:?}: {:?}", credential.troubles)));
            }
        }
    }
    restless
}

/// What is alive, by handle; what can be read at a destination accounts for it.
fn accounting(state: &State, id: &ApplicationId, stuck: Vec<String>) -> Accounting {
    let now = state.time.now();
    let mut seen = Accounting { stuck, ..Accounting::default() };
    let Some(user) = state.issuer.users.get(&format!("{PREFIX}{id}")) else { return seen };
    let held: Vec<_> = state
        .stores
        .applications
        .get(id.as_str())
        .into_iter()
        .flat_map(|places| places.values())
        .filter_map(|place| place.current.clone())
        .collect();
    for password in user.passwords.iter().filter(|password| password.lives(now)) {
        seen.alive.push((IssuerObject::User, password.txid.clone()));
        if held.iter().any(|held| held.user.as_ref().is_some_and(|(_, known)| *known == password.plaintext)) {
            seen.ledger.push((IssuerObject::User, password.txid.clone()));
        }
    }
    for client in user.clients.iter().filter(|client| !client.ended) {
        seen.alive.push((IssuerObject::Client, client.txid.clone()));
        if held.iter().any(|held| held.client.as_ref().is_some_and(|(known, _)| *known == client.id)) {
            seen.ledger.push((IssuerObject::Client, client.txid.clone()));
        }
    }
    seen
}
