//! The distributor: `mint_distributor::plan` over its rows, one durable write or PUT at a time.

use mint_distributor::{Content, Place, Step, plan};
use mint_saga::{Sealed, Written, reason};
use mint_types::mutation::{Mutation, mutated};

use crate::bounds::{BEGIN, PUT_EXPIRY};
use crate::calls::{Answer, Call, Delivery, Envelope, Late, Put, Work};
use crate::desk;
use crate::payload::Payload;
use crate::rotator::{begin, push};
use crate::stores::Refused;
use crate::world::{Luck, Mint, World};

fn refused(refused: Refused) -> Answer {
    Answer::Failed(
        match refused {
            Refused::Stale => reason::STALE_FENCING_TOKEN,
            Refused::Superseded => reason::VERSION_SUPERSEDED,
        },
        None,
    )
}

impl Mint {
    /// A call to deliver arrives.
    pub(crate) fn arrive_delivery(
        &self,
        world: &mut World,
        envelope: &Envelope,
        sealed: &Sealed,
        replaces: bool,
        emptied: bool,
    ) -> Option<Answer> {
        if !envelope.token.is_plausible(BEGIN) {
            return Some(Answer::Failed("FENCING_TOKEN_INVALID", None));
        }
        let payload = Payload::open(sealed)
            .filter(|payload| payload.rotation == envelope.rotation && payload.kind == envelope.kind);
        let Some(payload) = payload else { return Some(Answer::Failed(reason::ENVELOPE_INVALID, None)) };
        let desk = self.desk(world.changed);
        if !desk.kinds().contains(&payload.kind) {
            return Some(Answer::Failed("SETTINGS_CHANGED", None));
        }
        let places = if emptied { Vec::new() } else { desk::places(desk, payload.kind) };
        if places.is_empty() && !mutated(Mutation::ReceiptForZeroDestinations) {
            return Some(Answer::Failed(reason::NO_DESTINATION, None));
        }
        let content = Content {
            kind: payload.kind,
            version: payload.version,
            rotation: payload.rotation,
            envelope: Payload::digest(sealed),
        };
        if let Err(error) = world.stores.look(&content, envelope.token) {
            return Some(refused(error));
        }
        let planned = planned(&content, &places, replaces, world);
        let puts: Vec<usize> = (0..places.len()).filter(|place| planned.steps[*place] == Step::Put).collect();
        let obsolete = planned.obsolete;
        let delivery =
            Delivery { envelope: sealed.clone(), payload, content, places, replaces, puts, obsolete };
        if delivery.puts.is_empty() {
            return Some(match world.stores.begin(&delivery.content, envelope.token, &[], &[], world.now) {
                Ok(_) => Self::conclude(world, envelope, &delivery),
                Err(error) => refused(error),
            });
        }
        begin(world, envelope, Work::DeliverPlanned(delivery));
        None
    }

    pub(crate) fn begin_delivery(world: &mut World, call: Call, delivery: Delivery) -> Option<Answer> {
        let places: Vec<Place> = delivery.puts.iter().map(|place| delivery.places[*place].clone()).collect();
        let (token, now) = (call.envelope.token, world.now);
        let overtaken = token < world.stores.highest();
        match world.stores.begin(&delivery.content, token, &places, &delivery.obsolete, now) {
            Ok(numbers) => {
                push(
                    world,
                    Call { work: Work::DeliverBegun(delivery, numbers, Vec::new()), overtaken, ..call },
                );
                None
            }
            Err(error) => Some(refused(error)),
        }
    }

    pub(crate) fn go_on_delivering(
        &self,
        world: &mut World,
        call: &Call,
        delivery: Delivery,
        numbers: Vec<u64>,
        mut puts: Vec<Put>,
        luck: Luck,
    ) -> Option<Answer> {
        let Some(place) = delivery.puts.get(puts.len()).map(|place| delivery.places[*place].clone()) else {
            let answered = |(number, put): (&u64, &Put)| match put {
                Put::Written => Some((*number, true)),
                Put::Refused => Some((*number, false)),
                Put::Unknown => None,
            };
            let answers: Vec<(u64, bool)> = numbers.iter().zip(&puts).filter_map(answered).collect();
            world.stores.answer(&answers);
            return Some(Self::conclude(world, &call.envelope, &delivery));
        };
        self.outside(world, call, "credential.deliver", world.stores.highest());
        let (now, payload) = (world.now, delivery.payload.clone());
        let late = Late::Put(place.clone(), payload.clone(), now.plus(PUT_EXPIRY));
        match luck {
            Luck::Well | Luck::Emptied => {}
            Luck::Refused => world.left.refusals -= 1,
            Luck::AnswerLost | Luck::Lost | Luck::Late | Luck::Twice => world.left.messages -= 1,
        }
        puts.push(match luck {
            Luck::Well | Luck::Emptied | Luck::Twice => Put::Written,
            Luck::Refused => Put::Refused,
            Luck::AnswerLost | Luck::Lost | Luck::Late => Put::Unknown,
        });
        if matches!(luck, Luck::Late | Luck::Twice) {
            world.limbo.push(late);
        }
        if matches!(luck, Luck::Well | Luck::Twice | Luck::AnswerLost) {
            world.stores.put(&place, &payload, now);
        }
        push(world, Call { work: Work::DeliverBegun(delivery, numbers, puts), ..call.clone() });
        None
    }

    /// Looks again at everything that is remembered: only that makes a receipt.
    fn conclude(world: &mut World, envelope: &Envelope, delivery: &Delivery) -> Answer {
        if let Err(error) = world.stores.look(&delivery.content, envelope.token) {
            return refused(error);
        }
        let planned = planned(&delivery.content, &delivery.places, delivery.replaces, world);
        if planned.is_complete() {
            if !world.kept.contains(&delivery.envelope) && world.left.hostile > 0 {
                world.kept.push(delivery.envelope.clone());
            }
            return Answer::Delivered(Payload::receipt(&delivery.envelope));
        }
        let waits = planned.steps.iter().filter_map(|step| match step {
            Step::Wait { until } => Some(until.since(world.now)),
            Step::Settled | Step::Put => None,
        });
        let wait = waits.max();
        let is_written = |attempt: &mint_distributor::Attempt| {
            attempt.content == delivery.content
                && matches!(attempt.answer, mint_distributor::Answer::Written { .. })
        };
        if delivery.replaces && world.stores.attempts.iter().any(is_written) {
            return Answer::Partly(Payload::partial_receipt(&delivery.envelope), wait);
        }
        // of each destination that is not settled a store may have it, unless every one refused
        let refused = |place: &Place| {
            let attempts = world.stores.attempts.iter();
            let mut ours =
                attempts.filter(|attempt| attempt.place == *place && attempt.content == delivery.content);
            ours.all(|attempt| attempt.answer == mint_distributor::Answer::Refused)
        };
        let nowhere = delivery.places.iter().all(refused);
        Answer::NotDelivered(if nowhere { Written::Nowhere } else { Written::Somewhere }, wait)
    }
}

/// What the distributor plans.
fn planned(content: &Content, places: &[Place], replaces: bool, world: &World) -> mint_distributor::Plan {
    let attempts = &world.stores.attempts;
    let planned = plan(content, places, attempts, world.now);
    if replaces { planned.beginning_when_quiet(content, places, attempts, world.now) } else { planned }
}
