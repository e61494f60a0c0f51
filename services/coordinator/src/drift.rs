//! Has the rotator log in with what consumers have, once a day for each credential at rest: what somebody changed at the
//! issuer is a problem, and is rotated. Off the path of rotations, one after the other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mint_saga::{Cause, Failure};
use mint_types::{ApplicationId, CredentialKind, RotationId, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::checks::{self, Round, Turn, refusal};
use crate::desk::Desk;
use crate::error::chain;
use crate::policy::Parts;
use crate::ports::Verdict;
use crate::store::{Held, Store as _, StoreError};
use crate::{errand, revocation, steps, take};

/// After a start everything that was open goes on first.
const FIRST: Duration = Duration::from_mins(5);
/// Between two looks at who is to be asked about, at most.
const LOOK: Duration = Duration::from_mins(2);
/// And at least.
const SHORTEST_LOOK: Duration = Duration::from_secs(1);
/// So many looks within a period.
const LOOKS: u32 = 20;
/// Applications are read in pages.
const PAGE: usize = 200;

/// Checks until `shutdown`; nothing, if the configuration says so.
pub(crate) async fn run(parts: Arc<Parts>, shutdown: CancellationToken) {
    let Some(period) = parts.policy.drift else { return };
    let look = (period / LOOKS).clamp(SHORTEST_LOOK, LOOK);
    let mut nap = FIRST.min(period / 2);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(nap) => {}
        }
        nap = look;
        tokio::select! {
            () = shutdown.cancelled() => return,
            passed = pass(&parts) => match passed {
                Ok(again_at) => {
                    let left = again_at.map(|at| at.since(parts.clock.now()).max(SHORTEST_LOOK));
                    nap = left.map_or(look, |left| left.min(look));
                }
                Err(error) => {
                    tracing::warn!(code = ?error.code(), error = %chain(&error), "no credential was checked");
                }
            }
        }
    }
}

/// Checks whoever is due, and repairs what was found changed; answers when something has to be asked again.
pub async fn pass(parts: &Parts) -> Result<Option<Timestamp>, StoreError> {
    let Some(period) = parts.policy.drift else { return Ok(None) };
    if parts.store.all_paused().await?.is_some() {
        return Ok(None);
    }
    let round = look_at_everybody(parts, period).await?;
    let mut repairs = round.repairs_left();
    let mut again_at = round.again_at;
    for (application, kind) in &round.repair {
        let repaired = of_one(application, repair(parts, application, *kind, repairs).await)?;
        repairs = repairs.saturating_sub(repaired);
    }
    for (application, kind) in &round.ask {
        let now = parts.clock.now();
        if parts.issuer.paused_until(now).is_some() {
            break;
        }
        let asked = of_one(application, ask_if_due(parts, application, *kind, period).await)?;
        let wait = match asked {
            Some(Ok(Verdict::RefusedOnce { retry_after } | Verdict::NotNow { retry_after })) => {
                Some(now.plus(retry_after))
            }
            Some(Ok(Verdict::Refused)) => {
                let repaired = of_one(application, repair(parts, application, *kind, repairs).await)?;
                repairs = repairs.saturating_sub(repaired);
                None
            }
            Some(Ok(Verdict::Accepted | Verdict::NotTried) | Err(_)) | None => None,
        };
        again_at = [again_at, wait].into_iter().flatten().min();
    }
    Ok(again_at)
}

/// Trouble with one application's state is told and holds up nobody else; trouble with the store ends the pass.
fn of_one<T: Default>(application: &ApplicationId, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
    match outcome {
        Err(error @ (StoreError::LeaseLost(_) | StoreError::Corrupt { .. })) => {
            tracing::warn!(%application, code = ?error.code(), error = %chain(&error), "not checked");
            Ok(T::default())
        }
        other => other,
    }
}

async fn look_at_everybody(parts: &Parts, period: Duration) -> Result<Round, StoreError> {
    let revoked: BTreeSet<ApplicationId> =
        revocation::all_open(parts).await?.into_iter().map(|one| one.application).collect();
    let (mut round, mut after) = (Round::default(), None::<ApplicationId>);
    loop {
        let desks = parts.store.desks(after.as_ref(), None, PAGE).await?;
        let now = parts.clock.now();
        for desk in desks.iter().filter(|desk| !revoked.contains(&desk.record.id)) {
            round.look(desk, period, now);
        }
        after = desks.last().map(|desk| desk.record.id.clone());
        if desks.len() < PAGE {
            return Ok(round);
        }
    }
}

/// Asks, unless another coordinator did meanwhile or somebody works on the application.
async fn ask_if_due(
    parts: &Parts,
    application: &ApplicationId,
    kind: CredentialKind,
    period: Duration,
) -> Result<Option<Result<Verdict, Failure>>, StoreError> {
    let is_due = |desk: &Desk| checks::turn(desk, kind, period, parts.clock.now()) == Turn::Ask;
    if !parts.store.desk(application).await?.as_ref().is_some_and(is_due) {
        return Ok(None);
    }
    let Some(held) = errand::take(parts, application).await? else { return Ok(None) };
    if !is_due(&held.desk) {
        errand::give_back(parts, held, None).await?;
        return Ok(None);
    }
    ask(parts, held, kind).await
}

/// Asks under a lease and gives it back with what was answered; none if nothing of the kind is at rest.
async fn ask(
    parts: &Parts,
    mut held: Held,
    kind: CredentialKind,
) -> Result<Option<Result<Verdict, Failure>>, StoreError> {
    let Some((version, probe)) = checks::at_rest(&held.desk, kind, parts.clock.now()) else {
        errand::give_back(parts, held, None).await?;
        return Ok(None);
    };
    let call = errand::call(&held);
    let answer = steps::bounded(parts, "rotator", parts.rotator.check(&call, kind, &probe)).await;
    tell(&call.application, kind, &answer);
    if let Err(failure) = &answer
        && let Err(lost) = steps::heed(parts, &call.application, failure).await
    {
        tracing::warn!(application = %call.application, error = %lost, "a check was broken off");
        return Ok(Some(answer));
    }
    let period = parts.policy.drift.unwrap_or(A_DAY);
    let (now, random) = (parts.clock.now(), parts.entropy.below(u64::MAX));
    checks::note(&mut held.desk, (kind, version), &answer, period, now, random);
    errand::give_back(parts, held, None).await?;
    Ok(Some(answer))
}

/// Where no checks are made but those that an operator asks for.
const A_DAY: Duration = Duration::from_hours(24);

fn tell(application: &ApplicationId, kind: CredentialKind, answer: &Result<Verdict, Failure>) {
    match answer {
        Ok(Verdict::Accepted | Verdict::NotTried) => {}
        Ok(Verdict::RefusedOnce { .. }) => {
            tracing::info!(%application, %kind, "the issuer refused what consumers have: it is asked again");
        }
        Ok(Verdict::NotNow { .. }) => {
            tracing::info!(%application, %kind, "too many logins were not accepted of late");
        }
        Ok(Verdict::Refused) => tracing::warn!(
            %application, %kind, code = mint_saga::reason::CREDENTIAL_CHANGED_AT_ISSUER,
            "the issuer accepts no more what consumers have"
        ),
        Err(failure) => tracing::info!(
            %application, %kind, code = %failure.reason, detail = %failure.detail, "not checked"
        ),
    }
}

/// Rotates what was changed at the issuer, beside whoever holds the application; answers how many rotations that are.
async fn repair(
    parts: &Parts,
    application: &ApplicationId,
    kind: CredentialKind,
    left: usize,
) -> Result<usize, StoreError> {
    if left == 0 {
        tracing::warn!(%application, %kind, "enough repairs are under way: this one waits");
        return Ok(0);
    }
    let period = parts.policy.drift.unwrap_or(A_DAY);
    let now = parts.clock.now();
    let open = |desk: &mut Desk| {
        if checks::turn(desk, kind, period, now) != Turn::Repair {
            return Vec::new();
        }
        let id = RotationId::random(parts.entropy.as_ref());
        let traceparent = mint_runtime::trace::current_traceparent();
        take::open(desk, kind, Cause::Changed, id, traceparent, now);
        vec![crate::store::Started { kind, rotation: id, started: true }]
    };
    let started = parts.store.edit(application, now, &open).await?;
    parts.bell.ring();
    Ok(started.map_or(0, |started| started.len()))
}

/// Asks about every credential at rest because an operator wants to know, and repairs; answers what is wrong.
pub(crate) async fn check_now(
    parts: &Parts,
    application: &ApplicationId,
) -> Result<Vec<crate::ports::Finding>, mint_api::Fault> {
    let mut findings = Vec::new();
    let Some(desk) = parts.store.desk(application).await? else { return Ok(findings) };
    let waits = parts.issuer.paused_until(parts.clock.now()).is_some();
    if waits || parts.store.all_paused().await?.is_some() {
        return Ok(findings);
    }
    for kind in desk.kinds() {
        let Some((version, _)) = checks::at_rest(&desk, *kind, parts.clock.now()) else { continue };
        let held = errand::lease(parts, application).await?;
        let failure = match ask(parts, held, *kind).await? {
            Some(Ok(Verdict::Refused)) => {
                repair(parts, application, *kind, 1).await?;
                refusal(version)
            }
            Some(Err(failure)) if checks::is_impossible(&failure) => checks::impossible(version),
            Some(Ok(_) | Err(_)) | None => continue,
        };
        findings.push(crate::ports::Finding {
            object: kind.to_string(),
            reason: failure.reason.clone(),
            detail: failure.detail.clone(),
            next_action: failure.problem(Some(*kind), parts.clock.now()).next_action,
        });
    }
    Ok(findings)
}
