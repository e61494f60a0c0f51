//! A hostile registry-sync and a hostile identity-provisioner, with their own secrets.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use mint_api::registry::v1::registry_service_client::RegistryServiceClient;
use mint_api::registry::v1::{Identity, RecordIdentityRequest};
use mint_api::types::v1::CredentialKind;
use mint_tests::application::{Application, eventually};
use mint_tests::client;
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Live, Options, World, at_rest, completed_rotations};
use mint_types::ServiceName;

use super::DEADLINE;
use super::hostile::{audited, until_told};
use crate::replace::by_client;
use crate::replace::issuer::Glewlwyd;

async fn boot() -> World {
    let entries = [Entry::new("victim"), Entry::new("neighbour")];
    let arguments = ["--min-overlap", "1s", "--lease", "5s"].map(ToOwned::to_owned).to_vec();
    let registry = Some(registry(&entries, &["password_grace: 1s"]));
    let world = World::boot(Options { registry, arguments, ..Options::default() }).await;
    world.until_at_rest(&["victim", "neighbour"], DEADLINE).await;
    world
}

/// A call of the service-user API with a service's own bearer token.
async fn call(world: &World, secret: &str, method: Method, path: &str, body: &str) -> StatusCode {
    let file = world.data().join("run/secrets").join(secret);
    let token = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", world.endpoints.service_user_url))
        .header("authorization", format!("Bearer {}", token.trim()))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_owned())))
        .expect("a request");
    client::send(request).await.expect("the issuer answers").status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_registry_sync_has_no_word_at_the_issuer() {
    let world = boot().await;
    let stolen = "registry-sync/kio-token";
    for (method, path) in [
        (Method::GET, "/services"),
        (Method::GET, "/services/stups_victim"),
        (Method::DELETE, "/services/stups_victim"),
        (Method::POST, "/services/stups_victim/password"),
        (Method::POST, "/services/stups_victim/client"),
    ] {
        let status = call(&world, stolen, method.clone(), path, "{}").await;
        assert!(matches!(status.as_u16(), 401 | 403), "{method} {path}: {status}");
    }
    assert_eq!(world.live("victim").await, Live { passwords: 1, clients: 1 });
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_identity_provisioner_sets_no_credential_and_sends_nobody_to_another_user() {
    let world = boot().await;
    let stolen = "identity-provisioner/issuer-token";
    for (method, path, body) in [
        (Method::POST, "/services/stups_victim/password", "{}"),
        (Method::PUT, "/services/stups_victim/password", r#"{"txid": "0"}"#),
        (Method::POST, "/services/stups_victim/client", r#"{"id": "stups_victim", "client_id": null}"#),
        (Method::PUT, "/services/stups_victim/client", r#"{"txid": "0"}"#),
    ] {
        let status = call(&world, stolen, method.clone(), path, body).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path}");
    }

    // it says that the victim's user is the neighbour's: the rotator computes the name itself
    let provisioner = world.service(ServiceName::IdentityProvisioner);
    let mut registry = RegistryServiceClient::new(world.channel(ServiceName::RegistrySync, &provisioner));
    let lie = Identity {
        username: "stups_neighbour".to_owned(),
        client_id: "stups_neighbour".to_owned(),
        foreign: false,
    };
    let request = RecordIdentityRequest {
        application_id: "victim".to_owned(),
        identity: Some(lie),
        ..Default::default()
    };
    let recorded = registry.record_identity(request).await;
    println!("the lie was {}", if recorded.is_ok() { "recorded" } else { "refused" });
    let since = world.last_call().await;
    let before = completed_rotations(&world.status("victim").await);
    world.rotate("victim", &[]).await;
    let rotated = |status: &mint_api::coordination::v1::ApplicationStatus| {
        at_rest(status) && completed_rotations(status) > before
    };
    world.until("victim", "rotated", DEADLINE, rotated).await;
    let calls = world.calls(since).await;
    let touched = calls.iter().filter(|call| {
        call.api.starts_with("service-user.") && call.application.as_deref() == Some("neighbour")
    });
    assert_eq!(touched.count(), 0, "the neighbour's user was not touched");
    for id in ["victim", "neighbour"] {
        let login = Application::open(world.data(), id).await.login().await.expect("delivered");
        assert_eq!(login.username, format!("stups_{id}"));
        login.token(&world.endpoints.token_url).await.unwrap_or_else(|error| panic!("{id}: {error}"));
        assert_eq!(world.live(id).await, Live { passwords: 1, clients: 1 }, "{id}");
    }
    let entries = audited(&world, "victim").await;
    let created = |entry: &&mint_api::audit::v1::Entry| {
        entry
            .act
            .as_ref()
            .is_some_and(|act| act.action == "credential.create" && act.resource.contains("stups_"))
    };
    assert!(
        entries
            .iter()
            .filter(created)
            .all(|entry| { entry.act.as_ref().is_some_and(|act| act.resource.contains("stups_victim")) })
    );
    world.stop().await;
}

/// A Glewlwyd sets a client's secret by the client's id alone: whoever writes an id into the catalog must not choose it.
#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_catalog_has_no_clients_secret_set_where_the_issuer_knows_clients_by_id() {
    let directory = tempfile::Builder::new().prefix("mint-lie-").tempdir().expect("a directory");
    let data = directory.path().join("data");
    let glewlwyd = Glewlwyd::in_world(&data);
    let ids = ["victim", "evil"];
    let world = World::boot(Options {
        registry: Some(registry(&ids.map(Entry::new), &[])),
        arguments: ["--min-overlap", "1s", "--lease", "5s"].map(ToOwned::to_owned).to_vec(),
        environment: glewlwyd.environment(),
        data: Some(data),
        ..Options::default()
    })
    .await;
    glewlwyd.provide_prober().await;
    world.until_at_rest(&ids, DEADLINE).await;
    let login = async |id: &str| {
        let login = Application::open(world.data(), id).await.login().await.expect("delivered");
        by_client(&glewlwyd.token_url(), &login).await.map(|()| login)
    };
    let before = login("victim").await.expect("it logs in");
    assert_eq!(before.client_id, "stups_victim");

    let provisioner = world.service(ServiceName::IdentityProvisioner);
    let mut registry = RegistryServiceClient::new(world.channel(ServiceName::RegistrySync, &provisioner));
    let lie =
        Identity { username: "stups_evil".to_owned(), client_id: "stups_victim".to_owned(), foreign: false };
    let request = RecordIdentityRequest {
        application_id: "evil".to_owned(),
        identity: Some(lie),
        ..Default::default()
    };
    registry.record_identity(request).await.expect("its row is its own");
    let since = world.last_call().await;
    world.rotate("evil", &[CredentialKind::Client]).await;
    eventually("the lie is a problem", DEADLINE, || async {
        world.shown_problems("evil").await.contains(&"client_not_its_own".to_owned()).then_some(())
    })
    .await;
    let calls = world.calls(since).await;
    let touched =
        calls.iter().filter(|call| call.api.starts_with("glewlwyd") && call.path.contains("stups_victim"));
    assert_eq!(touched.count(), 0, "{calls:?}");
    let after = login("victim").await.expect("its secret is what it was");
    assert_eq!((after.client_id, after.client_secret), (before.client_id, before.client_secret));
    until_told(&world, "evil", ServiceName::Rotator, &[("credential.create", "CLIENT_NOT_ITS_OWN")]).await;

    // what the problem says ends it
    let adopted = world.mint(&["app", "adopt", "evil"]).await;
    assert!(adopted.status.success(), "{}", String::from_utf8_lossy(&adopted.stderr));
    world.rotate("evil", &[CredentialKind::Client]).await;
    world.until_at_rest(&ids, DEADLINE).await;
    let own = login("evil").await.expect("it logs in");
    assert_eq!(own.client_id, "stups_evil");
    world.stop().await;
}
