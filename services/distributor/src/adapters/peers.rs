//! The catalog and the rotator's keys over gRPC.

use std::time::Duration;

use async_trait::async_trait;
use mint_api::registry::v1::registry_service_client::RegistryServiceClient;
use mint_api::registry::v1::{GetApplicationRequest, RecordTombstonesRequest};
use mint_api::rotation::v1::ListKeysRequest;
use mint_api::rotation::v1::rotation_service_client::RotationServiceClient;
use mint_api::types::v1 as wire;
use mint_api::{InvalidMessage, WireFault};
use mint_runtime::Channel;
use mint_secret::{KeyStage, PublishedKey};
use mint_types::{Application, ApplicationId, RemovedDestination, Revision};
use tonic::{Request, Status};

use crate::ports::{Catalog, RotatorKeys};

/// How long a peer may take; both answer from memory or one small read.
const PEER_DEADLINE: Duration = Duration::from_secs(5);

/// The catalog of `registry-sync`.
#[derive(Debug, Clone)]
pub struct GrpcCatalog(RegistryServiceClient<Channel>);

impl GrpcCatalog {
    /// Behind a channel to `registry-sync`.
    pub fn new(channel: Channel) -> Self {
        Self(RegistryServiceClient::new(channel))
    }
}

#[async_trait]
impl Catalog for GrpcCatalog {
    async fn application(
        &self,
        application: &ApplicationId,
        at_least: Revision,
    ) -> Result<Application, WireFault> {
        let request =
            GetApplicationRequest { application_id: application.to_string(), min_revision: at_least.0 };
        let answered = self.0.clone().get_application(bounded(request)).await;
        let answer = answered.map_err(WireFault::from)?.into_inner();
        let record = answer
            .application
            .ok_or_else(|| InvalidMessage::new("application", "it is missing"))
            .and_then(Application::try_from);
        record.map_err(|error| malformed(&error))
    }

    async fn overwritten(
        &self,
        application: &ApplicationId,
        removed: &[RemovedDestination],
    ) -> Result<(), WireFault> {
        let request = RecordTombstonesRequest {
            application_id: application.to_string(),
            overwritten: removed.iter().cloned().map(Into::into).collect(),
        };
        let answered = self.0.clone().record_tombstones(bounded(request)).await;
        answered.map(drop).map_err(WireFault::from)
    }
}

/// The keys of `rotator`.
#[derive(Debug, Clone)]
pub struct GrpcRotatorKeys(RotationServiceClient<Channel>);

impl GrpcRotatorKeys {
    /// Behind a channel to `rotator`.
    pub fn new(channel: Channel) -> Self {
        Self(RotationServiceClient::new(channel))
    }
}

#[async_trait]
impl RotatorKeys for GrpcRotatorKeys {
    async fn list(&self) -> Result<Vec<PublishedKey>, WireFault> {
        let answered = self.0.clone().list_keys(bounded(ListKeysRequest {})).await;
        let keys = answered.map_err(WireFault::from)?.into_inner().keys;
        let published = keys.iter().map(published).collect::<Result<_, _>>();
        published.map_err(|error| malformed(&error))
    }
}

fn bounded<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PEER_DEADLINE);
    request
}

fn malformed(error: &InvalidMessage) -> WireFault {
    WireFault::from(Status::data_loss(format!("the answer is malformed: {error}")))
}

fn published(key: &wire::PublicKey) -> Result<PublishedKey, InvalidMessage> {
    let stage = match wire::KeyStage::try_from(key.stage) {
        Ok(wire::KeyStage::Next) => KeyStage::Next,
        Ok(wire::KeyStage::Active) => KeyStage::Active,
        Ok(wire::KeyStage::Retiring) => KeyStage::Retiring,
        Ok(wire::KeyStage::Unspecified) | Err(_) => {
            return Err(InvalidMessage::new("keys.stage", format!("{} is no known stage", key.stage)));
        }
    };
    PublishedKey::checked(&key.id, &key.r#use, &key.public_key, stage)
        .ok_or_else(|| InvalidMessage::new("keys", "a key's id does not follow from the key"))
}

/// A public half for the wire.
pub(crate) fn public_key(key: &PublishedKey) -> wire::PublicKey {
    let stage = match key.stage {
        KeyStage::Next => wire::KeyStage::Next,
        KeyStage::Active => wire::KeyStage::Active,
        KeyStage::Retiring => wire::KeyStage::Retiring,
    };
    wire::PublicKey {
        id: key.id.to_string(),
        r#use: key.key_use.as_str().to_owned(),
        public_key: key.public_key.to_vec(),
        stage: stage.into(),
    }
}
