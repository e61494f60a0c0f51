//! Check: log in once with the current version, and say whether the issuer accepts it.

use std::time::Duration;

use mint_api::audit_log::{Act, Announced, Outcome};
use mint_types::{ApplicationId, CredentialKind, FencingToken, RequestId, RotationId};

use super::Rotator;
use super::prove::Plain;
use crate::Error;
use crate::plan::{self, CheckPlan};
use crate::ports::LoginVerdict;
use crate::state::Check;

const ACTION: &str = "credential.check";
/// What the log has of a version that the issuer refused.
const REFUSED: &str = "CURRENT_VERSION_REFUSED";

/// Who asks about what on which lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckOrder {
    /// Which application.
    pub application: ApplicationId,
    /// Which credential.
    pub kind: CredentialKind,
    /// The caller's lease.
    pub token: FencingToken,
    /// The request it belongs to.
    pub request: RequestId,
}

/// What a login with the current version showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// The issuer accepts it.
    Accepted,
    /// The issuer refused it, which may be a moment's matter; ask again after this.
    RefusedOnce(Duration),
    /// The issuer refused it twice, some time apart.
    Refused,
    /// No login is ever tried.
    NotTried,
    /// Too many logins were not accepted of late; ask again after this.
    Wait(Duration),
}

impl Rotator {
    /// Whether the issuer accepts the version that the ledger calls current; changes nothing there. Trouble on the way is
    /// an error, never a verdict.
    pub async fn check_version(&self, order: &CheckOrder, probe_envelope: &[u8]) -> Result<Checked, Error> {
        let outcome = self.try_check(order, probe_envelope).await;
        self.tell_refusal(&outcome, || self.act_of(order));
        outcome
    }

    async fn try_check(&self, order: &CheckOrder, probe_envelope: &[u8]) -> Result<Checked, Error> {
        let (application, kind) = (&order.application, order.kind);
        let _turn = self.turns.take(application, kind.issuer_objects()).await;
        let ledger = &self.parts.ledger;
        ledger.admit(application, order.token).await?;
        let state = ledger.load(application, RotationId::from_bytes([0; 16])).await?;
        let version = plan::current(&state, kind)?;
        let plain = self.open_probe(application, kind, version, probe_envelope)?;
        let known = ledger.check_of(application, kind).await?;
        let answer = match plan::check(kind, known.as_ref(), &self.parts.rules, &self.now()) {
            CheckPlan::Login => None,
            CheckPlan::NotTried => Some(Checked::NotTried),
            CheckPlan::Wait(left) => Some(Checked::Wait(left)),
            CheckPlan::Refused => Some(Checked::Refused),
        };
        if let Some(answer) = answer {
            ledger.overtake(application, order.token).await?;
            return Ok(answer);
        }
        self.check_issuer().await?;
        self.parts.budget.take(1, &self.parts.clock.monotonic())?;
        let announced = self.parts.audit.announce(self.act_of(order)).await?;
        let counted = plan::tried(version, known.as_ref(), &self.now());
        match ledger.begin_check(application, order.token, kind, &counted).await {
            Ok(()) => self.look(order, announced, &plain, counted).await,
            Err(error) => Err(self.conclude_failed(announced, error).await),
        }
    }

    async fn look(
        &self,
        order: &CheckOrder,
        announced: Announced,
        plain: &Plain,
        counted: Check,
    ) -> Result<Checked, Error> {
        let kept = async |seen: &Check| self.parts.ledger.checked(&order.application, order.kind, seen).await;
        match self.log_in_with(plain, order.kind.issuer_objects()).await {
            Ok(LoginVerdict::Accepted(token)) => {
                self.revoke_proof(token, plain.client.as_ref());
                kept(&Check { tries: 0, refused: 0, ..counted }).await?;
                self.conclude(announced, Outcome::Success, None).await?;
                Ok(Checked::Accepted)
            }
            Ok(LoginVerdict::Refused(_)) => {
                let seen = Check { refused: counted.refused.saturating_add(1), ..counted };
                kept(&seen).await?;
                self.conclude(announced, Outcome::Failure { reason: REFUSED }, None).await?;
                let is_believed = plan::is_believed(&seen);
                Ok(if is_believed { Checked::Refused } else { Checked::RefusedOnce(plan::REPETITION) })
            }
            Err(error) => {
                if error.surely_without_effect() {
                    // it was no login of this user
                    kept(&Check { tries: counted.tries.saturating_sub(1), ..counted }).await?;
                }
                Err(self.conclude_failed(announced, Error::Issuer { call: "login", error }).await)
            }
        }
    }

    fn act_of(&self, order: &CheckOrder) -> Act {
        Act {
            action: ACTION,
            application: Some(order.application.clone()),
            kind: Some(order.kind),
            resource: self.username(&order.application),
            rotation: None,
            request: order.request,
        }
    }
}
