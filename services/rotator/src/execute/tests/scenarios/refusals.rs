//! The log, the lease, and where no secret may stand.

use super::*;

#[tokio::test]
async fn nothing_is_done_while_the_audit_log_is_down() {
    let (mut bench, shop) = Bench::with_shop().await;
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
    let (mut bench, shop) = Bench::with_shop().await;
    let (first, _) = bench.rotate(&shop, CredentialKind::Password).await;
    let (_, order) = bench.rotate(&shop, CredentialKind::Password).await;
    bench.world.clock.advance(PASSWORD_GRACE);
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
    let (mut bench, shop) = Bench::with_shop().await;
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
    let (mut bench, shop) = Bench::with_shop().await;
    let mut create = bench.order(&shop, CredentialKind::Password);
    create.order.token = FencingToken(7);
    let made = bench.rotator.create(&create).await.unwrap();
    let stale = Order { token: FencingToken(6), ..create.order.clone() };
    bench.restart();
    let receipt = bench.world.receipt(&made.envelopes.as_ref().unwrap().delivery);
    let calls = bench.world.issuer_calls();
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
    assert_eq!(bench.world.issuer_calls(), calls);
    bench.wait_for_background().await;
    let acts = [
        "credential.create",
        "receipt.accept",
        "credential.retire",
        "credential.prove",
        "credential.abandon",
    ];
    assert_eq!(refused(&bench), acts.map(|act| (act, "STALE_FENCING_TOKEN")));
    let other = bench.world.add("other", Layout::Split, true, false);
    let create = bench.order(&other, CredentialKind::Password);
    bench.rotator.create(&create).await.unwrap();
}

#[tokio::test]
async fn no_file_of_the_state_holds_a_secret() {
    let (mut bench, shop) = Bench::with_shop().await;
    let (first, _) = bench.rotate(&shop, CredentialKind::Password).await;
    bench.rotate(&shop, CredentialKind::Client).await;
    let (_, made) = bench.made(&shop, CredentialKind::Password).await;
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
async fn a_catalog_that_names_anothers_client_gets_no_secret_for_it() {
    for kind in [CredentialKind::Client, CredentialKind::Password] {
        let mut bench = Bench::new().await;
        bench.world.declare(Ends::OwnCall, Ends::Set);
        bench.world.name_clients_by_user();
        bench.restart();
        let evil = bench.world.add("evil", Layout::Split, true, false);
        let says = |bench: &Bench, id: &str| {
            bench.world.change(&evil, |record| record.identity.as_mut().unwrap().client_id = id.to_owned());
        };
        says(&bench, "stups_victim");
        let create = bench.order(&evil, kind);
        let refused = bench.rotator.create(&create).await.unwrap_err();
        assert_eq!(refused.reason(), "CLIENT_NOT_ITS_OWN");
        for culprit in ["of evil", "stups_victim", "stups_evil"] {
            assert!(refused.to_string().contains(culprit), "{refused}");
        }
        assert_eq!(bench.world.calls(), ["catalog", "announce", "conclude"], "nobody else was called");
        assert_eq!(bench.unresolved(&evil).await, 0, "nothing was intended");
        let entries = bench.world.log.entries();
        let told: Vec<_> = entries.iter().map(|entry| entry.outcome).collect();
        assert_eq!(told, [None, Some(Outcome::Failure { reason: "CLIENT_NOT_ITS_OWN" })]);

        says(&bench, "stups_evil");
        bench.rotator.create(&create).await.unwrap();
    }
}

/// What was refused, by action and reason.
fn refused(bench: &Bench) -> Vec<(&'static str, &'static str)> {
    let entries = bench.world.log.entries();
    let told = |entry: &mint_api::audit_log::MemoryEntry| match entry.outcome {
        Some(Outcome::Failure { reason }) => Some((entry.act.action, reason)),
        _ => None,
    };
    entries.iter().filter_map(told).collect()
}

#[tokio::test]
async fn forged_evidence_is_refused_and_in_the_log_once_however_often_it_comes() {
    let (mut bench, shop) = Bench::with_shop().await;
    let (first, _) = bench.rotate(&shop, CredentialKind::Password).await;
    let create = bench.order(&shop, CredentialKind::Password);
    bench.rotator.create(&create).await.unwrap();
    let of_before = bench.world.receipt(&first.envelopes.as_ref().unwrap().delivery);
    for _ in 0..50 {
        for receipt in [&of_before[..], b"forged"] {
            let error = bench.rotator.accept_receipt(&create.order, receipt).await.unwrap_err();
            assert_eq!(error.reason(), "RECEIPT_INVALID");
        }
        let error = bench.rotator.retire(&create.order).await.unwrap_err();
        assert_eq!(error.reason(), "RECEIPT_MISSING");
    }
    let told = [("receipt.accept", "RECEIPT_INVALID"), ("credential.retire", "RECEIPT_MISSING")];
    bench.wait_for_background().await;
    assert_eq!(refused(&bench), told);

    bench.world.clock.advance(Duration::from_mins(10));
    bench.world.log.set_down(true);
    let error = bench.rotator.accept_receipt(&create.order, b"forged").await.unwrap_err();
    assert_eq!(error.reason(), "RECEIPT_INVALID", "it is refused whether or not the log hears of it");
    bench.wait_for_background().await;
    bench.world.log.set_down(false);
    let error = bench.rotator.retire(&create.order).await.unwrap_err();
    assert_eq!(error.reason(), "RECEIPT_MISSING");
    bench.wait_for_background().await;
    assert_eq!(refused(&bench).len(), 3);
}
