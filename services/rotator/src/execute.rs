//! What is decided in `plan` is done here: ledger, log, issuer, ledger, log, in that order.

mod create;
mod prove;
mod retire;

use std::sync::Arc;

use mint_api::audit_log::{Act, AuditLog, Outcome};
use mint_port::Port;
use mint_secret::KeyRing;
use mint_types::{
    ApplicationId, Clock, CredentialKind, Entropy, FencingToken, RequestId, Revision, RotationId,
};
use tokio_util::task::TaskTracker;

use crate::Error;
use crate::keys::KnownKeys;
use crate::ledger::{Ledger, ListedVersion, ToldOf};
use crate::plan::{self, Ask, Rules};
use crate::ports::{Catalog, Issuer, Login};
use crate::rate::RateBudget;
use crate::state::Instant;
use crate::turns::Turns;

pub use prove::Proof;
pub use retire::{Accepted, Retirement};

/// Everything the rotator needs, by port.
#[derive(Debug)]
pub struct Parts {
    /// The durable memory.
    pub ledger: Ledger,
    /// The IAM solution's admin API.
    pub issuer: Port<dyn Issuer>,
    /// Its token endpoint.
    pub login: Port<dyn Login>,
    /// The catalog.
    pub catalog: Port<dyn Catalog>,
    /// The distributor's keys.
    pub distributor: KnownKeys,
    /// The log.
    pub audit: Port<dyn AuditLog>,
    /// The rotator's own keys.
    pub keys: KeyRing,
    /// Calls to the issuer.
    pub budget: RateBudget,
    /// The rules in force.
    pub rules: Rules,
    /// What stands before an application's id in its user name.
    pub username_prefix: String,
    /// Clocks.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Work that an answer does not wait for, and a drain does.
    pub background: TaskTracker,
}

/// The rotator's logic, without sockets.
#[derive(Debug)]
pub struct Rotator {
    parts: Parts,
    turns: Turns,
}

/// Who asks for what on which lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Which application.
    pub application: ApplicationId,
    /// Which rotation of which credential.
    pub ask: Ask,
    /// The caller's lease.
    pub token: FencingToken,
    /// The request it belongs to.
    pub request: RequestId,
}

impl Order {
    fn act(&self, action: &'static str, resource: String) -> Act {
        Act {
            action,
            application: Some(self.application.clone()),
            kind: Some(self.ask.kind),
            resource,
            rotation: Some(self.ask.rotation),
            request: self.request,
        }
    }
}

impl Rotator {
    /// A rotator out of its parts.
    pub fn new(parts: Parts) -> Self {
        Self { parts, turns: Turns::default() }
    }

    /// Gives a rotation up of which nothing was delivered; what it made is swept by the next commit.
    pub async fn abandon(&self, order: &Order) -> Result<(), Error> {
        let _turn = self.turns.take(&order.application, order.ask.kind.issuer_objects()).await;
        let ledger = &self.parts.ledger;
        ledger.admit(&order.application, order.token).await?;
        let state = ledger.load(&order.application, order.ask.rotation).await?;
        match plan::abandon(&state, order.ask)? {
            plan::AbandonPlan::Abandoned => Ok(()),
            plan::AbandonPlan::Abandon => {
                ledger.abandon(&order.application, order.token, order.ask, &self.now()).await
            }
        }
    }

    /// The ledger of an application, newest first, and how many calls have no known outcome.
    pub async fn versions(&self, application: &ApplicationId) -> Result<(Vec<ListedVersion>, u32), Error> {
        self.parts.ledger.list(application).await
    }

    /// The rotator's public keys.
    pub fn keys(&self) -> &KeyRing {
        &self.parts.keys
    }

    fn now(&self) -> Instant {
        Instant { wall: self.parts.clock.now(), monotonic: self.parts.clock.monotonic() }
    }

    /// Computed from the application's id by this service's own configuration, never taken from a request.
    fn username(&self, application: &ApplicationId) -> String {
        format!("{}{application}", self.parts.username_prefix)
    }

    /// Tells the log the outcome of an act. If the log does not take it, the call fails, and its repetition tells it.
    async fn conclude(
        &self,
        announced: mint_api::audit_log::Announced,
        outcome: Outcome,
        told: Option<(RotationId, ToldOf)>,
    ) -> Result<(), Error> {
        self.parts.audit.conclude(announced, outcome).await?;
        if let Some((rotation, of)) = told {
            self.parts.ledger.told(rotation, of).await?;
        }
        Ok(())
    }

    /// Tells the log of an act that was done, but whose outcome it did not take at the time.
    async fn tell_again(&self, order: &Order, action: &'static str, of: ToldOf) -> Result<(), Error> {
        let act = order.act(action, self.username(&order.application));
        let announced = self.parts.audit.announce(act).await?;
        self.conclude(announced, Outcome::Success, Some((order.ask.rotation, of))).await
    }
}

/// The outcome of a failed act, as the log has it.
fn failure(error: &Error) -> Outcome {
    let reason = error.reason();
    if error.outcome_is_unknown() { Outcome::Unknown { reason } } else { Outcome::Failure { reason } }
}

/// How many calls to the issuer a Create may take: one per half made, the login, and the token's revocation.
fn create_calls(kind: CredentialKind) -> u32 {
    match kind {
        CredentialKind::Password | CredentialKind::Client => 3,
        CredentialKind::Combined => 4,
        CredentialKind::PublicClient => 1,
    }
}

/// A Create beside its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateOrder {
    /// The order.
    pub order: Order,
    /// The catalog revision that the caller acts upon.
    pub revision: Revision,
}

#[cfg(test)]
mod tests;
