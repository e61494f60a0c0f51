//! What is decided in `plan` is done here: ledger, log, issuer, ledger, log, in that order.

mod check;
mod create;
mod issuer;
mod prove;
mod reconcile;
mod retire;
mod revoke;
mod set;

use std::sync::Arc;

use mint_api::audit_log::{Act, AuditLog, Outcome};
use mint_issuer_contract::{Declaration, EndsOf, Subject};
use mint_port::Port;
use mint_runtime::Refusals;
use mint_secret::KeyRing;
use mint_types::{
    ApplicationId, Clock, CredentialKind, Entropy, FencingToken, IssuerObject, RequestId, Revision,
    RotationId,
};
use tokio_util::task::TaskTracker;

use crate::Error;
use crate::error::IssuerError;
use crate::keys::KnownKeys;
use crate::ledger::{EndCalls, Failed, Ledger, ListedVersion, ToldOf};
use crate::metrics::Metrics;
use crate::plan::{self, Ask, ErrorBudget, Rules};
use crate::ports::{Catalog, Issuer, Login};
use crate::rate::RateBudget;
use crate::state::{ApplicationState, Instant};
use crate::statements::Statements;
use crate::turns::Turns;

pub use check::{CheckOrder, Checked};
pub use prove::Proof;
pub use retire::{Accepted, Retirement};
pub use revoke::{RevokeOrder, Revoked};

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
    /// What the driver says about the issuer.
    pub declaration: Declaration,
    /// How often the issuer may break its word.
    pub errors: ErrorBudget,
    /// Whose statements are believed.
    pub statements: Statements,
    /// Where the replace window is measured.
    pub metrics: Metrics,
    /// What stands before an application's id in its user name.
    pub username_prefix: String,
    /// Clocks.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Work that an answer does not wait for, and a drain does.
    pub background: TaskTracker,
}

/// What the log has of a message that makes no sense.
const INVALID_MESSAGE: &str = "INVALID_MESSAGE";

/// The rotator's logic, without sockets.
#[derive(Debug)]
pub struct Rotator {
    parts: Parts,
    turns: Turns,
    refusals: Refusals,
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
        let (audit, clock, background) = (&parts.audit, &parts.clock, &parts.background);
        let refusals = Refusals::new(audit.clone(), Arc::clone(clock), background.clone());
        Self { parts, turns: Turns::default(), refusals }
    }

    /// Gives a rotation up of which nothing was delivered; what it made is swept by the next commit. A value that a
    /// destination is known to have is set first, if anybody can still read it.
    pub async fn abandon(&self, order: &Order) -> Result<(), Error> {
        let outcome = self.try_abandon(order).await;
        self.tell_refusal(&outcome, || self.act("credential.abandon", order));
        outcome
    }

    /// What nobody honest asks for stands in the log, although nothing was done.
    fn tell_refusal<T>(&self, outcome: &Result<T, Error>, act: impl FnOnce() -> Act) {
        if let Some(error) = outcome.as_ref().err().filter(|error| error.is_refusal()) {
            self.refusals.tell(act(), error.reason());
        }
    }

    fn act(&self, action: &'static str, order: &Order) -> Act {
        order.act(action, self.username(&order.application))
    }

    /// A message about an application that nobody honest sends: the log hears of it, too.
    pub(crate) fn tell_of_invalid(&self, action: &'static str, application: &str, request: RequestId) {
        let Ok(application) = application.parse() else { return };
        let resource = self.username(&application);
        let application = Some(application);
        let act = Act { action, application, kind: None, resource, rotation: None, request };
        self.refusals.tell(act, INVALID_MESSAGE);
    }

    async fn try_abandon(&self, order: &Order) -> Result<(), Error> {
        let _turn = self.turns.take(&order.application, order.ask.kind.issuer_objects()).await;
        let ledger = &self.parts.ledger;
        ledger.admit(&order.application, order.token).await?;
        let mut state = ledger.load(&order.application, order.ask.rotation).await?;
        if let Some(owed) = plan::owed(&state, order.ask, self.ends())? {
            match self.set(order, &owed.made, &owed.sets, &owed.written).await {
                Err(lost) if lost.is_unreadable() => return self.forsake(order, &state, &lost).await,
                set => set?,
            }
            state = ledger.load(&order.application, order.ask.rotation).await?;
        } else if state.rotation(order.ask.rotation).is_some_and(set::is_untold) {
            self.tell_again(order, set::ACTION, ToldOf::Set).await?;
        }
        match plan::abandon(&state, order.ask, self.ends())? {
            plan::AbandonPlan::Abandoned => ledger.overtake(&order.application, order.token).await,
            plan::AbandonPlan::Abandon => {
                ledger.abandon(&order.application, order.token, order.ask, self.ends(), &self.now()).await
            }
        }
    }

    /// Gives a rotation up whose value a destination has and nobody can read any more: whoever reads there is shut out until a
    /// fresh version comes, and this one is in its way.
    async fn forsake(&self, order: &Order, state: &ApplicationState, lost: &Error) -> Result<(), Error> {
        plan::forsake(state, order.ask)?;
        tracing::error!(
            application = order.application.as_str(),
            rotation = %order.ask.rotation,
            code = lost.reason(),
            error = %lost,
            "a value that a destination has cannot be read any more, and its rotation is given up"
        );
        self.parts.ledger.abandon(&order.application, order.token, order.ask, None, &self.now()).await
    }

    /// The ledger of an application, newest first, and how many calls have no known outcome.
    pub async fn versions(&self, application: &ApplicationId) -> Result<(Vec<ListedVersion>, u32), Error> {
        self.parts.ledger.list(application).await
    }

    /// The rotator's public keys.
    pub fn keys(&self) -> &KeyRing {
        &self.parts.keys
    }

    /// Whether a version of this kind reaches the issuer only once a destination has it (*replace*).
    pub fn sets_on_first_write(&self, kind: CredentialKind) -> bool {
        plan::objects_set(kind, self.ends()).next().is_some()
    }

    fn ends(&self) -> EndsOf {
        self.parts.rules.ends
    }

    /// Those of these objects on which an end or a set that was not answered must be waited for.
    fn awaited(&self, objects: impl Iterator<Item = IssuerObject>) -> Vec<IssuerObject> {
        objects.filter(|object| self.parts.declaration.awaits_late(*object)).collect()
    }

    /// Makes a call that others count on: it is not sent when they believe by now that it cannot follow its intent any
    /// more, and given up at the instant from which they do.
    async fn within_life<T>(
        &self,
        intended: &Instant,
        call: impl Future<Output = Result<T, IssuerError>>,
    ) -> Result<T, IssuerError> {
        let age = self.now().since(intended);
        let left = self.parts.rules.request_life.saturating_sub(age);
        if left.is_zero() {
            let problem = format!("nothing was sent: {} s have passed since its intent", age.as_secs());
            return Err(IssuerError::NotSent(problem));
        }
        unless_over(tokio::time::sleep(left), call).await
    }

    /// Writes down what is known of a call that was not done, if somebody has to wait for it.
    async fn end_failed(
        &self,
        rotation: RotationId,
        object: IssuerObject,
        calls: &EndCalls,
        error: &IssuerError,
    ) -> Result<(), Error> {
        match calls.on(object) {
            Some(number) => {
                self.parts.ledger.end_failed(rotation, object, number, known_of(error), &self.now()).await
            }
            None => Ok(()),
        }
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
        told: Option<(&Order, ToldOf)>,
    ) -> Result<(), Error> {
        self.parts.audit.conclude(announced, outcome).await?;
        if let Some((order, of)) = told {
            self.parts.ledger.told(&order.application, order.ask.rotation, of);
        }
        Ok(())
    }

    /// Tells the log of an act that failed, and gives back why it did: what is answered is that, whether or not the log took it.
    async fn conclude_failed(&self, announced: mint_api::audit_log::Announced, error: Error) -> Error {
        if let Err(untold) = self.conclude(announced, failure(&error), None).await {
            tracing::warn!(code = untold.reason(), "the outcome of a failed act is not in the log");
        }
        error
    }

    /// Tells the log of an act that was done, but whose outcome it did not take at the time.
    async fn tell_again(&self, order: &Order, action: &'static str, of: ToldOf) -> Result<(), Error> {
        let act = order.act(action, self.username(&order.application));
        let announced = self.parts.audit.announce(act).await?;
        self.conclude(announced, Outcome::Success, Some((order, of))).await
    }
}

/// Makes a call and gives it up when its time is over. A process that was stopped and goes on looks at the time before the
/// call does.
async fn unless_over<T>(
    over: impl Future<Output = ()>,
    call: impl Future<Output = Result<T, IssuerError>>,
) -> Result<T, IssuerError> {
    tokio::select! {
        biased;
        () = over => Err(IssuerError::Unknown("no answer came for as long as others wait for it".to_owned())),
        answer = call => answer,
    }
}

/// What is known of a call that failed.
fn known_of(error: &IssuerError) -> Failed {
    let reason = error.reason();
    if error.surely_without_effect() {
        Failed::Void(reason)
    } else if error.was_answered() {
        Failed::Stray(reason)
    } else {
        Failed::Unknown(reason)
    }
}

/// What the log has of a version that was found gone.
const VERSION_GONE: &str = "VERSION_GONE";

/// The outcome of a failed act, as the log has it.
fn failure(error: &Error) -> Outcome {
    let reason = if matches!(error, Error::VersionGone) { VERSION_GONE } else { error.reason() };
    if error.outcome_is_unknown() { Outcome::Unknown { reason } } else { Outcome::Failure { reason } }
}

/// How many calls to the issuer a Create may take: one per half made, the login, and the token's revocation.
fn create_calls(kind: CredentialKind, ends: EndsOf) -> u32 {
    if kind == CredentialKind::PublicClient {
        return 1;
    }
    match plan::objects_made(kind, ends).count() {
        0 => 0,
        1 => 3,
        _ => 4,
    }
}

fn subject<'a>(object: IssuerObject, username: &'a str, client_id: &'a str) -> Subject<'a> {
    Subject { object, username, client_id }
}

/// What a call to the issuer is called in errors.
fn call_name(verb: Verb, object: IssuerObject) -> &'static str {
    match (verb, object) {
        (Verb::Create, IssuerObject::User) => "create password",
        (Verb::Create, IssuerObject::Client) => "create client",
        (Verb::End, IssuerObject::User) => "commit password",
        (Verb::End, IssuerObject::Client) => "commit client",
        (Verb::Set, IssuerObject::User) => "set password",
        (Verb::Set, IssuerObject::Client) => "set client",
    }
}

#[derive(Clone, Copy)]
enum Verb {
    Create,
    End,
    Set,
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
mod life_tests {
    use std::cell::Cell;
    use std::task::Poll;

    use super::*;

    /// Over when it is looked at for the time of this number.
    async fn over_at(look: usize) {
        let mut looks = 0;
        std::future::poll_fn(|_| {
            looks += 1;
            if looks >= look { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    #[tokio::test]
    async fn a_call_is_given_up_when_others_stop_waiting_for_it() {
        let (end, over) = tokio::sync::oneshot::channel::<()>();
        let never = std::future::pending::<Result<(), IssuerError>>();
        let call = unless_over(async { over.await.unwrap_or_default() }, never);
        end.send(()).unwrap();
        assert_eq!(call.await.unwrap_err().reason(), "ISSUER_UNKNOWN_OUTCOME");
        assert_eq!(unless_over(over_at(9), async { Ok(7) }).await, Ok(7), "what is in time is answered");
    }

    #[tokio::test]
    async fn of_several_requests_of_a_call_none_is_sent_after_its_time() {
        for (look, expected) in [(1, 0), (2, 1), (3, 2)] {
            let sent = Cell::new(0);
            let call = async {
                for _ in 0..5 {
                    sent.set(sent.get() + 1);
                    tokio::task::yield_now().await;
                }
                Ok(())
            };
            let outcome = unless_over(over_at(look), call).await;
            assert_eq!(outcome.unwrap_err().reason(), "ISSUER_UNKNOWN_OUTCOME");
            assert_eq!(sent.get(), expected, "{look}: who goes on after a stop looks at the time first");
        }
    }
}

#[cfg(test)]
mod tests;
