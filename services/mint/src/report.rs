//! The one document of `mint up --once --output json`.

use mint_types::{CredentialKind, Problem};
use serde::Serialize;

use crate::standing::{Standing, State};

/// How an application ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    Delivered,
    Failed,
    Inactive,
}

impl Ending {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Inactive => "inactive",
        }
    }
}

/// The document. Other programs read it: its keys are a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Document {
    pub(crate) summary: Summary,
    pub(crate) applications: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    pub(crate) delivered: usize,
    pub(crate) failed: usize,
    pub(crate) inactive: usize,
    pub(crate) upstream_calls: u64,
}

/// One application of the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) state: Ending,
    pub(crate) credentials: Vec<CredentialLine>,
    pub(crate) problems: Vec<Problem>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CredentialLine {
    pub(crate) kind: CredentialKind,
    pub(crate) state: &'static str,
    /// None before the first delivery.
    pub(crate) version: Option<u64>,
}

impl Document {
    /// Sorted by id, and counted.
    pub(crate) fn of(mut applications: Vec<Line>, upstream_calls: u64) -> Self {
        applications.sort_by(|one, other| one.id.cmp(&other.id));
        let count = |ending| applications.iter().filter(|line| line.state == ending).count();
        let summary = Summary {
            delivered: count(Ending::Delivered),
            failed: count(Ending::Failed),
            inactive: count(Ending::Inactive),
            upstream_calls,
        };
        Self { summary, applications }
    }
}

impl Line {
    /// A line about an application that stands like this; `late` is said of one that did not finish in time.
    pub(crate) fn of(standing: &Standing, late: impl FnOnce() -> Problem) -> Self {
        let (state, late) = match standing.state {
            State::Delivered => (Ending::Delivered, None),
            State::Inactive => (Ending::Inactive, None),
            State::Failed | State::Held => (Ending::Failed, None),
            State::Pending => (Ending::Failed, Some(late())),
        };
        let credentials = standing.credentials.iter().filter_map(|credential| {
            Some(CredentialLine {
                kind: credential.kind?,
                state: credential.state.as_str(),
                version: credential.version,
            })
        });
        Self {
            id: standing.id.clone(),
            state,
            credentials: credentials.collect(),
            problems: standing.problems.iter().cloned().chain(late).collect(),
        }
    }

    /// A line about an application that nobody has heard of in time.
    pub(crate) fn unknown(id: &str, late: Problem) -> Self {
        Self { id: id.to_owned(), state: Ending::Failed, credentials: vec![], problems: vec![late] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standing::CredentialState;
    use crate::standing::samples::{credential, problem, standing};

    #[test]
    fn the_document_has_exactly_the_promised_form() {
        let mut refused = standing(
            "refused",
            State::Failed,
            vec![credential(CredentialKind::Password, CredentialState::Failed)],
        );
        refused.credentials[0].version = None;
        refused.problems = vec![problem("destination_refused", Some(CredentialKind::Password))];
        let good = standing(
            "app",
            State::Delivered,
            vec![credential(CredentialKind::PublicClient, CredentialState::Current)],
        );
        let late = || problem("timed_out", None);
        let lines = vec![
            Line::of(&refused, late),
            Line::of(&good, late),
            Line::of(&standing("old", State::Inactive, vec![]), late),
        ];
        let document = serde_json::to_value(Document::of(lines, 42)).unwrap();
        let expected = serde_json::json!({
            "summary": {"delivered": 1, "failed": 1, "inactive": 1, "upstream_calls": 42},
            "applications": [
                {
                    "id": "app", "state": "delivered", "problems": [],
                    "credentials": [{"kind": "public-client", "state": "current", "version": 7}],
                },
                {"id": "old", "state": "inactive", "credentials": [], "problems": []},
                {
                    "id": "refused", "state": "failed",
                    "credentials": [{"kind": "password", "state": "failed", "version": null}],
                    "problems": [{
                        "type": "destination_refused",
                        "title": "the bucket refuses the write",
                        "detail": "S3 answered 403 AccessDenied",
                        "next_action": "allow the distributor's role to write",
                        "since": "2026-11-22T01:02:03Z",
                        "attempts": 3,
                        "credential": "password",
                        "destination": "team-a/kio/user.json",
                    }],
                },
            ],
        });
        assert_eq!(document, expected);
    }

    #[test]
    fn what_is_not_finished_in_time_has_failed_and_says_so() {
        let line = Line::of(&standing("slow", State::Pending, vec![]), || problem("timed_out", None));
        assert_eq!((line.state, line.problems[0].kind.as_str()), (Ending::Failed, "timed_out"));
    }
}
