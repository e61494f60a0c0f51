//! Who pays for what is taken away (invariant I6). Pure: the books of a day in, the charge out.

use std::collections::BTreeSet;

use mint_types::mutation::{Mutation, mutated};
use mint_types::{Budget, Timestamp};

/// One line of the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// From whom something was taken.
    pub subject: String,
    /// The release that paid for it; none: the budget did.
    pub release: Option<String>,
}

/// What two operators released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The statement's id.
    pub id: String,
    /// How many acts.
    pub acts: u64,
    /// How many of them are used up.
    pub spent: u64,
    /// Only of these; empty for any.
    pub applications: BTreeSet<String>,
    /// From when it no longer holds.
    pub expires_at: Timestamp,
}

impl Release {
    /// How many acts it still allows.
    pub fn remaining(&self) -> u64 {
        self.acts.saturating_sub(self.spent)
    }
}

/// Who pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charge {
    /// A release did already: something was taken from the same application within a day.
    Paid,
    /// The budget. Whoever is in its books already counts once, but the later taking is what leaves them last.
    Budget,
    /// A release, by its statement's id.
    Release(String),
}

/// What the budget allows, and what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// From how many something was taken within a day, without what was released.
    pub spent: u64,
    /// From how many it may be.
    pub allowed: u64,
    /// How many identities there are since more than a day.
    pub fleet: u64,
}

/// How the budget stands, by the books of the last day.
pub fn standing(day: &[Spent], budget: Budget, fleet: u64) -> Standing {
    let counted: BTreeSet<&str> =
        day.iter().filter(|spent| spent.release.is_none()).map(|spent| spent.subject.as_str()).collect();
    let spent = u64::try_from(counted.len()).unwrap_or(u64::MAX);
    Standing { spent, allowed: budget.of(fleet), fleet }
}

/// Who pays for taking something from `subject`; nobody if the budget and every release in force are used up. A release
/// that names the subject pays first, one for anybody last.
pub fn charge(
    subject: &str,
    day: &[Spent],
    releases: &[Release],
    budget: Budget,
    fleet: u64,
) -> Result<Charge, Standing> {
    let lines: Vec<&Spent> = day.iter().filter(|spent| spent.subject == subject).collect();
    if !lines.is_empty() {
        // what is taken again an hour before its line is a day old is one of the next day's takings, too
        let by_budget = lines.iter().any(|spent| spent.release.is_none());
        return Ok(if by_budget { Charge::Budget } else { Charge::Paid });
    }
    let named = |release: &&Release| release.applications.contains(subject);
    let anybodys = |release: &&Release| release.applications.is_empty();
    let open = || releases.iter().filter(|release| release.remaining() > 0);
    if let Some(release) = open().find(named) {
        return Ok(Charge::Release(release.id.clone()));
    }
    let standing = standing(day, budget, fleet);
    if standing.spent < standing.allowed || mutated(Mutation::BudgetCountedByCoordinator) {
        return Ok(Charge::Budget);
    }
    match open().find(anybodys) {
        Some(release) => Ok(Charge::Release(release.id.clone())),
        None => Err(standing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(subject: &str, release: Option<&str>) -> Spent {
        Spent { subject: subject.into(), release: release.map(Into::into) }
    }

    fn release(id: &str, acts: u64, spent: u64, names: &[&str]) -> Release {
        let applications = names.iter().map(ToString::to_string).collect();
        Release { id: id.into(), acts, spent, applications, expires_at: Timestamp::from_unix_micros(0) }
    }

    #[test]
    fn the_budget_pays_until_it_is_used_up_and_then_a_release() {
        let day = [spent("a", None), spent("b", None), spent("b", None), spent("c", Some("r0"))];
        let charged = |subject: &str, fleet, releases: &[Release]| {
            charge(subject, &day, releases, Budget::default(), fleet)
        };
        let exhausted = Err(Standing { spent: 2, allowed: 2, fleet: 20 });
        let by = |id: &str| Ok(Charge::Release(id.into()));
        assert_eq!(
            charged("a", 20, &[]),
            Ok(Charge::Budget),
            "it counts once, and until its last line is old"
        );
        assert_eq!(charged("c", 20, &[]), Ok(Charge::Paid));
        assert_eq!(charged("d", 30, &[]), Ok(Charge::Budget));
        assert_eq!(charged("d", 20, &[]), exhausted);
        assert_eq!(charged("d", 20, &[release("r1", 2, 1, &[])]), by("r1"));
        assert_eq!(charged("d", 20, &[release("r1", 2, 2, &[])]), exhausted);
        assert_eq!(charged("d", 20, &[release("r1", 2, 0, &["e"])]), exhausted);
        assert_eq!(charged("d", 30, &[release("r1", 2, 0, &["d"])]), by("r1"), "who is named is not counted");
    }
}
