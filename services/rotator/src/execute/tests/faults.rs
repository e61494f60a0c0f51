//! Every port call goes wrong in every way, and the acts are repeated until they succeed: nothing is lost, nothing is
//! left over, and what was delivered works at every moment.

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
