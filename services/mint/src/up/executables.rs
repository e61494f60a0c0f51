//! The executables of the constellation: beside this one, built together with it.

use std::path::{Path, PathBuf};

use mint_types::ServiceName;

use crate::Error;

/// Where the executables are.
#[derive(Debug, Clone)]
pub(crate) struct Executables {
    directory: PathBuf,
}

impl Executables {
    /// Finds them all, or names the first that is missing.
    pub(crate) fn beside_this_one() -> Result<Self, Error> {
        let this = std::env::current_exe().map_err(Error::io("find this executable"))?;
        Self::in_directory(this.parent().unwrap_or(Path::new("/")))
    }

    fn in_directory(directory: &Path) -> Result<Self, Error> {
        let found = Self { directory: directory.to_owned() };
        let services = super::services().map(|service| found.service(service));
        match std::iter::once(found.sandbox()).chain(services).find(|path| !path.is_file()) {
            None => Ok(found),
            Some(missing) => Err(Error::MissingExecutable {
                name: missing.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
                directory: directory.to_owned(),
            }),
        }
    }

    pub(crate) fn sandbox(&self) -> PathBuf {
        self.named("mint-sandbox")
    }

    pub(crate) fn service(&self, service: ServiceName) -> PathBuf {
        self.named(&format!("mint-{service}"))
    }

    fn named(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_missing_one_is_named() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["mint-sandbox", "mint-registry-sync", "mint-identity-provisioner"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let error = Executables::in_directory(directory.path()).unwrap_err();
        assert!(error.to_string().contains("mint-rotator"), "{error}");
    }
}
