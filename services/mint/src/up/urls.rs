//! Where everything of a world is reached.

use mint_types::ServiceName;

use super::ports::Ports;

/// The world's URLs, without trailing slashes.
#[derive(Debug, Clone)]
pub(crate) struct Urls {
    ports: Ports,
}

impl Urls {
    pub(crate) fn new(ports: &Ports) -> Self {
        Self { ports: ports.clone() }
    }

    pub(crate) fn sandbox(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.sandbox())
    }

    pub(crate) fn kio(&self) -> String {
        format!("{}/kio", self.sandbox())
    }

    pub(crate) fn service_user(&self) -> String {
        format!("{}/service-user", self.sandbox())
    }

    pub(crate) fn token(&self) -> String {
        format!("{}/oauth2/token", self.sandbox())
    }

    pub(crate) fn revocation(&self) -> String {
        format!("{}/oauth2/revoke", self.sandbox())
    }

    pub(crate) fn sts(&self) -> String {
        format!("{}/sts", self.sandbox())
    }

    pub(crate) fn s3(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.s3())
    }

    /// The issuer of the OpenID provider of the platform's IAM solution: `iss` of its access tokens.
    pub(crate) fn sessions(&self) -> String {
        self.sandbox()
    }

    pub(crate) fn session_keys(&self) -> String {
        format!("{}/oauth2/jwks", self.sandbox())
    }

    /// The broker's calls over HTTP, and the `iss` of its tokens.
    pub(crate) fn broker_http(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.broker_http())
    }

    pub(crate) fn service(&self, service: ServiceName) -> String {
        format!("https://127.0.0.1:{}", self.ports.of(service))
    }
}
