//! The real binary.
#![allow(clippy::unwrap_used, reason = "a test binary: what cannot be set up fails the test")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use mint_testkit::{ServiceUnderTest, TestPki, free_port, run_to_end};
use mint_types::ServiceName;

const BINARY: &str = env!("CARGO_BIN_EXE_mint-rotator");

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let trust_domain = "mint.local".parse().unwrap();
        TestPki::new(directory.path().join("pki"), &trust_domain).service(ServiceName::Rotator);
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A configuration, with `extra` at its end.
    fn config(&self, extra: &str) -> PathBuf {
        let pki = self.path("pki");
        let text = format!(
            r#"
listen = "127.0.0.1:{port}"
trust_domain = "mint.local"
[tls]
ca = "{pki}/ca.pem"
cert = "{pki}/service-rotator.cert.pem"
key = "{pki}/service-rotator.key.pem"
[state]
url = "sqlite://{state}"
[peers]
audit = "https://127.0.0.1:1"
registry-sync = "https://127.0.0.1:1"
distributor = "https://127.0.0.1:1"
[issuer]
driver = "service-user"
url = "http://127.0.0.1:1/service-user"
token_file = "/nonexistent/token"
username_prefix = "stups_"
token_url = "http://127.0.0.1:1/oauth2/token"
revocation_url = "http://127.0.0.1:1/oauth2/revoke"
prober_client_file = "/nonexistent/prober"
[keys]
directory = "{keys}"
generate = true
{extra}
"#,
            port = free_port(),
            pki = pki.display(),
            state = self.path("state.db").display(),
            keys = self.path("keys").display(),
        );
        let file = self.path("rotator.toml");
        std::fs::write(&file, text).unwrap();
        file
    }
}

fn refused(file: &Path, environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let finished = run_to_end(BINARY, &["--config", file.to_str().unwrap()], environment);
    assert_eq!(finished.stdout, "", "talk goes to stderr");
    (finished.code(), finished.stderr)
}

#[test]
fn an_unknown_key_ends_it_with_64_and_its_name() {
    let place = Place::new();
    for (extra, key) in
        [("[rotation]\nmin_overlapp = \"5s\"", "min_overlapp"), ("[bucket]\nname = \"x\"", "bucket")]
    {
        let (code, stderr) = refused(&place.config(extra), &[]);
        assert_eq!(code, Some(64), "{stderr}");
        assert!(stderr.contains(key), "{stderr}");
    }
    let (code, stderr) = refused(&place.config(""), &[("MINT_ROTATOR__ISSUER__COLOUR", "red")]);
    assert_eq!(code, Some(64), "{stderr}");
    assert!(stderr.to_lowercase().contains("colour"), "{stderr}");
}

#[test]
fn contradictions_are_refused_by_name() {
    let place = Place::new();
    let environment = [
        ("MINT_ROTATOR__ISSUER__URL", "http://issuer.example/api", "issuer.url"),
        ("MINT_ROTATOR__ISSUER__REQUEST_LIFE", "1s", "issuer.request_life"),
        ("MINT_ROTATOR__ISSUER__USERNAME_PREFIX", "a/", "issuer.username_prefix"),
        ("MINT_ROTATOR__ROTATION__MAX_OVERLAP", "1s", "rotation.max_overlap"),
        ("MINT_ROTATOR__ROTATION__RATE_PER_MINUTE", "1", "rotation.rate_per_minute"),
    ];
    for (variable, value, key) in environment {
        let (code, stderr) = refused(&place.config(""), &[(variable, value)]);
        assert_eq!(code, Some(64), "{stderr}");
        assert!(stderr.contains(key) || stderr.contains(variable), "{key}: {stderr}");
    }
}

#[test]
fn a_missing_configuration_is_an_error_and_help_is_none() {
    let place = Place::new();
    let (code, stderr) = refused(&place.path("missing.toml"), &[]);
    assert_eq!(code, Some(64), "{stderr}");
    let help = run_to_end(BINARY, &["--help"], &[]);
    assert_eq!(help.code(), Some(0));
    assert!(help.stdout.contains("--config"), "{}", help.stdout);
}

#[test]
fn a_key_that_others_can_read_ends_it_with_78() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let file = place.config("");
    let mut service = ServiceUnderTest::with_config(BINARY, &file);
    service.wait_for_log("serving", Duration::from_secs(10));
    service.terminate();
    assert_eq!(service.wait(Duration::from_secs(10)).code(), Some(0), "{}", service.log());
    let key = std::fs::read_dir(place.path("keys")).unwrap().next().unwrap().unwrap().path();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (code, stderr) = refused(&file, &[]);
    assert_eq!(code, Some(78), "{stderr}");
    assert!(stderr.contains("0600"), "{stderr}");
}
