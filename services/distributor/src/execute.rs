//! One delivery, from the envelope to the receipt.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use mint_api::audit_log::{Act, Announced, AuditLog, Outcome};
use mint_port::Port;
use mint_secret::{Aad, EnvelopeDigest, KeyRing, KeyUse, NonEmpty, Receipt, Written, sign_receipt};
use mint_types::{Application, Clock, Destination, Revision, Timestamp};
use tokio::sync::Semaphore;

use crate::Error;
use crate::keys::Opener;
use crate::outcome::{Delivered, Line, answer_of, concluded, line_state, log};
use crate::plan::{Content, Place, Plan, Step, plan};
use crate::ports::{
    Answered, Attempts, Body, Catalog, Claim, Delivery, ObjectStore, PutAnswer, SignedPut, Start,
};
use crate::turns::Turns;

/// PUTs under way at once over all deliveries: each holds a connection and a few kilobytes.
const MOST_PUTS: usize = 256;
/// PUTs under way at once for one delivery: an application has at most this many buckets.
const MOST_PUTS_PER_DELIVERY: usize = 16;

/// Everything outside that a delivery touches.
#[derive(Debug, Clone)]
pub struct Ports {
    /// Opens envelopes.
    pub opener: Arc<Opener>,
    /// The catalog.
    pub catalog: Port<dyn Catalog>,
    /// The durable memory.
    pub attempts: Port<dyn Attempts>,
    /// The stores.
    pub store: Port<dyn ObjectStore>,
    /// The log.
    pub audit: Port<dyn AuditLog>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Delivers.
#[derive(Debug)]
pub struct Distributor {
    ring: Arc<KeyRing>,
    ports: Ports,
    default_store: String,
    put_expiry: Duration,
    turns: Turns,
    puts: Semaphore,
}

/// A PUT that is ready to go.
struct Ready {
    index: usize,
    signed: SignedPut,
    start: Start,
}

impl Distributor {
    /// A distributor with these keys, whose buckets without an endpoint are at `default_store` (empty: AWS's own), and
    /// whose signed PUTs are accepted for `put_expiry`.
    pub fn new(ring: Arc<KeyRing>, ports: Ports, default_store: String, put_expiry: Duration) -> Self {
        Self {
            ring,
            ports,
            default_store,
            put_expiry,
            turns: Turns::default(),
            puts: Semaphore::new(MOST_PUTS),
        }
    }

    /// Writes an envelope's object to every destination. Repeats safely: what is settled is not written again.
    pub async fn deliver(&self, delivery: &Delivery) -> Result<Delivered, Error> {
        let (aad, plaintext) =
            self.ports.opener.open(&delivery.envelope, &delivery.application, delivery.rotation).await?;
        mint_secret::parse(aad.subject.kind, &plaintext).map_err(Error::Envelope)?;
        let body = Body::new(plaintext);
        let _turn = self.turns.take(&delivery.application, aad.subject.kind.object_name()).await;
        let record = self.record(delivery).await?;
        let task = self.task(delivery, &aad, &record)?;
        let troubles = self.write(delivery, &task, &body).await?;
        self.conclude(&task, troubles).await
    }

    async fn record(&self, delivery: &Delivery) -> Result<Application, Error> {
        let answered = self.ports.catalog.application(&delivery.application, delivery.catalog_revision).await;
        let record = answered.map_err(Error::Catalog)?;
        // `min_revision` is about the catalog: the record itself may be older
        if record.id != delivery.application {
            return Err(Error::OtherRecord(delivery.application.clone()));
        }
        Ok(record)
    }

    fn task(&self, delivery: &Delivery, aad: &Aad, record: &Application) -> Result<Task, Error> {
        let settings = record.settings.as_ref();
        let destinations =
            settings.map(|settings| settings.destinations(&record.id, aad.subject.kind)).unwrap_or_default();
        if destinations.is_empty() {
            return Err(Error::NoDestination(record.id.clone()));
        }
        // kinds share objects: an envelope of yesterday's kind, kept by whoever asks, must not replace today's
        if !settings.is_some_and(|settings| settings.kinds().contains(&aad.subject.kind)) {
            return Err(Error::SettingsChanged { application: record.id.clone(), kind: aad.subject.kind });
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
            destinations,
            places,
        })
    }

    /// Puts what the plan says; answers the troubles by destination.
    async fn write(
        &self,
        delivery: &Delivery,
        task: &Task,
        body: &Body,
    ) -> Result<Vec<Option<PutAnswer>>, Error> {
        let now = self.ports.clock.now();
        let attempts = self.ports.attempts.read(&task.claim).await?;
        let plan = plan(&task.claim.content, &task.places, &attempts, now);
        let mut answers: Vec<Option<PutAnswer>> = vec![None; task.places.len()];
        let ready = self.sign(task, &plan, body, now, &mut answers).await;
        if ready.is_empty() {
            self.ports.attempts.begin(&task.claim, &[], &[]).await?;
            return Ok(answers);
        }
        let announced = self.ports.audit.announce(task.act(delivery, &ready)).await?;
        let starts: Vec<Start> = ready.iter().map(|put| put.start.clone()).collect();
        let numbers = match self.ports.attempts.begin(&task.claim, &starts, &plan.obsolete).await {
            Ok(numbers) => numbers,
            Err(error) => return Err(self.give_up(announced, error.into()).await),
        };
        let indices: Vec<usize> = ready.iter().map(|put| put.index).collect();
        let outcomes = self.put_all(task, ready, body, &announced).await;
        self.remember(task, &indices, &numbers, &outcomes, announced).await?;
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
        body: &Body,
        now: Timestamp,
        answers: &mut [Option<PutAnswer>],
    ) -> Vec<Ready> {
        let mut ready = Vec::new();
        for (index, destination) in task.destinations.iter().enumerate() {
            if plan.steps.get(index) != Some(&Step::Put) {
                continue;
            }
            match self.ports.store.sign(destination, body, now).await {
                Ok(signed) => ready.push(Ready {
                    index,
                    signed,
                    start: Start {
                        place: task.places[index].clone(),
                        signed_at: now,
                        expires_at: now.plus(self.put_expiry),
                    },
                }),
                Err(trouble) => answers[index] = Some(PutAnswer::Refused(trouble)),
            }
        }
        ready
    }

    /// All side by side; each is sent once.
    async fn put_all(
        &self,
        task: &Task,
        ready: Vec<Ready>,
        body: &Body,
        announced: &Announced,
    ) -> Vec<PutAnswer> {
        let puts = ready.into_iter().map(|put| async move {
            // the semaphore is never closed
            let _permit = self.puts.acquire().await;
            let outcome = self.ports.store.put_object(put.signed, body, announced).await;
            log(&task.claim, &put.start.place, &outcome);
            outcome
        });
        futures::stream::iter(puts).buffered(MOST_PUTS_PER_DELIVERY).collect().await
    }

    /// The outcome goes to the log first: what is remembered as written was said, so a repeat need not say it.
    async fn remember(
        &self,
        task: &Task,
        indices: &[usize],
        numbers: &[u64],
        outcomes: &[PutAnswer],
        announced: Announced,
    ) -> Result<(), Error> {
        let answered = |wanted: Answered| -> Vec<(u64, Answered)> {
            let fitting =
                numbers.iter().zip(outcomes).filter(|(_, outcome)| answer_of(outcome) == Some(wanted));
            fitting.map(|(number, _)| (*number, wanted)).collect()
        };
        let all_planned = indices.len() == outcomes.len() && numbers.len() == outcomes.len();
        debug_assert!(all_planned, "one number and one outcome a PUT");
        let application = &task.claim.application;
        if let Err(error) = self.ports.audit.conclude(announced, concluded(outcomes)).await {
            // the writes stay unanswered in memory: the next delivery writes, and says so, once more
            let refused = answered(Answered::Refused);
            if let Err(error) = self.ports.attempts.answer(application, &refused).await {
                tracing::warn!(%application, %error, "refused attempts could not be remembered");
            }
            return Err(error.into());
        }
        let mut answers = answered(Answered::Written);
        answers.extend(answered(Answered::Refused));
        if answers.is_empty() {
            return Ok(());
        }
        self.ports.attempts.answer(application, &answers).await.map_err(Error::from)
    }

    /// Nothing was sent: the announcement is concluded as a failure.
    async fn give_up(&self, announced: Announced, error: Error) -> Error {
        let outcome = Outcome::Failure { reason: error.reason() };
        if let Err(unheard) = self.ports.audit.conclude(announced, outcome).await {
            tracing::warn!(error = %unheard, "the audit log did not hear that nothing was done");
        }
        error
    }

    /// Looks again at everything that is remembered: only that makes a receipt.
    async fn conclude(&self, task: &Task, answers: Vec<Option<PutAnswer>>) -> Result<Delivered, Error> {
        let attempts = self.ports.attempts.read(&task.claim).await?;
        let now = self.ports.clock.now();
        let plan = plan(&task.claim.content, &task.places, &attempts, now);
        let receipt = if plan.is_complete() { Some(self.receipt(task)?) } else { None };
        let standing = task.places.iter().zip(&plan.steps).zip(answers);
        let lines = standing.map(|((place, step), answer)| Line {
            place: place.clone(),
            state: line_state(*step, answer, now),
        });
        Ok(Delivered { receipt, lines: lines.collect() })
    }

    fn receipt(&self, task: &Task) -> Result<Vec<u8>, Error> {
        let written = task.destinations.iter().map(|destination| Written {
            bucket: destination.bucket.name.clone(),
            key: destination.key.clone(),
        });
        let destinations = NonEmpty::from_vec(written.collect())
            .ok_or_else(|| Error::NoDestination(task.claim.application.clone()))?;
        let receipt = Receipt {
            application: task.claim.application.clone(),
            kind: task.claim.content.kind,
            version: task.claim.content.version,
            rotation: task.claim.content.rotation,
            envelope: task.claim.content.envelope,
            catalog_revision: task.revision,
            destinations,
        };
        let signer = self.ring.signing(KeyUse::DistributorReceipt).map_err(Error::Receipt)?;
        sign_receipt(signer, &receipt).map_err(Error::Receipt)
    }
}

/// A delivery with its destinations known.
struct Task {
    claim: Claim,
    revision: Revision,
    destinations: Vec<Destination>,
    places: Vec<Place>,
}

impl Task {
    fn act(&self, delivery: &Delivery, ready: &[Ready]) -> Act {
        let resources: Vec<String> =
            ready.iter().map(|put| format!("{}/{}", put.start.place.bucket, put.start.place.key)).collect();
        Act {
            action: "credential.deliver",
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
