//! The real binary.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::Path, time::Duration};

use mint_api::WireFault;
use mint_api::registry::v1::{
    GetApplicationRequest, GetSourceRequest, RecordIdentityRequest, SyncSourceRequest, UpdateSettingsRequest,
    registry_service_client::RegistryServiceClient,
};
use mint_runtime::Channel;
use mint_testkit::{Certificate, ServiceUnderTest, TestPki, free_port, run_to_end};
use mint_types::{Principal, ServiceName};

const BINARY: &str = env!("CARGO_BIN_EXE_mint-registry-sync");

fn config(directory: &Path, pki: &TestPki, port: u16, source: &str) -> std::path::PathBuf {
    let own = pki.service(ServiceName::RegistrySync);
    let text = format!(
        "listen = \"127.0.0.1:{port}\"\ntrust_domain = \"mint.local\"\n\
         [tls]\nca = \"{}\"\ncert = \"{}\"\nkey = \"{}\"\n\
         [state]\nurl = \"sqlite://{}/state.db\"\n\
         [peers]\naudit = \"https://127.0.0.1:{}\"\n\
         [source]\n{source}\n",
        pki.ca().display(),
        own.cert.display(),
        own.key.display(),
        directory.display(),
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
        ("driver = \"file\"\npath = \"/x\"\ncolour = \"red\"", "colour"),
        ("driver = \"kio\"\nurl = \"http://127.0.0.1:1\"", "source.token_file"),
        ("driver = \"kio\"\nurl = \"http://example.org\"\ntoken_file = \"/x\"", "source.url"),
        ("driver = \"file\"\npath = \"/x\"\nurl = \"http://127.0.0.1:1\"", "source.url"),
        ("driver = \"backstage\"", "source.driver"),
        ("driver = \"backstage\"", "UNSUPPORTED"),
        ("driver = \"ldap\"", "source.driver"),
        ("driver = \"file\"\npath = \"/x\"\n[defaults]\nbucket = \"a-bucket\"", "defaults.account_id"),
    ];
    for (source, key) in table {
        let file = config(directory.path(), &pki, 0, source);
        let ended = run_to_end(BINARY, &["--config", file.to_str().unwrap()], &[]);
        assert_eq!(ended.code(), Some(64), "{source}: {}", ended.stderr);
        assert!(ended.stderr.contains(key), "{source}: {}", ended.stderr);
    }
    let file = config(directory.path(), &pki, 0, "driver = \"file\"\npath = \"/x\"");
    let colour = [("MINT_REGISTRY_SYNC__SOURCE__COLOUR", "red")];
    let ended = run_to_end(BINARY, &["--config", file.to_str().unwrap()], &colour);
    assert_eq!(ended.code(), Some(64));
    assert!(ended.stderr.to_lowercase().contains("colour"), "{}", ended.stderr);
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

fn connected(pki: &TestPki, port: u16, certificate: &Certificate) -> RegistryServiceClient<Channel> {
    let url = format!("https://127.0.0.1:{port}").parse().unwrap();
    let (cert, key) = (certificate.cert.clone(), certificate.key.clone());
    let channel = mint_runtime::connect(&url, pki.ca(), cert, key, None, ServiceName::RegistrySync).unwrap();
    RegistryServiceClient::new(channel)
}

fn reason<T: std::fmt::Debug>(answer: Result<T, tonic::Status>) -> String {
    WireFault::from_status(&answer.unwrap_err()).reason
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_catalog_is_served_as_its_permissions_say() {
    let (directory, pki) = place();
    let registry = directory.path().join("registry.yaml");
    fs::write(&registry, "applications: [{id: kio, team_id: stups, name: Kio}]").unwrap();
    let port = free_port();
    let source = format!("driver = \"file\"\npath = \"{}\"\ndelta_interval = \"100ms\"", registry.display());
    let file = config(directory.path(), &pki, port, &source);
    let mut service = ServiceUnderTest::with_config(BINARY, &file);
    service.wait_for_log("serving", Duration::from_secs(20));

    let mut operator = connected(&pki, port, &pki.issue(&Principal::Operator("operator".into())));
    let synced = operator.sync_source(SyncSourceRequest {}).await.unwrap().into_inner();
    let source = operator.get_source(GetSourceRequest {}).await.unwrap().into_inner();
    assert_eq!((source.driver.as_str(), source.applications), ("file", 1));
    assert_eq!(source.revision, synced.revision);
    let kio = GetApplicationRequest { application_id: "kio".into(), min_revision: synced.revision };
    let record = operator.get_application(kio.clone()).await.unwrap().into_inner().application.unwrap();
    assert_eq!((record.team_id.as_str(), record.settings), ("stups", None));

    let settings = UpdateSettingsRequest {
        application_id: "kio".into(),
        settings: Some(mint_api::registry::v1::Settings { confidential: true, ..Default::default() }),
        expected_generation: 0,
        statement: Vec::new(),
    };
    let mut stranger = connected(&pki, port, &pki.issue_path("team/other/member"));
    assert_eq!(reason(stranger.update_settings(settings.clone()).await), "NOT_OWNER");
    assert_eq!(reason(stranger.get_application(kio.clone()).await), "NOT_OWNER");
    let mut owner = connected(&pki, port, &pki.issue_path("team/stups/member"));
    owner.get_application(kio.clone()).await.expect("a team sees its own");
    assert_eq!(reason(operator.update_settings(settings).await), "AUDIT_UNAVAILABLE");
    let behind = GetApplicationRequest { min_revision: u64::MAX >> 2, ..kio };
    assert_eq!(reason(operator.get_application(behind).await), "CATALOG_BEHIND");
    let unknown = GetApplicationRequest { application_id: "nobody".into(), min_revision: 0 };
    assert_eq!(reason(operator.get_application(unknown).await), "APPLICATION_UNKNOWN");
    let identity = RecordIdentityRequest { application_id: "kio".into(), identity: None, missing: false };
    let refused = operator.record_identity(identity.clone()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    let mut provisioner = connected(&pki, port, &pki.service(ServiceName::IdentityProvisioner));
    assert_eq!(reason(provisioner.record_identity(identity).await), "INVALID_MESSAGE");

    fs::write(&registry, "applications: [{id: a/b, team_id: stups, name: Kio}]").unwrap();
    let broken = operator.sync_source(SyncSourceRequest {}).await.unwrap().into_inner();
    assert_eq!(broken.revision, synced.revision);
    let source = operator.get_source(GetSourceRequest {}).await.unwrap().into_inner();
    assert_eq!(source.problems[0].r#type, "source_malformed");
    assert!(source.problems[0].detail.contains("a/b"), "{}", source.problems[0].detail);

    service.terminate();
    assert!(service.wait(Duration::from_secs(10)).success(), "{}", service.log());
}
