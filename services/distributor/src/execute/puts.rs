//! Sending what was announced and is durable, and remembering what came of it.

use futures::StreamExt as _;
use mint_api::audit_log::{Act, Announced, AuditError, AuditLog as _, MemoryAuditLog, Outcome};
use mint_types::mutation::{Mutation, mutated};
use mint_types::{ApplicationId, Timestamp};

use super::{Distributor, MOST_PUTS_PER_DELIVERY};
use crate::Error;
use crate::outcome::{answer_of, concluded, log};
use crate::plan::{Content, Place};
use crate::ports::{Answered, Body, PutAnswer, SignedPut, Start, Trouble};
use mint_types::Destination;

/// A PUT that is ready to go.
pub(super) struct Ready {
    /// Its place in the order of what was planned.
    pub(super) index: usize,
    pub(super) signed: SignedPut,
    pub(super) start: Start,
    pub(super) content: Content,
    pub(super) body: Body,
}

impl Distributor {
    /// Signs one PUT; nothing is sent.
    pub(super) async fn ready(
        &self,
        index: usize,
        target: (&Place, &Destination),
        content: &Content,
        body: &Body,
        now: Timestamp,
    ) -> Result<Ready, Trouble> {
        let (place, destination) = target;
        let signed = self.ports.store.sign(destination, body, now).await?;
        let start = Start {
            place: place.clone(),
            destination: destination.clone(),
            signed_at: now,
            expires_at: now.plus(self.put_expiry),
        };
        Ok(Ready { index, signed, start, content: content.clone(), body: body.clone() })
    }

    /// All side by side; each is sent once.
    pub(super) async fn put_all(
        &self,
        application: &ApplicationId,
        ready: Vec<Ready>,
        announced: &Announced,
    ) -> Vec<PutAnswer> {
        let puts = ready.into_iter().map(|put| async move {
            // the semaphore is never closed
            let _permit = self.puts.acquire().await;
            let again = mutated(Mutation::SdkRetriesLeftOn).then(|| put.signed.clone());
            let mut outcome = self.ports.store.put_object(put.signed, &put.body, announced).await;
            if let (PutAnswer::Unknown(_), Some(again)) = (&outcome, again) {
                outcome = self.ports.store.put_object(again, &put.body, announced).await;
            }
            log(application, &put.content, &put.start.place, &outcome);
            outcome
        });
        futures::stream::iter(puts).buffered(MOST_PUTS_PER_DELIVERY).collect().await
    }

    /// Says what is about to be written; nothing is sent before the log has it.
    pub(super) async fn announce(&self, act: Act) -> Result<Announced, AuditError> {
        if mutated(Mutation::AuditAfterTheAct) {
            // nobody hears of it before it is done
            return MemoryAuditLog::default().announce(act).await;
        }
        self.ports.audit.announce(act).await
    }

    /// Tells what came of it.
    async fn tell(&self, mut announced: Announced, outcomes: &[PutAnswer]) -> Result<(), AuditError> {
        if mutated(Mutation::AuditAfterTheAct) {
            announced = self.ports.audit.announce(announced.act().clone()).await?;
        }
        self.ports.audit.conclude(announced, concluded(outcomes)).await
    }

    /// The outcome goes to the log first: what is remembered as written was said, so a repeat need not say it.
    pub(super) async fn remember(
        &self,
        application: &ApplicationId,
        numbers: &[u64],
        outcomes: &[PutAnswer],
        announced: Announced,
    ) -> Result<(), Error> {
        let answered = |wanted: Answered| -> Vec<(u64, Answered)> {
            let fitting =
                numbers.iter().zip(outcomes).filter(|(_, outcome)| answer_of(outcome) == Some(wanted));
            fitting.map(|(number, _)| (*number, wanted)).collect()
        };
        debug_assert!(numbers.len() == outcomes.len(), "one number and one outcome a PUT");
        if let Err(error) = self.tell(announced, outcomes).await {
            // the writes stay unanswered in memory: the next call writes, and says so, once more
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
    pub(super) async fn give_up(&self, announced: Announced, error: Error) -> Error {
        let outcome = Outcome::Failure { reason: error.reason() };
        if let Err(unheard) = self.ports.audit.conclude(announced, outcome).await {
            tracing::warn!(error = %unheard, "the audit log did not hear that nothing was done");
        }
        error
    }
}
