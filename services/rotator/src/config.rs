//! The configuration: what may be written, and what follows from it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mint_issuer_contract::{EndsOf, Recipe};
use mint_runtime::{
    CommonConfig, ConfigError, Peers, ServiceConfig, StateConfig, StatementsConfig, TelemetryConfig,
    TlsConfig, default_drain,
};
use mint_types::{OutboundUrl, Period, ServiceName, TrustDomain};
use serde::Deserialize;

use crate::plan::{ErrorBudget, Proving, Rules};

/// An issuer that replicates may need a moment to accept what it just made; more than one repetition is a login storm.
const LOGIN_PAUSE: Duration = Duration::from_secs(1);

/// The rotator's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The trust domain of all certificates.
    pub trust_domain: TrustDomain,
    /// How long a drain may take.
    #[serde(default = "default_drain")]
    pub drain: Period,
    /// This process's identity.
    pub tls: TlsConfig,
    /// The ledger's database.
    pub state: StateConfig,
    /// Where spans go.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
    /// audit, registry-sync, distributor.
    pub peers: Peers,
    /// The IAM solution.
    pub issuer: IssuerConfig,
    /// Signing, probe and fingerprint keys.
    pub keys: KeysConfig,
    /// Overlaps and budgets.
    #[serde(default)]
    pub rotation: RotationConfig,
    /// Whose statements are believed.
    #[serde(default)]
    pub statements: StatementsConfig,
}

/// The IAM solution.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// Which API it speaks.
    pub driver: Driver,
    /// Base URL of the service-user API.
    pub url: OutboundUrl,
    /// File with the bearer token (mode 0600).
    pub token_file: PathBuf,
    /// What stands before an application's id in its user name.
    pub username_prefix: String,
    /// The OAuth 2.0 token endpoint.
    pub token_url: OutboundUrl,
    /// The revocation endpoint (RFC 7009).
    pub revocation_url: OutboundUrl,
    /// The introspection endpoint; not used yet.
    #[serde(default)]
    pub introspection_url: Option<OutboundUrl>,
    /// File with Mint's own client, JSON `{"client_id", "client_secret"}` (mode 0600).
    pub prober_client_file: PathBuf,
    /// How long the issuer accepts older passwords after a commit.
    #[serde(default = "default_grace")]
    pub grace: Period,
    /// How long a call may take.
    #[serde(default = "default_deadline")]
    pub deadline: Period,
    /// How long a call may still take effect after it was sent: no Create is sent while one that was never answered is
    /// younger. At least the deadline.
    #[serde(default = "default_request_life")]
    pub request_life: Period,
    /// Certificates (PEM) that vouch for the issuer; the public ones if absent.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Driver `glewlwyd`: the OAuth plugin's name in URLs.
    #[serde(default = "default_plugin")]
    pub plugin: String,
    /// Driver `glewlwyd`: file with an administrator, JSON `{"username", "password"}` (mode 0600). Without it the refresh
    /// tokens of an ended password run on until they expire: an API key cannot end them.
    #[serde(default)]
    pub administrator_file: Option<PathBuf>,
    /// Driver `glewlwyd`: how Mint makes secrets, `{ length, alphabet }`; at least 128 bits.
    #[serde(default, deserialize_with = "recipe")]
    pub recipe: Recipe,
    /// How an ended version is proved dead.
    #[serde(default)]
    pub prove: Prove,
    /// At most this many logins with one ended version.
    #[serde(default = "default_prove_attempts")]
    pub prove_attempts: u32,
    /// How often within an hour the issuer may answer what is not true before rotations there halt.
    #[serde(default = "default_errors_per_hour")]
    pub errors_per_hour: u32,
}

impl IssuerConfig {
    /// The error budget of this issuer.
    pub fn error_budget(&self, issuer: &'static str) -> ErrorBudget {
        ErrorBudget { issuer, lies: self.errors_per_hour, window: Duration::from_hours(1) }
    }
}

/// Which API the IAM solution speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// COMPAT section 3.
    ServiceUser,
    /// Glewlwyd 2.7 and later.
    Glewlwyd,
}

/// How an ended version is proved dead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prove {
    /// One login with it must be refused.
    #[default]
    Login,
    /// Not at all: the issuer locks users out after failed logins.
    Never,
}

/// How Mint makes secrets, where the issuer does not.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipeText {
    length: usize,
    alphabet: String,
}

fn recipe<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Recipe, D::Error> {
    let RecipeText { length, alphabet } = RecipeText::deserialize(deserializer)?;
    Recipe::new(length, &alphabet).map_err(serde::de::Error::custom)
}

/// Where keys are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysConfig {
    /// The mounted directory.
    pub directory: PathBuf,
    /// Whether missing keys are made.
    #[serde(default)]
    pub generate: bool,
}

/// Overlaps and budgets.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RotationConfig {
    /// How long consumers have to take over a new version.
    pub min_overlap: Period,
    /// The same where Mint does not know who uses the previous version.
    pub max_overlap: Period,
    /// Calls to the issuer per minute.
    pub rate_per_minute: u32,
    /// How long calls without a known outcome hold up the next Create once two of them stand.
    pub unresolved_hold: Period,
    /// How long a value may be at a destination before an issuer that knows one at a time has it; longer is an alarm.
    pub replace_window: Period,
}

impl Default for RotationConfig {
    fn default() -> Self {
        Self {
            // berry polls every two minutes: five polls may fail
            min_overlap: Period::from_seconds(600),
            max_overlap: Period::from_seconds(24 * 3600),
            // a hundred calls a second: what an issuer of this kind answers, and far more than a day needs
            rate_per_minute: 6000,
            unresolved_hold: Period::from_seconds(120),
            replace_window: Period::from_seconds(30),
        }
    }
}

fn default_grace() -> Period {
    Period::from_seconds(10)
}

fn default_deadline() -> Period {
    Period::from_seconds(10)
}

fn default_plugin() -> String {
    "oidc".to_owned()
}

fn default_prove_attempts() -> u32 {
    12
}

fn default_errors_per_hour() -> u32 {
    5
}

fn default_request_life() -> Period {
    Period::from_seconds(12)
}

impl ServiceConfig for Config {
    const PEERS: &'static [ServiceName] =
        &[ServiceName::Audit, ServiceName::RegistrySync, ServiceName::Distributor];

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
        let prefix = &self.issuer.username_prefix;
        if !prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')) {
            return Err(ConfigError::new("issuer.username_prefix", "must be of [A-Za-z0-9._-]"));
        }
        if self.issuer.request_life < self.issuer.deadline {
            return Err(ConfigError::new("issuer.request_life", "must not be shorter than issuer.deadline"));
        }
        if self.rotation.max_overlap < self.rotation.min_overlap {
            return Err(ConfigError::new(
                "rotation.max_overlap",
                "must not be shorter than rotation.min_overlap",
            ));
        }
        if self.issuer.prove_attempts == 0 || self.issuer.errors_per_hour == 0 {
            return Err(ConfigError::new(
                "issuer.prove_attempts",
                "and issuer.errors_per_hour must be at least 1; `prove = \"never\"` tries no login",
            ));
        }
        if self.rotation.replace_window < self.issuer.deadline {
            return Err(ConfigError::new(
                "rotation.replace_window",
                "must not be shorter than issuer.deadline: the set alone may take that long",
            ));
        }
        if self.rotation.rate_per_minute < 10 {
            return Err(ConfigError::new(
                "rotation.rate_per_minute",
                "must be at least 10: a rotation takes 6 calls",
            ));
        }
        Ok(())
    }
}

impl Config {
    /// The rules that decisions follow, at an issuer where this ends a version.
    pub fn rules(&self, ends: EndsOf) -> Rules {
        Rules {
            min_overlap: self.rotation.min_overlap.as_duration(),
            max_overlap: self.rotation.max_overlap.as_duration(),
            ends,
            request_life: self.issuer.request_life.as_duration(),
            unresolved_hold: self.rotation.unresolved_hold.as_duration(),
            login_pause: LOGIN_PAUSE,
            replace_window: self.rotation.replace_window.as_duration(),
            proving: Proving {
                by_login: self.issuer.prove == Prove::Login,
                attempts: self.issuer.prove_attempts,
            },
        }
    }
}
