//! Doing it: announce, intend, act, remember, record, conclude.

mod look;
mod redirect;
mod release;
mod strays;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mint_api::InvalidMessage;
use mint_api::audit_log::{Act, Announced, AuditLog, Outcome};
use mint_port::Port;
use mint_runtime::Refusals;
use mint_types::{Application, ApplicationId, Clock, Entropy, Identity, RequestId};
use tokio_util::task::TaskTracker;

pub use look::Look;
pub use redirect::Unconfirmed;
pub use release::{Budgeted, Permit, Released};
pub use strays::Removed;

use crate::{
    Error,
    elapsed::Moment,
    model::{Known, Naming, Order, ServiceUser, Stage},
    plan::{self, Step, Taking},
    ports::{Catalog, IdentityIssuer},
    redirect::Ruling,
    state::{Applied, Intent, State},
    statements::Statements,
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
    /// For how long a disabled identity is restorable.
    pub tombstone: Duration,
    /// Who is believed, and what permits are signed with.
    pub statements: Statements,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for ids.
    pub entropy: Arc<dyn Entropy>,
    turns: Turns,
    refusals: Refusals,
    /// What the last look at the issuer's users saw.
    seen: Mutex<Option<Look>>,
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
    /// For how long a disabled identity is restorable.
    pub tombstone: Duration,
    /// Who is believed, and what permits are signed with.
    pub statements: Statements,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for ids.
    pub entropy: Arc<dyn Entropy>,
    /// Work that an answer does not wait for, and a drain does.
    pub background: TaskTracker,
}

/// One act on one identity.
struct Deed<'d> {
    order: &'d Order,
    application: &'d Application,
    action: &'static str,
    stage: Stage,
    takes: Option<Taking>,
    must_exist: bool,
    ruling: Ruling,
}

/// What an order comes down to.
#[derive(Debug, Clone, Copy)]
struct Aim {
    action: &'static str,
    stage: Stage,
    /// The user has to be there already.
    must_exist: bool,
}

impl Aim {
    fn of(action: &'static str, stage: Stage) -> Self {
        Self { action, stage, must_exist: false }
    }
}

impl Provisioner {
    /// Out of its parts.
    pub fn new(parts: Parts) -> Self {
        let Parts {
            issuer,
            catalog,
            audit,
            state,
            naming,
            tombstone,
            statements,
            clock,
            entropy,
            background,
        } = parts;
        let refusals = Refusals::new(audit.clone(), Arc::clone(&clock), background);
        Self {
            issuer,
            catalog,
            audit,
            state,
            naming,
            tombstone,
            statements,
            clock,
            entropy,
            turns: Turns::default(),
            refusals,
            seen: Mutex::default(),
        }
    }

    /// Makes the user and client exist as the catalog says.
    pub async fn ensure(&self, order: &Order) -> Result<Known, Error> {
        let aim = Aim::of("identity.ensure", Stage::Enabled);
        self.bring(order, aim, plan::ensure).await?.ok_or_else(|| unknown(order))
    }

    /// Makes an existing user the application's; refused if there is none.
    pub async fn adopt(&self, order: &Order) -> Result<Known, Error> {
        let aim = Aim { must_exist: true, ..Aim::of("identity.adopt", Stage::Enabled) };
        self.bring(order, aim, plan::adopt).await?.ok_or_else(|| unknown(order))
    }

    /// Gives a disabled identity its scopes back.
    pub async fn enable(&self, order: &Order) -> Result<(), Error> {
        let aim = Aim::of("identity.enable", Stage::Enabled);
        self.bring(order, aim, plan::enable).await.map(drop)
    }

    /// The same, as an operator decided: also for an application that the registry lost.
    pub async fn restore(&self, order: &Order) -> Result<Known, Error> {
        let aim = Aim::of("identity.restore", Stage::Enabled);
        self.bring(order, aim, plan::restore).await?.ok_or_else(|| unknown(order))
    }

    /// Takes every scope; answers what is left, if there was anything to take them from.
    pub async fn disable(&self, order: &Order) -> Result<Option<Known>, Error> {
        let step =
            |known: Option<&Known>, application: &Application, _: &Naming| plan::disable(known, application);
        self.bring(order, Aim::of("identity.disable", Stage::Disabled), step).await
    }

    /// Deletes an identity that was disabled for the tombstone period.
    pub async fn delete(&self, order: &Order) -> Result<(), Error> {
        let now = self.state.counted(&self.moment()).await?;
        let step = |known: Option<&Known>, application: &Application, _: &Naming| {
            plan::delete(known, application, now, self.tombstone)
        };
        self.bring(order, Aim::of("identity.delete", Stage::Deleted), step).await.map(drop)
    }

    /// What is known.
    pub async fn identity(&self, application: &ApplicationId) -> Result<Known, Error> {
        let known = self.state.known(application).await?;
        known.ok_or_else(|| Error::UnknownIdentity(application.clone()))
    }

    async fn bring(
        &self,
        order: &Order,
        aim: Aim,
        step: impl Fn(Option<&Known>, &Application, &Naming) -> Result<Step, plan::Refusal>,
    ) -> Result<Option<Known>, Error> {
        let outcome = self.try_bring(order, aim, step).await;
        self.tell_refusal(aim.action, Some(&order.application), &outcome);
        outcome
    }

    /// What nobody honest asks for stands in the log, although nothing was done.
    fn tell_refusal<T>(
        &self,
        action: &'static str,
        application: Option<&ApplicationId>,
        outcome: &Result<T, Error>,
    ) {
        if let Some(error) = outcome.as_ref().err().filter(|error| error.is_refusal()) {
            self.tell_of(action, application, error);
        }
    }

    fn tell_of(&self, action: &'static str, application: Option<&ApplicationId>, error: &Error) {
        let request = mint_runtime::request_id().unwrap_or_else(|| RequestId::random(self.entropy.as_ref()));
        let resource = application.map_or_else(|| "a statement".to_owned(), |id| self.naming.username(id));
        let application = application.cloned();
        let act = Act { action, application, kind: None, resource, rotation: None, request };
        self.refusals.tell(act, error.reason());
    }

    /// A message about an application that nobody honest sends: the log hears of it, too.
    pub(crate) fn tell_of_invalid(
        &self,
        action: &'static str,
        application: &str,
        invalid: InvalidMessage,
    ) -> Error {
        let error = Error::from(invalid);
        if let Ok(application) = application.parse() {
            self.tell_of(action, Some(&application), &error);
        }
        error
    }

    /// The record, unless it is from further ahead than any clock: what is remembered of it would make every true one that
    /// comes after it look applied.
    async fn record_of(&self, order: &Order) -> Result<Application, Error> {
        let record = self.catalog.application(&order.application, order.revision).await?;
        let now = self.clock.now();
        let ahead =
            [record.revision, record.identity_revision].into_iter().find(|own| !own.is_plausible(now));
        match ahead {
            Some(revision) => Err(Error::ImplausibleRevision { application: record.id, revision }),
            None => Ok(record),
        }
    }

    async fn try_bring(
        &self,
        order: &Order,
        aim: Aim,
        step: impl Fn(Option<&Known>, &Application, &Naming) -> Result<Step, plan::Refusal>,
    ) -> Result<Option<Known>, Error> {
        // Before the turn: whoever holds it with a lower token stops at its next check.
        self.state.fence(order).await?;
        let _turn = self.turns.take(&order.application).await;
        let application = self.record_of(order).await?;
        let known = self.state.known(&order.application).await?;
        let (application, ruling) = &self.pinned(application, known.as_ref()).await?;
        let step = match (step(known.as_ref(), application, &self.naming)?, &known) {
            // by its revision nothing changed in the catalog, but somebody's word counts by now
            (Step::Answer | Step::Settle, Some(known))
                if ruling.is_newly_said && aim.stage == Stage::Enabled =>
            {
                plan::put_again(known, application)
            }
            (step, _) => step,
        };
        let takes = if let Step::Act { takes } = step { takes } else { None };
        let Aim { action, stage, must_exist } = aim;
        let ruling = ruling.clone();
        let deed = Deed { order, application, action, stage, takes, must_exist, ruling };
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
                self.hold(deed.order.application.as_str(), deed.takes, &error).await?;
                Err(error)
            }
        }
    }

    /// Whoever waits for the budget is shown to the operator until it is served.
    async fn hold(&self, subject: &str, takes: Option<Taking>, error: &Error) -> Result<(), Error> {
        match error {
            Error::BudgetExhausted { .. } => {
                // that a user existed before shows only when the issuer was asked
                let takes = takes.unwrap_or(Taking::Scopes);
                self.state.wait(subject, takes, self.clock.now()).await
            }
            _ => Ok(()),
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
            Some(_) | None if deed.must_exist => self.found(&user.username).await?,
            // Mint deleted it, or it is gone: what comes now is Mint's own.
            Some(known) if known.is_surely(Stage::Deleted) || known.vanished_at.is_some() => false,
            Some(known) if known.username == user.username => known.foreign,
            Some(_) | None => self.issuer.exists(&user.username).await?,
        };
        let is_put = deed.stage != Stage::Deleted;
        let takes = match deed.stage {
            Stage::Enabled => {
                plan::takes_over(known, deed.application, &user.username, foreign)?.or(deed.takes)
            }
            Stage::None | Stage::Disabled | Stage::Deleted => deed.takes,
        };
        if is_put {
            self.tell_of_client(&deed.application.id, &deed.ruling).await?;
        }
        let intent = Intent {
            username: user.username.clone(),
            stage: deed.stage,
            foreign,
            takes,
            // before anybody entered settings there is nothing to pin
            pin: (is_put && deed.application.settings_generation > 0).then(|| deed.ruling.pin.clone()),
        };
        self.state.intend(deed.order, &intent, &self.moment()).await?;
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
        self.state.apply(&deed.order.application, &applied, &self.moment()).await
    }

    async fn found(&self, username: &str) -> Result<bool, Error> {
        if self.issuer.exists(username).await? { Ok(true) } else { Err(plan::Refusal::NoUser.into()) }
    }

    fn moment(&self) -> Moment {
        Moment::of(self.clock.as_ref())
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
        let application = deed.order.application.clone();
        let resource = self.naming.username(&application);
        self.say(deed.action, Some(application), resource).await
    }

    async fn say(
        &self,
        action: &'static str,
        application: Option<ApplicationId>,
        resource: String,
    ) -> Result<Announced, Error> {
        let request = mint_runtime::request_id().unwrap_or_else(|| RequestId::random(self.entropy.as_ref()));
        let act = Act { action, application, kind: None, resource, rotation: None, request };
        Ok(self.audit.announce(act).await?)
    }
}

fn unknown(order: &Order) -> Error {
    Error::UnknownIdentity(order.application.clone())
}

#[cfg(test)]
#[path = "execute_tests.rs"]
mod tests;
