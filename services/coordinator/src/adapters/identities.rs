//! `identity-provisioner` over gRPC.

use std::time::Duration;

use async_trait::async_trait;
use mint_api::identity::v1::identity_service_client::IdentityServiceClient;
use mint_api::identity::v1::{DisableIdentityRequest, EnableIdentityRequest, EnsureIdentityRequest};
use mint_runtime::Channel;
use mint_saga::Failure;
use mint_types::Revision;

use super::wire;
use crate::ports::{Call, Ensured, Identities};

const SERVICE: &str = "identity-provisioner";

/// The identities.
#[derive(Debug, Clone)]
pub(crate) struct GrpcIdentities {
    client: IdentityServiceClient<Channel>,
    deadline: Duration,
}

impl GrpcIdentities {
    /// Behind a channel to `identity-provisioner`.
    pub(crate) fn new(channel: Channel, deadline: Duration) -> Self {
        Self { client: IdentityServiceClient::new(channel), deadline }
    }
}

#[async_trait]
impl Identities for GrpcIdentities {
    async fn ensure(&self, call: &Call) -> Result<Ensured, Failure> {
        let message = EnsureIdentityRequest {
            application_id: call.application.to_string(),
            catalog_revision: call.revision.0,
            fencing_token: call.token.0,
        };
        let mut client = self.client.clone();
        let answer = client.ensure_identity(wire::request(message, self.deadline)).await;
        let answer = answer.map_err(|status| wire::failure(SERVICE, &status))?.into_inner();
        Ok(Ensured { client_id: answer.client_id, applied: Revision(answer.applied_revision) })
    }

    async fn disable(&self, call: &Call) -> Result<bool, Failure> {
        let message = DisableIdentityRequest {
            application_id: call.application.to_string(),
            catalog_revision: call.revision.0,
            fencing_token: call.token.0,
        };
        let mut client = self.client.clone();
        let answer = client.disable_identity(wire::request(message, self.deadline)).await;
        Ok(answer.map_err(|status| wire::failure(SERVICE, &status))?.into_inner().existed)
    }

    async fn enable(&self, call: &Call) -> Result<(), Failure> {
        let message = EnableIdentityRequest {
            application_id: call.application.to_string(),
            catalog_revision: call.revision.0,
            fencing_token: call.token.0,
        };
        let mut client = self.client.clone();
        let answer = client.enable_identity(wire::request(message, self.deadline)).await;
        answer.map(drop).map_err(|status| wire::failure(SERVICE, &status))
    }
}
