//! `distributor` over gRPC.

use std::time::Duration;

use async_trait::async_trait;
use mint_api::convert::duration_from_wire;
use mint_api::distribution::v1::distribution_service_client::DistributionServiceClient;
use mint_api::distribution::v1::{DeliverRequest, DestinationOutcome, Outcome, TombstoneRequest};
use mint_runtime::Channel;
use mint_saga::{Failure, Sealed};

use super::wire;
use crate::ports::{Call, Delivery, DestinationAnswer, Distributor, Overwritten, Permit, RotationCall};

const SERVICE: &str = "distributor";

/// The distributor.
#[derive(Debug, Clone)]
pub(crate) struct GrpcDistributor {
    client: DistributionServiceClient<Channel>,
    deadline: Duration,
}

impl GrpcDistributor {
    /// Behind a channel to `distributor`.
    pub(crate) fn new(channel: Channel, deadline: Duration) -> Self {
        Self { client: DistributionServiceClient::new(channel), deadline }
    }
}

fn answer(outcome: &DestinationOutcome) -> DestinationAnswer {
    let kind = outcome.outcome();
    let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let failure = |default: &str| Failure {
        reason: text(&outcome.reason).unwrap_or_else(|| default.to_owned()),
        detail: outcome.detail.clone(),
        destination: Some(format!("{}/{}", outcome.bucket, outcome.key)),
        next_action: text(&outcome.next_action),
        // a negative wait is none
        retry_after: outcome
            .retry_after
            .as_ref()
            .and_then(|wait| duration_from_wire("retry_after", wait).ok()),
    };
    match kind {
        Outcome::Written => DestinationAnswer::Written,
        Outcome::Refused => DestinationAnswer::Refused(failure("DESTINATION_REFUSED")),
        Outcome::Unknown | Outcome::Waiting | Outcome::Unspecified => {
            DestinationAnswer::Unknown(failure("DESTINATION_UNKNOWN_OUTCOME"))
        }
    }
}

#[async_trait]
impl Distributor for GrpcDistributor {
    async fn deliver(
        &self,
        call: &RotationCall,
        envelope: &Sealed,
        replaces: bool,
    ) -> Result<Delivery, Failure> {
        let message = DeliverRequest {
            application_id: call.call.application.to_string(),
            rotation_id: call.rotation.to_string(),
            catalog_revision: call.call.revision.0,
            fencing_token: call.call.token.0,
            envelope: envelope.as_bytes().to_vec(),
            replaces,
        };
        let mut client = self.client.clone();
        let response = client.deliver(wire::request(message, self.deadline)).await;
        let response = response.map_err(|status| wire::failure(SERVICE, &status))?.into_inner();
        Ok(Delivery {
            receipt: Sealed::new(response.receipt),
            partial: Sealed::new(response.partial_receipt),
            destinations: response.destinations.iter().map(answer).collect(),
        })
    }

    async fn tombstone(&self, call: &Call, permit: &Permit) -> Result<Overwritten, Failure> {
        let message = TombstoneRequest {
            application_id: call.application.to_string(),
            catalog_revision: call.revision.0,
            fencing_token: call.token.0,
            permit: permit.0.clone(),
        };
        let mut client = self.client.clone();
        let response = client.tombstone(wire::request(message, self.deadline)).await;
        let response = response.map_err(|status| wire::failure(SERVICE, &status))?.into_inner();
        Ok(Overwritten {
            objects: response.objects.iter().map(answer).collect(),
            complete: response.complete,
        })
    }
}
