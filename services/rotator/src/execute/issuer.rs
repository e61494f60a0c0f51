//! The issuer's error budget: whether it is asked for anything, and who lets it go on.

use mint_api::audit_log::{Act, Outcome};
use mint_types::RequestId;

use super::{Order, Rotator};
use crate::Error;
use crate::ledger::IssuerStanding;
use crate::plan::{self, ErrorBudget};

const ACTION: &str = "issuer.resume";
/// What a user that was disabled by hand looks like to whoever makes it a new version.
const REFUSALS: [&str; 2] = ["ISSUER_REJECTED_LOGIN", "ISSUER_REJECTED_SET"];

impl Rotator {
    /// How the issuer stands.
    pub async fn issuer(&self) -> Result<IssuerStanding, Error> {
        let budget = self.error_budget();
        self.parts.ledger.issuer(budget.issuer, budget.window, &self.now()).await
    }

    /// The issuer's error budget.
    pub fn error_budget(&self) -> &ErrorBudget {
        &self.parts.errors
    }

    /// Lets rotations at the issuer go on, because an operator says so.
    pub async fn resume_issuer(&self, by: &str, request: RequestId) -> Result<IssuerStanding, Error> {
        let issuer = self.parts.errors.issuer;
        // the log's actor is this service: who asked it stands in the resource
        let resource = format!("{issuer}, asked by {by}");
        let act = Act { action: ACTION, application: None, kind: None, resource, rotation: None, request };
        let announced = self.parts.audit.announce(act).await?;
        let resumed = self.parts.ledger.resume_issuer(issuer, by, &self.now()).await;
        let outcome = resumed.as_ref().map_or_else(super::failure, |()| Outcome::Success);
        self.parts.audit.conclude(announced, outcome).await?;
        resumed?;
        self.issuer().await
    }

    /// Refuses while the issuer is halted.
    pub(super) async fn check_issuer(&self) -> Result<(), Error> {
        plan::check_issuer(&self.issuer().await?)
    }

    /// Whether a check saw that the issuer refuses what consumers have of this credential. Who cannot tell, counts.
    async fn is_shut_out(&self, order: &Order) -> bool {
        let known = self.parts.ledger.check_of(&order.application, order.ask.kind).await;
        known.ok().flatten().is_some_and(|known| plan::is_believed(&known))
    }

    /// Counts an answer of the issuer that was not true. That it cannot be counted does not change what the act's own
    /// answer is, and the ledger that cannot be written stops the next act anyway.
    ///
    /// That a fresh version is refused where a check saw the one before it refused, too, is the user's trouble: somebody
    /// changed or disabled it there, and a few of those must not halt everybody.
    pub(super) async fn issuer_lied(&self, order: &Order, reason: &'static str) {
        if REFUSALS.contains(&reason) && self.is_shut_out(order).await {
            tracing::warn!(
                application = order.application.as_str(),
                kind = %order.ask.kind,
                code = reason,
                "the issuer refuses every version of this credential: it does not count against the issuer"
            );
            return;
        }
        let budget = self.error_budget();
        let counted =
            self.parts.ledger.lied(budget, &order.application, order.ask, reason, &self.now()).await;
        match counted {
            Ok(standing) if standing.halted_at.is_some() => tracing::error!(
                issuer = budget.issuer,
                lies = standing.lies.len(),
                code = "ISSUER_HALTED",
                alarm = true,
                "the issuer's error budget is used up: rotations there are halted until an operator resumes them"
            ),
            Ok(standing) => tracing::warn!(
                issuer = budget.issuer,
                lies = standing.lies.len(),
                budget = budget.lies,
                code = reason,
                "the issuer broke its word"
            ),
            Err(error) => {
                tracing::error!(code = error.reason(), %error, "an issuer's broken word is not counted");
            }
        }
    }
}
