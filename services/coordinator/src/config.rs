//! Names and defaults of the configuration.

use std::net::SocketAddr;

use mint_runtime::{
    CommonConfig, ConfigError, Peers, ServiceConfig, StateConfig, TelemetryConfig, TlsConfig, default_drain,
};
use mint_types::{Period, ServiceName, TrustDomain};
use serde::Deserialize;

use crate::desk::Adoption;

/// The coordinator's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
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
    /// How rotations are driven.
    #[serde(default)]
    pub rotation: RotationConfig,
    /// How what consumers have is checked at the issuer.
    #[serde(default)]
    pub drift: DriftConfig,
}

/// Section `drift`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DriftConfig {
    /// Each credential at rest is checked once in this time, by one login; `0s` for never.
    pub period: Period,
}

impl Default for DriftConfig {
    fn default() -> Self {
        Self { period: Period::from_seconds(24 * 3600) }
    }
}

impl DriftConfig {
    /// How often, if at all.
    pub(crate) fn period(&self) -> Option<std::time::Duration> {
        Some(self.period.as_duration()).filter(|period| !period.is_zero())
    }
}

/// Section `rotation`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RotationConfig {
    /// How many applications are worked on at once.
    pub concurrency: u16,
    /// The wait after a step's first failure; doubles with each further one.
    pub retry_base: Period,
    /// The longest wait between two tries.
    pub retry_cap: Period,
    /// How long an application stays with a coordinator that does not answer any more. A call to another service may
    /// take two thirds of it.
    pub lease: Period,
    /// After so many failures in a row a credential counts as failed.
    pub failed_after: u32,
    /// How long after its objects became tombstones the identity of a removed application is deleted; like the rotator's
    /// key of this name.
    pub min_overlap: Period,
    /// Nobody waits longer than this for instances that still hold an older version; like the rotator's key of this
    /// name, which has the last word.
    pub max_overlap: Period,
    /// A name that no other running coordinator has, for people. Each life of the process takes leases under a name of
    /// its own all the same, and those of the last one must end, unless `sole_executors` says otherwise.
    pub instance: String,
    /// There is never more than one process of each executor (rotator, distributor, identity-provisioner), and never
    /// another coordinator of this name: then a restarted coordinator takes the leases of its `instance` back at once,
    /// because an executor lets one call at a time act on an object, and what the former life asked for is waited for
    /// there. With replicas it could still be under way at another one.
    pub sole_executors: bool,
}

impl Default for RotationConfig {
    fn default() -> Self {
        Self {
            concurrency: 32,
            retry_base: Period::from_seconds(1),
            retry_cap: Period::from_seconds(300),
            lease: Period::from_seconds(30),
            failed_after: 3,
            min_overlap: Period::from_seconds(600),
            max_overlap: Period::new(Adoption::LONGEST),
            instance: String::new(),
            sole_executors: false,
        }
    }
}

/// A shorter lease would end while a healthy call is under way.
const SHORTEST_LEASE: Period = Period::from_seconds(3);
/// More logins would say nothing more.
const SHORTEST_DRIFT: std::time::Duration = std::time::Duration::from_secs(10);

impl ServiceConfig for Config {
    const PEERS: &'static [ServiceName] = &[
        ServiceName::Audit,
        ServiceName::RegistrySync,
        ServiceName::IdentityProvisioner,
        ServiceName::Rotator,
        ServiceName::Distributor,
    ];

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
        let rotation = &self.rotation;
        if rotation.concurrency == 0 {
            return Err(ConfigError::new("rotation.concurrency", "must be at least 1"));
        }
        if rotation.retry_base.as_duration().is_zero() {
            return Err(ConfigError::new("rotation.retry_base", "must be positive"));
        }
        if rotation.retry_cap < rotation.retry_base {
            return Err(ConfigError::new("rotation.retry_cap", "must not be less than rotation.retry_base"));
        }
        if rotation.lease < SHORTEST_LEASE {
            return Err(ConfigError::new("rotation.lease", format!("must be at least {SHORTEST_LEASE}")));
        }
        if rotation.sole_executors && rotation.instance.is_empty() {
            let reason = "needs rotation.instance: leases are taken back by name";
            return Err(ConfigError::new("rotation.sole_executors", reason));
        }
        if self.drift.period().is_some_and(|period| period < SHORTEST_DRIFT) {
            return Err(ConfigError::new("drift.period", "must be at least 10s, or 0s for never"));
        }
        if rotation.failed_after == 0 {
            return Err(ConfigError::new("rotation.failed_after", "must be at least 1"));
        }
        Ok(())
    }
}
