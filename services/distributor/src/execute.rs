//! One delivery, from the envelope to the receipt.

mod confirm;
mod puts;
mod tombstone;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mint_api::audit_log::{Act, AuditLog};
use mint_port::Port;
use mint_runtime::Refusals;
use mint_secret::{
    Aad, EnvelopeDigest, KeyRing, KeyUse, NonEmpty, Receipt, Written, sign_partial_receipt, sign_receipt,
};
use mint_types::mutation::{Mutation, mutated};
use mint_types::{Application, ApplicationId, Clock, Destination, RequestId, Revision, Timestamp};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::Error;
use crate::ages::Ages;
use crate::keys::Opener;
use crate::outcome::{Delivered, Line, LineState, line_state};
use crate::plan::pins::Spot;
use crate::plan::{Attempt, Content, Place, Plan, Step, plan, written};
use crate::ports::{
    Attempts, Body, Catalog, Claim, Delivery, ObjectStore, PinBoard, PutAnswer, Start, Tombstones, Trouble,
};
use crate::statements::Statements;
use crate::turns::Turns;
use confirm::{Held, of_removed};
use puts::Ready;
pub(crate) use tombstone::ACTION as TOMBSTONE;

/// PUTs under way at once over all deliveries: each holds a connection and a few kilobytes.
const MOST_PUTS: usize = 256;
/// PUTs under way at once for one delivery: an application has at most this many buckets.
const MOST_PUTS_PER_DELIVERY: usize = 16;
pub(crate) const ACTION: &str = "credential.deliver";
/// What the log has of a message that makes no sense.
const INVALID_MESSAGE: &str = "INVALID_MESSAGE";

/// Everything outside that a delivery touches.
#[derive(Debug, Clone)]
pub struct Ports {
    /// Opens envelopes.
    pub opener: Arc<Opener>,
    /// The catalog.
    pub catalog: Port<dyn Catalog>,
    /// The durable memory.
    pub attempts: Port<dyn Attempts>,
    /// Where credentials may go.
    pub pins: Port<dyn PinBoard>,
    /// What was ever put.
    pub tombstones: Port<dyn Tombstones>,
    /// Whose statements are believed.
    pub statements: Statements,
    /// The stores.
    pub store: Port<dyn ObjectStore>,
    /// The log.
    pub audit: Port<dyn AuditLog>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// What the operator decides about destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How long a new destination is asked for before it counts as confirmed.
    pub pin_wait: Duration,
    /// The endpoints that teams may name; none for any.
    pub allowed_endpoints: Option<BTreeSet<String>>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { pin_wait: Duration::from_hours(24), allowed_endpoints: None }
    }
}

/// Delivers.
#[derive(Debug)]
pub struct Distributor {
    ring: Arc<KeyRing>,
    ports: Ports,
    default_store: String,
    put_expiry: Duration,
    rules: Rules,
    lost_writes_at: Option<Timestamp>,
    turns: Turns,
    puts: Semaphore,
    ages: Ages,
    refusals: Refusals,
}

impl Distributor {
    /// A distributor with these keys, whose buckets without an endpoint are at `default_store` (empty: AWS's own), and
    /// whose signed PUTs are accepted for `put_expiry`.
    pub fn new(ring: Arc<KeyRing>, ports: Ports, default_store: String, put_expiry: Duration) -> Self {
        let ages = Ages::new(ports.clock.as_ref());
        let refusals = Refusals::new(ports.audit.clone(), ports.clock.clone(), TaskTracker::new());
        Self {
            ring,
            ages,
            ports,
            default_store,
            put_expiry,
            rules: Rules::default(),
            lost_writes_at: None,
            turns: Turns::default(),
            puts: Semaphore::new(MOST_PUTS),
            refusals,
        }
    }

    /// The same under other rules than the default ones.
    #[must_use]
    pub fn with_rules(self, rules: Rules) -> Self {
        Self { rules, ..self }
    }

    /// The same over a state in which writes may have been lost until then.
    #[must_use]
    pub fn after_lost_writes(self, lost_writes_at: Option<Timestamp>) -> Self {
        Self { lost_writes_at, ..self }
    }

    /// The same with these for work that an answer does not wait for, and a drain does.
    #[must_use]
    pub fn with_background(mut self, background: TaskTracker) -> Self {
        self.refusals = Refusals::new(self.ports.audit.clone(), self.ports.clock.clone(), background);
        self
    }

    /// A message about an application that nobody honest sends: the log hears of it, too.
    pub(crate) fn tell_of_invalid(&self, action: &'static str, application: &str, request: RequestId) {
        let Ok(application) = application.parse::<ApplicationId>() else { return };
        let resource = application.to_string();
        let application = Some(application);
        self.refusals.tell(
            Act { action, application, kind: None, resource, rotation: None, request },
            INVALID_MESSAGE,
        );
    }

    /// Writes an envelope's object to every destination. Repeats safely: what is settled is not written again.
    pub async fn deliver(&self, delivery: &Delivery) -> Result<Delivered, Error> {
        let outcome = self.try_deliver(delivery).await;
        if let Err(error) = &outcome
            && error.is_refusal()
        {
            let act = Act {
                action: ACTION,
                application: Some(delivery.application.clone()),
                kind: None,
                resource: delivery.application.to_string(),
                rotation: Some(delivery.rotation),
                request: delivery.request,
            };
            self.refusals.tell(act, error.reason());
        }
        outcome
    }

    async fn try_deliver(&self, delivery: &Delivery) -> Result<Delivered, Error> {
        let (aad, plaintext) =
            self.ports.opener.open(&delivery.envelope, &delivery.application, delivery.rotation).await?;
        // versions keep step with the clock as revisions do; whoever remembered this one as the highest would refuse every
        // true one that comes after it
        let version = aad.subject.version;
        if !Revision(version.0).is_plausible(self.ports.clock.now()) {
            return Err(Error::ImplausibleVersion { application: delivery.application.clone(), version });
        }
        let object = mint_secret::parse(aad.subject.kind, &plaintext).map_err(Error::Envelope)?;
        // a tombstone needs a permit, whoever signed its envelope
        if matches!(object, mint_secret::Object::Tombstone) {
            return Err(Error::TombstoneSealed);
        }
        let body = Body::new(plaintext);
        let _turn = self.turns.take(&delivery.application, aad.subject.kind.object_name()).await;
        let record = self.record(delivery).await?;
        let mut task = self.task(delivery, &aad, &record)?;
        let attempts = self.attempts(&task.claim).await?;
        let kind = aad.subject.kind;
        let Held { troubles: mut held, kept_on, may_be_written } =
            self.held(&record, kind, delivery.request).await?;
        // kinds share objects: an envelope of yesterday's kind, kept by whoever asks, must not replace today's. While what
        // the settings want waits for a signature, today's is what was there before
        let is_wanted = record.settings.as_ref().is_some_and(|settings| settings.kinds().contains(&kind));
        if !is_wanted && !may_be_written {
            return Err(Error::SettingsChanged { application: record.id.clone(), kind });
        }
        held.extend(kept_on.iter().map(|spot| self.refused_endpoint(spot)));
        self.keep_on(&mut task, &kept_on)?;
        let answers = self.write(delivery, &task, &attempts, &held, &body).await?;
        self.conclude(&task, &held, answers).await
    }

    async fn record(&self, delivery: &Delivery) -> Result<Application, Error> {
        let answered = self.ports.catalog.application(&delivery.application, delivery.catalog_revision).await;
        let record = answered.map_err(Error::Catalog)?;
        // `min_revision` is about the catalog: the record itself may be older
        if record.id != delivery.application {
            return Err(Error::OtherRecord(delivery.application.clone()));
        }
        self.believed(record)
    }

    /// The record, unless it is from further ahead than any clock: what is remembered of it would make every true one that
    /// comes after it look old.
    fn believed(&self, record: Application) -> Result<Application, Error> {
        if record.revision.is_plausible(self.ports.clock.now()) {
            return Ok(record);
        }
        Err(Error::ImplausibleRevision { application: record.id, revision: record.revision })
    }

    /// What may matter of earlier attempts, as old as it is.
    async fn attempts(&self, claim: &Claim) -> Result<Vec<Attempt>, Error> {
        let attempts = self.ports.attempts.read(claim).await?;
        Ok(self.ages.present(&claim.application, attempts, self.ports.clock.as_ref()))
    }

    fn task(&self, delivery: &Delivery, aad: &Aad, record: &Application) -> Result<Task, Error> {
        let settings = record.settings.as_ref();
        let destinations =
            settings.map(|settings| settings.destinations(&record.id, aad.subject.kind)).unwrap_or_default();
        if destinations.is_empty() && !mutated(Mutation::ReceiptForZeroDestinations) {
            return Err(Error::NoDestination(record.id.clone()));
        }
        let places =
            destinations.iter().map(|destination| Place::of(destination, &self.default_store)).collect();
        let content = Content {
            kind: aad.subject.kind,
            version: aad.subject.version,
            rotation: aad.subject.rotation,
            envelope: EnvelopeDigest::of(&delivery.envelope),
        };
        Ok(Task {
            claim: Claim { application: record.id.clone(), content, fencing_token: delivery.fencing_token },
            // a receipt names the revision that the destinations were read at
            revision: record.revision.max(delivery.catalog_revision),
            named: destinations.len(),
            destinations,
            places,
            replaces: delivery.replaces,
        })
    }

    /// The places, too, that the settings do not name any more and nobody gave up.
    fn keep_on(&self, task: &mut Task, spots: &[Spot]) -> Result<(), Error> {
        for spot in spots {
            let unreadable =
                || mint_store::Error::Corrupt { detail: "a pinned endpoint is no URL".to_owned() };
            let destination = spot.destination(&task.claim.application, task.claim.content.kind);
            let destination = destination.ok_or_else(unreadable)?;
            task.places.push(Place::of(&destination, &self.default_store));
            task.destinations.push(destination);
        }
        Ok(())
    }

    /// Puts what the plan says where credentials may go; answers what came of it by destination.
    async fn write(
        &self,
        delivery: &Delivery,
        task: &Task,
        attempts: &[Attempt],
        held: &[Option<Trouble>],
        body: &Body,
    ) -> Result<Vec<Option<PutAnswer>>, Error> {
        let plan = task.plan(attempts, self.ports.clock.now());
        let mut answers: Vec<Option<PutAnswer>> = vec![None; task.places.len()];
        let ready = self.sign(task, &plan, held, body, &mut answers).await;
        if ready.is_empty() {
            self.ports.attempts.begin(&task.claim, &[], &[]).await?;
            return Ok(answers);
        }
        let announced = self.announce(task.act(delivery, &ready)).await?;
        let starts: Vec<Start> = ready.iter().map(|put| put.start.clone()).collect();
        let numbers = match self.ports.attempts.begin(&task.claim, &starts, &plan.obsolete).await {
            Ok(numbers) => numbers,
            Err(error) => return Err(self.give_up(announced, error.into()).await),
        };
        self.ages.note(&task.claim.application, &numbers, self.ports.clock.as_ref());
        let indices: Vec<usize> = ready.iter().map(|put| put.index).collect();
        let outcomes = self.put_all(&task.claim.application, ready, &announced).await;
        self.remember(&task.claim.application, &numbers, &outcomes, announced).await?;
        for (index, outcome) in indices.into_iter().zip(outcomes) {
            answers[index] = Some(outcome);
        }
        Ok(answers)
    }

    /// Signs every planned PUT; what cannot be signed is a trouble of its destination.
    async fn sign(
        &self,
        task: &Task,
        plan: &Plan,
        held: &[Option<Trouble>],
        body: &Body,
        answers: &mut [Option<PutAnswer>],
    ) -> Vec<Ready> {
        let now = self.ports.clock.now();
        let mut ready = Vec::new();
        for (index, target) in task.places.iter().zip(&task.destinations).enumerate() {
            let is_held = held.get(index).is_none_or(Option::is_some);
            if is_held || plan.steps.get(index) != Some(&Step::Put) {
                continue;
            }
            match self.ready(index, target, &task.claim.content, body, now).await {
                Ok(put) => ready.push(put),
                Err(trouble) => answers[index] = Some(PutAnswer::Refused(trouble)),
            }
        }
        ready
    }

    /// Looks again at everything that is remembered: only that makes a receipt.
    async fn conclude(
        &self,
        task: &Task,
        held: &[Option<Trouble>],
        answers: Vec<Option<PutAnswer>>,
    ) -> Result<Delivered, Error> {
        let attempts = self.attempts(&task.claim).await?;
        let now = self.ports.clock.now();
        let plan = task.plan(&attempts, now);
        let is_complete = plan.is_complete() && held.iter().all(Option::is_none);
        let receipt = if is_complete { Some(self.receipt(task, &attempts)?) } else { None };
        let partial =
            if task.replaces && !is_complete { self.partial_receipt(task, &attempts)? } else { None };
        let standing = task.places.iter().zip(&plan.steps).zip(answers).zip(held);
        let lines = standing.enumerate().map(|(index, (((place, step), answer), held))| {
            let state = match held {
                Some(trouble) => LineState::Refused(trouble.clone()),
                None => line_state(*step, answer, now),
            };
            let state = if index < task.named { state } else { state.with_trouble(of_removed) };
            Line { place: place.clone(), state }
        });
        Ok(Delivered { receipt, partial, lines: lines.collect() })
    }

    fn receipt(&self, task: &Task, attempts: &[Attempt]) -> Result<Vec<u8>, Error> {
        let first = written(&task.claim.content, &task.places, attempts).map(|(_, first)| first);
        let first = first.unwrap_or_else(|| self.ports.clock.now());
        let receipt = task
            .receipt(&task.destinations, first)
            .ok_or_else(|| Error::NoDestination(task.claim.application.clone()))?;
        let signer = self.ring.signing(KeyUse::DistributorReceipt).map_err(Error::Receipt)?;
        sign_receipt(signer, &receipt).map_err(Error::Receipt)
    }

    /// What the issuer waits for: that somebody has it, whatever the others answer.
    fn partial_receipt(&self, task: &Task, attempts: &[Attempt]) -> Result<Option<Vec<u8>>, Error> {
        let Some((indices, first)) = written(&task.claim.content, &task.places, attempts) else {
            return Ok(None);
        };
        let holders: Vec<Destination> =
            indices.iter().filter_map(|index| task.destinations.get(*index)).cloned().collect();
        let Some(receipt) = task.receipt(&holders, first) else { return Ok(None) };
        let signer = self.ring.signing(KeyUse::DistributorReceipt).map_err(Error::Receipt)?;
        sign_partial_receipt(signer, &receipt).map(Some).map_err(Error::Receipt)
    }
}

/// A delivery with its destinations known.
struct Task {
    claim: Claim,
    revision: Revision,
    /// So many of the destinations are named by the settings; the others were.
    named: usize,
    destinations: Vec<Destination>,
    places: Vec<Place>,
    replaces: bool,
}

impl Task {
    fn plan(&self, attempts: &[Attempt], now: Timestamp) -> Plan {
        let (content, places) = (&self.claim.content, self.places.as_slice());
        let plan = plan(content, places, attempts, now);
        if self.replaces { plan.beginning_when_quiet(content, places, attempts, now) } else { plan }
    }

    /// What is said of these destinations; none for nowhere.
    fn receipt(&self, destinations: &[Destination], first_written_at: Timestamp) -> Option<Receipt> {
        let written = destinations.iter().map(|destination| Written {
            bucket: destination.bucket.name.clone(),
            key: destination.key.clone(),
        });
        Some(Receipt {
            application: self.claim.application.clone(),
            kind: self.claim.content.kind,
            version: self.claim.content.version,
            rotation: self.claim.content.rotation,
            envelope: self.claim.content.envelope,
            catalog_revision: self.revision,
            first_written_at,
            destinations: NonEmpty::from_vec(written.collect())?,
        })
    }

    fn act(&self, delivery: &Delivery, ready: &[Ready]) -> Act {
        let resources: Vec<String> =
            ready.iter().map(|put| format!("{}/{}", put.start.place.bucket, put.start.place.key)).collect();
        Act {
            action: ACTION,
            application: Some(self.claim.application.clone()),
            kind: Some(self.claim.content.kind),
            resource: resources.join(" "),
            rotation: Some(self.claim.content.rotation),
            request: delivery.request,
        }
    }
}

#[cfg(test)]
#[path = "execute_tests.rs"]
mod tests;
