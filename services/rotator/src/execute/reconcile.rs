//! Reconcile: what the issuer has, compared with what the ledger accounts for. Changes nothing at the issuer.

use mint_types::{ApplicationId, FencingToken, IssuerObject, Revision, RotationId};

use super::{Rotator, subject};
use crate::Error;
use crate::plan::{self, Finding};

impl Rotator {
    /// Looks at every object of an application that ever had a version; writes down what it learns unless it is a dry run.
    pub async fn reconcile(
        &self,
        application: &ApplicationId,
        token: FencingToken,
        dry_run: bool,
    ) -> Result<Vec<Finding>, Error> {
        let _turn = self.turns.take(application, &[IssuerObject::User, IssuerObject::Client]).await;
        let ledger = &self.parts.ledger;
        ledger.overtake(application, token).await?;
        let state = ledger.load(application, RotationId::from_bytes([0; 16])).await?;
        let mut findings = Vec::new();
        for object in [IssuerObject::User, IssuerObject::Client] {
            if !state.ever_had(object) {
                continue;
            }
            let alive = self.alive(application, object).await?;
            let found = plan::reconcile(&state, object, alive, &self.parts.rules, &self.now());
            if found.made_nothing && !dry_run {
                ledger.made_nothing(application, token, object).await?;
            }
            findings.extend(found.findings);
        }
        for finding in &findings {
            tracing::info!(
                application = application.as_str(),
                object = ?finding.object,
                code = finding.reason,
                detail = %finding.detail,
                dry_run,
                "reconciled"
            );
        }
        Ok(findings)
    }

    /// How many versions the issuer has; none where it cannot say.
    async fn alive(&self, application: &ApplicationId, object: IssuerObject) -> Result<Option<usize>, Error> {
        if !self.parts.declaration.of(object).lists {
            return Ok(None);
        }
        self.parts.budget.take(1, &self.parts.clock.monotonic())?;
        let username = self.username(application);
        let record = self.parts.catalog.application(application, Revision(0)).await?;
        let client_id = record.identity.map(|identity| identity.client_id).unwrap_or_default();
        let alive = self.parts.issuer.alive(subject(object, &username, &client_id)).await;
        alive.map(Some).map_err(|error| Error::Issuer { call: "list versions", error })
    }
}
