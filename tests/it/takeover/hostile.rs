//! Whoever has a coordinator's certificate and bad intentions.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use mint_api::WireFault;
use mint_api::audit::v1::audit_service_client::AuditServiceClient;
use mint_api::audit::v1::{Entry, ListEntriesRequest};
use mint_api::distribution::v1::distribution_service_client::DistributionServiceClient;
use mint_api::distribution::v1::{DeliverRequest, DeliverResponse};
use mint_api::identity::v1::identity_service_client::IdentityServiceClient;
use mint_api::rotation::v1::rotation_service_client::RotationServiceClient;
use mint_api::rotation::v1::{
    AcceptReceiptRequest, AcceptReceiptResponse, CheckVersionRequest, CheckVersionResponse, CreateRequest,
    CreateResponse, RetireRequest, RetireResponse,
};
use mint_api::types::v1::CredentialKind;
use mint_runtime::client::Channel;
use mint_tests::application::eventually;
use mint_tests::world::World;
use mint_types::ServiceName;

use super::DEADLINE;

type Answer<T> = Result<T, tonic::Status>;

/// An application and one rotation of its password.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rotation<'a> {
    pub(super) application: &'a str,
    pub(super) id: &'a str,
}

/// A coordinator that nobody wrote.
pub(super) struct Hostile {
    pub(super) rotator: RotationServiceClient<Channel>,
    pub(super) distributor: DistributionServiceClient<Channel>,
    pub(super) identities: IdentityServiceClient<Channel>,
    token: AtomicU64,
}

impl Hostile {
    pub(super) fn new(world: &World) -> Self {
        let stolen = world.service(ServiceName::Coordinator);
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        // ahead of every token that the true coordinator took, within what executors accept
        let ahead = u64::try_from(since.as_millis()).expect("a moment") + 60_000;
        Self {
            rotator: RotationServiceClient::new(world.channel(ServiceName::Rotator, &stolen)),
            distributor: DistributionServiceClient::new(world.channel(ServiceName::Distributor, &stolen)),
            identities: IdentityServiceClient::new(world.channel(ServiceName::IdentityProvisioner, &stolen)),
            token: AtomicU64::new(ahead),
        }
    }

    /// A token that is higher than any before.
    pub(super) fn token(&self) -> u64 {
        self.token.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) async fn create(&self, rotation: Rotation<'_>) -> Answer<CreateResponse> {
        let request = CreateRequest {
            application_id: rotation.application.to_owned(),
            kind: CredentialKind::Password.into(),
            rotation_id: rotation.id.to_owned(),
            catalog_revision: 0,
            fencing_token: self.token(),
        };
        Ok(self.rotator.clone().create(request).await?.into_inner())
    }

    pub(super) async fn deliver(&self, rotation: Rotation<'_>, envelope: &[u8]) -> Answer<DeliverResponse> {
        self.deliver_with(rotation, envelope, self.token()).await
    }

    pub(super) async fn deliver_with(
        &self,
        rotation: Rotation<'_>,
        envelope: &[u8],
        fencing_token: u64,
    ) -> Answer<DeliverResponse> {
        let request = DeliverRequest {
            application_id: rotation.application.to_owned(),
            rotation_id: rotation.id.to_owned(),
            catalog_revision: 0,
            fencing_token,
            envelope: envelope.to_vec(),
            replaces: false,
        };
        Ok(self.distributor.clone().deliver(request).await?.into_inner())
    }

    pub(super) async fn accept(
        &self,
        rotation: Rotation<'_>,
        receipt: &[u8],
    ) -> Answer<AcceptReceiptResponse> {
        let request = AcceptReceiptRequest {
            application_id: rotation.application.to_owned(),
            kind: CredentialKind::Password.into(),
            rotation_id: rotation.id.to_owned(),
            fencing_token: self.token(),
            receipt: receipt.to_vec(),
        };
        Ok(self.rotator.clone().accept_receipt(request).await?.into_inner())
    }

    /// Has an envelope opened and logged in with.
    pub(super) async fn check(&self, application: &str, envelope: &[u8]) -> Answer<CheckVersionResponse> {
        let request = CheckVersionRequest {
            application_id: application.to_owned(),
            kind: CredentialKind::Password.into(),
            fencing_token: self.token(),
            probe_envelope: envelope.to_vec(),
        };
        Ok(self.rotator.clone().check_version(request).await?.into_inner())
    }

    pub(super) async fn retire(&self, rotation: Rotation<'_>) -> Answer<RetireResponse> {
        self.retire_with(rotation, self.token()).await
    }

    pub(super) async fn retire_with(
        &self,
        rotation: Rotation<'_>,
        fencing_token: u64,
    ) -> Answer<RetireResponse> {
        let request = RetireRequest {
            application_id: rotation.application.to_owned(),
            kind: CredentialKind::Password.into(),
            rotation_id: rotation.id.to_owned(),
            fencing_token,
        };
        Ok(self.rotator.clone().retire(request).await?.into_inner())
    }
}

/// The coded reason of a refusal, which must be one of the expected.
pub(super) fn refused<T: std::fmt::Debug>(what: &str, answer: Answer<T>, expected: &[&str]) -> String {
    let status = answer.expect_err(what);
    let fault = WireFault::from_status(&status);
    assert!(expected.contains(&fault.reason.as_str()), "{what}: {status:?}");
    fault.reason
}

/// What the audit log holds of an application.
pub(super) async fn audited(world: &World, application: &str) -> Vec<Entry> {
    let mut audit = AuditServiceClient::new(world.channel(ServiceName::Audit, &world.operator()));
    let request =
        ListEntriesRequest { application_id: application.to_owned(), page_size: 1000, ..Default::default() };
    audit.list_entries(request).await.expect("the log answers").into_inner().entries
}

/// Waits until one service told the audit log that it refused these acts on an application: it answers before it tells.
pub(super) async fn until_told(
    world: &World,
    application: &str,
    service: ServiceName,
    expected: &[(&str, &str)],
) {
    let actor = format!("spiffe://mint.local/service/{service}");
    let what = format!("{service} told of {expected:?} of {application}");
    eventually(&what, DEADLINE, || async {
        let entries = audited(world, application).await;
        let told: BTreeSet<(&str, &str)> = entries
            .iter()
            .filter(|entry| entry.actor == actor)
            .filter_map(|entry| Some((entry.act.as_ref()?.action.as_str(), entry.reason.as_str())))
            .collect();
        expected.iter().all(|refusal| told.contains(refusal)).then_some(())
    })
    .await;
}
