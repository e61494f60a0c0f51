//! What berry needs from the store, one call that reads, and from the coordinator, one that reports.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use mint_secret::Zeroizing;
use mint_types::CredentialKind;

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

/// A version that is on this machine's disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Of which credential.
    pub kind: CredentialKind,
    /// Its id, as it stands in the object.
    pub version_id: String,
}

/// What is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Of which credential.
    pub kind: CredentialKind,
    /// The version's id.
    pub version_id: String,
    /// Who says it.
    pub instance: String,
    /// Higher than ever before.
    pub sequence: u64,
    /// How long until the next poll.
    pub poll_interval: Duration,
}

/// Why the coordinator did not take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Stable reason in upper snake case.
    pub reason: String,
    /// In words.
    pub detail: String,
    /// The sequence that was heard last, if ours was not higher.
    pub last_sequence: Option<u64>,
}

impl Refused {
    /// It did not answer.
    pub fn unanswered() -> Self {
        let detail = "the coordinator did not answer in time".to_owned();
        Self { reason: "SERVICE_UNANSWERED".to_owned(), detail, last_sequence: None }
    }
}

/// Reports to the coordinator.
#[async_trait]
pub trait Coordinator: Debug + Send + Sync {
    /// Says what is held; an answer means that it is known.
    async fn report(&self, said: &Statement) -> Result<(), Refused>;
}
