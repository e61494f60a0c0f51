//! Runs configurations and mutations; answers lines for people.

use std::time::Duration;

use mint_types::mutation::Mutation;

use crate::bounds::{Bounds, configurations};
use crate::explore::{Explored, explore, explore_fleet};
use crate::world::Mint;

/// What a run showed.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its name.
    pub name: &'static str,
    /// Its bounds.
    pub bounds: String,
    /// What was found.
    pub explored: Explored,
}

/// The name of the configuration for I6.
pub const FLEET: &str = "a registry that empties";

/// Explores what has this name, or everything.
pub fn run(
    bounds: Vec<Bounds>,
    asked: Option<&str>,
    threads: usize,
    mut each: impl FnMut(&Run),
) -> (usize, usize) {
    let (mut passed, mut failed) = (0, 0);
    let mut count = |run: &Run| {
        if run.explored.violations.is_empty() {
            passed += 1;
        } else {
            failed += 1;
        }
        each(run);
    };
    let is_asked = |name: &str| asked.is_none_or(|asked| name == asked);
    for bounds in bounds.into_iter().filter(|bounds| is_asked(bounds.name)) {
        let (name, text) = (bounds.name, bounds.describe());
        count(&Run { name, bounds: text, explored: explore(Mint::new(bounds), threads) });
    }
    if is_asked(FLEET) {
        count(&fleet(threads));
    }
    (passed, failed)
}

fn fleet(threads: usize) -> Run {
    let bounds =
        "20 applications, the days 0, 1, 6, 7 and 8, every order of disable and delete, <= 2 crashes"
            .to_owned();
    Run { name: FLEET, bounds, explored: explore_fleet(threads) }
}

/// The configurations in which a mutation shows, the smallest first.
pub fn shows_in(mutation: Mutation) -> &'static [&'static str] {
    match mutation {
        Mutation::NoFencing | Mutation::StaleCommit => &["a lost lease", "a death and a lost lease"],
        Mutation::TokenFromTheFuture => &["a poisoned fence"],
        Mutation::ReceiptForZeroDestinations => &["settings emptied"],
        Mutation::ReceiptReplayed => &["a receipt replayed"],
        Mutation::RetireBeforeAdopt
        | Mutation::OlderVersionDelivered
        | Mutation::DeliveredMayBeSuperseded => &["a coordinator taken over"],
        Mutation::LeasePerKind => &["side by side"],
        Mutation::BudgetCountedByCoordinator | Mutation::DeleteWithoutTombstone => &[FLEET],
        Mutation::OverlapOfAnotherBoot => &["two machines"],
        Mutation::ForeignWithoutMaxOverlap => &["in use before Mint came"],
        Mutation::UnresolvedNotCounted => &["two deaths and a lost message"],
        Mutation::SdkRetriesLeftOn | Mutation::OldAttemptNotAwaited | Mutation::LateWriteNotReput => {
            &["late writes"]
        }
        Mutation::CommitBeforeAllDestinations | Mutation::EndByAge => &["a bucket that refuses"],
        Mutation::NoIntent
        | Mutation::UnsignedEnvelope
        | Mutation::RetiredKeyStillOpening
        | Mutation::EarlierCallNotAwaited
        | Mutation::LateEndNotAwaited
        | Mutation::ProveBeforeGrace
        | Mutation::AuditAfterTheAct
        | Mutation::TokensRepeatAfterRestore => &["commit with grace", "commit at once"],
    }
}

/// The first violation that a configuration shows, searched in those where the mutation shows; the mutation must be
/// switched on already.
pub fn hunt(mutation: Mutation, threads: usize) -> Option<(&'static str, Duration, String)> {
    shows_in(mutation).iter().find_map(|name| {
        let mut found = None;
        run(configurations(), Some(name), threads, |run| {
            let first = run.explored.violations.first();
            found = first.map(|(what, _)| (run.name, run.explored.took, what.clone()));
        });
        found
    })
}
