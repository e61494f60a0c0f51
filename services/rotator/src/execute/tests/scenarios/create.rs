//! Create, and what stands after it failed.

use super::*;

#[tokio::test]
async fn a_first_password_is_made_tested_delivered_and_committed_in_four_issuer_calls() {
    let (mut bench, shop) = Bench::with_shop().await;
    let (create, made) = bench.made(&shop, CredentialKind::Password).await;
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
async fn a_repeated_create_answers_the_same_until_the_receipt_is_accepted() {
    let (mut bench, shop) = Bench::with_shop().await;
    let (create, made) = bench.made(&shop, CredentialKind::Password).await;
    let calls = bench.world.calls().len();
    assert_eq!(bench.rotator.create(&create).await.unwrap(), made);
    assert_eq!(bench.world.calls().len(), calls, "nothing is asked again");
    bench.restart();
    for _ in 0..2 {
        assert_eq!(bench.rotator.create(&create).await.unwrap(), made);
        assert_eq!(bench.world.calls()[calls..], ["announce", "conclude"], "the log is told once more");
    }
    bench.deliver(&create.order, &made).await;
    let refused = bench.rotator.create(&create).await.unwrap_err();
    assert_eq!(refused.reason(), "ROTATION_CLOSED");
}

#[tokio::test]
async fn two_creates_at_once_make_one_version() {
    let (mut bench, shop) = Bench::with_shop().await;
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
async fn nothing_is_made_that_the_catalog_does_not_ask_for() {
    let (mut bench, shop) = Bench::with_shop().await;
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
async fn a_delivered_rotation_is_not_overtaken_on_its_issuer_object() {
    let (mut bench, shop) = Bench::with_shop().await;
    bench.rotate(&shop, CredentialKind::Password).await;
    bench.delivered(&shop, CredentialKind::Password).await;
    let next = bench.order(&shop, CredentialKind::Password);
    assert_eq!(bench.rotator.create(&next).await.unwrap_err().reason(), "ROTATION_OPEN");
    let client = bench.order(&shop, CredentialKind::Client);
    bench.rotator.create(&client).await.unwrap();
}

#[tokio::test]
async fn a_budget_that_is_used_up_stops_before_anything_is_announced() {
    let (mut bench, shop) = Bench::with_shop().await;
    bench.rotator.parts.budget = RateBudget::new(2);
    let create = bench.order(&shop, CredentialKind::Password);
    let refused = bench.rotator.create(&create).await.unwrap_err();
    assert_eq!(refused.reason(), "BUDGET_EXHAUSTED");
    assert!(refused.retry_after().is_some());
    assert!(bench.world.log.entries().is_empty());
}

#[tokio::test]
async fn a_coordinator_that_begins_one_rotation_after_another_piles_up_few_versions() {
    let (mut bench, shop) = Bench::with_shop().await;
    let (current, order) = bench.rotate(&shop, CredentialKind::Password).await;
    let mut refused = None;
    for _ in 0..12 {
        let create = bench.order(&shop, CredentialKind::Password);
        if let Err(error) = bench.rotator.create(&create).await {
            refused = Some((error.reason(), error.retry_after().unwrap() <= plan::SPARE_PAUSE));
        }
    }
    assert_eq!(refused, Some(("TOO_MANY_SPARE_VERSIONS", true)));
    assert_eq!(bench.world.live_passwords(&shop), 1 + plan::FREE_SPARES);
    bench.world.clock.advance(plan::SPARE_PAUSE + Duration::from_secs(1));
    let (create, made) = bench.delivered(&shop, CredentialKind::Password).await;
    bench.world.clock.advance(MIN_OVERLAP);
    assert_eq!(bench.rotator.retire(&create.order).await.unwrap().retired, Some(current.version));
    bench.world.clock.advance(PASSWORD_GRACE);
    assert_eq!(bench.world.live_passwords(&shop), 1, "an honest rotation comes through, and ends them all");
    assert_eq!(bench.stages(&shop).await[0].1, Stage::Current);
    assert!(made.version > current.version && order.ask != create.order.ask);
}
