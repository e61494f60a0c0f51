//! Decode, one call, encode.

use std::sync::Arc;

use mint_api::convert::{duration_to_wire, fencing_token_from_wire, parse, revision_from_wire};
use mint_api::distribution::v1::distribution_service_server::DistributionService;
use mint_api::distribution::v1::{
    DeliverRequest, DeliverResponse, DestinationOutcome, ListKeysRequest, ListKeysResponse, Outcome,
    TombstoneRequest, TombstoneResponse,
};
use mint_api::{Fault, InvalidMessage};
use mint_secret::KeyRing;
use mint_types::{Clock, Entropy, RequestId, Timestamp};
use tonic::{Request, Response, Status};

use crate::adapters::public_key;
use crate::execute::{ACTION as DELIVER, Distributor, TOMBSTONE};
use crate::outcome::{Delivered, Line, LineState};
use crate::ports::{Delivery, Removal, Trouble};

/// An envelope is a credential's JSON and some keys; anything longer is none.
const LONGEST_ENVELOPE: usize = 64 * 1024;
/// A permit is a statement of a few fields.
const LONGEST_PERMIT: usize = 16 * 1024;

/// The service on the wire.
#[derive(Debug, Clone)]
pub struct Rpc {
    /// Delivers.
    pub distributor: Arc<Distributor>,
    /// Our keys.
    pub ring: Arc<KeyRing>,
    /// For telling a fencing token that no lease can have made.
    pub clock: Arc<dyn Clock>,
    /// For the id of a request that came without one.
    pub entropy: Arc<dyn Entropy>,
}

#[tonic::async_trait]
impl DistributionService for Rpc {
    async fn deliver(&self, request: Request<DeliverRequest>) -> Result<Response<DeliverResponse>, Status> {
        let (message, request) = (request.into_inner(), self.request_id());
        let application = message.application_id.clone();
        let delivery = delivery(message, request, self.clock.now())
            .inspect_err(|_| self.distributor.tell_of_invalid(DELIVER, &application, request))?;
        match self.distributor.deliver(&delivery).await {
            Ok(delivered) => Ok(Response::new(encode(delivered))),
            Err(error) => {
                let fault = Fault::from(error);
                let (application, rotation) = (&delivery.application, delivery.rotation);
                tracing::warn!(%application, %rotation, reason = fault.reason, error = fault.message, "not delivered");
                Err(fault.into())
            }
        }
    }

    async fn tombstone(
        &self,
        request: Request<TombstoneRequest>,
    ) -> Result<Response<TombstoneResponse>, Status> {
        let (message, request) = (request.into_inner(), self.request_id());
        let application = message.application_id.clone();
        let removal = removal(message, request, self.clock.now())
            .inspect_err(|_| self.distributor.tell_of_invalid(TOMBSTONE, &application, request))?;
        match self.distributor.tombstone(&removal).await {
            Ok(overwritten) => Ok(Response::new(TombstoneResponse {
                objects: overwritten.lines.into_iter().map(outcome).collect(),
                complete: overwritten.is_complete,
            })),
            Err(error) => {
                let fault = Fault::from(error);
                let application = &removal.application;
                tracing::warn!(%application, reason = fault.reason, error = fault.message, "not overwritten");
                Err(fault.into())
            }
        }
    }

    async fn list_keys(
        &self,
        _request: Request<ListKeysRequest>,
    ) -> Result<Response<ListKeysResponse>, Status> {
        let keys = self.ring.published().iter().map(public_key).collect();
        Ok(Response::new(ListKeysResponse { keys }))
    }
}

impl Rpc {
    fn request_id(&self) -> RequestId {
        mint_runtime::request_id().unwrap_or_else(|| RequestId::random(self.entropy.as_ref()))
    }
}

fn removal(message: TombstoneRequest, request: RequestId, now: Timestamp) -> Result<Removal, InvalidMessage> {
    if message.permit.is_empty() || message.permit.len() > LONGEST_PERMIT {
        return Err(InvalidMessage::new("permit", format!("it must have 1 to {LONGEST_PERMIT} bytes")));
    }
    Ok(Removal {
        application: parse("application_id", &message.application_id)?,
        catalog_revision: revision_from_wire(message.catalog_revision, now)?,
        fencing_token: fencing_token_from_wire(message.fencing_token, now)?,
        permit: message.permit.into_bytes(),
        request,
    })
}

fn delivery(message: DeliverRequest, request: RequestId, now: Timestamp) -> Result<Delivery, InvalidMessage> {
    if message.envelope.is_empty() || message.envelope.len() > LONGEST_ENVELOPE {
        return Err(InvalidMessage::new("envelope", format!("it must have 1 to {LONGEST_ENVELOPE} bytes")));
    }
    Ok(Delivery {
        application: parse("application_id", &message.application_id)?,
        rotation: parse("rotation_id", &message.rotation_id)?,
        catalog_revision: revision_from_wire(message.catalog_revision, now)?,
        fencing_token: fencing_token_from_wire(message.fencing_token, now)?,
        envelope: message.envelope,
        replaces: message.replaces,
        request,
    })
}

fn encode(delivered: Delivered) -> DeliverResponse {
    DeliverResponse {
        receipt: delivered.receipt.unwrap_or_default(),
        partial_receipt: delivered.partial.unwrap_or_default(),
        destinations: delivered.lines.into_iter().map(outcome).collect(),
    }
}

fn outcome(line: Line) -> DestinationOutcome {
    let written = DestinationOutcome {
        bucket: line.place.bucket,
        key: line.place.key,
        outcome: Outcome::Written.into(),
        ..DestinationOutcome::default()
    };
    match line.state {
        LineState::Written => written,
        LineState::Refused(trouble) => troubled(written, Outcome::Refused, trouble),
        LineState::Unknown(trouble) => troubled(written, Outcome::Unknown, trouble),
        LineState::Waiting { retry_after } => DestinationOutcome {
            outcome: Outcome::Waiting.into(),
            reason: "DESTINATION_UNKNOWN_OUTCOME".to_owned(),
            detail: "an older write was never answered and may still land".to_owned(),
            next_action: "nothing: it is written when the older write can no longer land".to_owned(),
            retry_after: Some(duration_to_wire(retry_after)),
            ..written
        },
    }
}

fn troubled(line: DestinationOutcome, outcome: Outcome, trouble: Trouble) -> DestinationOutcome {
    DestinationOutcome {
        outcome: outcome.into(),
        reason: trouble.reason.to_owned(),
        detail: trouble.detail,
        next_action: trouble.next_action.to_owned(),
        retry_after: trouble.retry_after.map(duration_to_wire),
        ..line
    }
}
