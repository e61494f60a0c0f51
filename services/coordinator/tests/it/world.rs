//! A constellation in memory: an issuer with live versions, buckets with delivered ones, faults on request, a log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use mint_coordinator::{Call, RotationCall};
use mint_saga::Failure;
use mint_testkit::ManualClock;
use mint_types::{Clock, CredentialKind, IssuerObject, RotationId, Timestamp};
use tokio::sync::Notify;

#[path = "executors.rs"]
mod executors;

pub(crate) const OVERLAP: Duration = Duration::from_mins(10);
pub(crate) const GRACE: Duration = Duration::from_mins(1);
/// For how long a disabled identity is restorable.
pub(crate) const TOMBSTONE: Duration = Duration::from_hours(7 * 24);
/// When the rotator wants to be asked again about what was refused once.
pub(crate) const AGAIN: Duration = Duration::from_secs(20);
pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// What a fault does to a call.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It fails without doing anything.
    Fails(Failure),
    /// It never answers; nothing is done.
    Hangs,
    /// It goes on when it is told.
    Waits(Arc<Notify>),
    /// The caller's process dies before it is done.
    DiesBefore,
    /// The caller's process dies after it is done.
    DiesAfter,
}

/// One call, as a fault rule sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) index: usize,
    pub(crate) api: &'static str,
    pub(crate) application: String,
    pub(crate) kind: Option<CredentialKind>,
    pub(crate) rotation: Option<RotationId>,
    pub(crate) token: u64,
}

type Rule = Arc<dyn Fn(&Seen) -> Option<Fault> + Send + Sync>;

#[derive(Default)]
struct Issuer {
    /// Versions that log in.
    live: BTreeSet<u64>,
    /// What the bucket holds.
    delivered: Option<u64>,
    /// The version of each rotation.
    made: BTreeMap<RotationId, (u64, u64)>,
    /// Accepted receipts and when.
    receipts: BTreeMap<RotationId, (Timestamp, Duration)>,
    /// What each rotation ended.
    retired: BTreeMap<RotationId, u64>,
    abandoned: BTreeSet<RotationId>,
    /// How often somebody wanted to give up what was delivered.
    too_late: usize,
    last: u64,
    /// Written somewhere, and not set yet (*replace*).
    owed: Option<u64>,
    /// The version that somebody changed at the issuer.
    changed: Option<u64>,
    /// How often each version was refused in a check.
    refused: BTreeMap<u64, u32>,
    /// The newest version when operators revoked: of all kinds on each object together, and of this one.
    through: Option<(BTreeMap<IssuerObject, u64>, u64)>,
}

#[derive(Default)]
struct State {
    log: Vec<Seen>,
    rule: Option<Rule>,
    busy: BTreeMap<String, Vec<u64>>,
    highest: BTreeMap<String, u64>,
    issuers: BTreeMap<(String, CredentialKind), Issuer>,
    ensured: BTreeMap<String, u64>,
    disabled: BTreeMap<String, Timestamp>,
    deleted: BTreeSet<String>,
    released: BTreeSet<String>,
    incarnations: BTreeMap<String, u64>,
    refused: BTreeSet<String>,
    clients: BTreeMap<String, String>,
    liar: bool,
    replaces: bool,
    hesitant: BTreeSet<String>,
    /// Whose live versions nobody accounts for.
    strangers: BTreeSet<String>,
    /// Redirect URLs that nobody confirmed.
    unconfirmed: BTreeMap<String, String>,
    /// Whose other client type nobody confirmed.
    other_client_types: BTreeSet<String>,
    /// Until when a new owner's word for another client type does not count.
    heirs: BTreeMap<String, Timestamp>,
    broken: Vec<String>,
}

/// The world behind the ports.
#[derive(Clone)]
pub(crate) struct World {
    state: Arc<Mutex<State>>,
    pub(crate) clock: ManualClock,
    pub(crate) died: Arc<Notify>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("World")
    }
}

/// Notes that a call ended, however it ends.
struct Busy {
    world: World,
    application: String,
    token: u64,
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.world.state();
        if let Some(tokens) = state.busy.get_mut(&self.application) {
            let position = tokens.iter().position(|token| *token == self.token).unwrap();
            tokens.remove(position);
        }
    }
}

impl World {
    pub(crate) fn new(clock: ManualClock) -> Self {
        Self { state: Arc::default(), clock, died: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn rule(&self, rule: impl Fn(&Seen) -> Option<Fault> + Send + Sync + 'static) {
        self.state().rule = Some(Arc::new(rule));
    }

    pub(crate) fn heal(&self) {
        self.state().rule = None;
    }

    /// The issuer has a version that nobody accounts for.
    pub(crate) fn has_a_stranger(&self, application: &str, has: bool) {
        let mut state = self.state();
        if has {
            state.strangers.insert(application.to_owned());
        } else {
            state.strangers.remove(application);
        }
    }

    /// Somebody changes what was delivered at the issuer; what is made after that logs in.
    pub(crate) fn change_by_hand(&self, application: &str, kind: CredentialKind) {
        let mut state = self.state();
        let issuer = state.issuers.entry((application.to_owned(), kind)).or_default();
        issuer.changed = issuer.delivered;
    }

    /// They change it back.
    pub(crate) fn change_back(&self, application: &str, kind: CredentialKind) {
        let mut state = self.state();
        state.issuers.entry((application.to_owned(), kind)).or_default().changed = None;
    }

    /// Settings ask for a redirect URL that nobody confirmed.
    pub(crate) fn leave_unconfirmed(&self, application: &str, url: Option<&str>) {
        let mut state = self.state();
        match url {
            Some(url) => state.unconfirmed.insert(application.to_owned(), url.to_owned()),
            None => state.unconfirmed.remove(application),
        };
    }

    /// Settings ask for a client of the other type, and nobody confirmed it.
    pub(crate) fn leave_client_type(&self, application: &str, is_unconfirmed: bool) {
        let mut state = self.state();
        if is_unconfirmed {
            state.other_client_types.insert(application.to_owned());
        } else {
            state.other_client_types.remove(application);
        }
    }

    /// Settings ask for a client of the other type, and a new owner confirmed it, whose word counts from then on.
    pub(crate) fn has_an_heir(&self, application: &str, until: Timestamp) {
        self.state().heirs.insert(application.to_owned(), until);
    }

    /// The bucket refuses this application's writes.
    pub(crate) fn refuse(&self, application: &str, refuses: bool) {
        let mut state = self.state();
        if refuses {
            state.refused.insert(application.to_owned());
        } else {
            state.refused.remove(application);
        }
    }

    /// The issuer does not end what it is told to end.
    pub(crate) fn lie(&self, liar: bool) {
        self.state().liar = liar;
    }

    /// The issuer knows one value at a time, and learns of it on its first write.
    pub(crate) fn replace(&self) {
        self.state().replaces = true;
    }

    /// One of the application's two buckets refuses its writes.
    pub(crate) fn hesitate(&self, application: &str, hesitates: bool) {
        let mut state = self.state();
        if hesitates {
            state.hesitant.insert(application.to_owned());
        } else {
            state.hesitant.remove(application);
        }
    }

    pub(crate) fn set_client(&self, application: &str, client_id: &str) {
        self.state().clients.insert(application.to_owned(), client_id.to_owned());
    }

    pub(crate) fn log(&self) -> Vec<Seen> {
        self.state().log.clone()
    }

    pub(crate) fn apis(&self, application: &str) -> Vec<&'static str> {
        self.log().into_iter().filter(|seen| seen.application == application).map(|seen| seen.api).collect()
    }

    pub(crate) fn apis_of(&self, application: &str, kind: CredentialKind) -> Vec<&'static str> {
        let of = |seen: &Seen| seen.application == application && seen.kind == Some(kind);
        self.log().into_iter().filter(of).map(|seen| seen.api).collect()
    }

    pub(crate) fn count(&self, api: &str) -> usize {
        self.log().iter().filter(|seen| seen.api == api).count()
    }

    pub(crate) fn forget_log(&self) {
        self.state().log.clear();
    }

    pub(crate) fn live(&self, application: &str, kind: CredentialKind) -> BTreeSet<u64> {
        let state = self.state();
        state
            .issuers
            .get(&(application.to_owned(), kind))
            .map(|issuer| issuer.live.clone())
            .unwrap_or_default()
    }

    pub(crate) fn delivered(&self, application: &str, kind: CredentialKind) -> Option<u64> {
        let state = self.state();
        state.issuers.get(&(application.to_owned(), kind)).and_then(|issuer| issuer.delivered)
    }

    /// How often somebody wanted to give up what was delivered.
    pub(crate) fn refused_to_give_up(&self) -> usize {
        self.state().issuers.values().map(|issuer| issuer.too_late).sum()
    }

    pub(crate) fn is_disabled(&self, application: &str) -> bool {
        self.state().disabled.contains_key(application)
    }

    pub(crate) fn is_deleted(&self, application: &str) -> bool {
        self.state().deleted.contains(application)
    }

    /// Two operators let the name be used again.
    pub(crate) fn release(&self, application: &str) {
        self.state().released.insert(application.to_owned());
    }

    /// Somebody deleted the user by hand, and identity-provisioner makes another one when it is asked next.
    pub(crate) fn vanish(&self, application: &str) {
        let mut state = self.state();
        *state.incarnations.entry(application.to_owned()).or_default() += 1;
        for (_, issuer) in state.issuers.iter_mut().filter(|((id, _), _)| id == application) {
            issuer.live.clear();
        }
    }

    /// Nothing that must never happen has happened.
    pub(crate) fn assert_sound(&self) {
        let state = self.state();
        assert!(state.broken.is_empty(), "{:#?}\n{:#?}", state.broken, state.log);
    }

    async fn enter(
        &self,
        api: &'static str,
        call: &Call,
        rotation: Option<&RotationCall>,
    ) -> Result<(Busy, Option<Fault>), Failure> {
        let (busy, fault) = {
            let mut state = self.state();
            let seen = Seen {
                index: state.log.len(),
                api,
                application: call.application.to_string(),
                kind: rotation.map(|rotation| rotation.kind),
                rotation: rotation.map(|rotation| rotation.rotation),
                token: call.token.0,
            };
            let highest = state.highest.entry(seen.application.clone()).or_default();
            if call.token.0 < *highest {
                return Err(Failure::new("STALE_FENCING_TOKEN", "a newer lease was seen"));
            }
            *highest = call.token.0;
            let others = state.busy.entry(seen.application.clone()).or_default();
            if others.iter().any(|token| *token != call.token.0) {
                let complaint = format!("two act at once: {seen:?} beside {others:?}");
                state.broken.push(complaint);
            }
            state.busy.entry(seen.application.clone()).or_default().push(call.token.0);
            let fault = state.rule.clone().and_then(|rule| rule(&seen));
            state.log.push(seen);
            let application = call.application.to_string();
            (Busy { world: self.clone(), application, token: call.token.0 }, fault)
        };
        tokio::task::yield_now().await;
        match fault {
            Some(Fault::Fails(failure)) => Err(failure),
            Some(Fault::Hangs) => std::future::pending().await,
            Some(Fault::DiesBefore) => self.die().await,
            Some(Fault::Waits(told)) => {
                told.notified().await;
                Ok((busy, None))
            }
            other => Ok((busy, other)),
        }
    }

    async fn die<T>(&self) -> T {
        self.died.notify_one();
        std::future::pending().await
    }

    async fn leave<T>(&self, fault: Option<Fault>, answer: T) -> T {
        if matches!(fault, Some(Fault::DiesAfter)) { self.die().await } else { answer }
    }

    fn with_issuer<T>(
        &self,
        call: &RotationCall,
        act: impl FnOnce(&mut Issuer, &mut Vec<String>, &Context) -> T,
    ) -> T {
        let mut state = self.state();
        let application = call.call.application.to_string();
        let context = Context {
            now: self.clock.now(),
            refused: state.refused.contains(&application),
            liar: state.liar,
            replaces: state.replaces,
            hesitant: state.hesitant.contains(&application),
            usable: state.ensured.contains_key(&application)
                && !state.disabled.contains_key(&application)
                && !state.deleted.contains(&application),
        };
        // what was made before the user vanished logs in nowhere, and nobody could help it
        let vanished = state.incarnations.contains_key(&application);
        let mut broken = Vec::new();
        let issuer = state.issuers.entry((application.clone(), call.kind)).or_default();
        let answer = act(issuer, &mut broken, &context);
        // I1: what consumers read logs in
        let shut_out = issuer.delivered.filter(|version| !issuer.live.contains(version) && !vanished);
        if let Some(version) = shut_out.filter(|version| issuer.owed != Some(*version)) {
            broken.push(format!("{application} {}: delivered {version} does not log in", call.kind));
        }
        state.broken.extend(broken);
        answer
    }
}

struct Context {
    now: Timestamp,
    refused: bool,
    liar: bool,
    usable: bool,
    replaces: bool,
    hesitant: bool,
}
