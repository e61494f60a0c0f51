//! Decode, one call, encode.

use std::sync::Arc;

use mint_api::broker::v1::broker_service_server::BrokerService;
use mint_api::broker::v1::{
    ListSigningKeysRequest, ListSigningKeysResponse, SignTokenRequest, SignTokenResponse, SigningKey,
    SigningKeyStage,
};
use mint_api::convert::timestamp_to_wire;
use mint_api::{Fault, InvalidMessage};
use mint_runtime::peer_of;
use tonic::{Request, Response, Status};

use crate::execute::{Asked, Broker};
use crate::grants::Subject;
use crate::names::IdempotencyKey;
use crate::signing::{PublishedKey, Stage};

/// `mint.broker.v1.BrokerService`.
#[derive(Debug, Clone)]
pub struct Rpc {
    /// Signs.
    pub broker: Arc<Broker>,
}

#[tonic::async_trait]
impl BrokerService for Rpc {
    async fn sign_token(
        &self,
        request: Request<SignTokenRequest>,
    ) -> Result<Response<SignTokenResponse>, Status> {
        let subject = Subject::Peer(peer_of(&request)?);
        let key = key_of(request.into_inner().idempotency_key)?;
        let request = mint_runtime::request_id().unwrap_or_else(|| self.broker.request_id());
        let answer = self.broker.token(Asked { subject, key, request }).await;
        self.broker.metrics().answered("SignToken", answer.as_ref().err().map_or("ok", |r| r.word()));
        let signed = answer.map_err(Fault::from)?;
        let grant = signed.token.grant();
        Ok(Response::new(SignTokenResponse {
            token: signed.token.expose().to_owned(),
            tag_key: grant.role.tag_key.to_string(),
            tag_value: grant.value.to_string(),
            role_arn: grant.role.arn.to_string(),
            session_name: grant.session_name.to_string(),
            expires_at: Some(timestamp_to_wire(signed.token.expires())),
            audit_leaf_index: signed.audit_leaf,
        }))
    }

    async fn list_signing_keys(
        &self,
        _request: Request<ListSigningKeysRequest>,
    ) -> Result<Response<ListSigningKeysResponse>, Status> {
        let keys = self.broker.keys().published(self.broker.now());
        Ok(Response::new(ListSigningKeysResponse { keys: keys.into_iter().map(signing_key).collect() }))
    }
}

fn key_of(text: String) -> Result<Option<IdempotencyKey>, InvalidMessage> {
    if text.is_empty() {
        return Ok(None);
    }
    text.try_into()
        .map(Some)
        .map_err(|_| InvalidMessage::new("idempotency_key", "must have 1 to 128 visible characters of ASCII"))
}

fn signing_key(key: PublishedKey) -> SigningKey {
    let stage = match key.stage {
        Stage::Next => SigningKeyStage::Next,
        Stage::Active => SigningKeyStage::Active,
        Stage::Retiring => SigningKeyStage::Retiring,
    };
    SigningKey {
        key_id: key.kid,
        algorithm: key.algorithm.to_string(),
        stage: stage.into(),
        active_from: Some(timestamp_to_wire(key.signs_from)),
    }
}
