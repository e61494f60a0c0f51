//! One call for an application under a lease of its own, beside the engine.

use std::time::Duration;

use mint_api::Fault;
use mint_saga::Credential;
use mint_types::{ApplicationId, Code, CredentialKind, Timestamp};

use crate::desk::Desk;
use crate::plan::Decision;
use crate::policy::Parts;
use crate::ports::Call;
use crate::store::{Change, Control, Held, LeaseFate, Store as _, StoreError};
use crate::take;

/// Whoever holds the application ends a step within seconds; then it is tried again so often, with a pause in between.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(200);
/// Look again at once.
const NOW: Timestamp = Timestamp::from_unix_micros(0);

/// The lease, as soon as nobody has it.
pub(crate) async fn lease(parts: &Parts, application: &ApplicationId) -> Result<Held, Fault> {
    for _ in 0..TRIES {
        if let Some(held) = take(parts, application).await? {
            return Ok(held);
        }
        tokio::time::sleep(PAUSE).await;
    }
    let message = format!("{application} is being worked on: try again");
    Err(Fault::new(Code::Aborted, "APPLICATION_BUSY", message).with("application", application.as_str()))
}

/// The lease, if nobody has it; an application that only waits is woken for it.
pub(crate) async fn take(parts: &Parts, application: &ApplicationId) -> Result<Option<Held>, StoreError> {
    let now = parts.clock.now();
    // wakes it, and lets nothing be tried that waits after a failure
    if parts.store.edit(application, now, &|_| Vec::new()).await?.is_none() {
        return Ok(None);
    }
    // any work will do: what is decided here is not looked at
    let decide = |_: &mut Desk, _: Control| Decision {
        identity: None,
        open: Vec::new(),
        drive: vec![CredentialKind::Password],
        wake_at: NOW,
    };
    take::take_beside(parts, application, now, &decide).await
}

/// Who is worked on, by the right of this lease.
pub(crate) fn call(held: &Held) -> Call {
    Call {
        application: held.lease.application.clone(),
        token: held.lease.token,
        revision: held.desk.record.revision,
    }
}

/// Gives the lease back with what became of a credential; the engine looks at once.
pub(crate) async fn give_back(
    parts: &Parts,
    held: Held,
    credential: Option<Credential>,
) -> Result<(), StoreError> {
    let change = Change {
        credential,
        standing: held.desk.standing,
        now: parts.clock.now(),
        lease: LeaseFate::Release { wake_at: NOW, changed: true },
    };
    parts.store.commit(&held.lease, &change).await?;
    parts.bell.ring();
    Ok(())
}
