//! How applications stand, as the coordinator says it, in words for programs and people.

use mint_api::convert::{optional_kind_from_wire, timestamp_from_wire};
use mint_api::coordination::v1;
use mint_types::{CredentialKind, Problem, Timestamp};
use serde::Serialize;

/// How an application stands as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Pending,
    Delivered,
    Failed,
    Inactive,
    Held,
}

/// How a credential stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CredentialState {
    Pending,
    Current,
    Rotating,
    Failed,
}

/// One credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Credential {
    pub(crate) kind: Option<CredentialKind>,
    pub(crate) state: CredentialState,
    /// The version that consumers find; none before the first delivery.
    pub(crate) version: Option<u64>,
    pub(crate) version_id: Option<String>,
    /// The step of the open rotation.
    pub(crate) node: Option<&'static str>,
    pub(crate) rotation: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) completed_rotations: u64,
    pub(crate) rotated_at: Option<Timestamp>,
    pub(crate) due_at: Option<Timestamp>,
    pub(crate) next_attempt_at: Option<Timestamp>,
    /// When the issuer last accepted the current version in a check.
    pub(crate) checked_at: Option<Timestamp>,
}

/// One application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Standing {
    pub(crate) id: String,
    pub(crate) team_id: String,
    pub(crate) state: State,
    pub(crate) credentials: Vec<Credential>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) paused: bool,
    pub(crate) pause_reason: Option<String>,
    /// Until when an application that is out of use can be restored.
    pub(crate) tombstone_until: Option<Timestamp>,
    /// It went out of use, and its identity was deleted.
    pub(crate) identity_deleted: bool,
    pub(crate) catalog_revision: u64,
    pub(crate) change: u64,
}

impl Standing {
    /// The credential of a kind.
    pub(crate) fn credential(&self, kind: CredentialKind) -> Option<&Credential> {
        self.credentials.iter().find(|credential| credential.kind == Some(kind))
    }
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Inactive => "inactive",
            Self::Held => "held",
        }
    }
}

impl CredentialState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Current => "current",
            Self::Rotating => "rotating",
            Self::Failed => "failed",
        }
    }
}

fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn time(wire: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    wire.as_ref().map(timestamp_from_wire)
}

impl From<v1::ApplicationStatus> for Standing {
    fn from(wire: v1::ApplicationStatus) -> Self {
        let state = match wire.state() {
            v1::ApplicationState::Unspecified | v1::ApplicationState::Pending => State::Pending,
            v1::ApplicationState::Delivered => State::Delivered,
            v1::ApplicationState::Failed => State::Failed,
            v1::ApplicationState::Inactive => State::Inactive,
            v1::ApplicationState::Held => State::Held,
        };
        Self {
            state,
            id: wire.application_id,
            team_id: wire.team_id,
            credentials: wire.credentials.into_iter().map(Credential::from).collect(),
            problems: wire
                .problems
                .into_iter()
                .filter_map(|problem| Problem::try_from(problem).ok())
                .collect(),
            paused: wire.paused,
            pause_reason: filled(wire.pause_reason),
            tombstone_until: time(wire.tombstone_until),
            identity_deleted: wire.identity_deleted,
            catalog_revision: wire.catalog_revision,
            change: wire.change,
        }
    }
}

impl From<v1::CredentialStatus> for Credential {
    fn from(wire: v1::CredentialStatus) -> Self {
        let state = match wire.state() {
            v1::CredentialState::Unspecified | v1::CredentialState::Pending => CredentialState::Pending,
            v1::CredentialState::Current => CredentialState::Current,
            v1::CredentialState::Rotating => CredentialState::Rotating,
            v1::CredentialState::Failed => CredentialState::Failed,
        };
        let node = match wire.node() {
            v1::Node::Unspecified => None,
            v1::Node::Intend => Some("intend"),
            v1::Node::Create => Some("create"),
            v1::Node::Deliver => Some("deliver"),
            v1::Node::Adopt => Some("adopt"),
            v1::Node::Retire => Some("retire"),
            v1::Node::Prove => Some("prove"),
        };
        Self {
            kind: optional_kind_from_wire("kind", wire.kind).ok().flatten(),
            state,
            version: Some(wire.version).filter(|version| *version != 0),
            version_id: filled(wire.version_id),
            node,
            rotation: filled(wire.rotation_id),
            attempts: wire.attempts,
            completed_rotations: wire.completed_rotations,
            rotated_at: time(wire.rotated_at),
            due_at: time(wire.due_at),
            next_attempt_at: time(wire.next_attempt_at),
            checked_at: time(wire.checked_at),
        }
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    /// A credential in a state, delivered as version 7.
    pub(crate) fn credential(kind: CredentialKind, state: CredentialState) -> Credential {
        Credential {
            kind: Some(kind),
            state,
            version: Some(7),
            version_id: None,
            node: None,
            rotation: None,
            attempts: 0,
            completed_rotations: 1,
            rotated_at: None,
            due_at: None,
            next_attempt_at: None,
            checked_at: None,
        }
    }

    /// An application in a state.
    pub(crate) fn standing(id: &str, state: State, credentials: Vec<Credential>) -> Standing {
        Standing {
            id: id.to_owned(),
            team_id: "stups".to_owned(),
            state,
            credentials,
            problems: vec![],
            paused: false,
            pause_reason: None,
            tombstone_until: None,
            identity_deleted: false,
            catalog_revision: 10,
            change: 1,
        }
    }

    /// A problem of a credential or of everything.
    pub(crate) fn problem(kind: &str, credential: Option<CredentialKind>) -> Problem {
        Problem {
            kind: kind.to_owned(),
            title: "the bucket refuses the write".to_owned(),
            detail: "S3 answered 403 AccessDenied".to_owned(),
            next_action: "allow the distributor's role to write".to_owned(),
            since: "2026-11-22T01:02:03Z".parse().unwrap(),
            attempts: 3,
            credential,
            destination: credential.map(|kind| format!("team-a/kio/{}", kind.object_name())),
        }
    }
}
