//! Issuers of every kind: what ends the previous version decides where it ends, and nothing else changes.

use super::*;

const GRACE: Duration = Duration::from_mins(20);

/// With one application at an issuer of this kind; Mint makes the secrets.
async fn at(user: Ends, client: Ends) -> (Bench, ApplicationId) {
    let mut bench = Bench::new().await;
    bench.world.declare(user, client);
    bench.restart();
    let shop = bench.world.add("shop", Layout::Split, true, false);
    (bench, shop)
}

fn probe_of(made: &Made) -> Vec<u8> {
    made.envelopes.as_ref().unwrap().probe.clone()
}

/// Whether what the distributor found in the envelope opens the door.
fn opens(bench: &Bench, order: &Order, made: &Made) -> bool {
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

fn partial(bench: &Bench, made: &Made) -> Vec<u8> {
    bench.world.partial_receipt(&made.envelopes.as_ref().unwrap().delivery)
}

#[tokio::test]
async fn an_own_call_ends_the_previous_version_and_is_left_out_where_there_is_none() {
    let (mut bench, shop) = at(Ends::OwnCall, Ends::Set).await;
    let (first, order) = bench.rotate(&shop, CredentialKind::Password).await;
    assert!(!bench.world.calls().contains(&"commit_password"), "nothing was there to end");
    let (create, second) = bench.delivered(&shop, CredentialKind::Password).await;
    assert_eq!(bench.rotator.retire(&create.order).await.unwrap_err().reason(), "OVERLAP_NOT_PASSED");
    assert!(opens(&bench, &order, &first) && opens(&bench, &create.order, &second));
    bench.world.clock.advance(MIN_OVERLAP);
    let retirement = bench.rotator.retire(&create.order).await.unwrap();
    assert_eq!(retirement, Retirement { retired: Some(first.version), grace: Duration::ZERO });
    assert!(!opens(&bench, &order, &first) && opens(&bench, &create.order, &second));
    assert_eq!(bench.rotator.prove(&create.order, &probe_of(&first)).await.unwrap(), Proof::Dead);
}

#[tokio::test]
async fn where_create_ends_the_previous_version_retire_is_no_call() {
    let (mut bench, shop) = at(Ends::Create { grace: GRACE }, Ends::Set).await;
    let (first, _) = bench.rotate(&shop, CredentialKind::Password).await;
    let (create, second) = bench.delivered(&shop, CredentialKind::Password).await;
    bench.world.clock.advance(MIN_OVERLAP);
    let retirement = bench.rotator.retire(&create.order).await.unwrap();
    assert_eq!(retirement, Retirement { retired: Some(first.version), grace: GRACE });
    assert!(!bench.world.calls().contains(&"commit_password"));
    let proof = bench.rotator.prove(&create.order, &probe_of(&first)).await.unwrap();
    assert_eq!(proof, Proof::Wait(GRACE));
    bench.world.clock.advance(GRACE);
    assert_eq!(bench.rotator.prove(&create.order, &probe_of(&first)).await.unwrap(), Proof::Dead);
    assert!(opens(&bench, &create.order, &second));
    let password = CredentialKind::Password;
    assert_eq!(bench.stages(&shop).await, [(password, Stage::Current), (password, Stage::Ended)]);
}

#[tokio::test]
async fn a_replaced_value_is_set_once_a_destination_has_it_and_never_before() {
    let (mut bench, shop) = at(Ends::OwnCall, Ends::Set).await;
    let (first, first_order) = bench.rotate(&shop, CredentialKind::Client).await;
    bench.wait_for_background().await;
    let before = bench.world.issuer_calls().len();
    let (create, second) = bench.made(&shop, CredentialKind::Client).await;
    assert!(bench.rotator.sets_on_first_write(CredentialKind::Client));
    assert_eq!(bench.world.issuer_calls().len(), before, "the issuer knows nothing yet");
    assert!(opens(&bench, &first_order, &first) && !opens(&bench, &create.order, &second));
    let receipt = partial(&bench, &second);
    let accepted = bench.rotator.accept_receipt(&create.order, &receipt).await.unwrap();
    assert!(!accepted.whole);
    assert!(!opens(&bench, &first_order, &first) && opens(&bench, &create.order, &second));
    assert_eq!(bench.world.issuer_calls()[before..before + 2], ["set_client", "login"]);
    bench.wait_for_background().await;
    let calls = bench.world.issuer_calls().len();
    assert!(!bench.rotator.accept_receipt(&create.order, &receipt).await.unwrap().whole);
    assert_eq!(bench.world.issuer_calls().len(), calls, "it is set once");
    assert_eq!(bench.rotator.retire(&create.order).await.unwrap_err().reason(), "RECEIPT_MISSING");
    assert_eq!(bench.deliver(&create.order, &second).await.retire_after, Duration::ZERO, "it has ended");
    assert_eq!(bench.rotator.retire(&create.order).await.unwrap().retired, Some(first.version));
    assert_eq!(bench.rotator.prove(&create.order, &probe_of(&first)).await.unwrap(), Proof::Dead);
    let client = CredentialKind::Client;
    assert_eq!(bench.stages(&shop).await, [(client, Stage::Current), (client, Stage::Ended)]);
}

#[tokio::test]
async fn a_whole_receipt_sets_the_value_too_and_the_window_is_measured() {
    let (mut bench, shop) = at(Ends::OwnCall, Ends::Set).await;
    let (create, made) = bench.made(&shop, CredentialKind::Client).await;
    // announce, set
    bench.world.fail_at(1, Fault::Refused);
    let receipt = bench.world.receipt(&made.envelopes.as_ref().unwrap().delivery);
    let refused = bench.rotator.accept_receipt(&create.order, &receipt).await.unwrap_err();
    assert_eq!(refused.reason(), "ISSUER_UNREACHABLE");
    bench.world.clock.advance(Duration::from_secs(7));
    bench.restart();
    // the first write was longer ago than the first receipt
    let begun = bench.world.clock.now();
    let earlier = mint_types::Timestamp::from_unix_micros(begun.unix_micros() - 9_000_000);
    let envelope = &made.envelopes.as_ref().unwrap().delivery;
    let receipt = bench.world.receipt_with(envelope, |receipt| receipt.first_written_at = earlier);
    assert!(bench.rotator.accept_receipt(&create.order, &receipt).await.unwrap().whole);
    let (versions, _) = bench.rotator.versions(&shop).await.unwrap();
    assert_eq!(versions[0].replace_window, Some(Duration::from_secs(9)));
    assert!(opens(&bench, &create.order, &made));
}

#[tokio::test]
async fn a_value_that_a_destination_has_cannot_be_given_up_before_the_issuer_has_it() {
    let (mut bench, shop) = at(Ends::OwnCall, Ends::Set).await;
    let (create, made) = bench.made(&shop, CredentialKind::Client).await;
    let receipt = partial(&bench, &made);
    bench.world.fail_at(1, Fault::Unanswered);
    let unknown = bench.rotator.accept_receipt(&create.order, &receipt).await.unwrap_err();
    assert_eq!(unknown.reason(), "ISSUER_UNKNOWN_OUTCOME");
    // announce, set
    bench.world.fail_at(1, Fault::Refused);
    assert_eq!(bench.rotator.abandon(&create.order).await.unwrap_err().reason(), "ISSUER_UNREACHABLE");
    let next = bench.order(&shop, CredentialKind::Client);
    assert_eq!(bench.rotator.create(&next).await.unwrap_err().reason(), "ROTATION_OPEN");
    bench.rotator.accept_receipt(&create.order, &receipt).await.unwrap();
    assert!(opens(&bench, &create.order, &made));
    bench.world.clock.advance(REQUEST_LIFE);
    let next = bench.rotator.create(&next).await.unwrap();
    assert_eq!(next.previous, Some(made.version), "what was set is what the next one replaces");
}

#[tokio::test]
async fn whoever_lost_the_receipt_gives_up_what_a_destination_has_and_the_issuer_gets_it_first() {
    let (mut bench, shop) = at(Ends::OwnCall, Ends::Set).await;
    let (first, first_order) = bench.rotate(&shop, CredentialKind::Client).await;
    let (create, made) = bench.made(&shop, CredentialKind::Client).await;
    bench.world.fail_at(1, Fault::Refused);
    bench.rotator.accept_receipt(&create.order, &partial(&bench, &made)).await.unwrap_err();
    assert!(opens(&bench, &first_order, &first) && !opens(&bench, &create.order, &made));
    bench.restart();
    bench.rotator.abandon(&create.order).await.unwrap();
    assert!(opens(&bench, &create.order, &made), "whoever reads there is not shut out");
    bench.wait_for_background().await;
    let calls = bench.world.issuer_calls().len();
    bench.rotator.abandon(&create.order).await.unwrap();
    assert_eq!(bench.world.issuer_calls().len(), calls, "it is set once");
    let next = bench.order(&shop, CredentialKind::Client);
    assert_eq!(bench.rotator.create(&next).await.unwrap().previous, Some(made.version));
}

#[tokio::test]
async fn a_value_that_nobody_can_read_any_more_makes_way_for_a_fresh_one() {
    for was_begun in [false, true] {
        let (mut bench, shop) = at(Ends::OwnCall, Ends::Set).await;
        let (first, _) = bench.rotate(&shop, CredentialKind::Client).await;
        let (create, made) = bench.made(&shop, CredentialKind::Client).await;
        let receipt = partial(&bench, &made);
        if was_begun {
            // announce, set
            bench.world.fail_at(1, Fault::Refused);
            bench.rotator.accept_receipt(&create.order, &receipt).await.unwrap_err();
        }
        bench.rotator.parts.keys = KeyRing::in_memory(&KEY_USES, &SeededEntropy::new(99)).unwrap();
        let lost = bench.rotator.accept_receipt(&create.order, &receipt).await.unwrap_err();
        assert!(lost.is_unreadable(), "{lost:?}");
        bench.rotator.abandon(&create.order).await.unwrap();
        bench.rotator.abandon(&create.order).await.unwrap();
        bench.world.clock.advance(REQUEST_LIFE);
        let (next, fresh) = bench.made(&shop, CredentialKind::Client).await;
        assert_eq!(fresh.previous, Some(first.version), "what was never set replaced nothing");
        assert!(bench.deliver(&next.order, &fresh).await.whole);
        assert!(opens(&bench, &next.order, &fresh));
    }
}

#[tokio::test]
async fn a_revocation_is_not_stopped_by_a_value_that_nobody_can_read_any_more() {
    let (mut bench, shop) = at(Ends::OwnCall, Ends::Set).await;
    let kind = CredentialKind::Client;
    bench.rotate(&shop, kind).await;
    let (create, _) = bench.made(&shop, kind).await;
    let said = mint_statement::Subject::RevokeNow { application: shop.clone(), kinds: [kind].into() };
    let order = RevokeOrder {
        application: shop.clone(),
        kind,
        token: FencingToken(1),
        request: RequestId::random(&SeededEntropy::new(3)),
        statement: bench.world.signed(said, Duration::from_hours(1), &["operator/ada", "operator/bob"]),
    };
    bench.rotator.parts.keys = KeyRing::in_memory(&KEY_USES, &SeededEntropy::new(99)).unwrap();
    assert!(bench.rotator.revoke(&order).await.unwrap_err().is_unreadable());
    bench.rotator.abandon(&create.order).await.unwrap();
    assert!(!bench.rotator.revoke(&order).await.unwrap().is_complete(), "a fresh version comes first");
    let (next, fresh) = bench.made(&shop, kind).await;
    assert!(bench.rotator.revoke(&order).await.unwrap().is_complete());
    assert!(opens(&bench, &next.order, &fresh) && bench.world.live_clients(&shop) == 1);
}

#[tokio::test]
async fn half_of_a_combined_version_is_set_although_the_user_of_the_other_half_was_made_again() {
    let mut bench = Bench::new().await;
    bench.world.declare(Ends::OwnCall, Ends::Set);
    bench.restart();
    let shop = bench.world.add("shop", Layout::Combined, true, false);
    bench.rotate(&shop, CredentialKind::Combined).await;
    let (create, made) = bench.made(&shop, CredentialKind::Combined).await;
    bench.world.delete_by_hand(&shop);
    bench.world.make_again(&shop);
    let receipt = partial(&bench, &made);
    assert!(!bench.rotator.accept_receipt(&create.order, &receipt).await.unwrap().whole);
    assert_eq!(bench.world.live_clients(&shop), 1);
    let calls = bench.world.issuer_calls().len();
    bench.rotator.abandon(&create.order).await.unwrap();
    assert_eq!(bench.world.issuer_calls().len(), calls, "nothing is owed any more");
    bench.world.clock.advance(REQUEST_LIFE);
    let (next, fresh) = bench.made(&shop, CredentialKind::Combined).await;
    bench.deliver(&next.order, &fresh).await;
    assert!(opens(&bench, &next.order, &fresh));
}

#[tokio::test]
async fn a_rotation_whose_value_no_destination_has_is_given_up_without_a_call() {
    let (mut bench, shop) = at(Ends::OwnCall, Ends::Set).await;
    let (create, made) = bench.made(&shop, CredentialKind::Client).await;
    let calls = bench.world.issuer_calls().len();
    bench.rotator.abandon(&create.order).await.unwrap();
    assert_eq!(bench.world.issuer_calls().len(), calls);
    assert!(!opens(&bench, &create.order, &made));
}

#[tokio::test]
async fn a_partial_receipt_is_refused_where_nothing_is_to_be_set() {
    let (mut bench, shop) = Bench::with_shop().await;
    let (create, made) = bench.made(&shop, CredentialKind::Password).await;
    let receipt = partial(&bench, &made);
    let refused = bench.rotator.accept_receipt(&create.order, &receipt).await.unwrap_err();
    assert_eq!(refused.reason(), "RECEIPT_INVALID");
    assert_eq!(bench.rotator.retire(&create.order).await.unwrap_err().reason(), "RECEIPT_MISSING");
}

#[tokio::test]
async fn a_combined_version_adds_its_password_and_sets_its_client() {
    let mut bench = Bench::new().await;
    bench.world.declare(Ends::OwnCall, Ends::Set);
    bench.restart();
    let shop = bench.world.add("shop", Layout::Combined, true, false);
    let (first, first_order) = bench.rotate(&shop, CredentialKind::Combined).await;
    assert!(opens(&bench, &first_order, &first));
    let (create, second) = bench.made(&shop, CredentialKind::Combined).await;
    assert!(opens(&bench, &first_order, &first));
    let receipt = partial(&bench, &second);
    bench.rotator.accept_receipt(&create.order, &receipt).await.unwrap();
    assert!(opens(&bench, &create.order, &second));
    assert_eq!(
        bench.deliver(&create.order, &second).await.retire_after,
        MIN_OVERLAP,
        "its password lives on"
    );
    assert_eq!(bench.world.live_passwords(&shop), 2);
    bench.world.clock.advance(MIN_OVERLAP);
    bench.rotator.retire(&create.order).await.unwrap();
    assert_eq!((bench.world.live_passwords(&shop), bench.world.live_clients(&shop)), (1, 1));
    assert_eq!(bench.rotator.prove(&create.order, &probe_of(&first)).await.unwrap(), Proof::Dead);
}

#[tokio::test]
async fn setting_fails_at_every_port_and_is_repeated() {
    for fault in Fault::ALL {
        for index in 0.. {
            assert!(index < 20, "the fault is never passed");
            let (mut bench, shop) = at(Ends::OwnCall, Ends::Set).await;
            bench.rotate(&shop, CredentialKind::Client).await;
            bench.wait_for_background().await;
            let (create, made) = bench.made(&shop, CredentialKind::Client).await;
            let receipt = partial(&bench, &made);
            bench.world.fail_at(index, fault);
            for patience in (0..12).rev() {
                assert!(patience > 0, "{fault:?} at {index}: stuck");
                let died = std::sync::Arc::clone(&bench.world.died);
                let outcome = tokio::select! {
                    outcome = bench.rotator.accept_receipt(&create.order, &receipt) => Some(outcome),
                    () = died.notified() => None,
                };
                match outcome {
                    Some(Ok(_)) => break,
                    Some(Err(_)) => {}
                    None => bench.restart(),
                }
                bench.world.clock.advance(Duration::from_secs(1));
            }
            let passed = bench.world.fault_is_ahead();
            assert!(opens(&bench, &create.order, &made), "{fault:?} at {index}");
            assert_eq!(bench.world.live_clients(&shop), 1);
            if passed {
                assert!(index >= 4, "announce, set, login, conclude");
                break;
            }
        }
    }
}

#[test]
fn an_issuer_whose_grace_is_shorter_than_the_overlap_is_refused_at_the_start() {
    let short = Ends::Create { grace: Duration::from_secs(1) };
    for (user, client, refused) in [
        (short, Ends::Set, true),
        (Ends::OwnCall, short, true),
        (Ends::Create { grace: MIN_OVERLAP }, Ends::Set, false),
        (Ends::Commit { grace: Duration::ZERO }, Ends::CommitAtOnce, false),
    ] {
        let checked = plan::check_grace(&rules(EndsOf { user, client }));
        assert_eq!(checked.is_err(), refused, "{user} and {client}");
    }
}
