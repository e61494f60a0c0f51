//! The real binary.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::Path, time::Duration};

use mint_api::WireFault;
use mint_api::identity::v1::{
    EnsureIdentityRequest, GetIdentityRequest, identity_service_client::IdentityServiceClient,
};
use mint_runtime::Channel;
use mint_testkit::{Certificate, ServiceUnderTest, TestPki, free_port, run_to_end};
use mint_types::{Principal, ServiceName};

const BINARY: &str = env!("CARGO_BIN_EXE_mint-identity-provisioner");
const ISSUER: &str =
    "driver = \"service-user\"\nurl = \"http://127.0.0.1:1/service-user\"\ntoken_file = \"/x\"";

fn config(directory: &Path, pki: &TestPki, port: u16, issuer: &str) -> std::path::PathBuf {
    let own = pki.service(ServiceName::IdentityProvisioner);
    let text = format!(
        "listen = \"127.0.0.1:{port}\"\ntrust_domain = \"mint.local\"\n\
         [tls]\nca = \"{}\"\ncert = \"{}\"\nkey = \"{}\"\n\
         [state]\nurl = \"sqlite://{}/state.db\"\n\
         [peers]\naudit = \"https://127.0.0.1:{}\"\nregistry-sync = \"https://127.0.0.1:{}\"\n\
         [issuer]\n{issuer}\n",
        pki.ca().display(),
        own.cert.display(),
        own.key.display(),
        directory.display(),
        free_port(),
        free_port(),
    );
    let path = directory.join("config.toml");
    fs::write(&path, text).unwrap();
    path
}

fn place() -> (tempfile::TempDir, TestPki) {
    let directory = tempfile::tempdir().unwrap();
    let pki = TestPki::new(directory.path().join("pki"), &"mint.local".parse().unwrap());
    (directory, pki)
}

#[test]
fn a_wrong_configuration_ends_with_64_and_names_the_key() {
    let (directory, pki) = place();
    let table = [
        (format!("{ISSUER}\ncolour = \"red\""), "colour"),
        (format!("{ISSUER}\nusername_prefix = \"a/b\""), "issuer.username_prefix"),
        (format!("{ISSUER}\nbase_scopes = []"), "issuer.base_scopes"),
        (format!("{ISSUER}\n[budget]\nfraction_percent = 11"), "budget.fraction_percent"),
        (ISSUER.replace("127.0.0.1:1", "example.org"), "issuer.url"),
        (ISSUER.replace("service-user\"\n", "ldap\"\n"), "issuer.driver"),
        ("driver = \"service-user\"".to_owned(), "issuer"),
    ];
    for (issuer, key) in table {
        let file = config(directory.path(), &pki, 0, &issuer);
        let ended = run_to_end(BINARY, &["--config", file.to_str().unwrap()], &[]);
        assert_eq!(ended.code(), Some(64), "{issuer}: {}", ended.stderr);
        assert!(ended.stderr.contains(key), "{issuer}: {}", ended.stderr);
    }
}

#[test]
fn without_a_configuration_it_ends_with_64() {
    let missing = run_to_end(BINARY, &["--config", "/nonexistent/mint.toml"], &[]);
    assert_eq!(missing.code(), Some(64));
    assert_eq!(run_to_end(BINARY, &[], &[]).code(), Some(64));
    let help = run_to_end(BINARY, &["--help"], &[]);
    assert_eq!(help.code(), Some(0));
    assert!(help.stdout.contains("--config"));
}

fn connected(pki: &TestPki, port: u16, certificate: &Certificate) -> IdentityServiceClient<Channel> {
    let url = format!("https://127.0.0.1:{port}").parse().unwrap();
    let (cert, key) = (certificate.cert.clone(), certificate.key.clone());
    let service = ServiceName::IdentityProvisioner;
    let channel = mint_runtime::connect(&url, pki.ca(), cert, key, None, service).unwrap();
    IdentityServiceClient::new(channel)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_coordinator_orders_and_nothing_is_done_without_the_catalog() {
    let (directory, pki) = place();
    let port = free_port();
    let file = config(directory.path(), &pki, port, ISSUER);
    let mut service = ServiceUnderTest::with_config(BINARY, &file);
    service.wait_for_log("serving", Duration::from_secs(20));

    let ensure =
        EnsureIdentityRequest { application_id: "kio".into(), catalog_revision: 0, fencing_token: 1 };
    let mut operator = connected(&pki, port, &pki.issue(&Principal::Operator("operator".into())));
    let refused = operator.ensure_identity(ensure.clone()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    let mut coordinator = connected(&pki, port, &pki.service(ServiceName::Coordinator));
    let unavailable = coordinator.ensure_identity(ensure).await.unwrap_err();
    assert_eq!(WireFault::from_status(&unavailable).reason, "CATALOG_UNAVAILABLE");
    let unknown =
        operator.get_identity(GetIdentityRequest { application_id: "kio".into() }).await.unwrap_err();
    assert_eq!(WireFault::from_status(&unknown).reason, "IDENTITY_UNKNOWN");
    let malformed =
        operator.get_identity(GetIdentityRequest { application_id: "../x".into() }).await.unwrap_err();
    assert_eq!(malformed.code(), tonic::Code::InvalidArgument);

    service.terminate();
    assert!(service.wait(Duration::from_secs(10)).success(), "{}", service.log());
}
