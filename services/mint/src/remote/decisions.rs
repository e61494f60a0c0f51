//! Calls by which people decide what no service decides by itself.

use mint_api::coordination::v1 as coordination;
use mint_api::identity::v1 as identity;
use mint_api::identity::v1::identity_service_client::IdentityServiceClient;
use mint_api::registry::v1 as registry;
use mint_api::rotation::v1 as rotation;
use mint_api::rotation::v1::rotation_service_client::RotationServiceClient;
use mint_runtime::Channel;
use mint_statement::SignedStatement;
use mint_types::{Application, ApplicationId, ServiceName};

use super::{DEADLINE, Remote, SYNC_DEADLINE, call, empty_answer, record, timed};
use crate::Error;

impl Remote {
    fn identities(&self) -> Result<IdentityServiceClient<Channel>, Error> {
        self.channel(ServiceName::IdentityProvisioner).map(IdentityServiceClient::new)
    }

    fn rotator(&self) -> Result<RotationServiceClient<Channel>, Error> {
        self.channel(ServiceName::Rotator).map(RotationServiceClient::new)
    }

    /// Takes an application that the registry lost out of use.
    pub(crate) async fn retire_application(&self, application: &ApplicationId) -> Result<Application, Error> {
        let request = registry::RetireApplicationRequest { application_id: application.to_string() };
        let mut client = self.registry()?;
        let answer =
            call(ServiceName::RegistrySync, DEADLINE, client.retire_application(timed(request, DEADLINE)));
        answer.await?.application.map_or_else(|| Err(empty_answer(ServiceName::RegistrySync)), record)
    }

    /// Takes an application into use again.
    pub(crate) async fn restore_application(
        &self,
        application: &ApplicationId,
    ) -> Result<Application, Error> {
        let request = registry::RestoreApplicationRequest { application_id: application.to_string() };
        let mut client = self.registry()?;
        let answer =
            call(ServiceName::RegistrySync, DEADLINE, client.restore_application(timed(request, DEADLINE)));
        answer.await?.application.map_or_else(|| Err(empty_answer(ServiceName::RegistrySync)), record)
    }

    /// Has an existing user taken over; answers its client id.
    pub(crate) async fn adopt_identity(&self, application: &ApplicationId) -> Result<String, Error> {
        let request = coordination::AdoptIdentityRequest { application_id: application.to_string() };
        let mut client = self.coordinator()?;
        let answer = client.adopt_identity(timed(request, SYNC_DEADLINE));
        call(ServiceName::Coordinator, SYNC_DEADLINE, answer).await.map(|answer| answer.client_id)
    }

    /// Hands in what two operators want ended at once; answers whose it is.
    pub(crate) async fn submit_revocation(&self, signed: &SignedStatement) -> Result<String, Error> {
        let request = coordination::SubmitStatementRequest { statement: signed.to_bytes() };
        let mut client = self.coordinator()?;
        let answer = client.submit_statement(timed(request, DEADLINE));
        call(ServiceName::Coordinator, DEADLINE, answer).await.map(|answer| answer.application_id)
    }

    /// Has an application compared with the issuer.
    pub(crate) async fn reconcile(
        &self,
        application: &str,
        dry_run: bool,
    ) -> Result<Vec<coordination::Finding>, Error> {
        let application_id = application.to_owned();
        let request = coordination::ReconcileRequest { application_id, dry_run };
        let mut client = self.coordinator()?;
        let answer = client.reconcile(timed(request, SYNC_DEADLINE));
        call(ServiceName::Coordinator, SYNC_DEADLINE, answer).await.map(|answer| answer.findings)
    }

    /// Hands a release to registry-sync; answers how many acts it still allows.
    pub(crate) async fn release_catalog(&self, signed: &SignedStatement) -> Result<u64, Error> {
        let request = registry::ReleaseRequest { statement: signed.to_bytes() };
        let mut client = self.registry()?;
        let answer = call(ServiceName::RegistrySync, DEADLINE, client.release(timed(request, DEADLINE)));
        answer.await.map(|answer| answer.remaining)
    }

    /// Hands a release to identity-provisioner; answers how many acts it still allows.
    pub(crate) async fn release_removals(&self, signed: &SignedStatement) -> Result<u64, Error> {
        let statement = String::from_utf8_lossy(&signed.to_bytes()).into_owned();
        let request = identity::ReleaseRequest { statement };
        let mut client = self.identities()?;
        let answer =
            call(ServiceName::IdentityProvisioner, DEADLINE, client.release(timed(request, DEADLINE)));
        answer.await.map(|answer| answer.remaining)
    }

    /// The budget of removals.
    pub(crate) async fn budget(&self) -> Result<identity::GetBudgetResponse, Error> {
        let request = timed(identity::GetBudgetRequest {}, DEADLINE);
        let mut client = self.identities()?;
        call(ServiceName::IdentityProvisioner, DEADLINE, client.get_budget(request)).await
    }

    /// Users that belong to no application.
    pub(crate) async fn orphans(&self, fresh: bool) -> Result<identity::ListOrphansResponse, Error> {
        let request = timed(identity::ListOrphansRequest { fresh }, SYNC_DEADLINE);
        let mut client = self.identities()?;
        call(ServiceName::IdentityProvisioner, SYNC_DEADLINE, client.list_orphans(request)).await
    }

    /// Takes the next step of removing such a user.
    pub(crate) async fn remove_identity(
        &self,
        username: String,
    ) -> Result<identity::RemoveIdentityResponse, Error> {
        let request = timed(identity::RemoveIdentityRequest { username }, DEADLINE);
        let mut client = self.identities()?;
        call(ServiceName::IdentityProvisioner, DEADLINE, client.remove_identity(request)).await
    }

    /// What taking over would do.
    pub(crate) async fn plan_import(&self) -> Result<identity::PlanImportResponse, Error> {
        let request = timed(identity::PlanImportRequest {}, SYNC_DEADLINE);
        let mut client = self.identities()?;
        call(ServiceName::IdentityProvisioner, SYNC_DEADLINE, client.plan_import(request)).await
    }

    /// How the issuer of credentials stands.
    pub(crate) async fn issuer(&self) -> Result<rotation::Issuer, Error> {
        let request = timed(rotation::GetIssuerRequest {}, DEADLINE);
        let mut client = self.rotator()?;
        let answer = call(ServiceName::Rotator, DEADLINE, client.get_issuer(request)).await?;
        answer.issuer.ok_or_else(|| empty_answer(ServiceName::Rotator))
    }

    /// Lets rotations at a halted issuer go on.
    pub(crate) async fn resume_issuer(&self) -> Result<rotation::Issuer, Error> {
        let request = timed(rotation::ResumeIssuerRequest {}, DEADLINE);
        let mut client = self.rotator()?;
        let answer = call(ServiceName::Rotator, DEADLINE, client.resume_issuer(request)).await?;
        answer.issuer.ok_or_else(|| empty_answer(ServiceName::Rotator))
    }
}
