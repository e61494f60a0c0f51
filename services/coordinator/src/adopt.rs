//! An operator has an existing user taken over: one call, under a lease of its own.

use std::time::Duration;

use mint_api::Fault;
use mint_saga::{Failure, reason};
use mint_types::{ApplicationId, Code, Timestamp};

use crate::desk::Desk;
use crate::identity::ensured;
use crate::plan::{Decision, IdentityStep};
use crate::policy::Parts;
use crate::ports::Call;
use crate::store::{Change, Control, Held, LeaseFate, Store as _, StoreError};
use crate::{steps, take};

/// Whoever holds the application ends a step within seconds; then it is tried again so often, with a pause in between.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(200);
/// Look again at once.
const NOW: Timestamp = Timestamp::from_unix_micros(0);

/// Takes it over; answers the client id.
pub(crate) async fn adopt(parts: &Parts, application: &ApplicationId) -> Result<String, Fault> {
    for _ in 0..TRIES {
        if let Some(held) = take(parts, application).await? {
            return under_lease(parts, held).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let message = format!("{application} is being worked on: try again");
    Err(Fault::new(Code::Aborted, "APPLICATION_BUSY", message).with("application", application.as_str()))
}

/// The lease, if nobody has it; an application that only waits is woken for it.
async fn take(parts: &Parts, application: &ApplicationId) -> Result<Option<Held>, StoreError> {
    let now = parts.clock.now();
    if parts.store.edit(application, now, &|_| Vec::new()).await?.is_none() {
        return Ok(None);
    }
    let decide = |_: &mut Desk, _: Control| Decision {
        identity: Some(IdentityStep::Ensure),
        open: Vec::new(),
        drive: Vec::new(),
        wake_at: NOW,
    };
    take::take_beside(parts, application, now, &decide).await
}

async fn under_lease(parts: &Parts, held: Held) -> Result<String, Fault> {
    let Held { lease, desk, .. } = held;
    let call =
        Call { application: lease.application.clone(), token: lease.token, revision: desk.record.revision };
    let answer = steps::bounded(parts, "identity-provisioner", parts.identities.adopt(&call)).await;
    let (standing, answer) = match answer {
        Ok(adopted) => (ensured(&desk, adopted.clone(), parts.clock.now()), Ok(adopted.client_id)),
        Err(failure) => (desk.standing.clone(), Err(refused(&lease.application, &failure))),
    };
    let change = Change {
        credential: None,
        standing,
        now: parts.clock.now(),
        lease: LeaseFate::Release { wake_at: NOW, changed: true },
    };
    parts.store.commit(&lease, &change).await?;
    parts.bell.ring();
    answer
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
