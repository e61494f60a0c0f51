use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use mint_api::audit_log::{Announced, MemoryAuditLog};
use mint_types::{RequestId, Timestamp};

use super::*;

/// So many minutes after a boot.
#[derive(Debug, Default)]
struct Minutes(AtomicU64);

impl Clock for Minutes {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(0)
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic { boot: "a".to_owned(), nanos: self.0.load(Ordering::Relaxed) * 60_000_000_000 }
    }
}

#[derive(Debug)]
struct Silent;

#[async_trait]
impl AuditLog for Silent {
    async fn announce(&self, _act: Act) -> Result<Announced, AuditError> {
        std::future::pending().await
    }

    async fn conclude(&self, _announced: Announced, _outcome: Outcome) -> Result<(), AuditError> {
        std::future::pending().await
    }
}

struct Bench {
    refusals: Refusals,
    log: MemoryAuditLog,
    clock: Arc<Minutes>,
}

impl Bench {
    fn new() -> Self {
        let log = MemoryAuditLog::default();
        let clock = Arc::new(Minutes::default());
        let port: Port<dyn AuditLog> = Port::held_by("test", Arc::new(log.clone()));
        Self { refusals: Refusals::new(port, clock.clone(), TaskTracker::new()), log, clock }
    }

    async fn settled(&self) {
        let background = &self.refusals.background;
        background.close();
        background.wait().await;
        background.reopen();
    }

    async fn told(&self) -> Vec<String> {
        self.settled().await;
        let entries = self.log.entries();
        assert!(
            entries.iter().filter(|entry| entry.outcome.is_some()).count() * 2 == entries.len(),
            "each concluded"
        );
        entries.into_iter().filter(|entry| entry.outcome.is_none()).map(|entry| entry.act.resource).collect()
    }
}

fn act(application: &str) -> Act {
    Act {
        action: "credential.deliver",
        application: Some(application.parse().unwrap()),
        kind: None,
        resource: application.to_owned(),
        rotation: None,
        request: "00000000-0000-4000-8000-000000000000".parse::<RequestId>().unwrap(),
    }
}

#[tokio::test]
async fn the_same_refusal_is_told_once_in_ten_minutes_with_the_number_of_the_others() {
    let bench = Bench::new();
    for _ in 0..1000 {
        bench.refusals.tell(act("shop"), "ENVELOPE_INVALID");
    }
    bench.refusals.tell(act("shop"), "RECEIPT_INVALID");
    bench.refusals.tell(act("till"), "ENVELOPE_INVALID");
    assert_eq!(bench.told().await, ["shop", "shop", "till"]);
    bench.clock.0.store(9, Ordering::Relaxed);
    bench.refusals.tell(act("shop"), "ENVELOPE_INVALID");
    assert_eq!(bench.told().await.len(), 3, "ten minutes are not over");
    bench.clock.0.store(10, Ordering::Relaxed);
    bench.refusals.tell(act("shop"), "ENVELOPE_INVALID");
    bench.clock.0.store(19, Ordering::Relaxed);
    bench.refusals.tell(act("shop"), "ENVELOPE_INVALID");
    assert_eq!(bench.told().await[3..], ["shop (and 1000 more since the last one that was told)"]);
}

#[tokio::test]
async fn whoever_names_ever_other_applications_fills_neither_log_nor_memory_and_hides_no_other_reason() {
    let bench = Bench::new();
    for number in 0..1000 {
        bench.refusals.tell(act(&format!("app-{number}")), "ENVELOPE_INVALID");
        bench.settled().await;
    }
    bench.refusals.tell(act("victim"), "RECEIPT_INVALID");
    assert_eq!(bench.told().await.len(), MOST_APPLICATIONS + 1);
    assert_eq!(
        bench.refusals.teller.books().told[&("credential.deliver", "ENVELOPE_INVALID")].len(),
        MOST_APPLICATIONS
    );
    bench.clock.0.store(10, Ordering::Relaxed);
    bench.refusals.tell(act("app-999"), "ENVELOPE_INVALID");
    assert_eq!(bench.told().await.last().unwrap(), "app-999", "there is room again");
    assert_eq!(bench.refusals.teller.books().told[&("credential.deliver", "ENVELOPE_INVALID")].len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_does_not_answer_holds_nothing_up_and_no_more_than_so_many_wait_for_it() {
    let silent: Port<dyn AuditLog> = Port::held_by("test", Arc::new(Silent));
    let refusals = Refusals::new(silent, Arc::new(Minutes::default()), TaskTracker::new());
    let reasons = ["A", "B", "C", "D", "E", "F"];
    for reason in reasons {
        for number in 0..MOST_APPLICATIONS {
            refusals.tell(act(&format!("app-{number}")), reason);
        }
    }
    assert_eq!(
        refusals.teller.books().waiting.len(),
        MOST_WAITING * reasons.len(),
        "each reason has its places"
    );
    refusals.background.close();
    refusals.background.wait().await;
    let books = refusals.teller.books();
    assert!(
        !books.is_telling && books.told.values().all(BTreeMap::is_empty),
        "none of it counts as told: {books:?}"
    );
}

#[tokio::test]
async fn what_a_dead_log_did_not_hear_is_told_when_it_is_asked_for_again() {
    let bench = Bench::new();
    bench.log.set_down(true);
    bench.refusals.tell(act("shop"), "ENVELOPE_INVALID");
    assert!(bench.told().await.is_empty());
    bench.log.set_down(false);
    bench.refusals.tell(act("shop"), "ENVELOPE_INVALID");
    bench.refusals.tell(act("shop"), "ENVELOPE_INVALID");
    assert_eq!(bench.told().await, ["shop"]);
}
