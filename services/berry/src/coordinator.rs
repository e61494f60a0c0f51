//! The coordinator over gRPC, with the application's own certificate.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use mint_api::WireFault;
use mint_api::convert::{duration_to_wire, kind_to_wire};
use mint_api::coordination::v1::ReportVersionRequest;
use mint_api::coordination::v1::coordination_service_client::CoordinationServiceClient;
use mint_runtime::Channel;
use mint_types::{ApplicationId, OutboundUrl, ServiceName};

use crate::error::chain;
use crate::ports::{Coordinator, Refused, Statement};

/// Where the coordinator is, and as whom to speak to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its URL.
    pub url: OutboundUrl,
    /// The authority that signs everybody.
    pub ca: PathBuf,
    /// The application's certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// The adapter. It connects with the first report: a certificate that is not there yet must not keep berry from fetching.
#[derive(Debug)]
pub(crate) struct GrpcCoordinator {
    endpoint: Endpoint,
    application: ApplicationId,
    channel: Mutex<Option<Channel>>,
}

impl GrpcCoordinator {
    pub(crate) fn new(endpoint: Endpoint, application: ApplicationId) -> Self {
        Self { endpoint, application, channel: Mutex::default() }
    }

    fn channel(&self) -> Result<Channel, Refused> {
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = channel.as_ref() {
            return Ok(open.clone());
        }
        let Endpoint { url, ca, cert, key } = &self.endpoint;
        let opened = mint_runtime::connect(url, ca, cert, key, None, ServiceName::Coordinator);
        let opened = opened.map_err(|error| Refused {
            reason: "CERTIFICATE_UNUSABLE".to_owned(),
            detail: chain(&error),
            last_sequence: None,
        })?;
        Ok(channel.insert(opened).clone())
    }
}

#[async_trait]
impl Coordinator for GrpcCoordinator {
    async fn report(&self, said: &Statement) -> Result<(), Refused> {
        let message = ReportVersionRequest {
            application_id: self.application.to_string(),
            kind: kind_to_wire(said.kind).into(),
            version_id: said.version_id.clone(),
            instance: said.instance.clone(),
            sequence: said.sequence,
            poll_interval: Some(duration_to_wire(said.poll_interval)),
        };
        let answer = CoordinationServiceClient::new(self.channel()?).report_version(message).await;
        answer.map(drop).map_err(|status| {
            let fault = WireFault::from_status(&status);
            let last_sequence = fault.metadata.get("last_sequence").and_then(|text| text.parse().ok());
            Refused { reason: fault.reason, detail: fault.message, last_sequence }
        })
    }
}
