//! A hostile coordinator: it may delay, rotate often, and disable within the budget, and no more.

use mint_api::identity::v1::{DeleteIdentityRequest, DisableIdentityRequest, EnsureIdentityRequest};
use mint_api::registry::v1::GetApplicationRequest;
use mint_api::registry::v1::registry_service_client::RegistryServiceClient;
use mint_api::rotation::v1::CheckVerdict;
use mint_tests::application::{Application, Login, eventually};
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Live, Options, World};
use mint_types::ServiceName;
use rustix::process::Signal;
use serde_json::json;

use super::DEADLINE;
use super::hostile::{Hostile, Rotation, audited, refused, until_told};

const FIRST: Rotation<'_> = Rotation { application: "victim", id: "5f0c8a52-6f3f-4d6b-9d2a-0a4f3d6f1c11" };
const SECOND: Rotation<'_> = Rotation { application: "victim", id: "5f0c8a52-6f3f-4d6b-9d2a-0a4f3d6f1c12" };
const NEIGHBOUR: Rotation<'_> =
    Rotation { application: "neighbour", id: "5f0c8a52-6f3f-4d6b-9d2a-0a4f3d6f1c13" };

async fn boot(ids: &[&str], min_overlap: &str) -> World {
    let entries: Vec<Entry> = ids.iter().map(|id| Entry::new(id)).collect();
    let arguments = ["--min-overlap", min_overlap, "--lease", "5s"].map(ToOwned::to_owned).to_vec();
    let registry = Some(registry(&entries, &["password_grace: 1s"]));
    let world = World::boot(Options { registry, arguments, ..Options::default() }).await;
    world.until_at_rest(ids, DEADLINE).await;
    world
}

async fn login(world: &World, id: &str) -> Login {
    Application::open(world.data(), id).await.login().await.unwrap_or_else(|error| panic!("{id}: {error}"))
}

async fn works(world: &World, login: &Login) {
    login.token(&world.endpoints.token_url).await.unwrap_or_else(|error| panic!("{login:?}: {error}"));
}

/// The same bytes with one bit changed here and there.
fn tampered(bytes: &[u8]) -> Vec<Vec<u8>> {
    let at = |index: usize| {
        let mut changed = bytes.to_vec();
        changed[index] ^= 1;
        changed
    };
    let middle = bytes.len() / 2;
    let mut all = vec![at(0), at(8), at(middle), at(bytes.len() - 1), bytes[..middle].to_vec()];
    all.push(b"{\"application_password\": \"mine\"}".to_vec());
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_coordinator_reads_redirects_and_ends_nothing() {
    let world = boot(&["victim", "neighbour"], "6s").await;
    let coordinator = ServiceName::Coordinator.as_str();
    assert!(world.signal(coordinator, Signal::STOP), "the true one is out of the way");
    let hostile = Hostile::new(&world);
    let (old, neighbours) = (login(&world, "victim").await, login(&world, "neighbour").await);
    let since = world.last_call().await;

    // it may rotate, and what it carries then tells it nothing
    let made = hostile.create(FIRST).await.expect("rotating often is what it can");
    for envelope in [&made.delivery_envelope, &made.probe_envelope] {
        assert!(!String::from_utf8_lossy(envelope).contains("mint-canary"), "a sealed envelope");
    }
    refused("retire without a receipt", hostile.retire(FIRST).await, &["RECEIPT_MISSING"]);

    refused(
        "while a rotation is open",
        hostile.check("victim", &made.probe_envelope).await,
        &["ROTATION_OPEN"],
    );

    // redirect, and deliver what the rotator did not sign
    let envelope = &made.delivery_envelope;
    let invalid = ["ENVELOPE_INVALID", "ENVELOPE_UNOPENABLE"];
    let elsewhere = Rotation { application: "neighbour", ..FIRST };
    refused("to another application", hostile.deliver(elsewhere, envelope).await, &invalid);
    refused("for another rotation", hostile.deliver(SECOND, envelope).await, &invalid);
    refused("the probe", hostile.deliver(FIRST, &made.probe_envelope).await, &invalid);
    for garbage in tampered(envelope) {
        refused("not what was signed", hostile.deliver(FIRST, &garbage).await, &invalid);
    }
    let puts = world.calls(since).await.into_iter().filter(|call| call.api == "s3.PutObject").count();
    assert_eq!(puts, 0, "nothing of this reached a store");

    // receipts of its own making, and true ones of something else
    let delivered = hostile.deliver(FIRST, envelope).await.expect("as it was meant");
    for forged in tampered(&delivered.receipt) {
        refused("a forged receipt", hostile.accept(FIRST, &forged).await, &["RECEIPT_INVALID"]);
    }
    let theirs = hostile.create(NEIGHBOUR).await.expect("rotating often is what it can");
    let their_receipt =
        hostile.deliver(NEIGHBOUR, &theirs.delivery_envelope).await.expect("as it was meant").receipt;
    refused("another's receipt", hostile.accept(FIRST, &their_receipt).await, &["RECEIPT_INVALID"]);
    refused("still without one", hostile.retire(FIRST).await, &["RECEIPT_MISSING"]);

    // the overlap, and tokens of before
    hostile.accept(FIRST, &delivered.receipt).await.expect("the true one");
    refused("before the overlap has passed", hostile.retire(FIRST).await, &["OVERLAP_NOT_PASSED"]);
    let stale = ["STALE_FENCING_TOKEN"];
    refused("a replayed token", hostile.retire_with(FIRST, 1).await, &stale);
    refused("a replayed token", hostile.deliver_with(FIRST, envelope, 1).await, &stale);
    let poison = ["INVALID_MESSAGE"];
    refused("a token of tomorrow", hostile.retire_with(FIRST, u64::MAX).await, &poison);
    refused("a token of tomorrow", hostile.deliver_with(FIRST, envelope, u64::MAX).await, &poison);
    works(&world, &old).await;
    works(&world, &neighbours).await;

    // an old envelope over a new one
    eventually("the overlap passes", DEADLINE, || async { hostile.retire(FIRST).await.ok() }).await;
    for opened in [&theirs.probe_envelope, &theirs.delivery_envelope, envelope] {
        refused("no envelope of its own", hostile.check("victim", opened).await, &invalid);
    }
    let checked = hostile.check("victim", &made.probe_envelope).await.expect("it may know yes or no");
    assert_eq!(checked.verdict(), CheckVerdict::Accepted);
    let newer = hostile.create(SECOND).await.expect("rotating often is what it can");
    hostile.deliver(SECOND, &newer.delivery_envelope).await.expect("as it was meant");
    refused("an old envelope", hostile.deliver(FIRST, envelope).await, &["VERSION_SUPERSEDED"]);
    works(&world, &login(&world, "victim").await).await;

    // an envelope of before the settings changed
    let set = world.mint(&["app", "set", "neighbour", "--layout", "combined"]).await;
    assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
    let outdated = hostile.deliver(NEIGHBOUR, &theirs.delivery_envelope).await;
    refused("for a layout of before", outdated, &["SETTINGS_CHANGED"]);

    // what executors refused of it stands in the log, told by them
    the_log_has_it_all(&world).await;

    // the true one comes back, and goes on from where the executors are
    assert!(world.signal(coordinator, Signal::CONT), "the true one sleeps");
    for id in ["victim", "neighbour"] {
        let before = login(&world, id).await;
        world.rotate(id, &[]).await;
        eventually(&format!("{id}: one new version is left"), DEADLINE, || async {
            let is_new = login(&world, id).await.password != before.password;
            (is_new && world.live(id).await == Live { passwords: 1, clients: 1 }).then_some(())
        })
        .await;
        works(&world, &login(&world, id).await).await;
    }
    world.stop().await;
}

/// What the executors refused, told by them.
async fn the_log_has_it_all(world: &World) {
    let by_rotator = [
        ("credential.retire", "RECEIPT_MISSING"),
        ("receipt.accept", "RECEIPT_INVALID"),
        ("credential.retire", "OVERLAP_NOT_PASSED"),
        ("credential.retire", "STALE_FENCING_TOKEN"),
        ("credential.retire", "INVALID_MESSAGE"),
        ("credential.check", "ENVELOPE_INVALID"),
    ];
    until_told(world, "victim", ServiceName::Rotator, &by_rotator).await;
    let by_distributor = [
        ("credential.deliver", "ENVELOPE_INVALID"),
        ("credential.deliver", "STALE_FENCING_TOKEN"),
        ("credential.deliver", "INVALID_MESSAGE"),
        ("credential.deliver", "VERSION_SUPERSEDED"),
    ];
    until_told(world, "victim", ServiceName::Distributor, &by_distributor).await;
    let of_the_neighbour =
        [("credential.deliver", "ENVELOPE_INVALID"), ("credential.deliver", "SETTINGS_CHANGED")];
    until_told(world, "neighbour", ServiceName::Distributor, &of_the_neighbour).await;
}

/// The registry retires applications, and registry-sync, taken over too, does not remember how many there were yesterday:
/// nothing but the executors' own count is left.
async fn a_catalog_without_memory_believes_the_registry(world: &World, retired: &[&str]) {
    for id in retired {
        world.registry(json!({"put": {"id": id, "active": false}})).await;
    }
    let registry_sync = ServiceName::RegistrySync.as_str();
    assert!(world.signal(registry_sync, Signal::STOP), "it runs");
    let state = world.data().join("state").join(registry_sync);
    for file in std::fs::read_dir(&state).expect("its state") {
        std::fs::remove_file(file.expect("a file").path()).expect("a file of ours");
    }
    assert!(world.signal(registry_sync, Signal::KILL), "it sleeps");
    let registry = RegistryServiceClient::new(world.channel(ServiceName::RegistrySync, &world.operator()));
    for id in retired {
        let request = GetApplicationRequest { application_id: (*id).to_owned(), min_revision: 0 };
        eventually(&format!("{id} is retired"), DEADLINE, || async {
            let answer = registry.clone().get_application(request.clone()).await.ok()?.into_inner();
            answer.application.filter(|record| !record.active)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_coordinator_disables_within_the_budget_and_deletes_nobody() {
    let ids = ["active", "gone-a", "gone-b", "gone-c"];
    let world = boot(&ids, "1s").await;
    let coordinator = ServiceName::Coordinator.as_str();
    assert!(world.signal(coordinator, Signal::STOP), "the true one is out of the way");
    let hostile = Hostile::new(&world);
    a_catalog_without_memory_believes_the_registry(&world, &ids[1..]).await;

    let disable = async |id: &str| {
        let request = DisableIdentityRequest {
            application_id: id.to_owned(),
            catalog_revision: 0,
            fencing_token: hostile.token(),
        };
        hostile.identities.clone().disable_identity(request).await
    };
    let delete = async |id: &str| {
        let request = DeleteIdentityRequest {
            application_id: id.to_owned(),
            catalog_revision: 0,
            fencing_token: hostile.token(),
        };
        hostile.identities.clone().delete_identity(request).await
    };
    disable("active").await.expect_err("it is in use");
    delete("active").await.expect_err("it is in use");
    delete("gone-a").await.expect_err("it is not even disabled");
    disable("gone-a").await.expect("one of four a day");
    for id in ["gone-b", "gone-c"] {
        refused("beyond the budget", disable(id).await, &["BUDGET_EXHAUSTED"]);
        delete(id).await.expect_err("nor deleted instead");
    }
    delete("gone-a").await.expect_err("its tombstone period has just begun");
    let ensure =
        EnsureIdentityRequest { application_id: "active".to_owned(), catalog_revision: 0, fencing_token: 1 };
    let replayed = hostile.identities.clone().ensure_identity(ensure).await;
    refused("a replayed token", replayed, &["STALE_FENCING_TOKEN"]);

    let states = async |id: &str| {
        let objects = world.objects(id).await;
        objects.into_iter().map(|object| object.state).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(states("gone-a").await, ["disabled".to_owned()].into());
    for id in ["active", "gone-b", "gone-c"] {
        assert_eq!(states(id).await, ["enabled".to_owned()].into(), "{id}");
        works(&world, &login(&world, id).await).await;
    }
    let deletions = world.calls(0).await.into_iter().filter(|call| call.api == "service-user.delete").count();
    assert_eq!(deletions, 0);
    let entries = audited(&world, "gone-a").await;
    let disabled = entries.iter().filter(|entry| {
        let act = entry.act.as_ref().map(|act| act.action.as_str());
        act == Some("identity.disable") && entry.actor.ends_with("/identity-provisioner")
    });
    assert_eq!(disabled.count(), 2, "announced and concluded: {entries:?}");
    let provisioner = ServiceName::IdentityProvisioner;
    let in_use = [
        ("identity.disable", "APPLICATION_ACTIVE"),
        ("identity.delete", "APPLICATION_ACTIVE"),
        ("identity.ensure", "STALE_FENCING_TOKEN"),
    ];
    until_told(&world, "active", provisioner, &in_use).await;
    let early = [("identity.delete", "IDENTITY_NOT_DISABLED")];
    until_told(&world, "gone-a", provisioner, &early).await;
    for id in ["gone-b", "gone-c"] {
        let beyond = [("identity.disable", "BUDGET_EXHAUSTED"), ("identity.delete", "IDENTITY_NOT_DISABLED")];
        until_told(&world, id, provisioner, &beyond).await;
    }
    world.stop().await;
}
