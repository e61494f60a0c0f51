//! Statuses to messages.

use mint_api::convert::{kind_to_wire, timestamp_to_wire};
use mint_api::coordination::v1;
use mint_saga::Node;

use crate::status::{ApplicationState, CredentialState, CredentialStatus, Status};
use crate::store::Started;

impl From<Status> for v1::ApplicationStatus {
    fn from(status: Status) -> Self {
        Self {
            application_id: status.application.into(),
            team_id: status.team.into(),
            state: application_state(status.state).into(),
            credentials: status.credentials.into_iter().map(Into::into).collect(),
            problems: status.problems.into_iter().map(Into::into).collect(),
            paused: status.paused.is_some(),
            pause_reason: status.paused.unwrap_or_default(),
            catalog_revision: status.revision,
            change: status.change,
        }
    }
}

impl From<CredentialStatus> for v1::CredentialStatus {
    fn from(status: CredentialStatus) -> Self {
        let (version, version_id) =
            status.version.map_or((0, String::new()), |(version, id)| (version.0, id.to_string()));
        let (rotation_id, node) = status
            .rotation
            .map_or((String::new(), v1::Node::Unspecified), |(id, at)| (id.to_string(), node(at)));
        Self {
            kind: kind_to_wire(status.kind).into(),
            state: credential_state(status.state).into(),
            version,
            version_id,
            node: node.into(),
            rotation_id,
            attempts: status.attempts,
            completed_rotations: status.completed,
            rotated_at: status.rotated_at.map(timestamp_to_wire),
            due_at: status.due_at.map(timestamp_to_wire),
            next_attempt_at: status.next_attempt_at.map(timestamp_to_wire),
        }
    }
}

impl From<Started> for v1::StartedRotation {
    fn from(started: Started) -> Self {
        Self {
            kind: kind_to_wire(started.kind).into(),
            rotation_id: started.rotation.to_string(),
            started: started.started,
        }
    }
}

fn application_state(state: ApplicationState) -> v1::ApplicationState {
    match state {
        ApplicationState::Pending => v1::ApplicationState::Pending,
        ApplicationState::Delivered => v1::ApplicationState::Delivered,
        ApplicationState::Failed => v1::ApplicationState::Failed,
        ApplicationState::Inactive => v1::ApplicationState::Inactive,
        ApplicationState::Held => v1::ApplicationState::Held,
    }
}

fn credential_state(state: CredentialState) -> v1::CredentialState {
    match state {
        CredentialState::Pending => v1::CredentialState::Pending,
        CredentialState::Current => v1::CredentialState::Current,
        CredentialState::Rotating => v1::CredentialState::Rotating,
        CredentialState::Failed => v1::CredentialState::Failed,
    }
}

fn node(node: Node) -> v1::Node {
    match node {
        Node::Intend => v1::Node::Intend,
        Node::Create => v1::Node::Create,
        Node::Deliver => v1::Node::Deliver,
        Node::Adopt => v1::Node::Adopt,
        Node::Retire => v1::Node::Retire,
        Node::Prove => v1::Node::Prove,
    }
}
