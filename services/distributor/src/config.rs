//! What was written, and what is true.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mint_runtime::{
    CommonConfig, ConfigError, Peers, ServiceConfig, StateConfig, StatementsConfig, TelemetryConfig,
    TlsConfig, default_drain,
};
use mint_types::{OutboundUrl, Period, ServiceName, TrustDomain};
use serde::{Deserialize, Deserializer};

/// The distributor's configuration. AWS credentials are not in it: they come by the standard environment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The trust domain of all certificates.
    pub trust_domain: TrustDomain,
    /// How long the drain may take.
    #[serde(default = "default_drain")]
    pub drain: Period,
    /// This process's identity.
    pub tls: TlsConfig,
    /// The database.
    pub state: StateConfig,
    /// Where spans go.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
    /// Where the peers are.
    #[serde(default)]
    pub peers: Peers,
    /// The sealing and receipt keys.
    pub keys: KeysConfig,
    /// How stores are written to.
    #[serde(default)]
    pub s3: S3Config,
    /// Whose statements are believed.
    #[serde(default)]
    pub statements: StatementsConfig,
    /// How destinations are pinned.
    #[serde(default)]
    pub pins: PinsConfig,
}

/// How destinations are pinned.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PinsConfig {
    /// How long a new destination that nobody confirms is asked for before it is believed.
    pub wait: Period,
}

impl Default for PinsConfig {
    fn default() -> Self {
        Self { wait: Period::from_seconds(24 * 3600) }
    }
}

/// Where keys are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysConfig {
    /// The directory of the key files.
    pub directory: PathBuf,
    /// Whether missing keys may be made; replicas must share mounted ones.
    #[serde(default)]
    pub generate: bool,
}

/// How stores are written to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct S3Config {
    /// The endpoint of buckets that name none; empty for `AWS_ENDPOINT_URL_S3`, else AWS's own.
    #[serde(deserialize_with = "optional_url")]
    pub default_endpoint: Option<OutboundUrl>,
    /// The region of buckets that name none; empty for `AWS_REGION`.
    pub default_region: String,
    /// The endpoints that teams may name for their buckets; absent: every https one, and this machine's.
    pub allowed_endpoints: Option<Vec<OutboundUrl>>,
    /// How long a store accepts a signed PUT.
    pub put_expiry: Period,
    /// How long a store may take to answer.
    pub deadline: Period,
}

impl Default for S3Config {
    fn default() -> Self {
        Self {
            default_endpoint: None,
            default_region: String::new(),
            allowed_endpoints: None,
            put_expiry: Period::from_seconds(60),
            deadline: Period::from_seconds(10),
        }
    }
}

fn optional_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<OutboundUrl>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// Credentials are handed out with at least 90 s to live: a signature must not outlive them.
const LONGEST_PUT_EXPIRY: Duration = Duration::from_secs(90);

/// Where an issuer knows one value at a time it is told the new one within 30 s of the first write (DESIGN section 3). The
/// answers of all stores are waited for before; the other half is for those who carry the receipt.
const LONGEST_DEADLINE: Duration = Duration::from_secs(15);

impl ServiceConfig for Config {
    const PEERS: &'static [ServiceName] =
        &[ServiceName::Audit, ServiceName::RegistrySync, ServiceName::Rotator];

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
        let expiry = self.s3.put_expiry.as_duration();
        // SigV4 counts in seconds
        if expiry < Duration::from_secs(1) || expiry > LONGEST_PUT_EXPIRY || expiry.subsec_nanos() != 0 {
            return Err(ConfigError::new("s3.put_expiry", "must be whole seconds from 1s to 90s"));
        }
        let deadline = self.s3.deadline.as_duration();
        if deadline.is_zero() || deadline > expiry {
            return Err(ConfigError::new(
                "s3.deadline",
                "must be longer than nothing and at most s3.put_expiry",
            ));
        }
        if deadline > LONGEST_DEADLINE {
            return Err(ConfigError::new(
                "s3.deadline",
                "must be at most 15s: an issuer that knows one value at a time is told the new one within 30s of the \
                 first write, whatever the other stores do",
            ));
        }
        Ok(())
    }
}
