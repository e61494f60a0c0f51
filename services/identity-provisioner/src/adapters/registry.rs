//! The catalog over gRPC.

use std::time::Duration;

use async_trait::async_trait;
use mint_api::WireFault;
use mint_api::registry::v1::{
    GetApplicationRequest, ListApplicationsRequest, RecordIdentityRequest,
    registry_service_client::RegistryServiceClient,
};
use mint_runtime::Channel;
use mint_types::{Application, ApplicationId, Identity, Revision};
use tonic::{Request, Status};

use crate::ports::{Catalog, CatalogError};

/// The catalog answers out of its database.
const DEADLINE: Duration = Duration::from_secs(5);

/// A page is 500 records: half a million applications.
const MOST_PAGES: usize = 1000;

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

    async fn applications(&self) -> Result<Vec<Application>, CatalogError> {
        let mut applications = Vec::new();
        let mut page_token = String::new();
        for _ in 0..MOST_PAGES {
            let request = ListApplicationsRequest { since_revision: 0, page_size: 0, page_token };
            let answer = self.client.clone().list_applications(timed(request)).await;
            let page = answer.map_err(|status| error(&status))?.into_inner();
            for wire in page.applications {
                let read = Application::try_from(wire).map_err(|invalid| unusable(invalid.to_string()))?;
                applications.push(read);
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(applications);
            }
        }
        Err(unusable(format!("its list does not end after {MOST_PAGES} pages")))
    }

    async fn report_missing(&self, id: &ApplicationId) -> Result<(), CatalogError> {
        let request = RecordIdentityRequest { application_id: id.to_string(), identity: None, missing: true };
        self.client.clone().record_identity(timed(request)).await.map(drop).map_err(|status| error(&status))
    }

    async fn record_identity(&self, id: &ApplicationId, identity: &Identity) -> Result<(), CatalogError> {
        let request = RecordIdentityRequest {
            application_id: id.to_string(),
            identity: Some(identity.clone().into()),
            missing: false,
        };
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
