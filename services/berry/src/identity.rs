//! As whom berry reads: the web identity of the platform, or the static key of a file that was named with `-c`.

use std::path::Path;
use std::sync::Arc;

use aws_config::SdkConfig;
use mint_aws::{Environment, Session, StaticKeys, StoreLocation};
use mint_types::{Clock, Entropy, OutboundUrl};

use crate::config::Config;
use crate::error::Error;
use crate::keys::DEFAULT_PROFILE;
use crate::keys_file::KeysFile;

/// What the environment says of an identity that a file overrules.
const OVERRULED: [&str; 4] =
    ["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

/// Who reads. Cheap to clone; clones share what is cached.
#[derive(Debug, Clone)]
pub(crate) enum Identity {
    /// A role, by web identity.
    Web(Session),
    /// A static key.
    File { keys: Arc<KeysFile>, location: StoreLocation },
}

impl Identity {
    /// A file that was named wins, and what it overrules is said; it must have a usable key already now.
    pub(crate) fn choose(
        config: &Config,
        variable: &dyn Fn(&str) -> Option<String>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, Error> {
        let Some(path) = &config.credentials_file else {
            let session_name = format!("berry-{}", config.application);
            let environment = Environment::from_lookup(variable, &session_name, StaticKeys::Refuse)?;
            return Ok(Self::Web(Session::new(environment, clock, entropy)));
        };
        Self::of_file(path, config, variable)
    }

    fn of_file(
        path: &Path,
        config: &Config,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let location = StoreLocation::from_lookup(variable).map_err(|error| match error {
            mint_aws::Error::Missing(_) => {
                Error::Missing { what: "the region", how: "set AWS_REGION, for example to eu-central-1" }
            }
            other => other.into(),
        })?;
        let overruled: Vec<_> = OVERRULED.into_iter().filter(|name| set(name).is_some()).collect();
        if !overruled.is_empty() {
            tracing::warn!(
                code = "IDENTITY_OVERRULED",
                ignored = overruled.join(" "),
                file = %path.display(),
                "-c names a file of static AWS keys, so these variables are not used; leave -c out to use them"
            );
        }
        let profile = set("AWS_PROFILE").unwrap_or_else(|| DEFAULT_PROFILE.to_owned());
        let keys = KeysFile::new(path, &config.application, profile);
        keys.credentials()?;
        Ok(Self::File { keys: Arc::new(keys), location })
    }

    /// The configuration for the store's client.
    pub(crate) fn sdk_config(&self) -> SdkConfig {
        match self {
            Self::Web(session) => session.sdk_config(),
            Self::File { keys, location } => mint_aws::sdk_config_with(&location.region, keys.clone()),
        }
    }

    /// Where the store is, if not at AWS.
    pub(crate) fn s3_endpoint(&self) -> Option<&OutboundUrl> {
        match self {
            Self::Web(session) => session.environment().s3_endpoint.as_ref(),
            Self::File { location, .. } => location.s3_endpoint.as_ref(),
        }
    }

    /// Whether there are credentials; asked before a call, so that their trouble is not taken for the store's.
    pub(crate) async fn ready(&self) -> Result<(), Error> {
        match self {
            Self::Web(session) => Ok(session.credentials().await.map(drop)?),
            Self::File { keys, .. } => keys.credentials().map(drop),
        }
    }

    /// Drops what is cached: the store says that it is not good any more.
    pub(crate) fn forget(&self) {
        match self {
            Self::Web(session) => session.forget(),
            Self::File { keys, .. } => keys.forget(),
        }
    }
}
