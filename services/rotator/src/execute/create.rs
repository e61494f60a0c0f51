//! Create: make, test, seal, store.

use std::sync::Arc;

use mint_api::audit_log::{Announced, Outcome};
use mint_secret::{
    EnvelopeDigest, KeyUse, ObjectBody, Purpose, SealPublicKey, SecretValue, Stamp, Subject, seal,
};
use mint_types::{CredentialKind, Identity, IssuerObject, VersionId};

use super::{CreateOrder, Order, Rotator, create_calls, failure};
use crate::Error;
use crate::error::IssuerError;
use crate::ledger::{Begun, Failed, ToldOf};
use crate::plan::{self, CreatePlan, Make};
use crate::ports::{ClientLogin, LoginVerdict, NewClient, NewPassword, PublicVerdict};
use crate::state::{Envelopes, Made};

const ACTION: &str = "credential.create";

/// What the issuer made, in memory only.
enum Fresh {
    Password(NewPassword),
    Client(NewClient),
    Combined(NewPassword, NewClient),
    Public(String),
}

/// Proof that the issuer accepted a login with a fresh version; sealing takes it.
struct Tested(Arc<Fresh>);

/// A call that failed, with what it says about each attempt.
struct Failure {
    error: Error,
    attempts: Vec<(IssuerObject, Failed)>,
}

impl Rotator {
    /// Makes a version, or answers the one that this rotation made.
    pub async fn create(&self, create: &CreateOrder) -> Result<Made, Error> {
        let order = &create.order;
        let ledger = &self.parts.ledger;
        let _turn = self.turns.take(&order.application, order.ask.kind.issuer_objects()).await;
        ledger.admit(&order.application, order.token).await?;
        let state = ledger.load(&order.application, order.ask.rotation).await?;
        if let CreatePlan::Answer(made) = plan::create(&state, order.ask, &self.parts.rules, &self.now())? {
            return self.answer_again(order, *made, state.rotation(order.ask.rotation)).await;
        }
        let record = self.parts.catalog.application(&order.application, create.revision).await?;
        let identity = plan::check_record(&record, order.ask.kind)?;
        let recipient = self.parts.distributor.seal_to().await?;
        let username = self.username(&order.application);
        self.parts.budget.take(create_calls(order.ask.kind), &self.parts.clock.monotonic())?;
        let announced = self.parts.audit.announce(order.act(ACTION, username.clone())).await?;
        match self.make(order, &announced, identity, &username, &recipient).await {
            Ok(made) => {
                self.conclude(announced, Outcome::Success, Some((order.ask.rotation, ToldOf::Create)))
                    .await?;
                Ok(made)
            }
            Err(error) => {
                // the error that is answered is the issuer's; that the log lacks the outcome shows in the log
                if let Err(untold) = self.conclude(announced, failure(&error), None).await {
                    tracing::warn!(code = untold.reason(), "the outcome of a failed act is not in the log");
                }
                Err(error)
            }
        }
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
        let begun = ledger
            .begin_create(application, order.token, ask, identity.foreign, &self.parts.rules, &self.now())
            .await?;
        let (make, attempts) = match begun {
            Begun::Answer(made) => return Ok(*made),
            Begun::Make(make, attempts) => (make, attempts),
        };
        let tested = match self.make_and_test(ask.kind, announced, identity, username).await {
            Ok(tested) => tested,
            Err(failure) => {
                for (object, failed) in failure.attempts {
                    let number =
                        attempts.iter().find(|(known, _)| *known == object).map(|(_, number)| *number);
                    if let Some(number) = number {
                        ledger.attempt_failed(ask.rotation, object, number, failed).await?;
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
    ) -> Result<Tested, Failure> {
        let issuer = &self.parts.issuer;
        let fresh = match kind {
            CredentialKind::Password => {
                let password = issuer.create_password(announced, username).await;
                Fresh::Password(
                    password.map_err(|error| failed("create password", IssuerObject::User, error))?,
                )
            }
            CredentialKind::Client => {
                let client = issuer.create_client(announced, username, &identity.client_id).await;
                Fresh::Client(client.map_err(|error| failed("create client", IssuerObject::Client, error))?)
            }
            CredentialKind::Combined => {
                let password = issuer.create_password(announced, username).await.map_err(|error| {
                    let mut failure = failed("create password", IssuerObject::User, error);
                    // the client's intent was durable, but its call was never sent
                    failure.attempts.push((IssuerObject::Client, Failed::Void(failure.error.reason())));
                    failure
                })?;
                let client = issuer.create_client(announced, username, &identity.client_id).await;
                let client = client.map_err(|error| {
                    let mut failure = failed("create client", IssuerObject::Client, error);
                    failure.attempts.push((IssuerObject::User, Failed::Stray(failure.error.reason())));
                    failure
                })?;
                Fresh::Combined(password, client)
            }
            CredentialKind::PublicClient => Fresh::Public(identity.client_id.clone()),
        };
        self.test(username, fresh).await.map_err(|error| {
            let stray = |object: &IssuerObject| (*object, Failed::Stray(error.reason()));
            Failure { attempts: plan::objects_asked(kind).iter().map(stray).collect(), error }
        })
    }

    /// Logs in with what was made, once more after a pause if need be, and revokes the token beside the answer.
    async fn test(&self, username: &str, fresh: Fresh) -> Result<Tested, Error> {
        let fresh = Arc::new(fresh);
        let mut verdict = self.log_in(username, &fresh).await;
        if is_worth_repeating(&verdict) {
            tokio::time::sleep(self.parts.rules.login_pause).await;
            verdict = self.log_in(username, &fresh).await;
        }
        let token = match verdict.map_err(|error| Error::Issuer { call: "login", error })? {
            LoginVerdict::Accepted(token) => token,
            LoginVerdict::Refused(error) => return Err(Error::RejectedLogin { error }),
        };
        self.revoke_beside(token, Arc::clone(&fresh));
        Ok(Tested(fresh))
    }

    /// Revokes the test's token in a task that the answer does not wait for and a drain does. A token that stays
    /// expires by itself, so a failure is only logged.
    fn revoke_beside(&self, token: SecretValue, fresh: Arc<Fresh>) {
        if token.is_empty() {
            return;
        }
        let login = Arc::clone(&self.parts.login);
        self.parts.background.spawn(async move {
            let client = match fresh.as_ref() {
                Fresh::Client(client) | Fresh::Combined(_, client) => Some(client_login(client)),
                Fresh::Password(_) | Fresh::Public(_) => None,
            };
            if let Err(error) = login.revoke(&token, client).await {
                tracing::warn!(code = error.reason(), %error, "the token of a test login was not revoked");
            }
        });
    }

    async fn log_in(&self, username: &str, fresh: &Fresh) -> Result<LoginVerdict, IssuerError> {
        let login = &self.parts.login;
        match fresh {
            Fresh::Password(made) => login.password(username, &made.password).await,
            Fresh::Client(made) => login.client(client_login(made)).await,
            Fresh::Combined(password, client) => {
                login.password_and_client(username, &password.password, client_login(client)).await
            }
            Fresh::Public(client_id) => match login.public_client(client_id).await? {
                // there is no token to revoke
                PublicVerdict::Known => Ok(LoginVerdict::Accepted(SecretValue::new(String::new()))),
                PublicVerdict::Unknown(code) => Ok(LoginVerdict::Refused(code)),
            },
        }
    }
}

impl Rotator {
    /// Seals the tested version to the distributor and to ourselves, and signs both.
    fn seal(
        &self,
        order: &Order,
        make: &Make,
        username: &str,
        recipient: &SealPublicKey,
        tested: &Tested,
    ) -> Result<Made, Error> {
        let (entropy, keys) = (self.parts.entropy.as_ref(), &self.parts.keys);
        let (application, kind) = (&order.application, order.ask.kind);
        let version_id = VersionId::random(entropy);
        let stamp = Stamp { version_id, issued_at: self.parts.clock.now() };
        let fresh = tested.0.as_ref();
        let body = fresh.object(username, stamp)?;
        let (public, secrets) = fresh.fingerprinted(username);
        let fingerprint = keys.fingerprint()?.fingerprint(application, kind, &public, &secrets)?;
        let signer = keys.signing(KeyUse::RotatorSign)?;
        let subject = |purpose| Subject {
            purpose,
            application: application.clone(),
            kind,
            version: make.version,
            version_id,
            rotation: order.ask.rotation,
        };
        let delivery = seal(recipient, signer, subject(Purpose::Delivery), body.expose(), entropy)?;
        let probe_key = keys.seal_public(KeyUse::RotatorProbe)?;
        let probe = seal(&probe_key, signer, subject(Purpose::Probe), body.expose(), entropy)?;
        let (password_txid, client_txid) = fresh.handles();
        Ok(Made {
            version: make.version,
            version_id,
            fingerprint: fingerprint.as_str().to_owned(),
            previous: make.previous,
            digest: EnvelopeDigest::of(&delivery),
            envelopes: Some(Envelopes { delivery, probe }),
            password_txid,
            client_txid,
        })
    }
}

impl Fresh {
    fn object(&self, username: &str, stamp: Stamp) -> Result<ObjectBody, mint_secret::Error> {
        match self {
            Self::Password(made) => ObjectBody::user(username, &made.password, stamp),
            Self::Client(made) => ObjectBody::client(&made.client_id, Some(&made.client_secret), stamp),
            Self::Combined(password, client) => {
                let secret = &client.client_secret;
                ObjectBody::combined(username, &password.password, &client.client_id, secret, stamp)
            }
            Self::Public(client_id) => ObjectBody::client(client_id, None, stamp),
        }
    }

    fn fingerprinted<'a>(&'a self, username: &'a str) -> (Vec<&'a str>, Vec<&'a SecretValue>) {
        match self {
            Self::Password(made) => (vec![username], vec![&made.password]),
            Self::Client(made) => (vec![&made.client_id], vec![&made.client_secret]),
            Self::Combined(password, client) => {
                (vec![username, &client.client_id], vec![&password.password, &client.client_secret])
            }
            Self::Public(client_id) => (vec![client_id], Vec::new()),
        }
    }

    /// The handles of the commits: of the password, of the client.
    fn handles(&self) -> (Option<String>, Option<String>) {
        match self {
            Self::Password(made) => (Some(made.txid.clone()), None),
            Self::Client(made) => (None, Some(made.txid.clone())),
            Self::Combined(password, client) => (Some(password.txid.clone()), Some(client.txid.clone())),
            Self::Public(_) => (None, None),
        }
    }
}

fn client_login(made: &NewClient) -> ClientLogin<'_> {
    ClientLogin { id: &made.client_id, secret: &made.client_secret }
}

/// A pause that the issuer asks for, or our own broken access, does not get better within a second.
fn is_worth_repeating(verdict: &Result<LoginVerdict, IssuerError>) -> bool {
    match verdict {
        Ok(LoginVerdict::Refused(_)) | Err(IssuerError::NotSent(_) | IssuerError::Unknown(_)) => true,
        Ok(LoginVerdict::Accepted(_))
        | Err(
            IssuerError::RateLimited { .. }
            | IssuerError::OwnAccess(_)
            | IssuerError::Refused { .. }
            | IssuerError::Malformed(_),
        ) => false,
    }
}

fn failed(call: &'static str, object: IssuerObject, error: IssuerError) -> Failure {
    let reason = error.reason();
    let attempt = if error.surely_without_effect() {
        Failed::Void(reason)
    } else if error.was_answered() {
        Failed::Stray(reason)
    } else {
        Failed::Unknown(reason)
    };
    Failure { error: Error::Issuer { call, error }, attempts: vec![(object, attempt)] }
}
