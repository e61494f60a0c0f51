//! Has the rotator compare the issuer with its ledger: some minutes after the start, and then a few times a day. What nobody
//! accounts for is a problem of the application until a later comparison does not find it any more.

use std::sync::Arc;
use std::time::Duration;

use mint_saga::Failure;
use mint_types::{ApplicationId, Problem, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::error::chain;
use crate::policy::Parts;
use crate::ports::Finding;
use crate::store::{Store as _, StoreError};
use crate::{errand, steps};

/// After a start everything that was open goes on first.
const FIRST: Duration = Duration::from_mins(5);
/// Between two looks at where something was found.
const SOON: Duration = Duration::from_mins(10);
/// Every so many looks concern everybody: every six hours.
const EVERYBODY: u32 = 36;
/// Applications are read in pages.
const PAGE: usize = 200;
/// Nobody has to do anything about these: the rotator keeps them in mind, and the next Retire sweeps them.
const ACCOUNTED: [&str; 2] = ["UNRESOLVED_INTENT", "RESOLVED_INTENT"];

/// Compares until `shutdown`.
pub(crate) async fn run(parts: Arc<Parts>, shutdown: CancellationToken) {
    let mut nap = FIRST;
    for look in (0..EVERYBODY).cycle() {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(nap) => {}
        }
        let is_meant = |desk: &Desk| look == 0 || !desk.standing.unaccounted.is_empty();
        tokio::select! {
            () = shutdown.cancelled() => return,
            passed = pass_over(&parts, &is_meant) => if let Err(error) = passed {
                tracing::warn!(code = ?error.code(), error = %chain(&error), "nothing was reconciled");
            }
        }
        nap = SOON;
    }
}

/// Looks at every application in use that nobody works on, one after the other; answers what was found.
pub async fn pass(parts: &Parts) -> Result<usize, StoreError> {
    pass_over(parts, &|_| true).await
}

async fn pass_over(
    parts: &Parts,
    is_meant: &(dyn Fn(&Desk) -> bool + Send + Sync),
) -> Result<usize, StoreError> {
    let mut after: Option<ApplicationId> = None;
    let mut found = 0;
    loop {
        let desks = parts.store.desks(after.as_ref(), None, PAGE).await?;
        let is_last = desks.len() < PAGE;
        for desk in desks {
            after = Some(desk.record.id.clone());
            let rests = desk.credentials.values().all(|credential| credential.rotation.is_none());
            if desk.record.active && rests && !desk.credentials.is_empty() && is_meant(&desk) {
                found += look(parts, &desk.record.id).await?;
            }
        }
        if is_last {
            return Ok(found);
        }
    }
}

async fn look(parts: &Parts, application: &ApplicationId) -> Result<usize, StoreError> {
    let Some(mut held) = errand::take(parts, application).await? else {
        return Ok(0);
    };
    let call = errand::call(&held);
    let answer = steps::bounded(parts, "rotator", parts.rotator.reconcile(&call, false)).await;
    let found = match answer {
        Ok(findings) => {
            for finding in &findings {
                tracing::warn!(
                    %application, object = %finding.object, code = %finding.reason, detail = %finding.detail,
                    "not accounted for"
                );
            }
            note(&mut held.desk, &findings, parts.clock.now());
            findings.len()
        }
        Err(failure) => {
            tracing::warn!(%application, code = %failure.reason, detail = %failure.detail, "not reconciled");
            0
        }
    };
    errand::give_back(parts, held, None).await?;
    Ok(found)
}

/// Keeps what was found as problems; what was found before keeps its beginning, and what is not found any more is gone.
/// While a rotation is open the issuer may be ahead of the ledger: that says nothing.
pub(crate) fn note(desk: &mut Desk, findings: &[Finding], now: Timestamp) {
    if desk.credentials.values().any(|credential| credential.rotation.is_some()) {
        return;
    }
    let before = std::mem::take(&mut desk.standing.unaccounted);
    let problem = |finding: &Finding| {
        let failure = Failure {
            next_action: Some(finding.next_action.clone()),
            ..Failure::new(&finding.reason, format!("{}: {}", finding.object, finding.detail))
        };
        let problem = failure.problem(None, now);
        let place = format!("{}:", finding.object);
        let is_same =
            |known: &&Problem| known.kind == problem.kind && known.detail.starts_with(place.as_str());
        let since = before.iter().find(is_same).map_or(now, |known| known.since);
        Problem { since, ..problem }
    };
    let nobodys = findings.iter().filter(|finding| !ACCOUNTED.contains(&finding.reason.as_str()));
    desk.standing.unaccounted = nobodys.map(problem).collect();
}
