//! What two operators have ended at once: carried to the rotator under the lease until it is done, whatever crashes.
//! The rotator ends what it can at once; what needs a fresh version gets a rotation of its own, and is ended with it. What
//! nothing can end any more is closed, and the audit log hears of it.

mod settle;
mod waiting;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mint_api::audit_log::AuditLog;
use mint_port::Port;
use mint_saga::{Credential, Failure, Node, Sealed, Stage, Trouble, reason};
use mint_statement::SignedStatement;
use mint_types::Timestamp;
use tokio_util::sync::CancellationToken;

use self::settle::{settle, unreadable};
pub use self::waiting::Waiting;
use crate::desk::Desk;
use crate::error::{BurstError, chain};
use crate::policy::Parts;
use crate::ports::Remains;
use crate::store::{REVOCATIONS_PAGE, Revocation, Store as _};
use crate::{errand, steps};

/// Between two looks while something is to end, and between the first two at one that waits.
const URGENT: Duration = Duration::from_millis(200);
/// Between two looks while nothing is.
const IDLE: Duration = Duration::from_secs(1);
/// Between the first two tries after one that failed.
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
pub(crate) async fn run(parts: Arc<Parts>, audit: Port<dyn AuditLog>, shutdown: CancellationToken) {
    let mut waiting = Waiting::default();
    loop {
        let nap = match carry(&parts, &audit, &mut waiting).await {
            Ok(open) => waiting.nap(open, parts.clock.now()),
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

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// It is closed.
    Closed,
    /// A step was made here: the next one at once.
    Moved,
    /// Somebody else is to make the next step.
    Waits,
}

/// Carries every statement that is not closed and does not wait once; answers how many there are.
pub async fn carry(
    parts: &Parts,
    audit: &Port<dyn AuditLog>,
    waiting: &mut Waiting,
) -> Result<usize, crate::store::StoreError> {
    let mut open = BTreeSet::new();
    for revocation in all_open(parts).await? {
        let key = (revocation.id.clone(), revocation.kind);
        open.insert(key.clone());
        if waiting.waits(&key, parts.clock.now()) {
            continue;
        }
        let looked = carry_one(parts, audit, &revocation).await;
        if let Err(error) = &looked {
            let (application, kind) = (&revocation.application, revocation.kind);
            tracing::warn!(%application, %kind, code = ?error.code(), error = %chain(error), "not ended yet");
        }
        waiting.note(key, &looked, parts.clock.now());
    }
    waiting.keep(&open);
    Ok(open.len())
}

/// Every statement that is not closed, the oldest first.
pub(crate) async fn all_open(parts: &Parts) -> Result<Vec<Revocation>, crate::store::StoreError> {
    let mut open: Vec<Revocation> = Vec::new();
    loop {
        let page = parts.store.revocations(open.last()).await?;
        let is_last = page.len() < REVOCATIONS_PAGE;
        open.extend(page);
        if is_last {
            return Ok(open);
        }
    }
}

async fn carry_one(
    parts: &Parts,
    audit: &Port<dyn AuditLog>,
    revocation: &Revocation,
) -> Result<Look, BurstError> {
    let Some(held) = errand::take(parts, &revocation.application).await? else {
        return Ok(Look::Waits);
    };
    let call = errand::call(&held);
    let (kind, statement) = (revocation.kind, &revocation.statement);
    match steps::bounded(parts, "rotator", parts.rotator.revoke(&call, kind, statement)).await {
        Ok(remains) => settle(parts, audit, held, revocation, &remains).await,
        Err(failure) if failure.is(reason::STATEMENT_USED) => {
            settle(parts, audit, held, revocation, &Remains::default()).await
        }
        Err(failure) if failure.reason.starts_with("STATEMENT_") => {
            let now = parts.clock.now();
            let (refusal, is_final) = (failure.reason.clone(), is_final(&failure, statement, now));
            if is_final {
                parts.store.close_revocation(revocation, &refusal, now).await?;
            }
            let is_known = knows(&held.desk.credential(kind), &failure);
            errand::give_back(parts, held, None).await?;
            if !is_known {
                refused(parts, revocation, &failure, now).await?;
            }
            if is_final { Ok(Look::Closed) } else { Err(BurstError::Refused(refusal)) }
        }
        Err(failure) => {
            steps::heed(parts, &revocation.application, &failure).await?;
            let next = if failure.is(reason::ENVELOPE_UNOPENABLE) || failure.is(reason::ENVELOPE_INVALID) {
                unreadable(parts, &held, kind).await
            } else {
                None
            };
            errand::give_back(parts, held, next).await?;
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

fn knows(credential: &Credential, failure: &Failure) -> bool {
    let kind = failure.reason.to_ascii_lowercase();
    let trouble = credential.troubles.get(&Node::Intend);
    trouble.is_some_and(|trouble| trouble.problems.iter().any(|problem| problem.kind == kind))
}

/// A statement that the rotator does not believe is a problem until the next version is made.
async fn refused(
    parts: &Parts,
    revocation: &Revocation,
    failure: &Failure,
    now: Timestamp,
) -> Result<(), BurstError> {
    let kind = revocation.kind;
    tracing::error!(%kind, code = %failure.reason, detail = %failure.detail, "a statement to end versions at once is refused");
    let trouble = Trouble::after(None, std::slice::from_ref(failure), Some(kind), now, Duration::ZERO);
    let note = |desk: &mut Desk| {
        let mut credential = desk.credential(kind);
        credential.troubles.insert(Node::Intend, trouble.clone());
        desk.credentials.insert(kind, credential);
        Vec::new()
    };
    parts.store.edit(&revocation.application, now, &note).await?;
    Ok(())
}
