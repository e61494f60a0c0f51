//! Setting a value at an issuer that knows one at a time (*replace*): as soon as a destination is known to have it.

use mint_api::audit_log::{Announced, Outcome};
use mint_types::IssuerObject;

use super::create::test::is_worth_repeating;
use super::prove::Plain;
use super::retire::Sent;
use super::{Order, Rotator, Verb, call_name, subject};
use crate::Error;
use crate::error::IssuerError;
use crate::ledger::{EndCalls, ToldOf};
use crate::plan::WrittenSomewhere;
use crate::ports::{ClientLogin, LoginVerdict};
use crate::state::{Instant, Made, Rotation};

pub(super) const ACTION: &str = "credential.set";

/// Whether a destination is known to have a rotation's value, and the log does not know that the issuer has it too.
pub(super) fn is_untold(rotation: &Rotation) -> bool {
    rotation.first_write.is_some() && !rotation.told.set
}

/// What lets a value be set, and by which numbers the calls are waited for.
struct Setting<'a> {
    announced: &'a Announced,
    written: &'a WrittenSomewhere,
    calls: &'a EndCalls,
    /// When that became durable.
    intended: Instant,
    /// Since when a destination has it.
    since: Instant,
}

impl Rotator {
    /// Sets the version's value and logs in with it. Neither the rate budget nor a halted issuer holds it up: a
    /// destination has the value already, and whoever reads there is shut out until the issuer has it too.
    pub(super) async fn set(
        &self,
        order: &Order,
        made: &Made,
        objects: &[IssuerObject],
        written: &WrittenSomewhere,
    ) -> Result<(), Error> {
        let ledger = &self.parts.ledger;
        // before anything is owed: what nobody can read can be given up
        let plain = self.open_own(order, made)?;
        let intended = self.now();
        let (since, calls) =
            ledger.first_write(&order.application, order.token, order.ask, objects, &intended).await?;
        let username = self.username(&order.application);
        let announced = self.parts.audit.announce(order.act(ACTION, username.clone())).await?;
        let setting = Setting { announced: &announced, written, calls: &calls, intended, since };
        let outcome = self.set_and_test(order, &setting, objects, &username, &plain).await;
        drop(plain);
        match outcome {
            Ok(()) => self.conclude(announced, Outcome::Success, Some((order, ToldOf::Set))).await,
            Err(error) => {
                if matches!(error, Error::RejectedLogin { .. }) {
                    self.issuer_lied(order, "ISSUER_REJECTED_SET").await;
                }
                Err(self.conclude_failed(announced, error).await)
            }
        }
    }

    /// The version's own halves, out of its probe envelope.
    pub(super) fn open_own(&self, order: &Order, made: &Made) -> Result<Plain, Error> {
        let envelopes = made.envelopes.as_ref().ok_or(Error::RotationClosed {
            state: "without its envelopes",
            advice: "the ledger is damaged: begin a new rotation",
        })?;
        self.open_probe(&order.application, order.ask.kind, made.version, &envelopes.probe)
    }

    /// Sets a value that no destination is known to have: two operators say so.
    pub(super) async fn set_unwritten(
        &self,
        order: &Order,
        sent: &Sent<'_>,
        plain: &Plain,
        objects: &[IssuerObject],
        written: &WrittenSomewhere,
    ) -> Result<(), Error> {
        let username = self.username(&order.application);
        let (announced, calls, intended) = (sent.announced, &sent.calls, sent.intended.clone());
        let setting = Setting { announced, written, calls, intended, since: self.now() };
        self.set_and_test(order, &setting, objects, &username, plain).await
    }

    async fn set_and_test(
        &self,
        order: &Order,
        setting: &Setting<'_>,
        objects: &[IssuerObject],
        username: &str,
        plain: &Plain,
    ) -> Result<(), Error> {
        let Setting { announced, written, calls, intended, since } = setting;
        let rotation = order.ask.rotation;
        for object in objects {
            let half = match object {
                IssuerObject::User => plain.user.as_ref(),
                IssuerObject::Client => plain.client.as_ref(),
            };
            let Some((_, value)) = half else { continue };
            let client_id = plain.client.as_ref().map_or("", |(id, _)| id.as_str());
            let subject = subject(*object, username, client_id);
            let call = self.parts.issuer.set(announced, written, subject, value);
            let set = self.within_life(intended, call).await;
            if let Err(error) = &set {
                self.end_failed(rotation, *object, calls, error).await?;
            }
            set.map_err(|error| Error::Issuer { call: call_name(Verb::Set, *object), error })?;
        }
        let answered = self.now();
        let mut verdict = self.log_in_with(plain, objects).await;
        if is_worth_repeating(&verdict) {
            tokio::time::sleep(self.parts.rules.login_pause).await;
            verdict = self.log_in_with(plain, objects).await;
        }
        match verdict.map_err(|error| Error::Issuer { call: "login", error })? {
            LoginVerdict::Accepted(token) => {
                let client = plain.client.as_ref().filter(|_| objects.contains(&IssuerObject::Client));
                self.revoke_proof(token, client);
            }
            LoginVerdict::Refused(error) => return Err(Error::RejectedLogin { error }),
        }
        // clocks differ between machines: what is measured is never shorter than what our own saw
        let window = answered.since(since).max(answered.wall.since(written.since()));
        let ledger = &self.parts.ledger;
        ledger.value_set(&order.application, order.ask, objects, calls, window, &self.now()).await?;
        self.parts.metrics.replaced(self.parts.errors.issuer, order.ask.kind, window);
        if window > self.parts.rules.replace_window {
            tracing::error!(
                application = order.application.as_str(),
                rotation = %order.ask.rotation,
                seconds = window.as_secs(),
                bound = self.parts.rules.replace_window.as_secs(),
                code = "REPLACE_WINDOW_EXCEEDED",
                alarm = true,
                "a value was at a destination for longer than allowed before the issuer had it"
            );
        }
        Ok(())
    }

    /// One login covers whatever was set. A half that was made beside was tested when it was made; by now its user may have
    /// been made again, and the issuer would refuse it for ever.
    pub(super) async fn log_in_with(
        &self,
        plain: &Plain,
        objects: &[IssuerObject],
    ) -> Result<LoginVerdict, IssuerError> {
        let login = &self.parts.login;
        let user = plain.user.as_ref().filter(|_| objects.contains(&IssuerObject::User));
        let client = plain.client.as_ref().filter(|_| objects.contains(&IssuerObject::Client));
        match (user, client) {
            (Some((username, password)), Some((id, secret))) => {
                login.password_and_client(username, password, ClientLogin { id, secret }).await
            }
            (Some((username, password)), None) => login.password(username, password).await,
            (None, Some((id, secret))) => login.client(ClientLogin { id, secret }).await,
            (None, None) => Err(IssuerError::Unsupported("a version without a secret is not set")),
        }
    }
}
