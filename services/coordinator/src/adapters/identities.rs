//! `identity-provisioner` over gRPC.

use std::time::Duration;

use async_trait::async_trait;
use mint_api::convert::{duration_from_wire, timestamp_from_wire};
use mint_api::identity::v1::identity_service_client::IdentityServiceClient;
use mint_api::identity::v1::{
    AdoptIdentityRequest, DeleteIdentityRequest, DisableIdentityRequest, EnsureIdentityRequest,
    PermitRemovalRequest, RemovalKind, RestoreIdentityRequest,
};
use mint_runtime::Channel;
use mint_saga::Failure;
use mint_types::Revision;

use super::wire;
use crate::ports::{Call, Disabled, Ensured, Identities, Permit, Removing};

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
        let left = answer.look_again_after.as_ref();
        let left = left.map(|left| duration_from_wire("look_again_after", left)).transpose();
        let look_again_after = left.map_err(|error| wire::malformed(SERVICE, &error))?;
        Ok(Ensured {
            client_id: answer.client_id,
            applied: Revision(answer.applied_revision),
            incarnation: Some(answer.incarnation),
            unconfirmed_redirect: answer.unconfirmed_redirect_url,
            unconfirmed_client_type: Some(answer.unconfirmed_client_type),
            look_again_after,
        })
    }

    async fn disable(&self, call: &Call) -> Result<Disabled, Failure> {
        let message = DisableIdentityRequest {
            application_id: call.application.to_string(),
            catalog_revision: call.revision.0,
            fencing_token: call.token.0,
        };
        let mut client = self.client.clone();
        let answer = client.disable_identity(wire::request(message, self.deadline)).await;
        let answer = answer.map_err(|status| wire::failure(SERVICE, &status))?.into_inner();
        let tombstone_until = answer.tombstone_until.as_ref().map(timestamp_from_wire);
        Ok(Disabled { existed: answer.existed, tombstone_until })
    }

    async fn restore(&self, call: &Call) -> Result<Ensured, Failure> {
        let message = RestoreIdentityRequest {
            application_id: call.application.to_string(),
            catalog_revision: call.revision.0,
            fencing_token: call.token.0,
        };
        let mut client = self.client.clone();
        let answer = client.restore_identity(wire::request(message, self.deadline)).await;
        let answer = answer.map_err(|status| wire::failure(SERVICE, &status))?.into_inner();
        Ok(Ensured {
            client_id: answer.client_id,
            applied: Revision(answer.applied_revision),
            incarnation: None,
            unconfirmed_redirect: None,
            unconfirmed_client_type: None,
            look_again_after: None,
        })
    }

    async fn adopt(&self, call: &Call) -> Result<Ensured, Failure> {
        let message = AdoptIdentityRequest {
            application_id: call.application.to_string(),
            catalog_revision: call.revision.0,
            fencing_token: call.token.0,
        };
        let mut client = self.client.clone();
        let answer = client.adopt_identity(wire::request(message, self.deadline)).await;
        let answer = answer.map_err(|status| wire::failure(SERVICE, &status))?.into_inner();
        Ok(Ensured {
            client_id: answer.client_id,
            applied: Revision(answer.applied_revision),
            incarnation: None,
            unconfirmed_redirect: None,
            unconfirmed_client_type: None,
            look_again_after: None,
        })
    }

    async fn delete(&self, call: &Call) -> Result<(), Failure> {
        let message = DeleteIdentityRequest {
            application_id: call.application.to_string(),
            catalog_revision: call.revision.0,
            fencing_token: call.token.0,
        };
        let mut client = self.client.clone();
        let answer = client.delete_identity(wire::request(message, self.deadline)).await;
        answer.map(drop).map_err(|status| wire::failure(SERVICE, &status))
    }

    async fn permit(&self, call: &Call, removing: Removing) -> Result<Permit, Failure> {
        let removal = match removing {
            Removing::Application => RemovalKind::Application,
            Removing::Destinations => RemovalKind::Destinations,
        };
        let message = PermitRemovalRequest {
            application_id: call.application.to_string(),
            catalog_revision: call.revision.0,
            fencing_token: call.token.0,
            removal: removal.into(),
        };
        let mut client = self.client.clone();
        let answer = client.permit_removal(wire::request(message, self.deadline)).await;
        let answer = answer.map_err(|status| wire::failure(SERVICE, &status))?.into_inner();
        Ok(Permit(answer.permit))
    }
}
