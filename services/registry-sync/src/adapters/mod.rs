//! The registries that can be read, and the fake that tests and simulations read.

pub mod beside;
pub mod file;
pub mod kio;
pub mod memory;

use std::sync::Arc;

use crate::{Error, config::SourceConfig, ports::Source};

/// The configured source.
pub fn source(
    config: &SourceConfig,
    defaults: Arc<crate::settings::Defaults>,
) -> Result<Arc<dyn Source>, Error> {
    match config {
        SourceConfig::Kio { url, token_file, ca_file } => {
            Ok(Arc::new(kio::Kio::open(url.clone(), token_file, ca_file.as_deref())?))
        }
        SourceConfig::File { path } => Ok(Arc::new(file::RegistryFile::open(path, defaults))),
    }
}
