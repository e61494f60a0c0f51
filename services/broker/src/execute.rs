//! Small code that acts: announce, sign, exchange, conclude.

use std::sync::Arc;
use std::time::Duration;

use mint_api::audit_log::{Act, Announced, Behalf, Outcome};
use mint_port::Port;
use mint_types::{Clock, Entropy, RequestId, Timestamp};
use tokio_util::task::TaskTracker;

use crate::flights::Flights;
use crate::grants::{Grant, GrantTable, Subject};
use crate::metrics::Metrics;
use crate::names::IdempotencyKey;
use crate::plan::{Next, Progress, fresh_until, outcome_of};
use crate::ports::{AwsCredentials, Ledger, StsFault, TokenExchange};
use crate::refusal::Refusal;
use crate::shelf::{Answer, Obtained, Shelf, Signed, other_call};
use crate::signing::KeyBook;
use crate::turns::Turns;

/// What an audit row of this broker says where an older one has a role's ARN.
pub const REQUESTED_ROLE: &str = "data-role-via-jwt";

/// A call of somebody who was recognized.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Who asks.
    pub subject: Subject,
    /// The repeat's key, if there is one.
    pub key: Option<IdempotencyKey>,
    /// The call.
    pub request: RequestId,
}

/// Calls that share one answer: each its own, except those of one `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Call {
    Single(RequestId),
    Keyed(IdempotencyKey),
}

/// How much of what.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Between two calls of a subject, at an even pace.
    pub interval: Duration,
    /// Calls that may come at once.
    pub burst: u32,
    /// Before their end, credentials are not handed out any more.
    pub margin: Duration,
}

/// What the broker is made of.
#[derive(Debug)]
pub struct Parts {
    /// Signs.
    pub keys: Arc<KeyBook>,
    /// Who may what.
    pub grants: GrantTable,
    /// STS.
    pub sts: Port<dyn TokenExchange>,
    /// The audit log.
    pub ledger: Port<dyn Ledger>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for ids.
    pub entropy: Arc<dyn Entropy>,
    /// What is counted.
    pub metrics: Metrics,
}

/// The broker.
#[derive(Debug)]
pub struct Broker {
    parts: Parts,
    margin: Duration,
    turns: Turns,
    shelf: Shelf,
    tokens: Flights<(Subject, Call), Result<Arc<Signed>, Refusal>>,
    exchanges: Flights<Subject, Result<Arc<Obtained>, Refusal>>,
}

impl Broker {
    /// The process waits for what runs in `tasks` before it ends.
    pub fn new(parts: Parts, bounds: Bounds, tasks: &TaskTracker) -> Arc<Self> {
        Arc::new(Self {
            parts,
            margin: bounds.margin,
            turns: Turns::new(bounds.interval, bounds.burst),
            shelf: Shelf::default(),
            tokens: Flights::new(tasks.clone()),
            exchanges: Flights::new(tasks.clone()),
        })
    }

    /// The signing keys.
    pub fn keys(&self) -> &KeyBook {
        &self.parts.keys
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// The id of a call that came without one.
    pub fn request_id(&self) -> RequestId {
        RequestId::random(self.parts.entropy.as_ref())
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.parts.metrics
    }

    /// Whether anything is granted to the subject.
    pub fn knows(&self, subject: &Subject) -> bool {
        self.parts.grants.of(subject, self.now()).is_ok()
    }

    /// Signs an identity token for the subject's grant.
    pub async fn token(self: &Arc<Self>, asked: Asked) -> Result<Arc<Signed>, Refusal> {
        let grant = self.admitted(&asked.subject)?;
        match self.repeated(&grant, asked.key.as_ref()) {
            Some(Answer::Token(signed)) => return Ok(signed),
            Some(Answer::Credentials(_)) => return Err(other_call()),
            None => {}
        }
        let call = asked.key.clone().map_or(Call::Single(asked.request), Call::Keyed);
        let flight = (asked.subject.clone(), call);
        let (broker, own) = (Arc::clone(self), Arc::clone(&grant));
        let signed = self.tokens.join(&flight, async move { broker.sign(&own, asked).await }).await;
        signed.ok_or(Refusal::Internal("the task that signs was lost"))?
    }

    /// Temporary credentials for the subject's grant: those at hand while they are fresh, else STS's.
    pub async fn credentials(self: &Arc<Self>, asked: Asked) -> Result<Arc<Obtained>, Refusal> {
        let grant = self.admitted(&asked.subject)?;
        match self.repeated(&grant, asked.key.as_ref()) {
            Some(Answer::Credentials(obtained)) => return Ok(obtained),
            Some(Answer::Token(_)) => return Err(other_call()),
            None => {}
        }
        let key = asked.key.clone();
        let obtained = match self.shelf.fresh(&grant, self.now()) {
            Some(fresh) => fresh,
            None => self.exchanged(&grant, asked).await?,
        };
        if let Some(key) = key {
            self.shelf.remember(&grant, key, Answer::Credentials(Arc::clone(&obtained)), self.now());
        }
        Ok(obtained)
    }

    /// The subject's grant, if it is its turn.
    fn admitted(&self, subject: &Subject) -> Result<Arc<Grant>, Refusal> {
        let grant = self.parts.grants.of(subject, self.now())?;
        self.turns.take(subject, self.parts.clock.as_ref())?;
        Ok(grant)
    }

    fn repeated(&self, grant: &Grant, key: Option<&IdempotencyKey>) -> Option<Answer> {
        self.shelf.answered(grant, key?, self.now())
    }

    async fn sign(&self, grant: &Arc<Grant>, asked: Asked) -> Result<Arc<Signed>, Refusal> {
        let announced = self.announce("identity-token.sign", grant, asked.request).await?;
        let audit_leaf = announced.leaf_index();
        let signed = self.parts.keys.sign(grant, self.now(), self.request_id());
        let outcome = match &signed {
            Ok(_) => Outcome::Success,
            Err(refusal) => Outcome::Failure { reason: refusal.reason() },
        };
        self.conclude(announced, outcome).await?;
        let signed = Arc::new(Signed { token: signed?, audit_leaf });
        if let Some(key) = asked.key {
            self.shelf.remember(grant, key, Answer::Token(Arc::clone(&signed)), self.now());
        }
        Ok(signed)
    }

    async fn exchanged(self: &Arc<Self>, grant: &Arc<Grant>, asked: Asked) -> Result<Arc<Obtained>, Refusal> {
        let (broker, own) = (Arc::clone(self), Arc::clone(grant));
        let work = async move { broker.obtain(&own, asked.request).await };
        let obtained = self.exchanges.join(&grant.subject, work).await;
        obtained.ok_or(Refusal::Internal("the task that exchanges was lost"))?
    }

    async fn obtain(&self, grant: &Arc<Grant>, request: RequestId) -> Result<Arc<Obtained>, Refusal> {
        if let Some(fresh) = self.shelf.fresh(grant, self.now()) {
            // an exchange landed between the look at the shelf and this one's begin
            return Ok(fresh);
        }
        let announced = self.announce("credentials.exchange", grant, request).await?;
        let audit_leaf = announced.leaf_index();
        let answer = self.exchange(grant).await;
        let outcome = match &answer {
            Ok(_) => Outcome::Success,
            Err(Refusal::Sts(fault)) => outcome_of(fault),
            Err(refusal) => Outcome::Failure { reason: refusal.reason() },
        };
        self.conclude(announced, outcome).await?;
        let credentials = answer?;
        let fresh_until = fresh_until(self.now(), credentials.expiration, self.margin);
        let obtained = Arc::new(Obtained { credentials, grant: Arc::clone(grant), audit_leaf, fresh_until });
        self.shelf.put(&obtained);
        Ok(obtained)
    }

    async fn exchange(&self, grant: &Arc<Grant>) -> Result<AwsCredentials, Refusal> {
        let mut progress = Progress::default();
        loop {
            let token = self.parts.keys.sign(grant, self.now(), self.request_id())?;
            let answer = self.parts.sts.exchange(&token).await;
            self.parts.metrics.exchanged(answer.as_ref().err().map_or("ok", StsFault::reason));
            let fault = match answer {
                Ok(credentials) if credentials.expiration <= self.now() => {
                    StsFault::Malformed("its credentials have ended; compare the clocks")
                }
                Ok(credentials) => return Ok(credentials),
                Err(fault) => fault,
            };
            match progress.after(&fault) {
                Next::SignAgain => {}
                Next::Wait(pause) => tokio::time::sleep(pause).await,
                Next::GiveUp => return Err(fault.into()),
            }
        }
    }

    async fn announce(
        &self,
        action: &'static str,
        grant: &Grant,
        request: RequestId,
    ) -> Result<Announced, Refusal> {
        let act = Act {
            action,
            application: grant.value.as_str().parse().ok(),
            kind: None,
            resource: grant.role.arn.to_string(),
            rotation: None,
            request,
        };
        let behalf = Behalf { requested_role: REQUESTED_ROLE, subject: grant.subject.to_string() };
        self.parts.ledger.announce(act, behalf).await.map_err(|error| {
            tracing::error!(code = "AUDIT_UNAVAILABLE", action, %error, "nothing is signed");
            Refusal::AuditUnavailable
        })
    }

    async fn conclude(&self, announced: Announced, outcome: Outcome) -> Result<(), Refusal> {
        let action = announced.act().action;
        self.parts.ledger.conclude(announced, outcome).await.map_err(|error| {
            tracing::error!(code = "AUDIT_UNAVAILABLE", action, %error, "what was obtained is not handed out");
            Refusal::AuditUnavailable
        })
    }
}

#[cfg(test)]
#[path = "execute_tests.rs"]
mod tests;
