//! The suite against issuers that keep the contract, and against one for each way to break it.
#![allow(clippy::unwrap_used, reason = "a test binary: what cannot be set up fails the test")]

mod memory;

use std::time::Duration;

use memory::{Flaw, Memory};
use mint_issuer_contract::Ends;
use mint_issuer_contract::suite::{Report, check};

const GRACE: Duration = Duration::from_secs(10);
const KINDS: [Ends; 5] = [
    Ends::OwnCall,
    Ends::Commit { grace: GRACE },
    Ends::CommitAtOnce,
    Ends::Create { grace: GRACE },
    Ends::Set,
];

async fn of(ends: Ends, flaw: Option<Flaw>) -> Report {
    check(&Memory::new(ends, flaw)).await
}

/// Each kind of issuer on which a flaw can show breaks a rule whose words these are.
async fn is_found(flaw: Flaw, kinds: &[Ends], words: &str) {
    for ends in kinds {
        let report = of(*ends, Some(flaw)).await;
        let found = report.broken.iter().any(|broken| broken.rule.contains(words));
        assert!(found, "{flaw:?} at {ends}: {report:?}");
    }
}

#[tokio::test]
async fn a_driver_of_any_kind_that_keeps_the_contract_passes() {
    for ends in KINDS {
        let report = of(ends, None).await;
        assert_eq!(report.broken, [], "{ends}");
        assert!(report.kept.len() >= 4, "{ends}: {report:?}");
    }
}

#[tokio::test]
async fn a_driver_that_ends_too_much_is_found() {
    is_found(Flaw::EndsTooMuch, &KINDS[..3], "exactly the previous").await;
    is_found(Flaw::EndsAtCreate, &KINDS[..4], "beside the previous").await;
}

#[tokio::test]
async fn a_driver_whose_late_end_ends_too_much_is_found() {
    is_found(Flaw::EndsNewerLate, &KINDS[..3], "after a newer version").await;
}

#[tokio::test]
async fn a_driver_that_ends_nothing_is_found() {
    is_found(Flaw::EndsNothing, &KINDS[..3], "exactly the previous").await;
    is_found(Flaw::SetsNothing, &KINDS[4..], "only one").await;
}

#[tokio::test]
async fn a_driver_that_takes_any_handle_is_found() {
    is_found(Flaw::TakesAnyHandle, &KINDS[..3], "does not know").await;
}

#[tokio::test]
async fn a_driver_that_calls_an_unknown_outcome_a_refusal_is_found() {
    is_found(Flaw::CallsUnknownRefused, &KINDS, "told apart").await;
    is_found(Flaw::CallsUnknownRefused, &[KINDS[0], KINDS[1], KINDS[2], KINDS[4]], "lost answer").await;
    is_found(Flaw::ForgetsRetryAfter, &KINDS, "told apart").await;
}

#[tokio::test]
async fn a_driver_that_counts_wrong_is_found() {
    is_found(Flaw::CountsWrong, &KINDS[..1], "counts what is alive").await;
}

#[tokio::test]
async fn what_was_not_checked_is_said() {
    let report = check(&Memory::without_trouble(Ends::OwnCall)).await;
    assert_eq!(report.broken, []);
    let skipped: Vec<_> = report.skipped.iter().map(|(_, rule)| *rule).collect();
    assert!(skipped.iter().any(|rule| rule.contains("told apart")), "{skipped:?}");
    assert!(skipped.iter().any(|rule| rule.contains("lost answer")), "{skipped:?}");
}

#[tokio::test]
async fn a_finding_shows_no_secret() {
    for flaw in [Flaw::EndsTooMuch, Flaw::EndsNothing, Flaw::CallsUnknownRefused] {
        let report = of(Ends::OwnCall, Some(flaw)).await;
        assert!(!report.broken.is_empty());
        for broken in &report.broken {
            let shown = format!("{broken} {broken:?}");
            let longest =
                shown.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').map(str::len).max();
            assert!(longest < Some(43), "a word as long as a secret: {shown}");
        }
    }
}
