//! Has the rotator compare the issuer with its ledger: some minutes after the start, and then a few times a day.

use std::sync::Arc;
use std::time::Duration;

use mint_types::ApplicationId;
use tokio_util::sync::CancellationToken;

use crate::error::chain;
use crate::policy::Parts;
use crate::store::{Store as _, StoreError};
use crate::{errand, steps};

/// After a start everything that was open goes on first.
const FIRST: Duration = Duration::from_mins(5);
/// Between two passes.
const EVERY: Duration = Duration::from_hours(6);
/// Applications are read in pages.
const PAGE: usize = 200;

/// Compares until `shutdown`.
pub(crate) async fn run(parts: Arc<Parts>, shutdown: CancellationToken) {
    let mut nap = FIRST;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(nap) => {}
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            passed = pass(&parts) => if let Err(error) = passed {
                tracing::warn!(code = ?error.code(), error = %chain(&error), "nothing was reconciled");
            }
        }
        nap = EVERY;
    }
}

/// Looks at every application in use that nobody works on, one after the other; answers what was found.
pub async fn pass(parts: &Parts) -> Result<usize, StoreError> {
    let mut after: Option<ApplicationId> = None;
    let mut found = 0;
    loop {
        let desks = parts.store.desks(after.as_ref(), None, PAGE).await?;
        let is_last = desks.len() < PAGE;
        for desk in desks {
            after = Some(desk.record.id.clone());
            let rests = desk.credentials.values().all(|credential| credential.rotation.is_none());
            if desk.record.active && rests && !desk.credentials.is_empty() {
                found += look(parts, &desk.record.id).await?;
            }
        }
        if is_last {
            return Ok(found);
        }
    }
}

async fn look(parts: &Parts, application: &ApplicationId) -> Result<usize, StoreError> {
    let Some(held) = errand::take(parts, application).await? else {
        return Ok(0);
    };
    let call = errand::call(&held);
    let answer = steps::bounded(parts, "rotator", parts.rotator.reconcile(&call, false)).await;
    errand::give_back(parts, held, None).await?;
    match answer {
        Ok(findings) => {
            for finding in &findings {
                tracing::warn!(
                    %application, object = %finding.object, code = %finding.reason, detail = %finding.detail,
                    "not accounted for"
                );
            }
            Ok(findings.len())
        }
        Err(failure) => {
            tracing::warn!(%application, code = %failure.reason, detail = %failure.detail, "not reconciled");
            Ok(0)
        }
    }
}
