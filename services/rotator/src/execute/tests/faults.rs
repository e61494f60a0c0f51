//! Every port call goes wrong in every way, and the acts are repeated until they succeed: nothing is lost, nothing is
//! left over, and what was delivered works at every moment.

use mint_api::audit_log::MemoryEntry;

use super::*;

/// How often an act is repeated before it counts as stuck.
const PATIENCE: usize = 12;

/// Runs an act until it succeeds, as the coordinator does: after a death the process is a new one, after a refusal with
/// a delay it waits.
macro_rules! until_it_succeeds {
    ($bench:ident, $act:expr) => {{
        let mut left = PATIENCE;
        loop {
            left = left.checked_sub(1).expect("the act is stuck");
            let died = std::sync::Arc::clone(&$bench.world.died);
            let outcome = tokio::select! {
                outcome = $act => Some(outcome),
                () = died.notified() => None,
            };
            match outcome {
                Some(Ok(answer)) => break answer,
                Some(Err(error)) => {
                    $bench.world.clock.advance(error.retry_after().unwrap_or(Duration::from_secs(1)));
                }
                None => {
                    $bench.restart();
                    $bench.world.clock.advance(Duration::from_secs(1));
                }
            }
        }
    }};
}

/// The current version of the distributor's object works, whatever happens to the next one.
fn works(bench: &Bench, order: &Order, made: &Made) -> bool {
    match bench.opened(order, made) {
        Object::User { password, .. } => bench.world.opens(&order.application, Some(password.expose()), None),
        Object::Client { client_id, client_secret, .. } => {
            let secret = client_secret.unwrap();
            bench.world.opens(&order.application, None, Some((&client_id, secret.expose())))
        }
        Object::Combined { password, client_id, client_secret, .. } => {
            let secret = client_secret.unwrap();
            let client = Some((client_id.as_str(), secret.expose()));
            bench.world.opens(&order.application, Some(password.expose()), client)
        }
        Object::Tombstone => false,
    }
}

/// What the issuer holds alive is accounted for (invariant I2).
async fn accounted_for(bench: &Bench, application: &ApplicationId) {
    let (versions, unresolved) = bench.rotator.versions(application).await.unwrap();
    let on = |object| {
        let lives = |version: &&ListedVersion| {
            version.stage != Stage::Ended && version.kind.issuer_objects().contains(&object)
        };
        versions.iter().filter(lives).count() + unresolved as usize
    };
    bench.world.clock.advance(PASSWORD_GRACE);
    let passwords = bench.world.live_passwords(application);
    assert!(
        passwords <= on(mint_types::IssuerObject::User),
        "{passwords} passwords, {versions:?}, {unresolved}"
    );
    let clients = bench.world.live_clients(application);
    assert!(clients <= on(mint_types::IssuerObject::Client), "{clients} clients, {versions:?}, {unresolved}");
}

async fn one_rotation_with_a_fault(
    kind: CredentialKind,
    in_retire: bool,
    index: usize,
    fault: Fault,
) -> bool {
    let mut bench = Bench::new().await;
    let layout = if kind == CredentialKind::Combined { Layout::Combined } else { Layout::Split };
    let shop = bench.world.add("shop", layout, true, false);
    let (first, first_order) = bench.rotate(&shop, kind).await;
    bench.wait_for_background().await;
    let create = bench.order(&shop, kind);
    if !in_retire {
        bench.world.fail_at(index, fault);
    }
    let made = until_it_succeeds!(bench, bench.rotator.create(&create));
    if !in_retire && bench.world.fault_is_ahead() {
        return false;
    }
    accounted_for(&bench, &shop).await;
    assert!(works(&bench, &first_order, &first), "create ended what is in use");
    assert!(works(&bench, &create.order, &made), "what create answers does not work");
    bench.deliver(&create.order, &made).await;
    assert_eq!(bench.rotator.retire(&create.order).await.unwrap_err().reason(), "OVERLAP_NOT_PASSED");
    bench.world.clock.advance(MIN_OVERLAP);
    bench.wait_for_background().await;
    if in_retire {
        bench.world.fail_at(index, fault);
    }
    let retirement = until_it_succeeds!(bench, bench.rotator.retire(&create.order));
    if in_retire && bench.world.fault_is_ahead() {
        return false;
    }
    assert_eq!(retirement.retired, Some(first.version));
    bench.world.clock.advance(PASSWORD_GRACE);
    assert!(works(&bench, &create.order, &made));
    let objects = kind.issuer_objects();
    let expected = |object| usize::from(objects.contains(&object));
    assert_eq!(bench.world.live_passwords(&shop), expected(mint_types::IssuerObject::User), "swept");
    assert_eq!(bench.world.live_clients(&shop), expected(mint_types::IssuerObject::Client), "swept");
    assert_eq!(bench.unresolved(&shop).await, 0);
    assert_eq!(bench.stages(&shop).await, [(kind, Stage::Current), (kind, Stage::Ended)]);
    let proof = bench.rotator.prove(&create.order, &first.envelopes.unwrap().probe).await.unwrap();
    assert_eq!(proof, Proof::Dead);
    true
}

/// One rotation of each kind with what makes and what ends a version.
const KINDS: [(CredentialKind, Option<(Ends, Ends)>); 7] = [
    (CredentialKind::Password, None),
    (CredentialKind::Client, None),
    (CredentialKind::Combined, None),
    (CredentialKind::Password, Some((Ends::OwnCall, Ends::Set))),
    (CredentialKind::Client, Some((Ends::OwnCall, Ends::Set))),
    (CredentialKind::Combined, Some((Ends::OwnCall, Ends::Set))),
    (CredentialKind::Password, Some((Ends::Create { grace: MIN_OVERLAP }, Ends::CommitAtOnce))),
];

/// What was promised of a version that a destination has: it works, and nobody who was overtaken can act.
async fn keeps_its_word(
    bench: &mut Bench,
    shop: &ApplicationId,
    kind: CredentialKind,
    current: (&Order, &Made),
) {
    assert!(works(bench, current.0, current.1), "{kind}: what is in use was ended");
    let mut stale = bench.order(shop, kind);
    stale.order.token = FencingToken(0);
    let refused = bench.rotator.create(&stale).await.unwrap_err();
    assert_eq!(refused.reason(), "STALE_FENCING_TOKEN");
}

/// A whole rotation after a first one, in which a durable write goes wrong; false if there are fewer writes.
async fn a_rotation_with_a_fault_at_a_write(
    (mut bench, engine): (Bench, &'static str),
    (kind, declared): (CredentialKind, Option<(Ends, Ends)>),
    index: usize,
    fault: Fault,
) -> bool {
    if let Some((user, client)) = declared {
        bench.world.declare(user, client);
        bench.restart();
    }
    let layout = if kind == CredentialKind::Combined { Layout::Combined } else { Layout::Split };
    let shop = bench.world.add("shop", layout, true, false);
    let (first, first_order) = bench.rotate(&shop, kind).await;
    let sets = bench.rotator.sets_on_first_write(kind);
    bench.wait_for_background().await;
    let (calls, entries) = (bench.world.issuer_calls().len(), bench.world.log.entries().len());

    let mut create = bench.order(&shop, kind);
    create.order.token = FencingToken(2);
    bench.world.fail_at_write(index, fault);
    let made = until_it_succeeds!(bench, bench.rotator.create(&create));
    assert!(works(&bench, &first_order, &first), "{kind}: create ended what is in use");
    let receipt = bench.world.receipt(&made.envelopes.as_ref().unwrap().delivery);
    until_it_succeeds!(bench, bench.rotator.accept_receipt(&create.order, &receipt));
    assert!(sets || works(&bench, &first_order, &first), "{kind}: a receipt ended what is in use");
    keeps_its_word(&mut bench, &shop, kind, (&create.order, &made)).await;
    bench.world.clock.advance(MIN_OVERLAP);
    // whoever waits for an overlap has another lease after it
    create.order.token = FencingToken(3);
    let retirement = until_it_succeeds!(bench, bench.rotator.retire(&create.order));
    assert_eq!(retirement.retired, Some(first.version));
    keeps_its_word(&mut bench, &shop, kind, (&create.order, &made)).await;
    bench.world.clock.advance(retirement.grace);
    create.order.token = FencingToken(4);
    let probe = &first.envelopes.as_ref().unwrap().probe;
    let proof = until_it_succeeds!(bench, bench.rotator.prove(&create.order, probe));
    let place = format!("{engine}: {kind} {declared:?}, {fault:?} at write {index}");
    assert_eq!(proof, Proof::Dead, "{place}: {:?}", bench.world.calls());
    if bench.world.fault_is_ahead() {
        return false;
    }
    bench.wait_for_background().await;
    let log = bench.world.log.entries().split_off(entries);
    for action in ["credential.create", "credential.retire", "credential.prove"] {
        let is_over = |entry: &&MemoryEntry| entry.outcome == Some(Outcome::Success);
        let known = log.iter().filter(|entry| entry.act.action == action).any(|entry| is_over(&entry));
        assert!(known, "{place}: nobody hears how {action} ended");
    }
    let sent = bench.world.issuer_calls().split_off(calls);
    for call in ["create_password", "create_client", "commit_password", "commit_client"] {
        let times = sent.iter().filter(|known| **known == call).count();
        assert!(times <= 2, "{place}: {call} is repeated once at most: {sent:?}");
    }
    accounted_for(&bench, &shop).await;
    assert_eq!(bench.unresolved(&shop).await, 0, "{place}");
    assert_eq!(bench.stages(&shop).await, [(kind, Stage::Current), (kind, Stage::Ended)], "{place}");
    // the next rotation finds a ledger that says what is so
    let (next, made_next) = bench.rotate_as(&shop, kind, FencingToken(5)).await;
    assert!(works(&bench, &made_next, &next) && next.previous == Some(made.version), "{place}");
    bench.world.clock.advance(PASSWORD_GRACE);
    let left = (bench.world.live_passwords(&shop), bench.world.live_clients(&shop));
    let expected = |object| usize::from(kind.issuer_objects().contains(&object));
    let expected = (expected(mint_types::IssuerObject::User), expected(mint_types::IssuerObject::Client));
    assert_eq!(left, expected, "{place}: nothing is left over");
    true
}

/// Steps through every call of an act until the fault lies behind its end.
async fn at_every_call(in_retire: bool) {
    for kind in [CredentialKind::Password, CredentialKind::Client, CredentialKind::Combined] {
        for fault in Fault::ALL {
            let mut index = 0;
            while one_rotation_with_a_fault(kind, in_retire, index, fault).await {
                index += 1;
            }
            let least = if in_retire { 3 } else { 5 };
            assert!(index >= least, "{kind} {fault:?}: only {index} calls were reached");
        }
    }
}

#[tokio::test]
async fn create_fails_at_every_port_and_is_repeated() {
    at_every_call(false).await;
}

#[tokio::test]
async fn retire_fails_at_every_port_and_is_repeated() {
    at_every_call(true).await;
}

/// Steps through every durable write of a rotation until the fault lies behind its end.
async fn at_every_write(kind: (CredentialKind, Option<(Ends, Ends)>), on_every_engine: bool) {
    for fault in Fault::ALL {
        let mut index = 0;
        loop {
            let mut benches = vec![(Bench::new().await, "sqlite")];
            if on_every_engine {
                benches = Bench::on_every_engine().await;
            }
            let mut went_wrong = false;
            for bench in benches {
                went_wrong = a_rotation_with_a_fault_at_a_write(bench, kind, index, fault).await;
            }
            if !went_wrong {
                break;
            }
            index += 1;
        }
        assert!(index >= 4, "{kind:?} {fault:?}: only {index} writes were reached");
    }
}

#[tokio::test]
async fn a_rotation_goes_wrong_at_every_durable_write_and_is_repeated() {
    for kind in KINDS {
        at_every_write(kind, false).await;
    }
}

/// A combined version has every row that others have.
#[tokio::test]
async fn contract_a_combined_rotation_goes_wrong_at_every_durable_write_and_is_repeated() {
    at_every_write(KINDS[2], true).await;
}
