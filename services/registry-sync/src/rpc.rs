//! The wire: decode, one call, encode.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt};
use mint_api::convert::{parse, timestamp_to_wire};
use mint_api::registry::v1::{
    self as wire, GetApplicationRequest, GetApplicationResponse, GetSourceRequest, GetSourceResponse,
    ListApplicationsRequest, ListApplicationsResponse, RecordIdentityRequest, RecordIdentityResponse,
    RecordTombstonesRequest, RecordTombstonesResponse, ReleaseRequest, ReleaseResponse,
    RestoreApplicationRequest, RestoreApplicationResponse, RetireApplicationRequest,
    RetireApplicationResponse, SyncSourceRequest, SyncSourceResponse, UpdateSettingsRequest,
    UpdateSettingsResponse, WatchApplicationsRequest, WatchApplicationsResponse,
    registry_service_server::RegistryService,
};
use mint_api::{Fault, InvalidMessage};
use mint_types::{ApplicationId, Identity, RemovedDestination, Revision};
use tonic::{Request, Response, Status};

use crate::{
    Error,
    catalog::Catalog,
    decide::Deciding,
    enter::{Author, Entering},
    execute::Synchronizer,
    feed::Feed,
    guard::Release,
    settings::Draft,
};

/// Longer names are no user names or client ids.
const LONGEST_NAME: usize = 255;

/// The registry service over gRPC.
#[derive(Debug, Clone)]
pub struct Rpc {
    /// Where records are.
    pub catalog: Catalog,
    /// What is served of them.
    pub feed: Feed,
    /// How settings change.
    pub entering: Entering,
    /// What operators decide.
    pub deciding: Deciding,
    /// How the source is read.
    pub synchronizer: Arc<Synchronizer>,
}

impl Rpc {
    fn encoded(&self, record: crate::model::Record) -> wire::Application {
        self.feed.served(record).into()
    }
}

#[tonic::async_trait]
impl RegistryService for Rpc {
    async fn list_applications(
        &self,
        request: Request<ListApplicationsRequest>,
    ) -> Result<Response<ListApplicationsResponse>, Status> {
        let request = request.into_inner();
        let since = Revision(request.since_revision);
        let page = self.feed.list(since, request.page_size, &request.page_token).await?;
        Ok(Response::new(ListApplicationsResponse {
            applications: page.applications.into_iter().map(Into::into).collect(),
            next_page_token: page.next_page_token,
            revision: page.revision.0,
        }))
    }

    type WatchApplicationsStream =
        Pin<Box<dyn Stream<Item = Result<WatchApplicationsResponse, Status>> + Send>>;

    async fn watch_applications(
        &self,
        request: Request<WatchApplicationsRequest>,
    ) -> Result<Response<Self::WatchApplicationsStream>, Status> {
        let changes = self.feed.watch(Revision(request.into_inner().since_revision)).await?;
        let answers = changes.map(|change| match change {
            Ok(application) => Ok(WatchApplicationsResponse { application: Some(application.into()) }),
            Err(fault) => Err(fault.into()),
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn get_application(
        &self,
        request: Request<GetApplicationRequest>,
    ) -> Result<Response<GetApplicationResponse>, Status> {
        let reader = Author::Peer(mint_runtime::peer_of(&request)?.principal);
        let request = request.into_inner();
        let id = application_id(&request.application_id)?;
        self.feed.at_least(Revision(request.min_revision)).await?;
        let record = self.catalog.record(&id).await?.ok_or(Error::Unknown(id))?;
        reader.may_read(&record)?;
        Ok(Response::new(GetApplicationResponse { application: Some(self.encoded(record)) }))
    }

    async fn update_settings(
        &self,
        request: Request<UpdateSettingsRequest>,
    ) -> Result<Response<UpdateSettingsResponse>, Status> {
        let author = Author::Peer(mint_runtime::peer_of(&request)?.principal);
        let request = request.into_inner();
        let id = application_id(&request.application_id)?;
        let settings = request.settings.ok_or_else(|| InvalidMessage::new("settings", "it is required"))?;
        self.synchronizer.known(&id).await?;
        let draft = Draft::from_wire(settings).map_err(Error::from)?;
        let record =
            self.entering.draft(&author, &id, request.expected_generation, draft, &request.statement).await?;
        Ok(Response::new(UpdateSettingsResponse { application: Some(self.encoded(record)) }))
    }

    async fn record_identity(
        &self,
        request: Request<RecordIdentityRequest>,
    ) -> Result<Response<RecordIdentityResponse>, Status> {
        let request = request.into_inner();
        let id = application_id(&request.application_id)?;
        if request.missing {
            let record = self.catalog.identity_missing(&id).await?;
            return Ok(Response::new(RecordIdentityResponse { application: Some(self.encoded(record)) }));
        }
        let identity = request.identity.ok_or_else(|| InvalidMessage::new("identity", "it is required"))?;
        named("identity.username", &identity.username)?;
        named("identity.client_id", &identity.client_id)?;
        let record = self.catalog.record_identity(&id, &Identity::from(identity)).await?;
        Ok(Response::new(RecordIdentityResponse { application: Some(self.encoded(record)) }))
    }

    async fn get_source(
        &self,
        _request: Request<GetSourceRequest>,
    ) -> Result<Response<GetSourceResponse>, Status> {
        let memory = self.synchronizer.memory();
        Ok(Response::new(GetSourceResponse {
            driver: self.synchronizer.source().driver().to_owned(),
            location: self.synchronizer.source().location(),
            accepted_at: memory.accepted_at.map(timestamp_to_wire),
            applications: self.catalog.size().await?,
            revision: self.catalog.revision().await?.0,
            problems: memory.problems.into_iter().map(Into::into).collect(),
            released: self.catalog.releases().await?.iter().map(Release::remaining).sum(),
        }))
    }

    async fn release(&self, request: Request<ReleaseRequest>) -> Result<Response<ReleaseResponse>, Status> {
        let release = self.deciding.release(&request.into_inner().statement).await?;
        Ok(Response::new(ReleaseResponse {
            remaining: release.remaining(),
            expires_at: Some(timestamp_to_wire(release.expires_at)),
            statement_id: release.id,
        }))
    }

    async fn retire_application(
        &self,
        request: Request<RetireApplicationRequest>,
    ) -> Result<Response<RetireApplicationResponse>, Status> {
        let author = Author::Peer(mint_runtime::peer_of(&request)?.principal);
        let id = application_id(&request.into_inner().application_id)?;
        let record = self.deciding.retire(&author, &id).await?;
        Ok(Response::new(RetireApplicationResponse { application: Some(self.encoded(record)) }))
    }

    async fn restore_application(
        &self,
        request: Request<RestoreApplicationRequest>,
    ) -> Result<Response<RestoreApplicationResponse>, Status> {
        let author = Author::Peer(mint_runtime::peer_of(&request)?.principal);
        let id = application_id(&request.into_inner().application_id)?;
        let record = self.deciding.restore(&author, &id).await?;
        Ok(Response::new(RestoreApplicationResponse { application: Some(self.encoded(record)) }))
    }

    async fn record_tombstones(
        &self,
        request: Request<RecordTombstonesRequest>,
    ) -> Result<Response<RecordTombstonesResponse>, Status> {
        let request = request.into_inner();
        let id = application_id(&request.application_id)?;
        let overwritten: Result<Vec<_>, _> =
            request.overwritten.into_iter().map(RemovedDestination::try_from).collect();
        let record = self.catalog.record_tombstones(&id, &overwritten?).await?;
        Ok(Response::new(RecordTombstonesResponse { application: Some(self.encoded(record)) }))
    }

    async fn sync_source(
        &self,
        _request: Request<SyncSourceRequest>,
    ) -> Result<Response<SyncSourceResponse>, Status> {
        let revision = self.synchronizer.full().await?;
        Ok(Response::new(SyncSourceResponse { revision: revision.0 }))
    }
}

fn application_id(text: &str) -> Result<ApplicationId, Fault> {
    parse("application_id", text).map_err(Fault::from)
}

fn named(field: &'static str, text: &str) -> Result<(), Fault> {
    if text.is_empty() || text.len() > LONGEST_NAME || text.chars().any(char::is_control) {
        return Err(InvalidMessage::new(field, "it must be a name of at most 255 characters").into());
    }
    Ok(())
}
