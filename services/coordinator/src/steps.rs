//! Asks the right service for a step and says what the answer means.

use std::time::Duration;

use mint_saga::{Event, Failure, Sealed, Step, Wish, Written, reason};

use crate::error::BurstError;
use crate::policy::{LONGEST_ISSUER_PAUSE, PAUSE_AFTER_429, Parts};
use crate::ports::{Abandonment, Delivery, DestinationAnswer, Proof, RotationCall};
use crate::store::Store as _;

/// What came of a step.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// This happened.
    Is(Box<Event>),
    /// The issuer may not be called for a while: nothing happened, and nothing is wrong.
    Postponed,
    /// Some stores have what the issuer learns of only now; what is wrong with the others is told after that.
    Partly {
        /// The partial receipt.
        partial: Sealed,
        /// What is wrong with the others.
        failures: Vec<Failure>,
    },
    /// It failed.
    Failed {
        /// How.
        failures: Vec<Failure>,
        /// What is known of the stores; none if nothing new.
        written: Option<Written>,
    },
}

/// Mint's own inside comes back within seconds: a longer wait would only delay everybody.
const LONGEST_INTERNAL_WAIT: Duration = Duration::from_secs(5);
/// The wait after an answer that asks for one and does not say how long.
const DEFAULT_WAIT: Duration = Duration::from_secs(1);

/// Performs a step. An error means that the worker has to stop, not that the step failed.
pub(crate) async fn perform(
    parts: &Parts,
    call: &RotationCall,
    step: &Step,
    wish: Option<&Wish>,
) -> Result<Outcome, BurstError> {
    let answer = match step {
        Step::Create => bounded(parts, "rotator", parts.rotator.create(call))
            .await
            .map(|version| is(Event::Created { created: version.created, delivery: version.delivery })),
        Step::Deliver { envelope, replaces } => {
            let deliver = parts.distributor.deliver(call, envelope, *replaces);
            let answer = bounded(parts, "distributor", deliver).await;
            answer.map(|delivery| delivered(delivery, wish))
        }
        Step::AcceptReceipt { receipt } => {
            let answer = bounded(parts, "rotator", parts.rotator.accept_receipt(call, receipt)).await;
            answer.map(|retire_after| is(Event::Accepted { retire_after }))
        }
        Step::Retire { .. } => retired(bounded(parts, "rotator", parts.rotator.retire(call)).await),
        Step::Prove { probe } => {
            bounded(parts, "rotator", parts.rotator.prove(call, probe)).await.map(proved)
        }
        Step::Abandon | Step::Supersede => {
            bounded(parts, "rotator", parts.rotator.abandon(call)).await.map(|answer| is(given_up(answer)))
        }
        Step::Finish => Ok(is(Event::Finished)),
        Step::Idle | Step::Wait { .. } => return Err(BurstError::Impossible("a wait is no step")),
    };
    match answer {
        Ok(outcome) => Ok(outcome),
        Err(failure) if calls_the_issuer(step) && failure.is(reason::BUDGET_EXHAUSTED) => {
            let wait = failure.retry_after.unwrap_or(DEFAULT_WAIT).clamp(DEFAULT_WAIT, LONGEST_ISSUER_PAUSE);
            let now = parts.clock.now();
            parts.issuer.pause(now.plus(wait), now);
            Ok(Outcome::Postponed)
        }
        // it was given up, and the answer was lost: the next rotation begins with an id of its own
        Err(failure) if *step == Step::Create && failure.is(reason::ROTATION_CLOSED) => {
            tracing::warn!(rotation = %call.rotation, detail = %failure.detail, "the rotator has closed the rotation");
            Ok(is(Event::GivenUp))
        }
        // delivered, and given up by the rotator: it goes by another version
        Err(failure) if hands_over(step) && is_closed(&failure) => {
            tracing::warn!(rotation = %call.rotation, detail = %failure.detail, "the rotator has closed the rotation");
            Ok(is(Event::Closed))
        }
        Err(failure) => {
            failed(parts, call, &failure).await?;
            let written = (*step == Step::Abandon).then_some(Written::Nowhere);
            Ok(Outcome::Failed { failures: vec![failure], written })
        }
    }
}

/// The steps that a paused issuer stops: the plan waits with them.
fn calls_the_issuer(step: &Step) -> bool {
    matches!(step, Step::Create | Step::Retire { .. } | Step::Prove { .. })
}

/// The steps that come after the delivery and need the rotation at the rotator.
fn hands_over(step: &Step) -> bool {
    matches!(step, Step::AcceptReceipt { .. } | Step::Retire { .. } | Step::Prove { .. })
}

fn is_closed(failure: &Failure) -> bool {
    failure.is(reason::ROTATION_CLOSED) || failure.is(reason::ROTATION_UNKNOWN)
}

fn is(event: Event) -> Outcome {
    Outcome::Is(Box::new(event))
}

/// What follows when a rotation was to be given up.
pub(crate) fn given_up(answer: Abandonment) -> Event {
    match answer {
        Abandonment::GivenUp => Event::GivenUp,
        Abandonment::Delivered => Event::AlreadyAccepted,
    }
}

fn retired(answer: Result<crate::ports::Retirement, Failure>) -> Result<Outcome, Failure> {
    match answer {
        Ok(done) => Ok(is(Event::Retired { ended: done.ended, grace: done.grace })),
        Err(failure) if failure.is(reason::OVERLAP_NOT_PASSED) => {
            Ok(is(Event::RetiredTooEarly { retry_after: failure.retry_after.unwrap_or(DEFAULT_WAIT) }))
        }
        Err(failure) => Err(failure),
    }
}

fn proved(proof: Proof) -> Outcome {
    match proof {
        Proof::Dead => is(Event::Proved),
        Proof::NotYet { retry_after } => is(Event::ProvedTooEarly { retry_after }),
        Proof::Alive => Outcome::Failed {
            failures: vec![Failure::new(
                reason::PREVIOUS_VERSION_ALIVE,
                "the issuer accepted a login with a version whose grace has passed",
            )],
            written: None,
        },
    }
}

fn delivered(delivery: Delivery, wish: Option<&Wish>) -> Outcome {
    if !delivery.receipt.is_empty() {
        return is(Event::Delivered {
            receipt: delivery.receipt,
            destinations: wish.map(|wish| wish.destinations.clone()).unwrap_or_default(),
            client_id: wish.and_then(|wish| wish.client_id.clone()),
        });
    }
    let mut failures = Vec::new();
    let mut written = Written::Nowhere;
    for destination in delivery.destinations {
        match destination {
            DestinationAnswer::Written => written = Written::Somewhere,
            DestinationAnswer::Refused(failure) => failures.push(failure),
            DestinationAnswer::Unknown(failure) => {
                written = Written::Somewhere;
                failures.push(failure);
            }
        }
    }
    if failures.is_empty() {
        let detail = "the distributor answered neither a receipt nor a failure";
        failures.push(Failure::new(reason::SERVICE_MALFORMED_ANSWER, detail));
        written = Written::Unknown;
    }
    if !delivery.partial.is_empty() {
        return Outcome::Partly { partial: delivery.partial, failures };
    }
    Outcome::Failed { failures, written: Some(written) }
}

/// What a failed call means for others: a lost lease ends the worker, a 429 pauses every call to the issuer.
pub(crate) async fn failed(parts: &Parts, call: &RotationCall, failure: &Failure) -> Result<(), BurstError> {
    heed(parts, &call.call.application, failure).await
}

/// The same for calls that belong to no rotation.
pub(crate) async fn heed(
    parts: &Parts,
    application: &mint_types::ApplicationId,
    failure: &Failure,
) -> Result<(), BurstError> {
    if failure.is(reason::STALE_FENCING_TOKEN) {
        return Err(BurstError::Fenced(application.clone()));
    }
    if failure.is(reason::ISSUER_RATE_LIMITED) {
        let now = parts.clock.now();
        let pause = failure.retry_after.unwrap_or(PAUSE_AFTER_429).min(LONGEST_ISSUER_PAUSE);
        // others, and whoever restarts, read it with their next lease
        if parts.issuer.pause(now.plus(pause), now) {
            parts.store.pause_issuer(now.plus(pause), now.plus(LONGEST_ISSUER_PAUSE)).await?;
        }
    }
    Ok(())
}

/// How long to wait after `attempts` failures in a row.
pub(crate) fn delay(parts: &Parts, failures: &[Failure], attempts: u32) -> Duration {
    let rate_limited = failures.iter().any(|failure| failure.is(reason::ISSUER_RATE_LIMITED));
    let asked = failures
        .iter()
        .filter_map(|failure| failure.retry_after)
        .max()
        .or(rate_limited.then_some(PAUSE_AFTER_429));
    let internal = failures.iter().all(Failure::is_internal);
    let attempts = if internal { attempts.min(3) } else { attempts };
    let delay = parts.policy.backoff.delay(attempts, asked, parts.entropy.below(u64::MAX));
    if internal && asked.is_none() { delay.min(LONGEST_INTERNAL_WAIT) } else { delay }
}

/// A call that ends within the deadline, whatever its adapter does.
pub(crate) async fn bounded<T>(
    parts: &Parts,
    service: &'static str,
    call: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let deadline = parts.policy.call_deadline;
    tokio::time::timeout(deadline, call).await.unwrap_or_else(|_| {
        let detail = format!("{service} did not answer within {} ms", deadline.as_millis());
        Err(Failure::new(reason::SERVICE_UNANSWERED, detail))
    })
}
