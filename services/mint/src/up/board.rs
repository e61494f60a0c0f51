//! Who is finished: what is expected, and how everybody stands.

use std::collections::BTreeMap;

use mint_types::Problem;

use crate::report::Line;
use crate::standing::{Credential, CredentialState, Standing, State};

/// The applications that a run is about.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// The catalog revision that an application's status must reflect; none while the catalog does not have it.
    expected: BTreeMap<String, Option<u64>>,
    standings: BTreeMap<String, Standing>,
}

impl Board {
    /// Expects an application, whose record had this revision.
    pub(crate) fn expect(&mut self, id: &str, revision: Option<u64>) {
        self.expected.insert(id.to_owned(), revision);
    }

    /// Takes a status; true if the application's state or problems changed.
    pub(crate) fn take(&mut self, standing: Standing) -> bool {
        let shown = |standing: &Standing| {
            let kinds: Vec<_> = standing.problems.iter().map(|problem| problem.kind.clone()).collect();
            (standing.state, standing.paused, kinds)
        };
        let before = self.standings.get(&standing.id).map(shown);
        let changed = before != Some(shown(&standing));
        self.standings.insert(standing.id.clone(), standing);
        changed
    }

    /// How many are expected, and how many of them are finished.
    pub(crate) fn count(&self) -> (usize, usize) {
        let finished = self.expected.iter().filter(|(id, revision)| self.is_finished(id, **revision)).count();
        (finished, self.expected.len())
    }

    /// How many are in a state.
    pub(crate) fn in_state(&self, state: State) -> usize {
        self.standings.values().filter(|standing| standing.state == state).count()
    }

    /// Whether the catalog has every expected application.
    pub(crate) fn is_known(&self) -> bool {
        self.expected.values().all(Option::is_some)
    }

    /// Whether nothing more is expected.
    pub(crate) fn is_complete(&self) -> bool {
        let (finished, expected) = self.count();
        finished == expected
    }

    fn is_finished(&self, id: &str, revision: Option<u64>) -> bool {
        let (Some(standing), Some(revision)) = (self.standings.get(id), revision) else { return false };
        standing.catalog_revision >= revision && has_ended(standing)
    }

    /// A line per expected application; `late` words the problem of one that is not finished.
    pub(crate) fn lines(&self, late: impl Fn(Option<&Standing>) -> Problem) -> Vec<Line> {
        let line = |(id, revision): (&String, &Option<u64>)| match self.standings.get(id) {
            Some(standing) if self.is_finished(id, *revision) => Line::of(standing, || late(Some(standing))),
            Some(standing) => {
                let unfinished = Standing { state: State::Pending, ..standing.clone() };
                Line::of(&unfinished, || late(Some(standing)))
            }
            None => Line::unknown(id, late(None)),
        };
        self.expected.iter().map(line).collect()
    }
}

/// Whether every credential is delivered and current, or has failed three attempts, or cannot be delivered as
/// configured, or nothing is wanted.
fn has_ended(standing: &Standing) -> bool {
    match standing.state {
        State::Inactive | State::Held => true,
        // a first version is delivered before it is committed; later there is always some rotation under way
        State::Delivered => standing.credentials.iter().all(|credential| {
            credential.state == CredentialState::Current || credential.completed_rotations > 0
        }),
        State::Pending => false,
        State::Failed => {
            let hopeless = standing.problems.iter().any(|problem| problem.credential.is_none());
            hopeless || standing.credentials.iter().all(|credential| is_settled(credential, standing))
        }
    }
}

/// How many failures in a row count as failed.
const ATTEMPTS: u32 = 3;

fn is_settled(credential: &Credential, standing: &Standing) -> bool {
    let hopeless = || {
        let own = |problem: &&Problem| problem.credential == credential.kind;
        standing.problems.iter().find(own).is_some_and(|problem| problem.attempts >= ATTEMPTS)
    };
    match credential.state {
        CredentialState::Current | CredentialState::Failed => true,
        CredentialState::Pending | CredentialState::Rotating => credential.attempts >= ATTEMPTS || hopeless(),
    }
}

#[cfg(test)]
mod tests {
    use mint_types::CredentialKind::{Client, Password};

    use super::*;
    use crate::report::Ending;
    use crate::standing::samples::{credential, problem, standing};

    fn board(of: Standing) -> Board {
        let mut board = Board::default();
        board.expect(&of.id, Some(10));
        assert!(board.take(of));
        board
    }

    #[test]
    fn an_application_is_finished_when_each_credential_is_current_or_has_failed_three_times() {
        use CredentialState::{Current, Failed, Pending, Rotating};
        let of = |state, one, other| {
            standing("kio", state, vec![credential(Password, one), credential(Client, other)])
        };
        assert!(board(of(State::Delivered, Current, Current)).is_complete());
        assert!(board(of(State::Delivered, Current, Rotating)).is_complete(), "a version is there");
        let mut first = of(State::Delivered, Current, Rotating);
        first.credentials[1].completed_rotations = 0;
        assert!(!board(first).is_complete(), "the first version is not committed yet");
        assert!(!board(of(State::Pending, Current, Rotating)).is_complete());
        assert!(board(of(State::Failed, Failed, Current)).is_complete());
        assert!(!board(of(State::Failed, Failed, Pending)).is_complete(), "the other one is still under way");
        let mut nowhere = of(State::Failed, Pending, Pending);
        nowhere.problems = vec![problem("no_destination", None)];
        assert!(board(nowhere).is_complete());
    }

    #[test]
    fn a_status_from_before_the_last_change_of_the_record_does_not_count() {
        let old = Standing { catalog_revision: 9, ..standing("kio", State::Failed, vec![]) };
        assert!(!board(old).is_complete());
    }

    #[test]
    fn an_application_that_the_catalog_does_not_have_is_waited_for_and_then_late() {
        let mut board = Board::default();
        board.expect("kio", None);
        assert!(!board.is_complete());
        let lines = board.lines(|_| problem("timed_out", None));
        assert_eq!((lines[0].state, lines[0].problems[0].kind.as_str()), (Ending::Failed, "timed_out"));
    }

    #[test]
    fn only_a_change_worth_a_line_is_one() {
        let mut board = board(standing("kio", State::Pending, vec![]));
        let again = Standing { change: 2, ..standing("kio", State::Pending, vec![]) };
        assert!(!board.take(again));
        assert!(board.take(standing("kio", State::Delivered, vec![])));
    }
}
