//! DESIGN section 5, the takeover table: what a hostile coordinator or registry-sync asks for is refused, and the audit
//! log has it.

use super::tombstone::permit;
use super::*;
use crate::ports::Removal;

/// The last act in the log and its outcome.
fn last(world: &World) -> (&'static str, Option<Outcome>) {
    let entry = world.audit.entries().pop().unwrap();
    (entry.act.action, entry.outcome)
}

async fn refused_and_told(world: &World, delivery: &Delivery, reason: &'static str) {
    let puts = world.store.put_count();
    assert_eq!(world.reason(delivery).await, reason);
    assert_eq!(last(world), ("credential.deliver", Some(Outcome::Failure { reason })));
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
        assert_eq!(last(&world), ("destination.tombstone", Some(Outcome::Failure { reason })));
    }
    assert_eq!(world.store.put_count(), 1);
}
