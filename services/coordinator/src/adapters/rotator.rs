//! `rotator` over gRPC.

use std::time::Duration;

use async_trait::async_trait;
use mint_api::convert::{duration_from_wire, kind_to_wire, parse};
use mint_api::rotation::v1::rotation_service_client::RotationServiceClient;
use mint_api::rotation::v1::{
    AbandonRequest, AcceptReceiptRequest, CheckVerdict, CheckVersionRequest, CheckVersionResponse,
    CreateRequest, CreateResponse, ProveRequest, ProveResponse, ReconcileRequest, RetireRequest,
    RevokeRequest, Verdict,
};
use mint_api::{InvalidMessage, WireFault};
use mint_runtime::Channel;
use mint_saga::{Created, Failure, Sealed};
use mint_types::{CredentialKind, Version};

use super::wire;
use crate::ports::{
    Abandonment, Call, Finding, NewVersion, Proof, Remains, Retirement, RotationCall, Rotator,
    Verdict as Checked,
};

const SERVICE: &str = "rotator";
/// What the rotator sends is a JSON object of a few hundred bytes, sealed: more than this is no envelope.
const LARGEST_ENVELOPE: usize = 64 * 1024;
/// The wait where the rotator wants one and does not say how long.
const DEFAULT_WAIT: Duration = Duration::from_secs(1);

/// The rotator.
#[derive(Debug, Clone)]
pub(crate) struct GrpcRotator {
    client: RotationServiceClient<Channel>,
    deadline: Duration,
}

impl GrpcRotator {
    /// Behind a channel to `rotator`.
    pub(crate) fn new(channel: Channel, deadline: Duration) -> Self {
        Self { client: RotationServiceClient::new(channel), deadline }
    }
}

fn envelope(field: &'static str, bytes: Vec<u8>) -> Result<Sealed, InvalidMessage> {
    match bytes.len() {
        0 => Err(InvalidMessage::new(field, "it is empty")),
        1..=LARGEST_ENVELOPE => Ok(Sealed::new(bytes)),
        length => Err(InvalidMessage::new(field, format!("{length} bytes are too many"))),
    }
}

fn new_version(answer: CreateResponse) -> Result<NewVersion, InvalidMessage> {
    if answer.version == 0 {
        return Err(InvalidMessage::new("version", "it is 0"));
    }
    Ok(NewVersion {
        created: Created {
            version: Version(answer.version),
            version_id: parse("version_id", &answer.version_id)?,
            fingerprint: answer.fingerprint,
            previous: Version(answer.previous_version),
            probe: Sealed::new(answer.probe_envelope),
            set_on_first_write: answer.set_on_first_write,
        },
        delivery: envelope("delivery_envelope", answer.delivery_envelope)?,
    })
}

fn duration(
    field: &'static str,
    wire: Option<&prost_types::Duration>,
) -> Result<Option<Duration>, InvalidMessage> {
    wire.map(|wire| duration_from_wire(field, wire)).transpose()
}

fn proof(answer: &ProveResponse) -> Result<Proof, InvalidMessage> {
    let retry_after = duration("retry_after", answer.retry_after.as_ref())?;
    match (answer.verdict(), retry_after) {
        (Verdict::Dead | Verdict::NothingToProve, _) => Ok(Proof::Dead),
        (Verdict::Unspecified | Verdict::Alive, Some(retry_after)) => {
            Ok(Proof::NotYet { retry_after: retry_after.max(DEFAULT_WAIT / 10) })
        }
        (Verdict::Alive, None) => Ok(Proof::Alive),
        (Verdict::Unspecified, None) => Err(InvalidMessage::new("verdict", "it is required")),
    }
}

fn checked(answer: &CheckVersionResponse) -> Result<Checked, InvalidMessage> {
    let retry_after = duration("retry_after", answer.retry_after.as_ref())?;
    let retry_after = retry_after.map(|wait| wait.max(DEFAULT_WAIT));
    match (answer.verdict(), retry_after) {
        (CheckVerdict::Accepted, _) => Ok(Checked::Accepted),
        (CheckVerdict::RefusedOnce, Some(retry_after)) => Ok(Checked::RefusedOnce { retry_after }),
        (CheckVerdict::Refused, _) => Ok(Checked::Refused),
        (CheckVerdict::NotTried, _) => Ok(Checked::NotTried),
        (CheckVerdict::Unspecified, Some(retry_after)) => Ok(Checked::NotNow { retry_after }),
        (CheckVerdict::Unspecified | CheckVerdict::RefusedOnce, None) => {
            Err(InvalidMessage::new("retry_after", "it is required"))
        }
    }
}

#[async_trait]
impl Rotator for GrpcRotator {
    async fn create(&self, call: &RotationCall) -> Result<NewVersion, Failure> {
        let message = CreateRequest {
            application_id: call.call.application.to_string(),
            kind: kind_to_wire(call.kind).into(),
            rotation_id: call.rotation.to_string(),
            catalog_revision: call.call.revision.0,
            fencing_token: call.call.token.0,
        };
        let mut client = self.client.clone();
        let answer = client.create(wire::request(message, self.deadline)).await;
        let answer = answer.map_err(|status| wire::failure(SERVICE, &status))?.into_inner();
        new_version(answer).map_err(|error| wire::malformed(SERVICE, &error))
    }

    async fn accept_receipt(&self, call: &RotationCall, receipt: &Sealed) -> Result<Duration, Failure> {
        let message = AcceptReceiptRequest {
            application_id: call.call.application.to_string(),
            kind: kind_to_wire(call.kind).into(),
            rotation_id: call.rotation.to_string(),
            fencing_token: call.call.token.0,
            receipt: receipt.as_bytes().to_vec(),
        };
        let mut client = self.client.clone();
        let answer = client.accept_receipt(wire::request(message, self.deadline)).await;
        let answer = answer.map_err(|status| wire::failure(SERVICE, &status))?.into_inner();
        let wait = duration("retire_after", answer.retire_after.as_ref());
        Ok(wait.map_err(|error| wire::malformed(SERVICE, &error))?.unwrap_or_default())
    }

    async fn retire(&self, call: &RotationCall) -> Result<Retirement, Failure> {
        let message = RetireRequest {
            application_id: call.call.application.to_string(),
            kind: kind_to_wire(call.kind).into(),
            rotation_id: call.rotation.to_string(),
            fencing_token: call.call.token.0,
        };
        let mut client = self.client.clone();
        let answer = client.retire(wire::request(message, self.deadline)).await;
        let answer = answer.map_err(|status| wire::failure(SERVICE, &status))?.into_inner();
        let grace = duration("grace", answer.grace.as_ref());
        Ok(Retirement {
            ended: Version(answer.retired_version),
            grace: grace.map_err(|error| wire::malformed(SERVICE, &error))?.unwrap_or_default(),
        })
    }

    async fn prove(&self, call: &RotationCall, probe: &Sealed) -> Result<Proof, Failure> {
        let message = ProveRequest {
            application_id: call.call.application.to_string(),
            kind: kind_to_wire(call.kind).into(),
            rotation_id: call.rotation.to_string(),
            fencing_token: call.call.token.0,
            probe_envelope: probe.as_bytes().to_vec(),
        };
        let mut client = self.client.clone();
        let answer = client.prove(wire::request(message, self.deadline)).await;
        let answer = answer.map_err(|status| wire::failure(SERVICE, &status))?.into_inner();
        proof(&answer).map_err(|error| wire::malformed(SERVICE, &error))
    }

    async fn revoke(
        &self,
        call: &Call,
        kind: CredentialKind,
        statement: &Sealed,
    ) -> Result<Remains, Failure> {
        let message = RevokeRequest {
            application_id: call.application.to_string(),
            kind: kind_to_wire(kind).into(),
            fencing_token: call.token.0,
            statement: statement.as_bytes().to_vec(),
        };
        let mut client = self.client.clone();
        let answer = client.revoke(wire::request(message, self.deadline)).await;
        let answer = answer.map_err(|status| wire::failure(SERVICE, &status))?.into_inner();
        let remains = Remains::of_answer(kind, answer.complete, &answer.remains);
        remains
            .ok_or_else(|| wire::malformed(SERVICE, &InvalidMessage::new("remains", "it is user or client")))
    }

    async fn reconcile(&self, call: &Call, dry_run: bool) -> Result<Vec<Finding>, Failure> {
        let message = ReconcileRequest {
            application_id: call.application.to_string(),
            fencing_token: call.token.0,
            dry_run,
        };
        let mut client = self.client.clone();
        let answer = client.reconcile(wire::request(message, self.deadline)).await;
        let answer = answer.map_err(|status| wire::failure(SERVICE, &status))?.into_inner();
        let finding = |found: mint_api::rotation::v1::Finding| Finding {
            object: found.object,
            reason: found.reason,
            detail: found.detail,
            next_action: found.next_action,
        };
        Ok(answer.findings.into_iter().map(finding).collect())
    }

    async fn check(&self, call: &Call, kind: CredentialKind, probe: &Sealed) -> Result<Checked, Failure> {
        let message = CheckVersionRequest {
            application_id: call.application.to_string(),
            kind: kind_to_wire(kind).into(),
            fencing_token: call.token.0,
            probe_envelope: probe.as_bytes().to_vec(),
        };
        let mut client = self.client.clone();
        let answer = client.check_version(wire::request(message, self.deadline)).await;
        let answer = answer.map_err(|status| wire::failure(SERVICE, &status))?.into_inner();
        checked(&answer).map_err(|error| wire::malformed(SERVICE, &error))
    }

    async fn abandon(&self, call: &RotationCall) -> Result<Abandonment, Failure> {
        let message = AbandonRequest {
            application_id: call.call.application.to_string(),
            kind: kind_to_wire(call.kind).into(),
            rotation_id: call.rotation.to_string(),
            fencing_token: call.call.token.0,
        };
        let mut client = self.client.clone();
        match client.abandon(wire::request(message, self.deadline)).await {
            Ok(_) => Ok(Abandonment::GivenUp),
            Err(status) => refused(&status).ok_or_else(|| wire::failure(SERVICE, &status)),
        }
    }
}

/// What a refusal to give a rotation up says of it; none if it failed.
fn refused(status: &tonic::Status) -> Option<Abandonment> {
    if status.code() == tonic::Code::NotFound {
        // an intent that never reached the rotator is given up already
        return Some(Abandonment::GivenUp);
    }
    let fault = WireFault::from_status(status);
    Abandonment::of_refusal(&fault.reason, fault.metadata.get("state").map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_without_an_envelope_is_refused() {
        let good = CreateResponse {
            version: 7,
            version_id: "6f7ad0f0-3f0f-4a8e-9d0a-0d3f3b1c2d3e".into(),
            fingerprint: "f".into(),
            delivery_envelope: vec![1],
            probe_envelope: vec![2],
            previous_version: 0,
            ..CreateResponse::default()
        };
        assert!(new_version(good.clone()).is_ok());
        for bad in [
            CreateResponse { version: 0, ..good.clone() },
            CreateResponse { version_id: "x".into(), ..good.clone() },
            CreateResponse { delivery_envelope: vec![], ..good.clone() },
            CreateResponse { delivery_envelope: vec![0; LARGEST_ENVELOPE + 1], ..good.clone() },
        ] {
            assert!(new_version(bad).is_err());
        }
    }

    #[test]
    fn a_rotation_that_cannot_be_given_up_is_delivered_only_if_the_rotator_says_so() {
        use mint_types::Code;
        let closed = |reason, state: Option<&str>| {
            let fault = mint_api::Fault::new(Code::FailedPrecondition, reason, "it is closed");
            refused(&state.into_iter().fold(fault, |fault, state| fault.with("state", state)).into())
        };
        for delivered in ["delivered", "retiring", "retired"] {
            assert_eq!(closed("ROTATION_CLOSED", Some(delivered)), Some(Abandonment::Delivered));
            assert_eq!(closed("ROTATION_OPEN", Some(delivered)), None);
        }
        for other in [None, Some("created"), Some("given up"), Some("abandoned"), Some("")] {
            assert_eq!(closed("ROTATION_CLOSED", other), None, "{other:?}");
        }
        assert_eq!(refused(&tonic::Status::not_found("")), Some(Abandonment::GivenUp));
    }

    #[test]
    fn an_answer_about_a_current_version_says_what_it_means_or_is_refused() {
        let answer = |verdict: CheckVerdict, wait: Option<i64>| CheckVersionResponse {
            verdict: verdict.into(),
            retry_after: wait.map(|seconds| prost_types::Duration { seconds, nanos: 0 }),
        };
        let retry_after = Duration::from_secs(5);
        assert_eq!(checked(&answer(CheckVerdict::Accepted, None)), Ok(Checked::Accepted));
        assert_eq!(checked(&answer(CheckVerdict::Refused, None)), Ok(Checked::Refused));
        assert_eq!(checked(&answer(CheckVerdict::NotTried, None)), Ok(Checked::NotTried));
        let once = checked(&answer(CheckVerdict::RefusedOnce, Some(5)));
        assert_eq!(once, Ok(Checked::RefusedOnce { retry_after }));
        assert_eq!(checked(&answer(CheckVerdict::Unspecified, Some(5))), Ok(Checked::NotNow { retry_after }));
        assert!(checked(&answer(CheckVerdict::Unspecified, None)).is_err());
        assert!(checked(&answer(CheckVerdict::RefusedOnce, None)).is_err());
    }

    #[test]
    fn what_is_left_of_a_statement_is_on_each_object_where_the_rotator_does_not_say_and_unknown_ones_are_refused()
     {
        use mint_types::IssuerObject::{Client, User};
        let of = |complete, objects: &[&str]| {
            let objects: Vec<String> = objects.iter().map(|object| (*object).to_owned()).collect();
            Remains::of_answer(CredentialKind::Combined, complete, &objects).map(|remains| remains.0)
        };
        assert_eq!(of(true, &[]), Some(vec![]));
        assert_eq!(of(false, &["client"]), Some(vec![Client]));
        assert_eq!(of(false, &[]), Some(vec![User, Client]));
        assert_eq!(of(false, &["client", "bucket"]), None);
    }

    #[test]
    fn a_verdict_without_meaning_is_refused() {
        let answer = |verdict: Verdict, wait: Option<i64>| ProveResponse {
            verdict: verdict.into(),
            retry_after: wait.map(|seconds| prost_types::Duration { seconds, nanos: 0 }),
        };
        assert_eq!(proof(&answer(Verdict::Dead, None)), Ok(Proof::Dead));
        assert_eq!(proof(&answer(Verdict::NothingToProve, None)), Ok(Proof::Dead));
        assert_eq!(proof(&answer(Verdict::Alive, None)), Ok(Proof::Alive));
        let retry_after = Duration::from_secs(5);
        assert_eq!(proof(&answer(Verdict::Unspecified, Some(5))), Ok(Proof::NotYet { retry_after }));
        assert!(proof(&answer(Verdict::Unspecified, None)).is_err());
        assert!(proof(&answer(Verdict::Alive, Some(-5))).is_err());
    }
}
