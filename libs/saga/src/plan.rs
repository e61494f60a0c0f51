//! What happens next.

use mint_types::{Timestamp, Version};

use crate::schedule::NEVER;
use crate::{Acceptance, Created, Credential, FirstWrite, Node, Rotation, Sealed, Stage, Written};

/// What the plan must know besides the credential itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The settings want this kind.
    pub wanted: bool,
    /// The settings name a destination.
    pub deliverable: bool,
    /// No call to the issuer before this time.
    pub issuer_paused_until: Option<Timestamp>,
    /// Something changed then that makes another try sensible.
    pub nudged_at: Option<Timestamp>,
    /// When the next rotation is due.
    pub next_due_at: Timestamp,
    /// Until when Retire waits for instances that still hold an older version ([`crate::Roster::lagging_until`]).
    pub lagging_until: Option<Timestamp>,
}

/// The next step of an open rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// No rotation is open.
    Idle,
    /// Nothing before this time.
    Wait {
        /// The time; [`NEVER`] until something changes.
        until: Timestamp,
    },
    /// Ask the rotator for the version.
    Create,
    /// Ask the distributor to write it.
    Deliver {
        /// The delivery envelope.
        envelope: Sealed,
        /// Whether the issuer waits for the first write: a receipt of some destinations is of use too.
        replaces: bool,
    },
    /// Hand the receipt to the rotator.
    AcceptReceipt {
        /// The receipt.
        receipt: Sealed,
    },
    /// Ask the rotator to end the previous version.
    Retire {
        /// What says that the rotator knows the new one to be delivered.
        acceptance: Acceptance,
    },
    /// Ask the rotator to prove it dead.
    Prove {
        /// The ended version's probe envelope.
        probe: Sealed,
    },
    /// Close the rotation: nothing is left to ask.
    Finish,
    /// Give it up: nothing was written, and nobody wants it or can open it.
    Abandon,
    /// Give it up in favour of the next version, of whatever kind, which ends what was written.
    Supersede,
}

/// The next step.
pub fn plan(credential: &Credential, now: Timestamp, facts: &Facts) -> Step {
    let Some(rotation) = &credential.rotation else {
        return Step::Idle;
    };
    let gate = credential.troubles.get(&rotation.node()).map(|trouble| trouble.gate_at(facts.nudged_at, now));
    match &rotation.stage {
        Stage::Retired { ended, prove_at, since, .. } => {
            // the rotator counts the grace by itself: asked too early, it says how long it still takes
            let prove_at = if now < *since { now } else { *prove_at };
            prove(rotation, *ended, prove_at, gate, now, facts)
        }
        _ if gate.is_some_and(|gate| now < gate) => wait(gate),
        Stage::Intended => create(now, facts),
        // neither a pause of the issuer nor new settings hold this up: applications are shut out
        Stage::Created { first_write: FirstWrite::Owed { partial }, .. } => {
            Step::AcceptReceipt { receipt: partial.clone() }
        }
        Stage::Created { created, delivery, written, spoiled, first_write } => {
            let replaces = created.set_on_first_write && *first_write == FirstWrite::Nowhere;
            let is_half_way = created.set_on_first_write && is_worth_settling(credential, facts);
            deliver(delivery, *written, *spoiled, facts, replaces, is_half_way)
        }
        Stage::Delivered { receipt, .. } => Step::AcceptReceipt { receipt: receipt.clone() },
        // the rotator counts the overlap by itself: asked too early, it says how long it still takes
        Stage::Adopting { retire_at, since, .. } if *since <= now && now < *retire_at => {
            Step::Wait { until: *retire_at }
        }
        Stage::Adopting { acceptance, .. } => lagging(now, facts)
            .or_else(|| paused(now, facts))
            .unwrap_or_else(|| Step::Retire { acceptance: acceptance.clone() }),
    }
}

/// Acknowledgements only lengthen an overlap that has passed already.
fn lagging(now: Timestamp, facts: &Facts) -> Option<Step> {
    facts.lagging_until.filter(|until| now < *until).map(|until| Step::Wait { until })
}

fn create(now: Timestamp, facts: &Facts) -> Step {
    if !facts.wanted {
        return Step::Abandon;
    }
    if !facts.deliverable {
        return Step::Wait { until: NEVER };
    }
    paused(now, facts).unwrap_or(Step::Create)
}

/// So many tries in a row at most have stores that lag behind, once nobody wants the kind any more.
const MOST_TRIES_TO_SETTLE: u32 = 5;

/// Whether stores that lack what others have may still get it, although the settings want another kind. The issuer knows one
/// value at a time: whoever reads at the others is shut out, and what the settings want may wait for a signature for long. A
/// store that refuses, and a distributor to whom the kind is none any more, end that.
fn is_worth_settling(credential: &Credential, facts: &Facts) -> bool {
    let Some(trouble) = credential.troubles.get(&Node::Deliver) else { return facts.deliverable };
    let is_refused = trouble.problems.iter().any(|problem| problem.kind == "settings_changed");
    let is_nudged = facts.nudged_at.is_some_and(|nudged| nudged > trouble.failed_at);
    facts.deliverable && !is_refused && (is_nudged || trouble.attempts < MOST_TRIES_TO_SETTLE)
}

fn deliver(
    delivery: &Sealed,
    written: Written,
    spoiled: bool,
    facts: &Facts,
    replaces: bool,
    is_half_way: bool,
) -> Step {
    match written {
        Written::Nowhere if spoiled || !facts.wanted => return Step::Abandon,
        // without an end it would occupy its object for ever
        Written::Unknown | Written::Somewhere if spoiled || !(facts.wanted || is_half_way) => {
            return Step::Supersede;
        }
        Written::Nowhere | Written::Unknown | Written::Somewhere => {}
    }
    if !facts.deliverable {
        return Step::Wait { until: NEVER };
    }
    Step::Deliver { envelope: delivery.clone(), replaces }
}

/// A proof is sought until the next rotation is due: an issuer that lies must not freeze the credential.
fn prove(
    rotation: &Rotation,
    ended: Version,
    prove_at: Timestamp,
    gate: Option<Timestamp>,
    now: Timestamp,
    facts: &Facts,
) -> Step {
    let Some(probe) = rotation.ending.as_ref().filter(|_| ended != Version::FOREIGN) else {
        return Step::Finish;
    };
    if gate.is_some() && now >= facts.next_due_at {
        return Step::Finish;
    }
    let earliest = prove_at.max(gate.unwrap_or(prove_at));
    if now < earliest {
        return Step::Wait { until: earliest };
    }
    paused(now, facts).unwrap_or_else(|| Step::Prove { probe: probe.clone() })
}

fn paused(now: Timestamp, facts: &Facts) -> Option<Step> {
    facts.issuer_paused_until.filter(|until| now < *until).map(|until| Step::Wait { until })
}

fn wait(gate: Option<Timestamp>) -> Step {
    Step::Wait { until: gate.unwrap_or(NEVER) }
}

impl Stage {
    /// The version that the rotation made, once it has.
    pub fn created(&self) -> Option<&Created> {
        match self {
            Self::Intended => None,
            Self::Created { created, .. }
            | Self::Delivered { created, .. }
            | Self::Adopting { created, .. }
            | Self::Retired { created, .. } => Some(created),
        }
    }
}
