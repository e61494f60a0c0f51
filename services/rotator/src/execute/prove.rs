//! Prove: log in once with the ended version, and see it refused.

use std::time::Duration;

use mint_api::audit_log::{Announced, Outcome};
use mint_secret::{Expected, KeyUse, Object, Purpose, SecretValue, VerifyKeys, open, parse};
use mint_types::{ApplicationId, CredentialKind, Version};

use super::{Order, Rotator};
use crate::Error;
use crate::error::IssuerError;
use crate::ledger::ToldOf;
use crate::plan::{self, ProvePlan};
use crate::ports::{ClientLogin, LoginVerdict};

const ACTION: &str = "credential.prove";

/// What a login with an ended version showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The issuer refuses it.
    Dead,
    /// The issuer still accepts it after its grace: an alarm.
    Alive,
    /// Nothing of ours ended.
    NothingToProve,
    /// The grace has not passed; ask again after this.
    Wait(Duration),
}

/// The halves of a version that come out of its probe envelope, in memory only.
pub(super) struct Plain {
    /// User name and password.
    pub(super) user: Option<(String, SecretValue)>,
    /// Client id and secret.
    pub(super) client: Option<(String, SecretValue)>,
}

impl Rotator {
    /// Proves the version dead that a rotation ended. Trouble on the way is an error, never a verdict.
    pub async fn prove(&self, order: &Order, probe_envelope: &[u8]) -> Result<Proof, Error> {
        let outcome = self.try_prove(order, probe_envelope).await;
        self.tell_refusal(&outcome, || self.act(ACTION, order));
        outcome
    }

    async fn try_prove(&self, order: &Order, probe_envelope: &[u8]) -> Result<Proof, Error> {
        let _turn = self.turns.take(&order.application, order.ask.kind.issuer_objects()).await;
        let ledger = &self.parts.ledger;
        ledger.overtake(&order.application, order.token).await?;
        let state = ledger.load(&order.application, order.ask.rotation).await?;
        let version = match plan::prove(&state, order.ask, &self.parts.rules, &self.now())? {
            ProvePlan::NothingToProve => return Ok(Proof::NothingToProve),
            ProvePlan::Wait(left) => return Ok(Proof::Wait(left)),
            ProvePlan::Alive => return Ok(Proof::Alive),
            ProvePlan::Dead => {
                if state.rotation(order.ask.rotation).is_some_and(|rotation| !rotation.told.prove) {
                    self.tell_again(order, ACTION, ToldOf::Prove).await?;
                }
                return Ok(Proof::Dead);
            }
            ProvePlan::Login(version) => version,
        };
        let ended = self.open_probe(&order.application, order.ask.kind, version, probe_envelope)?;
        self.parts.budget.take(ended.logins(), &self.parts.clock.monotonic())?;
        let announced =
            self.parts.audit.announce(order.act(ACTION, self.username(&order.application))).await?;
        let verdict = match self.is_alive(&announced, &ended).await {
            Ok(true) => {
                let alive = Outcome::Failure { reason: "PREVIOUS_VERSION_ALIVE" };
                ledger.proof_failed(order.ask.rotation, true, &self.now()).await?;
                self.issuer_lied(order, "PREVIOUS_VERSION_ALIVE").await;
                self.conclude(announced, alive, None).await?;
                return Ok(Proof::Alive);
            }
            Ok(false) => {
                ledger.dead(&order.application, order.ask.rotation, &self.now());
                Ok(())
            }
            Err(error) => {
                if !error.surely_without_effect() {
                    // the issuer may have counted a failed login
                    ledger.proof_failed(order.ask.rotation, false, &self.now()).await?;
                }
                Err(Error::Issuer { call: "login", error })
            }
        };
        match verdict {
            Ok(()) => {
                self.conclude(announced, Outcome::Success, Some((order, ToldOf::Prove))).await?;
                Ok(Proof::Dead)
            }
            Err(error) => Err(self.conclude_failed(announced, error).await),
        }
    }

    /// Opens our own envelope, if it is of this version.
    pub(super) fn open_probe(
        &self,
        application: &ApplicationId,
        kind: CredentialKind,
        version: Version,
        envelope: &[u8],
    ) -> Result<Plain, Error> {
        let keys = &self.parts.keys;
        let verifiers = VerifyKeys::of(KeyUse::RotatorSign, keys.published());
        let expected = Expected { purpose: Purpose::Probe, application, rotation: None };
        let opened = open(keys.seal_keys(KeyUse::RotatorProbe)?, &verifiers, envelope, expected);
        let (aad, plaintext) = opened.map_err(|error| match error {
            mint_secret::Error::NotOurs(_) | mint_secret::Error::Unopenable(_) => {
                Error::EnvelopeUnopenable(error)
            }
            other => Error::EnvelopeInvalid(other.to_string()),
        })?;
        plan::check_probe(&aad, kind, version)?;
        Ok(Plain::of(parse(kind, &plaintext)?))
    }

    /// Whether any half of the ended version still opens a door. Both halves are tried, one login each.
    async fn is_alive(&self, _announced: &Announced, ended: &Plain) -> Result<bool, IssuerError> {
        let login = &self.parts.login;
        let mut alive = false;
        if let Some((username, password)) = &ended.user
            && let LoginVerdict::Accepted(token) = login.password(username, password).await?
        {
            alive = true;
            self.revoke_proof(token, None);
        }
        if let Some((id, secret)) = &ended.client
            && let LoginVerdict::Accepted(token) = login.client(ClientLogin { id, secret }).await?
        {
            alive = true;
            self.revoke_proof(token, ended.client.as_ref());
        }
        Ok(alive)
    }

    /// Ends the token of a login that only was to prove something, as the client it was issued to; nobody waits for it.
    pub(super) fn revoke_proof(&self, token: SecretValue, client: Option<&(String, SecretValue)>) {
        let login = self.parts.login.clone();
        let client = client.map(|(id, secret)| (id.clone(), SecretValue::new(secret.expose().to_owned())));
        self.parts.background.spawn(async move {
            let client = client.as_ref().map(|(id, secret)| ClientLogin { id, secret });
            if let Err(error) = login.revoke(&token, client).await {
                tracing::warn!(code = error.reason(), %error, "the token of a proof was not revoked");
            }
        });
    }
}

impl Plain {
    fn of(object: Object) -> Self {
        match object {
            Object::User { username, password, .. } => {
                Self { user: Some((username, password)), client: None }
            }
            Object::Client { client_id, client_secret, .. } => {
                Self { user: None, client: client_secret.map(|secret| (client_id, secret)) }
            }
            Object::Combined { username, password, client_id, client_secret, .. } => Self {
                user: Some((username, password)),
                client: client_secret.map(|secret| (client_id, secret)),
            },
            Object::Tombstone => Self { user: None, client: None },
        }
    }

    fn logins(&self) -> u32 {
        u32::from(self.user.is_some()) + u32::from(self.client.is_some())
    }
}
