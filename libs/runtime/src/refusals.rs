//! Refused calls in the audit log: what nobody honest asks for stands there although nothing was done. Whoever asks for it all
//! day neither fills the log nor the memory with it, and no answer waits for the log.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mint_api::audit_log::{Act, AuditError, AuditLog, Outcome};
use mint_api::{Fault, WireFault};
use mint_port::Port;
use mint_types::{ApplicationId, Clock, Code, Monotonic};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use tokio_util::task::TaskTracker;

/// The same refusal of the same application is told once in this time.
const WINDOW: Duration = Duration::from_mins(10);
/// So many applications are told of one action and reason in this time: whoever names ever other ones hides no other reason.
const MOST_APPLICATIONS: usize = 64;
/// So many of one action and reason wait for the log at once: a burst of one keeps no other one out.
const MOST_WAITING: usize = 8;
/// An append is repeated by its adapter; a log that has not answered both of them by then does not answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tells the audit log of refused calls, one after the other, in the background.
#[derive(Debug)]
pub struct Refusals {
    teller: Arc<Teller>,
    background: TaskTracker,
}

#[derive(Debug)]
struct Teller {
    log: Port<dyn AuditLog>,
    clock: Arc<dyn Clock>,
    books: Mutex<Books>,
    refused: Counter<u64>,
}

/// Both are constants of the code, so there are few.
type Matter = (&'static str, &'static str);

#[derive(Debug, Default)]
struct Books {
    told: BTreeMap<Matter, BTreeMap<Option<ApplicationId>, Told>>,
    waiting: VecDeque<(Act, &'static str)>,
    /// Somebody takes from what waits.
    is_telling: bool,
}

#[derive(Debug)]
struct Told {
    at: Monotonic,
    /// How often it was refused since, without being told.
    repeated: u64,
}

impl Told {
    fn is_over(&self, now: &Monotonic) -> bool {
        now.since(&self.at).is_none_or(|passed| passed >= WINDOW)
    }
}

/// What becomes of a refusal.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Told { begins: bool },
    Repeated,
    Untold,
}

impl Books {
    fn enter(&mut self, mut act: Act, reason: &'static str, now: Monotonic) -> Fate {
        let matter = (act.action, reason);
        let waiting = self.waiting.iter().filter(|(other, why)| (other.action, *why) == matter);
        let is_full = waiting.count() >= MOST_WAITING;
        let told = self.told.entry(matter).or_default();
        match told.get_mut(&act.application) {
            Some(known) if !known.is_over(&now) => {
                known.repeated = known.repeated.saturating_add(1);
                return Fate::Repeated;
            }
            Some(known) if known.repeated > 0 => {
                let (resource, more) = (&act.resource, known.repeated);
                act.resource = format!("{resource} (and {more} more since the last one that was told)");
            }
            Some(_) | None => {}
        }
        if told.len() >= MOST_APPLICATIONS {
            told.retain(|application, known| *application == act.application || !known.is_over(&now));
        }
        let is_crowded = told.len() >= MOST_APPLICATIONS && !told.contains_key(&act.application);
        if is_full || is_crowded {
            return Fate::Untold;
        }
        told.insert(act.application.clone(), Told { at: now, repeated: 0 });
        self.waiting.push_back((act, reason));
        Fate::Told { begins: !std::mem::replace(&mut self.is_telling, true) }
    }

    /// The next that waits; whoever gets none has to stop.
    fn next(&mut self) -> Option<(Act, &'static str)> {
        let next = self.waiting.pop_front();
        self.is_telling = next.is_some();
        next
    }

    /// The log did not hear of it: the next of its kind is told instead.
    fn forget(&mut self, act: &Act, reason: &'static str) {
        if let Some(told) = self.told.get_mut(&(act.action, reason)) {
            told.remove(&act.application);
        }
    }
}

impl Teller {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, reason: &'static str, audit: &'static str) {
        self.refused.add(1, &[KeyValue::new("reason", reason), KeyValue::new("audit", audit)]);
    }

    async fn tell_all(self: Arc<Self>) {
        loop {
            // a guard in the head of a `while let` would live through its body
            let next = self.books().next();
            let Some((act, reason)) = next else { return };
            let told = tokio::time::timeout(PATIENCE, self.tell(act.clone(), reason)).await;
            match told.unwrap_or_else(|_| Err(late())) {
                Ok(()) => self.count(reason, "told"),
                Err(unheard) => {
                    self.books().forget(&act, reason);
                    self.count(reason, "untold");
                    let application = act.application.as_ref().map(ToString::to_string).unwrap_or_default();
                    tracing::warn!(error = %unheard, action = act.action, application, reason, "the audit log did not hear of a refusal");
                }
            }
        }
    }

    async fn tell(&self, act: Act, reason: &'static str) -> Result<(), AuditError> {
        let announced = self.log.announce(act).await?;
        self.log.conclude(announced, Outcome::Failure { reason }).await
    }
}

impl Refusals {
    /// Tells this log, in tasks of this tracker, which a drain should wait for.
    pub fn new(log: Port<dyn AuditLog>, clock: Arc<dyn Clock>, background: TaskTracker) -> Self {
        let refused = opentelemetry::global::meter("mint-runtime")
            .u64_counter("mint.refusals")
            .with_unit("{call}")
            .with_description(
                "Calls refused that nobody honest makes, by reason, and whether the audit log heard of each (told), of \
                 one like it within ten minutes (repeated), or of none (untold)",
            )
            .build();
        Self { teller: Arc::new(Teller { log, clock, books: Mutex::default(), refused }), background }
    }

    /// Has the log told, soon, that an act was refused before it was announced. Nothing waits for the log here, and a log
    /// that does not hear of it changes nothing about the refusal.
    pub fn tell(&self, act: Act, reason: &'static str) {
        let (action, application) = (act.action, act.application.clone());
        let fate = self.teller.books().enter(act, reason, self.teller.clock.monotonic());
        match fate {
            Fate::Told { begins: true } => drop(self.background.spawn(Arc::clone(&self.teller).tell_all())),
            Fate::Told { begins: false } => {}
            Fate::Repeated => self.teller.count(reason, "repeated"),
            Fate::Untold => {
                self.teller.count(reason, "untold");
                let application = application.as_ref().map(ToString::to_string).unwrap_or_default();
                tracing::warn!(action, application, reason, "too many refusals for the audit log: not told");
            }
        }
    }
}

fn late() -> AuditError {
    let fault =
        Fault::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", "the audit log did not answer in time");
    AuditError(WireFault::from_status(&fault.into()))
}

#[cfg(test)]
#[path = "refusals_tests.rs"]
mod tests;
