//! What was written, and what is true.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use mint_runtime::{
    CommonConfig, ConfigError, Peers, ServiceConfig, StateConfig, TelemetryConfig, TlsConfig, default_drain,
};
use mint_types::{OutboundUrl, Period, ServiceName, TrustDomain};
use serde::Deserialize;

use crate::grants::{GrantRow, GrantTable, Role};
use crate::signing::{Algorithm, LONGEST_TOKEN};

/// The broker's configuration. It has no secrets in it, and no database: nothing is kept.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen for peers (gRPC, mutual TLS).
    pub listen: SocketAddr,
    /// The trust domain of all certificates.
    pub trust_domain: TrustDomain,
    /// How long the drain may take.
    #[serde(default = "default_drain")]
    pub drain: Period,
    /// Certificate, key, CA.
    pub tls: TlsConfig,
    /// Where spans go.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
    /// `audit`.
    #[serde(default)]
    pub peers: Peers,
    /// The calls over HTTP.
    pub http: HttpConfig,
    /// Whose sessions are believed.
    pub session: SessionConfig,
    /// What signs.
    pub signing: SigningConfig,
    /// Where tokens are exchanged.
    pub sts: StsConfig,
    /// How often.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// Roles that trust this broker, by name.
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
    /// Who may read as what.
    #[serde(default)]
    pub grants: Vec<GrantRow>,
}

/// `[http]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Where to listen: without [`Self::tls`] on loopback, behind what ends TLS on this machine.
    pub listen: SocketAddr,
    /// What this process ends TLS with.
    #[serde(default)]
    pub tls: Option<HttpTls>,
    /// The `iss` of every token, and where relying parties find discovery and keys.
    pub issuer: OutboundUrl,
    /// Whether `POST /v1/mint-aws-creds` still answers credentials.
    #[serde(default)]
    pub legacy_aws_creds: Switch,
}

/// `[http.tls]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpTls {
    /// The certificate and what leads to its authority (PEM): one that callers and relying parties trust.
    pub cert: PathBuf,
    /// Its key (PEM).
    pub key: PathBuf,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// On.
    #[default]
    On,
    /// Off.
    Off,
}

/// `[session]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionConfig {
    /// `iss`, exactly.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// Where its keys are, for sessions that are signed (JWT).
    #[serde(default)]
    pub jwks_url: Option<OutboundUrl>,
    /// Where it is asked about the others; without [`Self::jwks_url`], about every session.
    #[serde(default)]
    pub introspection: Option<IntrospectionConfig>,
    /// What they may sign with.
    #[serde(default = "es256")]
    pub algorithms: Vec<Algorithm>,
    /// How long fetched keys are believed.
    #[serde(default = "ten_minutes")]
    pub cache: Period,
    /// The certificate authorities of the IAM solution (PEM); none: the public ones.
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

/// `[session.introspection]` (RFC 7662)
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntrospectionConfig {
    /// The endpoint.
    pub url: OutboundUrl,
    /// The broker's own client there: a private file with `{"client_id", "client_secret"}`.
    pub client_file: PathBuf,
}

/// `[signing]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningConfig {
    /// `schedule.json` and the keys.
    pub directory: PathBuf,
    /// How long a token lives.
    #[serde(default = "five_minutes")]
    pub lifetime: Period,
    /// How long relying parties may keep the published keys.
    #[serde(default = "an_hour")]
    pub jwks_cache: Period,
    /// How long a key signs before this process makes the next one.
    #[serde(default = "thirty_days")]
    pub rotate_every: Period,
    /// Whether the first key of an algorithm is made at start where there is none: for a world on one machine, where
    /// nobody keeps keys.
    #[serde(default)]
    pub generate: bool,
}

/// `[sts]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StsConfig {
    /// For example `https://sts.eu-central-1.amazonaws.com`.
    pub endpoint: OutboundUrl,
    /// How long one call may take.
    #[serde(default = "five_seconds")]
    pub deadline: Period,
    /// How long before their end credentials are fetched anew.
    #[serde(default = "five_minutes")]
    pub margin: Period,
    /// The certificate authorities of STS (PEM); none: the public ones.
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

/// `[limits]`, for each subject.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Calls in a minute, at an even pace.
    pub per_minute: u32,
    /// Calls that may come at once.
    pub burst: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { per_minute: 60, burst: 20 }
    }
}

fn es256() -> Vec<Algorithm> {
    vec![Algorithm::Es256]
}

fn five_seconds() -> Period {
    Period::from_seconds(5)
}

fn five_minutes() -> Period {
    Period::from_seconds(300)
}

fn ten_minutes() -> Period {
    Period::from_seconds(600)
}

fn an_hour() -> Period {
    Period::from_seconds(3600)
}

fn thirty_days() -> Period {
    Period::from_seconds(30 * 24 * 3600)
}

impl Config {
    /// The grant table.
    pub fn grant_table(&self) -> Result<GrantTable, ConfigError> {
        GrantTable::read(&self.roles, &self.grants, &self.trust_domain)
    }

    fn check_issuer(&self) -> Result<(), ConfigError> {
        let url = self.http.issuer.as_url();
        let refuse = |problem: &str| Err(ConfigError::new("http.issuer", problem));
        if url.query().is_some() {
            return refuse("must have no query: AWS appends /.well-known/openid-configuration to it");
        }
        if !self.http.issuer.is_plain_http() && url.port().is_some() {
            return refuse("must have no port: AWS takes no issuer with one");
        }
        Ok(())
    }
}

fn between(key: &str, period: Period, shortest: u64, longest: u64) -> Result<(), ConfigError> {
    let (shortest, longest) = (Period::from_seconds(shortest), Period::from_seconds(longest));
    if (shortest..=longest).contains(&period) {
        return Ok(());
    }
    Err(ConfigError::new(key, format!("must be between {shortest} and {longest}")))
}

impl ServiceConfig for Config {
    const PEERS: &'static [ServiceName] = &[ServiceName::Audit];

    fn common(&self) -> CommonConfig {
        CommonConfig {
            listen: self.listen,
            trust_domain: self.trust_domain.clone(),
            drain: self.drain,
            tls: self.tls.clone(),
            // nothing is opened by this name: there is no database
            state: StateConfig::new("none:", Some(false)),
            telemetry: self.telemetry.clone(),
            peers: self.peers.clone(),
        }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        self.check_issuer()?;
        if self.http.tls.is_none() && !self.http.listen.ip().is_loopback() {
            let problem = "must be a loopback address, or http.tls must name a certificate: sessions and credentials go \
                           nowhere in the clear";
            return Err(ConfigError::new("http.listen", problem));
        }
        between("signing.lifetime", self.signing.lifetime, 60, LONGEST_TOKEN.as_secs())?;
        between("signing.jwks_cache", self.signing.jwks_cache, 60, 24 * 3600)?;
        between("signing.rotate_every", self.signing.rotate_every, 3600, 366 * 24 * 3600)?;
        between("session.cache", self.session.cache, 30, 24 * 3600)?;
        between("sts.deadline", self.sts.deadline, 1, 30)?;
        between("sts.margin", self.sts.margin, 60, 6 * 3600)?;
        if self.session.algorithms.is_empty() {
            return Err(ConfigError::new("session.algorithms", "must name one: ES256 or RS256"));
        }
        if self.session.jwks_url.is_none() && self.session.introspection.is_none() {
            return Err(ConfigError::new("session", "must name a jwks_url, or introspection, or both"));
        }
        if self.session.issuer.is_empty() || self.session.audience.is_empty() {
            return Err(ConfigError::new("session", "must name an issuer and an audience"));
        }
        if !(1..=60_000).contains(&self.limits.per_minute) || !(1..=10_000).contains(&self.limits.burst) {
            return Err(ConfigError::new(
                "limits",
                "must be 1 to 60000 per_minute and a burst of 1 to 10000",
            ));
        }
        self.grant_table().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use mint_runtime::config::{Sources, load};

    use super::*;

    fn example(environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/examples/broker.toml");
        let environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let prefix = "MINT_BROKER__".to_owned();
        load(&Sources { file: Some(&file), environment, prefix, migrate: false })
    }

    #[test]
    fn the_example_is_a_configuration_and_what_it_leaves_out_is_its_default() {
        let config = example(&[]).unwrap();
        assert_eq!(config.grant_table().unwrap().algorithms().count(), 2);
        let session = &config.session;
        assert_eq!((session.cache, session.ca.is_none()), (ten_minutes(), true));
        assert_eq!((config.signing.lifetime, config.signing.jwks_cache), (five_minutes(), an_hour()));
        assert_eq!((config.signing.rotate_every, config.signing.generate), (thirty_days(), false));
        assert_eq!((config.sts.deadline, config.http.legacy_aws_creds), (five_seconds(), Switch::On));
        let limits = LimitsConfig::default();
        assert_eq!((config.limits.per_minute, config.limits.burst), (limits.per_minute, limits.burst));
        let open = example(&[
            ("MINT_BROKER__HTTP__LISTEN", "0.0.0.0:8443"),
            ("MINT_BROKER__HTTP__TLS__CERT", "/c"),
            ("MINT_BROKER__HTTP__TLS__KEY", "/k"),
        ]);
        assert!(open.unwrap().http.tls.is_some());
        let off = example(&[("MINT_BROKER__HTTP__LEGACY_AWS_CREDS", "off")]).unwrap();
        assert_eq!(off.http.legacy_aws_creds, Switch::Off);
    }

    #[test]
    fn a_value_that_cannot_be_is_refused_by_its_key() {
        for (variable, value, key) in [
            ("HTTP__LISTEN", "0.0.0.0:8080", "http.listen"),
            ("HTTP__ISSUER", "https://broker.example.org:8443", "http.issuer"),
            ("HTTP__ISSUER", "https://broker.example.org/?a=b", "http.issuer"),
            ("SIGNING__LIFETIME", "59s", "signing.lifetime"),
            ("SIGNING__LIFETIME", "61m", "signing.lifetime"),
            ("SIGNING__JWKS_CACHE", "1s", "signing.jwks_cache"),
            ("SIGNING__ROTATE_EVERY", "1m", "signing.rotate_every"),
            ("STS__DEADLINE", "1h", "sts.deadline"),
            ("STS__MARGIN", "0s", "sts.margin"),
            ("SESSION__AUDIENCE", "", "session"),
            ("LIMITS__BURST", "0", "limits"),
            ("ROLES__READER__SESSION", "13h", "roles.reader.session"),
        ] {
            let refused = example(&[(&format!("MINT_BROKER__{variable}"), value)]).unwrap_err();
            assert!(refused.key.starts_with(key), "{variable}={value}: {refused}");
        }
    }
}
