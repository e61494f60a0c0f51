//! What the log needs of its state.

use async_trait::async_trait;
use mint_types::{ApplicationId, RotationId, SpiffeId, Timestamp};

use crate::draft::Draft;
use crate::error::{Error, Refusal};
use crate::leaf::Leaf;
use crate::plan::Stored;

/// Which entries to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this application.
    pub application: Option<ApplicationId>,
    /// Only by this actor.
    pub actor: Option<SpiffeId>,
    /// Only this action.
    pub action: Option<String>,
    /// Only of this rotation.
    pub rotation: Option<RotationId>,
    /// Only at or after this time.
    pub since: Option<Timestamp>,
    /// Only before this time.
    pub until: Option<Timestamp>,
}

/// Entries by ascending position.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Stored>,
    /// Where the next page starts; none at the end.
    pub next: Option<u64>,
}

/// Where the log is kept.
#[mint_port::port(service = "audit", name = "log")]
#[async_trait]
pub trait LogStore: std::fmt::Debug + Send + Sync {
    /// Appends a batch in order, in one commit, and answers for each draft. When it answers, what it answers is durable;
    /// an error means that nobody knows.
    async fn append(&self, batch: &[Draft]) -> Result<Vec<Result<Leaf, Refusal>>, Error>;

    /// At most `size` entries from position `start` on.
    #[read]
    async fn list(&self, filter: &Filter, start: u64, size: u32) -> Result<Page, Error>;
}
