//! What two operators say ends at once, and nothing else does.

use std::collections::BTreeSet;

use mint_statement::Subject as Said;

use super::*;

const PASSWORD: CredentialKind = CredentialKind::Password;
const TWO: [&str; 2] = ["operator/ada", "operator/bob"];
const LIFE: Duration = Duration::from_hours(1);

fn said(application: &str, kinds: &[CredentialKind]) -> Said {
    let kinds: BTreeSet<CredentialKind> = kinds.iter().copied().collect();
    Said::RevokeNow { application: application.parse().unwrap(), kinds }
}

fn revocation(shop: &ApplicationId, kind: CredentialKind, statement: Vec<u8>) -> RevokeOrder {
    RevokeOrder {
        application: shop.clone(),
        kind,
        token: FencingToken(1),
        request: RequestId::random(&SeededEntropy::new(3)),
        statement,
    }
}

/// What the log has about revocations.
fn told(bench: &Bench) -> Vec<Option<Outcome>> {
    let entries = bench.world.log.entries().into_iter();
    entries.filter(|entry| entry.act.action == "credential.revoke").map(|entry| entry.outcome).collect()
}

#[tokio::test]
async fn a_statement_ends_what_there_was_before_anybody_has_the_new_one() {
    for (user, kind) in [
        (Ends::Commit { grace: PASSWORD_GRACE }, PASSWORD),
        (Ends::OwnCall, PASSWORD),
        (Ends::OwnCall, CredentialKind::Client),
    ] {
        let mut bench = Bench::new().await;
        bench.world.declare(user, Ends::Set);
        bench.restart();
        let shop = bench.world.add("shop", Layout::Split, true, false);
        let (leaked, _) = bench.rotate(&shop, kind).await;
        let statement = bench.world.signed(said("shop", &[kind]), LIFE, &TWO);
        let order = revocation(&shop, kind, statement);
        let first = bench.rotator.revoke(&order).await.unwrap();
        assert_eq!(
            first,
            Revoked { remains: kind.issuer_objects().to_vec(), rotation: None },
            "nothing could take its place"
        );
        assert_eq!(told(&bench), [], "nothing was done");

        bench.world.clock.advance(LIFE * 2);
        let (create, fresh) = bench.made(&shop, kind).await;
        let calls = bench.world.issuer_calls().len();
        let done = bench.rotator.revoke(&order).await.unwrap();
        assert_eq!(
            done,
            Revoked { remains: Vec::new(), rotation: Some(create.order.ask.rotation) },
            "{kind}"
        );
        assert!(bench.world.issuer_calls().len() > calls, "the issuer was told");
        assert_eq!(told(&bench), [None, Some(Outcome::Success)]);
        let (versions, _) = bench.rotator.versions(&shop).await.unwrap();
        let ended = versions.iter().find(|version| version.version == leaked.version).unwrap();
        assert_eq!(ended.stage, Stage::Ended);

        // without an overlap the rotation goes on as any other
        assert_eq!(bench.deliver(&create.order, &fresh).await.retire_after, Duration::ZERO);
        let retired = bench.rotator.retire(&create.order).await.unwrap();
        assert_eq!(retired.retired, Some(leaked.version));
        bench.world.clock.advance(PASSWORD_GRACE);
        let probe = leaked.envelopes.as_ref().unwrap().probe.clone();
        assert_eq!(bench.rotator.prove(&create.order, &probe).await.unwrap(), Proof::Dead);
        assert_eq!(bench.rotator.revoke(&order).await.unwrap_err().reason(), "STATEMENT_USED");
    }
}

#[tokio::test]
async fn an_overlap_that_runs_ends_with_the_statement_and_a_fresh_version_completes_it() {
    let (mut bench, shop) = Bench::with_shop().await;
    let (first, _) = bench.rotate(&shop, PASSWORD).await;
    let (create, second) = bench.delivered(&shop, PASSWORD).await;
    assert_eq!(bench.rotator.retire(&create.order).await.unwrap_err().reason(), "OVERLAP_NOT_PASSED");
    let order = revocation(&shop, PASSWORD, bench.world.signed(said("shop", &[PASSWORD]), LIFE, &TWO));
    let now = bench.rotator.revoke(&order).await.unwrap();
    let remains = vec![IssuerObject::User];
    assert_eq!(now, Revoked { remains, rotation: Some(create.order.ask.rotation) });
    let retired = bench.rotator.retire(&create.order).await.unwrap();
    assert_eq!(retired.retired, Some(first.version));
    let (_, third) = bench.made(&shop, PASSWORD).await;
    assert!(bench.rotator.revoke(&order).await.unwrap().is_complete());
    assert_eq!(third.previous, Some(second.version));
    assert_eq!(bench.stages(&shop).await.iter().filter(|(_, stage)| *stage == Stage::Ended).count(), 2);
}

#[tokio::test]
async fn what_a_statement_names_ends_with_another_kinds_version_after_a_change_of_layout() {
    let (mut bench, shop) = Bench::with_shop().await;
    bench.rotate(&shop, PASSWORD).await;
    let order = revocation(&shop, PASSWORD, bench.world.signed(said("shop", &[PASSWORD]), LIFE, &TWO));
    assert!(!bench.rotator.revoke(&order).await.unwrap().is_complete());
    bench.world.change(&shop, |record| record.settings.as_mut().unwrap().layout = Layout::Combined);
    let (create, made) = bench.made(&shop, CredentialKind::Combined).await;
    let done = bench.rotator.revoke(&order).await.unwrap();
    assert_eq!(done, Revoked { remains: Vec::new(), rotation: Some(create.order.ask.rotation) });
    bench.world.clock.advance(PASSWORD_GRACE);
    assert_eq!(bench.world.live_passwords(&shop), 1);
    assert_eq!(bench.deliver(&create.order, &made).await.retire_after, Duration::ZERO);
    bench.rotator.retire(&create.order).await.unwrap();
}

#[tokio::test]
async fn what_was_made_after_a_statement_is_not_meant_by_it_whatever_its_kind() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Combined, true, false);
    bench.rotate(&shop, CredentialKind::Combined).await;
    let order = revocation(&shop, PASSWORD, bench.world.signed(said("shop", &[PASSWORD]), LIFE, &TWO));
    assert!(!bench.rotator.revoke(&order).await.unwrap().is_complete(), "its password lives");
    // a clock that is set back makes no version look older than what it replaces
    let now = bench.world.clock.now();
    bench.world.clock.set(mint_types::Timestamp::from_unix_micros(now.unix_micros() - 3_600_000_000));
    bench.world.change(&shop, |record| record.settings.as_mut().unwrap().layout = Layout::Split);
    bench.rotate(&shop, PASSWORD).await;
    let done = bench.rotator.revoke(&order).await.unwrap();
    assert_eq!(done, Revoked { remains: Vec::new(), rotation: None }, "no version more than that one");
}

#[tokio::test]
async fn what_is_left_of_a_half_that_nobody_makes_any_more_ends_nothing_of_the_other_half() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Combined, true, false);
    let combined = CredentialKind::Combined;
    bench.rotate(&shop, combined).await;
    let order = revocation(&shop, combined, bench.world.signed(said("shop", &[combined]), LIFE, &TWO));
    let both = combined.issuer_objects().to_vec();
    assert_eq!(bench.rotator.revoke(&order).await.unwrap(), Revoked { remains: both, rotation: None });
    bench.world.change(&shop, |record| record.settings.as_mut().unwrap().layout = Layout::Split);
    let (create, made) = bench.made(&shop, PASSWORD).await;
    let client_left = |rotation| Revoked { remains: vec![IssuerObject::Client], rotation };
    let done = bench.rotator.revoke(&order).await.unwrap();
    assert_eq!(done, client_left(Some(create.order.ask.rotation)));
    bench.deliver(&create.order, &made).await;
    bench.rotator.retire(&create.order).await.unwrap();
    bench.world.clock.advance(PASSWORD_GRACE);
    assert_eq!(bench.world.live_passwords(&shop), 1);

    let (next, made) = bench.made(&shop, PASSWORD).await;
    assert_eq!(bench.rotator.revoke(&order).await.unwrap(), client_left(None));
    bench.world.clock.advance(PASSWORD_GRACE);
    assert_eq!(bench.world.live_passwords(&shop), 2, "what was made since has its overlap");
    assert_eq!(bench.deliver(&next.order, &made).await.retire_after, MIN_OVERLAP);

    let (client, _) = bench.made(&shop, CredentialKind::Client).await;
    let done = bench.rotator.revoke(&order).await.unwrap();
    assert_eq!(done, Revoked { remains: Vec::new(), rotation: Some(client.order.ask.rotation) });
}

#[tokio::test]
async fn what_two_operators_did_not_say_ends_nothing_and_is_in_the_log() {
    let (mut bench, shop) = Bench::with_shop().await;
    bench.rotate(&shop, PASSWORD).await;
    bench.made(&shop, PASSWORD).await;
    let calls = bench.world.issuer_calls();
    let world = bench.world.clone();
    let sign = |subject, signers: &[&str]| world.signed(subject, LIFE, signers);
    let own = || said("shop", &[PASSWORD]);
    let mut changed = sign(own(), &TWO);
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let expired = sign(own(), &TWO);
    let release = Said::RegistryRelease { acts: 1, applications: [].into() };
    let table = [
        (sign(own(), &["operator/ada"]), "STATEMENT_SIGNERS_MISSING"),
        (sign(own(), &["operator/ada", "team/team"]), "STATEMENT_SIGNERS_MISSING"),
        (sign(own(), &["operator/mallory", "operator/eve"]), "STATEMENT_UNTRUSTED"),
        (sign(own(), &["operator/ada (forged)", "operator/bob"]), "STATEMENT_SIGNERS_MISSING"),
        (sign(said("shopkeeper", &[PASSWORD]), &TWO), "STATEMENT_MISMATCH"),
        (sign(said("shop", &[CredentialKind::Client]), &TWO), "STATEMENT_MISMATCH"),
        (sign(release, &TWO), "STATEMENT_MISMATCH"),
        (b"{}".to_vec(), "STATEMENT_MALFORMED"),
    ];
    for (statement, reason) in table {
        let refused = bench.rotator.revoke(&revocation(&shop, PASSWORD, statement)).await.unwrap_err();
        assert_eq!(refused.reason(), reason);
        bench.wait_for_background().await;
        assert!(told(&bench).contains(&Some(Outcome::Failure { reason })), "{reason}");
    }
    let damaged = bench.rotator.revoke(&revocation(&shop, PASSWORD, changed)).await.unwrap_err();
    assert!(damaged.reason().starts_with("STATEMENT_"), "{damaged}");
    bench.world.clock.advance(LIFE);
    let late = bench.rotator.revoke(&revocation(&shop, PASSWORD, expired)).await.unwrap_err();
    assert_eq!(late.reason(), "STATEMENT_NOT_IN_FORCE");
    assert_eq!(bench.world.issuer_calls(), calls, "the issuer was asked for nothing");
}

#[tokio::test]
async fn without_the_audit_log_nothing_is_revoked() {
    let (mut bench, shop) = Bench::with_shop().await;
    bench.rotate(&shop, PASSWORD).await;
    let order = revocation(&shop, PASSWORD, bench.world.signed(said("shop", &[PASSWORD]), LIFE, &TWO));
    bench.rotator.revoke(&order).await.unwrap();
    bench.made(&shop, PASSWORD).await;
    let calls = bench.world.issuer_calls();
    bench.world.fail_at(0, Fault::Refused);
    assert_eq!(bench.rotator.revoke(&order).await.unwrap_err().reason(), "AUDIT_UNAVAILABLE");
    assert_eq!(bench.world.issuer_calls(), calls);
    // announced, ended, and the process dies before it knows: the repetition says so once more, and does it once more
    bench.world.fail_at(1, Fault::Unanswered);
    assert_eq!(bench.rotator.revoke(&order).await.unwrap_err().reason(), "ISSUER_UNKNOWN_OUTCOME");
    bench.restart();
    assert!(bench.rotator.revoke(&order).await.unwrap().is_complete());
    assert_eq!(bench.stages(&shop).await[1].1, Stage::Ended);
}

#[tokio::test]
async fn who_was_stopped_longer_than_a_call_lives_sends_nothing_more() {
    let mut bench = Bench::new().await;
    let shop = bench.world.add("shop", Layout::Combined, true, false);
    let create = bench.order(&shop, CredentialKind::Combined);
    // catalog, keys, announce, create password
    bench.world.stall_at(3, REQUEST_LIFE);
    let stopped = bench.rotator.create(&create).await.unwrap_err();
    assert_eq!(stopped.reason(), "ISSUER_UNREACHABLE", "{stopped}");
    assert!(!bench.world.issuer_calls().contains(&"create client"), "{:?}", bench.world.calls());
    let create = bench.order(&shop, CredentialKind::Combined);
    bench.rotator.create(&create).await.unwrap();
    assert_eq!(bench.unresolved(&shop).await, 1, "the password alone may live, until the next commit");
}

#[tokio::test]
async fn what_the_issuer_does_not_have_is_settled_by_reconciling_and_a_dry_run_changes_nothing() {
    let mut bench = Bench::new().await;
    bench.world.declare(Ends::OwnCall, Ends::Set);
    bench.restart();
    let shop = bench.world.add("shop", Layout::Split, true, false);
    bench.rotate(&shop, PASSWORD).await;
    let reasons = async |bench: &Bench, dry_run| {
        let found = bench.rotator.reconcile(&shop, FencingToken(1), dry_run).await.unwrap();
        found.into_iter().map(|finding| finding.reason).collect::<Vec<_>>()
    };
    assert_eq!(reasons(&bench, false).await, Vec::<&str>::new());
    let create = bench.order(&shop, PASSWORD);
    bench.world.fail_at(3, Fault::Unanswered);
    bench.rotator.create(&create).await.unwrap_err();
    assert_eq!(reasons(&bench, false).await, ["UNRESOLVED_INTENT"], "the issuer has it");
    assert_eq!(bench.unresolved(&shop).await, 1);
    bench.world.clock.advance(REQUEST_LIFE);
    let (_, made) = {
        let made = bench.rotator.create(&create).await.unwrap();
        (create.clone(), made)
    };
    bench.deliver(&create.order, &made).await;
    bench.world.clock.advance(MIN_OVERLAP);
    bench.rotator.retire(&create.order).await.unwrap();
    assert_eq!(reasons(&bench, true).await, Vec::<&str>::new(), "swept");
}

#[tokio::test]
async fn what_was_piled_up_holds_up_no_revocation() {
    let (mut bench, shop) = Bench::with_shop().await;
    bench.rotate(&shop, PASSWORD).await;
    for _ in 0..plan::FREE_SPARES {
        let (create, _) = bench.made(&shop, PASSWORD).await;
        bench.rotator.abandon(&create.order).await.unwrap();
    }
    let create = bench.order(&shop, PASSWORD);
    assert_eq!(bench.rotator.create(&create).await.unwrap_err().reason(), "TOO_MANY_SPARE_VERSIONS");
    let order = revocation(&shop, PASSWORD, bench.world.signed(said("shop", &[PASSWORD]), LIFE, &TWO));
    assert!(!bench.rotator.revoke(&order).await.unwrap().is_complete(), "nothing could take their place");
    bench.rotator.create(&create).await.unwrap();
    assert!(bench.rotator.revoke(&order).await.unwrap().is_complete());
    bench.world.clock.advance(PASSWORD_GRACE);
    assert_eq!(bench.world.live_passwords(&shop), 1, "all of them have ended");
    for _ in 1..plan::FREE_SPARES {
        bench.made(&shop, PASSWORD).await;
    }
    let next = bench.order(&shop, PASSWORD);
    assert_eq!(bench.rotator.create(&next).await.unwrap_err().reason(), "TOO_MANY_SPARE_VERSIONS");
}
