//! Configuration: a TOML file, then the environment; a key that nobody knows is refused, and named.

mod document;
mod merge;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mint_types::{OutboundUrl, Period, ServiceName, TrustDomain};
use serde::Deserialize;
use serde::de::{self, DeserializeOwned, MapAccess, Visitor};

use crate::error::{Mark, exit};

/// What is wrong with the configuration: one key, one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The key with its section, for example `tls.cert`, or the environment variable that set it.
    pub key: String,
    /// What is wrong, to be read after the key.
    pub problem: String,
}

impl ConfigError {
    /// A problem of `key`, worded to be read after it: `must be positive`.
    pub fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "configuration key `{}` {}", self.key, self.problem)
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(Mark::of(exit::USAGE))
    }
}

/// A service's configuration. Its struct derives `Deserialize` with `deny_unknown_fields` and lists the common
/// sections as fields (`flatten` would let unknown keys pass).
pub trait ServiceConfig: DeserializeOwned + Send + 'static {
    /// The peers that the service calls: each must be configured, and no other may be.
    const PEERS: &'static [ServiceName];

    /// The sections that every service has.
    fn common(&self) -> CommonConfig;

    /// Rules between keys.
    fn validate(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

/// The sections that every service has.
#[derive(Debug, Clone)]
pub struct CommonConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The trust domain of all certificates.
    pub trust_domain: TrustDomain,
    /// How long in-flight requests and tasks may take after SIGTERM; `default_drain()`.
    pub drain: Period,
    /// This process's certificate and the CA.
    pub tls: TlsConfig,
    /// The database.
    pub state: StateConfig,
    /// Where spans go.
    pub telemetry: TelemetryConfig,
    /// Where the peers are.
    pub peers: Peers,
}

/// Five seconds: longer than any single call, shorter than what a supervisor waits before it kills.
pub fn default_drain() -> Period {
    Period::from_seconds(5)
}

/// Files of this process's identity; re-read when they change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificates that vouch for peers (PEM).
    pub ca: PathBuf,
    /// This process's certificate chain (PEM).
    pub cert: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
}

/// The service's database.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateConfig {
    /// `sqlite:///absolute/path` or `postgres://role@host/database`.
    pub url: String,
    #[serde(default)]
    migrate: Option<bool>,
    #[serde(default)]
    accept_origin: Option<String>,
}

impl StateConfig {
    /// A database at `url`.
    pub fn new(url: impl Into<String>, migrate: Option<bool>) -> Self {
        Self { url: url.into(), migrate, accept_origin: None }
    }

    /// Whether to bring the schema up to date at start. By default only a SQLite file's: on PostgreSQL that is done
    /// once by an administrator, with `migrate`, because the service's own role may not.
    pub fn migrate(&self) -> bool {
        self.migrate.unwrap_or_else(|| self.url.starts_with("sqlite:"))
    }

    /// [`Self::migrate`], and the origin that it accepts: where the database was moved by a failover or put back from a
    /// backup. By its name, so that a setting that was forgotten accepts nothing else.
    pub fn migration(&self) -> (bool, Option<&str>) {
        (self.migrate(), self.accept_origin.as_deref())
    }
}

impl fmt::Debug for StateConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.url.split(':').next().unwrap_or_default();
        f.debug_struct("StateConfig")
            .field("url", &format_args!("{scheme}:…"))
            .field("migrate", &self.migrate())
            .field("accept_origin", &self.accept_origin)
            .finish()
    }
}

/// Where spans go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    /// An OTLP/gRPC collector; none: spans are not exported.
    #[serde(default)]
    pub otlp_endpoint: Option<OutboundUrl>,
}

impl TelemetryConfig {
    fn check(&self) -> Result<(), ConfigError> {
        match &self.otlp_endpoint {
            Some(url) if !url.is_plain_http() => Err(ConfigError::new(
                "telemetry.otlp_endpoint",
                "must be http to a collector on this machine, which may forward: the exporter speaks no TLS",
            )),
            Some(_) | None => Ok(()),
        }
    }
}

/// Whose signed statements are believed. It is no common section: only services that verify statements have it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatementsConfig {
    /// The trusted public keys (JSON), read at each use; absent: every statement is refused.
    pub keys_file: Option<PathBuf>,
}

/// [`StatementsConfig`] of a service that signs statements too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SigningStatementsConfig {
    /// As in [`StatementsConfig`].
    pub keys_file: Option<PathBuf>,
    /// The service's own signing key (mode 0600); absent: it signs nothing.
    pub key_file: Option<PathBuf>,
}

/// Where the peers are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peers(BTreeMap<ServiceName, OutboundUrl>);

impl Peers {
    /// From pairs.
    pub fn new(peers: impl IntoIterator<Item = (ServiceName, OutboundUrl)>) -> Self {
        Self(peers.into_iter().collect())
    }

    /// The URL of `service`.
    pub fn url_of(&self, service: ServiceName) -> Option<&OutboundUrl> {
        self.0.get(&service)
    }

    fn check(&self, allowed: &[ServiceName]) -> Result<(), ConfigError> {
        for (service, url) in &self.0 {
            if !allowed.contains(service) {
                return Err(ConfigError::new(
                    format!("peers.{service}"),
                    "is unknown: this service does not call that peer",
                ));
            }
            if url.is_plain_http() {
                return Err(ConfigError::new(format!("peers.{service}"), "must be an https URL"));
            }
        }
        match allowed.iter().find(|service| !self.0.contains_key(service)) {
            Some(missing) => Err(ConfigError::new(format!("peers.{missing}"), "is missing")),
            None => Ok(()),
        }
    }
}

impl<'de> Deserialize<'de> for Peers {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PeersVisitor;

        impl<'de> Visitor<'de> for PeersVisitor {
            type Value = Peers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of peer names and https URLs")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Peers, A::Error> {
                let mut peers = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    let service: ServiceName =
                        key.parse().map_err(|_| de::Error::unknown_field(&key, &["a service's name"]))?;
                    peers.insert(service, map.next_value()?);
                }
                Ok(Peers(peers))
            }
        }

        deserializer.deserialize_map(PeersVisitor)
    }
}

/// What to read a configuration from.
#[derive(Debug)]
pub struct Sources<'a> {
    /// The TOML file.
    pub file: Option<&'a Path>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// `MINT_<SERVICE>__`.
    pub prefix: String,
    /// Set `state.migrate`, whatever else says.
    pub migrate: bool,
}

/// `MINT_<SERVICE>__`, the prefix of the environment variables that `service` reads.
pub fn environment_prefix(service: ServiceName) -> String {
    format!("MINT_{}__", service.as_str().replace('-', "_").to_ascii_uppercase())
}

/// Reads, merges, decodes and checks a configuration.
pub fn load<C: ServiceConfig>(sources: &Sources<'_>) -> Result<C, ConfigError> {
    let config: C = read(sources)?;
    let common = config.common();
    common.peers.check(C::PEERS)?;
    common.telemetry.check()?;
    config.validate()?;
    Ok(config)
}

/// Reads, merges and decodes any configuration: for programs that are no service.
pub fn read<C: DeserializeOwned>(sources: &Sources<'_>) -> Result<C, ConfigError> {
    let mut document = document::from_file(sources.file)?;
    merge::environment(&mut document, &sources.prefix, &sources.environment)?;
    if sources.migrate {
        merge::set(&mut document, &["state", "migrate"], toml::Value::Boolean(true).into());
    }
    document::decode(document)
}

#[cfg(test)]
mod tests;
