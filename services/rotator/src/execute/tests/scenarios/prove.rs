//! Proofs of death.

use super::*;

#[tokio::test]
async fn network_trouble_is_never_a_proof_of_death() {
    let (mut bench, shop) = Bench::with_shop().await;
    let (first, _) = bench.rotate(&shop, CredentialKind::Password).await;
    let (_, order) = bench.rotate(&shop, CredentialKind::Password).await;
    bench.world.clock.advance(PASSWORD_GRACE);
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
    let (mut bench, shop) = Bench::with_shop().await;
    let other = bench.world.add("other", Layout::Split, true, false);
    let (first, _) = bench.rotate(&shop, CredentialKind::Password).await;
    let (second, order) = bench.rotate(&shop, CredentialKind::Password).await;
    let (client, _) = bench.rotate(&shop, CredentialKind::Client).await;
    let (of_other, _) = bench.rotate(&other, CredentialKind::Password).await;
    bench.world.clock.advance(PASSWORD_GRACE);
    let envelopes = |made: &Made| made.envelopes.clone().unwrap();
    let wrong = [
        envelopes(&second).probe,
        envelopes(&first).delivery,
        envelopes(&client).probe,
        envelopes(&of_other).probe,
        Vec::new(),
    ];
    let calls = bench.world.issuer_calls();
    for probe in wrong {
        assert_eq!(bench.rotator.prove(&order, &probe).await.unwrap_err().reason(), "ENVELOPE_INVALID");
    }
    assert_eq!(bench.world.issuer_calls(), calls);
}
