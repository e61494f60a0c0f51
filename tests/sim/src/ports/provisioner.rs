//! What identity-provisioner sees.

use async_trait::async_trait;
use mint_api::audit_log::Announced;
use mint_identity_provisioner::model::ServiceUser;
use mint_identity_provisioner::ports::{Catalog, CatalogError, IdentityIssuer, IssuerError};
use mint_types::{Application, ApplicationId, Identity, IssuerObject, Revision};

use super::NoRecord;
use super::issuer::Trouble;
use crate::faults::{CALL, Fault, READ, SET};
use crate::outside::{Moment, PREFIX};
use crate::scene::{Life, State};

const SERVICE: &str = "identity-provisioner";

/// The outside of identity-provisioner.
#[derive(Debug, Clone)]
pub(crate) struct ProvisionerWorld(pub(crate) Life);

fn error_of(trouble: Trouble) -> IssuerError {
    match trouble {
        Trouble::NotSent => IssuerError::Unreachable { detail: "injected".to_owned() },
        Trouble::Denied(status) => IssuerError::Refused { status },
        Trouble::RateLimited(retry_after) => IssuerError::RateLimited { retry_after },
        Trouble::Unknown | Trouble::LoginRefused => {
            IssuerError::UnknownOutcome { detail: "injected".to_owned() }
        }
        Trouble::Rubbish => IssuerError::Malformed { detail: "injected" },
    }
}

fn id_of(username: &str) -> Option<ApplicationId> {
    username.strip_prefix(PREFIX)?.parse().ok()
}

impl ProvisionerWorld {
    fn says(&self, announced: &Announced) {
        self.0.scene.locked().acts(announced.leaf_index(), announced.act(), SERVICE);
    }
}

#[async_trait]
impl IdentityIssuer for ProvisionerWorld {
    async fn list(&self) -> Result<Vec<String>, IssuerError> {
        let all = |state: &mut State| Ok(state.issuer.users.keys().cloned().collect());
        self.0.at_issuer("list users", READ, None, all).await.map_err(error_of)
    }

    async fn exists(&self, username: &str) -> Result<bool, IssuerError> {
        let user = username.to_owned();
        let known = move |state: &mut State| Ok(state.issuer.users.contains_key(&user));
        self.0.at_issuer("look for a user", READ, None, known).await.map_err(error_of)
    }

    async fn put(&self, announced: &Announced, user: &ServiceUser) -> Result<String, IssuerError> {
        self.says(announced);
        let wanted = user.clone();
        let act = move |state: &mut State| {
            let (now, enabled) = (state.time.now(), !wanted.scopes.is_empty());
            let was = state.issuer.users.get(&wanted.username).is_some_and(|user| user.enabled);
            let client_id = state.issuer.put(&wanted.username, wanted.confidential, enabled);
            if let Some(id) = id_of(&wanted.username) {
                if enabled {
                    state.issuer.takes_over(&id, now);
                }
                if was && !enabled {
                    state.issuer.taken(&id, now);
                }
                if enabled {
                    state.catalog.reviving.remove(&id);
                }
                state.log_in_as(id.as_str(), Moment::Identity);
            }
            Ok(client_id)
        };
        let on = Some((user.username.as_str(), IssuerObject::User));
        self.0.at_issuer("put user", SET, on, act).await.map_err(error_of)
    }

    async fn delete(&self, announced: &Announced, username: &str) -> Result<(), IssuerError> {
        self.says(announced);
        let user = username.to_owned();
        let act = move |state: &mut State| {
            let now = state.time.now();
            let existed = state.issuer.users.remove(&user);
            if let Some((id, existed)) = id_of(&user).zip(existed) {
                state.deleted(&id, existed.enabled);
                state.issuer.taken(&id, now);
                state.log_in_as(id.as_str(), Moment::Identity);
            }
            Ok(())
        };
        let on = Some((username, IssuerObject::User));
        self.0.at_issuer("delete user", SET, on, act).await.map_err(error_of)
    }
}

#[async_trait]
impl Catalog for ProvisionerWorld {
    async fn application(&self, id: &ApplicationId, revision: Revision) -> Result<Application, CatalogError> {
        let found = self.0.record(id, revision).await;
        found.map_err(|why| match why {
            NoRecord::Outage => CatalogError::Unavailable { detail: "injected".to_owned() },
            NoRecord::Behind => CatalogError::Behind,
            NoRecord::Unknown => CatalogError::Unknown,
        })
    }

    async fn applications(&self) -> Result<Vec<Application>, CatalogError> {
        let told = |state: &mut State| state.catalog.records.values().cloned().collect();
        self.at_catalog("catalog.applications", told).await
    }

    async fn report_missing(&self, id: &ApplicationId) -> Result<(), CatalogError> {
        let id = id.clone();
        self.at_catalog("catalog.missing", move |state| state.catalog.change(&id, true, |_| {})).await
    }

    async fn record_identity(&self, id: &ApplicationId, identity: &Identity) -> Result<(), CatalogError> {
        let (id, identity) = (id.clone(), identity.clone());
        self.at_catalog("catalog.record", move |state| state.catalog.record_identity(&id, &identity)).await
    }
}

impl ProvisionerWorld {
    /// A call to the catalog, which may be lost on its way or its answer on the way back.
    async fn at_catalog<T>(
        &self,
        call: &'static str,
        act: impl FnOnce(&mut State) -> T,
    ) -> Result<T, CatalogError> {
        let fault = self.0.meets(call, CALL).await;
        let unavailable = || CatalogError::Unavailable { detail: "injected".to_owned() };
        if matches!(fault, Some(Fault::NotSent | Fault::ErrorBefore | Fault::Late)) {
            return Err(unavailable());
        }
        self.0.travel().await;
        let told = act(&mut self.0.scene.locked());
        self.0.scene.catalog_changed.notify_waiters();
        match fault {
            Some(Fault::CrashAfter) => self.0.die().await,
            Some(Fault::LostReply | Fault::ErrorAfter) => Err(unavailable()),
            _ => Ok(told),
        }
    }
}
