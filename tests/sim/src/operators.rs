//! Operators: two of them have versions ended at once, and some have the rotator compare the issuer with its ledger.
//!
//! Whoever holds what was ended is shut out until the next version is delivered, which is what they want. Such logins are
//! counted apart; nothing that was made after all was ended is excused, nothing of another object, and nothing for longer
//! than a while. Afterwards nothing that there was when they asked is alive.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mint_api::audit_log::{AuditLog, MemoryAuditLog};
use mint_coordinator::{Asked, Parts, Store as _, Waiting, carry, check_all, reconcile_all};
use mint_invariants::{Accounting, nothing_lost};
use mint_port::Port;
use mint_statement::{
    DestinationSet, LONGEST_LIFE, SignedStatement, Signer, Statement, StatementKey, Subject, TrustedKeys,
};
use mint_types::{Application, ApplicationId, CredentialKind, IssuerObject, Principal, RequestId, Timestamp};

use crate::outside::{PREFIX, Usable};
use crate::ports::Network;
use crate::rng::SimulatedEntropy;
use crate::scene::{Scene, State};
use crate::weather::operator;

const OPERATORS: [&str; 2] = ["ada", "grace"];
const LIFE: Duration = Duration::from_hours(24);
/// Clocks are an hour wrong here at most, and a statement that is not in force yet is refused for good.
pub(crate) const DATED_BACK: Duration = Duration::from_hours(2);
/// Between two looks at what is to end.
const LOOK: Duration = Duration::from_secs(15);
const URGENT: Duration = Duration::from_secs(1);
/// Operators who were not answered ask again.
const AGAIN: Duration = Duration::from_secs(10);
const TRIES: usize = 400;
/// A write of what was ended may land this late.
const LATEST: Duration = Duration::from_mins(3);
/// What is not over by then is not excused any more: as long as a value may take to replace another.
const LONGEST: Duration = Duration::from_hours(2);
/// After a start, and between two comparisons of everything. Later than the coordinator's own: processes die so often here
/// that nothing but comparisons would be simulated.
const FIRST_COMPARISON: Duration = Duration::from_hours(1);
const COMPARISONS: Duration = Duration::from_hours(6);

/// What was ended at once of an application.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    kind: CredentialKind,
    /// When the operators asked.
    since: Duration,
    /// Whatever has no higher number was there when they did.
    made: u64,
    /// Whether the coordinator has surely heard them.
    is_heard: bool,
    /// Since when nothing is left to do, and what was made by then.
    closed: Option<(Duration, u64)>,
}

fn keys() -> Vec<StatementKey> {
    let key = |(seed, name): (u8, &&str)| {
        StatementKey::from_seed(Signer::Operator((*name).to_owned()), &[seed; 32]).ok()
    };
    (1..).zip(OPERATORS.iter()).filter_map(key).collect()
}

/// What rotators believe.
pub(crate) fn believed() -> mint_rotator::Statements {
    mint_rotator::Statements::new(believed_keys())
}

/// The file of the keys that executors believe; the same for every world of this process.
pub(crate) fn believed_keys() -> Option<PathBuf> {
    static FILE: OnceLock<Option<(tempfile::NamedTempFile, PathBuf)>> = OnceLock::new();
    let file = FILE.get_or_init(|| {
        let file = tempfile::NamedTempFile::new().ok()?;
        let trusted = keys().iter().map(StatementKey::trusted).collect();
        std::fs::write(file.path(), TrustedKeys::to_text(trusted)).ok()?;
        let path = file.path().to_owned();
        Some((file, path))
    });
    file.as_ref().map(|(_, path)| path.clone())
}

/// An operator says that a record's destinations and layout are meant; nothing if it has no settings.
pub(crate) fn confirmed(record: &Application, now: Timestamp) -> Option<Vec<u8>> {
    let settings = record.settings.as_ref()?;
    let set = DestinationSet::of(record.id.clone(), record.team_id.clone(), settings);
    let entropy = SimulatedEntropy::new(record.settings_generation);
    let statement = Statement::new(Subject::Destinations(set), now, LONGEST_LIFE, &entropy);
    Some(SignedStatement::sign(statement, keys().first()?).ok()?.to_bytes())
}

/// Has some credential of some application ended.
pub(crate) fn revoke(network: &Arc<Network>, entropy: &SimulatedEntropy) {
    let Some((application, kind)) = choose(&network.scene) else { return };
    let subject = Subject::RevokeNow { application: application.clone(), kinds: BTreeSet::from([kind]) };
    let statement = Statement::new(subject, network.scene.time.before(DATED_BACK), LIFE, entropy);
    let keys = keys();
    let [first, second] = keys.as_slice() else { return };
    let Ok(signed) = SignedStatement::sign(statement, first).map(|signed| signed.signed_by(second)) else {
        return;
    };
    let (network, entropy, bytes) = (Arc::clone(network), entropy.clone(), signed.to_bytes());
    tokio::spawn(async move {
        for _ in 0..TRIES {
            if is_heard(&network, &entropy, &bytes).await {
                if let Some(ended) = network.scene.locked().revoked.get_mut(application.as_str()) {
                    ended.is_heard = true;
                }
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    });
}

async fn is_heard(network: &Arc<Network>, entropy: &SimulatedEntropy, statement: &[u8]) -> bool {
    let Some((life, operator)) = operator(network) else { return false };
    let asked = Asked { by: Principal::Operator("ada".to_owned()), request: RequestId::random(entropy) };
    let statement = statement.to_vec();
    // in the coordinator's process: if it dies over this, nobody knows whether it has heard
    let answer = life.spawn(async move { operator.revoke(statement, &asked).await.is_ok() });
    answer.await.unwrap_or(false)
}

/// One that nothing was ended of yet; what its operators want is noted before they ask.
fn choose(scene: &Scene) -> Option<(ApplicationId, CredentialKind)> {
    let mut state = scene.locked();
    let id = state.some_application()?;
    let record = state.catalog.records.get(&id).filter(|record| record.active)?;
    let kinds: Vec<CredentialKind> = record.settings.as_ref()?.kinds().to_vec();
    let index = state.rng.index(kinds.len());
    let kind = *kinds.get(index)?;
    // who has no secret has nothing that could end
    if kind == CredentialKind::PublicClient || state.revoked.contains_key(id.as_str()) {
        return None;
    }
    state.trace(|| format!("operators have {kind} of {id} ended at once"));
    let (since, made) = (state.time.elapsed(), state.issuer.made());
    let ended = Ended { kind, since, made, is_heard: false, closed: None };
    state.revoked.insert(id.to_string(), ended);
    Some((id, kind))
}

/// Has some application compared.
pub(crate) async fn reconcile(network: &Arc<Network>) {
    let (application, dry_run) = {
        let mut state = network.scene.locked();
        let Some(application) = state.some_application() else { return };
        let dry_run = state.rng.below(2) == 0;
        state.trace(|| format!("an operator has {application} compared"));
        state.tally.comparisons += 1;
        (application, dry_run)
    };
    let Some((life, operator)) = operator(network) else { return };
    let answer = life.spawn(async move { operator.reconcile(&application, dry_run).await.is_ok() });
    let _answered_or_not = answer.await;
}

/// What a coordinator does all the time: it has everything compared, every now and then.
pub(crate) async fn compare_all(scene: Arc<Scene>, parts: Arc<Parts>) {
    let mut nap = FIRST_COMPARISON;
    loop {
        tokio::time::sleep(nap).await;
        scene.locked().tally.comparisons += 1;
        // what cannot be read now is read the next time
        let _found = reconcile_all(&parts).await;
        // what was refused once is asked again
        for _ in 0..2 {
            let _again = check_all(&parts).await;
            tokio::time::sleep(URGENT * 30).await;
        }
        nap = COMPARISONS;
    }
}

/// And it carries what is to end at once.
pub(crate) async fn carry_all(scene: Arc<Scene>, parts: Arc<Parts>) {
    let mut waiting = Waiting::default();
    let log: Port<dyn AuditLog> = Port::held_by("coordinator", Arc::new(MemoryAuditLog::default()));
    loop {
        let heard = scene.locked().to_end();
        let nap = match carry(&parts, &log, &mut waiting).await {
            Ok(0) => LOOK,
            Ok(_) | Err(_) => URGENT,
        };
        if !heard.is_empty()
            && let Ok(open) = parts.store.revocations(None).await
        {
            let open: BTreeSet<String> = open.iter().map(|one| one.application.to_string()).collect();
            close(&scene, heard.difference(&open));
        }
        tokio::time::sleep(nap).await;
    }
}

fn close<'a>(scene: &Arc<Scene>, done: impl Iterator<Item = &'a String>) {
    let mut state = scene.locked();
    for id in done {
        let closed = (state.time.elapsed(), state.issuer.made());
        let Some(ended) = state.revoked.get_mut(id).filter(|ended| ended.closed.is_none()) else { continue };
        ended.closed = Some(closed);
        let ended = ended.clone();
        state.trace(|| format!("{} of {id} has ended", ended.kind));
        state.tally.revocations += 1;
        let (scene, id) = (Arc::clone(scene), id.clone());
        tokio::spawn(async move {
            tokio::time::sleep(scene.numbers.grace + URGENT).await;
            scene.locked().see_dead(&id, &ended);
        });
    }
}

impl Ended {
    /// Whether it is what a login is refused for: only what there was before all had ended, of its own objects.
    fn excuses(&self, state: &State, held: &Usable, (user, client): (bool, bool)) -> bool {
        let has = |object| self.kind.issuer_objects().contains(&object);
        let made_by = self.closed.map_or(u64::MAX, |(_, made)| made);
        let is_older = |value: &str| state.issuer.number_of(value).is_none_or(|number| number <= made_by);
        let of_user = held.user.as_ref().is_some_and(|(_, password)| is_older(password));
        let secret = held.client.as_ref().and_then(|(_, secret)| secret.as_deref());
        let of_client = secret.is_some_and(is_older);
        (user || has(IssuerObject::User) && of_user) && (client || has(IssuerObject::Client) && of_client)
    }
}

impl State {
    /// Some application, known to the registry.
    fn some_application(&mut self) -> Option<ApplicationId> {
        let ids: Vec<ApplicationId> = self.catalog.records.keys().cloned().collect();
        let index = self.rng.index(ids.len());
        ids.get(index).cloned()
    }

    /// Whether operators wanted that a login with this is refused.
    pub(crate) fn is_ended_at_once(&self, application: &str, held: &Usable, doors: (bool, bool)) -> bool {
        let Some(ended) = self.revoked.get(application) else { return false };
        self.time.elapsed().saturating_sub(ended.since) < LONGEST && ended.excuses(self, held, doors)
    }

    /// Everybody logged in with what can be read: whoever holds something older has fetched again by now.
    pub(crate) fn fetched_again(&mut self, application: &str) {
        let (now, elapsed) = (self.time.now(), self.time.elapsed());
        let Some(ended) = self.revoked.get(application) else { return };
        if ended.closed.is_none_or(|(closed, _)| elapsed.saturating_sub(closed) < LATEST) {
            return;
        }
        let ended = ended.clone();
        let username = format!("{PREFIX}{application}");
        let mut places = self.stores.applications.remove(application).unwrap_or_default();
        for place in places.values_mut() {
            place.former.retain(|(held, ..)| {
                let doors = self.issuer.accepts(&username, held, now);
                doors == (true, true) || !ended.excuses(self, held, doors)
            });
        }
        self.stores.applications.insert(application.to_owned(), places);
        self.revoked.remove(application);
    }

    /// What the coordinator has heard of, and what has not ended yet.
    fn to_end(&self) -> BTreeSet<String> {
        let open = self.revoked.iter().filter(|(_, ended)| ended.is_heard && ended.closed.is_none());
        open.map(|(id, _)| id.clone()).collect()
    }

    /// The same, of applications.
    pub(crate) fn unended(&self) -> Vec<ApplicationId> {
        self.to_end().iter().filter_map(|id| id.parse().ok()).collect()
    }

    fn see_dead(&mut self, application: &str, ended: &Ended) {
        let (now, username) = (self.time.now(), format!("{PREFIX}{application}"));
        let alive = self.issuer.older_than(&username, ended.kind.issuer_objects(), ended.made, now);
        let Ok(id) = application.parse::<ApplicationId>() else { return };
        // what two operators had ended nothing accounts for
        self.judge(nothing_lost(&id, &Accounting { alive, ..Accounting::default() }));
    }
}
