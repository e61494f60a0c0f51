use std::sync::Arc;
use std::time::Duration;

use mint_api::WireFault;
use mint_api::audit_log::{MemoryAuditLog, Outcome};
use mint_port::Port;
use mint_secret::{
    KeyRing, KeyUse, ObjectBody, Purpose, Receipt, SecretValue, Stamp, Subject, VerifyKeys, seal,
    verify_receipt,
};
use mint_statement::{DestinationSet, SignedStatement, Statement, StatementKey, TrustedKeys};
use mint_testkit::{ManualClock, SeededEntropy, TestDatabase, databases};
use mint_types::{
    Application, Bucket, Clock as _, Code, CredentialKind, FencingToken, Layout, Presence, RequestId,
    Revision, RotationId, Settings, Version, VersionId,
};

use tokio_util::task::TaskTracker;

use super::{Delivered, Distributor, Ports};
use crate::statements::Statements;

#[path = "execute/pins_tests.rs"]
mod pins;
#[path = "execute/takeover_tests.rs"]
mod takeover;
#[path = "execute/tombstone_tests.rs"]
mod tombstone;

use crate::adapters::fakes::{FakeCatalog, FakeRotatorKeys, FakeStore, FaultyAttempts};
use crate::adapters::{MIGRATIONS, SCHEMA, SqlAttempts, SqlPins, SqlTombstones};
use crate::keys::Opener;
use crate::outcome::LineState;
use crate::plan::EXPIRY_MARGIN;
use crate::ports::{Attempts, Body, Delivery, PutAnswer, SignedPut, Trouble};
use crate::{Error, answer};

const EXPIRY: Duration = Duration::from_mins(1);
const PASSWORD: &str = "mint-canary-pw-0123456789";

struct World {
    distributor: Distributor,
    clock: ManualClock,
    entropy: SeededEntropy,
    ring: Arc<KeyRing>,
    rotator: KeyRing,
    rotator_keys: Arc<FakeRotatorKeys>,
    catalog: Arc<FakeCatalog>,
    store: Arc<FakeStore>,
    attempts: Arc<FaultyAttempts<SqlAttempts>>,
    audit: MemoryAuditLog,
    background: TaskTracker,
    database: TestDatabase,
    keys: tempfile::TempDir,
}

/// The key of a signer in these tests.
fn key(signer: &str) -> StatementKey {
    let seed = [signer.bytes().fold(7, u8::wrapping_add); 32];
    StatementKey::from_seed(signer.parse().unwrap(), &seed).unwrap()
}

/// Everybody who is believed in these tests.
fn write_trusted(file: &std::path::Path) {
    let signers = ["operator/ada", "team/team", "team/other", "service/identity-provisioner"];
    let trusted = signers.map(|signer| key(signer).trusted());
    std::fs::write(file, TrustedKeys::to_text(trusted.to_vec())).unwrap();
}

fn bucket(name: &str) -> Bucket {
    Bucket { name: name.parse().unwrap(), region: None, endpoint: None, kms_key_id: None }
}

fn record(buckets: &[&str]) -> Application {
    Application {
        id: "shop".parse().unwrap(),
        team_id: "team".parse().unwrap(),
        name: "Shop".to_owned(),
        active: true,
        subtitle: String::new(),
        service_url: String::new(),
        presence: Presence::Present,
        revision: Revision(3),
        identity_revision: Revision(1),
        settings: Some(Settings {
            buckets: buckets.iter().map(|name| bucket(name)).collect(),
            account_id: Some("123456789012".parse().unwrap()),
            prefix: "mint".parse().unwrap(),
            layout: Layout::Split,
            scopes: vec![],
            redirect_url: None,
            confidential: true,
            password_period: "2h".parse().unwrap(),
            client_period: "30d".parse().unwrap(),
        }),
        settings_generation: 1,
        identity: None,
        modified_at: None,
        problems: vec![],
        destinations_statement: vec![],
        removed_destinations: vec![],
    }
}

async fn world(buckets: &[&str]) -> World {
    let clock = ManualClock::default();
    let entropy = SeededEntropy::default();
    let ring = Arc::new(
        KeyRing::in_memory(&[KeyUse::DistributorSeal, KeyUse::DistributorReceipt], &entropy).unwrap(),
    );
    let rotator = KeyRing::in_memory(&[KeyUse::RotatorSign], &entropy).unwrap();
    let rotator_keys = Arc::new(FakeRotatorKeys::default());
    *rotator_keys.keys.lock().unwrap() = rotator.published().to_vec();
    let catalog = Arc::new(FakeCatalog { record: record(buckets).into(), fault: None.into() });
    let store = Arc::new(FakeStore::default());
    let database = databases(SCHEMA, MIGRATIONS).await.remove(0);
    let attempts = Arc::new(FaultyAttempts::new(SqlAttempts::new(database.database.clone())));
    let audit = MemoryAuditLog::default();
    let keys = tempfile::tempdir().unwrap();
    let keys_file = keys.path().join("statement-keys.json");
    write_trusted(&keys_file);
    let ports = Ports {
        opener: Arc::new(Opener::new(ring.clone(), Port::new(rotator_keys.clone()), Arc::new(clock.clone()))),
        catalog: Port::new(catalog.clone()),
        attempts: Port::new(attempts.clone()),
        pins: Port::new(Arc::new(SqlPins::new(database.database.clone()))),
        tombstones: Port::new(Arc::new(SqlTombstones::new(database.database.clone()))),
        statements: Statements::new(Some(keys_file)),
        store: Port::new(store.clone()),
        audit: Port::held_by("distributor", Arc::new(audit.clone())),
        clock: Arc::new(clock.clone()),
    };
    let background = TaskTracker::new();
    let distributor =
        Distributor::new(ring.clone(), ports, String::new(), EXPIRY).with_background(background.clone());
    World {
        distributor,
        clock,
        entropy,
        ring,
        rotator,
        rotator_keys,
        catalog,
        store,
        attempts,
        audit,
        background,
        database,
        keys,
    }
}

impl World {
    fn subject(&self, version: u64) -> Subject {
        Subject {
            purpose: Purpose::Delivery,
            application: "shop".parse().unwrap(),
            kind: CredentialKind::Password,
            version: Version(version),
            version_id: VersionId::random(&self.entropy),
            rotation: RotationId::random(&SeededEntropy::new(version)),
        }
    }

    fn object(&self, subject: &Subject) -> ObjectBody {
        let stamp = Stamp { version_id: subject.version_id, issued_at: self.clock.now() };
        ObjectBody::user("stups_shop", &SecretValue::new(PASSWORD.to_owned()), stamp).unwrap()
    }

    fn sealed(&self, signer: &KeyRing, subject: &Subject, plaintext: &[u8]) -> Delivery {
        let recipient = self.ring.seal_public(KeyUse::DistributorSeal).unwrap();
        let signer = signer.signing(KeyUse::RotatorSign).unwrap();
        Delivery {
            application: "shop".parse().unwrap(),
            rotation: subject.rotation,
            catalog_revision: Revision(2),
            fencing_token: FencingToken(1),
            envelope: seal(&recipient, signer, subject.clone(), plaintext, &self.entropy).unwrap(),
            replaces: false,
            request: RequestId::random(&self.entropy),
        }
    }

    fn delivery(&self, version: u64) -> Delivery {
        let subject = self.subject(version);
        self.sealed(&self.rotator, &subject, self.object(&subject).expose())
    }

    async fn deliver(&self, delivery: &Delivery) -> Result<Delivered, Error> {
        let outcome = self.distributor.deliver(delivery).await;
        self.settled().await;
        outcome
    }

    /// Waits until the log heard of what was refused.
    async fn settled(&self) {
        self.background.close();
        self.background.wait().await;
        self.background.reopen();
    }

    async fn reason(&self, delivery: &Delivery) -> &'static str {
        self.deliver(delivery).await.unwrap_err().reason()
    }

    fn receipt(&self, delivered: &Delivered) -> Receipt {
        let keys = VerifyKeys::of(KeyUse::DistributorReceipt, self.ring.published());
        verify_receipt(&keys, delivered.receipt.as_ref().expect("a receipt")).unwrap()
    }

    fn set_buckets(&self, buckets: &[&str]) {
        *self.catalog.record.lock().unwrap() = record(buckets);
    }

    /// Lets somebody sign that the record's destinations are meant.
    fn state(&self, signer: &str) {
        let statement = self.statement();
        let signed = SignedStatement::sign(statement, &key(signer)).unwrap();
        self.catalog.record.lock().unwrap().destinations_statement = signed.to_bytes();
    }

    fn statement(&self) -> Statement {
        let record = self.catalog.record.lock().unwrap().clone();
        let settings = record.settings.as_ref().unwrap();
        let stated = |bucket: &Bucket| mint_statement::Place {
            name: bucket.name.clone(),
            region: bucket.region.clone().unwrap_or_default(),
            endpoint: bucket.endpoint.as_ref().map(|url| url.as_str().to_owned()).unwrap_or_default(),
            kms_key_id: bucket.kms_key_id.clone(),
        };
        let set = DestinationSet {
            application: record.id.clone(),
            team: record.team_id.clone(),
            account_id: settings.account_id.clone(),
            prefix: settings.prefix.clone(),
            buckets: settings.buckets.iter().map(stated).collect(),
            redirect_url: settings.redirect_url.clone(),
            kinds: settings.kinds().iter().copied().collect(),
        };
        let life = Duration::from_hours(24 * 7);
        Statement::new(mint_statement::Subject::Destinations(set), self.clock.now(), life, &self.entropy)
    }

    /// What the log heard: announcements as none, outcomes as they are.
    fn heard(&self) -> Vec<Option<Outcome>> {
        self.audit.entries().into_iter().map(|entry| entry.outcome).collect()
    }
}

fn no_answer() -> PutAnswer {
    PutAnswer::Unknown(answer::unknown("no answer", None))
}

fn refused() -> PutAnswer {
    PutAnswer::Refused(Trouble {
        reason: "DESTINATION_REFUSED",
        detail: "the store answered 403 AccessDenied".to_owned(),
        next_action: "allow it",
        retry_after: None,
    })
}

#[tokio::test]
async fn a_delivery_writes_every_destination_and_signs_a_receipt() {
    let world = world(&["one-bucket", "two-bucket"]).await;
    let subject = world.subject(7);
    let object = world.object(&subject);
    let delivery = world.sealed(&world.rotator, &subject, object.expose());
    let delivered = world.deliver(&delivery).await.unwrap();
    assert!(delivered.lines.iter().all(|line| line.state == LineState::Written));
    for path in ["one-bucket/mint/shop/user.json", "two-bucket/mint/shop/user.json"] {
        assert_eq!(world.store.object(path).as_deref(), Some(object.expose()), "{path}: exactly these bytes");
    }
    let receipt = world.receipt(&delivered);
    assert_eq!((receipt.version, receipt.rotation), (Version(7), subject.rotation));
    assert_eq!((receipt.catalog_revision, receipt.destinations.len()), (Revision(3), 2));
    assert_eq!(world.heard(), [None, Some(Outcome::Success)]);
    let act = world.audit.entries()[0].act.clone();
    assert_eq!(act.resource, "one-bucket/mint/shop/user.json two-bucket/mint/shop/user.json");
}

#[tokio::test]
async fn a_repeated_delivery_writes_nothing_and_answers_the_same() {
    let world = world(&["one-bucket"]).await;
    let delivery = world.delivery(7);
    let first = world.deliver(&delivery).await.unwrap();
    let second = world.deliver(&delivery).await.unwrap();
    assert_eq!(first, second);
    assert_eq!((world.store.put_count(), world.heard().len()), (1, 2));
}

#[tokio::test]
async fn an_unsigned_envelope_is_refused() {
    let world = world(&["one-bucket"]).await;
    let stranger = KeyRing::in_memory(&[KeyUse::RotatorSign], &SeededEntropy::new(99)).unwrap();
    let subject = world.subject(7);
    let forged = world.sealed(&stranger, &subject, world.object(&subject).expose());
    assert_eq!(world.reason(&forged).await, "ENVELOPE_INVALID");
    let mut changed = world.delivery(7);
    changed.envelope[40] ^= 1;
    assert_eq!(world.reason(&changed).await, "ENVELOPE_INVALID");
    assert_eq!(world.store.put_count(), 0);
    assert_eq!(
        world.heard(),
        [None, Some(Outcome::Failure { reason: "ENVELOPE_INVALID" })],
        "the same one once"
    );
}

#[tokio::test]
async fn keys_are_asked_for_again_when_an_envelope_names_an_unknown_one() {
    let world = world(&["one-bucket"]).await;
    world.deliver(&world.delivery(6)).await.unwrap();
    world.deliver(&world.delivery(7)).await.unwrap();
    assert_eq!(*world.rotator_keys.calls.lock().unwrap(), 1);
    let next = KeyRing::in_memory(&[KeyUse::RotatorSign], &SeededEntropy::new(99)).unwrap();
    world.rotator_keys.keys.lock().unwrap().extend(next.published().to_vec());
    world.clock.advance(Duration::from_secs(2));
    let subject = world.subject(8);
    world.deliver(&world.sealed(&next, &subject, world.object(&subject).expose())).await.unwrap();
    assert_eq!(*world.rotator_keys.calls.lock().unwrap(), 2);
}

#[tokio::test]
async fn remembered_keys_serve_while_the_rotator_is_down_and_without_any_nothing_is_opened() {
    let world = world(&["one-bucket"]).await;
    let keys = std::mem::take(&mut *world.rotator_keys.keys.lock().unwrap());
    assert_eq!(world.reason(&world.delivery(7)).await, "ROTATOR_UNAVAILABLE");
    *world.rotator_keys.keys.lock().unwrap() = keys;
    world.deliver(&world.delivery(7)).await.unwrap();
    world.rotator_keys.keys.lock().unwrap().clear();
    world.clock.advance(Duration::from_hours(1));
    assert!(world.deliver(&world.delivery(8)).await.unwrap().receipt.is_some());
}

#[tokio::test]
async fn an_envelope_of_another_application_is_refused() {
    let world = world(&["one-bucket"]).await;
    let other = Subject { application: "shopkeeper".parse().unwrap(), ..world.subject(7) };
    let delivery = world.sealed(&world.rotator, &other, world.object(&other).expose());
    assert_eq!(world.reason(&delivery).await, "ENVELOPE_INVALID");
    let mut redirected = world.delivery(7);
    redirected.rotation = RotationId::random(&world.entropy);
    assert_eq!(world.reason(&redirected).await, "ENVELOPE_INVALID");
    let probe = Subject { purpose: Purpose::Probe, ..world.subject(7) };
    let delivery = world.sealed(&world.rotator, &probe, world.object(&probe).expose());
    assert_eq!(world.reason(&delivery).await, "ENVELOPE_INVALID");
    assert_eq!(world.store.put_count(), 0);
}

#[tokio::test]
async fn what_is_no_credential_is_refused() {
    let world = world(&["one-bucket"]).await;
    let tombstone = "{\"mint_tombstone\": true, \"since\": \"2026-11-22T00:00:00Z\"}";
    for rubbish in ["[]", "{}", "{\"client_id\": \"x\", \"client_secret\": \"y\"}", tombstone] {
        let subject = world.subject(7);
        let delivery = world.sealed(&world.rotator, &subject, rubbish.as_bytes());
        assert_eq!(world.reason(&delivery).await, "ENVELOPE_INVALID", "{rubbish}");
    }
    assert_eq!(world.store.put_count(), 0);
}

#[tokio::test]
async fn an_envelope_for_a_key_that_is_gone_is_unopenable() {
    let world = world(&["one-bucket"]).await;
    let gone = KeyRing::in_memory(&[KeyUse::DistributorSeal], &SeededEntropy::new(99)).unwrap();
    let subject = world.subject(7);
    let mut delivery = world.delivery(7);
    delivery.envelope = seal(
        &gone.seal_public(KeyUse::DistributorSeal).unwrap(),
        world.rotator.signing(KeyUse::RotatorSign).unwrap(),
        subject.clone(),
        world.object(&subject).expose(),
        &world.entropy,
    )
    .unwrap();
    assert_eq!(world.reason(&delivery).await, "ENVELOPE_UNOPENABLE");
}

#[tokio::test]
async fn the_directory_comes_from_the_associated_data_and_the_catalog() {
    let world = world(&["one-bucket"]).await;
    {
        let mut record = world.catalog.record.lock().unwrap();
        record.settings.as_mut().unwrap().prefix = "a/b".parse().unwrap();
    }
    let delivered = world.deliver(&world.delivery(7)).await.unwrap();
    assert_eq!(delivered.lines[0].place.key, "a/b/shop/user.json");
    assert!(world.store.object("one-bucket/a/b/shop/user.json").is_some());
}

#[tokio::test]
async fn another_record_than_the_wanted_one_is_refused() {
    let world = world(&["one-bucket"]).await;
    world.catalog.record.lock().unwrap().id = "shopkeeper".parse().unwrap();
    assert_eq!(world.reason(&world.delivery(7)).await, "CATALOG_UNAVAILABLE");
    let behind = WireFault {
        code: Code::FailedPrecondition,
        reason: "CATALOG_BEHIND".to_owned(),
        message: String::new(),
        metadata: std::collections::BTreeMap::new(),
        retry_after: None,
    };
    *world.catalog.fault.lock().unwrap() = Some(behind);
    assert_eq!(world.reason(&world.delivery(7)).await, "CATALOG_BEHIND");
    assert_eq!(world.store.put_count(), 0);
}

#[tokio::test]
async fn without_a_bucket_nothing_is_attested() {
    let world = world(&[]).await;
    assert_eq!(world.reason(&world.delivery(7)).await, "NO_DESTINATION");
    world.catalog.record.lock().unwrap().settings = None;
    assert_eq!(world.reason(&world.delivery(7)).await, "NO_DESTINATION");
    assert!(world.heard().is_empty());
}

#[tokio::test]
async fn a_kind_that_the_settings_do_not_ask_for_does_not_replace_another_kinds_object() {
    let world = world(&["one-bucket"]).await;
    let subject = Subject { kind: CredentialKind::Client, ..world.subject(7) };
    let secret = SecretValue::new(PASSWORD.to_owned());
    let stamp = Stamp { version_id: subject.version_id, issued_at: world.clock.now() };
    let confidential = ObjectBody::client("id", Some(&secret), stamp).unwrap();
    let kept = world.sealed(&world.rotator, &subject, confidential.expose());
    world.deliver(&kept).await.unwrap();

    world.catalog.record.lock().unwrap().settings.as_mut().unwrap().confidential = false;
    let of_today = world.deliver(&kept).await.unwrap();
    assert!(of_today.receipt.is_some(), "nobody signed for another kind: this one is in force");
    world.state("team/team");
    let subject = Subject { kind: CredentialKind::PublicClient, ..world.subject(8) };
    let public = ObjectBody::client("id", None, stamp).unwrap();
    world.deliver(&world.sealed(&world.rotator, &subject, public.expose())).await.unwrap();

    assert_eq!(world.reason(&kept).await, "SETTINGS_CHANGED");
    assert_eq!(world.store.object("one-bucket/mint/shop/client.json").as_deref(), Some(public.expose()));
}

#[tokio::test]
async fn one_refusing_destination_withholds_the_receipt_and_stops_no_other() {
    let world = world(&["bad-bucket", "good-bucket"]).await;
    world.store.will_answer("bad-bucket", refused());
    let delivery = world.delivery(7);
    let delivered = world.deliver(&delivery).await.unwrap();
    assert_eq!(delivered.receipt, None);
    assert!(
        matches!(&delivered.lines[0].state, LineState::Refused(trouble) if trouble.reason == "DESTINATION_REFUSED")
    );
    assert_eq!(delivered.lines[1].state, LineState::Written);
    let reason = "DESTINATION_REFUSED";
    assert_eq!(world.heard(), [None, Some(Outcome::Unknown { reason })], "it had some effect");
    let repaired = world.deliver(&delivery).await.unwrap();
    assert!(repaired.receipt.is_some());
    assert_eq!(world.store.put_count(), 3, "the good one is not written again");
}

#[tokio::test]
async fn a_delivery_that_is_refused_everywhere_is_a_failure_without_effect() {
    let world = world(&["bad-bucket"]).await;
    world.store.will_answer("bad-bucket", refused());
    world.deliver(&world.delivery(7)).await.unwrap();
    let reason = "DESTINATION_REFUSED";
    assert_eq!(world.heard(), [None, Some(Outcome::Failure { reason })]);
}

#[tokio::test]
async fn destinations_are_written_side_by_side() {
    let world = world(&["one-bucket", "two-bucket", "three-bucket"]).await;
    *world.store.meet.lock().unwrap() = Some(Arc::new(tokio::sync::Barrier::new(3)));
    let delivery = world.delivery(7);
    let delivered = tokio::time::timeout(Duration::from_secs(10), world.deliver(&delivery)).await;
    assert!(delivered.expect("they wait for each other").unwrap().receipt.is_some());
}

#[tokio::test]
async fn a_new_bucket_is_filled_by_repeating_the_delivery() {
    let world = world(&["one-bucket"]).await;
    let delivery = world.delivery(7);
    world.deliver(&delivery).await.unwrap();
    world.set_buckets(&["one-bucket", "two-bucket"]);
    world.state("operator/ada");
    let delivered = world.deliver(&delivery).await.unwrap();
    assert_eq!(world.receipt(&delivered).destinations.len(), 2);
    assert_eq!(world.store.put_count(), 2);
}

#[tokio::test]
async fn an_older_version_is_refused() {
    let world = world(&["one-bucket"]).await;
    let older = world.delivery(6);
    world.deliver(&world.delivery(7)).await.unwrap();
    assert_eq!(world.reason(&older).await, "VERSION_SUPERSEDED");
    world.set_buckets(&["two-bucket"]);
    assert_eq!(world.reason(&older).await, "VERSION_SUPERSEDED", "also where the newer was never written");
    let mut same_number = world.subject(7);
    same_number.rotation = RotationId::random(&world.entropy);
    let delivery = world.sealed(&world.rotator, &same_number, world.object(&same_number).expose());
    assert_eq!(world.reason(&delivery).await, "ENVELOPE_INVALID");
}

#[tokio::test]
async fn a_stale_fencing_token_is_refused() {
    let world = world(&["one-bucket"]).await;
    let mut delivery = world.delivery(7);
    delivery.fencing_token = FencingToken(5);
    world.deliver(&delivery).await.unwrap();
    delivery.fencing_token = FencingToken(4);
    assert_eq!(world.reason(&delivery).await, "STALE_FENCING_TOKEN");
    delivery.fencing_token = FencingToken(6);
    world.deliver(&delivery).await.unwrap();
    delivery.fencing_token = FencingToken(5);
    assert_eq!(
        world.reason(&delivery).await,
        "STALE_FENCING_TOKEN",
        "also after a delivery that wrote nothing"
    );
}

#[tokio::test]
async fn nothing_is_sent_when_the_audit_log_is_down() {
    let world = world(&["one-bucket"]).await;
    world.audit.set_down(true);
    assert_eq!(world.reason(&world.delivery(7)).await, "AUDIT_UNAVAILABLE");
    assert_eq!(world.store.put_count(), 0);
}

#[tokio::test]
async fn nothing_is_sent_when_the_state_refuses() {
    let world = world(&["one-bucket"]).await;
    *world.attempts.begin_fails.lock().unwrap() = true;
    assert_eq!(world.reason(&world.delivery(7)).await, "STATE_UNAVAILABLE");
    assert_eq!(world.store.put_count(), 0);
    let reason = "STATE_UNAVAILABLE";
    assert_eq!(world.heard(), [None, Some(Outcome::Failure { reason })]);
}

#[tokio::test]
async fn what_the_state_could_not_remember_is_written_again_and_never_attested() {
    let world = world(&["one-bucket"]).await;
    let delivery = world.delivery(7);
    *world.attempts.answer_fails.lock().unwrap() = true;
    assert_eq!(world.reason(&delivery).await, "STATE_UNAVAILABLE");
    *world.attempts.answer_fails.lock().unwrap() = false;
    assert!(world.deliver(&delivery).await.unwrap().receipt.is_some());
    assert_eq!(world.store.put_count(), 2);
}

#[tokio::test]
async fn what_the_audit_log_did_not_hear_of_is_written_and_said_once_more() {
    let world = world(&["one-bucket"]).await;
    let delivery = world.delivery(7);
    let audit = world.audit.clone();
    *world.store.on_put.lock().unwrap() = Some(Box::new(move |_| audit.set_down(true)));
    assert_eq!(world.reason(&delivery).await, "AUDIT_UNAVAILABLE");
    *world.store.on_put.lock().unwrap() = None;
    world.audit.set_down(false);
    assert!(world.deliver(&delivery).await.unwrap().receipt.is_some());
    assert_eq!(world.heard(), [None, None, Some(Outcome::Success)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_put_is_announced_and_durable_before_it_is_sent() {
    let world = world(&["one-bucket", "two-bucket"]).await;
    let (audit, database) = (world.audit.clone(), world.database.database.clone());
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = seen.clone();
    *world.store.on_put.lock().unwrap() = Some(Box::new(move |_| {
        let count = "SELECT COUNT(*) AS attempts FROM attempt WHERE outcome IS NULL";
        let rows = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(database.query(count, &[])).unwrap()
        });
        noted.lock().unwrap().push((audit.entries().len(), rows[0].integer("attempts").unwrap()));
    }));
    world.deliver(&world.delivery(7)).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [(1, 2), (1, 2)]);
}

#[tokio::test]
async fn an_unanswered_put_is_repeated_at_once_when_only_the_same_bytes_can_land() {
    let world = world(&["one-bucket"]).await;
    world.store.will_answer("one-bucket", no_answer());
    let delivery = world.delivery(7);
    let delivered = world.deliver(&delivery).await.unwrap();
    assert!(matches!(&delivered.lines[0].state,
        LineState::Unknown(trouble) if trouble.reason == "DESTINATION_UNKNOWN_OUTCOME"));
    assert_eq!(delivered.receipt, None);
    let reason = "DESTINATION_UNKNOWN_OUTCOME";
    assert_eq!(world.heard(), [None, Some(Outcome::Unknown { reason })]);
    assert!(world.deliver(&delivery).await.unwrap().receipt.is_some());
}

#[tokio::test]
async fn after_an_unanswered_older_put_the_newer_is_put_once_more_when_the_older_can_no_longer_land() {
    let world = world(&["one-bucket", "two-bucket"]).await;
    world.store.will_answer("one-bucket", no_answer());
    world.deliver(&world.delivery(6)).await.unwrap();
    world.clock.advance(Duration::from_secs(10));
    let newer = world.delivery(7);
    let early = world.deliver(&newer).await.unwrap();
    let retry_after = (EXPIRY + EXPIRY_MARGIN).saturating_sub(Duration::from_secs(10));
    assert_eq!(early.lines[0].state, LineState::Waiting { retry_after });
    assert_eq!((&early.lines[1].state, &early.receipt), (&LineState::Written, &None));
    assert_eq!(world.store.put_count(), 4, "both are put early");
    let still = world.deliver(&newer).await.unwrap();
    assert_eq!((still.receipt, world.store.put_count()), (None, 4), "waiting writes nothing");
    world.clock.advance(retry_after);
    let settled = world.deliver(&newer).await.unwrap();
    assert!(settled.receipt.is_some());
    assert_eq!(world.store.puts.lock().unwrap().last().unwrap(), "one-bucket/mint/shop/user.json");
    assert_eq!(world.store.put_count(), 5, "only the endangered one is put once more");
}

#[tokio::test]
async fn without_aws_credentials_no_attempt_is_made_and_the_detail_names_sts() {
    let world = world(&["one-bucket"]).await;
    *world.store.unsignable.lock().unwrap() = Some(answer::no_credentials("STS: no answer"));
    let delivery = world.delivery(7);
    let delivered = world.deliver(&delivery).await.unwrap();
    assert!(matches!(&delivered.lines[0].state,
        LineState::Refused(trouble) if trouble.reason == "DESTINATION_UNREACHABLE" && trouble.detail.contains("STS")));
    assert!(world.heard().is_empty());
    *world.store.unsignable.lock().unwrap() = None;
    assert!(world.deliver(&delivery).await.unwrap().receipt.is_some());
}

#[tokio::test]
async fn callers_of_the_same_delivery_take_turns() {
    let world = world(&["one-bucket"]).await;
    let delivery = world.delivery(7);
    let (one, two) = tokio::join!(world.deliver(&delivery), world.deliver(&delivery));
    assert_eq!(one.unwrap().receipt, two.unwrap().receipt);
    assert_eq!(world.store.put_count(), 1);
}

#[tokio::test]
async fn old_attempts_do_not_pile_up() {
    let world = world(&["one-bucket"]).await;
    for version in 1..=20 {
        world.deliver(&world.delivery(version)).await.unwrap();
    }
    let rows = world.database.database.query("SELECT COUNT(*) AS attempts FROM attempt", &[]).await.unwrap();
    assert_eq!(rows[0].integer("attempts").unwrap(), 1);
}

#[tokio::test]
async fn nothing_that_can_be_printed_shows_the_object() {
    let world = world(&["one-bucket"]).await;
    let delivery = world.delivery(7);
    let (_, plaintext) = world
        .distributor
        .ports
        .opener
        .open(&delivery.envelope, &delivery.application, delivery.rotation)
        .await
        .unwrap();
    let body = Body::new(plaintext);
    assert!(String::from_utf8(body.expose().to_vec()).unwrap().contains("canary"));
    let delivered = world.deliver(&delivery).await.unwrap();
    let put = SignedPut {
        url: "https://x/?X-Amz-Signature=canary".to_owned(),
        headers: http::HeaderMap::new(),
        has_opaque_etag: false,
    };
    let rows = world.attempts.inner.read(&claim_of(&world, &delivery)).await.unwrap();
    for shown in [
        format!("{body:?}"),
        format!("{put:?}"),
        format!("{delivered:?}"),
        format!("{:?}", world.distributor),
        format!("{:?}", world.audit.entries()),
        format!("{rows:?}"),
    ] {
        assert!(!shown.contains("canary"), "{shown}");
    }
}

fn claim_of(world: &World, delivery: &Delivery) -> crate::ports::Claim {
    let aad = mint_secret::peek(&delivery.envelope).unwrap();
    let record = world.catalog.record.lock().unwrap().clone();
    world.distributor.task(delivery, &aad, &record).unwrap().claim
}

#[tokio::test]
async fn one_written_destination_of_a_replaced_version_is_attested_at_once_whatever_the_others_answer() {
    let world = world(&["one-bucket", "two-bucket"]).await;
    world.store.will_answer("two-bucket", refused());
    let delivery = Delivery { replaces: true, ..world.delivery(7) };
    let delivered = world.deliver(&delivery).await.unwrap();
    assert_eq!(delivered.receipt, None);
    let keys = VerifyKeys::of(KeyUse::DistributorReceipt, world.ring.published());
    let partial = delivered.partial.expect("one destination has it");
    let mint_secret::Evidence::Partial(partial) = mint_secret::verify_evidence(&keys, &partial).unwrap()
    else {
        panic!("it is for some destinations only");
    };
    let buckets: Vec<&str> = partial.destinations.iter().map(|written| written.bucket.as_str()).collect();
    assert_eq!((buckets, partial.version), (vec!["one-bucket"], Version(7)));
    assert_eq!(partial.first_written_at, world.clock.now());
    world.store.will_answer("two-bucket", refused());
    let unasked = world.deliver(&Delivery { replaces: false, ..delivery }).await.unwrap();
    assert_eq!((unasked.receipt, unasked.partial), (None, None), "nobody else has a use for it");
}

#[tokio::test]
async fn a_replaced_version_is_written_nowhere_before_nothing_older_can_land_anywhere() {
    let world = world(&["one-bucket", "two-bucket"]).await;
    world.store.will_answer("two-bucket", no_answer());
    world.deliver(&world.delivery(6)).await.unwrap();
    let puts = world.store.put_count();
    let delivery = Delivery { replaces: true, ..world.delivery(7) };
    let delivered = world.deliver(&delivery).await.unwrap();
    assert_eq!((world.store.put_count(), delivered.partial), (puts, None));
    assert!(delivered.lines.iter().all(|line| matches!(line.state, LineState::Waiting { .. })));
    world.clock.advance(EXPIRY + crate::plan::EXPIRY_MARGIN);
    let delivered = world.deliver(&delivery).await.unwrap();
    assert!(delivered.receipt.is_some() && delivered.partial.is_none());
}

#[tokio::test]
async fn a_clock_that_jumps_neither_shortens_nor_lengthens_the_fear_of_an_unanswered_write() {
    let hour = Duration::from_hours(1);
    let life = EXPIRY + crate::plan::EXPIRY_MARGIN;
    for forward in [true, false] {
        let world = world(&["one-bucket"]).await;
        let begun = world.clock.now();
        if !forward {
            world.clock.set(begun.plus(hour));
        }
        world.store.will_answer("one-bucket", no_answer());
        world.deliver(&world.delivery(6)).await.unwrap();
        world.clock.set(if forward { begun.plus(hour) } else { begun });
        let next = world.delivery(7);
        let delivered = world.deliver(&next).await.unwrap();
        assert_eq!(delivered.receipt, None, "forward: {forward}; the older one may still land");
        world.clock.advance(life.saturating_sub(Duration::from_secs(1)));
        assert_eq!(world.deliver(&next).await.unwrap().receipt, None, "forward: {forward}");
        world.clock.advance(Duration::from_secs(1));
        assert!(world.deliver(&next).await.unwrap().receipt.is_some(), "forward: {forward}; and no longer");
    }
}
