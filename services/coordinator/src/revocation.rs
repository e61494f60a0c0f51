//! What two operators have ended at once: carried to the rotator under the lease until it is done, whatever crashes.
//! The rotator ends what it can at once; what needs a fresh version gets a rotation of its own, and is ended with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mint_saga::{Cause, Credential, Event, Failure, Node, Sealed, Stage, Trouble, apply, reason};
use mint_statement::SignedStatement;
use mint_types::{CredentialKind, RotationId, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::error::{BurstError, chain};
use crate::plan::is_occupied;
use crate::policy::Parts;
use crate::ports::RotationCall;
use crate::store::{Held, Revocation, Store as _};
use crate::{errand, steps, take};

/// Between two looks while something is to end.
const URGENT: Duration = Duration::from_millis(200);
/// Between two looks while nothing is.
const IDLE: Duration = Duration::from_secs(1);
/// Between two tries after one that failed.
const PAUSE: Duration = Duration::from_secs(2);

/// What the rotator's answer means for the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Open a fresh rotation: its version takes the place.
    Open,
    /// The version at hand is older than the statement: give it up first.
    GiveUp,
    /// The overlap is excused.
    Hurry,
    /// The ended version is not proved dead: the fresh one is more urgent.
    Finish,
    /// The engine goes on by itself.
    GoOn,
}

/// What the credential needs after the rotator was told; `complete` if nothing older than the statement is left.
pub fn turn(credential: &Credential, asked_at: Timestamp, complete: bool) -> Turn {
    let Some(rotation) = &credential.rotation else {
        return if complete { Turn::GoOn } else { Turn::Open };
    };
    match &rotation.stage {
        Stage::Adopting { .. } => Turn::Hurry,
        Stage::Created { .. } if !complete && rotation.opened_at < asked_at => Turn::GiveUp,
        Stage::Retired { .. } if !complete => Turn::Finish,
        Stage::Intended | Stage::Created { .. } | Stage::Delivered { .. } | Stage::Retired { .. } => {
            Turn::GoOn
        }
    }
}

/// Carries statements until `shutdown`.
pub(crate) async fn run(parts: Arc<Parts>, shutdown: CancellationToken) {
    let mut waiting = Waiting::default();
    loop {
        let nap = match carry(&parts, &mut waiting).await {
            Ok(0) => IDLE,
            Ok(_) => URGENT,
            Err(error) => {
                tracing::error!(code = ?error.code(), error = %chain(&error), "what is to end at once cannot be read");
                PAUSE
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(nap) => {}
        }
    }
}

/// Until when each is left alone after a failure.
pub type Waiting = BTreeMap<(String, CredentialKind), Timestamp>;

/// Carries every statement that is not closed once; answers how many there are.
pub async fn carry(parts: &Parts, waiting: &mut Waiting) -> Result<usize, crate::store::StoreError> {
    let open = parts.store.revocations().await?;
    for revocation in &open {
        let key = (revocation.id.clone(), revocation.kind);
        let now = parts.clock.now();
        // a time further away than the pause was written under another clock
        let waits = |until: &Timestamp| now < *until && until.since(now) <= PAUSE;
        if waiting.get(&key).is_some_and(waits) {
            continue;
        }
        if let Err(error) = carry_one(parts, revocation).await {
            let (application, kind) = (&revocation.application, revocation.kind);
            tracing::warn!(%application, %kind, code = ?error.code(), error = %chain(&error), "not ended yet");
            waiting.insert(key, now.plus(PAUSE));
        } else {
            waiting.remove(&key);
        }
    }
    Ok(open.len())
}

async fn carry_one(parts: &Parts, revocation: &Revocation) -> Result<(), BurstError> {
    let Some(held) = errand::take(parts, &revocation.application).await? else {
        return Ok(());
    };
    let call = errand::call(&held);
    let (kind, statement) = (revocation.kind, &revocation.statement);
    match steps::bounded(parts, "rotator", parts.rotator.revoke(&call, kind, statement)).await {
        Ok(complete) => settle(parts, held, revocation, complete).await,
        Err(failure) if failure.is(reason::STATEMENT_USED) => settle(parts, held, revocation, true).await,
        Err(failure) if failure.reason.starts_with("STATEMENT_") => {
            let now = parts.clock.now();
            let (refusal, is_final) = (failure.reason.clone(), is_final(&failure, statement, now));
            if is_final {
                parts.store.close_revocation(revocation, &refusal, now).await?;
            }
            let credential = refused(held.desk.credential(kind), failure, now);
            errand::give_back(parts, held, Some(credential)).await?;
            if is_final { Ok(()) } else { Err(BurstError::Refused(refusal)) }
        }
        Err(failure) => {
            steps::heed(parts, &revocation.application, &failure).await?;
            errand::give_back(parts, held, None).await?;
            Err(BurstError::Refused(failure.reason))
        }
    }
}

/// Whether no later try can end otherwise. A file of keys that is being replaced is whole again soon, and a statement that
/// is not in force *yet* was signed under a clock a little ahead: neither may lose what two operators asked for.
fn is_final(refusal: &Failure, statement: &Sealed, now: Timestamp) -> bool {
    match refusal.reason.as_str() {
        "STATEMENT_KEYS_UNUSABLE" => false,
        "STATEMENT_NOT_IN_FORCE" => !SignedStatement::parse(statement.as_bytes())
            .is_ok_and(|signed| now < signed.claimed().expires_at),
        _ => true,
    }
}

/// A statement that the rotator does not believe is a problem until the next version is made.
fn refused(mut credential: Credential, failure: Failure, now: Timestamp) -> Credential {
    let kind = credential.kind;
    tracing::error!(%kind, code = %failure.reason, detail = %failure.detail, "a statement to end versions at once is refused");
    let trouble = Trouble::after(None, &[failure], Some(kind), now, Duration::ZERO);
    credential.troubles.insert(Node::Intend, trouble);
    credential
}

async fn settle(
    parts: &Parts,
    held: Held,
    revocation: &Revocation,
    complete: bool,
) -> Result<(), BurstError> {
    let now = parts.clock.now();
    if complete {
        parts.store.close_revocation(revocation, "done", now).await?;
    }
    let mut desk = held.desk.clone();
    let credential = desk.credential(revocation.kind);
    let event = match turn(&credential, revocation.asked_at, complete) {
        Turn::GoOn if complete => Ok(None),
        Turn::GoOn => return Ok(errand::give_back(parts, held, urged(credential)).await?),
        Turn::Open => {
            let fresh = opened(parts, &mut desk, revocation.kind, now);
            return Ok(errand::give_back(parts, held, fresh).await?);
        }
        Turn::Finish => Ok(Some(Event::Finished)),
        Turn::GiveUp => given_up(parts, &held, &credential).await.map(Some),
        Turn::Hurry => retired(parts, &held, &credential).await.map(Some),
    };
    match event {
        Ok(event) => {
            let next = event.map(|event| apply(&credential, event, now)).transpose()?;
            Ok(errand::give_back(parts, held, next).await?)
        }
        Err(failure) => {
            errand::give_back(parts, held, None).await?;
            Err(BurstError::Refused(failure.reason))
        }
    }
}

/// The rotation that was open already is the one that is waited for now: no pause holds it up.
fn urged(mut credential: Credential) -> Option<Credential> {
    let rotation = credential.rotation.as_mut().filter(|rotation| rotation.cause != Cause::Revoked)?;
    rotation.cause = Cause::Revoked;
    Some(credential)
}

fn rotation_call(held: &Held, credential: &Credential) -> Result<RotationCall, Failure> {
    let rotation = credential.rotation.as_ref().map(|rotation| rotation.id);
    let rotation = rotation.ok_or_else(|| Failure::new(reason::ROTATION_UNKNOWN, "no rotation is open"))?;
    Ok(RotationCall { call: errand::call(held), kind: credential.kind, rotation })
}

async fn given_up(parts: &Parts, held: &Held, credential: &Credential) -> Result<Event, Failure> {
    let call = rotation_call(held, credential)?;
    steps::bounded(parts, "rotator", parts.rotator.abandon(&call)).await.map(steps::given_up)
}

/// What was there has ended: nobody is waited for any more.
async fn retired(parts: &Parts, held: &Held, credential: &Credential) -> Result<Event, Failure> {
    let call = rotation_call(held, credential)?;
    let done = steps::bounded(parts, "rotator", parts.rotator.retire(&call)).await?;
    Ok(Event::Retired { ended: done.ended, grace: done.grace })
}

/// A fresh rotation; none while another kind's works on the same object.
fn opened(parts: &Parts, desk: &mut Desk, kind: CredentialKind, now: Timestamp) -> Option<Credential> {
    if is_occupied(desk, kind) {
        return None;
    }
    let id = RotationId::random(parts.entropy.as_ref());
    take::open(desk, kind, Cause::Revoked, id, mint_runtime::trace::current_traceparent(), now);
    desk.credentials.get(&kind).cloned()
}
