//! Whether the issuer still accepts what consumers have.

use super::*;
use crate::execute::check::{CheckOrder, Checked};

/// A delivered version at rest, with the envelope that the coordinator keeps.
async fn at_rest(kind: CredentialKind) -> (Bench, ApplicationId, Vec<u8>) {
    let (mut bench, shop) = Bench::with_shop().await;
    let (made, _) = bench.rotate(&shop, kind).await;
    (bench, shop, made.envelopes.unwrap().probe)
}

fn order(application: &ApplicationId, kind: CredentialKind, token: u64) -> CheckOrder {
    let request = RequestId::random(&SeededEntropy::new(3));
    CheckOrder { application: application.clone(), kind, token: FencingToken(token), request }
}

async fn look(bench: &Bench, application: &ApplicationId, probe: &[u8]) -> Result<Checked, Error> {
    bench.rotator.check_version(&order(application, CredentialKind::Password, 1), probe).await
}

fn logins(bench: &Bench) -> usize {
    bench.world.calls().iter().filter(|call| **call == "login").count()
}

const AGAIN: Duration = plan::REPETITION;

#[tokio::test]
async fn a_version_that_logs_in_is_accepted_and_the_token_is_revoked() {
    for kind in [CredentialKind::Password, CredentialKind::Client] {
        let (bench, shop, probe) = at_rest(kind).await;
        bench.wait_for_background().await;
        let (before, revoked) = (bench.world.calls().len(), bench.world.revoked(&shop));
        let order = order(&shop, kind, 7);
        assert_eq!(bench.rotator.check_version(&order, &probe).await.unwrap(), Checked::Accepted);
        bench.wait_for_background().await;
        let calls = bench.world.calls()[before..].to_vec();
        assert_eq!(
            calls.iter().filter(|call| **call != "revoke").collect::<Vec<_>>(),
            [&"announce", &"login", &"conclude"]
        );
        assert_eq!(bench.world.revoked(&shop), revoked + 1, "nothing of a check stays");
        let told = bench.world.log.entries().pop().unwrap();
        assert_eq!((told.act.action, told.outcome), ("credential.check", Some(Outcome::Success)));
        let stale =
            bench.rotator.check_version(&CheckOrder { token: FencingToken(6), ..order }, &probe).await;
        assert_eq!(stale.unwrap_err().reason(), "STALE_FENCING_TOKEN");
    }
}

#[tokio::test]
async fn a_changed_credential_is_believed_after_a_second_refusal_and_no_further_login_is_tried() {
    let (mut bench, shop, probe) = at_rest(CredentialKind::Password).await;
    bench.world.delete_by_hand(&shop);
    bench.world.make_again(&shop);
    let before = logins(&bench);
    assert_eq!(look(&bench, &shop, &probe).await.unwrap(), Checked::RefusedOnce(AGAIN));
    assert_eq!(look(&bench, &shop, &probe).await.unwrap(), Checked::Wait(AGAIN), "whoever asks");
    bench.restart();
    assert_eq!(look(&bench, &shop, &probe).await.unwrap(), Checked::Wait(AGAIN), "a restart forgets nothing");
    bench.world.clock.advance(AGAIN);
    assert_eq!(look(&bench, &shop, &probe).await.unwrap(), Checked::Refused);
    for _ in 0..5 {
        bench.world.clock.advance(Duration::from_hours(1));
        assert_eq!(look(&bench, &shop, &probe).await.unwrap(), Checked::Refused, "as it was seen");
    }
    assert_eq!(logins(&bench), before + 2);
    assert_eq!(bench.rotator.issuer().await.unwrap().lies.len(), 0, "it is not the issuer's lie");
    let (made, _) = bench.rotate(&shop, CredentialKind::Password).await;
    let fresh = made.envelopes.unwrap().probe;
    assert_eq!(
        look(&bench, &shop, &fresh).await.unwrap(),
        Checked::Accepted,
        "the fresh version has no past"
    );
}

#[tokio::test]
async fn a_single_refusal_is_forgotten_with_the_next_accepted_login() {
    let (bench, shop, probe) = at_rest(CredentialKind::Password).await;
    for _ in 0..3 {
        bench.world.reject_logins(true);
        assert_eq!(look(&bench, &shop, &probe).await.unwrap(), Checked::RefusedOnce(AGAIN));
        bench.world.clock.advance(AGAIN);
        bench.world.reject_logins(false);
        assert_eq!(look(&bench, &shop, &probe).await.unwrap(), Checked::Accepted);
    }
}

#[tokio::test]
async fn logins_of_a_check_that_are_not_answered_are_no_verdict_and_are_few() {
    let (bench, shop, probe) = at_rest(CredentialKind::Password).await;
    bench.world.trouble_logins(true);
    for _ in 0..2 {
        assert_eq!(look(&bench, &shop, &probe).await.unwrap_err().reason(), "ISSUER_UNKNOWN_OUTCOME");
        bench.world.clock.advance(AGAIN);
    }
    let Checked::Wait(left) = look(&bench, &shop, &probe).await.unwrap() else { panic!("it may lock out") };
    bench.world.trouble_logins(false);
    bench.world.clock.advance(left);
    assert_eq!(look(&bench, &shop, &probe).await.unwrap(), Checked::Accepted);
}

#[tokio::test]
async fn what_surely_was_no_login_is_not_counted() {
    let (bench, shop, probe) = at_rest(CredentialKind::Password).await;
    for _ in 0..5 {
        // announce, login
        bench.world.fail_at(1, Fault::Refused);
        assert_eq!(look(&bench, &shop, &probe).await.unwrap_err().reason(), "ISSUER_UNREACHABLE");
        bench.world.clock.advance(AGAIN);
    }
    assert_eq!(look(&bench, &shop, &probe).await.unwrap(), Checked::Accepted);
}

#[tokio::test]
async fn where_logins_lock_users_out_no_check_is_made() {
    let (mut bench, shop, probe) = at_rest(CredentialKind::Password).await;
    bench.rotator.parts.rules.proving = Proving { by_login: false, attempts: 5 };
    let before = bench.world.calls().len();
    assert_eq!(look(&bench, &shop, &probe).await.unwrap(), Checked::NotTried);
    assert_eq!(bench.world.calls().len(), before);
}

#[tokio::test]
async fn a_check_opens_no_envelope_but_the_current_versions_own() {
    let (mut bench, shop) = Bench::with_shop().await;
    let other = bench.world.add("other", Layout::Split, true, false);
    let (ended, _) = bench.rotate(&shop, CredentialKind::Password).await;
    let (current, _) = bench.rotate(&shop, CredentialKind::Password).await;
    let (client, _) = bench.rotate(&shop, CredentialKind::Client).await;
    let (of_other, _) = bench.rotate(&other, CredentialKind::Password).await;
    let current = current.envelopes.unwrap();
    let before = bench.world.calls().len();
    let foreign = [
        ended.envelopes.unwrap().probe,
        client.envelopes.unwrap().probe,
        of_other.envelopes.unwrap().probe,
        current.delivery,
        b"rubbish".to_vec(),
    ];
    for envelope in foreign {
        let refused = look(&bench, &shop, &envelope).await.unwrap_err();
        assert!(matches!(refused.reason(), "ENVELOPE_INVALID" | "ENVELOPE_UNOPENABLE"), "{refused}");
    }
    let (open, _) = bench.made(&shop, CredentialKind::Password).await;
    assert_eq!(look(&bench, &shop, &current.probe).await.unwrap_err().reason(), "ROTATION_OPEN");
    bench.rotator.abandon(&open.order).await.unwrap();
    let asked = bench.world.calls()[before..].iter().filter(|call| **call == "login").count();
    assert_eq!(asked, 1, "the login of Create alone");
    assert_eq!(look(&bench, &shop, &current.probe).await.unwrap(), Checked::Accepted);
}

#[tokio::test]
async fn nothing_is_checked_while_the_issuer_is_halted_or_the_log_is_down() {
    let (bench, shop, probe) = at_rest(CredentialKind::Password).await;
    let before = logins(&bench);
    bench.world.fail_at(0, Fault::Refused);
    assert_eq!(look(&bench, &shop, &probe).await.unwrap_err().reason(), "AUDIT_UNAVAILABLE");
    let lie = Ask { rotation: RotationId::from_bytes([9; 16]), kind: CredentialKind::Client };
    let budget = ErrorBudget { lies: 1, ..bench.rotator.parts.errors.clone() };
    bench.rotator.parts.ledger.lied(&budget, &shop, lie, "A_LIE", &bench.rotator.now()).await.unwrap();
    assert_eq!(look(&bench, &shop, &probe).await.unwrap_err().reason(), "ISSUER_HALTED");
    assert_eq!(logins(&bench), before);
}

#[tokio::test]
async fn users_that_were_disabled_by_hand_do_not_halt_the_issuer() {
    let (mut bench, _) = Bench::with_shop().await;
    for number in 0..7 {
        let shop = bench.world.add(&format!("shop{number}"), Layout::Split, true, false);
        let (made, _) = bench.rotate(&shop, CredentialKind::Password).await;
        let probe = made.envelopes.unwrap().probe;
        bench.world.reject_logins(true);
        assert!(matches!(look(&bench, &shop, &probe).await.unwrap(), Checked::RefusedOnce(_)));
        bench.world.clock.advance(AGAIN);
        assert_eq!(look(&bench, &shop, &probe).await.unwrap(), Checked::Refused);
        let create = bench.order(&shop, CredentialKind::Password);
        let refused = bench.rotator.create(&create).await.unwrap_err();
        assert_eq!(refused.reason(), "ISSUER_REJECTED_LOGIN");
        bench.world.reject_logins(false);
    }
    let standing = bench.rotator.issuer().await.unwrap();
    assert_eq!((standing.halted_at, standing.lies.len()), (None, 0));
}

#[tokio::test]
async fn a_check_goes_wrong_at_every_port_and_every_write_and_is_repeated() {
    for at_write in [false, true] {
        for fault in Fault::ALL {
            for index in 0.. {
                let (mut bench, shop, probe) = at_rest(CredentialKind::Password).await;
                if at_write {
                    bench.world.fail_at_write(index, fault);
                } else {
                    bench.world.fail_at(index, fault);
                }
                let died = bench.world.died.clone();
                tokio::select! {
                    _ = look(&bench, &shop, &probe) => {}
                    () = died.notified() => {}
                }
                if bench.world.fault_is_ahead() {
                    assert!(index >= 2, "there are ports and writes");
                    break;
                }
                bench.restart();
                bench.world.clock.advance(AGAIN);
                let what = format!("{fault:?} at {index}, write: {at_write}");
                assert_eq!(look(&bench, &shop, &probe).await.unwrap(), Checked::Accepted, "{what}");
            }
        }
    }
}
