//! What came of a delivery: for the caller, for the audit log, for our own log.

use std::time::Duration;

use mint_api::audit_log::Outcome;
use mint_types::{ApplicationId, Timestamp};

use crate::answer;
use crate::plan::{Content, Place, Step};
use crate::ports::{Answered, PutAnswer, Trouble};

/// What came of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The signed receipt; none unless every destination is settled.
    pub receipt: Option<Vec<u8>>,
    /// The same of those destinations that are written, where it was asked for and there is no whole one.
    pub partial: Option<Vec<u8>>,
    /// One line a destination.
    pub lines: Vec<Line>,
}

/// What came of tombstones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overwritten {
    /// One line an object that the permit covers.
    pub lines: Vec<Line>,
    /// Whether all of them hold their tombstone, and nothing older can land there.
    pub is_complete: bool,
}

/// How one destination stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where.
    pub place: Place,
    /// How it stands.
    pub state: LineState,
}

/// How a destination stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineState {
    /// It holds this version and nothing older can land there.
    Written,
    /// It surely was not written.
    Refused(Trouble),
    /// Nobody knows.
    Unknown(Trouble),
    /// Something older may still land there.
    Waiting {
        /// For how long.
        retry_after: Duration,
    },
}

impl LineState {
    /// The same with another trouble, where there is one.
    pub(crate) fn with_trouble(self, change: impl FnOnce(Trouble) -> Trouble) -> Self {
        match self {
            Self::Refused(trouble) => Self::Refused(change(trouble)),
            Self::Unknown(trouble) => Self::Unknown(change(trouble)),
            Self::Written | Self::Waiting { .. } => self,
        }
    }
}

pub(crate) fn answer_of(outcome: &PutAnswer) -> Option<Answered> {
    match outcome {
        PutAnswer::Written => Some(Answered::Written),
        PutAnswer::Refused(_) => Some(Answered::Refused),
        PutAnswer::Unknown(_) => None,
    }
}

/// What the log hears: success only of everything, failure only of nothing.
pub(crate) fn concluded(outcomes: &[PutAnswer]) -> Outcome {
    let trouble = outcomes.iter().find_map(|outcome| match outcome {
        PutAnswer::Written => None,
        PutAnswer::Refused(trouble) | PutAnswer::Unknown(trouble) => Some(trouble.reason),
    });
    let Some(reason) = trouble else {
        return Outcome::Success;
    };
    if outcomes.iter().all(|outcome| matches!(outcome, PutAnswer::Refused(_))) {
        return Outcome::Failure { reason };
    }
    Outcome::Unknown { reason }
}

pub(crate) fn line_state(step: Step, answer: Option<PutAnswer>, now: Timestamp) -> LineState {
    match (step, answer) {
        (Step::Settled, _) => LineState::Written,
        (Step::Wait { until }, _) => LineState::Waiting { retry_after: until.since(now) },
        (Step::Put, Some(PutAnswer::Refused(trouble))) => LineState::Refused(trouble),
        (Step::Put, Some(PutAnswer::Unknown(trouble))) => LineState::Unknown(trouble),
        // written, but another process wrote meanwhile, or nothing was known before: try again
        (Step::Put, Some(PutAnswer::Written) | None) => {
            LineState::Unknown(answer::unknown("something else was written there meanwhile", None))
        }
    }
}

pub(crate) fn log(application: &ApplicationId, content: &Content, place: &Place, outcome: &PutAnswer) {
    let (kind, version) = (content.kind, content.version.0);
    let (bucket, key) = (place.bucket.as_str(), place.key.as_str());
    match outcome {
        PutAnswer::Written => tracing::info!(%application, %kind, version, bucket, key, "written"),
        PutAnswer::Refused(trouble) => {
            tracing::warn!(%application, %kind, version, bucket, key, reason = trouble.reason, detail = trouble.detail, "refused");
        }
        PutAnswer::Unknown(trouble) => {
            tracing::warn!(%application, %kind, version, bucket, key, reason = trouble.reason, detail = trouble.detail, "outcome unknown");
        }
    }
}
