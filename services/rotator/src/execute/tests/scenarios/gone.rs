//! Users that somebody deletes at the issuer by hand while a rotation waits for its end, and issuers that only say so.

use super::*;
use crate::plan::MOST_LEFT;

const GRACE: Ends = Ends::Commit { grace: PASSWORD_GRACE };
const KINDS: [(CredentialKind, Ends, Ends); 4] = [
    (CredentialKind::Password, GRACE, Ends::CommitAtOnce),
    (CredentialKind::Client, GRACE, Ends::CommitAtOnce),
    (CredentialKind::Combined, GRACE, Ends::CommitAtOnce),
    (CredentialKind::Password, Ends::OwnCall, Ends::Set),
];

async fn about_to_retire((kind, user, client): (CredentialKind, Ends, Ends)) -> (Bench, Order) {
    let mut bench = Bench::new().await;
    bench.world.declare(user, client);
    bench.restart();
    let layout = if kind == CredentialKind::Combined { Layout::Combined } else { Layout::Split };
    let shop = bench.world.add("shop", layout, true, false);
    bench.rotate(&shop, kind).await;
    let (create, _) = bench.delivered(&shop, kind).await;
    bench.world.clock.advance(MIN_OVERLAP);
    bench.wait_for_background().await;
    (bench, create.order)
}

fn last_outcome(bench: &Bench) -> Option<Outcome> {
    bench.world.log.entries().pop().and_then(|entry| entry.outcome)
}

#[tokio::test]
async fn a_user_that_was_deleted_by_hand_and_made_again_gets_a_fresh_version() {
    for (kind, user, client) in KINDS {
        let (mut bench, order) = about_to_retire((kind, user, client)).await;
        let shop = order.application.clone();
        bench.world.delete_by_hand(&shop);
        for _ in 0..2 {
            let refused = bench.rotator.retire(&order).await.unwrap_err();
            assert_eq!(refused.reason(), "ISSUER_REFUSED", "{kind}: it may be somebody else's answer");
        }
        let waiting = [(kind, Stage::Current), (kind, Stage::Previous)];
        assert_eq!(bench.stages(&shop).await, waiting);

        bench.world.make_again(&shop);
        assert_eq!(bench.rotator.retire(&order).await.unwrap_err().reason(), "ROTATION_CLOSED", "{kind}");
        assert_eq!(last_outcome(&bench), Some(Outcome::Failure { reason: "VERSION_GONE" }));
        assert_eq!(bench.stages(&shop).await, waiting, "nobody's word ends anything");
        let calls = bench.world.calls().len();
        assert_eq!(bench.rotator.retire(&order).await.unwrap_err().reason(), "ROTATION_CLOSED");
        assert_eq!(bench.world.calls().len(), calls, "it is given up for good");

        let (fresh, fresh_order) = bench.rotate(&shop, kind).await;
        assert!(fresh.version.0 > 0 && fresh_order.ask != order.ask);
        let ended = [(kind, Stage::Current), (kind, Stage::Ended), (kind, Stage::Ended)];
        assert_eq!(bench.stages(&shop).await, ended, "{kind}: the fresh version's end sweeps them");
        bench.rotate(&shop, kind).await;
    }
}

#[tokio::test]
async fn an_issuer_that_denies_what_it_has_ends_nothing_and_piles_up_little() {
    for (kind, user, client) in KINDS {
        let (mut bench, mut order) = about_to_retire((kind, user, client)).await;
        let shop = order.application.clone();
        bench.world.deny_ends(true);
        let mut reasons = Vec::new();
        for _ in 0..=MOST_LEFT {
            reasons.push(bench.rotator.retire(&order).await.unwrap_err().reason());
            if reasons.last() == Some(&"ROTATION_CLOSED") {
                let (create, made) = bench.made(&shop, kind).await;
                assert_eq!(bench.deliver(&create.order, &made).await.retire_after, MIN_OVERLAP, "in use");
                bench.world.clock.advance(MIN_OVERLAP);
                order = create.order;
            }
        }
        let mut expected = vec!["ROTATION_CLOSED"; MOST_LEFT];
        expected.push("ISSUER_REFUSED");
        assert_eq!(reasons, expected, "{kind}");
        let alive = bench.world.live_passwords(&shop).max(bench.world.live_clients(&shop));
        let known = bench.stages(&shop).await.iter().filter(|(_, stage)| *stage != Stage::Ended).count();
        assert_eq!((alive, known), (MOST_LEFT + 2, MOST_LEFT + 2), "{kind}: all are accounted for");

        bench.world.deny_ends(false);
        bench.rotator.retire(&order).await.unwrap();
        bench.world.clock.advance(PASSWORD_GRACE);
        let alive = bench.world.live_passwords(&shop).max(bench.world.live_clients(&shop));
        assert_eq!(alive, 1, "{kind}: and ended as soon as it says the truth");
    }
}

#[tokio::test]
async fn half_of_a_combined_version_that_is_gone_gives_up_the_rotation_too() {
    let (mut bench, order) = about_to_retire(KINDS[2]).await;
    let shop = order.application.clone();
    // announce, commit_password, commit_client: the process dies before the second half ends
    bench.world.fail_at(2, Fault::DiesBefore);
    tokio::select! {
        _ = bench.rotator.retire(&order) => panic!("it should hang"),
        () = bench.world.died.notified() => {}
    }
    bench.restart();
    bench.world.clock.advance(REQUEST_LIFE);
    bench.world.delete_by_hand(&shop);
    bench.world.make_again(&shop);
    assert_eq!(bench.rotator.retire(&order).await.unwrap_err().reason(), "ROTATION_CLOSED");
    assert_eq!(bench.rotator.retire(&order).await.unwrap_err().reason(), "ROTATION_CLOSED", "no alarm");
    bench.rotate(&shop, CredentialKind::Combined).await;
    assert_eq!(bench.stages(&shop).await[0].1, Stage::Current);
}

#[tokio::test]
async fn a_revocation_whose_version_is_gone_waits_for_a_fresh_one() {
    let (mut bench, shop) = Bench::with_shop().await;
    bench.rotate(&shop, CredentialKind::Password).await;
    bench.delivered(&shop, CredentialKind::Password).await;
    bench.world.delete_by_hand(&shop);
    bench.world.make_again(&shop);
    let said = mint_statement::Subject::RevokeNow {
        application: shop.clone(),
        kinds: [CredentialKind::Password].into(),
    };
    let order = RevokeOrder {
        application: shop.clone(),
        kind: CredentialKind::Password,
        token: FencingToken(1),
        request: RequestId::random(&SeededEntropy::new(3)),
        statement: bench.world.signed(said, Duration::from_hours(1), &["operator/ada", "operator/bob"]),
    };
    assert_eq!(bench.rotator.revoke(&order).await.unwrap_err().reason(), "ROTATION_CLOSED");
    assert!(!bench.rotator.revoke(&order).await.unwrap().is_complete(), "a fresh version comes first");
    bench.made(&shop, CredentialKind::Password).await;
    assert!(bench.rotator.revoke(&order).await.unwrap().is_complete());
}
