use mint_statement::Removal as Permitted;

use super::*;
use crate::outcome::Overwritten;
use crate::ports::Removal;
use mint_types::RemovedDestination;

const USER: &str = "one-bucket/mint/shop/user.json";

/// A permit, signed by whomever.
pub(super) fn permit(world: &World, signer: &str, application: &str, removal: Permitted) -> Vec<u8> {
    let application = application.parse().unwrap();
    let subject = mint_statement::Subject::RemovalPermit { application, removal };
    let statement = Statement::new(subject, world.clock.now(), Duration::from_hours(24), &world.entropy);
    SignedStatement::sign(statement, &key(signer)).unwrap().to_bytes()
}

fn removal(world: &World, permitted: Permitted) -> Removal {
    Removal {
        application: "shop".parse().unwrap(),
        catalog_revision: Revision(3),
        fencing_token: FencingToken(1),
        permit: permit(world, "service/identity-provisioner", "shop", permitted),
        request: RequestId::random(&world.entropy),
    }
}

fn destinations(settings_generation: u64) -> Permitted {
    Permitted::Destinations { settings_generation }
}

fn is_tombstone(world: &World, path: &str) -> bool {
    let Some(bytes) = world.store.object(path) else { return false };
    matches!(mint_secret::parse(CredentialKind::Password, &bytes), Ok(mint_secret::Object::Tombstone))
}

fn reasons(overwritten: &Overwritten) -> Vec<(String, &'static str)> {
    let reason = |state: &LineState| match state {
        LineState::Written => "written",
        LineState::Refused(trouble) | LineState::Unknown(trouble) => trouble.reason,
        LineState::Waiting { .. } => "waiting",
    };
    let lines = overwritten.lines.iter();
    lines.map(|line| (format!("{}/{}", line.place.bucket, line.place.key), reason(&line.state))).collect()
}

fn retire(world: &World) {
    world.catalog.record.lock().unwrap().active = false;
}

impl World {
    async fn overwrite(&self, removal: &Removal) -> Overwritten {
        self.distributor.tombstone(removal).await.unwrap()
    }

    pub(super) fn settings(&self, change: impl Fn(&mut Settings)) {
        let mut record = self.catalog.record.lock().unwrap();
        change(record.settings.as_mut().unwrap());
        record.settings_generation += 1;
        record.revision.0 += 1;
    }
}

fn left(world: &World) -> Vec<String> {
    let record = world.catalog.record.lock().unwrap();
    record.removed_destinations.iter().map(|removed| removed.bucket.name.to_string()).collect()
}

#[tokio::test]
async fn the_catalog_forgets_a_removed_place_once_it_is_overwritten_and_not_before() {
    let world = world(&["kept", "gone", "closed"]).await;
    world.deliver(&world.delivery(7)).await.unwrap();
    let before = world.catalog.record.lock().unwrap().settings.clone().unwrap();
    world.settings(|settings| settings.buckets.truncate(1));
    world.state("team/team");
    {
        let mut record = world.catalog.record.lock().unwrap();
        let settings_generation = record.settings_generation;
        let never = Bucket { name: "never".parse().unwrap(), ..before.buckets[0].clone() };
        let buckets = before.buckets[1..].iter().cloned().chain([never]);
        record.removed_destinations = buckets
            .map(|bucket| RemovedDestination {
                bucket,
                account_id: before.account_id.clone(),
                key: "mint/shop/user.json".to_owned(),
                settings_generation,
                removed_at: world.clock.now(),
            })
            .collect();
    }
    world.store.will_answer("closed", refused());
    let generation = world.catalog.record.lock().unwrap().settings_generation;
    let first = world.overwrite(&removal(&world, destinations(generation))).await;
    assert!(!first.is_complete);
    assert_eq!(left(&world), ["closed"], "gone is a tombstone, never was never put");
    assert!(
        is_tombstone(&world, "gone/mint/shop/user.json") && !is_tombstone(&world, "kept/mint/shop/user.json")
    );
    let second = world.overwrite(&removal(&world, destinations(generation))).await;
    assert!(second.is_complete);
    assert!(left(&world).is_empty());
}

#[tokio::test]
async fn everything_of_a_retired_application_becomes_a_tombstone_and_a_repeat_writes_nothing() {
    let world = world(&["one-bucket", "two-bucket"]).await;
    world.deliver(&world.delivery(7)).await.unwrap();
    retire(&world);
    let removal = removal(&world, Permitted::Application);
    let first = world.overwrite(&removal).await;
    assert!(first.is_complete && first.lines.iter().all(|line| line.state == LineState::Written));
    assert!(is_tombstone(&world, USER) && is_tombstone(&world, "two-bucket/mint/shop/user.json"));
    let text = String::from_utf8(world.store.object(USER).unwrap()).unwrap();
    assert_eq!(text, format!("{{\"mint_tombstone\": true, \"since\": \"{}\"}}", world.clock.now()));
    let act = world.audit.entries().pop().unwrap();
    assert_eq!((act.act.action, act.outcome), ("destination.tombstone", Some(Outcome::Success)));
    world.clock.advance(Duration::from_hours(1));
    assert_eq!(world.overwrite(&removal).await, first);
    assert_eq!((world.store.put_count(), world.heard().len()), (4, 4));
    let old = world.reason(&world.delivery(7)).await;
    assert_eq!(old, "VERSION_SUPERSEDED", "what was removed is not put again");
}

#[tokio::test]
async fn an_application_that_an_operator_took_into_use_again_is_not_overwritten_whether_or_not_the_registry_has_it()
 {
    for presence in [Presence::Present, Presence::Held] {
        let world = world(&["one-bucket"]).await;
        world.deliver(&world.delivery(7)).await.unwrap();
        let given_before = removal(&world, Permitted::Application);
        world.catalog.record.lock().unwrap().presence = presence;
        let error = world.distributor.tombstone(&given_before).await.unwrap_err();
        assert_eq!(error.reason(), "APPLICATION_ACTIVE", "{presence:?}");
        assert!(!is_tombstone(&world, USER));
    }
}

#[tokio::test]
async fn a_removed_bucket_is_overwritten_and_the_others_are_not() {
    let world = world(&["one-bucket", "two-bucket"]).await;
    world.deliver(&world.delivery(7)).await.unwrap();
    world.settings(|settings| drop(settings.buckets.remove(0)));
    world.state("team/team");
    let overwritten = world.overwrite(&removal(&world, destinations(2))).await;
    assert_eq!(reasons(&overwritten), [(USER.to_owned(), "written")]);
    assert!(is_tombstone(&world, USER) && !is_tombstone(&world, "two-bucket/mint/shop/user.json"));
    assert!(world.deliver(&world.delivery(7)).await.unwrap().receipt.is_some(), "the version lives on");
}

#[tokio::test]
async fn another_layout_leaves_no_stale_object() {
    let world = world(&["one-bucket"]).await;
    world.deliver(&world.delivery(7)).await.unwrap();
    world.settings(|settings| settings.layout = Layout::Combined);
    let early = world.distributor.tombstone(&removal(&world, destinations(2))).await.unwrap_err();
    assert_eq!(early.reason(), "DESTINATION_UNCONFIRMED");
    world.state("team/team");
    let overwritten = world.overwrite(&removal(&world, destinations(2))).await;
    assert_eq!(reasons(&overwritten), [(USER.to_owned(), "written")]);
    world.settings(|settings| settings.layout = Layout::Split);
    world.clock.advance(Duration::from_secs(1));
    world.state("team/team");
    assert_eq!(world.reason(&world.delivery(7)).await, "VERSION_SUPERSEDED");
    assert!(world.deliver(&world.delivery(8)).await.unwrap().receipt.is_some());
}

#[tokio::test]
async fn what_moved_without_a_confirmation_stays_where_it_is() {
    let world = world(&["one-bucket"]).await;
    world.deliver(&world.delivery(7)).await.unwrap();
    world.settings(|settings| settings.buckets = vec![bucket("evil-bucket")]);
    let error = world.distributor.tombstone(&removal(&world, destinations(2))).await.unwrap_err();
    assert_eq!(error.reason(), "DESTINATION_UNCONFIRMED");
    assert!(!is_tombstone(&world, USER));
    let behind = world.distributor.tombstone(&removal(&world, destinations(9))).await.unwrap_err();
    assert_eq!(behind.reason(), "CATALOG_BEHIND");
}

#[tokio::test]
async fn what_cannot_be_reached_is_told_with_its_key_and_stops_no_other() {
    let world = world(&["bad-bucket", "one-bucket"]).await;
    world.deliver(&world.delivery(7)).await.unwrap();
    retire(&world);
    world.store.will_answer("bad-bucket", refused());
    let removal = removal(&world, Permitted::Application);
    let overwritten = world.overwrite(&removal).await;
    let expected =
        [("bad-bucket/mint/shop/user.json".to_owned(), "DESTINATION_REFUSED"), (USER.to_owned(), "written")];
    assert_eq!((reasons(&overwritten), overwritten.is_complete), (expected.to_vec(), false));
    assert!(world.overwrite(&removal).await.is_complete, "when it can be reached again");
}

#[tokio::test]
async fn no_older_write_lands_on_a_tombstone() {
    let world = world(&["one-bucket"]).await;
    world.store.will_answer("one-bucket", no_answer());
    world.deliver(&world.delivery(7)).await.unwrap();
    retire(&world);
    let removal = removal(&world, Permitted::Application);
    let early = world.overwrite(&removal).await;
    assert_eq!((reasons(&early)[0].1, early.is_complete), ("waiting", false));
    assert_eq!(world.store.put_count(), 2, "it is put early all the same");
    world.clock.advance(EXPIRY + EXPIRY_MARGIN);
    assert!(world.overwrite(&removal).await.is_complete);
    assert_eq!(world.store.put_count(), 3, "and once more when the older one can no longer land");
}

#[tokio::test]
async fn an_application_that_comes_back_gets_its_new_version_and_an_old_permit_touches_it_no_more() {
    let world = world(&["one-bucket"]).await;
    world.deliver(&world.delivery(7)).await.unwrap();
    retire(&world);
    let removal = removal(&world, Permitted::Application);
    world.store.will_answer("one-bucket", no_answer());
    world.overwrite(&removal).await;
    world.catalog.record.lock().unwrap().active = true;
    world.deliver(&world.delivery(8)).await.unwrap();
    assert!(!is_tombstone(&world, USER), "put early");
    world.clock.advance(EXPIRY + EXPIRY_MARGIN);
    assert!(world.deliver(&world.delivery(8)).await.is_ok());
    retire(&world);
    assert_eq!(world.overwrite(&removal).await.lines, [], "it covered what was there at its first use");
    assert!(!is_tombstone(&world, USER));
}

#[tokio::test]
async fn an_application_that_the_catalog_forgot_is_overwritten_all_the_same() {
    let world = world(&["one-bucket"]).await;
    world.deliver(&world.delivery(7)).await.unwrap();
    *world.catalog.fault.lock().unwrap() = Some(WireFault {
        code: Code::NotFound,
        reason: "APPLICATION_UNKNOWN".to_owned(),
        message: String::new(),
        metadata: std::collections::BTreeMap::new(),
        retry_after: None,
    });
    assert!(world.overwrite(&removal(&world, Permitted::Application)).await.is_complete);
    let error = world.distributor.tombstone(&removal(&world, destinations(1))).await.unwrap_err();
    assert_eq!(error.reason(), "APPLICATION_UNKNOWN");
}

#[tokio::test]
async fn no_tombstone_is_put_for_a_stale_lease_or_without_the_audit_log() {
    let world = world(&["one-bucket"]).await;
    let mut delivery = world.delivery(7);
    delivery.fencing_token = FencingToken(5);
    world.deliver(&delivery).await.unwrap();
    retire(&world);
    let mut ask = removal(&world, Permitted::Application);
    assert_eq!(world.distributor.tombstone(&ask).await.unwrap_err().reason(), "STALE_FENCING_TOKEN");
    ask.fencing_token = FencingToken(5);
    world.audit.set_down(true);
    assert_eq!(world.distributor.tombstone(&ask).await.unwrap_err().reason(), "AUDIT_UNAVAILABLE");
    assert_eq!(world.store.put_count(), 1);
}
