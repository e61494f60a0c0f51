//! One principal's configuration of the SDK.

use std::sync::Arc;

use aws_config::identity::IdentityCache;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use mint_types::{Clock, Entropy};

use crate::{Environment, Error, SdkSts, WebIdentity};

/// One role, its credentials, and one pool of connections for all clients of the process.
#[derive(Debug, Clone)]
pub struct Session {
    environment: Environment,
    identity: Arc<WebIdentity>,
    http: SharedHttpClient,
}

impl Session {
    /// Nothing is called yet: the first credentials are exchanged when the first call needs them.
    pub fn new(environment: Environment, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let http = https_client();
        let exchange = Box::new(SdkSts::new(&environment, http.clone()));
        let identity = Arc::new(WebIdentity::new(environment.token_file.clone(), exchange, clock, entropy));
        Self { environment, identity, http }
    }

    /// The environment it was made from.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Credentials that last at least 90 s more.
    pub async fn credentials(&self) -> Result<Credentials, Error> {
        self.identity.credentials().await
    }

    /// Drops cached credentials.
    pub fn forget(&self) {
        self.identity.forget();
    }

    /// The configuration for service clients: this role, this region, shared connections. Retries and timeouts are
    /// for the client's owner to decide; endpoints too.
    pub fn sdk_config(&self) -> SdkConfig {
        signing(&self.environment.region, self.http.clone(), self.identity.clone())
    }
}

/// The same configuration for a principal that brings its own credentials; they are asked for at every call.
pub fn sdk_config_with(region: &str, provider: Arc<dyn ProvideCredentials>) -> SdkConfig {
    signing(region, https_client(), provider)
}

fn https_client() -> SharedHttpClient {
    Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc)).build_https()
}

fn signing(region: &str, http: SharedHttpClient, provider: Arc<dyn ProvideCredentials>) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .http_client(http)
        .credentials_provider(SharedCredentialsProvider::new(provider))
        .identity_cache(IdentityCache::no_cache())
        .build()
}
