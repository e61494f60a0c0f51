use std::path::Path;
use std::sync::Mutex;

use async_trait::async_trait;
use mint_testkit::{ManualClock, SeededEntropy};

use super::*;

#[derive(Debug, Clone, Default)]
struct FakeCoordinator {
    heard: Arc<Mutex<Vec<Statement>>>,
    refuses: Arc<Mutex<Option<Refused>>>,
}

#[async_trait]
impl Coordinator for FakeCoordinator {
    async fn report(&self, said: &Statement) -> Result<(), Refused> {
        self.heard.lock().unwrap().push(said.clone());
        let refuses = self.refuses.lock().unwrap().clone();
        refuses.map_or(Ok(()), Err)
    }
}

fn reporter(interval: u64) -> (Reporter, FakeCoordinator, ManualClock) {
    let (coordinator, clock) = (FakeCoordinator::default(), ManualClock::default());
    let reporter = Reporter::new(
        Box::new(coordinator.clone()),
        "web-1".into(),
        Duration::from_secs(interval),
        Arc::new(clock.clone()),
        Arc::new(SeededEntropy::new(1)),
    );
    (reporter, coordinator, clock)
}

fn held() -> Vec<Held> {
    [CredentialKind::Password, CredentialKind::Client]
        .map(|kind| Held { kind, version_id: format!("of {kind}") })
        .to_vec()
}

#[tokio::test]
async fn every_poll_reports_each_file_with_a_higher_sequence() {
    let (mut reporter, coordinator, clock) = reporter(120);
    for _ in 0..3 {
        reporter.tell(&held()).await;
    }
    clock.advance(Duration::from_secs(5));
    reporter.tell(&held()).await;
    let heard = coordinator.heard.lock().unwrap();
    assert_eq!(heard.len(), 8);
    assert!(heard.is_sorted_by(|one, next| one.sequence < next.sequence));
    assert_eq!(heard[1].version_id, "of client");
    assert_eq!((heard[0].instance.as_str(), heard[0].poll_interval.as_secs()), ("web-1", 120));
}

#[tokio::test]
async fn a_refused_report_is_repeated_after_a_pause_and_not_before() {
    let (mut reporter, coordinator, clock) = reporter(1);
    *coordinator.refuses.lock().unwrap() = Some(Refused::unanswered());
    for _ in 0..200 {
        reporter.tell(&held()).await;
        clock.advance(Duration::from_secs(1));
    }
    let tries = coordinator.heard.lock().unwrap().len() / 2;
    assert!((5..30).contains(&tries), "{tries} tries in 200 s");
    *coordinator.refuses.lock().unwrap() = None;
    clock.advance(LONGEST_PAUSE);
    for _ in 0..3 {
        reporter.tell(&held()).await;
    }
    assert_eq!(coordinator.heard.lock().unwrap().len() / 2, tries + 3, "then every poll again");
}

#[tokio::test]
async fn a_clock_that_was_set_back_is_made_up_for() {
    let (mut reporter, coordinator, clock) = reporter(120);
    let ahead = u64::try_from(clock.now().unix_micros()).unwrap() + 3_600_000_000;
    let refused = Refused { last_sequence: Some(ahead), ..Refused::unanswered() };
    *coordinator.refuses.lock().unwrap() = Some(refused);
    reporter.tell(&held()[..1]).await;
    *coordinator.refuses.lock().unwrap() = None;
    clock.advance(LONGEST_PAUSE * 3);
    reporter.tell(&held()[..1]).await;
    assert!(coordinator.heard.lock().unwrap()[1].sequence > ahead);
}

#[test]
fn an_instance_is_named_by_its_machine_and_its_directory() {
    let name = instance_of("web 7/eu\n", Path::new("/meta/credentials"));
    assert!(name.starts_with("web-7-eu+") && name.len() == "web-7-eu+".len() + 16, "{name}");
    assert_ne!(name, instance_of("web 7/eu", Path::new("/meta/other")));
    assert_eq!(name, instance_of("web 7/eu", Path::new("/meta/credentials")));
    assert!(instance_of("", Path::new("/")).starts_with("unnamed+"));
    assert!(instance_of(&"x".repeat(300), Path::new("/")).len() <= 128);
}

#[test]
fn what_is_held_is_named_by_the_version_in_the_object() {
    let parse = |kind, text: &str| held_by(kind, &mint_secret::parse(kind, text.as_bytes()).unwrap());
    let client = CredentialKind::Client;
    let of = |kind| Some(Held { kind, version_id: "v".into() });
    assert_eq!(parse(client, r#"{"client_id": "c", "client_secret": "s", "version": "v"}"#), of(client));
    let public = r#"{"client_id": "c", "client_secret": null, "version": "v"}"#;
    assert_eq!(parse(client, public), of(CredentialKind::PublicClient));
    assert_eq!(parse(client, r#"{"client_id": "c", "client_secret": "s"}"#), None, "an older writer's");
}
