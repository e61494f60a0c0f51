//! The distributor's public keys over gRPC.

use std::time::Duration;

use async_trait::async_trait;
use mint_api::distribution::v1::ListKeysRequest;
use mint_api::distribution::v1::distribution_service_client::DistributionServiceClient;
use mint_api::types::v1;
use mint_runtime::Channel;
use mint_secret::{KeyStage, PublishedKey};

use crate::Error;
use crate::ports::DistributorKeys;

/// Keys come out of memory: an answer takes milliseconds.
const DEADLINE: Duration = Duration::from_secs(5);

/// `distributor` behind a channel.
#[derive(Debug, Clone)]
pub struct GrpcDistributorKeys {
    client: DistributionServiceClient<Channel>,
}

impl GrpcDistributorKeys {
    /// Keys behind a channel.
    pub fn new(channel: Channel) -> Self {
        Self { client: DistributionServiceClient::new(channel) }
    }
}

#[async_trait]
impl DistributorKeys for GrpcDistributorKeys {
    async fn list(&self) -> Result<Vec<PublishedKey>, Error> {
        let mut request = tonic::Request::new(ListKeysRequest {});
        request.set_timeout(DEADLINE);
        let answer = self.client.clone().list_keys(request).await;
        let answer = answer.map_err(|status| Error::KeysUnavailable(status.message().to_owned()))?;
        answer.into_inner().keys.iter().map(published).collect()
    }
}

fn published(wire: &v1::PublicKey) -> Result<PublishedKey, Error> {
    let malformed = || Error::KeysUnavailable(format!("key {:?} is malformed", wire.id));
    let stage = match v1::KeyStage::try_from(wire.stage) {
        Ok(v1::KeyStage::Next) => KeyStage::Next,
        Ok(v1::KeyStage::Active) => KeyStage::Active,
        Ok(v1::KeyStage::Retiring) => KeyStage::Retiring,
        Ok(v1::KeyStage::Unspecified) | Err(_) => return Err(malformed()),
    };
    PublishedKey::checked(&wire.id, &wire.r#use, &wire.public_key, stage).ok_or_else(malformed)
}
