//! The distributor as a process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what cannot be set up fails the test")]

use std::path::{Path, PathBuf};

use mint_testkit::{TestPki, free_port, run_to_end};
use mint_types::ServiceName;

const BINARY: &str = env!("CARGO_BIN_EXE_mint-distributor");

const AWS: [(&str, &str); 3] = [
    ("AWS_ROLE_ARN", "arn:aws:iam::000000000000:role/mint-distributor"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token"),
    ("AWS_REGION", "eu-central-1"),
];

struct Place {
    directory: tempfile::TempDir,
    config: PathBuf,
}

fn place(extra: &str) -> Place {
    let directory = tempfile::tempdir().unwrap();
    let pki = TestPki::new(directory.path().join("pki"), &"mint.local".parse().unwrap());
    let certificate = pki.service(ServiceName::Distributor);
    let root = directory.path().display();
    let text = format!(
        "{extra}\nlisten = \"127.0.0.1:{}\"\ntrust_domain = \"mint.local\"\n\
         [tls]\nca = \"{}\"\ncert = \"{}\"\nkey = \"{}\"\n\
         [state]\nurl = \"sqlite://{root}/state.db\"\n\
         [peers]\naudit = \"https://127.0.0.1:1\"\nregistry-sync = \"https://127.0.0.1:1\"\n\
         rotator = \"https://127.0.0.1:1\"\n\
         [keys]\ndirectory = \"{root}/keys\"\ngenerate = true\n",
        free_port(),
        pki.ca().display(),
        certificate.cert.display(),
        certificate.key.display(),
    );
    let config = directory.path().join("distributor.toml");
    std::fs::write(&config, text).unwrap();
    Place { directory, config }
}

fn run(config: &Path, environment: &[(&str, &str)]) -> mint_testkit::Finished {
    run_to_end(BINARY, &["--config", config.to_str().unwrap()], environment)
}

#[test]
fn help_says_what_it_is() {
    let finished = run_to_end(BINARY, &["--help"], &[]);
    assert_eq!(finished.code(), Some(0));
    assert!(finished.stdout.contains("distributor"), "{}", finished.stdout);
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    let place = place("bucket = \"x\"");
    let finished = run(&place.config, &AWS);
    assert_eq!(finished.code(), Some(64), "{}", finished.stderr);
    assert!(finished.stderr.contains("`bucket`"), "{}", finished.stderr);
    let place = self::place("");
    let mut environment = AWS.to_vec();
    environment.push(("MINT_DISTRIBUTOR__S3__ACCESS_KEY", "x"));
    let finished = run(&place.config, &environment);
    assert_eq!(finished.code(), Some(64), "{}", finished.stderr);
    assert!(finished.stderr.contains("MINT_DISTRIBUTOR__S3__ACCESS_KEY"), "{}", finished.stderr);
}

#[test]
fn without_a_configuration_the_missing_key_is_named() {
    let finished = run_to_end(BINARY, &[], &AWS);
    assert_eq!(finished.code(), Some(64), "{}", finished.stderr);
    assert!(finished.stderr.contains("configuration key"), "{}", finished.stderr);
}

#[test]
fn a_value_that_cannot_be_is_refused_by_name() {
    for (variable, value, key) in [
        ("MINT_DISTRIBUTOR__S3__PUT_EXPIRY", "10m", "s3.put_expiry"),
        ("MINT_DISTRIBUTOR__S3__DEADLINE", "70s", "s3.deadline"),
        ("MINT_DISTRIBUTOR__S3__DEADLINE", "16s", "s3.deadline"),
        ("MINT_DISTRIBUTOR__S3__DEFAULT_ENDPOINT", "http://s3.example.org", "DEFAULT_ENDPOINT"),
    ] {
        let place = place("");
        let mut environment = AWS.to_vec();
        environment.push((variable, value));
        let finished = run(&place.config, &environment);
        assert_eq!(finished.code(), Some(64), "{variable}: {}", finished.stderr);
        assert!(finished.stderr.contains(key), "{variable}: {}", finished.stderr);
    }
}

#[test]
fn a_missing_aws_variable_is_named() {
    for (index, (name, _)) in AWS.iter().enumerate() {
        let place = place("");
        let mut environment = AWS.to_vec();
        environment.remove(index);
        let finished = run(&place.config, &environment);
        assert_eq!(finished.code(), Some(64), "{}", finished.stderr);
        assert!(finished.stderr.contains(name), "{}", finished.stderr);
    }
}

#[test]
fn a_static_aws_key_is_refused() {
    let place = place("");
    let mut environment = AWS.to_vec();
    environment.push(("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"));
    let finished = run(&place.config, &environment);
    assert_eq!(finished.code(), Some(64), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("AWS_ACCESS_KEY_ID") && !finished.stderr.contains("AKIA"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = place("");
    let keys = place.directory.path().join("keys");
    std::fs::create_dir(&keys).unwrap();
    let file = keys.join("distributor-seal-0011223344556677.key");
    std::fs::write(&file, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let finished = run(&place.config, &AWS);
    assert_eq!(finished.code(), Some(78), "{}", finished.stderr);
    assert!(finished.stderr.contains("distributor-seal"), "{}", finished.stderr);
}

#[test]
fn migrate_needs_no_aws_environment() {
    let place = place("");
    let finished = run_to_end(BINARY, &["migrate", "--config", place.config.to_str().unwrap()], &[]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert!(place.directory.path().join("state.db").exists());
}
