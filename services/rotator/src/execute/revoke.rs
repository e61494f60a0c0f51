//! Revoke: what there was ends at once, because two operators say so. Skips receipt and overlap, never the audit log.

use mint_api::audit_log::{Act, Announced, Outcome};
use mint_types::{ApplicationId, CredentialKind, FencingToken, IssuerObject, RequestId, RotationId};

use super::retire::Sent;
use super::{Order, Rotator};
use crate::Error;
use crate::ledger::{Excuse, Revocation};
use crate::plan::{self, Ending, RevokePlan};
use crate::statements::Statements;

const ACTION: &str = "credential.revoke";

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeOrder {
    /// Which application.
    pub application: ApplicationId,
    /// Which credential.
    pub kind: CredentialKind,
    /// The caller's lease.
    pub token: FencingToken,
    /// The request it belongs to.
    pub request: RequestId,
    /// The signed statement.
    pub statement: Vec<u8>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Where something that the statement meant lives still, or may: a fresh version is needed there. Nowhere, if everything
    /// has ended.
    pub remains: Vec<IssuerObject>,
    /// The rotation whose version took the place.
    pub rotation: Option<RotationId>,
}

impl Revoked {
    /// Whether everything that the statement meant has ended.
    pub fn is_complete(&self) -> bool {
        self.remains.is_empty()
    }
}

impl RevokeOrder {
    fn act(&self, rotation: Option<RotationId>, resource: String) -> Act {
        Act {
            action: ACTION,
            application: Some(self.application.clone()),
            kind: Some(self.kind),
            resource,
            rotation,
            request: self.request,
        }
    }
}

impl Rotator {
    /// Ends everything of a kind that there was when the statement came, as far as the issuer lets it: by a call of its own
    /// or by the commit or the setting of a newer version, whether or not anybody has that one yet.
    pub async fn revoke(&self, order: &RevokeOrder) -> Result<Revoked, Error> {
        let outcome = self.try_revoke(order).await;
        self.tell_refusal(&outcome, || order.act(None, self.username(&order.application)));
        outcome
    }

    async fn try_revoke(&self, order: &RevokeOrder) -> Result<Revoked, Error> {
        let _turn = self.turns.take(&order.application, order.kind.issuer_objects()).await;
        let ledger = &self.parts.ledger;
        ledger.admit(&order.application, order.token).await?;
        let revocation = self.believed(order).await?;
        if revocation.done && revocation.told {
            return Err(Error::StatementUsed(revocation.statement));
        }
        let state = ledger.load(&order.application, RotationId::from_bytes([0; 16])).await?;
        let now = self.now();
        let plan = plan::revoke(&state, order.kind, revocation.through, &self.parts.rules, &now)?;
        match plan {
            RevokePlan::AwaitsVersion(remains) if !revocation.done => {
                ledger.overtake(&order.application, order.token).await?;
                Ok(Revoked { remains, rotation: None })
            }
            RevokePlan::End(ending) if !revocation.done => {
                self.end_at_once(order, &revocation, &ending).await
            }
            RevokePlan::Done | RevokePlan::AwaitsVersion(_) | RevokePlan::End(_) => {
                let announced =
                    self.parts.audit.announce(order.act(None, self.resource(order, &revocation))).await?;
                ledger.overtake(&order.application, order.token).await?;
                ledger.revoked(&revocation.statement, order.kind, None, &now).await?;
                self.told(order, &revocation, announced).await?;
                Ok(Revoked { remains: Vec::new(), rotation: None })
            }
        }
    }

    /// The statement as it was believed first; a fresh one must be in force now.
    async fn believed(&self, order: &RevokeOrder) -> Result<Revocation, Error> {
        let ledger = &self.parts.ledger;
        let claimed = Statements::claimed_id(&order.statement)?;
        let known = ledger.revocation(&claimed, order.kind).await?;
        let now = self.now();
        let at = known.as_ref().map_or(now.wall, |known| known.accepted_at);
        let (application, kind) = (&order.application, order.kind);
        let demand = self.parts.statements.revocation(&order.statement, application, kind, at)?;
        match known {
            Some(known) => Ok(known),
            None => ledger.accept_revocation(application, order.token, kind, &demand, &now).await,
        }
    }

    async fn end_at_once(
        &self,
        order: &RevokeOrder,
        revocation: &Revocation,
        ending: &Ending,
    ) -> Result<Revoked, Error> {
        let rotation = Some(ending.ask.rotation);
        let act = order.act(rotation, self.resource(order, revocation));
        let announced = self.parts.audit.announce(act).await?;
        match self.send(order, revocation, ending, &announced).await {
            Ok(()) => {
                if ending.completes() {
                    self.told(order, revocation, announced).await?;
                } else {
                    self.parts.audit.conclude(announced, Outcome::Success).await?;
                }
                Ok(Revoked { remains: ending.remains.clone(), rotation })
            }
            Err(error) => Err(self.conclude_failed(announced, error).await),
        }
    }

    /// Neither the rate budget nor a halted issuer holds it up.
    async fn send(
        &self,
        order: &RevokeOrder,
        revocation: &Revocation,
        ending: &Ending,
        announced: &Announced,
    ) -> Result<(), Error> {
        let ledger = &self.parts.ledger;
        let (application, ask) = (&order.application, ending.ask);
        let own = Order { application: application.clone(), ask, token: order.token, request: order.request };
        // before any intent: what nobody can read can be given up
        let plain = if ending.sets.is_empty() { None } else { Some(self.open_own(&own, &ending.made)?) };
        let ends = self.awaited(plan::told_of(&ending.commits));
        let (rotation, intended) = (ask.rotation, self.now());
        let excuse = Excuse { rotation, statement: &revocation.statement, ends: &ends, sets: &ending.sets };
        let calls = ledger.excuse(application, order.token, &excuse, &self.parts.rules, &intended).await?;
        let delivered = &ending.delivered;
        let sent = Sent { announced, delivered, rotation, calls, intended };
        if let Some(plain) = &plain {
            self.set_unwritten(&own, &sent, plain, &ending.sets, &ending.written).await?;
        }
        drop(plain);
        for (place, commit) in ending.commits.iter().enumerate() {
            self.end_first(&own, &sent, &ending.commits[place..]).await?;
            let call = sent.calls.on(commit.object);
            ledger.ended_at_once(application, ask, commit.object, call, &self.now()).await?;
        }
        if ending.completes() {
            ledger.revoked(&revocation.statement, order.kind, Some(ask.rotation), &self.now()).await?;
        }
        Ok(())
    }

    async fn told(
        &self,
        order: &RevokeOrder,
        revocation: &Revocation,
        announced: Announced,
    ) -> Result<(), Error> {
        self.parts.audit.conclude(announced, Outcome::Success).await?;
        self.parts.ledger.revocation_told(&revocation.statement, order.kind).await
    }

    fn resource(&self, order: &RevokeOrder, revocation: &Revocation) -> String {
        format!("{}, statement {}", self.username(&order.application), revocation.statement)
    }
}
