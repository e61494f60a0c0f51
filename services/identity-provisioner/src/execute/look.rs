//! Looking at the issuer's users: one list, whatever the number of applications.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

use mint_types::{ApplicationId, Timestamp};
use tokio_util::sync::CancellationToken;

use super::Provisioner;
use crate::{
    Error,
    compare::{self, ImportPlan},
    model::{Stage, Stray},
};

/// Absences that one look confirms by a direct question; more at once are rather a wrong list.
const MOST_CONFIRMED: usize = 20;

/// What a look saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Users under our prefix without an application, with what is known of their removal.
    pub orphans: Vec<(String, Option<Stray>)>,
    /// Enabled identities whose user is gone.
    pub vanished: Vec<ApplicationId>,
    /// When.
    pub at: Timestamp,
}

impl Provisioner {
    /// Looks again and again, until the process ends; goes on with removals of orphans that are due.
    pub async fn keep_looking(&self, interval: Duration, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(interval) => {}
            }
            if let Err(error) = self.look().await {
                tracing::warn!(code = error.reason(), %error, "the issuer's users were not looked at");
            }
            if let Err(error) = self.finish_removals().await {
                tracing::warn!(code = error.reason(), %error, "removals of orphans do not go on");
            }
        }
    }

    /// What the last look saw; none since the process started.
    pub fn seen(&self) -> Option<Look> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks now. A user that is gone is told to the catalog, so that it is ensured again.
    pub async fn look(&self) -> Result<Look, Error> {
        let at = self.clock.now();
        // In this order: whatever is made meanwhile is in the later list.
        let identities = self.state.identities().await?;
        let users = self.users().await?;
        let catalog = self.catalog.applications().await?;
        let applications: BTreeSet<_> = catalog.into_iter().map(|application| application.id).collect();
        let misfits = compare::misfits(&users, &identities, &applications, &self.naming);

        let still = identities.iter().filter(|(_, known)| known.vanished_at.is_some());
        let mut vanished: Vec<ApplicationId> = still.map(|(id, _)| id.clone()).collect();
        for application in misfits.vanished.into_iter().take(MOST_CONFIRMED) {
            if self.is_gone(&application).await? {
                tracing::warn!(code = "USER_VANISHED", %application, "its user is gone from the issuer");
                vanished.push(application);
            }
        }
        let mut orphans = Vec::new();
        for username in misfits.orphans {
            let stray = self.state.stray(&username).await?;
            orphans.push((username, stray));
        }
        if !orphans.is_empty() {
            tracing::warn!(code = "ORPHAN_USER", users = orphans.len(), "users without an application");
        }
        let look = Look { orphans, vanished, at };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(look.clone());
        Ok(look)
    }

    /// What taking over would do; changes nothing.
    pub async fn plan_import(&self) -> Result<ImportPlan, Error> {
        let identities = self.state.identities().await?;
        let users = self.users().await?;
        let catalog = self.catalog.applications().await?;
        Ok(compare::import(&users, &identities, &catalog, &self.naming))
    }

    async fn users(&self) -> Result<BTreeSet<String>, Error> {
        Ok(self.issuer.list().await?.into_iter().collect())
    }

    /// Asks directly, under the application's turn. The catalog is told first: whoever crashes in between tells it twice.
    async fn is_gone(&self, application: &ApplicationId) -> Result<bool, Error> {
        let _turn = self.turns.take(application).await;
        let Some(known) = self.state.known(application).await? else { return Ok(false) };
        if !known.is_surely(Stage::Enabled) || self.issuer.exists(&known.username).await? {
            return Ok(false);
        }
        self.catalog.report_missing(application).await?;
        self.state.vanish(application, self.clock.now()).await?;
        Ok(true)
    }
}
