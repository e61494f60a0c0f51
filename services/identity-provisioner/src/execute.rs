//! Doing it: announce, intend, act, remember, record, conclude.

use std::sync::Arc;

use mint_api::audit_log::{Act, Announced, AuditLog, Outcome};
use mint_port::Port;
use mint_types::{Application, ApplicationId, Clock, Entropy, Identity, RequestId};

use crate::{
    Error,
    model::{Known, Naming, Order, ServiceUser, Stage},
    plan::{self, Step, Taking},
    ports::{Catalog, IdentityIssuer},
    state::{Applied, Intent, State},
    turns::Turns,
};

/// Users and clients of one issuer.
#[derive(Debug)]
pub struct Provisioner {
    /// The IAM solution.
    pub issuer: Port<dyn IdentityIssuer>,
    /// Which applications there are.
    pub catalog: Port<dyn Catalog>,
    /// Where every act is announced.
    pub audit: Port<dyn AuditLog>,
    /// What is known.
    pub state: State,
    /// How users are named.
    pub naming: Naming,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for ids.
    pub entropy: Arc<dyn Entropy>,
    turns: Turns,
}

/// What a [`Provisioner`] works with.
#[derive(Debug)]
pub struct Parts {
    /// The IAM solution.
    pub issuer: Port<dyn IdentityIssuer>,
    /// Which applications there are.
    pub catalog: Port<dyn Catalog>,
    /// Where every act is announced.
    pub audit: Port<dyn AuditLog>,
    /// What is known.
    pub state: State,
    /// How users are named.
    pub naming: Naming,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for ids.
    pub entropy: Arc<dyn Entropy>,
}

/// One act on one identity.
struct Deed<'d> {
    order: &'d Order,
    application: &'d Application,
    action: &'static str,
    stage: Stage,
    takes: Option<Taking>,
}

impl Provisioner {
    /// Out of its parts.
    pub fn new(parts: Parts) -> Self {
        let Parts { issuer, catalog, audit, state, naming, clock, entropy } = parts;
        Self { issuer, catalog, audit, state, naming, clock, entropy, turns: Turns::default() }
    }

    /// Makes the user and client exist as the catalog says.
    pub async fn ensure(&self, order: &Order) -> Result<Known, Error> {
        self.bring(order, "identity.ensure", Stage::Enabled, plan::ensure)
            .await?
            .ok_or_else(|| unknown(order))
    }

    /// Gives a disabled identity its scopes back.
    pub async fn enable(&self, order: &Order) -> Result<(), Error> {
        self.bring(order, "identity.enable", Stage::Enabled, plan::enable).await.map(drop)
    }

    /// Takes every scope; answers whether there was anything to take them from.
    pub async fn disable(&self, order: &Order) -> Result<bool, Error> {
        let step =
            |known: Option<&Known>, application: &Application, _: &Naming| plan::disable(known, application);
        Ok(self.bring(order, "identity.disable", Stage::Disabled, step).await?.is_some())
    }

    /// Deletes a disabled identity.
    pub async fn delete(&self, order: &Order) -> Result<(), Error> {
        let step =
            |known: Option<&Known>, application: &Application, _: &Naming| plan::delete(known, application);
        self.bring(order, "identity.delete", Stage::Deleted, step).await.map(drop)
    }

    /// What is known.
    pub async fn identity(&self, application: &ApplicationId) -> Result<Known, Error> {
        let known = self.state.known(application).await?;
        known.ok_or_else(|| Error::UnknownIdentity(application.clone()))
    }

    async fn bring(
        &self,
        order: &Order,
        action: &'static str,
        stage: Stage,
        step: impl Fn(Option<&Known>, &Application, &Naming) -> Result<Step, plan::Refusal>,
    ) -> Result<Option<Known>, Error> {
        // Before the turn: whoever holds it with a lower token stops at its next check.
        self.state.fence(order).await?;
        let _turn = self.turns.take(&order.application).await;
        let application = &self.catalog.application(&order.application, order.revision).await?;
        let known = self.state.known(&order.application).await?;
        let step = step(known.as_ref(), application, &self.naming)?;
        let takes = if let Step::Act { takes } = step { takes } else { None };
        let deed = Deed { order, application, action, stage, takes };
        match (step, known) {
            (Step::Nobody, _) | (Step::Answer | Step::Settle, None) => Ok(None),
            (Step::Answer, Some(known)) => {
                self.record(application, &known).await?;
                Ok(Some(known))
            }
            (Step::Settle, Some(known)) => {
                let announced = self.announce(&deed).await?;
                self.settle(announced, application, known).await.map(Some)
            }
            (Step::Act { .. }, known) => self.act(&deed, known.as_ref()).await.map(Some),
        }
    }

    async fn act(&self, deed: &Deed<'_>, known: Option<&Known>) -> Result<Known, Error> {
        let announced = self.announce(deed).await?;
        match self.done(deed, known, &announced).await {
            Ok(known) => self.settle(announced, deed.application, known).await,
            Err(error) => {
                self.audit.conclude(announced, error.outcome()).await?;
                Err(error)
            }
        }
    }

    /// The intent is durable before the call, so that a crash in between is known to have been in doubt.
    async fn done(
        &self,
        deed: &Deed<'_>,
        known: Option<&Known>,
        announced: &Announced,
    ) -> Result<Known, Error> {
        let user = self.naming.user(deed.application, deed.stage);
        let foreign = match known {
            // Mint deleted it: what comes now is Mint's own.
            Some(known) if known.is_surely(Stage::Deleted) => false,
            Some(known) if known.username == user.username => known.foreign,
            Some(_) | None => self.issuer.exists(&user.username).await?,
        };
        let intent =
            Intent { username: user.username.clone(), stage: deed.stage, foreign, takes: deed.takes };
        self.state.intend(deed.order, &intent, self.clock.now()).await?;
        let client_id = self.ask(deed.stage, announced, &user).await?;
        let applied = Applied {
            client_id,
            stage: deed.stage,
            revision: deed.application.identity_revision,
            scopes: match deed.stage {
                Stage::Enabled => plan::wanted_scopes(deed.application).to_vec(),
                Stage::None | Stage::Disabled | Stage::Deleted => Vec::new(),
            },
        };
        self.state.apply(&deed.order.application, &applied, self.clock.now()).await
    }

    async fn ask(
        &self,
        stage: Stage,
        announced: &Announced,
        user: &ServiceUser,
    ) -> Result<Option<String>, Error> {
        if stage == Stage::Deleted {
            self.issuer.delete(announced, &user.username).await?;
            return Ok(None);
        }
        Ok(Some(self.issuer.put(announced, user).await?))
    }

    /// The issuer did it, whatever comes of telling the catalog and the log; whoever repeats the call tells them again.
    async fn settle(
        &self,
        announced: Announced,
        application: &Application,
        known: Known,
    ) -> Result<Known, Error> {
        let recorded = self.record(application, &known).await;
        self.audit.conclude(announced, Outcome::Success).await?;
        recorded?;
        self.state.settle(&application.id).await?;
        Ok(known)
    }

    async fn record(&self, application: &Application, known: &Known) -> Result<(), Error> {
        let Some(client_id) = known.client_id.clone().filter(|_| known.stage != Stage::Deleted) else {
            return Ok(());
        };
        let identity = Identity { username: known.username.clone(), client_id, foreign: known.foreign };
        if application.identity.as_ref() == Some(&identity) {
            return Ok(());
        }
        Ok(self.catalog.record_identity(&application.id, &identity).await?)
    }

    async fn announce(&self, deed: &Deed<'_>) -> Result<Announced, Error> {
        let act = Act {
            action: deed.action,
            application: Some(deed.order.application.clone()),
            kind: None,
            resource: self.naming.username(&deed.order.application),
            rotation: None,
            request: mint_runtime::request_id().unwrap_or_else(|| RequestId::random(self.entropy.as_ref())),
        };
        Ok(self.audit.announce(act).await?)
    }
}

fn unknown(order: &Order) -> Error {
    Error::UnknownIdentity(order.application.clone())
}

#[cfg(test)]
#[path = "execute_tests.rs"]
mod tests;
