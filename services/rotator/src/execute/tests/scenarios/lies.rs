//! An issuer that does not do what it answers, and logins that must lock nobody out.

use super::*;
use crate::plan::Proving;

/// The version that the second rotation ended, as the coordinator kept it, and the order that asks for its proof.
async fn retired(bench: &mut Bench, shop: &ApplicationId) -> (Order, Vec<u8>) {
    let (first, _) = bench.rotate(shop, CredentialKind::Password).await;
    let (_, order) = bench.rotate(shop, CredentialKind::Password).await;
    bench.world.clock.advance(PASSWORD_GRACE);
    (order, first.envelopes.unwrap().probe)
}

fn logins(bench: &Bench) -> usize {
    bench.world.calls().iter().filter(|call| **call == "login").count()
}

#[tokio::test]
async fn an_issuer_that_breaks_its_word_too_often_is_halted_until_an_operator_resumes_it() {
    let (mut bench, shop) = Bench::with_shop().await;
    let (delivered, _) = bench.delivered(&shop, CredentialKind::Client).await;
    bench.world.reject_logins(true);
    for application in 0..5 {
        let other = bench.world.add(&format!("other{application}"), Layout::Split, true, false);
        let create = bench.order(&other, CredentialKind::Password);
        // the budget is used up by the fifth
        let tries = if application < 4 { 2 } else { 1 };
        for _ in 0..tries {
            let refused = bench.rotator.create(&create).await.unwrap_err();
            assert_eq!(refused.reason(), "ISSUER_REJECTED_LOGIN", "one rotation counts once");
        }
    }
    bench.world.reject_logins(false);
    bench.restart();
    let create = bench.order(&shop, CredentialKind::Password);
    let before = bench.world.calls().len();
    let halted = bench.rotator.create(&create).await.unwrap_err();
    assert_eq!((halted.reason(), halted.code()), ("ISSUER_HALTED", mint_types::Code::FailedPrecondition));
    assert_eq!(bench.rotator.retire(&delivered.order).await.unwrap_err().reason(), "ISSUER_HALTED");
    assert_eq!(bench.world.calls().len(), before, "nothing is asked");
    bench.world.clock.advance(Duration::from_hours(3));
    assert_eq!(
        bench.rotator.create(&create).await.unwrap_err().reason(),
        "ISSUER_HALTED",
        "time is no operator"
    );
    let standing = bench.rotator.resume_issuer("operator/jane", create.order.request).await.unwrap();
    assert_eq!((standing.halted_at, standing.resumed_by.as_deref()), (None, Some("operator/jane")));
    let told = bench.world.log.entries().pop().unwrap();
    assert_eq!((told.act.action, told.outcome), ("issuer.resume", Some(Outcome::Success)));
    assert!(told.act.resource.ends_with("asked by operator/jane"));
    bench.rotator.create(&create).await.unwrap();
    bench.rotator.retire(&delivered.order).await.unwrap();
}

#[tokio::test]
async fn fewer_lies_than_the_budget_within_its_window_halt_nothing() {
    let (mut bench, shop) = Bench::with_shop().await;
    for _ in 0..8 {
        bench.world.reject_logins(true);
        let create = bench.order(&shop, CredentialKind::Client);
        assert_eq!(bench.rotator.create(&create).await.unwrap_err().reason(), "ISSUER_REJECTED_LOGIN");
        bench.world.reject_logins(false);
        bench.world.clock.advance(HOLD);
        bench.rotator.create(&create).await.unwrap();
        bench.rotator.abandon(&create.order).await.unwrap();
        bench.world.clock.advance(Duration::from_mins(20));
    }
    let standing = bench.rotator.issuer().await.unwrap();
    assert_eq!((standing.halted_at, standing.lies.len()), (None, 2));
}

#[tokio::test]
async fn a_set_that_the_issuer_only_claims_is_repeated_and_counted() {
    let mut bench = Bench::new().await;
    bench.world.declare(Ends::OwnCall, Ends::Set);
    bench.restart();
    let shop = bench.world.add("shop", Layout::Split, true, false);
    let (create, made) = bench.made(&shop, CredentialKind::Client).await;
    bench.world.reject_logins(true);
    let receipt = bench.world.partial_receipt(&made.envelopes.as_ref().unwrap().delivery);
    let refused = bench.rotator.accept_receipt(&create.order, &receipt).await.unwrap_err();
    assert_eq!(refused.reason(), "ISSUER_REJECTED_LOGIN");
    assert_eq!(bench.rotator.issuer().await.unwrap().lies[0].reason, "ISSUER_REJECTED_SET");
    bench.world.reject_logins(false);
    bench.rotator.accept_receipt(&create.order, &receipt).await.unwrap();
    assert_eq!(bench.world.calls().iter().filter(|call| **call == "set_client").count(), 2);
}

#[tokio::test]
async fn a_version_that_stays_alive_is_tried_three_times_and_then_every_ten_minutes() {
    let (mut bench, shop) = Bench::with_shop().await;
    bench.world.end_nothing(true);
    let (order, probe) = retired(&mut bench, &shop).await;
    let before = logins(&bench);
    for _ in 0..3 {
        assert_eq!(bench.rotator.prove(&order, &probe).await.unwrap(), Proof::Alive);
    }
    let wait = Proof::Wait(Duration::from_mins(10));
    assert_eq!(bench.rotator.prove(&order, &probe).await.unwrap(), wait);
    bench.restart();
    assert_eq!(bench.rotator.prove(&order, &probe).await.unwrap(), wait);
    assert_eq!(logins(&bench), before + 3);
    for _ in 0..2 {
        bench.world.clock.advance(Duration::from_mins(10));
        assert_eq!(bench.rotator.prove(&order, &probe).await.unwrap(), Proof::Alive);
    }
    bench.world.clock.advance(Duration::from_hours(9));
    assert_eq!(bench.rotator.prove(&order, &probe).await.unwrap(), Proof::Alive, "as it was seen");
    assert_eq!(logins(&bench), before + 5, "five logins are allowed here");
    assert_eq!(bench.rotator.issuer().await.unwrap().lies.len(), 0, "one lie, out of the window by now");
}

#[tokio::test]
async fn logins_without_a_verdict_count_and_give_none() {
    let (mut bench, shop) = Bench::with_shop().await;
    let (order, probe) = retired(&mut bench, &shop).await;
    bench.world.trouble_logins(true);
    for _ in 0..5 {
        bench.world.clock.advance(Duration::from_mins(10));
        let error = bench.rotator.prove(&order, &probe).await.unwrap_err();
        assert_eq!(error.reason(), "ISSUER_UNKNOWN_OUTCOME");
    }
    bench.world.clock.advance(Duration::from_mins(10));
    assert_eq!(bench.rotator.prove(&order, &probe).await.unwrap_err().reason(), "PROOF_GIVEN_UP");
}

#[tokio::test]
async fn where_logins_lock_users_out_none_is_tried() {
    let (mut bench, shop) = Bench::with_shop().await;
    let (order, probe) = retired(&mut bench, &shop).await;
    bench.rotator.parts.rules.proving = Proving { by_login: false, attempts: 5 };
    let before = logins(&bench);
    assert_eq!(bench.rotator.prove(&order, &probe).await.unwrap(), Proof::NothingToProve);
    assert_eq!(logins(&bench), before);
}
