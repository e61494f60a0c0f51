//! How a worker gets an application: it goes on with what it reserved, or takes the lease; and what it opens with it.

use mint_saga::{Cause, Event, apply};
use mint_types::{ApplicationId, CredentialKind, RotationId, Timestamp};

use crate::desk::Desk;
use crate::error::BurstError;
use crate::lease::Reservation;
use crate::plan::{Decision, World, decide, share_an_object};
use crate::policy::Parts;
use crate::store::{Control, Decide, ERRAND, Held, Store, StoreError, Taker};

/// Goes on with a reserved lease, without a write: only if the next steps need none, and nothing happened meanwhile.
pub(crate) async fn go_on(parts: &Parts, application: &ApplicationId) -> Result<Option<Held>, BurstError> {
    let Some(Reservation { lease, until, .. }) = parts.reservations.claim(application, parts.clock.as_ref())
    else {
        return Ok(None);
    };
    let Some((desk, control)) = parts.store.reserved(&lease).await? else {
        return Ok(None);
    };
    let decision = decide(&desk, &world(parts, control));
    let needs_a_write = decision.identity.is_some() || !decision.open.is_empty() || decision.is_idle();
    Ok((!needs_a_write).then_some(Held { lease, desk, decision, until, unless_begun: None }))
}

/// What holds for everybody, as the store and this process know it.
fn world(parts: &Parts, control: Control) -> World {
    let now = parts.clock.now();
    if let Some(until) = control.issuer_paused_until {
        parts.issuer.pause(until, now);
    }
    World { now, issuer_paused_until: parts.issuer.paused_until(now), paused: control.paused }
}

pub(crate) async fn take(parts: &Parts, application: &ApplicationId) -> Result<Option<Held>, BurstError> {
    let now = parts.clock.now();
    let decide_and_open = move |desk: &mut Desk, control: Control| {
        let decision = decide(desk, &World { now, ..world(parts, control) });
        open_all(parts, desk, &decision, now);
        decision
    };
    Ok(take_as(&parts.policy.holder, parts, application, now, &decide_and_open).await?)
}

/// The same beside the engine. What the engine reserved is withdrawn from it; if it is withdrawn already the engine may be
/// going on with it just now, and an errand is to it as anybody else, with a name of its own.
pub(crate) async fn take_beside(
    parts: &Parts,
    application: &ApplicationId,
    now: Timestamp,
    decide: &Decide<'_>,
) -> Result<Option<Held>, StoreError> {
    let own = parts.policy.holder.clone();
    let holder = if parts.reservations.withdraw(application) { own } else { own + ERRAND };
    take_as(&holder, parts, application, now, decide).await
}

/// Takes the lease to do what `decide` says; none if it is somebody else's, or may be.
async fn take_as(
    holder: &str,
    parts: &Parts,
    application: &ApplicationId,
    now: Timestamp,
    decide: &Decide<'_>,
) -> Result<Option<Held>, StoreError> {
    let taker = Taker { holder, now, until: now.plus(parts.policy.lease) };
    let held = parts.store.take(application, taker, decide).await?;
    let has_begun = |held: &Held| held.unless_begun.is_some_and(|begins| parts.clock.now() >= begins);
    if held.as_ref().is_some_and(has_begun) {
        // the write came late: whoever reserved the application may be acting under the token before ours
        tracing::info!("a reserved application was taken too late, and is left alone until the lease ends");
        return Ok(None);
    }
    Ok(held)
}

fn open_all(parts: &Parts, desk: &mut Desk, decision: &Decision, now: Timestamp) {
    for (kind, cause) in &decision.open {
        let span = mint_runtime::trace::span_from(None, "rotation");
        let traceparent = span.in_scope(mint_runtime::trace::current_traceparent);
        open(desk, *kind, *cause, RotationId::random(parts.entropy.as_ref()), traceparent, now);
    }
}

/// Opens a rotation on a desk. What other kinds had delivered on the same issuer object ends with it: if they come
/// back, they begin anew.
pub(crate) fn open(
    desk: &mut Desk,
    kind: CredentialKind,
    cause: Cause,
    id: RotationId,
    traceparent: Option<String>,
    now: Timestamp,
) {
    let Ok(opened) = apply(&desk.credential(kind), Event::Opened { id, cause, traceparent }, now) else {
        return;
    };
    for other in desk.credentials.values_mut() {
        if other.kind != kind && share_an_object(other.kind, kind) {
            other.supersede();
        }
    }
    desk.credentials.insert(kind, opened);
}
