//! What registry-sync needs from outside: a registry.

use std::sync::Arc;

use async_trait::async_trait;
use mint_types::{ApplicationId, Timestamp};
use tokio::sync::Notify;

use crate::model::{Complaint, Entry, Listing};

/// Why a source's answer was not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceReason {
    /// It is not what a registry answers.
    Malformed,
    /// It breaks off, is empty, or leaves a question open.
    Incomplete,
    /// It lists far fewer applications than are known.
    Shrank,
    /// There was no answer, or not the right one.
    Unreachable,
}

impl SourceReason {
    /// The stable reason.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "SOURCE_MALFORMED",
            Self::Incomplete => "SOURCE_INCOMPLETE",
            Self::Shrank => "SOURCE_SHRANK",
            Self::Unreachable => "SOURCE_UNREACHABLE",
        }
    }
}

/// A source's answer that was not used, or not all of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", reason.as_str())]
pub struct SourceFault {
    /// What kind of trouble it is.
    pub reason: SourceReason,
    /// The facts, with the culprit.
    pub detail: String,
}

impl SourceFault {
    /// A fault.
    pub fn new(reason: SourceReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// In words an operator can act on.
    pub fn complaint(&self) -> Complaint {
        let (title, next_action) = match self.reason {
            SourceReason::Malformed => (
                "the registry's answer cannot be used",
                "correct the named entry in the registry; the catalog keeps what it had",
            ),
            SourceReason::Incomplete => (
                "the registry's answer is not complete",
                "look at the registry's own state; the catalog keeps what it had and is read again",
            ),
            SourceReason::Shrank => (
                "the registry takes away more applications than it may in a day",
                "restore the registry, retire applications a few a day, or let two operators sign `mint registry release`",
            ),
            SourceReason::Unreachable => (
                "the registry cannot be read",
                "check the source's URL or path, its token and the network; reading is repeated",
            ),
        };
        Complaint { reason: self.reason.as_str(), title, detail: self.detail.clone(), next_action }
    }
}

/// A registry of applications.
#[mint_port::port(service = "registry-sync", name = "source")]
#[async_trait]
pub trait Source: std::fmt::Debug + Send + Sync {
    /// `kio` or `file`.
    fn driver(&self) -> &'static str;

    /// The URL or path that is read.
    fn location(&self) -> String;

    /// Every application.
    async fn list(&self) -> Result<Listing, SourceFault>;

    /// The applications changed after a time; nothing if this source cannot tell.
    async fn changed_after(&self, since: Timestamp) -> Result<Option<Listing>, SourceFault>;

    /// One application, past every cache; nothing if the registry does not have it.
    async fn read(&self, id: &ApplicationId) -> Result<Option<Entry>, SourceFault>;

    /// Rung when the source knows that something changed.
    fn bell(&self) -> Arc<Notify>;
}
