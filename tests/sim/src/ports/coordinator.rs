//! What the coordinator sees: the executors, by the messages that would go over the wire.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use mint_api::WireFault;
use mint_api::convert::{duration_from_wire, kind_to_wire, timestamp_from_wire};
use mint_api::distribution::v1::distribution_service_server::DistributionService as _;
use mint_api::distribution::v1::{DeliverRequest, DestinationOutcome, Outcome, TombstoneRequest};
use mint_api::identity::v1::identity_service_server::IdentityService as _;
use mint_api::identity::v1::{
    AdoptIdentityRequest, DeleteIdentityRequest, DisableIdentityRequest, EnsureIdentityRequest,
    PermitRemovalRequest, RemovalKind, RestoreIdentityRequest,
};
use mint_api::rotation::v1::rotation_service_server::RotationService as _;
use mint_api::rotation::v1::{
    AbandonRequest, AcceptReceiptRequest, CheckVerdict, CheckVersionRequest, CreateRequest, ProveRequest,
    ReconcileRequest, RetireRequest, RevokeRequest, Verdict,
};
use mint_coordinator::{
    Abandonment, Call, Catalog, CatalogPage, Delivery, DestinationAnswer, Disabled, Distributor, Ensured,
    Finding, Identities, NewVersion, Overwritten, Permit, Proof, Remains, Removing, Retirement, RotationCall,
    Rotator, Verdict as Checked,
};
use mint_saga::{Created, Failure, Sealed, reason};
use mint_types::{Application, Code, CredentialKind, Revision, Version};
use tonic::{Request, Status};

use super::network::{Network, call};
use crate::hostile::Carried;
use crate::scene::Life;

/// The executors, as one coordinator reaches them.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub(crate) life: Life,
    pub(crate) network: Arc<Network>,
}

/// As the coordinator's own adapter reads a refusal to give a rotation up.
fn refused(status: &Status) -> Option<Abandonment> {
    let fault = WireFault::from_status(status);
    Abandonment::of_refusal(&fault.reason, fault.metadata.get("state").map(String::as_str))
}

/// As the coordinator's own adapters read a refusal.
fn failure(status: &Status) -> Failure {
    let fault = WireFault::from_status(status);
    let reason = match (fault.reason.as_str(), fault.code) {
        (WireFault::TRANSPORT, Code::DeadlineExceeded) => reason::SERVICE_UNANSWERED.to_owned(),
        (WireFault::TRANSPORT, _) => reason::SERVICE_UNREACHABLE.to_owned(),
        (_, _) => fault.reason,
    };
    Failure {
        reason,
        detail: fault.message,
        destination: fault.metadata.get("destination").cloned(),
        next_action: fault.metadata.get("next_action").cloned(),
        retry_after: fault.retry_after,
    }
}

fn malformed(what: &str) -> Failure {
    Failure::new(reason::SERVICE_MALFORMED_ANSWER, what)
}

fn traced(wire: &Wire, name: &str, rotation: &RotationCall, answer: Result<(), &Failure>) {
    wire.life.scene.locked().trace(|| {
        let outcome = answer.as_ref().map_or_else(|failure| failure.reason.clone(), |()| "ok".to_owned());
        let RotationCall { call, kind, rotation } = rotation;
        format!("{} {kind} {name} {rotation} under {}: {outcome}", call.application, call.token)
    });
}

macro_rules! ask {
    ($wire:expr, $point:literal, $replicas:ident, $call:expr, $method:ident, $message:expr) => {{
        let message = $message;
        call(
            &$wire.life,
            &$wire.network,
            $point,
            |network| &network.$replicas,
            $call,
            move |service| {
                let message = message.clone();
                async move { service.$method(Request::new(message)).await }
            },
        )
        .await
    }};
}

#[async_trait]
impl Identities for Wire {
    async fn ensure(&self, asked: &Call) -> Result<Ensured, Failure> {
        let message = EnsureIdentityRequest {
            application_id: asked.application.to_string(),
            catalog_revision: asked.revision.0,
            fencing_token: asked.token.0,
        };
        let answer = ask!(self, "ensure", provisioners, asked, ensure_identity, message)
            .map_err(|status| failure(&status))?;
        let left =
            answer.look_again_after.map(|left| duration_from_wire("look_again_after", &left)).transpose();
        Ok(Ensured {
            client_id: answer.client_id,
            applied: Revision(answer.applied_revision),
            incarnation: Some(answer.incarnation),
            unconfirmed_redirect: answer.unconfirmed_redirect_url,
            unconfirmed_client_type: Some(answer.unconfirmed_client_type),
            look_again_after: left.map_err(|_| malformed("look_again_after"))?,
        })
    }

    async fn disable(&self, asked: &Call) -> Result<Disabled, Failure> {
        let message = DisableIdentityRequest {
            application_id: asked.application.to_string(),
            catalog_revision: asked.revision.0,
            fencing_token: asked.token.0,
        };
        let answer = ask!(self, "disable", provisioners, asked, disable_identity, message)
            .map_err(|status| failure(&status))?;
        let tombstone_until = answer.tombstone_until.as_ref().map(timestamp_from_wire);
        Ok(Disabled { existed: answer.existed, tombstone_until })
    }

    async fn restore(&self, asked: &Call) -> Result<Ensured, Failure> {
        let message = RestoreIdentityRequest {
            application_id: asked.application.to_string(),
            catalog_revision: asked.revision.0,
            fencing_token: asked.token.0,
        };
        let answer = ask!(self, "restore", provisioners, asked, restore_identity, message)
            .map_err(|status| failure(&status))?;
        Ok(Ensured {
            client_id: answer.client_id,
            applied: Revision(answer.applied_revision),
            incarnation: None,
            unconfirmed_redirect: None,
            unconfirmed_client_type: None,
            look_again_after: None,
        })
    }

    async fn adopt(&self, asked: &Call) -> Result<Ensured, Failure> {
        let message = AdoptIdentityRequest {
            application_id: asked.application.to_string(),
            catalog_revision: asked.revision.0,
            fencing_token: asked.token.0,
        };
        let answer = ask!(self, "adopt", provisioners, asked, adopt_identity, message)
            .map_err(|status| failure(&status))?;
        Ok(Ensured {
            client_id: answer.client_id,
            applied: Revision(answer.applied_revision),
            incarnation: None,
            unconfirmed_redirect: None,
            unconfirmed_client_type: None,
            look_again_after: None,
        })
    }

    async fn delete(&self, asked: &Call) -> Result<(), Failure> {
        let message = DeleteIdentityRequest {
            application_id: asked.application.to_string(),
            catalog_revision: asked.revision.0,
            fencing_token: asked.token.0,
        };
        let answer = ask!(self, "delete", provisioners, asked, delete_identity, message);
        answer.map(drop).map_err(|status| failure(&status))
    }

    async fn permit(&self, asked: &Call, removing: Removing) -> Result<Permit, Failure> {
        let removal = match removing {
            Removing::Application => RemovalKind::Application,
            Removing::Destinations => RemovalKind::Destinations,
        };
        let message = PermitRemovalRequest {
            application_id: asked.application.to_string(),
            catalog_revision: asked.revision.0,
            fencing_token: asked.token.0,
            removal: removal.into(),
        };
        let answer = ask!(self, "permit", provisioners, asked, permit_removal, message);
        Ok(Permit(answer.map_err(|status| failure(&status))?.permit))
    }
}

#[async_trait]
impl Rotator for Wire {
    async fn create(&self, asked: &RotationCall) -> Result<NewVersion, Failure> {
        let message = CreateRequest {
            application_id: asked.call.application.to_string(),
            kind: kind_to_wire(asked.kind).into(),
            rotation_id: asked.rotation.to_string(),
            catalog_revision: asked.call.revision.0,
            fencing_token: asked.call.token.0,
        };
        let answer =
            ask!(self, "create", rotators, &asked.call, create, message).map_err(|status| failure(&status));
        traced(self, "create", asked, answer.as_ref().map(drop));
        let answer = answer?;
        if answer.version == 0 || answer.delivery_envelope.is_empty() {
            return Err(malformed("a version without a number or an envelope"));
        }
        Ok(NewVersion {
            created: Created {
                version: Version(answer.version),
                version_id: answer.version_id.parse().map_err(|_| malformed("version_id"))?,
                fingerprint: answer.fingerprint,
                previous: Version(answer.previous_version),
                probe: Sealed::new(answer.probe_envelope),
                set_on_first_write: answer.set_on_first_write,
            },
            delivery: Sealed::new(answer.delivery_envelope),
        })
    }

    async fn accept_receipt(&self, asked: &RotationCall, receipt: &Sealed) -> Result<Duration, Failure> {
        let message = AcceptReceiptRequest {
            application_id: asked.call.application.to_string(),
            kind: kind_to_wire(asked.kind).into(),
            rotation_id: asked.rotation.to_string(),
            fencing_token: asked.call.token.0,
            receipt: receipt.as_bytes().to_vec(),
        };
        self.life.scene.locked().carry(&asked.call.application, Carried::receipt(asked, receipt));
        let answer = ask!(self, "accept receipt", rotators, &asked.call, accept_receipt, message)
            .map_err(|status| failure(&status));
        traced(self, "accept", asked, answer.as_ref().map(drop));
        let wait = answer?.retire_after;
        let wait = wait.map(|wait| duration_from_wire("retire_after", &wait)).transpose();
        Ok(wait.map_err(|_| malformed("retire_after"))?.unwrap_or_default())
    }

    async fn retire(&self, asked: &RotationCall) -> Result<Retirement, Failure> {
        let message = RetireRequest {
            application_id: asked.call.application.to_string(),
            kind: kind_to_wire(asked.kind).into(),
            rotation_id: asked.rotation.to_string(),
            fencing_token: asked.call.token.0,
        };
        let answer =
            ask!(self, "retire", rotators, &asked.call, retire, message).map_err(|status| failure(&status));
        traced(self, "retire", asked, answer.as_ref().map(drop));
        let answer = answer?;
        let grace = answer.grace.map(|grace| duration_from_wire("grace", &grace)).transpose();
        Ok(Retirement {
            ended: Version(answer.retired_version),
            grace: grace.map_err(|_| malformed("grace"))?.unwrap_or_default(),
        })
    }

    async fn prove(&self, asked: &RotationCall, probe: &Sealed) -> Result<Proof, Failure> {
        let message = ProveRequest {
            application_id: asked.call.application.to_string(),
            kind: kind_to_wire(asked.kind).into(),
            rotation_id: asked.rotation.to_string(),
            fencing_token: asked.call.token.0,
            probe_envelope: probe.as_bytes().to_vec(),
        };
        let answer =
            ask!(self, "prove", rotators, &asked.call, prove, message).map_err(|status| failure(&status));
        traced(self, "prove", asked, answer.as_ref().map(drop));
        let answer = answer?;
        let wait = answer.retry_after.map(|wait| duration_from_wire("retry_after", &wait)).transpose();
        match (answer.verdict(), wait.map_err(|_| malformed("retry_after"))?) {
            (Verdict::Dead | Verdict::NothingToProve, _) => {
                self.life.scene.locked().completes(&asked.call.application, asked.rotation);
                Ok(Proof::Dead)
            }
            (Verdict::Unspecified | Verdict::Alive, Some(retry_after)) => Ok(Proof::NotYet { retry_after }),
            (Verdict::Alive, None) => {
                self.life.scene.locked().accused(asked);
                Ok(Proof::Alive)
            }
            (Verdict::Unspecified, None) => Err(malformed("verdict")),
        }
    }

    async fn revoke(
        &self,
        asked: &Call,
        kind: CredentialKind,
        statement: &Sealed,
    ) -> Result<Remains, Failure> {
        let message = RevokeRequest {
            application_id: asked.application.to_string(),
            kind: kind_to_wire(kind).into(),
            fencing_token: asked.token.0,
            statement: statement.as_bytes().to_vec(),
        };
        let answer =
            ask!(self, "revoke", rotators, asked, revoke, message).map_err(|status| failure(&status));
        self.life.scene.locked().trace(|| {
            let outcome = match &answer {
                Ok(answer) if answer.complete => "complete",
                Ok(_) => "not complete",
                Err(failure) => &failure.reason,
            };
            format!("{} {kind} revoke under {}: {outcome}", asked.application, asked.token)
        });
        let answer = answer?;
        Remains::of_answer(kind, answer.complete, &answer.remains).ok_or_else(|| malformed("remains"))
    }

    async fn reconcile(&self, asked: &Call, dry_run: bool) -> Result<Vec<Finding>, Failure> {
        let message = ReconcileRequest {
            application_id: asked.application.to_string(),
            fencing_token: asked.token.0,
            dry_run,
        };
        let answer = ask!(self, "reconcile", rotators, asked, reconcile, message)
            .map_err(|status| failure(&status))?;
        let finding = |found: mint_api::rotation::v1::Finding| Finding {
            object: found.object,
            reason: found.reason,
            detail: found.detail,
            next_action: found.next_action,
        };
        Ok(answer.findings.into_iter().map(finding).collect())
    }

    async fn check(&self, asked: &Call, kind: CredentialKind, probe: &Sealed) -> Result<Checked, Failure> {
        let message = CheckVersionRequest {
            application_id: asked.application.to_string(),
            kind: kind_to_wire(kind).into(),
            fencing_token: asked.token.0,
            probe_envelope: probe.as_bytes().to_vec(),
        };
        let answer =
            ask!(self, "check", rotators, asked, check_version, message).map_err(|status| failure(&status));
        self.life.scene.locked().trace(|| {
            let outcome = answer
                .as_ref()
                .map_or_else(|failure| failure.reason.as_str(), |answer| answer.verdict().as_str_name());
            format!("{} {kind} check under {}: {outcome}", asked.application, asked.token)
        });
        let answer = answer?;
        let wait = answer.retry_after.map(|wait| duration_from_wire("retry_after", &wait)).transpose();
        match (answer.verdict(), wait.map_err(|_| malformed("retry_after"))?) {
            (CheckVerdict::Accepted, _) => Ok(Checked::Accepted),
            (CheckVerdict::Refused, _) => Ok(Checked::Refused),
            (CheckVerdict::NotTried, _) => Ok(Checked::NotTried),
            (CheckVerdict::RefusedOnce, Some(retry_after)) => Ok(Checked::RefusedOnce { retry_after }),
            (CheckVerdict::Unspecified, Some(retry_after)) => Ok(Checked::NotNow { retry_after }),
            (CheckVerdict::Unspecified | CheckVerdict::RefusedOnce, None) => Err(malformed("retry_after")),
        }
    }

    async fn abandon(&self, asked: &RotationCall) -> Result<Abandonment, Failure> {
        let message = AbandonRequest {
            application_id: asked.call.application.to_string(),
            kind: kind_to_wire(asked.kind).into(),
            rotation_id: asked.rotation.to_string(),
            fencing_token: asked.call.token.0,
        };
        let answer = match ask!(self, "abandon", rotators, &asked.call, abandon, message) {
            Ok(_) => Ok(Abandonment::GivenUp),
            // an intent that never reached the rotator is given up already
            Err(status) if status.code() == tonic::Code::NotFound => Ok(Abandonment::GivenUp),
            Err(status) => refused(&status).ok_or_else(|| failure(&status)),
        };
        let name = if answer == Ok(Abandonment::Delivered) { "abandon too late" } else { "abandon" };
        traced(self, name, asked, answer.as_ref().map(|_| ()));
        answer
    }
}

fn destination(outcome: &DestinationOutcome) -> DestinationAnswer {
    let failure = Failure {
        reason: if outcome.reason.is_empty() { "DESTINATION_UNKNOWN_OUTCOME" } else { &outcome.reason }
            .to_owned(),
        detail: outcome.detail.clone(),
        destination: Some(format!("{}/{}", outcome.bucket, outcome.key)),
        next_action: None,
        retry_after: outcome
            .retry_after
            .as_ref()
            .and_then(|wait| duration_from_wire("retry_after", wait).ok()),
    };
    match outcome.outcome() {
        Outcome::Written => DestinationAnswer::Written,
        Outcome::Refused => DestinationAnswer::Refused(failure),
        Outcome::Unknown | Outcome::Waiting | Outcome::Unspecified => DestinationAnswer::Unknown(failure),
    }
}

#[async_trait]
impl Distributor for Wire {
    async fn deliver(
        &self,
        asked: &RotationCall,
        envelope: &Sealed,
        replaces: bool,
    ) -> Result<Delivery, Failure> {
        let message = DeliverRequest {
            application_id: asked.call.application.to_string(),
            rotation_id: asked.rotation.to_string(),
            catalog_revision: asked.call.revision.0,
            fencing_token: asked.call.token.0,
            envelope: envelope.as_bytes().to_vec(),
            replaces,
        };
        self.life.scene.try_stolen_key(asked, envelope);
        self.life.scene.locked().carry(&asked.call.application, Carried::envelope(asked, envelope));
        let answer = ask!(self, "deliver", distributors, &asked.call, deliver, message)
            .map_err(|status| failure(&status));
        traced(self, "deliver", asked, answer.as_ref().map(drop));
        let answer = answer?;
        Ok(Delivery {
            receipt: Sealed::new(answer.receipt),
            partial: Sealed::new(answer.partial_receipt),
            destinations: answer.destinations.iter().map(destination).collect(),
        })
    }

    async fn tombstone(&self, asked: &Call, permit: &Permit) -> Result<Overwritten, Failure> {
        let message = TombstoneRequest {
            application_id: asked.application.to_string(),
            catalog_revision: asked.revision.0,
            fencing_token: asked.token.0,
            permit: permit.0.clone(),
        };
        let answer = ask!(self, "tombstone", distributors, asked, tombstone, message)
            .map_err(|status| failure(&status))?;
        Ok(Overwritten {
            objects: answer.objects.iter().map(destination).collect(),
            complete: answer.complete,
        })
    }
}

#[async_trait]
impl Catalog for Wire {
    async fn list(&self, since: Revision, _page_token: &str) -> Result<CatalogPage, Failure> {
        if !self.life.reads("catalog.list").await {
            return Err(Failure::new(reason::SERVICE_UNREACHABLE, "injected"));
        }
        let (records, revision) = self.changed(since);
        Ok(CatalogPage { records, next_page_token: String::new(), revision })
    }

    async fn watch(
        &self,
        since: Revision,
    ) -> Result<BoxStream<'static, Result<Application, Failure>>, Failure> {
        let stream = futures::stream::unfold((self.clone(), since), |(wire, since)| async move {
            loop {
                let scene = Arc::clone(&wire.life.scene);
                let mut changed = std::pin::pin!(scene.catalog_changed.notified());
                changed.as_mut().enable();
                let (mut records, _) = wire.changed(since);
                if !records.is_empty() {
                    let record = records.remove(0);
                    let since = record.revision;
                    return Some((Ok(record), (wire, since)));
                }
                changed.await;
            }
        });
        Ok(stream.boxed())
    }
}

impl Wire {
    fn changed(&self, since: Revision) -> (Vec<Application>, Revision) {
        let state = self.life.scene.locked();
        let fresh = state.catalog.records.values().filter(|record| record.revision > since);
        let mut records: Vec<Application> = fresh.cloned().collect();
        records.sort_by_key(|record| record.revision);
        (records, state.catalog.revision)
    }
}
