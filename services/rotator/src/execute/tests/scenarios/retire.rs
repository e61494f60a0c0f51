//! Receipts, the overlap, and what ends.

use super::*;

#[tokio::test]
async fn a_second_version_ends_the_first_after_the_overlap_and_it_is_proved_dead_after_the_grace() {
    for kind in [CredentialKind::Password, CredentialKind::Client, CredentialKind::Combined] {
        let mut bench = Bench::new().await;
        let layout = if kind == CredentialKind::Combined { Layout::Combined } else { Layout::Split };
        let shop = bench.world.add("shop", layout, true, false);
        let (first, _) = bench.rotate(&shop, kind).await;
        bench.world.clock.advance(Duration::from_mins(1));
        let (create, second) = bench.made(&shop, kind).await;
        assert_eq!(second.previous, Some(first.version));
        assert!(second.version > first.version);
        assert_eq!(bench.deliver(&create.order, &second).await.retire_after, MIN_OVERLAP);
        assert_eq!(bench.stages(&shop).await, [(kind, Stage::Current), (kind, Stage::Previous)]);
        bench.world.clock.advance(MIN_OVERLAP);
        let retirement = bench.rotator.retire(&create.order).await.unwrap();
        assert_eq!(retirement.retired, Some(first.version));
        let probe = first.envelopes.unwrap().probe;
        if kind != CredentialKind::Client {
            assert_eq!(
                bench.rotator.prove(&create.order, &probe).await.unwrap(),
                Proof::Wait(retirement.grace)
            );
        }
        bench.world.clock.advance(retirement.grace);
        assert_eq!(bench.rotator.prove(&create.order, &probe).await.unwrap(), Proof::Dead, "{kind}");
        assert_eq!(bench.stages(&shop).await, [(kind, Stage::Current), (kind, Stage::Ended)]);
        let logins = bench.world.calls().len();
        assert_eq!(bench.rotator.prove(&create.order, &probe).await.unwrap(), Proof::Dead);
        assert_eq!(bench.world.calls().len(), logins, "a proof is not made twice");
    }
}

#[tokio::test]
async fn a_foreign_version_keeps_the_longest_overlap_and_ends_unproved() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, true);
    let (create, made) = bench.made(&shop, CredentialKind::Password).await;
    assert_eq!(made.previous, None);
    assert_eq!(bench.deliver(&create.order, &made).await.retire_after, MAX_OVERLAP);
    bench.world.clock.advance(MIN_OVERLAP);
    assert_eq!(bench.rotator.retire(&create.order).await.unwrap_err().reason(), "OVERLAP_NOT_PASSED");
    bench.world.clock.advance(MAX_OVERLAP);
    let retirement = bench.rotator.retire(&create.order).await.unwrap();
    assert_eq!(retirement.retired, None, "nobody knows its secret");
    let (versions, _) = bench.rotator.versions(&shop).await.unwrap();
    let foreign = versions.iter().find(|version| version.version == Version::FOREIGN).unwrap();
    assert_eq!(foreign.stage, Stage::Ended);
    let (second, made) = bench.made(&shop, CredentialKind::Password).await;
    assert_eq!(bench.deliver(&second.order, &made).await.retire_after, MIN_OVERLAP, "foreign only once");
}

#[tokio::test]
async fn retire_is_refused_without_a_receipt() {
    let (mut bench, shop) = Bench::with_shop().await;
    let create = bench.order(&shop, CredentialKind::Password);
    bench.rotator.create(&create).await.unwrap();
    assert_eq!(bench.rotator.retire(&create.order).await.unwrap_err().reason(), "RECEIPT_MISSING");
    assert!(!bench.world.calls().contains(&"commit_password"));
}

#[tokio::test]
async fn retire_is_refused_before_the_overlap_has_passed() {
    let (mut bench, shop) = Bench::with_shop().await;
    bench.rotate(&shop, CredentialKind::Password).await;
    let (create, _) = bench.delivered(&shop, CredentialKind::Password).await;
    bench.world.clock.advance(MIN_OVERLAP.checked_sub(Duration::from_secs(1)).unwrap());
    bench.restart();
    let refused = bench.rotator.retire(&create.order).await.unwrap_err();
    assert_eq!(refused.reason(), "OVERLAP_NOT_PASSED");
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(1)), "the count survives the process");
    bench.world.clock.advance(Duration::from_secs(1));
    bench.rotator.retire(&create.order).await.unwrap();
}

#[tokio::test]
async fn a_jump_of_the_wall_clock_does_not_shorten_the_overlap() {
    let (mut bench, shop) = Bench::with_shop().await;
    bench.rotate(&shop, CredentialKind::Password).await;
    let (create, _) = bench.delivered(&shop, CredentialKind::Password).await;
    let later = bench.world.clock.now().plus(Duration::from_secs(1_000_000));
    bench.world.clock.set(later);
    let refused = bench.rotator.retire(&create.order).await.unwrap_err();
    assert_eq!(refused.retry_after(), Some(MIN_OVERLAP));
}

#[tokio::test]
async fn another_boot_begins_the_overlap_again() {
    let (mut bench, shop) = Bench::with_shop().await;
    bench.rotate(&shop, CredentialKind::Password).await;
    let (create, _) = bench.delivered(&shop, CredentialKind::Password).await;
    bench.world.clock.advance(MIN_OVERLAP * 2);
    bench.world.clock.reboot();
    bench.restart();
    let refused = bench.rotator.retire(&create.order).await.unwrap_err();
    assert_eq!(refused.retry_after(), Some(MIN_OVERLAP));
    bench.world.clock.advance(MIN_OVERLAP);
    bench.rotator.retire(&create.order).await.unwrap();
}

#[tokio::test]
async fn a_receipt_that_is_not_for_this_version_is_refused() {
    let (mut bench, shop) = Bench::with_shop().await;
    let (create, made) = bench.made(&shop, CredentialKind::Password).await;
    let envelopes = made.envelopes.as_ref().unwrap();
    let world = &bench.world;
    let wrong = [
        world.receipt_with(&envelopes.delivery, |receipt| receipt.application = "shoq".parse().unwrap()),
        world.receipt_with(&envelopes.delivery, |receipt| receipt.kind = CredentialKind::Client),
        world.receipt_with(&envelopes.delivery, |receipt| receipt.version = Version(1)),
        world.receipt_with(&envelopes.delivery, |receipt| {
            receipt.rotation = RotationId::random(&SeededEntropy::new(999));
        }),
        world.receipt(&envelopes.probe),
        World::with_other_keys().receipt(&envelopes.delivery),
        Vec::new(),
    ];
    for (index, receipt) in wrong.iter().enumerate() {
        let refused = bench.rotator.accept_receipt(&create.order, receipt).await.unwrap_err();
        assert_eq!(refused.reason(), "RECEIPT_INVALID", "{index}");
    }
    bench.deliver(&create.order, &made).await;
}

#[tokio::test]
async fn a_change_of_layout_ends_both_halves_and_no_half_too_early() {
    let (mut bench, shop) = Bench::with_shop().await;
    bench.rotate(&shop, CredentialKind::Password).await;
    bench.rotate(&shop, CredentialKind::Client).await;
    bench.world.change(&shop, |record| record.settings.as_mut().unwrap().layout = Layout::Combined);
    let (create, made) = bench.made(&shop, CredentialKind::Combined).await;
    assert_eq!(bench.deliver(&create.order, &made).await.retire_after, MIN_OVERLAP, "the halves are in use");
    bench.world.clock.advance(MIN_OVERLAP);
    bench.rotator.retire(&create.order).await.unwrap();
    bench.world.clock.advance(PASSWORD_GRACE);
    assert_eq!((bench.world.live_passwords(&shop), bench.world.live_clients(&shop)), (1, 1));
    bench.world.change(&shop, |record| record.settings.as_mut().unwrap().layout = Layout::Split);
    bench.rotate(&shop, CredentialKind::Password).await;
    let combined = |stages: Vec<(CredentialKind, Stage)>| {
        stages.into_iter().find(|(kind, _)| *kind == CredentialKind::Combined).unwrap().1
    };
    assert_eq!(combined(bench.stages(&shop).await), Stage::Previous, "its client is still alive");
    bench.rotate(&shop, CredentialKind::Client).await;
    assert_eq!(combined(bench.stages(&shop).await), Stage::Ended);
}

#[tokio::test]
async fn what_is_sent_to_the_issuer_is_sent_by_the_highest_token() {
    for kind in [CredentialKind::Password, CredentialKind::Client] {
        let (mut bench, shop) = Bench::with_shop().await;
        bench.rotate(&shop, kind).await;
        let (create, _) = bench.delivered(&shop, kind).await;
        bench.world.clock.advance(MIN_OVERLAP);
        bench.wait_for_background().await;
        let newer = Order { token: FencingToken(2), ..create.order.clone() };
        // it is announced, and hangs in the call to the issuer
        bench.world.fail_at(1, Fault::DiesBefore);
        tokio::select! {
            _ = bench.rotator.retire(&newer) => panic!("it should hang"),
            () = bench.world.died.notified() => {}
        }
        bench.restart();
        let refused = bench.rotator.retire(&create.order).await.unwrap_err();
        assert_eq!(refused.reason(), "STALE_FENCING_TOKEN", "{kind}: two would act at once");
        bench.world.clock.advance(REQUEST_LIFE);
        bench.rotator.retire(&newer).await.unwrap();
    }
}

#[tokio::test]
async fn a_rotation_with_an_overlap_takes_six_durable_writes() {
    let kinds = [
        (CredentialKind::Password, None, 6),
        (CredentialKind::Client, None, 6),
        (CredentialKind::Password, Some((Ends::OwnCall, Ends::Set)), 6),
        (CredentialKind::Combined, None, 7),
        (CredentialKind::Client, Some((Ends::OwnCall, Ends::Set)), 7),
    ];
    for (kind, declared, expected) in kinds {
        let mut bench = Bench::new().await;
        if let Some((user, client)) = declared {
            bench.world.declare(user, client);
            bench.restart();
        }
        let layout = if kind == CredentialKind::Combined { Layout::Combined } else { Layout::Split };
        let shop = bench.world.add("shop", layout, true, false);
        let (first, _) = bench.rotate(&shop, kind).await;
        let before = bench.world.writes();
        let mut create = bench.order(&shop, kind);
        create.order.token = FencingToken(2);
        let made = bench.rotator.create(&create).await.unwrap();
        bench.deliver(&create.order, &made).await;
        bench.world.clock.advance(MIN_OVERLAP);
        create.order.token = FencingToken(3);
        let retirement = bench.rotator.retire(&create.order).await.unwrap();
        bench.world.clock.advance(retirement.grace);
        create.order.token = FencingToken(4);
        let probe = first.envelopes.unwrap().probe;
        for _ in 0..2 {
            assert_eq!(bench.rotator.prove(&create.order, &probe).await.unwrap(), Proof::Dead);
        }
        assert_eq!(bench.world.writes() - before, expected, "{kind} {declared:?}");
        // one that comes late logs in beside nobody, whoever was restarted in between
        bench.restart();
        create.order.token = FencingToken(3);
        let refused = bench.rotator.prove(&create.order, &probe).await.unwrap_err();
        assert_eq!(refused.reason(), "STALE_FENCING_TOKEN");
    }
}
