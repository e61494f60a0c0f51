//! What an answer makes of the state.

mod names;

use std::time::Duration;

use mint_types::{RotationId, Timestamp, Version};

use self::names::{name_of, stage_of};
use crate::{
    Acceptance, Cause, Created, Credential, Current, Failure, FirstWrite, Node, Rotation, Sealed, Stage,
    Trouble, Written, reason,
};

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A rotation begins.
    Opened {
        /// Its fresh id.
        id: RotationId,
        /// Why.
        cause: Cause,
        /// Its trace.
        traceparent: Option<String>,
    },
    /// The rotator made the version.
    Created {
        /// The version.
        created: Created,
        /// The delivery envelope.
        delivery: Sealed,
    },
    /// A store has it and others may lack it, and the issuer is to be told before they are tried again.
    PartlyDelivered {
        /// The distributor's partial receipt.
        partial: Sealed,
    },
    /// Every destination has it.
    Delivered {
        /// The receipt.
        receipt: Sealed,
        /// Where it was delivered, as [`crate::Wish`] names destinations.
        destinations: Vec<String>,
        /// The public client id that was delivered.
        client_id: Option<String>,
    },
    /// The rotator has the receipt.
    Accepted {
        /// How long Retire will still be refused.
        retire_after: Duration,
    },
    /// It was to be given up, and the rotator says that it accepted its receipt before.
    AlreadyAccepted,
    /// Retire came too early.
    RetiredTooEarly {
        /// How long it will still be refused.
        retry_after: Duration,
    },
    /// The issuer was told to end the previous version.
    Retired {
        /// The version that ends; 0 if there was none.
        ended: Version,
        /// How long the issuer may still accept it.
        grace: Duration,
    },
    /// The issuer may still accept the ended version.
    ProvedTooEarly {
        /// How long.
        retry_after: Duration,
    },
    /// The ended version is dead, or there was nothing to prove.
    Proved,
    /// A step failed.
    Failed {
        /// Which.
        node: Node,
        /// How.
        failures: Vec<Failure>,
        /// What is known of the stores after a failed delivery.
        written: Written,
        /// How long to wait.
        delay: Duration,
    },
    /// The rotation is closed without asking anybody.
    Finished,
    /// The rotation is given up.
    GivenUp,
    /// The rotator has given the rotation up, although it was delivered: another one begins at once.
    Closed,
}

/// An event that cannot follow: a fault in whoever acts, never in the state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event} cannot follow in stage {stage}")]
pub struct Illegal {
    /// The event.
    pub event: &'static str,
    /// The stage.
    pub stage: &'static str,
}

/// The state after an event. An event that cannot follow changes nothing.
pub fn apply(credential: &Credential, event: Event, now: Timestamp) -> Result<Credential, Illegal> {
    let illegal = Illegal { event: name_of(&event), stage: stage_of(credential) };
    let mut next = credential.clone();
    let Some(mut rotation) = next.rotation.take() else {
        let Event::Opened { id, cause, traceparent } = event else {
            return Err(illegal);
        };
        let stage = Stage::Intended;
        next.rotation = Some(Rotation { id, cause, opened_at: now, traceparent, stage, ending: None });
        return Ok(next);
    };
    match (rotation.stage.clone(), event) {
        (Stage::Intended, Event::Created { created, delivery }) => {
            next.succeeded(Node::Create);
            let (written, first_write) = (Written::Unknown, FirstWrite::Nowhere);
            rotation.stage = Stage::Created { created, delivery, written, spoiled: false, first_write };
        }
        (
            Stage::Created { created, delivery, spoiled, first_write: FirstWrite::Nowhere, .. },
            Event::PartlyDelivered { partial },
        ) if !partial.is_empty() => {
            let (written, first_write) = (Written::Somewhere, FirstWrite::Owed { partial });
            rotation.stage = Stage::Created { created, delivery, written, spoiled, first_write };
        }
        (
            Stage::Created { created, delivery, written, spoiled, first_write: FirstWrite::Owed { .. } },
            Event::Accepted { .. },
        ) => {
            // only the telling succeeded: what is wrong with other stores is as wrong as before
            next.troubles.remove(&Node::Adopt);
            let first_write = FirstWrite::Settled;
            rotation.stage = Stage::Created { created, delivery, written, spoiled, first_write };
        }
        (
            Stage::Created {
                created, delivery, first_write: FirstWrite::Nowhere | FirstWrite::Settled, ..
            },
            Event::Delivered { receipt, destinations, client_id },
        ) if !receipt.is_empty() => {
            next.succeeded(Node::Deliver);
            rotation.ending = next.ending_after(&created, rotation.ending.take());
            next.find(&created, destinations, client_id, now);
            rotation.stage = Stage::Delivered { created, delivery: Some(delivery), receipt };
        }
        (Stage::Delivered { created, receipt, .. }, Event::Accepted { retire_after }) => {
            next.succeeded(Node::Adopt);
            let (acceptance, retire_at) = (Acceptance::Handed { receipt }, now.plus(retire_after));
            rotation.stage = Stage::Adopting { created, acceptance, retire_at, since: now };
        }
        (
            Stage::Created {
                created, delivery, first_write: FirstWrite::Nowhere | FirstWrite::Settled, ..
            },
            Event::AlreadyAccepted,
        ) => {
            next.succeeded(Node::Adopt);
            rotation.ending = next.ending_after(&created, rotation.ending.take());
            // nobody remembers where it was delivered: whoever wants it again has it delivered anew
            next.find(&created, Vec::new(), None, now);
            // the rotator counts the overlap by itself: asked too early, it says how long it still takes
            let acceptance = Acceptance::Told { delivery };
            rotation.stage = Stage::Adopting { created, acceptance, retire_at: now, since: now };
        }
        (Stage::Adopting { created, acceptance, .. }, Event::RetiredTooEarly { retry_after }) => {
            let retire_at = now.plus(retry_after);
            rotation.stage = Stage::Adopting { created, acceptance, retire_at, since: now };
        }
        (Stage::Adopting { created, .. }, Event::Retired { ended, grace }) => {
            next.succeeded(Node::Retire);
            if ended == Version::FOREIGN {
                return Ok(next.completed());
            }
            rotation.stage = Stage::Retired { created, ended, prove_at: now.plus(grace), since: now };
        }
        (Stage::Retired { created, ended, .. }, Event::ProvedTooEarly { retry_after }) => {
            rotation.stage = Stage::Retired { created, ended, prove_at: now.plus(retry_after), since: now };
        }
        (Stage::Retired { .. }, Event::Proved) => {
            next.succeeded(Node::Prove);
            return Ok(next.completed());
        }
        (Stage::Retired { .. }, Event::Finished) => return Ok(next.completed()),
        (Stage::Intended, Event::GivenUp) => return Ok(next),
        (
            Stage::Created {
                created, written, first_write: FirstWrite::Nowhere | FirstWrite::Settled, ..
            },
            Event::GivenUp,
        ) => {
            // some destination may have it
            next.remember(created.version_id);
            if created.set_on_first_write && written != Written::Nowhere {
                // stores differ, and the issuer knows one value at a time: nowhere counts as delivered
                next.forget_destinations();
            }
            return Ok(next);
        }
        (
            Stage::Created { created, first_write: FirstWrite::Owed { .. }, .. }
            | Stage::Delivered { created, .. }
            | Stage::Adopting { created, .. }
            | Stage::Retired { created, .. },
            Event::Closed,
        ) => {
            next.troubles.remove(&rotation.node());
            next.remember(created.version_id);
            // what the stores hold is not what the ledger goes by: nowhere counts as delivered
            next.forget_destinations();
            return Ok(next);
        }
        // no repetition opens what does not open: the proof is given up, and the problem stays until a later one succeeds
        (Stage::Retired { .. }, Event::Failed { node, failures, delay, .. })
            if node == rotation.node() && failures.iter().any(is_unreadable) =>
        {
            let unreadable = failures
                .into_iter()
                .map(|failure| Failure { reason: reason::PROBE_UNREADABLE.to_owned(), ..failure });
            next.failed(node, &unreadable.collect::<Vec<_>>(), now, delay);
            return Ok(next.completed());
        }
        (stage, Event::Failed { node, failures, written, delay }) if node == rotation.node() => {
            rotation.stage = after_failure(stage, &failures, written);
            next.failed(node, &failures, now, delay);
            if rotation.node() == Node::Deliver && node == Node::Adopt {
                // back at the stores: readers may be shut out, and what another store answered before holds nothing up
                next.try_at_once(Node::Deliver, now);
            }
        }
        _ => return Err(illegal),
    }
    next.rotation = Some(rotation);
    Ok(next)
}

/// Whether a probe envelope is of no use any more.
fn is_unreadable(failure: &Failure) -> bool {
    failure.is(reason::ENVELOPE_INVALID) || failure.is(reason::ENVELOPE_UNOPENABLE)
}

/// What a failure teaches besides that it happened.
fn after_failure(stage: Stage, failures: &[Failure], written: Written) -> Stage {
    let says = |reason| failures.iter().any(|failure| failure.is(reason));
    let is_lost = failures.iter().any(is_unreadable);
    match stage {
        // by another receipt, which the distributor signs anew; or not at all, if nobody can read what is to be set
        Stage::Created { created, delivery, spoiled, first_write: FirstWrite::Owed { .. }, .. }
            if is_lost || says(reason::RECEIPT_INVALID) =>
        {
            let (written, first_write) = (Written::Somewhere, FirstWrite::Nowhere);
            Stage::Created { created, delivery, written, spoiled: spoiled || is_lost, first_write }
        }
        Stage::Created { created, delivery, written: before, spoiled, first_write } => Stage::Created {
            created,
            delivery,
            first_write,
            written: match (before, written) {
                (Written::Somewhere, _) | (_, Written::Somewhere) => Written::Somewhere,
                (_, now) => now,
            },
            spoiled: spoiled || says(reason::ENVELOPE_UNOPENABLE) || says(reason::VERSION_SUPERSEDED),
        },
        Stage::Delivered { created, delivery: Some(delivery), .. }
            if is_lost || says(reason::RECEIPT_INVALID) =>
        {
            let (written, first_write) = (Written::Somewhere, FirstWrite::Nowhere);
            Stage::Created { created, delivery, written, spoiled: is_lost, first_write }
        }
        Stage::Adopting { created, acceptance, .. } if says(reason::RECEIPT_MISSING) => match acceptance {
            Acceptance::Handed { receipt } => Stage::Delivered { created, delivery: None, receipt },
            Acceptance::Told { delivery } => {
                let (written, first_write) = (Written::Somewhere, FirstWrite::Nowhere);
                Stage::Created { created, delivery, written, spoiled: false, first_write }
            }
        },
        other => other,
    }
}

impl Credential {
    /// A step succeeded: what was wrong with it or an earlier one is over.
    fn succeeded(&mut self, node: Node) {
        self.troubles.retain(|failed, _| *failed > node);
    }

    fn failed(&mut self, node: Node, failures: &[Failure], now: Timestamp, delay: Duration) {
        let trouble = Trouble::after(self.troubles.get(&node), failures, Some(self.kind), now, delay);
        self.troubles.insert(node, trouble);
    }

    fn try_at_once(&mut self, node: Node, now: Timestamp) {
        if let Some(trouble) = self.troubles.get_mut(&node) {
            trouble.next_attempt_at = now;
        }
    }

    /// What the stores hold counts as delivered nowhere: another rotation begins at once.
    fn forget_destinations(&mut self) {
        if let Some(current) = self.current.as_mut() {
            current.destinations.clear();
        }
    }

    /// Consumers find a version from now on.
    fn find(
        &mut self,
        created: &Created,
        destinations: Vec<String>,
        client_id: Option<String>,
        now: Timestamp,
    ) {
        if let Some(before) = self.current.take().filter(|before| before.version != created.version) {
            self.remember(before.version_id);
        }
        self.current = Some(Current {
            version: created.version,
            version_id: created.version_id,
            delivered_at: now,
            destinations,
            client_id,
            probe: created.probe.clone(),
        });
    }

    fn completed(mut self) -> Self {
        self.completed = self.completed.saturating_add(1);
        self
    }

    /// The probe of the version that ends. A second delivery of the same version ends what the first one ended.
    fn ending_after(&self, created: &Created, earlier: Option<Sealed>) -> Option<Sealed> {
        match &self.current {
            Some(current) if current.version != created.version => Some(current.probe.clone()),
            Some(_) | None => earlier,
        }
    }
}
