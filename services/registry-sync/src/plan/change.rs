//! One change of one record, and what becomes of the record.

use mint_types::{ApplicationId, Presence, Timestamp};

use super::{observed, taken};
use crate::{
    guard::takes,
    model::{Complaint, Facts, Record},
};

/// One change of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The registry has it, with these facts.
    Observed {
        /// Which application.
        id: ApplicationId,
        /// What the registry says.
        facts: Facts,
        /// What is wrong with what the registry says.
        complaint: Option<Complaint>,
        /// The release that pays for what this takes away; none: the budget does, or it takes nothing.
        release: Option<String>,
    },
    /// The registry says something about it that cannot be used: it stays as it was.
    Blamed {
        /// Which application.
        id: ApplicationId,
        /// What is wrong.
        complaint: Complaint,
    },
    /// The registry no longer has it.
    Held {
        /// Which application.
        id: ApplicationId,
        /// The release that pays for it; none: the budget does.
        release: Option<String>,
    },
}

impl Change {
    /// The application that changes.
    pub fn id(&self) -> &ApplicationId {
        match self {
            Self::Observed { id, .. } | Self::Blamed { id, .. } | Self::Held { id, .. } => id,
        }
    }

    /// The release that pays for it.
    pub fn release(&self) -> Option<&str> {
        match self {
            Self::Observed { release, .. } | Self::Held { release, .. } => release.as_deref(),
            Self::Blamed { .. } => None,
        }
    }

    /// Whether it takes something away, which somebody has to pay for.
    pub(super) fn takes(&self, before: Option<&Record>) -> bool {
        match self {
            Self::Observed { facts, .. } => before.is_some_and(|record| takes(record, facts)),
            Self::Held { .. } => before.is_some_and(Record::is_in_use),
            Self::Blamed { .. } => false,
        }
    }

    pub(super) fn paid_by(self, payer: Option<String>) -> Self {
        match self {
            Self::Observed { id, facts, complaint, .. } => {
                Self::Observed { id, facts, complaint, release: payer }
            }
            Self::Held { id, .. } => Self::Held { id, release: payer },
            Self::Blamed { .. } => self,
        }
    }

    /// The record after the change; nothing if the change concerns no record.
    pub fn applied(&self, before: Option<&Record>, now: Timestamp) -> Option<Record> {
        match self {
            Self::Observed { id, facts, complaint, release } => {
                let standing = before.map(|record| record.problems.as_slice()).unwrap_or_default();
                let problems =
                    complaint.iter().map(|complaint| complaint.to_problem(standing, now)).collect();
                let after = observed(before, id, facts, problems, now);
                Some(if self.takes(before) { taken(after, release.clone(), now) } else { after })
            }
            Self::Blamed { complaint, .. } => before.map(|record| Record {
                problems: vec![complaint.to_problem(&record.problems, now)],
                ..record.clone()
            }),
            Self::Held { release, .. } => before.map(|record| match record.presence {
                Presence::Held | Presence::Retired => record.clone(),
                Presence::Present => {
                    let held = Record { presence: Presence::Held, held_at: Some(now), ..record.clone() };
                    if self.takes(before) { taken(held, release.clone(), now) } else { held }
                }
            }),
        }
    }
}
