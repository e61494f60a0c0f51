//! What operators ask for: each act is announced before it is done, and concluded after.

use std::collections::BTreeSet;
use std::sync::Arc;

use mint_api::Fault;
use mint_api::audit_log::{Act, AuditLog, Outcome};
use mint_port::Port;
use mint_saga::{Cause, Sealed};
use mint_statement::{SignedStatement, Subject};
use mint_types::{ApplicationId, Code, CredentialKind, Presence, Principal, RequestId, RotationId};

use crate::adopt;
use crate::desk::Desk;
use crate::plan::occupant;
use crate::policy::Parts;
use crate::ports::Finding;
use crate::status::{Status, status};
use crate::store::{Revocation, Started, Store};
use crate::{drift, errand, reconciliation, steps, take};

/// Who asked, and in which request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The peer over mutual TLS.
    pub by: Principal,
    /// The request's id.
    pub request: RequestId,
}

/// What operators may ask of the coordinator.
#[derive(Debug, Clone)]
pub struct Operator {
    parts: Arc<Parts>,
    audit: Port<dyn AuditLog>,
}

impl Operator {
    /// With everything it needs.
    pub fn new(parts: Arc<Parts>, audit: Port<dyn AuditLog>) -> Self {
        Self { parts, audit }
    }

    /// One application.
    pub async fn application(&self, id: &ApplicationId) -> Result<Status, Fault> {
        Ok(self.status_of(&self.desk(id).await?))
    }

    pub(crate) fn status_of(&self, desk: &Desk) -> Status {
        status(desk, self.parts.policy.failed_after, self.parts.clock.now())
    }

    pub(crate) fn parts(&self) -> &Arc<Parts> {
        &self.parts
    }

    async fn desk(&self, id: &ApplicationId) -> Result<Desk, Fault> {
        self.parts.store.desk(id).await?.ok_or_else(|| unknown(id))
    }

    /// Opens a rotation of each kind, or finds the one that is open and lets it try again at once.
    pub async fn rotate(
        &self,
        id: &ApplicationId,
        kinds: &[CredentialKind],
        asked: &Asked,
    ) -> Result<Vec<Started>, Fault> {
        let desk = self.desk(id).await?;
        let kinds = rotatable(&desk, kinds)?;
        let kind = if let [only] = kinds.as_slice() { Some(*only) } else { None };
        let act = Self::act("rotation.request", Some(id), kind, asked);
        self.audited(act, async {
            let now = self.parts.clock.now();
            let started = self.parts.store.edit(id, now, &|desk| self.open(desk, &kinds)).await?;
            started.ok_or_else(|| unknown(id))
        })
        .await
    }

    fn open(&self, desk: &mut Desk, kinds: &[CredentialKind]) -> Vec<Started> {
        let now = self.parts.clock.now();
        let mut answers = Vec::new();
        for kind in kinds {
            let busy = occupant(desk, *kind).unwrap_or(*kind);
            let open = desk.credential(busy).rotation.map(|rotation| rotation.id);
            let (kind, rotation) = open.map_or_else(
                || (*kind, RotationId::random(self.parts.entropy.as_ref())),
                |rotation| (busy, rotation),
            );
            if open.is_none() {
                let traceparent = mint_runtime::trace::current_traceparent();
                take::open(desk, kind, Cause::Requested, rotation, traceparent, now);
            }
            answers.push(Started { kind, rotation, started: open.is_none() });
        }
        answers
    }

    /// Takes the user that the issuer has for an application over; answers its client id.
    pub async fn adopt(&self, id: &ApplicationId, asked: &Asked) -> Result<String, Fault> {
        let desk = self.desk(id).await?;
        in_use(&desk)?;
        let act = Self::act("identity.adopt", Some(id), None, asked);
        self.audited(act, adopt::adopt(&self.parts, id)).await
    }

    /// Keeps what two operators signed to end at once; the rotator decides whether to believe it.
    pub async fn revoke(
        &self,
        statement: Vec<u8>,
        asked: &Asked,
    ) -> Result<(ApplicationId, Vec<CredentialKind>), Fault> {
        let signed = SignedStatement::parse(&statement)
            .map_err(|error| Fault::new(error.code(), error.reason(), error.to_string()))?;
        let claimed = signed.claimed();
        let Subject::RevokeNow { application, kinds } = claimed.subject.clone() else {
            let message = "the coordinator carries statements that end versions at once, and no others";
            return Err(Fault::new(Code::InvalidArgument, "STATEMENT_MISMATCH", message));
        };
        signed_by_two(&signed)?;
        in_use(&self.desk(&application).await?)?;
        let now = self.parts.clock.now();
        // with any other signature it is another errand: one that was refused must not stand in its way
        let id = format!("{} {}", claimed.id, signed.digest());
        let revocation = |kind: &CredentialKind| Revocation {
            application: application.clone(),
            kind: *kind,
            id: id.clone(),
            statement: Sealed::new(statement.clone()),
            asked_at: now,
        };
        let revocations: Vec<Revocation> = kinds.iter().map(revocation).collect();
        let act = Self::act("revocation.request", Some(&application), None, asked);
        self.audited(act, async { Ok(self.parts.store.keep_revocations(&revocations).await?) }).await?;
        Ok((application, kinds.into_iter().collect()))
    }

    /// Has the rotator compare the issuer with its ledger; unless it is a dry run, what nobody accounts for is a problem, and
    /// what is at rest is checked by a login.
    pub async fn reconcile(&self, id: &ApplicationId, dry_run: bool) -> Result<Vec<Finding>, Fault> {
        self.desk(id).await?;
        let mut held = errand::lease(&self.parts, id).await?;
        let call = errand::call(&held);
        let answer =
            steps::bounded(&self.parts, "rotator", self.parts.rotator.reconcile(&call, dry_run)).await;
        if let Some(findings) = answer.as_ref().ok().filter(|_| !dry_run) {
            reconciliation::note(&mut held.desk, findings, self.parts.clock.now());
        }
        errand::give_back(&self.parts, held, None).await?;
        let mut findings = answer.map_err(|failure| {
            let message = format!("{} ({})", failure.detail, failure.reason);
            Fault::new(Code::Unavailable, "NOT_RECONCILED", message).with("application", id.as_str())
        })?;
        if !dry_run {
            findings.extend(drift::check_now(&self.parts, id).await?);
        }
        Ok(findings)
    }

    /// Pauses an application, or everything.
    pub async fn pause(&self, id: Option<&ApplicationId>, reason: &str, asked: &Asked) -> Result<(), Fault> {
        if reason.trim().is_empty() {
            return Err(Fault::new(Code::InvalidArgument, "INVALID_MESSAGE", "reason: say why, for people")
                .with("field", "reason"));
        }
        self.set_paused(id, Some(reason), asked).await
    }

    /// Goes on after a pause.
    pub async fn resume(&self, id: Option<&ApplicationId>, asked: &Asked) -> Result<(), Fault> {
        self.set_paused(id, None, asked).await
    }

    async fn set_paused(
        &self,
        id: Option<&ApplicationId>,
        reason: Option<&str>,
        asked: &Asked,
    ) -> Result<(), Fault> {
        if let Some(id) = id {
            self.desk(id).await?;
        }
        let action = match (id, reason) {
            (Some(_), Some(_)) => "application.pause",
            (Some(_), None) => "application.resume",
            (None, Some(_)) => "constellation.pause",
            (None, None) => "constellation.resume",
        };
        let act = Self::act(action, id, None, asked);
        self.audited(act, async {
            let now = self.parts.clock.now();
            match id {
                Some(id) if !self.parts.store.set_paused(id, reason, now).await? => Err(unknown(id)),
                Some(_) => Ok(()),
                None => Ok(self.parts.store.set_all_paused(reason, now).await?),
            }
        })
        .await
    }

    fn act(
        action: &'static str,
        application: Option<&ApplicationId>,
        kind: Option<CredentialKind>,
        asked: &Asked,
    ) -> Act {
        Act {
            action,
            application: application.cloned(),
            kind,
            // the log's actor is this service: who asked it stands here
            resource: format!("asked by {}", asked.by),
            rotation: None,
            request: asked.request,
        }
    }

    async fn audited<T>(&self, act: Act, deed: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let announced = self.audit.announce(act).await?;
        let done = deed.await;
        let outcome = match &done {
            Ok(_) => Outcome::Success,
            Err(fault) if fault.code == Code::Unavailable => Outcome::Unknown { reason: fault.reason },
            Err(fault) => Outcome::Failure { reason: fault.reason },
        };
        self.parts.bell.ring();
        let concluded = self.audit.conclude(announced, outcome).await;
        let answer = done?;
        concluded?;
        Ok(answer)
    }
}

fn unknown(id: &ApplicationId) -> Fault {
    Fault::new(
        Code::NotFound,
        "APPLICATION_UNKNOWN",
        format!("the coordinator knows no application {id}: check the id, or wait until the catalog has it"),
    )
    .with("application", id.as_str())
}

fn refusal(id: &ApplicationId, reason: &'static str, message: String) -> Fault {
    Fault::new(Code::FailedPrecondition, reason, message).with("application", id.as_str())
}

/// Whoever forgot the second signature hears of it at once. Nothing is believed: the rotator verifies.
fn signed_by_two(signed: &SignedStatement) -> Result<(), Fault> {
    let operators: BTreeSet<&str> = signed
        .key_ids()
        .filter_map(|key| Some(key.split_once('#')?.0))
        .filter(|signer| signer.starts_with("operator/"))
        .collect();
    if operators.len() >= 2 {
        return Ok(());
    }
    let signers: Vec<&str> = operators.into_iter().collect();
    let message = format!(
        "the statement names the signature of [{}], but two different operators must sign it",
        signers.join(", ")
    );
    Err(Fault::new(Code::PermissionDenied, "STATEMENT_SIGNERS_MISSING", message))
}

/// Refuses what nothing may be changed of.
fn in_use(desk: &Desk) -> Result<(), Fault> {
    let id = &desk.record.id;
    if desk.record.presence == Presence::Held {
        let message = format!("the registry lost {id}: nothing of it is changed");
        return Err(refusal(id, "APPLICATION_HELD", message));
    }
    if !desk.record.active {
        let message = format!("the registry retired {id}: it has no credentials");
        return Err(refusal(id, "APPLICATION_INACTIVE", message));
    }
    Ok(())
}

/// The kinds that were asked for, if the application can rotate them now.
fn rotatable(desk: &Desk, asked: &[CredentialKind]) -> Result<Vec<CredentialKind>, Fault> {
    let id = &desk.record.id;
    in_use(desk)?;
    if !desk.is_deliverable() {
        let message = format!("{id} has no bucket: enter one with mint app set");
        return Err(refusal(id, "NO_DESTINATION", message));
    }
    if let Some(other) = asked.iter().find(|kind| !desk.kinds().contains(kind)) {
        let message = format!("{id} has no credential of kind {other}");
        return Err(Fault::new(Code::InvalidArgument, "KIND_UNKNOWN", message).with("kind", other.as_str()));
    }
    let mut kinds = if asked.is_empty() { desk.kinds().to_vec() } else { asked.to_vec() };
    kinds.sort_unstable();
    kinds.dedup();
    Ok(kinds)
}
