//! The file of static keys that `-c` names: read again whenever it is another one.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use mint_secret::Zeroizing;
use mint_types::ApplicationId;

use crate::error::Error;
use crate::keys::{self, StaticKey};

/// Thousands of applications; what is longer is another file.
const LARGEST: u64 = 1 << 20;
/// Whoever is not the owner.
const OTHERS: u32 = 0o077;

/// Tells whether the file is still the one that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            inode: found.ino(),
            size: found.len(),
            written: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

/// The key of one application out of a file. The SDK's `Credentials` show and keep no secret after their end.
#[derive(Debug)]
pub(crate) struct KeysFile {
    path: PathBuf,
    application: ApplicationId,
    profile: String,
    held: Mutex<Option<(Stamp, Credentials)>>,
}

impl KeysFile {
    /// Nothing is read yet. `profile` counts if the file has profiles.
    pub(crate) fn new(path: &Path, application: &ApplicationId, profile: String) -> Self {
        Self { path: path.to_owned(), application: application.clone(), profile, held: Mutex::new(None) }
    }

    /// The key as the file has it now. A file that went bad takes the key away: it may have been withdrawn.
    pub(crate) fn credentials(&self) -> Result<Credentials, Error> {
        let found = std::fs::metadata(&self.path).map_err(|source| self.unreadable(source))?;
        if !found.is_file() {
            // opening a pipe would wait for somebody who writes
            return Err(self.unreadable(std::io::Error::other("it is not a regular file")));
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((stamp, credentials)) = held.as_ref()
            && *stamp == Stamp::of(&found)
        {
            return Ok(credentials.clone());
        }
        *held = None;
        let (stamp, credentials) = self.read()?;
        *held = Some((stamp, credentials.clone()));
        Ok(credentials)
    }

    fn read(&self) -> Result<(Stamp, Credentials), Error> {
        let file = File::open(&self.path).map_err(|source| self.unreadable(source))?;
        let metadata = file.metadata().map_err(|source| self.unreadable(source))?;
        if metadata.len() > LARGEST {
            return Err(self.unreadable(std::io::Error::other("it has more than 1 MiB")));
        }
        if metadata.mode() & OTHERS != 0 {
            tracing::warn!(
                code = "CREDENTIALS_FILE_NOT_PRIVATE",
                file = %self.path.display(),
                mode = format!("{:04o}", metadata.mode() & 0o7777),
                "others may use the credentials file; make it 0600"
            );
        }
        // one allocation: a buffer that grows leaves copies behind
        let mut text = Zeroizing::new(String::with_capacity(usize::try_from(LARGEST).unwrap_or(0)));
        file.take(LARGEST).read_to_string(&mut text).map_err(|source| self.unreadable(source))?;
        let key = keys::find(&text, &self.application, &self.profile)
            .map_err(|fault| Error::CredentialsFile { path: self.path.clone(), fault })?;
        tracing::info!(file = %self.path.display(), access_key_id = key.access_key_id, "read a static AWS key");
        Ok((Stamp::of(&metadata), signed_with(key)))
    }

    /// The next call reads the file again, whether or not it seems to be the same.
    pub(crate) fn forget(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn unreadable(&self, source: std::io::Error) -> Error {
        Error::CredentialsFileUnreadable { path: self.path.clone(), source }
    }
}

/// The strings move into `Credentials`, which zeroizes them.
fn signed_with(mut key: StaticKey) -> Credentials {
    let secret = std::mem::take(&mut *key.secret_access_key);
    let token = key.session_token.as_mut().map(|token| std::mem::take(&mut **token));
    Credentials::new(key.access_key_id, secret, token, None, "mint-credentials-file")
}

impl ProvideCredentials for KeysFile {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(self.credentials().map_err(CredentialsError::provider_error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (KeysFile, tempfile::TempDir) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("keys");
        std::fs::write(&path, text).unwrap();
        (KeysFile::new(&path, &"shop".parse().unwrap(), keys::DEFAULT_PROFILE.to_owned()), place)
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_bad_one_takes_the_key_away() {
        let (file, _place) = file("shop:AKIA1:canary-1\n");
        let key_id = || file.credentials().map(|key| key.access_key_id().to_owned());
        assert_eq!(key_id().unwrap(), "AKIA1");
        std::fs::write(&file.path, "shop:AKIA22:canary-2\n").unwrap();
        assert_eq!(key_id().unwrap(), "AKIA22");
        std::fs::write(&file.path, "shop:canary\n").unwrap();
        let error = key_id().unwrap_err();
        let said = crate::error::chain(&error);
        assert!(said.contains("CREDENTIALS_FILE_MALFORMED") && said.contains("line 1"), "{said}");
        assert!(said.contains(file.path.to_str().unwrap()) && !said.contains("canary"), "{said}");
        std::fs::remove_file(&file.path).unwrap();
        assert!(matches!(key_id(), Err(Error::CredentialsFileUnreadable { .. })));
    }

    #[test]
    fn nothing_that_can_be_printed_shows_the_secret() {
        let (file, _place) = file("shop:AKIA1:canary-1\n");
        let credentials = file.credentials().unwrap();
        assert_eq!(credentials.secret_access_key(), "canary-1");
        let shown = format!("{file:?} {file:#?} {credentials:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn what_is_no_file_is_not_opened() {
        let place = tempfile::tempdir().unwrap();
        let file = KeysFile::new(place.path(), &"shop".parse().unwrap(), String::new());
        let said = crate::error::chain(&file.credentials().unwrap_err());
        assert!(
            said.contains("CREDENTIALS_FILE_UNREADABLE") && said.contains("not a regular file"),
            "{said}"
        );
    }
}
