//! One scenario a test.

use super::*;

#[tokio::test]
async fn a_first_password_is_made_tested_delivered_and_committed_in_four_issuer_calls() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    let create = bench.order(&shop, CredentialKind::Password);
    let made = bench.rotator.create(&create).await.unwrap();
    assert_eq!(made.previous, None);
    let Object::User { username, password, version } = bench.opened(&create.order, &made) else { panic!() };
    assert_eq!(username, "stups_shop");
    assert!(bench.world.plaintexts().contains(&password.expose().to_owned()));
    assert_eq!(version, Some(made.version_id.to_string()));
    assert_eq!(
        bench.deliver(&create.order, &made).await.retire_after,
        Duration::ZERO,
        "nobody has an older one"
    );
    let retirement = bench.rotator.retire(&create.order).await.unwrap();
    assert_eq!(retirement, Retirement { retired: None, grace: Duration::ZERO });
    assert_eq!(bench.rotator.prove(&create.order, &[]).await.unwrap(), Proof::NothingToProve);
    bench.wait_for_background().await;
    let mut calls = bench.world.issuer_calls();
    calls.sort_unstable();
    assert_eq!(calls, ["commit_password", "create_password", "login", "revoke"]);
    assert_eq!(bench.stages(&shop).await, [(CredentialKind::Password, Stage::Current)]);
}

#[tokio::test]
async fn a_second_version_ends_the_first_after_the_overlap_and_it_is_proved_dead_after_the_grace() {
    for kind in [CredentialKind::Password, CredentialKind::Client, CredentialKind::Combined] {
        let mut bench = Bench::new().await;
        let layout = if kind == CredentialKind::Combined { Layout::Combined } else { Layout::Split };
        let shop = bench.world.add("shop", layout, true, false);
        let (first, _) = bench.rotate(&shop, kind).await;
        bench.world.clock.advance(Duration::from_mins(1));
        let create = bench.order(&shop, kind);
        let second = bench.rotator.create(&create).await.unwrap();
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
async fn a_repeated_create_answers_the_same_until_the_receipt_is_accepted() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    let create = bench.order(&shop, CredentialKind::Password);
    let made = bench.rotator.create(&create).await.unwrap();
    bench.restart();
    let calls = bench.world.calls().len();
    assert_eq!(bench.rotator.create(&create).await.unwrap(), made);
    assert_eq!(bench.world.calls().len(), calls, "nothing is asked again");
    bench.deliver(&create.order, &made).await;
    let refused = bench.rotator.create(&create).await.unwrap_err();
    assert_eq!(refused.reason(), "ROTATION_CLOSED");
}

#[tokio::test]
async fn two_creates_at_once_make_one_version() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    let create = bench.order(&shop, CredentialKind::Password);
    let (one, other) = tokio::join!(bench.rotator.create(&create), bench.rotator.create(&create));
    assert_eq!(one.unwrap(), other.unwrap());
    assert_eq!(bench.world.live_passwords(&shop), 1);
}

#[tokio::test]
async fn a_public_client_is_only_looked_up() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, false, true);
    let (made, order) = bench.rotate(&shop, CredentialKind::PublicClient).await;
    let Object::Client { client_secret: None, .. } = bench.opened(&order, &made) else { panic!() };
    let (second, order) = bench.rotate(&shop, CredentialKind::PublicClient).await;
    assert!(second.version > made.version);
    assert_eq!(bench.rotator.prove(&order, &[]).await.unwrap(), Proof::NothingToProve);
    assert_eq!(bench.world.issuer_calls(), ["login", "login"]);
    let kind = CredentialKind::PublicClient;
    assert_eq!(bench.stages(&shop).await, [(kind, Stage::Current), (kind, Stage::Ended)]);
}

#[tokio::test]
async fn a_public_client_that_the_issuer_does_not_know_is_not_delivered() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, false, false);
    bench.world.change(&shop, |record| record.identity.as_mut().unwrap().client_id = "another".to_owned());
    let create = bench.order(&shop, CredentialKind::PublicClient);
    assert_eq!(bench.rotator.create(&create).await.unwrap_err().reason(), "ISSUER_REJECTED_LOGIN");
}

#[tokio::test]
async fn a_foreign_version_keeps_the_longest_overlap_and_ends_unproved() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, true);
    let create = bench.order(&shop, CredentialKind::Password);
    let made = bench.rotator.create(&create).await.unwrap();
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
    let second = bench.order(&shop, CredentialKind::Password);
    let made = bench.rotator.create(&second).await.unwrap();
    assert_eq!(bench.deliver(&second.order, &made).await.retire_after, MIN_OVERLAP, "foreign only once");
}

#[tokio::test]
async fn retire_is_refused_without_a_receipt() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    let create = bench.order(&shop, CredentialKind::Password);
    bench.rotator.create(&create).await.unwrap();
    assert_eq!(bench.rotator.retire(&create.order).await.unwrap_err().reason(), "RECEIPT_MISSING");
    assert!(!bench.world.calls().contains(&"commit_password"));
}

#[tokio::test]
async fn retire_is_refused_before_the_overlap_has_passed() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    bench.rotate(&shop, CredentialKind::Password).await;
    let create = bench.order(&shop, CredentialKind::Password);
    let made = bench.rotator.create(&create).await.unwrap();
    bench.deliver(&create.order, &made).await;
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
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    bench.rotate(&shop, CredentialKind::Password).await;
    let create = bench.order(&shop, CredentialKind::Password);
    let made = bench.rotator.create(&create).await.unwrap();
    bench.deliver(&create.order, &made).await;
    let later = bench.world.clock.now().plus(Duration::from_secs(1_000_000));
    bench.world.clock.set(later);
    let refused = bench.rotator.retire(&create.order).await.unwrap_err();
    assert_eq!(refused.retry_after(), Some(MIN_OVERLAP));
}

#[tokio::test]
async fn another_boot_begins_the_overlap_again() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    bench.rotate(&shop, CredentialKind::Password).await;
    let create = bench.order(&shop, CredentialKind::Password);
    let made = bench.rotator.create(&create).await.unwrap();
    bench.deliver(&create.order, &made).await;
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
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    let create = bench.order(&shop, CredentialKind::Password);
    let made = bench.rotator.create(&create).await.unwrap();
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
async fn nothing_is_done_while_the_audit_log_is_down() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    let create = bench.order(&shop, CredentialKind::Password);
    bench.world.log.set_down(true);
    assert_eq!(bench.rotator.create(&create).await.unwrap_err().reason(), "AUDIT_UNAVAILABLE");
    assert_eq!(bench.world.issuer_calls(), Vec::<&str>::new());
    assert_eq!(bench.unresolved(&shop).await, 0);
    bench.world.log.set_down(false);
    let made = bench.rotator.create(&create).await.unwrap();
    bench.deliver(&create.order, &made).await;
    bench.world.log.set_down(true);
    assert_eq!(bench.rotator.retire(&create.order).await.unwrap_err().reason(), "AUDIT_UNAVAILABLE");
    assert!(!bench.world.calls().contains(&"commit_password"));
}

#[tokio::test]
async fn every_act_is_announced_and_concluded() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    let (first, _) = bench.rotate(&shop, CredentialKind::Password).await;
    let (_, order) = bench.rotate(&shop, CredentialKind::Password).await;
    bench.world.clock.advance(Duration::from_secs(10));
    bench.rotator.prove(&order, &first.envelopes.unwrap().probe).await.unwrap();
    let entries = bench.world.log.entries();
    let of_second = entries.iter().filter(|entry| entry.act.rotation == Some(order.ask.rotation));
    let told: Vec<_> = of_second.map(|entry| (entry.act.action, entry.outcome)).collect();
    let pair = |action| [(action, None), (action, Some(Outcome::Success))];
    let expected: Vec<_> =
        ["credential.create", "credential.retire", "credential.prove"].into_iter().flat_map(pair).collect();
    assert_eq!(told, expected);
    assert!(entries.iter().all(|entry| entry.act.resource == "stups_shop"));
}

#[tokio::test]
async fn an_outcome_that_the_log_did_not_take_is_told_by_the_repetition() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    let create = bench.order(&shop, CredentialKind::Password);
    // catalog, keys, announce, create_password, login, conclude
    bench.world.fail_at(5, Fault::Refused);
    assert_eq!(bench.rotator.create(&create).await.unwrap_err().reason(), "AUDIT_UNAVAILABLE");
    bench.rotator.create(&create).await.unwrap();
    assert_eq!(bench.world.live_passwords(&shop), 1, "it is not made again");
    let entries = bench.world.log.entries();
    assert_eq!(entries.last().unwrap().outcome, Some(Outcome::Success));
    bench.rotator.create(&create).await.unwrap();
    assert_eq!(bench.world.log.entries(), entries, "it is told once");
}

#[tokio::test]
async fn a_stale_fencing_token_is_refused() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    let mut create = bench.order(&shop, CredentialKind::Password);
    create.order.token = FencingToken(7);
    let made = bench.rotator.create(&create).await.unwrap();
    let stale = Order { token: FencingToken(6), ..create.order.clone() };
    bench.restart();
    let receipt = bench.world.receipt(&made.envelopes.as_ref().unwrap().delivery);
    let calls = bench.world.calls().len();
    let refusals = [
        bench.rotator.create(&CreateOrder { order: stale.clone(), ..create }).await.map(drop),
        bench.rotator.accept_receipt(&stale, &receipt).await.map(drop),
        bench.rotator.retire(&stale).await.map(drop),
        bench.rotator.prove(&stale, &[]).await.map(drop),
        bench.rotator.abandon(&stale).await,
    ];
    for refused in refusals {
        assert_eq!(refused.unwrap_err().reason(), "STALE_FENCING_TOKEN");
    }
    assert_eq!(bench.world.calls().len(), calls);
    let other = bench.world.add("other", Layout::Split, true, false);
    let create = bench.order(&other, CredentialKind::Password);
    bench.rotator.create(&create).await.unwrap();
}

#[tokio::test]
async fn a_lease_lost_during_create_keeps_what_was_made() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
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
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
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
    bench.world.clock.advance(Duration::from_secs(10));
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
    bench.world.clock.advance(Duration::from_secs(10));
    assert_eq!((bench.world.live_passwords(&shop), bench.world.live_clients(&shop)), (1, 1));
}

#[tokio::test]
async fn network_trouble_is_never_a_proof_of_death() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    let (first, _) = bench.rotate(&shop, CredentialKind::Password).await;
    let (_, order) = bench.rotate(&shop, CredentialKind::Password).await;
    bench.world.clock.advance(Duration::from_secs(10));
    let probe = first.envelopes.unwrap().probe;
    bench.world.trouble_logins(true);
    assert_eq!(bench.rotator.prove(&order, &probe).await.unwrap_err().reason(), "ISSUER_UNKNOWN_OUTCOME");
    bench.world.trouble_logins(false);
    bench.world.accept_everything(true);
    assert_eq!(bench.rotator.prove(&order, &probe).await.unwrap(), Proof::Alive);
    bench.wait_for_background().await;
    assert!(bench.world.revoked(&shop) >= 3, "the token of the lie is revoked too");
    bench.world.accept_everything(false);
    assert_eq!(bench.rotator.prove(&order, &probe).await.unwrap(), Proof::Dead);
}

#[tokio::test]
async fn only_the_ended_versions_own_probe_envelope_is_opened() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    let other = bench.world.add("other", Layout::Split, true, false);
    let (first, _) = bench.rotate(&shop, CredentialKind::Password).await;
    let (second, order) = bench.rotate(&shop, CredentialKind::Password).await;
    let (client, _) = bench.rotate(&shop, CredentialKind::Client).await;
    let (of_other, _) = bench.rotate(&other, CredentialKind::Password).await;
    bench.world.clock.advance(Duration::from_secs(10));
    let envelopes = |made: &Made| made.envelopes.clone().unwrap();
    let wrong = [
        envelopes(&second).probe,
        envelopes(&first).delivery,
        envelopes(&client).probe,
        envelopes(&of_other).probe,
        Vec::new(),
    ];
    let calls = bench.world.calls().len();
    for probe in wrong {
        assert_eq!(bench.rotator.prove(&order, &probe).await.unwrap_err().reason(), "ENVELOPE_INVALID");
    }
    assert_eq!(bench.world.calls().len(), calls);
}

#[tokio::test]
async fn nothing_is_made_that_the_catalog_does_not_ask_for() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    let create = bench.order(&shop, CredentialKind::Combined);
    assert_eq!(bench.rotator.create(&create).await.unwrap_err().reason(), "SETTINGS_CHANGED");
    let create = bench.order(&shop, CredentialKind::Password);
    bench.world.change(&shop, |record| record.identity = None);
    assert_eq!(bench.rotator.create(&create).await.unwrap_err().reason(), "CATALOG_BEHIND");
    bench.world.change(&shop, |record| record.settings.as_mut().unwrap().buckets.clear());
    assert_eq!(bench.rotator.create(&create).await.unwrap_err().reason(), "NO_DESTINATION");
    bench.world.change(&shop, |record| record.active = false);
    assert_eq!(bench.rotator.create(&create).await.unwrap_err().reason(), "APPLICATION_UNKNOWN");
    assert_eq!(bench.world.issuer_calls(), Vec::<&str>::new());
}

#[tokio::test]
async fn an_abandoned_rotation_stays_given_up_and_its_version_is_swept() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    let create = bench.order(&shop, CredentialKind::Password);
    bench.rotator.create(&create).await.unwrap();
    bench.rotator.abandon(&create.order).await.unwrap();
    bench.rotator.abandon(&create.order).await.unwrap();
    assert_eq!(bench.rotator.create(&create).await.unwrap_err().reason(), "ROTATION_CLOSED");
    let never_seen = bench.order(&shop, CredentialKind::Password);
    bench.rotator.abandon(&never_seen.order).await.unwrap();
    assert_eq!(bench.rotator.create(&never_seen).await.unwrap_err().reason(), "ROTATION_CLOSED");
    let (_, order) = bench.rotate(&shop, CredentialKind::Password).await;
    bench.world.clock.advance(Duration::from_secs(10));
    assert_eq!(bench.world.live_passwords(&shop), 1);
    assert_eq!(bench.rotator.abandon(&order).await.unwrap_err().reason(), "ROTATION_CLOSED");
}

#[tokio::test]
async fn a_delivered_rotation_is_not_overtaken_on_its_issuer_object() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    bench.rotate(&shop, CredentialKind::Password).await;
    let open = bench.order(&shop, CredentialKind::Password);
    let made = bench.rotator.create(&open).await.unwrap();
    bench.deliver(&open.order, &made).await;
    let next = bench.order(&shop, CredentialKind::Password);
    assert_eq!(bench.rotator.create(&next).await.unwrap_err().reason(), "ROTATION_OPEN");
    let client = bench.order(&shop, CredentialKind::Client);
    bench.rotator.create(&client).await.unwrap();
}

#[tokio::test]
async fn a_change_of_layout_ends_both_halves_and_no_half_too_early() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    bench.rotate(&shop, CredentialKind::Password).await;
    bench.rotate(&shop, CredentialKind::Client).await;
    bench.world.change(&shop, |record| record.settings.as_mut().unwrap().layout = Layout::Combined);
    let create = bench.order(&shop, CredentialKind::Combined);
    let made = bench.rotator.create(&create).await.unwrap();
    assert_eq!(bench.deliver(&create.order, &made).await.retire_after, MIN_OVERLAP, "the halves are in use");
    bench.world.clock.advance(MIN_OVERLAP);
    bench.rotator.retire(&create.order).await.unwrap();
    bench.world.clock.advance(Duration::from_secs(10));
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
async fn no_file_of_the_state_holds_a_secret() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    let (first, _) = bench.rotate(&shop, CredentialKind::Password).await;
    bench.rotate(&shop, CredentialKind::Client).await;
    let create = bench.order(&shop, CredentialKind::Password);
    let made = bench.rotator.create(&create).await.unwrap();
    let path = std::path::PathBuf::from(bench.state.url.strip_prefix("sqlite://").unwrap());
    let mut files = 0;
    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        files += 1;
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!holds(b"canary"));
        for secret in bench.world.plaintexts() {
            assert!(!holds(secret.as_bytes()));
        }
    }
    assert!(files > 0);
    let shown = format!("{first:?} {made:?} {:?}", bench.rotator.keys());
    assert!(!shown.contains("canary"));
}

#[tokio::test]
async fn a_budget_that_is_used_up_stops_before_anything_is_announced() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    bench.rotator.parts.budget = RateBudget::new(2);
    let create = bench.order(&shop, CredentialKind::Password);
    let refused = bench.rotator.create(&create).await.unwrap_err();
    assert_eq!(refused.reason(), "BUDGET_EXHAUSTED");
    assert!(refused.retry_after().is_some());
    assert!(bench.world.log.entries().is_empty());
}

#[tokio::test]
async fn a_refused_call_leaves_nothing_to_account_for() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Split, true, false);
    let create = bench.order(&shop, CredentialKind::Password);
    bench.world.fail_at(3, Fault::Refused);
    let refused = bench.rotator.create(&create).await.unwrap_err();
    assert!(matches!(refused, Error::Issuer { error: IssuerError::NotSent(_), .. }), "{refused}");
    assert_eq!(bench.unresolved(&shop).await, 0);
    bench.rotator.create(&create).await.unwrap();
}
