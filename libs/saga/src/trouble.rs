//! What keeps a step from succeeding, in a row, until it succeeds.

use std::time::Duration;

use mint_types::{CredentialKind, Problem, Timestamp};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, words};

/// Consecutive failures of one step.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Trouble {
    /// When the first of them happened.
    pub since: Timestamp,
    /// How many.
    pub attempts: u32,
    /// When the last of them happened.
    pub failed_at: Timestamp,
    /// When the next try may be made.
    pub next_attempt_at: Timestamp,
    /// What the last try showed.
    pub problems: Vec<Problem>,
}

/// Details come from outside; an answer that never ends does not belong in a status.
const LONGEST_DETAIL: usize = 500;

impl Trouble {
    /// One more failure after `earlier`: attempts go up, and a problem that was there before keeps its beginning.
    pub fn after(
        earlier: Option<&Self>,
        failures: &[Failure],
        kind: Option<CredentialKind>,
        now: Timestamp,
        delay: Duration,
    ) -> Self {
        let attempts = earlier.map_or(0, |earlier| earlier.attempts).saturating_add(1);
        let problems = failures
            .iter()
            .map(|failure| {
                let mut problem = problem_of(failure, kind, now);
                problem.attempts = attempts;
                if let Some(before) = earlier.and_then(|earlier| earlier.same_as(&problem)) {
                    problem.since = before.since;
                }
                problem
            })
            .collect();
        Self {
            since: earlier.map_or(now, |earlier| earlier.since),
            attempts,
            failed_at: now,
            next_attempt_at: now.plus(delay),
            problems,
        }
    }

    /// The same at a time: a failure in the future happened under a clock that has been set back since, and its wait says
    /// nothing.
    pub fn gate_at(&self, nudged_at: Option<Timestamp>, now: Timestamp) -> Timestamp {
        if now < self.failed_at { now } else { self.gate(nudged_at) }
    }

    /// When the next try may be made; at once if something changed after the last failure.
    pub fn gate(&self, nudged_at: Option<Timestamp>) -> Timestamp {
        match nudged_at {
            Some(nudged) if nudged > self.failed_at => nudged,
            _ => self.next_attempt_at,
        }
    }

    fn same_as(&self, problem: &Problem) -> Option<&Problem> {
        self.problems
            .iter()
            .find(|other| other.kind == problem.kind && other.destination == problem.destination)
    }
}

/// A failure in words an operator can act on.
pub(crate) fn problem_of(failure: &Failure, kind: Option<CredentialKind>, since: Timestamp) -> Problem {
    let (title, next_action) = words(&failure.reason);
    Problem {
        kind: failure.reason.to_ascii_lowercase(),
        title: title.to_owned(),
        detail: failure.detail.chars().take(LONGEST_DETAIL).collect(),
        next_action: failure.next_action.clone().unwrap_or_else(|| next_action.to_owned()),
        since,
        attempts: 1,
        credential: kind,
        destination: failure.destination.clone(),
    }
}

impl Failure {
    /// The problem that it is, from `since` on.
    pub fn problem(&self, kind: Option<CredentialKind>, since: Timestamp) -> Problem {
        problem_of(self, kind, since)
    }
}
