//! What was written, and what is true.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use mint_runtime::{
    CommonConfig, ConfigError, Peers, ServiceConfig, StateConfig, StatementsConfig, TelemetryConfig,
    TlsConfig, default_drain,
};
use mint_types::{OutboundUrl, Period, ServiceName, TrustDomain};
use serde::Deserialize;

use crate::{execute::Schedule, settings::Defaults};

/// The configuration as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    listen: SocketAddr,
    trust_domain: TrustDomain,
    #[serde(default = "default_drain")]
    drain: Period,
    tls: TlsConfig,
    /// The catalog's database.
    pub state: StateConfig,
    #[serde(default)]
    telemetry: TelemetryConfig,
    #[serde(default)]
    peers: Peers,
    source: SourceSection,
    #[serde(default)]
    defaults: DefaultsSection,
    /// Whose statements are believed.
    #[serde(default)]
    pub statements: StatementsConfig,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Driver {
    Kio,
    File,
    /// Known by name so that it is refused as what it is: not there yet.
    Backstage,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceSection {
    driver: Driver,
    url: Option<OutboundUrl>,
    token_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    path: Option<PathBuf>,
    settings_file: Option<PathBuf>,
    #[serde(default = "half_a_minute")]
    full_interval: Period,
    #[serde(default = "five_seconds")]
    delta_interval: Period,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DefaultsSection {
    region: Option<String>,
    endpoint: String,
    bucket: String,
    account_id: String,
    password_period: Option<Period>,
    client_period: Option<Period>,
}

/// The registry to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceConfig {
    /// Over HTTP.
    Kio {
        /// The API's base.
        url: OutboundUrl,
        /// The bearer token.
        token_file: PathBuf,
        /// Certificate authorities instead of the public ones.
        ca_file: Option<PathBuf>,
    },
    /// From a file.
    File {
        /// Where it is.
        path: PathBuf,
    },
}

fn half_a_minute() -> Period {
    Period::from_seconds(30)
}

fn five_seconds() -> Period {
    Period::from_seconds(5)
}

impl Config {
    /// The registry to read; keys of the other driver are refused.
    pub fn source(&self) -> Result<SourceConfig, ConfigError> {
        let section = &self.source;
        match section.driver {
            Driver::Backstage => Err(ConfigError::new(
                "source.driver",
                "backstage is not supported yet: use kio or file [UNSUPPORTED]",
            )),
            Driver::Kio => {
                refuse("source.path", section.path.is_some(), "belongs to the driver file, not kio")?;
                Ok(SourceConfig::Kio {
                    url: needed("source.url", section.url.as_ref())?,
                    token_file: needed("source.token_file", section.token_file.as_ref())?,
                    ca_file: section.ca_file.clone(),
                })
            }
            Driver::File => {
                let foreign = "belongs to the driver kio, not file";
                refuse("source.url", section.url.is_some(), foreign)?;
                refuse("source.token_file", section.token_file.is_some(), foreign)?;
                refuse("source.ca_file", section.ca_file.is_some(), foreign)?;
                refuse("source.settings_file", section.settings_file.is_some(), foreign)?;
                Ok(SourceConfig::File { path: needed("source.path", section.path.as_ref())? })
            }
        }
    }

    /// A file beside a registry without settings, in the format of the driver `file`: what cannot be entered of it is
    /// told as a problem of its application.
    pub fn settings_file(&self) -> Option<&Path> {
        self.source.settings_file.as_deref()
    }

    /// When it is read.
    pub fn schedule(&self) -> Schedule {
        Schedule { full: self.source.full_interval, delta: self.source.delta_interval }
    }

    /// What owners may leave open.
    pub fn defaults(&self) -> Result<Defaults, ConfigError> {
        let section = &self.defaults;
        let standard = Defaults::default();
        let region = section.region.clone().or(standard.region).filter(|region| !region.is_empty());
        let defaults = Defaults {
            region,
            endpoint: optional("defaults.endpoint", &section.endpoint)?,
            bucket: optional("defaults.bucket", &section.bucket)?,
            account_id: optional("defaults.account_id", &section.account_id)?,
            password_period: section.password_period.unwrap_or(standard.password_period),
            client_period: section.client_period.unwrap_or(standard.client_period),
        };
        refuse(
            "defaults.account_id",
            defaults.bucket.is_some() && defaults.account_id.is_none(),
            "is required with defaults.bucket: every write names the bucket's owner",
        )?;
        match defaults.settings().map(|settings| settings.check()) {
            Some(Err(refused)) => Err(ConfigError::new(
                format!("defaults.{}", refused.field),
                format!("is refused: {}", refused.rule),
            )),
            Some(Ok(())) | None => Ok(defaults),
        }
    }
}

impl ServiceConfig for Config {
    const PEERS: &'static [ServiceName] = &[ServiceName::Audit];

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

    fn validate(&self) -> Result<(), ConfigError> {
        self.source()?;
        self.defaults()?;
        let positive = |key, period: Period| refuse(key, period.as_duration().is_zero(), "must be positive");
        positive("source.full_interval", self.source.full_interval)?;
        positive("source.delta_interval", self.source.delta_interval)
    }
}

fn needed<T: Clone>(key: &str, value: Option<&T>) -> Result<T, ConfigError> {
    value.cloned().ok_or_else(|| ConfigError::new(key, "is missing: the driver needs it"))
}

fn refuse(key: &str, wrong: bool, problem: &str) -> Result<(), ConfigError> {
    if wrong { Err(ConfigError::new(key, problem)) } else { Ok(()) }
}

fn optional<T>(key: &str, text: &str) -> Result<Option<T>, ConfigError>
where
    T: std::str::FromStr,
    T::Err: ToString,
{
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.parse().map(Some);
    parsed.map_err(|error: T::Err| ConfigError::new(key, format!("is refused: {}", error.to_string())))
}
