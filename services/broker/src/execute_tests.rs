use mint_api::audit_log::Outcome;

use super::*;
use crate::fakes::Bench;

#[tokio::test]
async fn an_exchange_is_announced_before_concluded_after_and_says_by_which_role_and_for_whom() {
    let bench = Bench::new();
    let obtained = bench.broker.credentials(bench.asks("ci", None)).await.unwrap();
    assert_eq!(obtained.credentials.access_key_id, "ASIA1");
    let entries = bench.ledger.log.entries();
    assert_eq!(entries.len(), 2);
    assert_eq!((entries[0].outcome, entries[1].outcome), (None, Some(Outcome::Success)));
    assert_eq!(obtained.audit_leaf, entries[0].init_index);
    for entry in &entries {
        let behalf = entry.behalf.as_ref().unwrap();
        assert_eq!((behalf.requested_role, behalf.subject.as_str()), ("data-role-via-jwt", "ci"));
        assert_eq!(entry.act.resource, "arn:aws:iam::111111111111:role/mint-tagged-reader");
        assert_eq!(entry.act.action, "credentials.exchange");
        assert_eq!(entry.act.application.as_ref().unwrap().as_str(), "abc");
    }
}

#[tokio::test]
async fn without_the_audit_log_nothing_is_signed_and_no_credential_leaves() {
    let bench = Bench::new();
    *bench.ledger.down_after.lock().unwrap() = Some(0);
    let refused = bench.broker.credentials(bench.asks("ci", None)).await.unwrap_err();
    assert_eq!(refused, Refusal::AuditUnavailable);
    assert_eq!(bench.broker.token(bench.asks("ci", None)).await.unwrap_err(), Refusal::AuditUnavailable);
    assert!(bench.exchanged().is_empty(), "STS is not called");
    // announced, exchanged, and then the log is gone: what was obtained is dropped
    *bench.ledger.down_after.lock().unwrap() = Some(1);
    let refused = bench.broker.credentials(bench.asks("ci", None)).await.unwrap_err();
    assert_eq!(refused, Refusal::AuditUnavailable);
    assert_eq!(bench.exchanged().len(), 1);
    *bench.ledger.down_after.lock().unwrap() = None;
    let obtained = bench.broker.credentials(bench.asks("ci", None)).await.unwrap();
    assert_eq!(obtained.credentials.access_key_id, "ASIA2", "and not handed out later");
}

#[tokio::test]
async fn credentials_are_shared_by_equal_calls_and_never_across_subjects() {
    let bench = Bench::new();
    bench.sts.gate.send_replace(false);
    let ask = |subject: &str| {
        let (broker, asked) = (Arc::clone(&bench.broker), bench.asks(subject, None));
        tokio::spawn(async move { broker.credentials(asked).await })
    };
    let calls: Vec<_> = (0..20).map(|number| ask(if number % 2 == 0 { "ci" } else { "twin" })).collect();
    while bench.exchanged().len() < 2 {
        tokio::task::yield_now().await;
    }
    bench.sts.gate.send_replace(true);
    for (number, call) in calls.into_iter().enumerate() {
        let obtained = call.await.unwrap().unwrap();
        let own = if number % 2 == 0 { "token-of-ci-" } else { "token-of-twin-" };
        assert!(
            obtained.credentials.session_token.expose().starts_with(own),
            "the same value, another subject"
        );
    }
    assert_eq!(bench.exchanged().len(), 2, "one exchange each");
    // handed out again until the margin
    bench.clock.advance(Duration::from_mins(55) - Duration::from_millis(1));
    bench.broker.credentials(bench.asks("ci", None)).await.unwrap();
    assert_eq!(bench.exchanged().len(), 2);
    bench.clock.advance(Duration::from_millis(1));
    bench.broker.credentials(bench.asks("ci", None)).await.unwrap();
    assert_eq!(bench.exchanged().len(), 3);
}

#[tokio::test]
async fn who_hangs_up_does_not_stop_what_was_announced() {
    let bench = Bench::new();
    bench.sts.gate.send_replace(false);
    let (broker, asked) = (Arc::clone(&bench.broker), bench.asks("ci", None));
    let call = tokio::spawn(async move { broker.credentials(asked).await });
    while bench.exchanged().is_empty() {
        tokio::task::yield_now().await;
    }
    call.abort();
    bench.sts.gate.send_replace(true);
    while bench.ledger.log.entries().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.ledger.log.entries()[1].outcome, Some(Outcome::Success));
}

#[tokio::test]
async fn a_token_that_expired_on_the_way_is_signed_afresh_and_any_other_fault_is_told() {
    let bench = Bench::new();
    bench.sts.faults.lock().unwrap().push_back(StsFault::TokenExpired);
    bench.broker.credentials(bench.asks("ci", None)).await.unwrap();
    let tokens: Vec<String> =
        bench.sts.asked.lock().unwrap().iter().map(|(_, token)| token.clone()).collect();
    assert_eq!(tokens.len(), 2);
    assert_ne!(tokens[0], tokens[1], "another token");
    for (fault, outcome) in [
        (StsFault::AccessDenied, Outcome::Failure { reason: "STS_ACCESS_DENIED" }),
        (StsFault::Unanswered, Outcome::Unknown { reason: "STS_UNANSWERED" }),
    ] {
        bench.sts.faults.lock().unwrap().push_back(fault.clone());
        let refused = bench.broker.credentials(bench.asks("other", None)).await.unwrap_err();
        assert_eq!(refused, Refusal::Sts(fault));
        assert_eq!((refused.word(), refused.status().as_u16()), ("sts_error", 502));
        assert_eq!(bench.ledger.log.entries().last().unwrap().outcome, Some(outcome));
    }
    assert!(bench.broker.credentials(bench.asks("other", None)).await.is_ok(), "a fault is not kept");
}

#[tokio::test]
async fn a_repeat_with_the_same_key_gets_the_same_answer_while_it_lasts() {
    let bench = Bench::new();
    let token = |key: Option<&'static str>| {
        let (broker, asked) = (Arc::clone(&bench.broker), bench.asks("ci", key));
        async move { broker.token(asked).await }
    };
    let first = token(Some("k1")).await.unwrap();
    assert_eq!(token(Some("k1")).await.unwrap().token.expose(), first.token.expose());
    assert_ne!(token(Some("k2")).await.unwrap().token.expose(), first.token.expose());
    assert_ne!(token(None).await.unwrap().token.expose(), first.token.expose());
    let crossed = bench.broker.credentials(bench.asks("ci", Some("k1"))).await.unwrap_err();
    assert_eq!(crossed.word(), "bad_request", "a key stands for one call");
    let others = bench.broker.token(bench.asks("other", Some("k1"))).await.unwrap();
    assert_ne!(others.token.expose(), first.token.expose(), "keys are a subject's own");
    bench.clock.advance(Duration::from_mins(5));
    assert_ne!(token(Some("k1")).await.unwrap().token.expose(), first.token.expose(), "it has expired");
    // credentials: the same even after the margin, when others would be fetched
    let kept = bench.broker.credentials(bench.asks("ci", Some("c1"))).await.unwrap();
    bench.clock.advance(Duration::from_mins(58));
    let again = bench.broker.credentials(bench.asks("ci", Some("c1"))).await.unwrap();
    assert_eq!(again.credentials.access_key_id, kept.credentials.access_key_id);
    let other = bench.broker.credentials(bench.asks("ci", Some("c2"))).await.unwrap();
    assert_ne!(other.credentials.access_key_id, kept.credentials.access_key_id);
}

#[tokio::test]
async fn a_subject_that_asks_too_often_waits_and_the_others_do_not() {
    let bench = Bench::new();
    for _ in 0..50 {
        bench.broker.token(bench.asks("ci", None)).await.unwrap();
    }
    let refused = bench.broker.token(bench.asks("ci", None)).await.unwrap_err();
    assert_eq!(refused, Refusal::TooMany { retry_after: Duration::from_secs(1) });
    assert!(bench.broker.token(bench.asks("other", None)).await.is_ok());
    bench.clock.advance(Duration::from_secs(1));
    assert!(bench.broker.token(bench.asks("ci", None)).await.is_ok());
    let stranger = bench.broker.token(bench.asks("nobody", None)).await.unwrap_err();
    assert_eq!(stranger, Refusal::NotGranted);
}
