//! A hostile registry-sync: it asks for another redirect URL, for scopes that nobody gets, and calls where it has no word.

use mint_api::WireFault;
use mint_api::identity::v1::EnsureIdentityRequest;
use mint_api::identity::v1::identity_service_client::IdentityServiceClient;
use mint_api::registry::v1::registry_service_client::RegistryServiceClient;
use mint_api::registry::v1::{GetApplicationRequest, Settings, UpdateSettingsRequest};
use mint_tests::application::{Application, eventually};
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Options, World, at_rest};
use mint_types::ServiceName;

use super::DEADLINE;
use super::hostile::{audited, until_told};

const OWN: &str = "https://victim.example/callback";
const EVIL: &str = "https://evil.example/callback";

/// What the catalog says of an application changes without a word of its owner: as a hostile registry-sync would have it, which
/// needs nobody's leave for its own records.
pub(super) async fn entered(world: &World, id: &str, change: impl Fn(&mut Settings)) {
    let mut registry =
        RegistryServiceClient::new(world.channel(ServiceName::RegistrySync, &world.operator()));
    let request = GetApplicationRequest { application_id: id.to_owned(), min_revision: 0 };
    let record = registry.get_application(request).await.expect("a record").into_inner();
    let record = record.application.expect("a record");
    let mut settings = record.settings.expect("settings");
    change(&mut settings);
    let request = UpdateSettingsRequest {
        application_id: id.to_owned(),
        settings: Some(settings),
        expected_generation: record.settings_generation,
        statement: Vec::new(),
    };
    registry.update_settings(request).await.expect("the record changes");
}

/// Where the issuer sends the victim's logins back to.
async fn at_the_issuer(world: &World) -> Vec<String> {
    let objects = world.objects("victim").await;
    objects.into_iter().flat_map(|object| object.redirect_urls).collect()
}

async fn until_problems(world: &World, expected: &[&str]) {
    eventually(&format!("the victim's problems are {expected:?}"), DEADLINE, || async move {
        (world.shown_problems("victim").await == expected).then_some(())
    })
    .await;
}

async fn boot() -> World {
    let registry = registry(&[Entry::new("victim")], &["password_grace: 1s"]);
    let settings =
        registry.replace("confidential: true", &format!("confidential: true, redirect_url: \"{OWN}\""));
    assert_ne!(registry, settings);
    let arguments = ["--min-overlap", "1s", "--lease", "5s"].map(ToOwned::to_owned).to_vec();
    let world = World::boot(Options { registry: Some(settings), arguments, ..Options::default() }).await;
    world.until_at_rest(&["victim"], DEADLINE).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_registry_sync_sends_no_login_elsewhere_and_gives_no_reserved_scope() {
    let world = boot().await;
    assert_eq!(at_the_issuer(&world).await, [OWN]);

    // by its own certificate it has no word at the executor
    let stolen = world.service(ServiceName::RegistrySync);
    let mut identities = IdentityServiceClient::new(world.channel(ServiceName::IdentityProvisioner, &stolen));
    let ensure = EnsureIdentityRequest {
        application_id: "victim".to_owned(),
        catalog_revision: 0,
        fencing_token: u64::MAX,
    };
    let refused = identities.ensure_identity(ensure).await.expect_err("not its call");
    assert_eq!(refused.code(), tonic::Code::PermissionDenied, "{:?}", WireFault::from_status(&refused));

    entered(&world, "victim", |settings| settings.redirect_url = EVIL.to_owned()).await;
    until_problems(&world, &["redirect_url_unconfirmed"]).await;
    assert_eq!(at_the_issuer(&world).await, [OWN]);
    let entries = audited(&world, "victim").await;
    let told = entries.iter().any(|entry| {
        entry.act.as_ref().is_some_and(|act| act.action == "redirect.change" && act.resource.contains(EVIL))
    });
    assert!(told, "the audit log heard of it: {entries:?}");
    let unconfirmed = [("redirect.change", "REDIRECT_URL_UNCONFIRMED")];
    until_told(&world, "victim", ServiceName::IdentityProvisioner, &unconfirmed).await;
    let login = Application::open(world.data(), "victim").await.login().await.expect("delivered");
    login.token(&world.endpoints.token_url).await.expect("nothing of it is ended");

    // the owner says that it is right: mint signs with the key of the world's operator
    let confirmed = world.mint(&["app", "confirm", "victim"]).await;
    assert!(confirmed.status.success(), "{}", String::from_utf8_lossy(&confirmed.stderr));
    until_problems(&world, &[]).await;
    assert_eq!(at_the_issuer(&world).await, [EVIL]);

    entered(&world, "victim", |settings| {
        settings.scopes = vec!["mint.admin".to_owned()];
    })
    .await;
    until_problems(&world, &["scope_reserved"]).await;
    let reserved = [("identity.ensure", "SCOPE_RESERVED")];
    until_told(&world, "victim", ServiceName::IdentityProvisioner, &reserved).await;
    entered(&world, "victim", |settings| settings.scopes.clear()).await;
    world
        .until("victim", "as it was", DEADLINE, |status| at_rest(status) && status.problems.is_empty())
        .await;
    what_an_operator_mistypes_is_named(&world).await;
    world.stop().await;
}

/// What nobody can have meant is told, and nothing is done.
async fn what_an_operator_mistypes_is_named(world: &World) {
    let both = ["--signer", "operator/operator", "--signer", "operator/second"];
    let table: [(&[&str], i32, &str); 4] = [
        (&["status", "--team", "nope"], 64, "no application belongs to a team nope"),
        (&["app", "restore", "victim"], 0, "victim is in use already"),
        (&["registry", "release", "--acts", "4000000000"], 64, "not 4000000000"),
        (&["reconcile"], 0, "0 findings, 0 not compared"),
    ];
    for (arguments, exit, said) in table {
        let release = arguments.contains(&"release");
        let all: Vec<&str> = arguments.iter().chain(both.iter().filter(|_| release)).copied().collect();
        let ended = world.mint(&all).await;
        let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(exit), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
}
