//! Where everything of a world lies below its data directory, and how private it is.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use mint_types::ServiceName;

use crate::Error;

/// The embedded world's name as a child.
pub(crate) const SANDBOX: &str = "sandbox";

/// A world's data directory, as an absolute path without symbolic links.
#[derive(Debug, Clone)]
pub(crate) struct DataDirectory {
    root: PathBuf,
}

impl DataDirectory {
    /// Makes the directory if it is missing, readable by its owner only.
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        private_directory(path)?;
        let root = path.canonicalize().map_err(Error::io(format!("open {}", path.display())))?;
        let directory = Self { root };
        for part in
            ["run", "run/logs", "run/tls", "run/keys", "state", "pki", "operators", "teams", "applications"]
        {
            private_directory(&directory.root.join(part))?;
        }
        Ok(directory)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    pub(crate) fn pki(&self) -> PathBuf {
        self.root.join("pki")
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.pki().join("ca.pem")
    }

    pub(crate) fn endpoints(&self) -> PathBuf {
        endpoints(&self.root)
    }

    pub(crate) fn config(&self, service: ServiceName) -> PathBuf {
        self.run().join(format!("{service}.toml"))
    }

    pub(crate) fn pid(&self, name: &str) -> PathBuf {
        self.run().join(format!("{name}.pid"))
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.run().join("logs").join(format!("{name}.log"))
    }

    pub(crate) fn tls(&self, service: ServiceName) -> PathBuf {
        self.run().join("tls").join(service.as_str())
    }

    pub(crate) fn keys(&self, service: ServiceName) -> PathBuf {
        self.run().join("keys").join(service.as_str())
    }

    pub(crate) fn state(&self, service: ServiceName) -> PathBuf {
        self.root.join("state").join(service.as_str())
    }

    /// Written by the embedded world.
    pub(crate) fn secret(&self, service: ServiceName, file: &str) -> PathBuf {
        self.run().join("secrets").join(service.as_str()).join(file)
    }

    /// Written by the embedded world's platform issuer.
    pub(crate) fn platform_token(&self, service: ServiceName) -> PathBuf {
        self.run().join("tokens").join(service.as_str()).join("token")
    }

    pub(crate) fn operator(&self, name: &str) -> PathBuf {
        self.root.join("operators").join(name)
    }

    pub(crate) fn team(&self, team: &str) -> PathBuf {
        self.root.join("teams").join(team)
    }

    pub(crate) fn application(&self, application: &str) -> PathBuf {
        self.root.join("applications").join(application)
    }
}

/// Where a world says how it is reached.
pub(crate) fn endpoints(root: &Path) -> PathBuf {
    root.join("endpoints.json")
}

/// Makes a directory (and its parents) that only its owner may enter.
pub(crate) fn private_directory(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(Error::io(format!("create the directory {}", path.display())))?;
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(path, private).map_err(Error::io(format!("make {} private", path.display())))
}

/// Writes a file that only its owner may read: beside its place first, then renamed, so that nobody sees half of it.
pub(crate) fn write_private(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Error> {
    let what = || format!("write {}", path.display());
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let draft = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = write_new(&draft, content.as_ref()).and_then(|()| std::fs::rename(&draft, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    written.map_err(Error::io(what()))
}

fn write_new(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = private_options().truncate(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Opens a file for appending that only its owner may read.
pub(crate) fn append_private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).write(true).mode(0o600);
    options
}

/// Removes a file; that it is not there is what was wanted.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Io { what: format!("remove {}", path.display()), source: error })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_laid_out_is_private() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::create(&parent.path().join("a/b")).unwrap();
        let file = directory.run().join("x.toml");
        write_private(&file, "1").unwrap();
        write_private(&file, "2").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "2");
        assert_eq!((mode(directory.root()), mode(&directory.run()), mode(&file)), (0o700, 0o700, 0o600));
        let left: Vec<_> =
            std::fs::read_dir(directory.run()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".tmp")), "{left:?}");
        remove(&file).unwrap();
        remove(&file).unwrap();
    }
}
