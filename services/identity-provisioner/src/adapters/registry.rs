//! The catalog over gRPC.

use std::time::Duration;

use async_trait::async_trait;
use mint_api::WireFault;
use mint_api::registry::v1::{
    GetApplicationRequest, RecordIdentityRequest, registry_service_client::RegistryServiceClient,
};
use mint_runtime::Channel;
use mint_types::{Application, ApplicationId, Identity, Revision};
use tonic::{Request, Status};

use crate::ports::{Catalog, CatalogError};

/// The catalog answers out of its database.
const DEADLINE: Duration = Duration::from_secs(5);

/// The catalog that registry-sync serves.
#[derive(Debug, Clone)]
pub struct RegistryCatalog {
    client: RegistryServiceClient<Channel>,
}

impl RegistryCatalog {
    /// Behind a channel to registry-sync.
    pub fn new(channel: Channel) -> Self {
        Self { client: RegistryServiceClient::new(channel) }
    }
}

#[async_trait]
impl Catalog for RegistryCatalog {
    async fn application(&self, id: &ApplicationId, revision: Revision) -> Result<Application, CatalogError> {
        let request = GetApplicationRequest { application_id: id.to_string(), min_revision: revision.0 };
        let answer =
            self.client.clone().get_application(timed(request)).await.map_err(|status| error(&status))?;
        let wire =
            answer.into_inner().application.ok_or_else(|| unusable("it answered no record".to_owned()))?;
        let application = Application::try_from(wire).map_err(|invalid| unusable(invalid.to_string()))?;
        if application.id == *id {
            Ok(application)
        } else {
            Err(unusable("it answered another record".to_owned()))
        }
    }

    async fn record_identity(&self, id: &ApplicationId, identity: &Identity) -> Result<(), CatalogError> {
        let request =
            RecordIdentityRequest { application_id: id.to_string(), identity: Some(identity.clone().into()) };
        self.client.clone().record_identity(timed(request)).await.map(drop).map_err(|status| error(&status))
    }
}

fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}

fn error(status: &Status) -> CatalogError {
    let fault = WireFault::from_status(status);
    match fault.reason.as_str() {
        "APPLICATION_UNKNOWN" => CatalogError::Unknown,
        "CATALOG_BEHIND" => CatalogError::Behind,
        _ => unusable(fault.to_string()),
    }
}

fn unusable(detail: String) -> CatalogError {
    CatalogError::Unavailable { detail }
}
