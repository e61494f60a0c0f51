//! An operator has an existing user taken over: one call, under a lease of its own.

use mint_api::Fault;
use mint_saga::{Failure, reason};
use mint_types::{ApplicationId, Code};

use crate::identity::ensured;
use crate::policy::Parts;
use crate::{errand, steps};

/// Takes it over; answers the client id.
pub(crate) async fn adopt(parts: &Parts, application: &ApplicationId) -> Result<String, Fault> {
    let mut held = errand::lease(parts, application).await?;
    let call = errand::call(&held);
    let answer = steps::bounded(parts, "identity-provisioner", parts.identities.adopt(&call)).await;
    if let Ok(adopted) = &answer {
        held.desk.standing = ensured(&held.desk, adopted, parts.clock.now());
    }
    errand::give_back(parts, held, None).await?;
    answer.map(|adopted| adopted.client_id).map_err(|failure| refused(application, &failure))
}

fn refused(application: &ApplicationId, failure: &Failure) -> Fault {
    let reason = failure.reason.as_str();
    let (code, reason) = match reason {
        "USER_UNKNOWN" => (Code::FailedPrecondition, "USER_UNKNOWN"),
        reason::IDENTITY_DELETED => (Code::FailedPrecondition, reason::IDENTITY_DELETED),
        reason::BUDGET_EXHAUSTED => (Code::ResourceExhausted, reason::BUDGET_EXHAUSTED),
        _ => (Code::Unavailable, "IDENTITY_NOT_ADOPTED"),
    };
    Fault::new(code, reason, format!("{} ({})", failure.detail, failure.reason))
        .with("application", application.as_str())
}
