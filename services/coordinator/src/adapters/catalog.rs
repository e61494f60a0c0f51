//! `registry-sync` over gRPC.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use mint_api::InvalidMessage;
use mint_api::registry::v1::registry_service_client::RegistryServiceClient;
use mint_api::registry::v1::{ListApplicationsRequest, WatchApplicationsRequest};
use mint_runtime::Channel;
use mint_saga::Failure;
use mint_types::{Application, Revision};
use tonic::Request;

use super::wire;
use crate::ports::{Catalog, CatalogPage};

const SERVICE: &str = "registry-sync";
/// A page is a read of a database.
const DEADLINE: Duration = Duration::from_secs(10);

/// The catalog.
#[derive(Debug, Clone)]
pub(crate) struct GrpcCatalog {
    client: RegistryServiceClient<Channel>,
}

impl GrpcCatalog {
    /// Behind a channel to `registry-sync`.
    pub(crate) fn new(channel: Channel) -> Self {
        Self { client: RegistryServiceClient::new(channel) }
    }
}

fn readable(record: mint_api::registry::v1::Application) -> Result<Application, Failure> {
    let id = record.id.clone();
    Application::try_from(record).map_err(|error: InvalidMessage| {
        let mut failure = wire::malformed(SERVICE, &error);
        failure.detail = format!("{:?}: {}", id.chars().take(80).collect::<String>(), failure.detail);
        failure
    })
}

#[async_trait]
impl Catalog for GrpcCatalog {
    async fn list(&self, since: Revision, page_token: &str) -> Result<CatalogPage, Failure> {
        let message = ListApplicationsRequest {
            since_revision: since.0,
            page_size: 0,
            page_token: page_token.to_owned(),
        };
        let mut client = self.client.clone();
        let answer = client.list_applications(wire::request(message, DEADLINE)).await;
        let page = answer.map_err(|status| wire::failure(SERVICE, &status))?.into_inner();
        let mut records = Vec::with_capacity(page.applications.len());
        for record in page.applications {
            match readable(record) {
                Ok(record) => records.push(record),
                Err(failure) => {
                    tracing::error!(code = %failure.reason, detail = %failure.detail, "a record of the catalog is passed over");
                }
            }
        }
        Ok(CatalogPage { records, next_page_token: page.next_page_token, revision: Revision(page.revision) })
    }

    async fn watch(
        &self,
        since: Revision,
    ) -> Result<BoxStream<'static, Result<Application, Failure>>, Failure> {
        let message = WatchApplicationsRequest { since_revision: since.0 };
        let mut client = self.client.clone();
        // no deadline: the stream lives as long as both sides; a dead peer is found by HTTP/2 keepalive
        let answer = client.watch_applications(Request::new(message)).await;
        let changes = answer.map_err(|status| wire::failure(SERVICE, &status))?.into_inner();
        let records = changes.filter_map(|item| async move {
            match item {
                Ok(change) => change.application.map(readable),
                Err(status) => Some(Err(wire::failure(SERVICE, &status))),
            }
        });
        Ok(records.boxed())
    }
}
