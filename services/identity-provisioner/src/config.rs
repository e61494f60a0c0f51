//! What was written, and what is true.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use mint_runtime::{
    CommonConfig, ConfigError, Peers, ServiceConfig, SigningStatementsConfig, StateConfig, TelemetryConfig,
    TlsConfig, default_drain,
};
use mint_types::{Budget, OutboundUrl, Period, Scope, ServiceName, TrustDomain};
use serde::Deserialize;

use crate::model::Naming;

/// The configuration as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    listen: SocketAddr,
    trust_domain: TrustDomain,
    #[serde(default = "default_drain")]
    drain: Period,
    tls: TlsConfig,
    /// The database.
    pub state: StateConfig,
    #[serde(default)]
    telemetry: TelemetryConfig,
    #[serde(default)]
    peers: Peers,
    /// The IAM solution.
    pub issuer: IssuerSection,
    #[serde(default)]
    budget: BudgetSection,
    /// Whose statements are believed, and what permits are signed with.
    #[serde(default)]
    pub statements: SigningStatementsConfig,
}

/// Which IAM solution, and how users are named there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerSection {
    /// How it is spoken to.
    pub driver: Driver,
    /// Where it is.
    pub url: OutboundUrl,
    /// The bearer token.
    pub token_file: PathBuf,
    /// Certificate authorities instead of the public ones.
    pub ca_file: Option<PathBuf>,
    #[serde(default = "stups")]
    username_prefix: String,
    #[serde(default = "services")]
    realm: String,
    #[serde(default = "everybodys")]
    base_scopes: Vec<String>,
    #[serde(default)]
    reserved_scopes: Vec<Scope>,
    /// How often the list of users is looked at.
    #[serde(default = "ten_minutes")]
    pub check_interval: Period,
}

/// The drivers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// COMPAT section 3.
    ServiceUser,
    /// Glewlwyd 2.7; `url` is the admin API's base and `token_file` holds an API key.
    Glewlwyd,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BudgetSection {
    minimum: u64,
    fraction_percent: u64,
    tombstone: Period,
}

/// DESIGN section 3: a disabled identity is restorable for seven days.
const TOMBSTONE: Period = Period::from_seconds(7 * 24 * 3600);

impl Default for BudgetSection {
    fn default() -> Self {
        let Budget { minimum, percent } = Budget::default();
        Self { minimum, fraction_percent: percent, tombstone: TOMBSTONE }
    }
}

fn stups() -> String {
    "stups_".to_owned()
}

fn ten_minutes() -> Period {
    Period::from_seconds(600)
}

fn services() -> String {
    "services".to_owned()
}

fn everybodys() -> Vec<String> {
    vec!["uid".to_owned(), "cn".to_owned()]
}

impl Config {
    /// How users are named.
    pub fn naming(&self) -> Naming {
        Naming {
            username_prefix: self.issuer.username_prefix.clone(),
            realm: self.issuer.realm.clone(),
            base_scopes: self.issuer.base_scopes.clone(),
            reserved_scopes: self.issuer.reserved_scopes.clone(),
        }
    }

    /// For how long a disabled identity is restorable.
    pub fn tombstone(&self) -> Duration {
        self.budget.tombstone.as_duration()
    }

    /// Invariant I6's numbers.
    pub fn budget(&self) -> Budget {
        Budget { minimum: self.budget.minimum, percent: self.budget.fraction_percent }
    }
}

impl ServiceConfig for Config {
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

    fn validate(&self) -> Result<(), ConfigError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let prefix = &self.issuer.username_prefix;
        if prefix.len() > 64 || !prefix.bytes().all(plain) {
            return Err(ConfigError::new("issuer.username_prefix", "must match ^[A-Za-z0-9._-]{0,64}$"));
        }
        if self.issuer.base_scopes.is_empty() {
            let problem = "must not be empty: a user without any scope is a disabled one";
            return Err(ConfigError::new("issuer.base_scopes", problem));
        }
        if self.issuer.check_interval.as_duration().is_zero() {
            return Err(ConfigError::new("issuer.check_interval", "must be positive"));
        }
        if self.budget.fraction_percent > 10 {
            return Err(ConfigError::new(
                "budget.fraction_percent",
                "must not exceed 10: no more than a tenth may die",
            ));
        }
        Ok(())
    }
}
