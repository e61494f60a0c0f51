//! The real binary says what is wrong with its configuration.

use std::io::Write;

use mint_testkit::run_to_end;

const BINARY: &str = env!("CARGO_BIN_EXE_mint-coordinator");

fn config(extra: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let peers = ["audit", "registry-sync", "identity-provisioner", "rotator", "distributor"]
        .map(|peer| format!("{peer} = \"https://127.0.0.1:1\"\n"))
        .concat();
    write!(
        file,
        "listen = \"127.0.0.1:0\"\ntrust_domain = \"mint.local\"\n\
         [tls]\nca = \"/nowhere/ca.pem\"\ncert = \"/nowhere/cert.pem\"\nkey = \"/nowhere/key.pem\"\n\
         [state]\nurl = \"sqlite:///nowhere/state.db\"\n[peers]\n{peers}{extra}"
    )
    .unwrap();
    file
}

fn run(extra: &str) -> (Option<i32>, String) {
    let file = config(extra);
    let finished = run_to_end(BINARY, &["--config", file.path().to_str().unwrap()], &[]);
    (finished.code(), finished.stderr)
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    for (extra, key) in [
        ("[rotation]\nconcurency = 4\n", "concurency"),
        ("mint = \"https://127.0.0.1:1\"\n", "mint"),
        ("[issuer]\nurl = \"x\"\n", "issuer"),
    ] {
        let (code, stderr) = run(extra);
        assert_eq!(code, Some(64), "{stderr}");
        assert!(stderr.contains(key), "{stderr}");
    }
    let file = config("");
    let environment = [("MINT_COORDINATOR__ROTATION__LEASES", "3s")];
    let finished = run_to_end(BINARY, &["--config", file.path().to_str().unwrap()], &environment);
    assert_eq!(finished.code(), Some(64));
    assert!(finished.stderr.contains("LEASES"), "{}", finished.stderr);
}

#[test]
fn a_rule_between_keys_is_told() {
    for (extra, key) in [
        ("[rotation]\nconcurrency = 0\n", "rotation.concurrency"),
        ("[rotation]\nretry_cap = \"500ms\"\n", "rotation.retry_cap"),
        ("[rotation]\nlease = \"1s\"\n", "rotation.lease"),
        ("[rotation]\nfailed_after = 0\n", "rotation.failed_after"),
        ("[drift]\nperiod = \"5s\"\n", "drift.period"),
        ("[rotation]\nsole_executors = true\n", "rotation.sole_executors"),
    ] {
        let (code, stderr) = run(extra);
        assert_eq!(code, Some(64), "{stderr}");
        assert!(stderr.contains(key), "{stderr}");
    }
}

#[test]
fn a_missing_configuration_or_certificate_is_told() {
    let missing = run_to_end(BINARY, &["--config", "/nowhere/coordinator.toml"], &[]);
    assert_eq!(missing.code(), Some(64));
    assert!(missing.stderr.contains("/nowhere/coordinator.toml"), "{}", missing.stderr);
    let (code, stderr) = run("");
    assert_eq!(code, Some(78), "{stderr}");
    assert!(stderr.contains("/nowhere/"), "{stderr}");
}

#[test]
fn help_is_an_answer() {
    let help = run_to_end(BINARY, &["--help"], &[]);
    assert_eq!(help.code(), Some(0));
    assert!(help.stdout.contains("--config"), "{}", help.stdout);
}
