//! Objects as files: `<root>/s3/<bucket>/<key>`, with what S3 keeps beside the bytes in `<root>/s3-meta/<bucket>/<key>`.
//!
//! Both are replaced by rename, under one lock: a reader sees the old object or the new one. The ETag is computed from
//! the bytes, so a crash between the two renames cannot make it lie.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::RwLock;
use std::time::SystemTime;

use bytes::Bytes;
use s3s::crypto::{Checksum, Md5};
use serde::{Deserialize, Serialize};

#[derive(Debug)]
pub(crate) struct Objects {
    content: PathBuf,
    beside: PathBuf,
    staging: PathBuf,
    lock: RwLock<u64>,
}

const STAGING: &str = ".staging";

/// What S3 keeps beside the bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attributes {
    pub(crate) content_type: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) content_disposition: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) content_language: Option<String>,
    pub(crate) server_side_encryption: Option<String>,
    pub(crate) kms_key_id: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    /// Of the bytes it was written for.
    pub(crate) etag: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) bytes: Bytes,
    pub(crate) etag: String,
    pub(crate) modified: SystemTime,
    pub(crate) attributes: Attributes,
}

/// Why an object cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("there is no such object")]
    Missing,
    #[error("a key of this store is a path: no empty segment, no . or .., at most 255 bytes each")]
    Key,
    #[error("the condition does not hold")]
    Condition,
    #[error("the object's file cannot be written or read")]
    File(#[from] io::Error),
}

impl Objects {
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let objects = Self {
            content: root.join("s3"),
            beside: root.join("s3-meta"),
            // Below the objects, because secrets are nowhere else; no bucket is called like this.
            staging: root.join("s3").join(STAGING),
            lock: RwLock::new(0),
        };
        // What a crash left here was never answered as written.
        match fs::remove_dir_all(&objects.staging) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for directory in [&objects.content, &objects.beside] {
            fs::create_dir_all(directory)?;
        }
        Ok(objects)
    }

    /// Every directory that holds an object: bucket and path.
    pub(crate) fn directories(&self) -> io::Result<Vec<(String, String)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.content)? {
            let Ok(bucket) = entry?.file_name().into_string() else { continue };
            if bucket == STAGING {
                continue;
            }
            let keys = self.keys(&bucket)?;
            let mut directories: Vec<&str> =
                keys.iter().filter_map(|key| key.rsplit_once('/')).map(|(directory, _)| directory).collect();
            directories.dedup();
            found.extend(directories.into_iter().map(|directory| (bucket.clone(), directory.to_owned())));
        }
        Ok(found)
    }

    /// Every key of a bucket in the order of their bytes, as S3 lists them.
    pub(crate) fn keys(&self, bucket: &str) -> io::Result<Vec<String>> {
        let _reading = self.lock.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut keys = Vec::new();
        collect_keys(&self.content.join(bucket), "", &mut keys)?;
        keys.sort_unstable();
        Ok(keys)
    }

    pub(crate) fn read(&self, bucket: &str, key: &str) -> Result<Object, Failure> {
        let path = below(&self.content, bucket, key)?;
        let _reading = self.lock.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let read = match fs::read(&path) {
            Err(error) if is_absence(&error) => return Err(Failure::Missing),
            read => read?,
        };
        let modified = fs::metadata(&path)?.modified()?;
        let etag = etag(&read);
        let attributes = fs::read(below(&self.beside, bucket, key)?).ok();
        let attributes = attributes.and_then(|text| serde_json::from_slice::<Attributes>(&text).ok());
        let attributes = attributes.filter(|attributes| attributes.etag == etag).unwrap_or_default();
        Ok(Object { bytes: read.into(), etag, modified, attributes })
    }

    /// Writes an object if `condition` holds for the one that is there, and answers its ETag.
    pub(crate) fn write(
        &self,
        (bucket, key): (&str, &str),
        bytes: &[u8],
        attributes: Attributes,
        condition: impl FnOnce(Option<&str>) -> bool,
    ) -> Result<String, Failure> {
        let (path, beside) = (below(&self.content, bucket, key)?, below(&self.beside, bucket, key)?);
        let mut writes = self.lock.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let present = fs::read(&path).ok().map(|bytes| etag(&bytes));
        if !condition(present.as_deref()) {
            return Err(Failure::Condition);
        }
        let etag = etag(bytes);
        let attributes = Attributes { etag: etag.clone(), ..attributes };
        let text = serde_json::to_vec(&attributes).map_err(io::Error::other)?;
        *writes += 1;
        self.replace(&beside, &text, *writes)?;
        self.replace(&path, bytes, *writes)?;
        Ok(etag)
    }

    /// Removing what is not there is done already.
    pub(crate) fn delete(&self, bucket: &str, key: &str) -> Result<(), Failure> {
        let paths = [below(&self.content, bucket, key)?, below(&self.beside, bucket, key)?];
        let _writing = self.lock.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        for path in paths {
            match fs::remove_file(path) {
                Err(error) if !is_absence(&error) => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn replace(&self, path: &Path, bytes: &[u8], number: u64) -> io::Result<()> {
        fs::create_dir_all(&self.staging)?;
        let staged = self.staging.join(number.to_string());
        let written = write_and_rename(&staged, path, bytes);
        if written.is_err() {
            // A full disk must not keep half of a secret.
            fs::remove_file(&staged).ok();
        }
        fs::remove_dir(&self.staging).ok();
        written
    }
}

fn write_and_rename(staged: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(staged, bytes)?;
    fs::rename(staged, path)
}

/// S3's ETag of an object that was put in one part.
fn etag(bytes: &[u8]) -> String {
    hex::encode(Md5::checksum(bytes))
}

/// The file of a key. Anything that could leave the bucket's directory is refused.
fn below(root: &Path, bucket: &str, key: &str) -> Result<PathBuf, Failure> {
    let is_segment = |segment: &str| {
        !segment.is_empty()
            && segment != "."
            && segment != ".."
            && segment.len() <= 255
            && !segment.contains('\0')
    };
    if !is_segment(bucket) || bucket.contains('/') || !key.split('/').all(is_segment) {
        return Err(Failure::Key);
    }
    Ok(root.join(bucket).join(key))
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
    )
}

fn collect_keys(directory: &Path, prefix: &str, keys: &mut Vec<String>) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if is_absence(&error) => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if entry.file_type()?.is_dir() {
            collect_keys(&entry.path(), &format!("{prefix}{name}/"), keys)?;
        } else {
            keys.push(format!("{prefix}{name}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects() -> (tempfile::TempDir, Objects) {
        let directory = tempfile::tempdir().unwrap();
        let objects = Objects::open(directory.path()).unwrap();
        (directory, objects)
    }

    #[test]
    fn an_object_is_a_file_and_its_attributes_are_elsewhere() {
        let (directory, objects) = objects();
        let attributes =
            Attributes { content_type: Some("application/json".to_owned()), ..Attributes::default() };
        let etag = objects.write(("team-a", "mint/kio/user.json"), b"{}", attributes, |_| true).unwrap();
        assert_eq!(etag, "99914b932bd37a50b983c5e7c90ae93b");
        assert_eq!(fs::read(directory.path().join("s3/team-a/mint/kio/user.json")).unwrap(), b"{}");
        let entries =
            fs::read_dir(directory.path().join("s3")).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(entries.collect::<Vec<_>>(), ["team-a"]);
        let object = objects.read("team-a", "mint/kio/user.json").unwrap();
        assert_eq!(object.attributes.content_type.as_deref(), Some("application/json"));
        assert_eq!(objects.keys("team-a").unwrap(), ["mint/kio/user.json"]);
        assert_eq!(objects.directories().unwrap(), [("team-a".to_owned(), "mint/kio".to_owned())]);
    }

    #[test]
    fn attributes_of_other_bytes_are_not_believed() {
        let (directory, objects) = objects();
        let attributes = Attributes { content_type: Some("text/plain".to_owned()), ..Attributes::default() };
        objects.write(("team-a", "kio/x"), b"one", attributes, |_| true).unwrap();
        fs::write(directory.path().join("s3/team-a/kio/x"), b"two").unwrap();
        let object = objects.read("team-a", "kio/x").unwrap();
        assert_eq!((object.attributes.content_type, object.bytes), (None, Bytes::from_static(b"two")));
    }

    #[test]
    fn a_key_never_leaves_its_bucket() {
        let (_directory, objects) = objects();
        for key in ["../x", "a/../../x", "/etc/passwd", "a//b", "", "a/", ".", "a/./b", "a\0b"] {
            assert!(matches!(objects.read("team-a", key), Err(Failure::Key)), "{key:?}");
            let written = objects.write(("team-a", key), b"", Attributes::default(), |_| true);
            assert!(matches!(written, Err(Failure::Key)), "{key:?}");
        }
        assert!(matches!(objects.read("..", "state.db"), Err(Failure::Key)));
    }

    #[test]
    fn a_condition_is_asked_of_the_object_that_is_there() {
        let (_directory, objects) = objects();
        let only_new = |present: Option<&str>| present.is_none();
        objects.write(("team-a", "k"), b"1", Attributes::default(), only_new).unwrap();
        let again = objects.write(("team-a", "k"), b"2", Attributes::default(), only_new);
        assert!(matches!(again, Err(Failure::Condition)));
        assert_eq!(objects.read("team-a", "k").unwrap().bytes, "1");
        objects.delete("team-a", "k").unwrap();
        objects.delete("team-a", "k").unwrap();
        assert!(matches!(objects.read("team-a", "k"), Err(Failure::Missing)));
    }
}
