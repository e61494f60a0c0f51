//! Create: make, test, seal, store.

mod fresh;
mod seal;
pub(super) mod test;

use mint_api::audit_log::{Announced, Outcome};
use mint_issuer_contract::{MadeBy, NewVersion, Subject};
use mint_secret::SealPublicKey;
use mint_types::{CredentialKind, Identity, IssuerObject};

use super::{CreateOrder, Order, Rotator, Verb, call_name, create_calls, failure, known_of, subject};
use crate::Error;
use crate::error::IssuerError;
use crate::ledger::{Begun, Failed, ToldOf};
use crate::plan::{self, CreatePlan};
use crate::state::{Instant, Made};
use fresh::{Fresh, Half};
use test::Tested;

const ACTION: &str = "credential.create";

/// A call that failed, with what it says about each attempt.
struct Failure {
    error: Error,
    attempts: Vec<(IssuerObject, Failed)>,
}

impl Rotator {
    /// Makes a version, or answers the one that this rotation made.
    pub async fn create(&self, create: &CreateOrder) -> Result<Made, Error> {
        let outcome = self.try_create(create).await;
        self.tell_refusal(&outcome, || self.act(ACTION, &create.order));
        outcome
    }

    async fn try_create(&self, create: &CreateOrder) -> Result<Made, Error> {
        let order = &create.order;
        let ledger = &self.parts.ledger;
        let _turn = self.turns.take(&order.application, order.ask.kind.issuer_objects()).await;
        ledger.admit(&order.application, order.token).await?;
        let state = ledger.load(&order.application, order.ask.rotation).await?;
        if let CreatePlan::Answer(made) = plan::create(&state, order.ask, &self.parts.rules, &self.now())? {
            return self.answer_again(order, *made, state.rotation(order.ask.rotation)).await;
        }
        if let Err(halted) = self.check_issuer().await
            && !state.is_revoking(order.ask.kind)
        {
            return Err(halted);
        }
        let record = self.parts.catalog.application(&order.application, create.revision).await?;
        if !record.revision.is_plausible(self.parts.clock.now()) {
            return Err(Error::ImplausibleRevision { application: record.id, revision: record.revision });
        }
        let identity = plan::check_record(&record, order.ask.kind)?;
        let username = self.username(&order.application);
        self.check_client(order, identity, &username).await?;
        let recipient = self.parts.distributor.seal_to().await?;
        self.parts.budget.take(create_calls(order.ask.kind, self.ends()), &self.parts.clock.monotonic())?;
        let announced = self.parts.audit.announce(order.act(ACTION, username.clone())).await?;
        match self.make(order, &announced, identity, &username, &recipient).await {
            Ok(made) => {
                self.conclude(announced, Outcome::Success, Some((order, ToldOf::Create))).await?;
                Ok(made)
            }
            Err(error) => {
                if matches!(error, Error::RejectedLogin { .. })
                    && order.ask.kind != CredentialKind::PublicClient
                {
                    self.issuer_lied(order, error.reason()).await;
                }
                Err(self.conclude_failed(announced, error).await)
            }
        }
    }

    /// Refuses, and tells the log, that the catalog calls another application's client this one's: whoever wrote that would
    /// be given the other's secret.
    async fn check_client(&self, order: &Order, identity: &Identity, username: &str) -> Result<(), Error> {
        let client_id = &identity.client_id;
        if self.parts.declaration.may_be_client(username, client_id) {
            return Ok(());
        }
        let (application, client_id) = (order.application.clone(), client_id.clone());
        let lie = Error::ForeignClient { application, client_id, username: username.to_owned() };
        let announced = self.parts.audit.announce(order.act(ACTION, username.to_owned())).await?;
        self.conclude(announced, failure(&lie), None).await?;
        Err(lie)
    }

    async fn answer_again(
        &self,
        order: &Order,
        made: Made,
        rotation: Option<&crate::state::Rotation>,
    ) -> Result<Made, Error> {
        if rotation.is_some_and(|rotation| !rotation.told.create) {
            self.tell_again(order, ACTION, ToldOf::Create).await?;
        }
        self.parts.ledger.overtake(&order.application, order.token).await?;
        Ok(made)
    }

    async fn make(
        &self,
        order: &Order,
        announced: &Announced,
        identity: &Identity,
        username: &str,
        recipient: &SealPublicKey,
    ) -> Result<Made, Error> {
        let ledger = &self.parts.ledger;
        let (application, ask) = (&order.application, order.ask);
        let intended = self.now();
        let begun = ledger
            .begin_create(application, order.token, ask, identity.foreign, &self.parts.rules, &intended)
            .await?;
        let (make, attempts) = match begun {
            Begun::Answer(made) => return Ok(*made),
            Begun::Make(make, attempts) => (make, attempts),
        };
        let tested = match self.make_and_test(ask.kind, announced, identity, username, &intended).await {
            Ok(tested) => tested,
            Err(failure) => {
                for (object, failed) in failure.attempts {
                    let number =
                        attempts.iter().find(|(known, _)| *known == object).map(|(_, number)| *number);
                    if let Some(number) = number {
                        ledger.attempt_failed(ask.rotation, object, number, failed, &self.now()).await?;
                    }
                }
                return Err(failure.error);
            }
        };
        let made = self.seal(order, &make, username, recipient, &tested)?;
        drop(tested);
        ledger.store_made(application, ask, &made, &attempts, &self.now()).await?;
        Ok(made)
    }

    async fn make_and_test(
        &self,
        kind: CredentialKind,
        announced: &Announced,
        identity: &Identity,
        username: &str,
        intended: &Instant,
    ) -> Result<Tested, Failure> {
        let half = async |object| {
            let subject = subject(object, username, &identity.client_id);
            self.make_half(announced, subject, intended).await
        };
        let fresh = match kind {
            CredentialKind::Password => Fresh::Password(half(IssuerObject::User).await?),
            CredentialKind::Client => Fresh::Client(half(IssuerObject::Client).await?),
            CredentialKind::Combined => {
                let password = half(IssuerObject::User).await.map_err(|mut failure| {
                    // the client's intent was durable, but its call was never sent
                    failure.attempts.push((IssuerObject::Client, Failed::Void(failure.error.reason())));
                    failure
                })?;
                let client = half(IssuerObject::Client).await.map_err(|mut failure| {
                    failure.attempts.push((IssuerObject::User, Failed::Stray(failure.error.reason())));
                    failure
                })?;
                Fresh::Combined(password, client)
            }
            CredentialKind::PublicClient => Fresh::Public(identity.client_id.clone()),
        };
        self.test(username, fresh).await.map_err(|error| {
            let stray = |object: IssuerObject| (object, Failed::Stray(error.reason()));
            Failure { attempts: plan::objects_made(kind, self.ends()).map(stray).collect(), error }
        })
    }

    /// One half of a version: made at the issuer, or here if the issuer learns of it only once a destination has it.
    async fn make_half(
        &self,
        announced: &Announced,
        subject: Subject<'_>,
        intended: &Instant,
    ) -> Result<Half, Failure> {
        let declared = self.parts.declaration.of(subject.object);
        let value = match &declared.made_by {
            MadeBy::Issuer => None,
            MadeBy::Mint(recipe) => Some(recipe.make(self.parts.entropy.as_ref())),
        };
        let client_id = subject.client_id.to_owned();
        if !declared.ends.makes_beside() {
            let unsupported =
                IssuerError::Unsupported("its driver sets values and says that the issuer makes them");
            let secret = value.ok_or(unsupported).map_err(|error| failed_create(subject.object, error))?;
            return Ok(Half { handle: None, client_id, secret });
        }
        let made = self.within_life(intended, self.parts.issuer.create(announced, subject, value)).await;
        let NewVersion { handle, client_id: fresh_id, secret } =
            made.map_err(|error| failed_create(subject.object, error))?;
        Ok(Half { handle: Some(handle), client_id: fresh_id.unwrap_or(client_id), secret })
    }
}

fn failed_create(object: IssuerObject, error: IssuerError) -> Failure {
    let call = call_name(Verb::Create, object);
    let attempts = vec![(object, known_of(&error))];
    Failure { error: Error::Issuer { call, error }, attempts }
}
