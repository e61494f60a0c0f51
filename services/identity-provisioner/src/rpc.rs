//! The wire: decode, one call, encode.

use std::sync::Arc;

use mint_api::convert::{fencing_token_from_wire, parse, timestamp_to_wire};
use mint_api::identity::v1::{
    DeleteIdentityRequest, DeleteIdentityResponse, DisableIdentityRequest, DisableIdentityResponse,
    EnableIdentityRequest, EnableIdentityResponse, EnsureIdentityRequest, EnsureIdentityResponse,
    GetIdentityRequest, GetIdentityResponse, IdentityState, identity_service_server::IdentityService,
};
use mint_types::{Clock, Revision};
use tonic::{Request, Response, Status};

use crate::{
    Error,
    execute::Provisioner,
    model::{Order, Stage},
};

/// The identity service over gRPC.
#[derive(Debug, Clone)]
pub struct Rpc {
    /// Acts.
    pub provisioner: Arc<Provisioner>,
    /// For telling a fencing token that no lease can have made.
    pub clock: Arc<dyn Clock>,
}

impl Rpc {
    fn order(&self, application: &str, revision: u64, token: u64) -> Result<Order, Error> {
        let application = parse("application_id", application)?;
        let token = fencing_token_from_wire(token, self.clock.now())?;
        Ok(Order { application, revision: Revision(revision), token })
    }
}

#[tonic::async_trait]
impl IdentityService for Rpc {
    async fn ensure_identity(
        &self,
        request: Request<EnsureIdentityRequest>,
    ) -> Result<Response<EnsureIdentityResponse>, Status> {
        let request = request.into_inner();
        let order = self.order(&request.application_id, request.catalog_revision, request.fencing_token)?;
        let known = self.provisioner.ensure(&order).await?;
        Ok(Response::new(EnsureIdentityResponse {
            username: known.username,
            client_id: known.client_id.unwrap_or_default(),
            foreign: known.foreign,
            applied_revision: known.applied.0,
        }))
    }

    async fn disable_identity(
        &self,
        request: Request<DisableIdentityRequest>,
    ) -> Result<Response<DisableIdentityResponse>, Status> {
        let request = request.into_inner();
        let order = self.order(&request.application_id, request.catalog_revision, request.fencing_token)?;
        let existed = self.provisioner.disable(&order).await?;
        Ok(Response::new(DisableIdentityResponse { existed }))
    }

    async fn enable_identity(
        &self,
        request: Request<EnableIdentityRequest>,
    ) -> Result<Response<EnableIdentityResponse>, Status> {
        let request = request.into_inner();
        let order = self.order(&request.application_id, request.catalog_revision, request.fencing_token)?;
        self.provisioner.enable(&order).await?;
        Ok(Response::new(EnableIdentityResponse {}))
    }

    async fn delete_identity(
        &self,
        request: Request<DeleteIdentityRequest>,
    ) -> Result<Response<DeleteIdentityResponse>, Status> {
        let request = request.into_inner();
        let order = self.order(&request.application_id, request.catalog_revision, request.fencing_token)?;
        self.provisioner.delete(&order).await?;
        Ok(Response::new(DeleteIdentityResponse {}))
    }

    async fn get_identity(
        &self,
        request: Request<GetIdentityRequest>,
    ) -> Result<Response<GetIdentityResponse>, Status> {
        let application = parse("application_id", &request.into_inner().application_id)?;
        let known = self.provisioner.identity(&application).await?;
        let state = match known.intended.unwrap_or(known.stage) {
            Stage::None => IdentityState::Unspecified,
            Stage::Enabled => IdentityState::Enabled,
            Stage::Disabled => IdentityState::Disabled,
            Stage::Deleted => IdentityState::Deleted,
        };
        Ok(Response::new(GetIdentityResponse {
            username: known.username,
            client_id: known.client_id.unwrap_or_default(),
            state: state.into(),
            foreign: known.foreign,
            changed_at: Some(timestamp_to_wire(known.changed_at)),
        }))
    }
}
