//! How the applications of a world stand, as the coordinator tells it.

use std::time::Duration;

use mint_api::coordination::v1::coordination_service_client::CoordinationServiceClient;
use mint_api::coordination::v1::{
    ApplicationState, ApplicationStatus, GetApplicationRequest, ListApplicationsRequest, Node,
    RotateApplicationRequest,
};
use mint_api::types::v1::CredentialKind;
use mint_runtime::client::Channel;
use mint_types::ServiceName;

use super::World;
use crate::application::eventually;

/// Whether everything of an application is delivered, nothing troubles it and no rotation of it is under way.
pub fn at_rest(status: &ApplicationStatus) -> bool {
    status.state == ApplicationState::Delivered as i32
        && status.problems.is_empty()
        && status.credentials.iter().all(|credential| credential.node == Node::Unspecified as i32)
}

/// How many rotations each secret of an application has behind it, at least; the first delivery is one. A public
/// client has no secret that rotates.
pub fn completed_rotations(status: &ApplicationStatus) -> u64 {
    let secrets = status
        .credentials
        .iter()
        .filter(|credential| credential.kind != CredentialKind::PublicClient as i32)
        .map(|credential| credential.completed_rotations);
    secrets.min().unwrap_or_default()
}

impl World {
    /// The coordinator, as the operator.
    pub fn coordination(&self) -> CoordinationServiceClient<Channel> {
        CoordinationServiceClient::new(self.channel(ServiceName::Coordinator, &self.operator()))
    }

    /// One application's status.
    ///
    /// # Panics
    /// If the coordinator refuses.
    pub async fn status(&self, id: &str) -> ApplicationStatus {
        self.try_status(id).await.unwrap_or_else(|status| panic!("{id}: {status}"))
    }

    /// One application's status, if the coordinator answers.
    ///
    /// # Errors
    /// Its refusal.
    pub async fn try_status(&self, id: &str) -> Result<ApplicationStatus, tonic::Status> {
        let request = GetApplicationRequest { application_id: id.to_owned() };
        let answer = self.coordination().get_application(request).await?.into_inner();
        answer.application.ok_or_else(|| tonic::Status::internal("an answer without an application"))
    }

    /// Every application's status, if the coordinator answers.
    ///
    /// # Errors
    /// Its refusal.
    pub async fn statuses(&self) -> Result<Vec<ApplicationStatus>, tonic::Status> {
        let request = ListApplicationsRequest { page_size: 5000, ..Default::default() };
        Ok(self.coordination().list_applications(request).await?.into_inner().applications)
    }

    /// Waits until an application's status satisfies a condition.
    ///
    /// # Panics
    /// If it does not within `deadline`.
    pub async fn until(
        &self,
        id: &str,
        what: &str,
        deadline: Duration,
        holds: impl Fn(&ApplicationStatus) -> bool,
    ) -> ApplicationStatus {
        let holds = &holds;
        eventually(&format!("{id}: {what}"), deadline, || async move {
            self.try_status(id).await.ok().filter(|status| holds(status))
        })
        .await
    }

    /// Starts a rotation, however often the coordinator must be asked.
    ///
    /// # Panics
    /// If it does not accept within a minute.
    pub async fn rotate(&self, id: &str, kinds: &[CredentialKind]) {
        let request = RotateApplicationRequest {
            application_id: id.to_owned(),
            kinds: kinds.iter().map(|kind| (*kind).into()).collect(),
        };
        eventually(&format!("{id}: a rotation is accepted"), Duration::from_mins(1), || async {
            self.coordination().rotate_application(request.clone()).await.ok()
        })
        .await;
    }

    /// What `mint status` tells a reader to be wrong with an application: the types of its problems.
    ///
    /// # Panics
    /// If it shows no such application.
    pub async fn shown_problems(&self, id: &str) -> Vec<String> {
        let shown = self.mint(&["status", "--output", "json"]).await;
        let document: serde_json::Value = serde_json::from_slice(&shown.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&shown.stderr)));
        let applications = document["applications"].as_array().expect("applications");
        let application = applications.iter().find(|application| application["id"] == id);
        let application = application.unwrap_or_else(|| panic!("mint status does not show {id}: {document}"));
        let problems = application["problems"].as_array().expect("problems");
        problems.iter().map(|problem| problem["type"].as_str().expect("a type").to_owned()).collect()
    }

    /// Waits until all of these applications are delivered and [at rest](at_rest).
    ///
    /// # Panics
    /// If one is not within `deadline`.
    pub async fn until_at_rest<Id: AsRef<str>>(&self, ids: &[Id], deadline: Duration) {
        for id in ids {
            self.until(id.as_ref(), "delivered and at rest", deadline, at_rest).await;
        }
    }
}
