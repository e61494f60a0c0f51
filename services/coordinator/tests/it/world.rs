//! A constellation in memory: an issuer with live versions, buckets with delivered ones, faults on request, a log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use mint_coordinator::{
    Bell, Call, Delivery, DestinationAnswer, Distributor, Engine, Ensured, Identities, IssuerGate,
    NewVersion, Parts, Policy, Proof, Retirement, RotationCall, Rotator, SqlStore, Status, Store, status,
};
use mint_saga::{Backoff, Created, Failure, Sealed};
use mint_testkit::{ManualClock, SeededEntropy, TestDatabase};
use mint_types::{
    Application, ApplicationId, Bucket, Clock, CredentialKind, Layout, Prefix, Presence, Revision,
    RotationId, Settings, Timestamp, Version, VersionId,
};
use tokio::sync::Notify;

pub(crate) const OVERLAP: Duration = Duration::from_mins(10);
pub(crate) const GRACE: Duration = Duration::from_mins(1);
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
    last: u64,
}

#[derive(Default)]
struct State {
    log: Vec<Seen>,
    rule: Option<Rule>,
    busy: BTreeMap<String, Vec<u64>>,
    highest: BTreeMap<String, u64>,
    issuers: BTreeMap<(String, CredentialKind), Issuer>,
    ensured: BTreeMap<String, u64>,
    disabled: BTreeSet<String>,
    refused: BTreeSet<String>,
    clients: BTreeMap<String, String>,
    liar: bool,
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

    pub(crate) fn is_disabled(&self, application: &str) -> bool {
        self.state().disabled.contains(application)
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
            usable: state.ensured.contains_key(&application) && !state.disabled.contains(&application),
        };
        let mut broken = Vec::new();
        let issuer = state.issuers.entry((application.clone(), call.kind)).or_default();
        let answer = act(issuer, &mut broken, &context);
        // I1: what consumers read logs in
        if let Some(version) = issuer.delivered.filter(|version| !issuer.live.contains(version)) {
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
}

#[async_trait]
impl Identities for World {
    async fn ensure(&self, call: &Call) -> Result<Ensured, Failure> {
        let (_busy, fault) = self.enter("ensure", call, None).await?;
        let answer = {
            let mut state = self.state();
            let application = call.application.to_string();
            let times = state.ensured.entry(application.clone()).or_default();
            *times += 1;
            let client_id = state
                .clients
                .get(&application)
                .cloned()
                .unwrap_or_else(|| format!("client-of-{application}"));
            Ensured { client_id, applied: call.revision }
        };
        Ok(self.leave(fault, answer).await)
    }

    async fn disable(&self, call: &Call) -> Result<bool, Failure> {
        let (_busy, fault) = self.enter("disable", call, None).await?;
        self.state().disabled.insert(call.application.to_string());
        Ok(self.leave(fault, true).await)
    }

    async fn enable(&self, call: &Call) -> Result<(), Failure> {
        let (_busy, fault) = self.enter("enable", call, None).await?;
        self.state().disabled.remove(call.application.as_str());
        self.leave(fault, ()).await;
        Ok(())
    }
}

#[async_trait]
impl Rotator for World {
    async fn create(&self, call: &RotationCall) -> Result<NewVersion, Failure> {
        let (_busy, fault) = self.enter("create", &call.call, Some(call)).await?;
        let answer = self.with_issuer(call, |issuer, broken, context| {
            if !context.usable {
                broken.push(format!("a version for {} which has no user", call.call.application));
            }
            if issuer.receipts.contains_key(&call.rotation) || issuer.abandoned.contains(&call.rotation) {
                return Err(Failure::new("ENVELOPE_GONE", "the envelopes of this rotation are forgotten"));
            }
            let previous =
                issuer.made.values().map(|(version, _)| *version).filter(|version| {
                    issuer.receipts.keys().any(|rotation| issuer.made[rotation].0 == *version)
                });
            let previous = previous.max().unwrap_or(0);
            let next = issuer.last + 1;
            let (version, previous) = *issuer.made.entry(call.rotation).or_insert((next, previous));
            issuer.last = issuer.last.max(version);
            issuer.live.insert(version);
            Ok(NewVersion {
                created: Created {
                    version: Version(version),
                    version_id: VersionId::random(&SeededEntropy::new(version)),
                    fingerprint: format!("fingerprint-{version}"),
                    previous: Version(previous),
                    probe: Sealed::new(format!("probe {version}").into_bytes()),
                },
                delivery: Sealed::new(format!("envelope {} {version}", call.rotation).into_bytes()),
            })
        })?;
        Ok(self.leave(fault, answer).await)
    }

    async fn accept_receipt(&self, call: &RotationCall, receipt: &Sealed) -> Result<Duration, Failure> {
        let (_busy, fault) = self.enter("accept", &call.call, Some(call)).await?;
        let answer = self.with_issuer(call, |issuer, broken, context| {
            let (version, previous) = issuer.made[&call.rotation];
            if receipt.as_bytes() != format!("receipt {} {version}", call.rotation).as_bytes() {
                broken.push(format!("a foreign receipt for {}", call.rotation));
            }
            let overlap = if previous == 0 { Duration::ZERO } else { OVERLAP };
            let (at, overlap) = *issuer.receipts.entry(call.rotation).or_insert((context.now, overlap));
            overlap.saturating_sub(context.now.since(at))
        });
        Ok(self.leave(fault, answer).await)
    }

    async fn retire(&self, call: &RotationCall) -> Result<Retirement, Failure> {
        let (_busy, fault) = self.enter("retire", &call.call, Some(call)).await?;
        let answer = self.with_issuer(call, |issuer, broken, context| {
            let Some((at, overlap)) = issuer.receipts.get(&call.rotation).copied() else {
                broken.push(format!("retire without a receipt: {}", call.rotation));
                return Err(Failure::new("RECEIPT_MISSING", "no receipt"));
            };
            let left = overlap.saturating_sub(context.now.since(at));
            if left > Duration::ZERO {
                let mut failure = Failure::new("OVERLAP_NOT_PASSED", "too early");
                failure.retry_after = Some(left);
                return Err(failure);
            }
            let (version, previous) = issuer.made[&call.rotation];
            if !context.liar {
                issuer.live.retain(|live| *live == version);
            }
            issuer.retired.insert(call.rotation, previous);
            Ok(Retirement {
                ended: Version(previous),
                grace: if previous == 0 { Duration::ZERO } else { GRACE },
            })
        })?;
        Ok(self.leave(fault, answer).await)
    }

    async fn prove(&self, call: &RotationCall, probe: &Sealed) -> Result<Proof, Failure> {
        let (_busy, fault) = self.enter("prove", &call.call, Some(call)).await?;
        let answer = self.with_issuer(call, |issuer, broken, _| {
            let ended = issuer.retired.get(&call.rotation).copied();
            if ended.is_none_or(|ended| probe.as_bytes() != format!("probe {ended}").as_bytes()) {
                broken.push(format!("the wrong probe for {ended:?}: {:?}", probe.as_bytes()));
            }
            if ended.is_some_and(|ended| issuer.live.contains(&ended)) { Proof::Alive } else { Proof::Dead }
        });
        Ok(self.leave(fault, answer).await)
    }

    async fn abandon(&self, call: &RotationCall) -> Result<(), Failure> {
        let (_busy, fault) = self.enter("abandon", &call.call, Some(call)).await?;
        self.with_issuer(call, |issuer, broken, _| {
            if issuer.receipts.contains_key(&call.rotation) {
                broken.push(format!("a delivered rotation is abandoned: {}", call.rotation));
            }
            issuer.abandoned.insert(call.rotation);
        });
        self.leave(fault, ()).await;
        Ok(())
    }
}

#[async_trait]
impl Distributor for World {
    async fn deliver(&self, call: &RotationCall, envelope: &Sealed) -> Result<Delivery, Failure> {
        let (_busy, fault) = self.enter("deliver", &call.call, Some(call)).await?;
        let answer = self.with_issuer(call, |issuer, broken, context| {
            let (version, _) = issuer.made[&call.rotation];
            if envelope.as_bytes() != format!("envelope {} {version}", call.rotation).as_bytes() {
                broken.push(format!("a foreign envelope for {}", call.rotation));
            }
            if context.refused {
                let mut failure = Failure::new("DESTINATION_REFUSED", "403 AccessDenied");
                failure.destination = Some(format!("bucket/{}", call.call.application));
                let destinations = vec![DestinationAnswer::Refused(failure)];
                return Delivery { receipt: Sealed::new(vec![]), destinations };
            }
            if issuer.delivered.is_some_and(|newest| newest > version) {
                broken.push(format!("{version} is written over a newer one"));
            }
            issuer.delivered = Some(version);
            Delivery {
                receipt: Sealed::new(format!("receipt {} {version}", call.rotation).into_bytes()),
                destinations: vec![DestinationAnswer::Written],
            }
        });
        Ok(self.leave(fault, answer).await)
    }
}

/// Settings with one bucket per name.
pub(crate) fn settings(buckets: &[&str], layout: Layout, confidential: bool) -> Settings {
    let bucket =
        |name: &&str| Bucket { name: name.parse().unwrap(), region: None, endpoint: None, kms_key_id: None };
    Settings {
        buckets: buckets.iter().map(bucket).collect(),
        account_id: Some("123456789012".parse().unwrap()),
        prefix: Prefix::default(),
        layout,
        scopes: vec![],
        redirect_url: None,
        confidential,
        password_period: "2h".parse().unwrap(),
        client_period: "30d".parse().unwrap(),
    }
}

/// An active application of the default layout with a bucket.
pub(crate) fn application(id: &str, revision: u64) -> Application {
    Application {
        id: id.parse().unwrap(),
        team_id: "team-a".parse().unwrap(),
        name: id.to_owned(),
        active: true,
        subtitle: String::new(),
        service_url: String::new(),
        presence: Presence::Present,
        revision: Revision(revision),
        identity_revision: Revision(revision),
        settings: Some(settings(&["bucket"], Layout::Split, true)),
        settings_generation: 1,
        identity: None,
        modified_at: None,
        problems: vec![],
    }
}

/// A coordinator in its world.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) clock: ManualClock,
    pub(crate) store: SqlStore,
    pub(crate) parts: Arc<Parts>,
    pub(crate) engine: Engine,
    _database: TestDatabase,
}

pub(crate) fn policy(holder: &str) -> Policy {
    Policy {
        holder: holder.to_owned(),
        concurrency: 32,
        lease: LEASE,
        call_deadline: Duration::from_secs(20),
        backoff: Backoff { base: Duration::from_secs(1), cap: Duration::from_mins(5) },
        failed_after: 3,
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(policy("one")).await
    }

    pub(crate) async fn with(policy: Policy) -> Self {
        let database = mint_testkit::databases(mint_coordinator::SCHEMA, mint_coordinator::MIGRATIONS)
            .await
            .swap_remove(0);
        Self::on(database, policy, World::new(ManualClock::default()))
    }

    pub(crate) fn on(database: TestDatabase, policy: Policy, world: World) -> Self {
        let store = SqlStore::new(database.database.clone());
        let clock = world.clock.clone();
        let parts = parts(&world, store.clone(), policy, 1);
        let engine = Engine::new(Arc::clone(&parts));
        Self { world, clock, store, parts, engine, _database: database }
    }

    pub(crate) async fn take_in(&self, records: &[Application]) {
        let newest = records.iter().map(|record| record.revision).max().unwrap();
        self.store.take_in(records, newest, self.clock.now()).await.unwrap();
    }

    /// Works off everything that is due now.
    pub(crate) async fn turn(&mut self) -> Option<Timestamp> {
        self.engine.turn().await.unwrap()
    }

    /// Moves the clock from one due time to the next for `horizon`.
    pub(crate) async fn live_for(&mut self, horizon: Duration) {
        let end = self.clock.now().plus(horizon);
        while let Some(next) = self.turn().await.filter(|next| *next <= end) {
            self.clock.advance(next.since(self.clock.now()).max(Duration::from_millis(1)));
        }
        let rest = end.since(self.clock.now());
        self.clock.advance(rest);
    }

    pub(crate) async fn status(&self, application: &str) -> Status {
        let id: ApplicationId = application.parse().unwrap();
        status(&self.store.desk(&id).await.unwrap().unwrap(), 3)
    }
}

pub(crate) fn parts(world: &World, store: SqlStore, policy: Policy, seed: u64) -> Arc<Parts> {
    Arc::new(Parts {
        policy,
        store: Arc::new(store),
        identities: Arc::new(world.clone()),
        rotator: Arc::new(world.clone()),
        distributor: Arc::new(world.clone()),
        clock: Arc::new(world.clock.clone()),
        entropy: Arc::new(SeededEntropy::new(seed)),
        bell: Bell::default(),
        issuer: IssuerGate::default(),
    })
}
