//! The wire: decode, one call, encode.

use std::sync::Arc;

use mint_api::convert::{
    duration_to_wire, fencing_token_from_wire, kind_from_wire, kind_to_wire, parse, revision_from_wire,
    timestamp_to_wire,
};
use mint_api::rotation::v1;
use mint_api::rotation::v1::rotation_service_server::RotationService;
use mint_api::{InvalidMessage, types};
use mint_secret::{KeyStage, PublishedKey};
use mint_types::{Clock, Entropy, RequestId};
use tonic::{Request, Response, Status};

use crate::execute::{CheckOrder, Checked, CreateOrder, Order, Proof, RevokeOrder, Rotator};
use crate::ledger::{IssuerStanding, Lie, ListedVersion};
use crate::plan::{Ask, ErrorBudget};
use crate::state::{Stage, object_name};

/// A statement is a few fields and signatures.
const LONGEST_STATEMENT: usize = 64 * 1024;

/// The service on the wire.
#[derive(Debug)]
pub struct Rpc {
    rotator: Arc<Rotator>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Rpc {
    /// The service in front of the logic.
    pub fn new(rotator: Arc<Rotator>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { rotator, clock, entropy }
    }

    fn request_id(&self) -> RequestId {
        mint_runtime::request_id().unwrap_or_else(|| RequestId::random(self.entropy.as_ref()))
    }

    fn order(
        &self,
        action: &'static str,
        application: &str,
        kind: i32,
        rotation: &str,
        token: u64,
    ) -> Result<Order, Status> {
        self.read(action, application, |request| {
            Ok(Order {
                application: parse("application_id", application)?,
                ask: Ask { rotation: parse("rotation_id", rotation)?, kind: kind_from_wire("kind", kind)? },
                token: fencing_token_from_wire(token, self.clock.now())?,
                request,
            })
        })
    }

    /// Reads a message; the log hears of one that makes no sense.
    fn read<T>(
        &self,
        action: &'static str,
        application: &str,
        decode: impl FnOnce(RequestId) -> Result<T, InvalidMessage>,
    ) -> Result<T, Status> {
        let request = self.request_id();
        let read = decode(request);
        if read.is_err() {
            self.rotator.tell_of_invalid(action, application, request);
        }
        Ok(read?)
    }
}

#[tonic::async_trait]
impl RotationService for Rpc {
    async fn create(
        &self,
        request: Request<v1::CreateRequest>,
    ) -> Result<Response<v1::CreateResponse>, Status> {
        let asked = request.into_inner();
        let order = self.order(
            "credential.create",
            &asked.application_id,
            asked.kind,
            &asked.rotation_id,
            asked.fencing_token,
        )?;
        let kind = order.ask.kind;
        let now = self.clock.now();
        let revision = self.read("credential.create", &asked.application_id, |_| {
            revision_from_wire(asked.catalog_revision, now)
        })?;
        let made = self.rotator.create(&CreateOrder { order, revision }).await?;
        let (delivery, probe) =
            made.envelopes.map(|envelopes| (envelopes.delivery, envelopes.probe)).unwrap_or_default();
        Ok(Response::new(v1::CreateResponse {
            version: made.version.0,
            version_id: made.version_id.to_string(),
            fingerprint: made.fingerprint,
            delivery_envelope: delivery,
            probe_envelope: probe,
            previous_version: made.previous.map_or(0, |version| version.0),
            set_on_first_write: self.rotator.sets_on_first_write(kind),
        }))
    }

    async fn accept_receipt(
        &self,
        request: Request<v1::AcceptReceiptRequest>,
    ) -> Result<Response<v1::AcceptReceiptResponse>, Status> {
        let asked = request.into_inner();
        let order = self.order(
            "receipt.accept",
            &asked.application_id,
            asked.kind,
            &asked.rotation_id,
            asked.fencing_token,
        )?;
        let accepted = self.rotator.accept_receipt(&order, &asked.receipt).await?;
        let retire_after = accepted.whole.then(|| duration_to_wire(accepted.retire_after));
        Ok(Response::new(v1::AcceptReceiptResponse { retire_after, partial: !accepted.whole }))
    }

    async fn retire(
        &self,
        request: Request<v1::RetireRequest>,
    ) -> Result<Response<v1::RetireResponse>, Status> {
        let asked = request.into_inner();
        let order = self.order(
            "credential.retire",
            &asked.application_id,
            asked.kind,
            &asked.rotation_id,
            asked.fencing_token,
        )?;
        let retirement = self.rotator.retire(&order).await?;
        Ok(Response::new(v1::RetireResponse {
            retired_version: retirement.retired.map_or(0, |version| version.0),
            grace: Some(duration_to_wire(retirement.grace)),
        }))
    }

    async fn prove(&self, request: Request<v1::ProveRequest>) -> Result<Response<v1::ProveResponse>, Status> {
        let asked = request.into_inner();
        let order = self.order(
            "credential.prove",
            &asked.application_id,
            asked.kind,
            &asked.rotation_id,
            asked.fencing_token,
        )?;
        let (verdict, retry_after) = match self.rotator.prove(&order, &asked.probe_envelope).await? {
            Proof::Dead => (v1::Verdict::Dead, None),
            Proof::Alive => (v1::Verdict::Alive, None),
            Proof::NothingToProve => (v1::Verdict::NothingToProve, None),
            Proof::Wait(left) => (v1::Verdict::Unspecified, Some(duration_to_wire(left))),
        };
        Ok(Response::new(v1::ProveResponse { verdict: verdict.into(), retry_after }))
    }

    async fn abandon(
        &self,
        request: Request<v1::AbandonRequest>,
    ) -> Result<Response<v1::AbandonResponse>, Status> {
        let asked = request.into_inner();
        let order = self.order(
            "credential.abandon",
            &asked.application_id,
            asked.kind,
            &asked.rotation_id,
            asked.fencing_token,
        )?;
        self.rotator.abandon(&order).await?;
        Ok(Response::new(v1::AbandonResponse {}))
    }

    async fn revoke(
        &self,
        request: Request<v1::RevokeRequest>,
    ) -> Result<Response<v1::RevokeResponse>, Status> {
        let asked = request.into_inner();
        if asked.statement.is_empty() || asked.statement.len() > LONGEST_STATEMENT {
            let problem = format!("it must have 1 to {LONGEST_STATEMENT} bytes");
            return Err(InvalidMessage::new("statement", problem).into());
        }
        let order = self.read("credential.revoke", &asked.application_id, |request| {
            Ok(RevokeOrder {
                application: parse("application_id", &asked.application_id)?,
                kind: kind_from_wire("kind", asked.kind)?,
                token: fencing_token_from_wire(asked.fencing_token, self.clock.now())?,
                request,
                statement: asked.statement.clone(),
            })
        })?;
        let revoked = self.rotator.revoke(&order).await?;
        Ok(Response::new(v1::RevokeResponse {
            complete: revoked.is_complete(),
            rotation_id: revoked.rotation.map(|rotation| rotation.to_string()).unwrap_or_default(),
            remains: revoked.remains.iter().map(|object| object_name(*object).to_owned()).collect(),
        }))
    }

    async fn reconcile(
        &self,
        request: Request<v1::ReconcileRequest>,
    ) -> Result<Response<v1::ReconcileResponse>, Status> {
        let asked = request.into_inner();
        let application = parse("application_id", &asked.application_id)?;
        let token = fencing_token_from_wire(asked.fencing_token, self.clock.now())?;
        let findings = self.rotator.reconcile(&application, token, asked.dry_run).await?;
        let findings = findings.into_iter().map(|finding| v1::Finding {
            object: object_name(finding.object).to_owned(),
            reason: finding.reason.to_owned(),
            detail: finding.detail,
            next_action: finding.next_action.to_owned(),
        });
        Ok(Response::new(v1::ReconcileResponse { findings: findings.collect() }))
    }

    async fn check_version(
        &self,
        request: Request<v1::CheckVersionRequest>,
    ) -> Result<Response<v1::CheckVersionResponse>, Status> {
        let asked = request.into_inner();
        let order = self.read("credential.check", &asked.application_id, |request| {
            Ok(CheckOrder {
                application: parse("application_id", &asked.application_id)?,
                kind: kind_from_wire("kind", asked.kind)?,
                token: fencing_token_from_wire(asked.fencing_token, self.clock.now())?,
                request,
            })
        })?;
        let (verdict, retry_after) = match self.rotator.check_version(&order, &asked.probe_envelope).await? {
            Checked::Accepted => (v1::CheckVerdict::Accepted, None),
            Checked::RefusedOnce(again) => (v1::CheckVerdict::RefusedOnce, Some(duration_to_wire(again))),
            Checked::Refused => (v1::CheckVerdict::Refused, None),
            Checked::NotTried => (v1::CheckVerdict::NotTried, None),
            Checked::Wait(left) => (v1::CheckVerdict::Unspecified, Some(duration_to_wire(left))),
        };
        Ok(Response::new(v1::CheckVersionResponse { verdict: verdict.into(), retry_after }))
    }

    async fn list_versions(
        &self,
        request: Request<v1::ListVersionsRequest>,
    ) -> Result<Response<v1::ListVersionsResponse>, Status> {
        let application = parse("application_id", &request.into_inner().application_id)?;
        let (versions, unresolved_intents) = self.rotator.versions(&application).await?;
        let versions = versions.into_iter().map(version_to_wire).collect();
        Ok(Response::new(v1::ListVersionsResponse { versions, unresolved_intents }))
    }

    async fn get_issuer(
        &self,
        _request: Request<v1::GetIssuerRequest>,
    ) -> Result<Response<v1::GetIssuerResponse>, Status> {
        let standing = self.rotator.issuer().await?;
        let issuer = Some(issuer_to_wire(standing, self.rotator.error_budget()));
        Ok(Response::new(v1::GetIssuerResponse { issuer }))
    }

    async fn resume_issuer(
        &self,
        request: Request<v1::ResumeIssuerRequest>,
    ) -> Result<Response<v1::ResumeIssuerResponse>, Status> {
        let by = mint_runtime::peer_of(&request)?.principal.to_string();
        let request = mint_runtime::request_id().unwrap_or_else(|| RequestId::random(self.entropy.as_ref()));
        let standing = self.rotator.resume_issuer(&by, request).await?;
        let issuer = Some(issuer_to_wire(standing, self.rotator.error_budget()));
        Ok(Response::new(v1::ResumeIssuerResponse { issuer }))
    }

    async fn list_keys(
        &self,
        _request: Request<v1::ListKeysRequest>,
    ) -> Result<Response<v1::ListKeysResponse>, Status> {
        let keys = self.rotator.keys().published().iter().map(key_to_wire).collect();
        Ok(Response::new(v1::ListKeysResponse { keys }))
    }
}

fn version_to_wire(version: ListedVersion) -> v1::Version {
    let stage = match version.stage {
        Stage::Pending => v1::VersionStage::Pending,
        Stage::Current => v1::VersionStage::Current,
        Stage::Previous => v1::VersionStage::Previous,
        Stage::Ended => v1::VersionStage::Ended,
    };
    v1::Version {
        version: version.version.0,
        version_id: version.version_id.unwrap_or_default(),
        kind: kind_to_wire(version.kind).into(),
        stage: stage.into(),
        rotation_id: version.rotation.to_string(),
        created_at: Some(timestamp_to_wire(version.created_at)),
        delivered_at: version.delivered_at.map(timestamp_to_wire),
        ended_at: version.ended_at.map(timestamp_to_wire),
        fingerprint: version.fingerprint.unwrap_or_default(),
        replace_window: version.replace_window.map(duration_to_wire),
    }
}

fn issuer_to_wire(standing: IssuerStanding, budget: &ErrorBudget) -> v1::Issuer {
    let broken = |lie: Lie| v1::BrokenWord {
        application_id: lie.application,
        reason: lie.reason,
        seen_at: Some(timestamp_to_wire(lie.at)),
    };
    v1::Issuer {
        driver: budget.issuer.to_owned(),
        halted_at: standing.halted_at.map(timestamp_to_wire),
        resumed_at: standing.resumed_at.map(timestamp_to_wire),
        resumed_by: standing.resumed_by.unwrap_or_default(),
        budget: budget.lies,
        window: Some(duration_to_wire(budget.window)),
        broken_words: standing.lies.into_iter().map(broken).collect(),
    }
}

fn key_to_wire(key: &PublishedKey) -> types::v1::PublicKey {
    let stage = match key.stage {
        KeyStage::Next => types::v1::KeyStage::Next,
        KeyStage::Active => types::v1::KeyStage::Active,
        KeyStage::Retiring => types::v1::KeyStage::Retiring,
    };
    types::v1::PublicKey {
        id: key.id.to_string(),
        r#use: key.key_use.as_str().to_owned(),
        public_key: key.public_key.to_vec(),
        stage: stage.into(),
    }
}
