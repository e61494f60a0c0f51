//! Configuration: nothing but what every service has.

use std::net::SocketAddr;

use mint_runtime::{
    CommonConfig, Peers, ServiceConfig, StateConfig, TelemetryConfig, TlsConfig, default_drain,
};
use mint_types::{Period, ServiceName, TrustDomain};
use serde::Deserialize;

/// The configuration of `mint-audit`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The trust domain.
    pub trust_domain: TrustDomain,
    /// The drain deadline.
    #[serde(default = "default_drain")]
    pub drain: Period,
    /// Certificate, key, CA.
    pub tls: TlsConfig,
    /// The log's database.
    pub state: StateConfig,
    /// Where spans go.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
    /// Must be empty: the log calls nobody.
    #[serde(default)]
    pub peers: Peers,
}

impl ServiceConfig for Config {
    const PEERS: &'static [ServiceName] = &[];

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
