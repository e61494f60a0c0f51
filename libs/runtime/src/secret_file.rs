//! Secrets that arrive as files: bearer tokens, prober clients. Read at every use, so that a replaced file is in force
//! at once; refused when anybody but the owner may read it.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// No token or client is longer; it bounds what a wrong path can make us read.
const LARGEST: u64 = 64 * 1024;

/// Why a secret cannot be read. Never says what is in the file.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It cannot be read.
    #[error("the secret file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Group or others may read it.
    #[error("the secret file {} has mode {mode:04o}: nobody but its owner may read it (0600)", path.display())]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is empty, too long or no text.
    #[error("the secret file {} {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
}

/// A secret in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    path: PathBuf,
}

impl SecretFile {
    /// Names the file; nothing is read.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it, without the white space around it.
    pub fn read(&self) -> Result<Zeroizing<String>, SecretFileError> {
        read(&self.path)
    }
}

/// Reads the secret in `path`, without the white space around it.
pub fn read(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    let unreadable = |source| SecretFileError::Unreadable { path: path.to_owned(), source };
    let malformed = |problem| SecretFileError::Malformed { path: path.to_owned(), problem };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(malformed("is no regular file"));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SecretFileError::TooOpen { path: path.to_owned(), mode });
    }
    // Allocated once, so that growing leaves no copy behind that nobody erases.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(LARGEST + 1).unwrap_or(0)));
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(malformed("is longer than 64 KiB"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| malformed("is no UTF-8 text"))?.trim();
    if text.is_empty() {
        return Err(malformed("is empty"));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file_with(mode: u32, content: &[u8]) -> (tempfile::TempDir, SecretFile) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (directory, SecretFile::new(path))
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused() {
        for mode in [0o640, 0o604, 0o644, 0o660] {
            let (_directory, file) = file_with(mode, b"token");
            assert!(matches!(file.read(), Err(SecretFileError::TooOpen { .. })), "{mode:o}");
        }
        for mode in [0o600, 0o400] {
            let (_directory, file) = file_with(mode, b" token\n");
            assert_eq!(file.read().unwrap().as_str(), "token");
        }
    }

    #[test]
    fn a_replaced_secret_is_in_force_at_once() {
        let (_directory, file) = file_with(0o600, b"one");
        assert_eq!(file.read().unwrap().as_str(), "one");
        std::fs::write(file.path(), b"two").unwrap();
        assert_eq!(file.read().unwrap().as_str(), "two");
    }

    #[test]
    fn no_error_tells_what_is_in_the_file() {
        for content in [&b""[..], b" \n", b"\xff\xfehunter2", &vec![b'x'; 70_000]] {
            let (_directory, file) = file_with(0o600, content);
            let error = file.read().unwrap_err();
            assert!(matches!(error, SecretFileError::Malformed { .. }));
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }
}
