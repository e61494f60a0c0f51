use std::io::Write;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    listen: SocketAddr,
    trust_domain: TrustDomain,
    #[serde(default = "default_drain")]
    drain: Period,
    tls: TlsConfig,
    state: StateConfig,
    #[serde(default)]
    telemetry: TelemetryConfig,
    #[serde(default)]
    peers: Peers,
    #[serde(default)]
    rotation: Rotation,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rotation {
    concurrency: u32,
    names: Vec<String>,
    mode: Mode,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Slow,
    Fast,
}

impl ServiceConfig for Example {
    const PEERS: &'static [ServiceName] = &[ServiceName::Audit, ServiceName::RegistrySync];

    fn common(&self) -> CommonConfig {
        CommonConfig {
            listen: self.listen,
            trust_domain: self.trust_domain.clone(),
            drain: self.drain,
            tls: self.tls.clone(),
            state: self.state.clone(),
            telemetry: self.telemetry.clone(),
            peers: self.peers.clone(),
        }
    }
}

const GOOD: &str = r#"
listen = "127.0.0.1:7001"
trust_domain = "mint.local"
[tls]
ca = "/a/ca.pem"
cert = "/a/cert.pem"
key = "/a/key.pem"
[state]
url = "sqlite:///a/state.db"
[peers]
audit = "https://127.0.0.1:7002"
registry-sync = "https://127.0.0.1:7003"
"#;

fn read_with(text: &str, environment: &[(&str, &str)]) -> Result<Example, ConfigError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    load(&Sources {
        file: Some(file.path()),
        environment: environment.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        prefix: environment_prefix(ServiceName::IdentityProvisioner),
        migrate: false,
    })
}

#[test]
fn a_good_file_is_read() {
    let config = read_with(GOOD, &[("MINT_LOG", "info"), ("MINT_ROTATOR__X", "other service")]).unwrap();
    assert_eq!(config.drain, default_drain());
    assert!(config.state.migrate());
    assert_eq!(config.peers.url_of(ServiceName::RegistrySync).unwrap().as_str(), "https://127.0.0.1:7003");
}

#[test]
fn the_environment_beats_the_file_and_is_read_as_the_type_asked_for() {
    let config = read_with(
        GOOD,
        &[
            ("MINT_IDENTITY_PROVISIONER__LISTEN", "[::1]:9"),
            ("MINT_IDENTITY_PROVISIONER__DRAIN", "90s"),
            ("MINT_IDENTITY_PROVISIONER__STATE__URL", "postgres://mint@db/mint"),
            ("MINT_IDENTITY_PROVISIONER__STATE__MIGRATE", "true"),
            ("MINT_IDENTITY_PROVISIONER__PEERS__REGISTRY_SYNC", "https://registry:1"),
            ("MINT_IDENTITY_PROVISIONER__ROTATION__CONCURRENCY", "32"),
            ("MINT_IDENTITY_PROVISIONER__ROTATION__NAMES", "a, b"),
            ("MINT_IDENTITY_PROVISIONER__ROTATION__MODE", "fast"),
            ("MINT_IDENTITY_PROVISIONER__TELEMETRY__OTLP_ENDPOINT", "http://127.0.0.1:4317"),
        ],
    )
    .unwrap();
    assert_eq!(config.listen.to_string(), "[::1]:9");
    assert_eq!(config.drain, Period::from_seconds(90));
    assert!(config.state.migrate() && config.state.url.starts_with("postgres:"));
    assert_eq!(config.peers.url_of(ServiceName::RegistrySync).unwrap().as_str(), "https://registry:1");
    assert_eq!((config.rotation.concurrency, config.rotation.names.len()), (32, 2));
    assert_eq!(config.rotation.mode, Mode::Fast);
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    for (addition, key) in [
        ("\n[rotation]\nconcurency = 3\n", "rotation.concurency"),
        ("\n[bugdet]\nminimum = 3\n", "bugdet"),
        ("rotator = \"https://127.0.0.1:1\"\n", "peers.rotator"),
        ("nobody = \"https://127.0.0.1:1\"\n", "peers.nobody"),
    ] {
        let error = read_with(&format!("{GOOD}{addition}"), &[]).unwrap_err();
        assert_eq!(error.key, key);
        assert!(error.problem.starts_with("is unknown"), "{error}");
    }
}

#[test]
fn an_unknown_environment_key_is_refused_by_name() {
    for variable in [
        "MINT_IDENTITY_PROVISIONER__NOSUCH",
        "MINT_IDENTITY_PROVISIONER__TLS__KEYS",
        "MINT_IDENTITY_PROVISIONER__NOSUCH__KEY",
        "MINT_IDENTITY_PROVISIONER__",
        "MINT_IDENTITY_PROVISIONER__LISTEN__X",
    ] {
        assert_eq!(read_with(GOOD, &[(variable, "x")]).unwrap_err().key, variable);
    }
}

#[test]
fn a_bad_value_is_refused_by_name() {
    for (variable, text) in [
        ("MINT_IDENTITY_PROVISIONER__LISTEN", "nowhere"),
        ("MINT_IDENTITY_PROVISIONER__DRAIN", "5"),
        ("MINT_IDENTITY_PROVISIONER__ROTATION__CONCURRENCY", "many"),
        ("MINT_IDENTITY_PROVISIONER__ROTATION__MODE", "turbo"),
        ("MINT_IDENTITY_PROVISIONER__TELEMETRY__OTLP_ENDPOINT", "http://collector:4317"),
        ("MINT_IDENTITY_PROVISIONER__PEERS__AUDIT", "http://audit:1"),
    ] {
        assert_eq!(read_with(GOOD, &[(variable, text)]).unwrap_err().key, variable, "{text}");
    }
    let plain = read_with(&GOOD.replace("https://127.0.0.1:7002", "http://127.0.0.1:7002"), &[]).unwrap_err();
    assert_eq!(plain.key, "peers.audit");
    let wrong = read_with(&GOOD.replace("\"127.0.0.1:7001\"", "7001"), &[]).unwrap_err();
    assert_eq!(wrong.key, "listen");
}

#[test]
fn a_missing_key_is_named() {
    let error = read_with(&GOOD.replace("key = \"/a/key.pem\"", ""), &[]).unwrap_err();
    assert_eq!((error.key.as_str(), error.problem.as_str()), ("tls.key", "is missing"));
    let error = read_with(&GOOD.replace("audit = \"https://127.0.0.1:7002\"", ""), &[]).unwrap_err();
    assert_eq!((error.key.as_str(), error.problem.as_str()), ("peers.audit", "is missing"));
    let error = read_with("listen = [", &[]).unwrap_err();
    assert_eq!(error.key, "--config");
}

#[test]
fn a_password_in_the_state_url_is_not_shown() {
    let state = StateConfig::new("postgres://mint:hunter2@db/mint", None);
    assert!(!format!("{state:?}").contains("hunter2"));
    assert!(!state.migrate());
}
