//! What can go wrong, and what a taken-over coordinator can ask for.

use mint_rotator::plan::objects_made;
use mint_saga::reason;
use mint_types::FencingToken;
use mint_types::mutation::{Mutation, mutated};

use crate::bounds::{Hostile, LEASE};
use crate::calls::{Answer, Call, Envelope, Request, Setting, Work};
use crate::coordinator::{answer, pass};
use crate::payload::rotation_id;
use crate::world::{Action, Lane, Luck, Mint, Process, World};

impl Mint {
    /// What may go wrong now.
    pub fn faults(&self, world: &World) -> Vec<Action> {
        let mut actions = Vec::new();
        if world.broken.is_some() {
            return actions;
        }
        actions.extend((0..world.limbo.len()).map(Action::Land));
        for (index, call) in world.calls.iter().enumerate() {
            actions.extend(self.lucks(world, call).into_iter().map(|luck| Action::Step(index, luck)));
        }
        self.bad_sends(world, &mut actions);
        if world.left.crashes > 0 {
            let workers = (0_u8..).zip(&world.workers).filter(|(_, worker)| worker.is_some());
            actions.extend(workers.map(|(number, _)| Action::Crash(Process::Coordinator(number))));
            for process in [Process::Rotator, Process::Distributor] {
                if world.calls.iter().any(|call| runs_in(call) == process) {
                    actions.push(Action::Crash(process));
                }
            }
        }
        let is_leased = world.row.holder.is_some() && world.row.lease_until > world.now;
        if world.left.leases > 0 && is_leased {
            actions.push(Action::LoseLease);
        }
        if world.left.changes > 0 {
            actions.push(Action::Change);
        }
        if world.left.hostile > 0 {
            // executors are not stopped with it: what they send is sent when its intent says
            let can = |act: &&Hostile| **act != Hostile::Wait || world.calls.is_empty();
            actions.extend(self.bounds.acts.iter().filter(can).map(|act| Action::Act(*act)));
        }
        actions
    }

    fn bad_sends(&self, world: &World, actions: &mut Vec<Action>) {
        for (number, worker) in (0_u8..).zip(&world.workers) {
            let Some(worker) = worker else { continue };
            for (kind, _) in worker.lanes.iter().filter(|(_, lane)| **lane == Lane::Ready) {
                let Some(request) = self.request(worker, *kind, world.now) else { continue };
                if world.left.emptied > 0 && matches!(request, Request::Deliver(..)) {
                    actions.push(Action::Send(number, *kind, Luck::Emptied, 0));
                }
                if world.left.messages == 0 {
                    continue;
                }
                let is_answered_at_once =
                    matches!(request, Request::Accept(_) | Request::Prove(_) | Request::Abandon);
                let lucks = [Luck::Late, Luck::Twice, Luck::AnswerLost];
                for luck in lucks.into_iter().filter(|luck| *luck != Luck::AnswerLost || is_answered_at_once)
                {
                    actions.push(Action::Send(number, *kind, luck, 0));
                }
            }
        }
    }

    /// How the next thing of a call may go wrong.
    fn lucks(&self, world: &World, call: &Call) -> Vec<Luck> {
        let mut lucks = Vec::new();
        let outside = |asked: bool| -> &[Luck] {
            if asked { &[Luck::AnswerLost, Luck::Lost, Luck::Late] } else { &[Luck::AnswerLost] }
        };
        let messages: &[Luck] = match &call.work {
            Work::CreateBegun { made, .. } => {
                outside(made.len() < objects_made(call.envelope.kind, self.rules.ends).count())
            }
            Work::CreateAnnounced
            | Work::SetAnnounced(_)
            | Work::DeliverPlanned(_)
            | Work::SetBegun(Setting { answered: true, .. }) => &[],
            // the last write is answered, and that can be lost
            Work::RetireAnnounced { commits, .. } => {
                let is_told = commits.iter().any(|(_, keep)| keep.is_some());
                if is_told { &[] } else { outside(false) }
            }
            Work::RetireBegun { commits, answered: true, .. } => {
                if commits.len() == 1 {
                    outside(false)
                } else {
                    &[]
                }
            }
            Work::SetBegun(setting) => outside(!setting.sets.is_empty()),
            Work::RetireBegun { commits, .. } => match commits.first() {
                Some((_, None)) if commits.len() == 1 => outside(false),
                Some((_, None)) => &[],
                first => outside(first.is_some()),
            },
            Work::DeliverBegun(delivery, _, puts) => outside(puts.len() < delivery.puts.len()),
        };
        if world.left.messages > 0 {
            lucks.extend(messages);
        }
        if let Work::DeliverBegun(delivery, _, puts) = &call.work
            && puts.len() < delivery.puts.len()
        {
            if world.left.refusals > 0 {
                lucks.push(Luck::Refused);
            }
            // the library repeats what was not answered: the answer is the second one's, the first may still land
            if world.left.messages > 0 && mutated(Mutation::SdkRetriesLeftOn) {
                lucks.push(Luck::Twice);
            }
        }
        lucks
    }

    /// A taken-over coordinator calls, under the newest lease that there is.
    pub(crate) fn act(&self, world: &mut World, act: Hostile) {
        world.left.hostile -= 1;
        let Some(kind) = self.bounds.kinds.first().copied() else { return };
        let open = world.row.credentials.get(&kind).and_then(|credential| credential.rotation.as_ref());
        let rotation = open.map_or_else(|| rotation_id(world.opened), |rotation| rotation.id);
        let token = match act {
            Hostile::TokenFromTheFuture => FencingToken(u64::MAX / 4),
            Hostile::ReplayReceipt
            | Hostile::Retire
            | Hostile::Create
            | Hostile::RedeliverEnvelope
            | Hostile::Wait => world.row.token,
        };
        let mut envelope = Envelope { from: None, token, kind, rotation, machine: 0 };
        let kept = world.kept.first().cloned();
        let request = match act {
            Hostile::ReplayReceipt => kept.map(Request::Accept),
            Hostile::Wait => {
                world.workers.iter_mut().for_each(|worker| *worker = None);
                world.now = world.now.plus(self.rules.min_overlap);
                pass(world, self.rules.max_overlap, self.rules.min_overlap);
                None
            }
            Hostile::Retire => Some(Request::Retire),
            Hostile::Create | Hostile::TokenFromTheFuture => {
                world.opened += 1;
                envelope.rotation = rotation_id(world.opened);
                Some(Request::Create)
            }
            Hostile::RedeliverEnvelope => kept.map(|kept| {
                if let Some(payload) = crate::payload::Payload::open(&kept) {
                    envelope.rotation = payload.rotation;
                }
                Request::Deliver(kept, false)
            }),
        };
        if let Some(request) = request {
            let _: Option<Answer> = self.arrive(world, &envelope, &request, false);
        }
    }
}

fn runs_in(call: &Call) -> Process {
    match call.work {
        Work::CreateAnnounced
        | Work::CreateBegun { .. }
        | Work::SetAnnounced(_)
        | Work::SetBegun(_)
        | Work::RetireAnnounced { .. }
        | Work::RetireBegun { .. } => Process::Rotator,
        Work::DeliverPlanned(_) | Work::DeliverBegun(..) => Process::Distributor,
    }
}

/// A process dies with everything in its memory, and is started again.
pub(crate) fn crash(world: &mut World, process: Process) -> bool {
    world.left.crashes -= 1;
    if let Process::Coordinator(number) = process {
        for call in world.calls.iter_mut().filter(|call| call.envelope.from == Some(number)) {
            call.envelope.from = None;
        }
        return world.workers[usize::from(number)].take().is_some();
    }
    let (dead, alive): (Vec<Call>, Vec<Call>) =
        std::mem::take(&mut world.calls).into_iter().partition(|call| runs_in(call) == process);
    world.calls = alive;
    for call in &dead {
        answer(world, &call.envelope, Answer::Failed(reason::SERVICE_UNREACHABLE, None));
    }
    !dead.is_empty()
}

/// The owner wants another layout: whoever holds the lease hears of it with the next one.
pub(crate) fn change(world: &mut World) {
    world.left.changes -= 1;
    world.changed = true;
    world.row.wake_at = world.row.wake_at.min(world.now);
}

/// The holder is stopped just after it looked at its lease, until that has run out.
pub(crate) fn lose_lease(model: &Mint, world: &mut World) {
    world.left.leases -= 1;
    world.now = world.now.plus(LEASE);
    world.row.wake_at = world.row.wake_at.min(world.now);
    world.workers.iter_mut().flatten().for_each(|worker| worker.checked = true);
    pass(world, model.rules.max_overlap, model.rules.min_overlap);
}
