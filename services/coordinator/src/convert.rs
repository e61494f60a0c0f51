//! Statuses to messages.

use mint_api::InvalidMessage;
use mint_api::convert::{duration_from_wire, kind_from_wire, kind_to_wire, parse, timestamp_to_wire};
use mint_api::coordination::v1;
use mint_saga::{LONGEST_POLL, Node, Report, SHORTEST_POLL};

use crate::status::{ApplicationState, CredentialState, CredentialStatus, InstanceStatus, Status};
use crate::store::{Reported, Started};

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
            instances: status.instances.into_iter().map(Into::into).collect(),
            instance_count: u32::try_from(status.instance_count).unwrap_or(u32::MAX),
            tombstone_until: status.tombstone_until.map(timestamp_to_wire),
            identity_deleted: status.identity_deleted,
        }
    }
}

impl From<InstanceStatus> for v1::InstanceStatus {
    fn from(status: InstanceStatus) -> Self {
        Self {
            instance: status.instance.into(),
            kind: kind_to_wire(status.kind).into(),
            version_id: status.version_id.to_string(),
            seen_at: Some(timestamp_to_wire(status.seen_at)),
            lagging: status.lagging,
        }
    }
}

/// A report as an instance sent it.
pub(crate) fn reported(message: &v1::ReportVersionRequest) -> Result<Reported, InvalidMessage> {
    let interval = message.poll_interval.as_ref();
    let interval = interval.ok_or_else(|| InvalidMessage::new("poll_interval", "it is required"))?;
    let poll_interval = duration_from_wire("poll_interval", interval)?;
    if !(SHORTEST_POLL..=LONGEST_POLL).contains(&poll_interval) {
        return Err(InvalidMessage::new("poll_interval", "it must be 1 s to 1 h"));
    }
    Ok(Reported {
        application: parse("application_id", &message.application_id)?,
        instance: parse("instance", &message.instance)?,
        report: Report {
            kind: kind_from_wire("kind", message.kind)?,
            version_id: parse("version_id", &message.version_id)?,
            sequence: message.sequence,
            poll_interval,
        },
    })
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
            checked_at: status.checked_at.map(timestamp_to_wire),
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
