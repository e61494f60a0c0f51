//! How an application stands: pure, from its desk.

use std::collections::BTreeSet;

use mint_saga::schedule::NEVER;
use mint_saga::{Credential, Failure, InstanceName, Node, Stage, reason};
use mint_types::{
    ApplicationId, CredentialKind, IssuerObject, Presence, Problem, RotationId, TeamId, Timestamp, Version,
    VersionId,
};

use crate::desk::{Desk, IdentityPhase};
use crate::plan::{identity_need, share_an_object};

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
    /// When the issuer last accepted what consumers find, in a check.
    pub checked_at: Option<Timestamp>,
}

/// What an instance reported last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceStatus {
    /// Its name.
    pub instance: InstanceName,
    /// Of which credential.
    pub kind: CredentialKind,
    /// What it holds.
    pub version_id: VersionId,
    /// When it said so.
    pub seen_at: Timestamp,
    /// Whether consumers find a newer version.
    pub lagging: bool,
}

/// So many instances stand in a status, laggards first: a list of statuses must stay small.
const MOST_SHOWN: usize = 20;
/// So many laggards are named in a problem.
const MOST_NAMED: usize = 10;

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
    /// The instances that reported within their last three polls, laggards first; not more than 20.
    pub instances: Vec<InstanceStatus>,
    /// How many there are.
    pub instance_count: usize,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Why it is paused.
    pub paused: Option<String>,
    /// Until when the identity of an application that is out of use stays restorable.
    pub tombstone_until: Option<Timestamp>,
    /// The identity was deleted.
    pub identity_deleted: bool,
    /// The catalog revision that it reflects.
    pub revision: u64,
    /// Counts the changes.
    pub change: u64,
}

/// How an application stands, when `failed_after` failures in a row count as failed.
pub fn status(desk: &Desk, failed_after: u32, now: Timestamp) -> Status {
    let mut instances = instances(desk, now);
    let instance_count = instances.iter().map(|one| &one.instance).collect::<BTreeSet<_>>().len();
    instances.truncate(MOST_SHOWN);
    let credentials: Vec<CredentialStatus> =
        shown_kinds(desk).into_iter().map(|kind| credential_status(desk, kind, failed_after)).collect();
    Status {
        application: desk.record.id.clone(),
        team: desk.record.team_id.clone(),
        state: state(desk, &credentials, failed_after),
        credentials,
        instances,
        instance_count,
        problems: problems(desk, now),
        paused: desk.paused.clone(),
        tombstone_until: tombstone_until(desk),
        identity_deleted: desk.standing.identity == IdentityPhase::Deleted,
        revision: desk.record.revision.0,
        change: desk.change,
    }
}

fn tombstone_until(desk: &Desk) -> Option<Timestamp> {
    let removal = desk.standing.removal.as_ref()?;
    (desk.standing.identity == IdentityPhase::Disabled).then_some(removal.tombstone_until)
}

/// The kinds that the settings want, those whose rotation is still open, and what the client stays while another type waits.
fn shown_kinds(desk: &Desk) -> Vec<CredentialKind> {
    let wanted = desk.kinds();
    let stays = |credential: &&Credential| {
        let of_client = credential.kind.issuer_objects().contains(&IssuerObject::Client);
        desk.standing.client_type_waits && of_client && credential.current.is_some()
    };
    let others =
        desk.credentials.values().filter(|credential| credential.rotation.is_some() || stays(credential));
    let mut kinds = wanted.to_vec();
    kinds.extend(others.map(|credential| credential.kind).filter(|kind| !wanted.contains(kind)));
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
    crate::removal::is_where_it_belongs(desk, kind)
}

fn credential_status(desk: &Desk, kind: CredentialKind, failed_after: u32) -> CredentialStatus {
    let mut credential = desk.as_found(kind);
    // what lies nowhere is not what consumers find
    credential.current = credential.current.filter(|current| !current.destinations.is_empty());
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
        checked_at: crate::checks::accepted_at(desk, kind),
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

/// What consumers find of a kind, or of the kind that took its issuer object over.
fn wanted_by(desk: &Desk, held: CredentialKind) -> Option<VersionId> {
    let current = |kind| desk.credentials.get(&kind).and_then(|credential| credential.current.as_ref());
    let kinds = [held].into_iter().chain(CredentialKind::ALL).filter(|kind| share_an_object(*kind, held));
    kinds.filter_map(current).map(|current| current.version_id).next()
}

fn instances(desk: &Desk, now: Timestamp) -> Vec<InstanceStatus> {
    let holdings = desk.adoption.roster.holdings(now);
    let mut all: Vec<_> = holdings
        .map(|(instance, kind, holding)| InstanceStatus {
            instance: instance.clone(),
            kind,
            version_id: holding.version_id,
            seen_at: holding.seen_at,
            lagging: wanted_by(desk, kind).is_some_and(|wanted| wanted != holding.version_id),
        })
        .collect();
    all.sort_by(|one, other| other.lagging.cmp(&one.lagging).then_with(|| one.instance.cmp(&other.instance)));
    all
}

/// Laggards are a problem once the overlap has passed: whether Retire waits for them or had to go on.
fn lagging(desk: &Desk, credential: &Credential, now: Timestamp) -> Option<Problem> {
    let current = credential.current.as_ref()?;
    match credential.rotation.as_ref().map(|rotation| &rotation.stage) {
        Some(Stage::Delivered { .. }) => return None,
        Some(Stage::Adopting { retire_at, .. }) if now < *retire_at => return None,
        _ => {}
    }
    let names: BTreeSet<&InstanceName> = desk
        .adoption
        .roster
        .laggards(credential.kind, current.version_id, now)
        .map(|(instance, _, _)| instance)
        .collect();
    if names.is_empty() {
        return None;
    }
    let shown: Vec<&str> = names.iter().take(MOST_NAMED).map(|name| name.as_str()).collect();
    let more = if names.len() > MOST_NAMED { " and others" } else { "" };
    let (count, since) = (names.len(), current.delivered_at);
    let detail = format!("{count} of the instances hold an older version: {}{more}", shown.join(", "));
    Some(Failure::new(reason::INSTANCES_LAGGING, detail).problem(Some(credential.kind), since))
}

fn problems(desk: &Desk, now: Timestamp) -> Vec<Problem> {
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
    let standing = &desk.standing;
    let removal = standing.removal.as_ref().and_then(|removal| removal.trouble.as_ref());
    let troubles = standing.trouble.iter().chain(removal).chain(crate::removal::clearing_trouble(desk));
    let identity = troubles.flat_map(|trouble| &trouble.problems);
    let shown = shown_kinds(desk);
    let credentials = desk
        .credentials
        .values()
        .filter(|credential| shown.contains(&credential.kind))
        .flat_map(Credential::problems);
    problems.extend(identity.chain(credentials).chain(&standing.unaccounted).cloned());
    let all = desk.credentials.values().filter(|credential| shown.contains(&credential.kind));
    problems.extend(all.filter_map(|credential| lagging(desk, credential, now)));
    problems.extend(shown.iter().filter_map(|kind| crate::checks::problem(desk, *kind)));
    problems
}
