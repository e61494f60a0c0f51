//! The catalog over gRPC.

use std::time::Duration;

use async_trait::async_trait;
use mint_api::WireFault;
use mint_api::registry::v1::GetApplicationRequest;
use mint_api::registry::v1::registry_service_client::RegistryServiceClient;
use mint_runtime::Channel;
use mint_types::{Application, ApplicationId, Code, Revision};

use crate::Error;
use crate::ports::Catalog;

/// The catalog reads its own database: an answer takes milliseconds.
const DEADLINE: Duration = Duration::from_secs(5);

/// `registry-sync` behind a channel.
#[derive(Debug, Clone)]
pub struct GrpcCatalog {
    client: RegistryServiceClient<Channel>,
}

impl GrpcCatalog {
    /// A catalog behind a channel.
    pub fn new(channel: Channel) -> Self {
        Self { client: RegistryServiceClient::new(channel) }
    }
}

#[async_trait]
impl Catalog for GrpcCatalog {
    async fn application(
        &self,
        application: &ApplicationId,
        at_least: Revision,
    ) -> Result<Application, Error> {
        let mut request = tonic::Request::new(GetApplicationRequest {
            application_id: application.to_string(),
            min_revision: at_least.0,
        });
        request.set_timeout(DEADLINE);
        let answer = self.client.clone().get_application(request).await.map_err(|status| {
            let fault = WireFault::from_status(&status);
            if fault.reason == WireFault::TRANSPORT {
                Error::CatalogUnavailable(fault)
            } else {
                Error::Catalog(fault)
            }
        })?;
        let malformed = |message: String| {
            Error::CatalogUnavailable(WireFault {
                code: Code::DataLoss,
                reason: "CATALOG_UNAVAILABLE".to_owned(),
                message,
                metadata: std::collections::BTreeMap::new(),
                retry_after: None,
            })
        };
        let record = answer
            .into_inner()
            .application
            .ok_or_else(|| malformed("an answer without a record".to_owned()))?;
        let record = Application::try_from(record).map_err(|error| malformed(error.to_string()))?;
        if record.id != *application {
            return Err(malformed("the record of another application".to_owned()));
        }
        Ok(record)
    }
}
