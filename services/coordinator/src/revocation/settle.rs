//! What the rotator's answer makes of a statement, and of the credential whose version ends what it names.

use mint_api::audit_log::{Act, AuditError, AuditLog, Outcome};
use mint_port::Port;
use mint_saga::{Cause, Credential, Event, Failure, FirstWrite, Stage, apply, reason};
use mint_types::{ApplicationId, CredentialKind, IssuerObject, Presence, RequestId, RotationId};

use super::{Look, Turn, turn};
use crate::desk::{Desk, IdentityPhase};
use crate::error::BurstError;
use crate::plan::{identity_need, is_occupied};
use crate::policy::Parts;
use crate::ports::{Remains, RotationCall};
use crate::store::{Held, Revocation, Started, Store as _};
use crate::{errand, steps, take};

/// Why nothing can end any more what a statement names, or need not; none while something can.
fn futile(desk: &Desk, kind: CredentialKind, remains: &Remains) -> Option<&'static str> {
    if desk.standing.identity == IdentityPhase::Deleted {
        return Some("IDENTITY_DELETED");
    }
    (successor(desk, kind, remains).is_none() && !may_be_wanted(desk, remains)).then_some("KIND_UNWANTED")
}

/// Whether it is not settled yet what the client is to be: the settings say something else than is in force, and what the
/// statement names may be wanted again.
fn may_be_wanted(desk: &Desk, remains: &Remains) -> bool {
    let waits = desk.standing.client_type_waits || identity_need(desk).is_some();
    waits && remains.0.contains(&IssuerObject::Client)
}

/// The kind whose fresh version ends what a statement names: that kind itself, or, if the settings do not want it any more,
/// one that lives instead where something of it is left; of several that with the oldest version.
fn successor(desk: &Desk, kind: CredentialKind, remains: &Remains) -> Option<CredentialKind> {
    if desk.kinds().contains(&kind) || desk.credential(kind).rotation.is_some() {
        return Some(kind);
    }
    // a public client has no secret that could take the place of one
    let instead = desk.kinds().iter().copied().filter(|other| *other != CredentialKind::PublicClient);
    let instead =
        instead.filter(|other| other.issuer_objects().iter().any(|object| remains.0.contains(object)));
    instead.min_by_key(|other| {
        let credential = desk.credential(*other);
        (credential.rotation.is_none(), credential.current.map(|current| current.version))
    })
}

/// Whether a version of a kind can be made now.
fn can_be_made(desk: &Desk, kind: CredentialKind) -> bool {
    let in_use = desk.record.active && desk.record.presence == Presence::Present;
    let wanted = desk.wish(kind).is_some() && desk.is_deliverable();
    in_use && wanted && desk.standing.identity == IdentityPhase::Enabled && !is_occupied(desk, kind)
}

/// Closes it, or goes on towards the version that ends what it names.
pub(super) async fn settle(
    parts: &Parts,
    audit: &Port<dyn AuditLog>,
    held: Held,
    revocation: &Revocation,
    remains: &Remains,
) -> Result<Look, BurstError> {
    let (now, complete) = (parts.clock.now(), remains.is_nothing());
    if complete {
        parts.store.close_revocation(revocation, "done", now).await?;
    } else if let Some(why) = futile(&held.desk, revocation.kind, remains) {
        errand::give_back(parts, held, None).await?;
        return closed_undone(parts, audit, revocation, why).await;
    }
    let ended = if complete { None } else { successor(&held.desk, revocation.kind, remains) };
    let credential = held.desk.credential(ended.unwrap_or(revocation.kind));
    let event = match turn(&credential, revocation.asked_at, complete) {
        Turn::GoOn if complete => Ok(None),
        Turn::GoOn => {
            errand::give_back(parts, held, None).await?;
            urge(parts, &revocation.application, &credential).await?;
            return Ok(Look::Waits);
        }
        Turn::Open => {
            errand::give_back(parts, held, None).await?;
            open(parts, &revocation.application, credential.kind).await?;
            return Ok(Look::Waits);
        }
        Turn::Finish => Ok(Some(Event::Finished)),
        Turn::GiveUp => given_up(parts, &held, &credential).await.map(Some),
        Turn::Hurry => retired(parts, &held, &credential).await.map(Some),
    };
    let next = match event {
        Ok(event) => event.map(|event| apply(&credential, event, now)).transpose().map_err(BurstError::from),
        Err(failure) => Err(BurstError::Refused(failure.reason)),
    };
    match next {
        Ok(next) => {
            errand::give_back(parts, held, next).await?;
            Ok(if complete { Look::Closed } else { Look::Moved })
        }
        Err(error) => {
            errand::give_back(parts, held, None).await?;
            Err(error)
        }
    }
}

/// Closes what nothing can end any more, once the log has heard of it.
async fn closed_undone(
    parts: &Parts,
    audit: &Port<dyn AuditLog>,
    revocation: &Revocation,
    why: &'static str,
) -> Result<Look, BurstError> {
    let act = Act {
        action: "revocation.close",
        application: Some(revocation.application.clone()),
        kind: Some(revocation.kind),
        resource: format!("statement {}: {why}", revocation.id),
        rotation: None,
        request: RequestId::random(parts.entropy.as_ref()),
    };
    let unheard = |_: AuditError| BurstError::Refused("AUDIT_UNAVAILABLE".to_owned());
    let announced = audit.announce(act).await.map_err(unheard)?;
    parts.store.close_revocation(revocation, why, parts.clock.now()).await?;
    let (application, kind) = (&revocation.application, revocation.kind);
    tracing::warn!(%application, %kind, code = why, "what is to end at once is closed: nothing is left that could end it");
    audit.conclude(announced, Outcome::Success).await.map_err(unheard)?;
    Ok(Look::Closed)
}

/// The rotation that was open already is the one that is waited for now: no pause holds it up, and it is tried at once.
async fn urge(parts: &Parts, application: &ApplicationId, credential: &Credential) -> Result<(), BurstError> {
    let Some(rotation) = credential.rotation.as_ref().filter(|open| open.cause != Cause::Revoked) else {
        return Ok(());
    };
    let (kind, id) = (credential.kind, rotation.id);
    let mark = |desk: &mut Desk| {
        let credential = desk.credentials.get_mut(&kind);
        let rotation = credential.and_then(|credential| credential.rotation.as_mut());
        if let Some(rotation) = rotation.filter(|rotation| rotation.id == id) {
            rotation.cause = Cause::Revoked;
        }
        Vec::new()
    };
    parts.store.edit(application, parts.clock.now(), &mark).await?;
    parts.bell.ring();
    Ok(())
}

/// A fresh rotation, as an operator would begin it: beside the holder of the lease, and with the next try at once. None where
/// none can make a version.
async fn open(parts: &Parts, application: &ApplicationId, kind: CredentialKind) -> Result<(), BurstError> {
    let now = parts.clock.now();
    let begin = |desk: &mut Desk| {
        if desk.credential(kind).rotation.is_some() || !can_be_made(desk, kind) {
            return Vec::new();
        }
        let rotation = RotationId::random(parts.entropy.as_ref());
        let traceparent = mint_runtime::trace::current_traceparent();
        take::open(desk, kind, Cause::Revoked, rotation, traceparent, now);
        vec![Started { kind, rotation, started: true }]
    };
    parts.store.edit(application, now, &begin).await?;
    parts.bell.ring();
    Ok(())
}

/// The version that was to take the place is lost with its keys: its rotation is given up, and a fresh one follows.
pub(super) async fn unreadable(parts: &Parts, held: &Held, kind: CredentialKind) -> Option<Credential> {
    let anywhere = Remains(kind.issuer_objects().to_vec());
    let credential = held.desk.credential(successor(&held.desk, kind, &anywhere)?);
    let is_made = |stage: &Stage| matches!(stage, Stage::Created { .. });
    credential.rotation.as_ref().filter(|rotation| is_made(&rotation.stage))?;
    match given_up(parts, held, &credential).await {
        Ok(event) => apply(&credential, event, parts.clock.now()).ok(),
        Err(failure) => {
            tracing::warn!(code = %failure.reason, detail = %failure.detail, "what cannot be read is not given up yet");
            None
        }
    }
}

fn rotation_call(held: &Held, credential: &Credential) -> Result<RotationCall, Failure> {
    let rotation = credential.rotation.as_ref().map(|rotation| rotation.id);
    let rotation = rotation.ok_or_else(|| Failure::new(reason::ROTATION_UNKNOWN, "no rotation is open"))?;
    Ok(RotationCall { call: errand::call(held), kind: credential.kind, rotation })
}

async fn given_up(parts: &Parts, held: &Held, credential: &Credential) -> Result<Event, Failure> {
    let call = rotation_call(held, credential)?;
    let answer = steps::bounded(parts, "rotator", parts.rotator.abandon(&call)).await?;
    let stage = credential.rotation.as_ref().map(|rotation| &rotation.stage);
    let is_owed = matches!(stage, Some(Stage::Created { first_write: FirstWrite::Owed { .. }, .. }));
    Ok(match steps::given_up(answer) {
        // a store has it: what it holds is not what the ledger goes by
        Event::GivenUp if is_owed => Event::Closed,
        event => event,
    })
}

/// What was there has ended: nobody is waited for any more.
async fn retired(parts: &Parts, held: &Held, credential: &Credential) -> Result<Event, Failure> {
    let call = rotation_call(held, credential)?;
    let done = steps::bounded(parts, "rotator", parts.rotator.retire(&call)).await?;
    Ok(Event::Retired { ended: done.ended, grace: done.grace })
}
