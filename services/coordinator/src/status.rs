//! How an application stands: pure, from its desk.

use mint_saga::schedule::NEVER;
use mint_saga::{Credential, Failure, Node, Stage, reason};
use mint_types::{
    ApplicationId, CredentialKind, Presence, Problem, RotationId, TeamId, Timestamp, Version, VersionId,
};

use crate::desk::{Desk, IdentityPhase};
use crate::plan::identity_need;

/// How an application stands as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplicationState {
    /// Work is under way.
    Pending,
    /// Every credential is delivered and current.
    Delivered,
    /// Something failed too often, or cannot be delivered as configured.
    Failed,
    /// The registry retired it.
    Inactive,
    /// The registry lost it.
    Held,
}

/// How a credential stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialState {
    /// Nothing was delivered yet.
    Pending,
    /// Delivered, and nothing is under way.
    Current,
    /// Delivered, and a newer version is under way.
    Rotating,
    /// The last attempts failed, or it cannot be delivered as configured.
    Failed,
}

/// One credential's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialStatus {
    /// Which kind.
    pub kind: CredentialKind,
    /// How it stands.
    pub state: CredentialState,
    /// What consumers find.
    pub version: Option<(Version, VersionId)>,
    /// The open rotation and the node it works at.
    pub rotation: Option<(RotationId, Node)>,
    /// Failures in a row.
    pub attempts: u32,
    /// Rotations that were completed.
    pub completed: u64,
    /// When the current version was delivered.
    pub rotated_at: Option<Timestamp>,
    /// When the next rotation is due.
    pub due_at: Option<Timestamp>,
    /// When the open rotation goes on.
    pub next_attempt_at: Option<Timestamp>,
}

/// One application's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Which application.
    pub application: ApplicationId,
    /// Its owner.
    pub team: TeamId,
    /// How it stands.
    pub state: ApplicationState,
    /// One per credential.
    pub credentials: Vec<CredentialStatus>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Why it is paused.
    pub paused: Option<String>,
    /// The catalog revision that it reflects.
    pub revision: u64,
    /// Counts the changes.
    pub change: u64,
}

/// How an application stands, when `failed_after` failures in a row count as failed.
pub fn status(desk: &Desk, failed_after: u32) -> Status {
    let credentials: Vec<CredentialStatus> =
        shown_kinds(desk).into_iter().map(|kind| credential_status(desk, kind, failed_after)).collect();
    Status {
        application: desk.record.id.clone(),
        team: desk.record.team_id.clone(),
        state: state(desk, &credentials, failed_after),
        credentials,
        problems: problems(desk),
        paused: desk.paused.clone(),
        revision: desk.record.revision.0,
        change: desk.change,
    }
}

/// The kinds that the settings want, and those whose rotation is still open.
fn shown_kinds(desk: &Desk) -> Vec<CredentialKind> {
    let wanted = desk.kinds();
    let open = desk.credentials.values().filter(|credential| credential.rotation.is_some());
    let mut kinds = wanted.to_vec();
    kinds.extend(open.map(|credential| credential.kind).filter(|kind| !wanted.contains(kind)));
    kinds
}

fn state(desk: &Desk, credentials: &[CredentialStatus], failed_after: u32) -> ApplicationState {
    if desk.record.presence == Presence::Held {
        return ApplicationState::Held;
    }
    if !desk.record.active {
        return ApplicationState::Inactive;
    }
    let identity_failed = identity_failed(desk, failed_after);
    if identity_failed || credentials.iter().any(|credential| credential.state == CredentialState::Failed) {
        // a user that was not asked for yet comes first, whatever else is wrong
        let asked = identity_failed || identity_need(desk).is_none();
        return if asked { ApplicationState::Failed } else { ApplicationState::Pending };
    }
    let current = credentials.iter().all(|credential| is_current(desk, credential.kind));
    if current && identity_need(desk).is_none() {
        ApplicationState::Delivered
    } else {
        ApplicationState::Pending
    }
}

fn identity_failed(desk: &Desk, failed_after: u32) -> bool {
    desk.standing.trouble.as_ref().is_some_and(|trouble| trouble.attempts >= failed_after)
}

/// Delivered, and to where the settings say now. A kind that the settings do not want any more does not count.
fn is_current(desk: &Desk, kind: CredentialKind) -> bool {
    let Some(wish) = desk.wish(kind) else { return true };
    desk.credential(kind).current.is_some_and(|current| current.destinations == wish.destinations)
}

fn credential_status(desk: &Desk, kind: CredentialKind, failed_after: u32) -> CredentialStatus {
    let credential = desk.credential(kind);
    let wish = desk.wish(kind);
    let due_at = wish.map(|wish| wish.due_at(&credential)).filter(|due| *due != NEVER);
    let current = credential.current.as_ref();
    CredentialStatus {
        kind,
        state: credential_state(desk, &credential, failed_after),
        version: current.map(|current| (current.version, current.version_id)),
        rotation: credential.rotation.as_ref().map(|rotation| (rotation.id, shown_node(&credential))),
        attempts: credential.attempts(),
        completed: credential.completed,
        rotated_at: current.map(|current| current.delivered_at),
        due_at,
        next_attempt_at: next_attempt(&credential),
    }
}

fn credential_state(desk: &Desk, credential: &Credential, failed_after: u32) -> CredentialState {
    let without_user =
        desk.standing.identity == IdentityPhase::Unknown && identity_failed(desk, failed_after);
    let undeliverable = desk.record.active && !desk.is_deliverable();
    if without_user || undeliverable || credential.attempts() >= failed_after {
        return CredentialState::Failed;
    }
    match (&credential.current, &credential.rotation) {
        (None, _) => CredentialState::Pending,
        (Some(_), None) => CredentialState::Current,
        (Some(_), Some(_)) => CredentialState::Rotating,
    }
}

/// The node as people see it: before the first try it is an intent, and while consumers take it up it is Adopt.
fn shown_node(credential: &Credential) -> Node {
    let Some(rotation) = &credential.rotation else { return Node::Intend };
    let node = rotation.node();
    let failing = credential.troubles.contains_key(&node);
    match (&rotation.stage, failing) {
        (Stage::Intended, false) => Node::Intend,
        (Stage::Adopting { .. }, false) => Node::Adopt,
        _ => node,
    }
}

fn next_attempt(credential: &Credential) -> Option<Timestamp> {
    let rotation = credential.rotation.as_ref()?;
    let stage = match &rotation.stage {
        Stage::Intended | Stage::Created { .. } | Stage::Delivered { .. } => rotation.opened_at,
        Stage::Adopting { retire_at, .. } => *retire_at,
        Stage::Retired { prove_at, .. } => *prove_at,
    };
    let trouble = credential.troubles.get(&rotation.node()).map(|trouble| trouble.next_attempt_at);
    Some(trouble.map_or(stage, |trouble| trouble.max(stage)))
}

fn problems(desk: &Desk) -> Vec<Problem> {
    let mut problems = desk.record.problems.clone();
    let mut add = |failure: Failure, since: Timestamp| {
        let problem = failure.problem(None, since);
        // the catalog may say the same already
        if !problems.iter().any(|known| known.kind == problem.kind) {
            problems.push(problem);
        }
    };
    if let Some(since) = desk.conditions.held_since {
        let detail = "the registry does not list the application any more";
        add(Failure::new("APPLICATION_MISSING", detail), since);
    }
    if let Some(since) = desk.conditions.undeliverable_since {
        let detail = "the settings name no bucket, and the catalog has no default one";
        add(Failure::new(reason::NO_DESTINATION, detail), since);
    }
    let identity = desk.standing.trouble.iter().flat_map(|trouble| &trouble.problems);
    let shown = shown_kinds(desk);
    let credentials = desk
        .credentials
        .values()
        .filter(|credential| shown.contains(&credential.kind))
        .flat_map(Credential::problems);
    problems.extend(identity.chain(credentials).cloned());
    problems
}
