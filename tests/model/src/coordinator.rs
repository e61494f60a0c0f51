//! The coordinators: `mint_coordinator::decide`, `mint_saga::plan` and `mint_saga::apply` over a shared row.

use std::collections::BTreeMap;
use std::time::Duration;

use mint_coordinator::{Decision, Desk, World as Surroundings, decide};
use mint_invariants::{Act, one_at_a_time};
use mint_saga::schedule::NEVER;
use mint_saga::{Credential, Event, Failure, Node, Step, Written, apply, plan, reason};
use mint_types::mutation::{Mutation, mutated};
use mint_types::{CredentialKind, FencingToken, Timestamp};

use crate::bounds::{BACKOFF, BEGIN, LEASE};
use crate::calls::{Answer, Envelope, Late, Request};
use crate::payload::rotation_id;
use crate::world::{Lane, Luck, Mint, Worker, World};

impl Mint {
    fn desk_of(&self, changed: bool, credentials: &BTreeMap<CredentialKind, Credential>) -> Desk {
        Desk { credentials: credentials.clone(), ..self.desk(changed).clone() }
    }

    /// What the coordinator decides, within the bounds: no more rotations than they allow.
    fn decision(&self, world: &World) -> Decision {
        let (credentials, now) = (&world.row.credentials, world.now);
        let desk = self.desk_of(world.changed, credentials);
        let mut decision = decide(&desk, &Surroundings { now, issuer_paused_until: None, paused: false });
        let enough = |kind: &CredentialKind| {
            let completed = credentials.get(kind).map_or(0, |credential| credential.completed);
            !self.bounds.kinds.contains(kind) || completed >= self.bounds.rotations
        };
        let beyond: Vec<CredentialKind> =
            decision.open.iter().map(|(kind, _)| *kind).filter(|kind| enough(kind)).collect();
        decision.open.retain(|(kind, _)| !beyond.contains(kind));
        decision.drive.retain(|kind| !beyond.contains(kind));
        decision
    }

    /// The coordinator that may take the lease: they are all alike, so the first that is free.
    pub(crate) fn taker(&self, world: &World) -> Option<u8> {
        let is_free = world.row.lease_until <= world.now || mutated(Mutation::LeasePerKind);
        if !is_free || world.row.wake_at > world.now || self.is_rotated(world) {
            return None;
        }
        (0_u8..).zip(&world.workers).find(|(_, worker)| worker.is_none()).map(|(number, _)| number)
    }

    /// Takes the lease and opens what is due, in one write; false if there was nothing to do and nothing to note.
    pub(crate) fn take(&self, world: &mut World, number: u8) -> bool {
        let now = world.now;
        let decision = self.decision(world);
        if decision.is_idle() {
            let changed = world.row.wake_at != decision.wake_at;
            world.row.wake_at = decision.wake_at;
            return changed;
        }
        for (kind, cause) in &decision.open {
            world.opened += 1;
            let id = rotation_id(world.opened);
            let before = world.row.credentials.get(kind).cloned().unwrap_or_else(|| Credential::new(*kind));
            let opened = Event::Opened { id, cause: *cause, traceparent: None };
            if let Ok(credential) = apply(&before, opened, now) {
                let others = world.row.credentials.values_mut();
                others
                    .filter(|other| other.kind != *kind && share_an_object(other.kind, *kind))
                    .for_each(Credential::supersede);
                world.row.credentials.insert(*kind, credential);
            }
        }
        let token = FencingToken::after(world.row.token, BEGIN);
        let until = now.plus(LEASE);
        let acts =
            world.workers.iter().flatten().map(|worker| act("another", worker.token, worker.until > now));
        let acts: Vec<Act> = acts.chain([act("the taker", token, true)]).collect();
        world.broken = one_at_a_time(&self.desk.record.id, &acts).err();
        world.row.token = token;
        world.row.holder = Some(number);
        world.row.lease_until = until;
        let lanes = decision.drive.iter().map(|kind| (*kind, Lane::Ready)).collect();
        let credentials = world.row.credentials.clone();
        world.workers[usize::from(number)] =
            Some(Worker { token, until, checked: false, changed: world.changed, credentials, lanes });
        true
    }

    fn step_of(&self, worker: &Worker, kind: CredentialKind, now: Timestamp) -> Step {
        let desk = self.desk_of(worker.changed, &worker.credentials);
        plan(&desk.credential(kind), now, &desk.facts(kind, now, None))
    }

    /// The request of a credential's next step; none if it needs no call.
    pub(crate) fn request(&self, worker: &Worker, kind: CredentialKind, now: Timestamp) -> Option<Request> {
        match self.step_of(worker, kind, now) {
            Step::Create => Some(Request::Create),
            Step::Deliver { envelope, replaces } => Some(Request::Deliver(envelope, replaces)),
            Step::AcceptReceipt { receipt } => Some(Request::Accept(receipt)),
            Step::Retire { .. } => Some(Request::Retire),
            Step::Prove { probe } => Some(Request::Prove(probe)),
            Step::Abandon | Step::Supersede => Some(Request::Abandon),
            Step::Idle | Step::Wait { .. } | Step::Finish => None,
        }
    }

    /// The machines that may answer: only the overlap depends on them.
    pub(crate) fn machines_for(&self, worker: &Worker, kind: CredentialKind) -> std::ops::Range<u8> {
        let rotation = worker.credentials.get(&kind).and_then(|credential| credential.rotation.as_ref());
        let matters = rotation.is_some_and(|rotation| matches!(rotation.node(), Node::Adopt | Node::Retire));
        0..if matters { self.bounds.machines } else { 1 }
    }

    /// Looks at the lease, then calls.
    pub(crate) fn send(&self, world: &mut World, number: u8, kind: CredentialKind, luck: Luck, machine: u8) {
        let now = world.now;
        let Some(mut worker) = world.workers[usize::from(number)].take() else { return };
        if !worker.checked && worker.until.since(now) < LEASE * 2 / 3 && !keep(world, number, &mut worker) {
            return;
        }
        worker.checked = false;
        let step = self.step_of(&worker, kind, now);
        let request = self.request(&worker, kind, now);
        let rotation = worker.credentials.get(&kind).and_then(|credential| credential.rotation.as_ref());
        let (Some(request), Some(rotation)) = (request, rotation.map(|rotation| rotation.id)) else {
            let lane = if step == Step::Finish { Lane::Answered(Answer::Finished) } else { Lane::Parked };
            worker.lanes.insert(kind, lane);
            self.leave(world, number, worker);
            return;
        };
        let envelope = Envelope { from: Some(number), token: worker.token, kind, rotation, machine };
        worker.lanes.insert(kind, Lane::Waiting);
        world.workers[usize::from(number)] = Some(worker);
        let unheard = Envelope { from: None, ..envelope.clone() };
        match luck {
            Luck::Late => {
                world.left.messages -= 1;
                world.limbo.push(Late::Request(unheard, request));
                answer(world, &envelope, Answer::Failed(reason::SERVICE_UNANSWERED, None));
                return;
            }
            Luck::Twice => {
                world.left.messages -= 1;
                world.limbo.push(Late::Request(unheard, request.clone()));
            }
            Luck::AnswerLost => world.left.messages -= 1,
            Luck::Emptied => world.left.emptied -= 1,
            Luck::Well | Luck::Lost | Luck::Refused => {}
        }
        if let Some(heard) = self.arrive(world, &envelope, &request, luck == Luck::Emptied) {
            let lost = luck == Luck::AnswerLost;
            let unanswered = Answer::Failed(reason::SERVICE_UNANSWERED, None);
            answer(world, &envelope, if lost { unanswered } else { heard });
        }
    }

    /// Makes of an answer what it means, and writes it.
    pub(crate) fn record(&self, world: &mut World, number: u8, kind: CredentialKind) {
        let now = world.now;
        let Some(mut worker) = world.workers[usize::from(number)].take() else { return };
        let Some(Lane::Answered(heard)) = worker.lanes.insert(kind, Lane::Ready) else { return };
        if matches!(heard, Answer::Failed(reason::STALE_FENCING_TOKEN, _)) {
            return;
        }
        let credential = worker.credentials.get(&kind).cloned().unwrap_or_else(|| Credential::new(kind));
        let events = self.events(&worker, &credential, heard);
        let unwritten = events
            .iter()
            .any(|event| matches!(event, Event::Delivered { .. } | Event::PartlyDelivered { .. }));
        // what cannot follow breaks the work off; the lease runs out by itself
        let next = events.into_iter().try_fold(credential, |state, event| apply(&state, event, now));
        let Ok(next) = next else { return };
        worker.credentials.insert(kind, next.clone());
        if unwritten {
            world.workers[usize::from(number)] = Some(worker);
            return;
        }
        if !keep(world, number, &mut worker) {
            return;
        }
        world.row.credentials.insert(kind, next);
        if matches!(self.step_of(&worker, kind, now), Step::Idle | Step::Wait { .. }) {
            worker.lanes.insert(kind, Lane::Parked);
        }
        self.leave(world, number, worker);
    }

    /// Goes on, or gives the lease back when nothing is left to do.
    fn leave(&self, world: &mut World, number: u8, mut worker: Worker) {
        if worker.lanes.values().any(|lane| *lane != Lane::Parked) {
            world.workers[usize::from(number)] = Some(worker);
            return;
        }
        if !keep(world, number, &mut worker) {
            return;
        }
        let decision = self.decision(world);
        world.row.wake_at = if decision.is_idle() { decision.wake_at } else { world.now };
        world.row.holder = None;
        world.row.lease_until = BEGIN;
    }

    /// What is made of an answer: a failure of some stores, and that others have it, are two.
    fn events(&self, worker: &Worker, credential: &Credential, heard: Answer) -> Vec<Event> {
        match heard {
            Answer::Partly(partial, wait) => {
                let rest = Answer::NotDelivered(Written::Somewhere, wait);
                vec![self.event(worker, credential, rest), Event::PartlyDelivered { partial }]
            }
            heard => vec![self.event(worker, credential, heard)],
        }
    }

    fn event(&self, worker: &Worker, credential: &Credential, heard: Answer) -> Event {
        let node = credential.rotation.as_ref().map_or(Node::Intend, mint_saga::Rotation::node);
        let failed = |reason: &str, retry_after: Option<Duration>, written| {
            let failure = Failure { retry_after, ..Failure::new(reason, "") };
            let attempts =
                credential.troubles.get(&node).map_or(0, |trouble| trouble.attempts).saturating_add(1);
            let attempts = if failure.is_internal() { attempts.min(3) } else { attempts };
            let delay = BACKOFF.delay(attempts, retry_after, u64::MAX);
            Event::Failed { node, failures: vec![failure], written, delay }
        };
        match heard {
            Answer::Created(created, delivery) => Event::Created { created, delivery },
            Answer::Delivered(receipt) => {
                let wish = self.desk_of(worker.changed, &worker.credentials).wish(credential.kind);
                let (destinations, client_id) =
                    wish.map_or((Vec::new(), None), |wish| (wish.destinations, wish.client_id));
                Event::Delivered { receipt, destinations, client_id }
            }
            Answer::Partly(partial, _) => Event::PartlyDelivered { partial },
            Answer::NotDelivered(written, wait) => failed("DESTINATION_UNKNOWN_OUTCOME", wait, written),
            Answer::Accepted(retire_after) => Event::Accepted { retire_after },
            Answer::Retired(ended, grace) => Event::Retired { ended, grace },
            Answer::Proved => Event::Proved,
            Answer::ProveLater(retry_after) => Event::ProvedTooEarly { retry_after },
            Answer::Alive => failed(reason::PREVIOUS_VERSION_ALIVE, None, Written::Unknown),
            Answer::Abandoned => Event::GivenUp,
            Answer::AlreadyAccepted => Event::AlreadyAccepted,
            Answer::Finished => Event::Finished,
            Answer::Failed(reason::OVERLAP_NOT_PASSED, Some(retry_after)) => {
                Event::RetiredTooEarly { retry_after }
            }
            Answer::Failed(reason::ROTATION_CLOSED, _) if node == Node::Create => Event::GivenUp,
            Answer::Failed(reason, wait) => failed(reason, wait, Written::Unknown),
        }
    }

    /// When somebody has to do something, if nobody can now.
    pub(crate) fn next_instant(&self, world: &World) -> Option<Timestamp> {
        if self.is_rotated(world) {
            return None;
        }
        let wake = world.row.wake_at.max(world.row.lease_until);
        let wake = Some(wake).filter(|wake| *wake > world.now && world.row.wake_at < NEVER)?;
        Some(world.issuer.next_end(world.now).map_or(wake, |end| end.min(wake)))
    }

    /// Time passes. At a rest nobody can look at past instants any more: they are forgotten, so that histories that
    /// differ in them alone are one.
    pub(crate) fn tick(&self, world: &mut World) {
        let Some(next) = self.next_instant(world) else { return };
        world.now = next;
        pass(world, self.rules.max_overlap, self.rules.min_overlap);
        let is_at_rest = world.limbo.is_empty()
            && world.calls.is_empty()
            && world.workers.iter().all(Option::is_none)
            && world.row.credentials.values().all(|credential| credential.rotation.is_none());
        if !is_at_rest {
            return;
        }
        world.steps = 0;
        for credential in world.row.credentials.values_mut() {
            if let Some(current) = &mut credential.current {
                current.delivered_at = BEGIN;
            }
        }
        world.row.token = FencingToken::after(FencingToken(0), BEGIN);
        world.ledger.forget_closed();
        world.ledger.forget_tokens(world.row.token);
        world.stores.forget_instants(BEGIN);
        world.stores.forget_tokens(world.row.token);
    }
}

/// Whether two kinds live on the same issuer object.
fn share_an_object(one: CredentialKind, other: CredentialKind) -> bool {
    one.issuer_objects().iter().any(|object| other.issuer_objects().contains(object))
}

/// What is over after time has passed.
pub(crate) fn pass(world: &mut World, max_overlap: Duration, min_overlap: Duration) {
    let now = world.now;
    world.limbo.retain(|late| late.until().is_none_or(|until| now < until));
    world.stores.gone.retain(|(payload, until)| {
        let is_foreign = payload.version == mint_types::Version::FOREIGN;
        now.since(*until) < if is_foreign { max_overlap } else { min_overlap }
    });
    world.issuer.forget(now);
}

fn act(holder: &str, token: FencingToken, leased: bool) -> Act {
    Act { holder: holder.to_owned(), token, highest: token, leased }
}

/// Writes under the lease and lengthens it; false if it is lost.
fn keep(world: &mut World, number: u8, worker: &mut Worker) -> bool {
    let holds = world.row.token == worker.token && world.row.holder == Some(number);
    if !holds && !mutated(Mutation::StaleCommit) {
        return false;
    }
    worker.until = world.now.plus(LEASE);
    world.row.lease_until = worker.until;
    true
}

/// Tells whoever asked, if it still waits.
pub(crate) fn answer(world: &mut World, envelope: &Envelope, heard: Answer) {
    let Some(worker) = envelope.from.and_then(|number| world.workers[usize::from(number)].as_mut()) else {
        return;
    };
    if worker.token == envelope.token && worker.lanes.get(&envelope.kind) == Some(&Lane::Waiting) {
        worker.lanes.insert(envelope.kind, Lane::Answered(heard));
    }
}
