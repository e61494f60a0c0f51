//! Permits, releases and the state of the budget.

use std::time::Duration;

use mint_api::audit_log::Outcome;
use mint_statement::{Statement, Subject};
use mint_types::Timestamp;

use super::Provisioner;
use crate::{
    Error,
    budget::Release,
    model::Order,
    plan::{self, Taking},
    state::{Accepted, Accounts},
    statements::Statements,
};

/// A permit is asked for again whenever it is needed; it is not worth stealing.
const PERMIT_LIFE: Duration = Duration::from_hours(1);
/// The verifier's clock may be behind ours by this much.
const BACKDATED: Duration = Duration::from_mins(5);

/// A removal of objects that is counted and signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// The JSON text of the signed statement.
    pub text: String,
    /// Until when it holds.
    pub expires_at: Timestamp,
}

/// A release in force.
pub type Released = Release;

/// How the budget stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budgeted {
    /// The books.
    pub accounts: Accounts,
    /// For how long a disabled identity is restorable.
    pub tombstone: Duration,
}

impl Provisioner {
    /// Counts the removal of objects that the catalog justifies, and signs that it is permitted.
    pub async fn permit(&self, order: &Order, takes: Taking) -> Result<Permit, Error> {
        let outcome = self.try_permit(order, takes).await;
        self.tell_refusal("removal.permit", Some(&order.application), &outcome);
        outcome
    }

    async fn try_permit(&self, order: &Order, takes: Taking) -> Result<Permit, Error> {
        self.state.fence(order).await?;
        let _turn = self.turns.take(&order.application).await;
        let application = &self.record_of(order).await?;
        let known = self.state.known(&order.application).await?;
        let now = self.state.counted(&self.moment()).await?;
        let removal = plan::permit(takes, known.as_ref(), application, now, self.tombstone)?;
        let key = self.statements.key()?;

        let resource = format!("{} of {}", takes.as_str(), order.application);
        let announced = self.say("removal.permit", Some(order.application.clone()), resource).await?;
        let counted = self.state.permit(order, takes, &self.moment()).await;
        let outcome = counted.as_ref().map_or_else(Error::outcome, |()| Outcome::Success);
        self.audit.conclude(announced, outcome).await?;
        if let Err(error) = counted {
            self.hold(order.application.as_str(), Some(takes), &error).await?;
            return Err(error);
        }
        let subject = Subject::RemovalPermit { application: order.application.clone(), removal };
        let issued_at = Timestamp::from_unix_micros(
            self.clock.now().unix_micros() - i64::try_from(BACKDATED.as_micros()).unwrap_or(0),
        );
        let statement = Statement::new(subject, issued_at, BACKDATED + PERMIT_LIFE, self.entropy.as_ref());
        let expires_at = statement.expires_at;
        Ok(Permit { text: Statements::signed(statement, &key)?, expires_at })
    }

    /// Puts a release by two operators into force; one that is in force already is answered as it stands.
    pub async fn release(&self, envelope: &[u8]) -> Result<Released, Error> {
        let outcome = self.try_release(envelope).await;
        self.tell_refusal("budget.release", None, &outcome);
        outcome
    }

    async fn try_release(&self, envelope: &[u8]) -> Result<Released, Error> {
        let verified = self.statements.verified(envelope, self.clock.now())?;
        let signers: Vec<String> = verified.signers().iter().map(ToString::to_string).collect();
        let Statement { id, issued_at, expires_at, subject, .. } = verified.by_two_operators()?;
        self.of_after_the_loss(issued_at)?;
        let Subject::RegistryRelease { acts, applications } = subject else {
            return Err(mint_statement::Error::Mismatch("thing than a registry release").into());
        };
        let id = id.to_string();
        if let Some(release) = self.state.release(&id).await? {
            return Ok(release);
        }
        let resource = format!("release/{id}: {acts} acts by {}", signers.join(", "));
        let announced = self.say("budget.release", None, resource).await?;
        let accepted = Accepted { id: id.clone(), acts, applications, expires_at };
        let outcome = self.state.accept(&accepted, self.clock.now()).await;
        let told = outcome.as_ref().map_or_else(Error::outcome, |()| Outcome::Success);
        self.audit.conclude(announced, told).await?;
        outcome?;
        let missing = || mint_store::Error::Corrupt { detail: "a release was not kept".to_owned() };
        self.state.release(&id).await?.ok_or_else(|| missing().into())
    }

    /// What statements of before writes were lost did is forgotten, so none of them is believed.
    pub(super) fn of_after_the_loss(&self, issued_at: Timestamp) -> Result<(), Error> {
        match self.state.lost_writes_at() {
            Some(lost_at) if issued_at < lost_at => Err(Error::StatementOfBefore { lost_at }),
            _ => Ok(()),
        }
    }

    /// How the budget stands.
    pub async fn budget(&self) -> Result<Budgeted, Error> {
        let accounts = self.state.accounts(&self.moment()).await?;
        Ok(Budgeted { accounts, tombstone: self.tombstone })
    }
}

#[cfg(test)]
#[path = "../release_tests.rs"]
mod tests;
