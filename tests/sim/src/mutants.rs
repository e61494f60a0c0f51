//! Whether the simulation notices when a rule of the real code is switched off.

use mint_types::mutation::{Mutation, activate};

use crate::shards::{Shards, run_all};

/// What came of a mutation.
#[derive(Debug, Clone)]
pub struct Caught {
    /// Which rule was off.
    pub mutation: Mutation,
    /// What was noticed, in words; none if nothing was.
    pub by: Option<String>,
}

/// Runs with one rule off, until it is noticed or the rotations are done.
pub fn run_mutated(mutation: Mutation, shards: &Shards) -> Caught {
    activate(Some(mutation));
    let tally = run_all(shards, &|_| {});
    activate(None);
    let by = tally.violations.first().map(|(_, violation)| violation.to_string());
    let by = by.or_else(|| (!tally.is_clean()).then(|| "failed logins, stuck or unaccounted".to_owned()));
    Caught { mutation, by }
}
