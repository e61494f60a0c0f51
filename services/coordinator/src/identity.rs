//! Sees to an application's identity: never per rotation, only when a fact changed that it depends on.

use mint_saga::{Failure, Trouble};
use mint_types::Application;

use crate::desk::{IdentityPhase, Standing};
use crate::error::BurstError;
use crate::plan::IdentityStep;
use crate::policy::Parts;
use crate::ports::Call;
use crate::steps;

/// Whether credentials can be made for it.
pub(crate) fn is_usable(standing: &Standing) -> bool {
    standing.identity == IdentityPhase::Enabled
}

/// Performs a step; answers how the identity stands then.
pub(crate) async fn settle(
    parts: &Parts,
    call: &Call,
    step: IdentityStep,
    record: &Application,
    before: Standing,
) -> Result<Standing, BurstError> {
    match perform(parts, call, step, record, &before).await {
        Ok(standing) => Ok(standing),
        Err(failure) => {
            steps::heed(parts, &call.application, &failure).await?;
            tracing::warn!(?step, code = %failure.reason, detail = %failure.detail, "the identity is not as it should be");
            let failures = [failure];
            let attempts = before.trouble.as_ref().map_or(0, |trouble| trouble.attempts).saturating_add(1);
            let delay = steps::delay(parts, &failures, attempts);
            let trouble = Trouble::after(before.trouble.as_ref(), &failures, None, parts.clock.now(), delay);
            Ok(Standing { trouble: Some(trouble), ..before })
        }
    }
}

async fn perform(
    parts: &Parts,
    call: &Call,
    step: IdentityStep,
    record: &Application,
    before: &Standing,
) -> Result<Standing, Failure> {
    const SERVICE: &str = "identity-provisioner";
    if step == IdentityStep::Disable {
        steps::bounded(parts, SERVICE, parts.identities.disable(call)).await?;
        return Ok(Standing { identity: IdentityPhase::Disabled, trouble: None, ..before.clone() });
    }
    if step == IdentityStep::Enable {
        steps::bounded(parts, SERVICE, parts.identities.enable(call)).await?;
    }
    let ensured = steps::bounded(parts, SERVICE, parts.identities.ensure(call)).await?;
    Ok(Standing {
        identity: IdentityPhase::Enabled,
        // an answer that names an older fact than we asked for would be asked for again at once, for ever
        ensured: ensured.applied.max(record.identity_revision),
        ensured_with: record.revision,
        client_id: Some(ensured.client_id).filter(|id| !id.is_empty()),
        trouble: None,
    })
}
