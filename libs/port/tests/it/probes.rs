//! What points do when somebody listens. The probe is the process's, so one test at a time.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mint_port::arm::Armed;
use mint_port::{Port, Probe, Reached, Side, Site, Verdict};

use crate::fixture::{Corner, Purse, Shop};

static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[derive(Debug, Default)]
struct Recorder {
    seen: Mutex<Vec<(String, String)>>,
    stops_at: Option<&'static str>,
}

impl Recorder {
    fn seen(&self) -> Vec<(String, String)> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Probe for Recorder {
    fn reached(&self, point: &Reached<'_>) -> Verdict {
        let (name, text) = (point.name(), point.text.trim().to_owned());
        let verdict = if self.stops_at == Some(name.as_str()) { Verdict::Never } else { Verdict::GoOn };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push((name, text));
        verdict
    }
}

#[tokio::test]
async fn every_call_passes_its_two_points_in_order() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let recorder = Arc::new(Recorder::default());
    mint_port::install(Some(recorder.clone()));
    let shop: Port<dyn Shop> = Port::new(Arc::new(Corner));
    shop.buy("shoe", &|price| price).await.unwrap();
    shop.price("shoe").await;
    let purse = Purse::default();
    purse.pay("shop", 7).await;
    purse.spent().await;
    mint_port::install(None);
    let expected = [
        ("market.shop.buy.before", "\"shoe\""),
        ("market.shop.buy.after", "\"shoe\" Ok(7)"),
        ("market.purse.pay.before", "\"shop\" 7"),
        ("market.purse.pay.after", "\"shop\" 7 7"),
    ];
    let expected: Vec<_> =
        expected.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    assert_eq!(recorder.seen(), expected);
}

#[tokio::test]
async fn a_probe_may_stop_a_call_for_ever() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let recorder = Recorder { stops_at: Some("market.purse.pay.after"), ..Recorder::default() };
    mint_port::install(Some(Arc::new(recorder)));
    let purse = Arc::new(Purse::default());
    let paying = tokio::spawn({
        let purse = purse.clone();
        async move { purse.pay("shop", 7).await }
    });
    while purse.spent().await == 0 {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    assert!(!paying.is_finished(), "it was paid, and nobody is told");
    paying.abort();
    mint_port::install(None);
}

fn reached<'a>(port: &'static str, side: Side, text: &'a str) -> Reached<'a> {
    Reached { site: Site { service: "market", port, method: "buy" }, side, text }
}

fn armed(directory: &std::path::Path, orders: &str) -> (Armed, Arc<AtomicU32>) {
    std::fs::write(directory.join("market"), orders).expect("writable");
    let deaths = Arc::new(AtomicU32::new(0));
    let counted = deaths.clone();
    let die = Box::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    (Armed::new(directory, "market", die), deaths)
}

#[test]
fn a_point_fires_for_its_application_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (probe, deaths) = armed(directory.path(), "market.shop.buy.after app-1 password\n");
    let (own, other) = ("3f2504e0-4f89-41d3-9a0c-0305e82c3301", "3f2504e0-4f89-41d3-9a0c-0305e82c3302");
    for (side, text) in [
        (Side::Before, "ApplicationId(\"app-1\")".to_owned()),
        (Side::Before, format!("\"stups_app-1\" RotationId({own})")),
        (Side::After, "ApplicationId(\"app-12\")".to_owned()),
        (Side::After, format!("RotationId({other})")),
    ] {
        probe.reached(&reached("shop", side, &text));
        assert_eq!(deaths.load(Ordering::Relaxed), 0, "{text}");
    }
    probe.reached(&reached("shop", Side::After, &format!("RotationId({own})")));
    assert_eq!(deaths.load(Ordering::Relaxed), 1, "the rotation stood beside the application");
    let fired = std::fs::read_to_string(directory.path().join("market.fired")).unwrap();
    assert_eq!(fired, "market.shop.buy.after app-1 password\n");
}

#[test]
fn what_fired_once_does_not_fire_again() {
    let directory = tempfile::tempdir().unwrap();
    let orders = "market.shop.buy.before - one\nmarket.shop.buy.before - two\n";
    let (probe, deaths) = armed(directory.path(), orders);
    probe.reached(&reached("shop", Side::Before, ""));
    assert_eq!(deaths.load(Ordering::Relaxed), 1);
    // the next life of the process
    let (probe, deaths) = armed(directory.path(), orders);
    for _ in 0..3 {
        probe.reached(&reached("shop", Side::Before, ""));
    }
    assert_eq!(deaths.load(Ordering::Relaxed), 1, "only the second shot is left");
    std::fs::write(directory.path().join("market"), format!("{orders}market.shop.buy.before - three\n"))
        .unwrap();
    probe.reached(&reached("shop", Side::Before, ""));
    assert_eq!(deaths.load(Ordering::Relaxed), 2, "a new order is read while the process runs");
}
