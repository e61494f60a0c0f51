//! What keeps Mint from what it should do, in words an operator can act on.

use serde::{Deserialize, Serialize};

use crate::{CredentialKind, Timestamp};

/// A problem of a source, an application, a credential or a destination.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Problem {
    /// Stable identifier in lower snake case, for example `destination_refused`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What happened, in one short sentence.
    pub title: String,
    /// The facts. Never a secret.
    pub detail: String,
    /// What the reader can do about it.
    pub next_action: String,
    /// Since when without interruption.
    pub since: Timestamp,
    /// How many times in a row.
    pub attempts: u32,
    /// The credential it concerns; none for the whole application.
    pub credential: Option<CredentialKind>,
    /// The destination it concerns, as `bucket` or `bucket/key`.
    pub destination: Option<String>,
}
