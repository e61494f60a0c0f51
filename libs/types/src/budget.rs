//! Invariant I6, "no mass death": its one definition.

/// How many identities, or catalog entries, may be taken away in a day: `max(minimum, percent)`, never over a tenth of
/// the fleet, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// A small fleet may lose this many.
    pub minimum: u64,
    /// A large fleet may lose this share, in percent.
    pub percent: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { minimum: 5, percent: 1 }
    }
}

impl Budget {
    /// How many of a fleet of this size.
    pub fn of(self, fleet: u64) -> u64 {
        let share = fleet.saturating_mul(self.percent) / 100;
        self.minimum.max(share).min((fleet / 10).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_budget_may_die() {
        for (fleet, allowed) in
            [(0, 1), (1, 1), (9, 1), (20, 2), (33, 3), (50, 5), (400, 5), (1000, 10), (20_000, 200)]
        {
            assert_eq!(Budget::default().of(fleet), allowed, "{fleet}");
        }
        assert_eq!(Budget { minimum: 100, percent: 100 }.of(50), 5);
    }
}
