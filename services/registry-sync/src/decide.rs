//! What operators decide: said to the audit log before, and its outcome after.

use std::sync::Arc;

use mint_api::audit_log::{Act, AuditLog, Outcome};
use mint_port::Port;
use mint_statement::{Statement, Subject};
use mint_types::{ApplicationId, Clock, Entropy, RequestId};

use crate::{
    Error,
    catalog::Catalog,
    enter::Author,
    guard::Release,
    model::{Decision, Record},
    statements::Statements,
};

/// How operators' decisions come into the catalog.
#[derive(Debug, Clone)]
pub struct Deciding {
    /// The records.
    pub catalog: Catalog,
    /// Where every act is announced.
    pub audit: Port<dyn AuditLog>,
    /// Randomness, for ids.
    pub entropy: Arc<dyn Entropy>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whose statements are believed.
    pub statements: Statements,
}

impl Deciding {
    /// An application that the registry lost is out of use; one that an operator kept in use goes the registry's way.
    pub async fn retire(&self, author: &Author, id: &ApplicationId) -> Result<Record, Error> {
        self.decide("application.retire", author, id, Decision::Retired).await
    }

    /// An application is in use, whatever the registry says, until the registry says so.
    pub async fn restore(&self, author: &Author, id: &ApplicationId) -> Result<Record, Error> {
        self.decide("application.restore", author, id, Decision::Restored).await
    }

    /// Puts a release by two operators into force; one that is in force already is answered as it stands.
    pub async fn release(&self, envelope: &[u8]) -> Result<Release, Error> {
        let verified = self.statements.verified(envelope, self.clock.now())?;
        let signers: Vec<String> = verified.signers().iter().map(ToString::to_string).collect();
        let Statement { id, expires_at, subject, .. } = verified.by_two_operators()?;
        let Subject::RegistryRelease { acts, applications } = subject else {
            return Err(mint_statement::Error::Mismatch("thing than a registry release").into());
        };
        let accepted = Release { id: id.to_string(), acts: acts.into(), spent: 0, applications, expires_at };
        if let Some(release) = self.catalog.release(&accepted.id).await? {
            return Ok(release);
        }
        let resource = format!("release/{id}: {acts} acts by {}", signers.join(", "));
        let announced = self.audit.announce(self.act("registry.release", None, resource)).await?;
        let done = self.catalog.accept(&accepted).await;
        self.audit.conclude(announced, outcome(&done)).await?;
        done.map(|()| accepted)
    }

    async fn decide(
        &self,
        action: &'static str,
        author: &Author,
        id: &ApplicationId,
        decision: Decision,
    ) -> Result<Record, Error> {
        if self.catalog.record(id).await?.is_none() {
            return Err(Error::Unknown(id.clone()));
        }
        let resource = format!("application/{id} by {author}");
        let announced = self.audit.announce(self.act(action, Some(id.clone()), resource)).await?;
        let decided = self.catalog.decide(id, decision).await;
        self.audit.conclude(announced, outcome(&decided)).await?;
        decided
    }

    fn act(&self, action: &'static str, application: Option<ApplicationId>, resource: String) -> Act {
        let request = mint_runtime::request_id().unwrap_or_else(|| RequestId::random(self.entropy.as_ref()));
        Act { action, application, kind: None, resource, rotation: None, request }
    }
}

/// How it ended, for the audit log.
pub(crate) fn outcome<T>(done: &Result<T, Error>) -> Outcome {
    match done {
        Ok(_) => Outcome::Success,
        Err(Error::State(error)) if !error.surely_not_done() => {
            Outcome::Unknown { reason: "STATE_UNAVAILABLE" }
        }
        Err(error) => Outcome::Failure { reason: error.reason() },
    }
}
