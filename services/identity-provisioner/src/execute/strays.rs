//! Removing a user that belongs to no application: disable, wait, delete.

use mint_api::audit_log::{Announced, Outcome};
use mint_types::{ApplicationId, Revision, Timestamp};
use tokio::time::Instant;

use super::Provisioner;
use crate::{
    Error,
    model::Stage,
    plan::{self, Refusal, StrayStep, Taking},
    ports::{CatalogError, IssuerError},
    state::CALL_LIFE,
};

/// How far a removal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Disabled, or deleted.
    pub stage: Stage,
    /// When it is deleted.
    pub until: Option<Timestamp>,
}

impl Provisioner {
    /// Takes the next step of removing a user that belongs to no application.
    pub async fn remove(&self, username: &str) -> Result<Removed, Error> {
        let outcome = self.try_remove(username).await;
        let application = self.naming.application(username);
        self.tell_refusal("orphan.remove", application.as_ref(), &outcome);
        outcome
    }

    async fn try_remove(&self, username: &str) -> Result<Removed, Error> {
        if !self.naming.is_ours(username) {
            return Err(Refusal::NotOurs.into());
        }
        let application = self.naming.application(username);
        let _turn = match &application {
            Some(application) => Some(self.turns.take(application).await),
            None => None,
        };
        self.is_orphaned(application.as_ref()).await?;
        let now = self.state.counted(&self.moment()).await?;
        let stray = self.state.stray(username).await?;
        match plan::stray(stray.as_ref(), now, self.tombstone) {
            StrayStep::Wait => {}
            StrayStep::Delete => return self.delete_stray(username, application).await,
            StrayStep::Disable => {
                let deleted = stray.is_some_and(|stray| stray.stage == Stage::Deleted);
                if deleted && !self.issuer.exists(username).await? {
                    return Ok(Removed { stage: Stage::Deleted, until: None });
                }
                self.disable_stray(username, application).await?;
            }
        }
        let disabled_at = self.state.stray(username).await?.and_then(|stray| stray.disabled_at);
        let until = disabled_at.map(|since| plan::deletable_at(since, self.tombstone));
        Ok(Removed { stage: Stage::Disabled, until })
    }

    /// Goes on with the removals whose tombstone period ended. One that an application took over meanwhile is given up.
    pub async fn finish_removals(&self) -> Result<(), Error> {
        let now = self.state.counted(&self.moment()).await?;
        for stray in self.state.strays().await? {
            if plan::stray(Some(&stray), now, self.tombstone) == StrayStep::Wait {
                continue;
            }
            match self.try_remove(&stray.username).await {
                Ok(_) => {}
                Err(Error::Refused(Refusal::Belongs)) => {
                    // while a call of another replica may still take effect, the next look gives it up
                    if let Err(error) =
                        self.state.apply_stray(&stray.username, Stage::None, &self.moment()).await
                    {
                        tracing::warn!(code = error.reason(), %error, user = stray.username, "a removal stays open");
                    }
                }
                Err(error) => {
                    tracing::warn!(code = error.reason(), %error, user = stray.username, "an orphan stays");
                }
            }
        }
        Ok(())
    }

    /// Refuses what an application owns. Only the catalog's own "unknown" is believed.
    async fn is_orphaned(&self, application: Option<&ApplicationId>) -> Result<(), Error> {
        let Some(application) = application else { return Ok(()) };
        match self.state.known(application).await? {
            Some(known) if known.is_surely(Stage::Deleted) => return Ok(()),
            Some(_) => return Err(Refusal::Belongs.into()),
            None => {}
        }
        match self.catalog.application(application, Revision(0)).await {
            Err(CatalogError::Unknown) => Ok(()),
            Ok(_) => Err(Refusal::Belongs.into()),
            Err(error) => Err(error.into()),
        }
    }

    async fn disable_stray(&self, username: &str, application: Option<ApplicationId>) -> Result<(), Error> {
        self.found(username).await?;
        let user = self.naming.disabled_stray(username);
        let subject = subject(username, application.as_ref());
        let announced = self.say("orphan.disable", application, username.to_owned()).await?;
        let done = async {
            let moment = self.moment();
            let who = (username, announced.act().application.as_ref());
            let until = Instant::now() + CALL_LIFE / 2;
            self.state.intend_stray(who, &subject, Stage::Disabled, Taking::Disable, &moment).await?;
            in_time(until, async { self.issuer.put(&announced, &user).await.map(drop) }).await?;
            self.state.apply_stray(username, Stage::Disabled, &self.moment()).await
        };
        let done = done.await;
        self.told(announced, done, &subject, Taking::Disable).await
    }

    async fn delete_stray(
        &self,
        username: &str,
        application: Option<ApplicationId>,
    ) -> Result<Removed, Error> {
        let subject = subject(username, application.as_ref());
        let announced = self.say("orphan.delete", application, username.to_owned()).await?;
        let done = async {
            let moment = self.moment();
            let who = (username, announced.act().application.as_ref());
            let until = Instant::now() + CALL_LIFE / 2;
            self.state.intend_stray(who, &subject, Stage::Deleted, Taking::Delete, &moment).await?;
            in_time(until, self.issuer.delete(&announced, username)).await?;
            self.state.apply_stray(username, Stage::Deleted, &self.moment()).await
        };
        let done = done.await;
        self.told(announced, done, &subject, Taking::Delete).await?;
        Ok(Removed { stage: Stage::Deleted, until: None })
    }

    async fn told(
        &self,
        announced: Announced,
        done: Result<(), Error>,
        subject: &str,
        takes: Taking,
    ) -> Result<(), Error> {
        let outcome = done.as_ref().map_or_else(Error::outcome, |()| Outcome::Success);
        self.audit.conclude(announced, outcome).await?;
        if let Err(error) = &done {
            self.hold(subject, Some(takes), error).await?;
        }
        done
    }
}

/// A call that is given up, looking at the time first, when others stop waiting for it: whoever slept sends none after that,
/// wherever it slept since before its intent was written.
async fn in_time(
    until: Instant,
    call: impl Future<Output = Result<(), IssuerError>>,
) -> Result<(), IssuerError> {
    tokio::select! {
        biased;
        () = tokio::time::sleep_until(until) => {
            Err(IssuerError::UnknownOutcome { detail: "it was given up when others stop waiting for it".to_owned() })
        }
        outcome = call => outcome,
    }
}

/// In whose name it is counted.
fn subject(username: &str, application: Option<&ApplicationId>) -> String {
    application.map_or_else(|| username.to_owned(), ToString::to_string)
}
