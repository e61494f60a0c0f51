//! DESIGN section 5, the takeover table: what a hostile coordinator or registry-sync asks for is refused, and the audit
//! log has it.

use super::tombstone::permit;
use super::*;
use crate::ports::Removal;

/// The last act in the log and its outcome.
async fn last(world: &World) -> (&'static str, Option<Outcome>) {
    world.settled().await;
    let entry = world.audit.entries().pop().unwrap();
    (entry.act.action, entry.outcome)
}

async fn refused_and_told(world: &World, delivery: &Delivery, reason: &'static str) {
    let puts = world.store.put_count();
    assert_eq!(world.reason(delivery).await, reason);
    assert_eq!(last(world).await, ("credential.deliver", Some(Outcome::Failure { reason })));
    assert_eq!(world.store.put_count(), puts, "{reason}");
}

#[tokio::test]
async fn a_hostile_coordinator_delivers_nothing_old_forged_or_of_somebody_else() {
    let world = world(&["one-bucket"]).await;
    let old = world.delivery(6);
    world.deliver(&world.delivery(7)).await.unwrap();
    refused_and_told(&world, &old, "VERSION_SUPERSEDED").await;
    let other = Subject { application: "shopkeeper".parse().unwrap(), ..world.subject(8) };
    let strangers = world.sealed(&world.rotator, &other, world.object(&other).expose());
    refused_and_told(&world, &strangers, "ENVELOPE_INVALID").await;
    let forger = KeyRing::in_memory(&[KeyUse::RotatorSign], &SeededEntropy::new(99)).unwrap();
    let subject = world.subject(8);
    let forged = world.sealed(&forger, &subject, world.object(&subject).expose());
    refused_and_told(&world, &forged, "ENVELOPE_INVALID").await;
}

#[tokio::test]
async fn a_hostile_registry_redirects_nothing() {
    let world = world(&["one-bucket"]).await;
    world.deliver(&world.delivery(6)).await.unwrap();
    world.state("team/team");
    let genuine = world.catalog.record.lock().unwrap().destinations_statement.clone();
    world.deliver(&world.delivery(7)).await.unwrap();
    let reason = "DESTINATION_UNCONFIRMED";
    let redirect = |statement: Vec<u8>| {
        let mut record = record(&["evil-bucket"]);
        record.destinations_statement = statement;
        *world.catalog.record.lock().unwrap() = record;
    };
    redirect(vec![]);
    let by_stranger = SignedStatement::sign(world.statement(), &key("team/other")).unwrap().to_bytes();
    let by_nobody = SignedStatement::sign(world.statement(), &key("operator/mallory")).unwrap().to_bytes();
    for (version, statement) in (8..).zip([vec![], genuine, by_stranger, by_nobody, b"{}".to_vec()]) {
        redirect(statement);
        let delivered = world.deliver(&world.delivery(version)).await.unwrap();
        assert!(matches!(&delivered.lines[0].state, LineState::Refused(trouble) if trouble.reason == reason));
        assert_eq!(delivered.receipt, None);
    }
    assert!(world.store.puts.lock().unwrap().iter().all(|put| put.starts_with("one-bucket/")));
    let refused = Some(Outcome::Failure { reason });
    let entries = world.audit.entries();
    assert!(entries.iter().any(|entry| entry.act.action == "destination.change" && entry.outcome == refused));
}

#[tokio::test]
async fn a_hostile_coordinator_overwrites_nothing_without_the_provisioners_permit() {
    use mint_statement::Removal as Permitted;
    let world = world(&["one-bucket"]).await;
    world.deliver(&world.delivery(6)).await.unwrap();
    let ask = |permit: Vec<u8>| Removal {
        application: "shop".parse().unwrap(),
        catalog_revision: Revision(3),
        fencing_token: FencingToken(9),
        permit,
        request: RequestId::random(&world.entropy),
    };
    let anybodys = permit(&world, "operator/ada", "shop", Permitted::Application);
    let another = permit(&world, "service/identity-provisioner", "shopkeeper", Permitted::Application);
    let genuine = permit(&world, "service/identity-provisioner", "shop", Permitted::Application);
    for (permit, reason) in [
        (b"{}".to_vec(), "STATEMENT_MALFORMED"),
        (anybodys, "STATEMENT_SIGNERS_MISSING"),
        (another, "STATEMENT_MISMATCH"),
        (genuine, "APPLICATION_ACTIVE"),
    ] {
        let error = world.distributor.tombstone(&ask(permit)).await.unwrap_err();
        assert_eq!(error.reason(), reason);
        assert_eq!(last(&world).await, ("destination.tombstone", Some(Outcome::Failure { reason })));
    }
    assert_eq!(world.store.put_count(), 1);
}

#[tokio::test]
async fn a_hostile_registry_gains_nothing_by_a_restored_backup_without_the_pins() {
    let World { distributor, .. } = world(&[]).await;
    let mut world = world(&["one-bucket"]).await;
    world.state("team/team");
    let old = world.catalog.record.lock().unwrap().destinations_statement.clone();
    world.clock.advance(Duration::from_secs(1));
    let lost_at = Some(world.clock.now());
    world.distributor = std::mem::replace(&mut world.distributor, distributor).after_lost_writes(lost_at);
    for statement in [vec![], old] {
        world.catalog.record.lock().unwrap().destinations_statement = statement;
        let delivered = world.deliver(&world.delivery(7)).await.unwrap();
        assert_eq!((delivered.receipt, world.store.put_count()), (None, 0));
    }
    // whom the catalog names is not the owner because the catalog says so: its word is as good as the catalog's
    for _ in 0..2 {
        world.clock.advance(Duration::from_secs(1));
        world.state("team/team");
        let delivered = world.deliver(&world.delivery(7)).await.unwrap();
        assert_eq!((delivered.receipt.clone(), world.store.put_count()), (None, 0));
        let LineState::Refused(trouble) = &delivered.lines[0].state else { panic!("{delivered:?}") };
        assert!(trouble.detail.contains("an operator, or a day"), "{}", trouble.detail);
    }
    world.clock.advance(Duration::from_secs(1));
    world.state("operator/ada");
    assert!(world.deliver(&world.delivery(7)).await.unwrap().receipt.is_some());
}

#[tokio::test]
async fn a_hostile_registry_chooses_no_key_that_objects_are_encrypted_with() {
    let world = world(&["one-bucket"]).await;
    world.deliver(&world.delivery(6)).await.unwrap();
    let key = Some("alias/evil".to_owned());
    world.catalog.record.lock().unwrap().settings.as_mut().unwrap().buckets[0].kms_key_id = key;
    let delivered = world.deliver(&world.delivery(7)).await.unwrap();
    assert!(matches!(&delivered.lines[0].state,
        LineState::Refused(trouble) if trouble.detail.contains("alias/evil")));
    assert_eq!((delivered.receipt, world.store.put_count()), (None, 2), "and it is written as before");
    world.state("team/team");
    assert!(world.deliver(&world.delivery(8)).await.unwrap().receipt.is_some());
}

#[tokio::test]
async fn a_hostile_registry_with_one_teams_key_makes_that_team_no_owner() {
    let world = world(&["one-bucket"]).await;
    world.deliver(&world.delivery(6)).await.unwrap();
    *world.catalog.record.lock().unwrap() = record(&["evil-bucket"]);
    world.catalog.record.lock().unwrap().team_id = "other".parse().unwrap();
    world.state("team/other");
    let delivered = world.deliver(&world.delivery(7)).await.unwrap();
    assert!(matches!(&delivered.lines[0].state,
        LineState::Refused(trouble) if trouble.reason == "DESTINATION_UNCONFIRMED"));
    assert_eq!((delivered.receipt, world.store.put_count()), (None, 1));
}

#[tokio::test]
async fn a_hostile_registry_cuts_no_reader_off_by_taking_a_bucket_away() {
    use mint_statement::Removal as Permitted;
    let world = world(&["one-bucket", "two-bucket"]).await;
    world.deliver(&world.delivery(6)).await.unwrap();
    world.set_buckets(&["one-bucket"]);
    let at = |bucket: &str| world.store.object(&format!("{bucket}/mint/shop/user.json")).unwrap();
    for version in [7, 8] {
        let delivered = world.deliver(&world.delivery(version)).await.unwrap();
        assert_eq!(world.receipt(&delivered).destinations.len(), 2, "a whole receipt covers both");
        assert_eq!(at("one-bucket"), at("two-bucket"), "who reads there has what lives");
        world.clock.advance(Duration::from_hours(23));
    }
    let refused = Some(Outcome::Failure { reason: "DESTINATION_UNCONFIRMED" });
    let entries = world.audit.entries();
    assert!(entries.iter().any(|entry| entry.act.action == "destination.change" && entry.outcome == refused));

    // neither time nor a permit alone gives it up: only a counted removal that was asked for long enough
    let ask = |world: &World| Removal {
        application: "shop".parse().unwrap(),
        catalog_revision: Revision(3),
        fencing_token: FencingToken(9),
        permit: permit(
            world,
            "service/identity-provisioner",
            "shop",
            Permitted::Destinations { settings_generation: 1 },
        ),
        request: RequestId::random(&world.entropy),
    };
    world.set_buckets(&["one-bucket", "two-bucket"]);
    world.deliver(&at_token(world.delivery(9))).await.unwrap();
    world.set_buckets(&["one-bucket"]);
    for hours in [0, 23] {
        world.clock.advance(Duration::from_hours(hours));
        let error = world.distributor.tombstone(&ask(&world)).await.unwrap_err();
        assert_eq!(error.reason(), "DESTINATION_UNCONFIRMED");
    }
    world.clock.advance(Duration::from_hours(1));
    let still = world.deliver(&at_token(world.delivery(10))).await.unwrap();
    assert_eq!(world.receipt(&still).destinations.len(), 2);
    assert!(world.distributor.tombstone(&ask(&world)).await.unwrap().is_complete);
    let after = world.deliver(&at_token(world.delivery(11))).await.unwrap();
    assert_eq!(world.receipt(&after).destinations.len(), 1);
}

/// Under the lease of whoever asks for tombstones here.
fn at_token(delivery: Delivery) -> Delivery {
    Delivery { fencing_token: FencingToken(9), ..delivery }
}

#[tokio::test]
async fn a_hostile_registry_ends_nothing_by_another_layout() {
    let world = world(&["one-bucket"]).await;
    world.deliver(&world.delivery(6)).await.unwrap();
    let reason = "DESTINATION_UNCONFIRMED";
    let change =
        |change: fn(&mut Settings)| change(world.catalog.record.lock().unwrap().settings.as_mut().unwrap());
    change(|settings| settings.layout = Layout::Combined);
    let mut replacing = world.combined(7);
    for replaces in [false, true] {
        replacing.replaces = replaces;
        let delivered = world.deliver(&replacing).await.unwrap();
        assert!(matches!(&delivered.lines[0].state, LineState::Refused(trouble) if trouble.reason == reason));
        assert_eq!((delivered.receipt, delivered.partial), (None, None));
    }
    change(|settings| settings.layout = Layout::Split);
    change(|settings| settings.confidential = false);
    let subject = Subject { kind: CredentialKind::PublicClient, ..world.subject(8) };
    let stamp = Stamp { version_id: subject.version_id, issued_at: world.clock.now() };
    let public = ObjectBody::client("id", None, stamp).unwrap();
    let delivered = world.deliver(&world.sealed(&world.rotator, &subject, public.expose())).await.unwrap();
    assert!(matches!(&delivered.lines[0].state, LineState::Refused(trouble) if trouble.reason == reason));
    assert_eq!((delivered.receipt, world.store.put_count()), (None, 1));
    assert!(
        world.deliver(&world.delivery(9)).await.unwrap().receipt.is_some(),
        "the password is one of both"
    );
}

/// What would make every later record or version look old.
#[tokio::test]
async fn a_hostile_registry_or_rotator_poisons_nothing_by_a_number_from_the_future() {
    let world = world(&["one-bucket"]).await;
    world.deliver(&world.delivery(6)).await.unwrap();
    let honest = world.catalog.record.lock().unwrap().revision;
    world.catalog.record.lock().unwrap().revision = Revision(1 << 62);
    assert_eq!(world.reason(&world.delivery(7)).await, "CATALOG_IMPLAUSIBLE");
    world.catalog.record.lock().unwrap().revision = Revision(honest.0 + 1);
    assert_eq!(world.reason(&world.delivery(1 << 62)).await, "ENVELOPE_INVALID");
    assert!(
        world.deliver(&world.delivery(8)).await.unwrap().receipt.is_some(),
        "nothing of it was remembered"
    );
    world.settings(|settings| settings.buckets.push(bucket("two-bucket")));
    let delivered = world.deliver(&world.delivery(9)).await.unwrap();
    assert!(
        matches!(&delivered.lines[1].state, LineState::Refused(trouble) if trouble.reason == "DESTINATION_UNCONFIRMED")
    );
    world.clock.advance(Duration::from_hours(24));
    assert!(world.deliver(&world.delivery(9)).await.unwrap().receipt.is_some(), "newer records are read on");
}
