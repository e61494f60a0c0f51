//! I6, no mass death.

use std::collections::BTreeSet;
use std::time::Duration;

use mint_types::{ApplicationId, Budget, Timestamp};

use crate::{Invariant, Verdict, Violation};

/// What is counted is counted by the day.
const DAY: Duration = Duration::from_hours(24);

/// Something was taken away from an application: a disable, a deletion, scopes, a destination, a tombstone write. What
/// is taken from one application within a day counts once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taking {
    /// From whom.
    pub application: ApplicationId,
    /// When.
    pub at: Timestamp,
    /// Whether operators released it by a statement: then it is not counted.
    pub released: bool,
}

/// How far the removal of an application went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// It works.
    Enabled,
    /// It is disabled, restorable.
    Disabled,
    /// It is gone.
    Deleted,
}

/// One step of one application's removal, in order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// Whose.
    pub application: ApplicationId,
    /// From where.
    pub from: Stage,
    /// To where.
    pub to: Stage,
    /// For how long it had been where it was.
    pub after: Duration,
    /// How long it must be restorable before it is deleted.
    pub tombstone: Duration,
}

/// Within any day no more applications lose something than the budget of the fleet allows, and none is deleted that was
/// not disabled for the tombstone period.
pub fn no_mass_death(budget: Budget, fleet: u64, takings: &[Taking], removals: &[Removal]) -> Verdict {
    let allowed = budget.of(fleet);
    for taking in takings.iter().filter(|taking| !taking.released) {
        let within_a_day = takings
            .iter()
            .filter(|other| !other.released && other.at >= taking.at && other.at.since(taking.at) < DAY);
        let victims: BTreeSet<&ApplicationId> = within_a_day.map(|other| &other.application).collect();
        let count = u64::try_from(victims.len()).unwrap_or(u64::MAX);
        if count > allowed {
            let detail =
                format!("{count} of {fleet} applications lost something within a day, {allowed} may");
            return Err(Violation::of_all(Invariant::NoMassDeath, detail));
        }
    }
    for removal in removals.iter().filter(|removal| removal.to == Stage::Deleted) {
        let violated =
            |detail: &str| Err(Violation::of(Invariant::NoMassDeath, &removal.application, detail));
        match removal.from {
            Stage::Enabled => return violated("it was deleted without having been disabled"),
            Stage::Disabled if removal.after < removal.tombstone => {
                return violated("it was deleted while it had to be restorable");
            }
            Stage::Disabled | Stage::Deleted => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(number: usize) -> ApplicationId {
        format!("app-{number}").parse().unwrap()
    }

    #[test]
    fn a_days_takings_stay_within_the_budget() {
        let hour = 3_600_000_000;
        let taking = |number, hours: i64, released| Taking {
            application: application(number),
            at: Timestamp::from_unix_micros(hours * hour),
            released,
        };
        let holds = |takings: &[Taking]| no_mass_death(Budget::default(), 20, takings, &[]).is_ok();
        assert!(holds(&[taking(1, 0, false), taking(2, 1, false)]));
        assert!(!holds(&[taking(1, 0, false), taking(2, 1, false), taking(3, 23, false)]));
        assert!(!holds(&[taking(3, 23, false), taking(2, 1, false), taking(1, 0, false)]), "in any order");
        assert!(holds(&[taking(1, 0, false), taking(2, 1, false), taking(3, 24, false)]));
        assert!(
            holds(&[taking(1, 0, false), taking(1, 1, false), taking(2, 2, false)]),
            "once an application"
        );
        assert!(
            holds(&[taking(1, 0, true), taking(2, 1, false), taking(3, 2, false)]),
            "released is not counted"
        );
    }

    #[test]
    fn only_what_was_restorable_for_long_enough_is_deleted() {
        let holds = |from, days| {
            let removal = Removal {
                application: application(1),
                from,
                to: Stage::Deleted,
                after: DAY * days,
                tombstone: DAY * 7,
            };
            no_mass_death(Budget::default(), 20, &[], &[removal]).is_ok()
        };
        assert!(holds(Stage::Disabled, 7));
        assert!(!holds(Stage::Disabled, 6));
        assert!(!holds(Stage::Enabled, 100));
    }
}
