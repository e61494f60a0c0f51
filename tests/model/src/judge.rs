//! What is seen of a world, brought to the invariants.

use mint_invariants::{Accounting, Found, Until, Violation, never_broken, nothing_lost};
use mint_saga::Node;
use mint_types::{IssuerObject, Version};

use crate::bounds::MOST_STEPS;
use crate::payload::{Payload, rotation_id};
use crate::world::{Mint, World};

/// The first invariant that a world breaks.
pub fn violation(model: &Mint, world: &World) -> Option<Violation> {
    let application = &model.desk.record.id;
    let broken = never_broken(application, world.now, &found(model, world))
        .and_then(|()| nothing_lost(application, &accounting(model, world)))
        .and_then(|()| mint_rotator::guard::verdict(application, &world.ledger.load(rotation_id(0))));
    broken.err()
}

fn found(model: &Mint, world: &World) -> Vec<Found> {
    let one = |payload: &Payload, readable, place: &str| {
        let accepts = |object, serial: Option<u8>| {
            serial.is_none_or(|serial| world.issuer.accepts(object, serial, world.now))
        };
        let overlap = if payload.version == Version::FOREIGN {
            model.rules.max_overlap
        } else {
            model.rules.min_overlap
        };
        let opens_user = accepts(IssuerObject::User, payload.user);
        let opens_client = accepts(IssuerObject::Client, payload.client);
        Found {
            what: format!("{} {} of {place}", payload.kind, payload.version),
            readable,
            overlap,
            authenticates: opens_user && opens_client,
            excused: opens_user && is_replaced(model, world, payload, readable),
        }
    };
    // nobody reads what the settings do not name any more
    let wanted = model.desk(world.changed).kinds();
    let objects = world.stores.objects.iter().filter(|(_, payload)| wanted.contains(&payload.kind));
    let gone = world.stores.gone.iter().filter(|(payload, _)| wanted.contains(&payload.kind));
    let now = objects.map(|(place, payload)| one(payload, Until::Now, &place.bucket));
    let then = gone.map(|(payload, until)| one(payload, Until::Then(*until), "a bucket"));
    now.chain(then).collect()
}

/// Whether a client's value is on its way: whoever fetched the former one fetches again, and once a store has the next one,
/// whoever reads there, or where it is not yet, is shut out until the rotation is over.
fn is_replaced(model: &Mint, world: &World, payload: &Payload, readable: Until) -> bool {
    let replaces = !model.rules.ends.of(IssuerObject::Client).makes_beside() && payload.client.is_some();
    let credential = world.row.credentials.get(&payload.kind);
    let open = credential.and_then(|credential| credential.rotation.as_ref()).map(|rotation| rotation.id);
    let has_it = |(_, there): &(_, Payload)| Some(there.rotation) == open;
    let is_under_way = world.stores.objects.iter().any(has_it);
    replaces && (is_under_way || readable != Until::Now)
}

fn accounting(model: &Mint, world: &World) -> Accounting {
    let (ledger, unresolved) = world.ledger.accounts();
    let alive = world.issuer.alive().map(|door| (door.object, door.serial.to_string()));
    let foreign = crate::payload::FOREIGN.to_string();
    let stuck = if world.steps >= MOST_STEPS && !model.bounds.may_delay {
        vec![format!("{MOST_STEPS} steps without a rest")]
    } else {
        vec![]
    };
    Accounting {
        // what was there before is nobody's to account for until a rotation of ours meets it
        alive: alive.filter(|(_, handle)| *handle != foreign).collect(),
        ledger,
        unresolved,
        stuck,
    }
}

/// Whether a world in which nothing moves any more rests as it should: nothing open, nothing wrong, and every
/// destination holds the newest version. A proof that was given up for the next rotation stays a problem.
pub fn rests_well(model: &Mint, world: &World) -> bool {
    let wanted = model.desk(world.changed).kinds();
    let credentials = world.row.credentials.values().filter(|credential| wanted.contains(&credential.kind));
    model.is_done(world)
        && credentials.into_iter().all(|credential| {
            let holds = |payload: &Payload| {
                payload.kind != credential.kind
                    || credential.current.as_ref().is_some_and(|current| current.version == payload.version)
            };
            credential.troubles.keys().all(|node| *node == Node::Prove)
                && world.stores.objects.iter().all(|(_, payload)| holds(payload))
        })
}
