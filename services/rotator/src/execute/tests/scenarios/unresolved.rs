//! Calls to the issuer whose outcome is lost or bad.

use super::*;

#[tokio::test]
async fn a_lease_lost_during_create_keeps_what_was_made() {
    let (mut bench, shop) = Bench::with_shop().await;
    let create = bench.order(&shop, CredentialKind::Password);
    // the process that holds the old lease hangs while somebody else takes the application over
    bench.world.fail_at(3, Fault::DiesAfter);
    tokio::select! {
        _ = bench.rotator.create(&create) => panic!("it should hang"),
        () = bench.world.died.notified() => {}
    }
    let newer =
        CreateOrder { order: Order { token: FencingToken(2), ..create.order.clone() }, ..create.clone() };
    bench.restart();
    let refused = bench.rotator.create(&newer).await.unwrap_err();
    assert_eq!(refused.reason(), "ISSUER_UNKNOWN_OUTCOME");
    assert_eq!(refused.retry_after(), Some(REQUEST_LIFE), "the older call may still land");
    bench.world.clock.advance(REQUEST_LIFE);
    let made = bench.rotator.create(&newer).await.unwrap();
    assert_eq!(bench.unresolved(&shop).await, 1);
    assert_eq!(bench.rotator.create(&create).await.unwrap_err().reason(), "STALE_FENCING_TOKEN");
    bench.deliver(&newer.order, &made).await;
    bench.rotator.retire(&newer.order).await.unwrap();
    assert_eq!(bench.unresolved(&shop).await, 0, "the commit swept it");
}

#[tokio::test]
async fn two_calls_without_an_outcome_hold_up_the_next_create() {
    let (mut bench, shop) = Bench::with_shop().await;
    let create = bench.order(&shop, CredentialKind::Password);
    for _ in 0..2 {
        // catalog, keys, announce, create_password: the keys are not remembered for as long as a request lives
        bench.world.fail_at(3, Fault::Unanswered);
        assert_eq!(bench.rotator.create(&create).await.unwrap_err().reason(), "ISSUER_UNKNOWN_OUTCOME");
        bench.world.clock.advance(REQUEST_LIFE);
    }
    assert_eq!(bench.unresolved(&shop).await, 2);
    let refused = bench.rotator.create(&create).await.unwrap_err();
    assert_eq!(refused.reason(), "TOO_MANY_UNRESOLVED_INTENTS");
    assert_eq!(refused.retry_after(), HOLD.checked_sub(REQUEST_LIFE));
    assert!(refused.to_string().contains("ISSUER_UNKNOWN_OUTCOME"), "{refused}");
    assert_eq!(bench.world.live_passwords(&shop), 2);
    bench.world.clock.advance(HOLD);
    let made = bench.rotator.create(&create).await.unwrap();
    assert_eq!(bench.unresolved(&shop).await, 2, "they are still accounted for");
    bench.deliver(&create.order, &made).await;
    bench.rotator.retire(&create.order).await.unwrap();
    assert_eq!(bench.unresolved(&shop).await, 0);
    bench.world.clock.advance(PASSWORD_GRACE);
    assert_eq!(bench.world.live_passwords(&shop), 1);
}

#[tokio::test]
async fn a_version_that_the_issuer_rejects_is_not_delivered_and_swept_later() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Combined, true, false);
    let create = bench.order(&shop, CredentialKind::Combined);
    bench.world.reject_logins(true);
    assert_eq!(bench.rotator.create(&create).await.unwrap_err().reason(), "ISSUER_REJECTED_LOGIN");
    let logins = bench.world.calls().iter().filter(|call| **call == "login").count();
    assert_eq!(logins, 2, "it is tried once more, and not more often");
    assert_eq!(bench.unresolved(&shop).await, 2, "a password and a client");
    bench.world.reject_logins(false);
    let made = bench.rotator.create(&create).await.unwrap();
    bench.deliver(&create.order, &made).await;
    bench.rotator.retire(&create.order).await.unwrap();
    bench.world.clock.advance(PASSWORD_GRACE);
    assert_eq!((bench.world.live_passwords(&shop), bench.world.live_clients(&shop)), (1, 1));
}

#[tokio::test]
async fn a_refused_call_leaves_nothing_to_account_for() {
    let (mut bench, shop) = Bench::with_shop().await;
    let create = bench.order(&shop, CredentialKind::Password);
    bench.world.fail_at(3, Fault::Refused);
    let refused = bench.rotator.create(&create).await.unwrap_err();
    assert!(matches!(refused, Error::Issuer { error: IssuerError::NotSent(_), .. }), "{refused}");
    assert_eq!(bench.unresolved(&shop).await, 0);
    bench.rotator.create(&create).await.unwrap();
}

#[tokio::test]
async fn an_abandoned_rotation_stays_given_up_and_its_version_is_swept() {
    let (mut bench, shop) = Bench::with_shop().await;
    let create = bench.order(&shop, CredentialKind::Password);
    bench.rotator.create(&create).await.unwrap();
    bench.rotator.abandon(&create.order).await.unwrap();
    bench.rotator.abandon(&create.order).await.unwrap();
    assert_eq!(bench.rotator.create(&create).await.unwrap_err().reason(), "ROTATION_CLOSED");
    let never_seen = bench.order(&shop, CredentialKind::Password);
    bench.rotator.abandon(&never_seen.order).await.unwrap();
    assert_eq!(bench.rotator.create(&never_seen).await.unwrap_err().reason(), "ROTATION_CLOSED");
    let (_, order) = bench.rotate(&shop, CredentialKind::Password).await;
    bench.world.clock.advance(PASSWORD_GRACE);
    assert_eq!(bench.world.live_passwords(&shop), 1);
    assert_eq!(bench.rotator.abandon(&order).await.unwrap_err().reason(), "ROTATION_CLOSED");
}
