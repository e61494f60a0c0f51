//! Ends and sets that were not answered: what they may still do is waited for, where the driver says that it may do harm.

use super::*;

const PASSWORD: CredentialKind = CredentialKind::Password;
const CLIENT: CredentialKind = CredentialKind::Client;
const LOST: &str = "ISSUER_UNKNOWN_OUTCOME";

/// With one application at an issuer of this kind, whose first version is in use and whose second may end it.
async fn about_to_retire(user: Ends, client: Ends, kind: CredentialKind) -> (Bench, Order) {
    let mut bench = Bench::new().await;
    bench.world.declare(user, client);
    bench.restart();
    let shop = bench.world.add("shop", Layout::Split, true, false);
    bench.rotate(&shop, kind).await;
    let (create, _) = bench.delivered(&shop, kind).await;
    bench.world.clock.advance(MIN_OVERLAP);
    bench.wait_for_background().await;
    (bench, create.order)
}

/// Tries to retire; the call to the issuer is the second one, after the announcement.
async fn retire_with(bench: &mut Bench, order: &Order, fault: Fault) -> Option<&'static str> {
    bench.world.fail_at(1, fault);
    let died = std::sync::Arc::clone(&bench.world.died);
    let outcome = tokio::select! {
        outcome = bench.rotator.retire(order) => outcome.err().map(|error| error.reason()),
        () = died.notified() => Some("DIED"),
    };
    if outcome == Some("DIED") {
        bench.restart();
    }
    outcome
}

/// When the same is let through, and that nothing was sent before.
async fn waits(bench: &Bench, order: &Order) -> Duration {
    let (calls, entries) = (bench.world.issuer_calls().len(), bench.world.log.entries().len());
    let error = bench.rotator.retire(order).await.unwrap_err();
    assert_eq!(error.reason(), LOST);
    let after = (bench.world.issuer_calls().len(), bench.world.log.entries().len());
    assert_eq!(after, (calls, entries), "nothing is sent, and nothing announced");
    error.retry_after().unwrap()
}

#[tokio::test]
async fn an_end_that_was_not_answered_is_repeated_only_when_it_can_no_longer_come_late() {
    for (user, client, kind) in [
        (Ends::OwnCall, Ends::Set, PASSWORD),
        (Ends::Commit { grace: PASSWORD_GRACE }, Ends::CommitAtOnce, CLIENT),
    ] {
        for fault in [Fault::Unanswered, Fault::DiesAfter] {
            let (mut bench, order) = about_to_retire(user, client, kind).await;
            let lost = retire_with(&mut bench, &order, fault).await;
            assert!(lost.is_some_and(|lost| lost == LOST || lost == "DIED"), "{lost:?}");
            assert_eq!(waits(&bench, &order).await, REQUEST_LIFE, "{kind} {fault:?}");
            bench.restart();
            bench.world.clock.advance(REQUEST_LIFE.saturating_sub(Duration::from_secs(1)));
            assert_eq!(waits(&bench, &order).await, Duration::from_secs(1), "whoever asks");
            bench.world.clock.advance(Duration::from_secs(1));
            bench.rotator.retire(&order).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_end_that_surely_did_nothing_or_harms_nothing_late_is_waited_for_by_nobody() {
    let (mut bench, order) = about_to_retire(Ends::OwnCall, Ends::Set, PASSWORD).await;
    assert_eq!(retire_with(&mut bench, &order, Fault::Refused).await, Some("ISSUER_UNREACHABLE"));
    bench.rotator.retire(&order).await.unwrap();
    bench.made(&order.application, PASSWORD).await;

    let by_name = Ends::Commit { grace: PASSWORD_GRACE };
    let (mut bench, order) = about_to_retire(by_name, Ends::CommitAtOnce, PASSWORD).await;
    assert_eq!(retire_with(&mut bench, &order, Fault::Unanswered).await, Some(LOST));
    bench.rotator.retire(&order).await.unwrap();
    bench.made(&order.application, PASSWORD).await;
}

#[tokio::test]
async fn who_was_stopped_longer_than_a_call_lives_ends_nothing_more() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Combined, true, false);
    bench.rotate(&shop, CredentialKind::Combined).await;
    let (create, _) = bench.delivered(&shop, CredentialKind::Combined).await;
    bench.world.clock.advance(MIN_OVERLAP);
    bench.wait_for_background().await;
    let before = bench.world.issuer_calls().len();
    bench.world.stall_at(1, REQUEST_LIFE);
    let stale = bench.rotator.retire(&create.order).await.unwrap_err();
    assert_eq!(stale.reason(), "ISSUER_UNREACHABLE", "nothing was sent to the client");
    assert_eq!(bench.world.issuer_calls()[before..], ["commit_password"]);
    bench.rotator.retire(&create.order).await.unwrap();
    assert_eq!(bench.world.issuer_calls()[before..], ["commit_password", "commit_client"]);
}

#[tokio::test]
async fn the_next_value_is_not_made_while_a_set_of_this_one_may_still_bring_it_back() {
    let mut bench = Bench::new().await;
    bench.world.declare(Ends::OwnCall, Ends::Set);
    bench.restart();
    let shop = bench.world.add("shop", Layout::Split, true, false);
    bench.rotate(&shop, CLIENT).await;
    let (create, made) = bench.made(&shop, CLIENT).await;
    bench.wait_for_background().await;
    let receipt = bench.world.receipt(&made.envelopes.as_ref().unwrap().delivery);
    bench.world.fail_at(1, Fault::Unanswered);
    let lost = bench.rotator.accept_receipt(&create.order, &receipt).await.unwrap_err();
    assert_eq!(lost.reason(), LOST);
    // the destination has it: the same value again harms nothing, and waits for nothing
    bench.rotator.accept_receipt(&create.order, &receipt).await.unwrap();
    bench.rotator.retire(&create.order).await.unwrap();
    let next = bench.order(&shop, CLIENT);
    let refused = bench.rotator.create(&next).await.unwrap_err();
    assert_eq!((refused.reason(), refused.retry_after()), (LOST, Some(REQUEST_LIFE)));
    bench.world.clock.advance(REQUEST_LIFE);
    bench.rotator.create(&next).await.unwrap();
}
