//! The invariants on the ledger's own rows, checked whenever an application's state is loaded before an act: what the
//! protocol cannot have written means that something is wrong with us, and nothing more is done for that application.

use mint_invariants::ledger::{self, Phase};
use mint_invariants::{Verdict, Violation};
use mint_types::{ApplicationId, IssuerObject};

use crate::Error;
use crate::state::{ApplicationState, Rotation, RotationState, Stage, Unsettled};

/// Whether the rows of an application can have come about by the protocol. Costs a few comparisons.
pub fn verdict(application: &ApplicationId, state: &ApplicationState) -> Verdict {
    let unresolved = state.attempts.iter().filter(|attempt| attempt.state != Unsettled::Presumed);
    let live = state.versions.iter().map(|version| ledger::Live {
        kind: version.kind,
        version: version.version,
        current: version.stage == Stage::Current,
    });
    let rows = ledger::Ledger {
        rotations: state.rotations.iter().map(seen).collect(),
        live: live.collect(),
        unresolved: unresolved.map(|attempt| attempt.object).collect(),
    };
    ledger::check(application, &rows)
}

/// Raises the alarm and refuses to act if an invariant is broken.
pub(crate) fn check(application: &ApplicationId, state: &ApplicationState) -> Result<(), Error> {
    verdict(application, state).map_err(alarm)
}

fn alarm(violation: Violation) -> Error {
    tracing::error!(
        invariant = violation.invariant.id(),
        application = violation.application.as_ref().map(ApplicationId::as_str),
        detail = %violation.detail,
        code = "INVARIANT_VIOLATED",
        alarm = true,
        "an invariant is broken: nothing more is done for this application"
    );
    Error::InvariantViolated(violation)
}

/// A rotation that was given up after its receipt may have ended half of its predecessor by then.
fn was_delivered(rotation: &Rotation) -> bool {
    matches!(rotation.state, RotationState::Superseded) && !rotation.overlap.is_empty()
}

fn seen(rotation: &Rotation) -> ledger::Rotation {
    let committed =
        [(IssuerObject::User, rotation.user_committed), (IssuerObject::Client, rotation.client_committed)];
    ledger::Rotation {
        id: rotation.id.to_string(),
        kind: rotation.kind,
        phase: match rotation.state {
            RotationState::Creating | RotationState::Created => Phase::Making,
            RotationState::Delivered => Phase::Delivered,
            RotationState::Retiring => Phase::Retiring,
            RotationState::Retired => Phase::Retired,
            RotationState::Abandoned | RotationState::Superseded => Phase::Closed,
        },
        made: rotation.made.is_some(),
        previous: rotation.made.as_ref().and_then(|made| made.previous),
        committed: committed
            .into_iter()
            .filter(|(_, answered)| *answered)
            .map(|(object, _)| object)
            .collect(),
        // two operators say so; or the issuer knows one value at a time, and a destination has the new one
        excused: rotation.excused || rotation.first_write.is_some() || was_delivered(rotation),
    }
}
