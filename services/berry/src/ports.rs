//! What berry needs from the store: one call that reads.

use std::fmt::Debug;

use async_trait::async_trait;
use mint_secret::Zeroizing;

/// Why an object is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// The store says that there is none.
    Missing,
    /// The store answers 403, for a missing object as for a role that may not read.
    MissingOrForbidden,
    /// The application was retired.
    Tombstone,
}

impl Absence {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "it is not there yet",
            Self::MissingOrForbidden => {
                "it is not there yet, or the role may not read it (the store answers 403 to both)"
            }
            Self::Tombstone => "the application was retired",
        }
    }
}

/// What the store answered.
#[derive(Debug)]
pub enum Fetched {
    /// The object.
    Found {
        /// Its bytes.
        bytes: Zeroizing<Vec<u8>>,
        /// Its ETag, if the store said one.
        etag: Option<String>,
    },
    /// Still the one of that ETag.
    Unchanged,
    /// Not there.
    Absent(Absence),
    /// No usable answer, in words without a secret.
    Failed(String),
}

/// `s3:GetObject` below one application's directory.
#[async_trait]
pub trait CredentialStore: Debug + Send + Sync {
    /// The object of a name, unless it still has this ETag.
    async fn get(&self, name: &'static str, unless: Option<&str>) -> Fetched;
}
