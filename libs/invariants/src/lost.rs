//! I2, nothing lost.

use mint_types::{ApplicationId, IssuerObject};

use crate::{Invariant, Verdict, Violation};

/// What is alive, and what accounts for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounting {
    /// What the issuer accepts: on which object, and the handle or name by which it can be told apart.
    pub alive: Vec<(IssuerObject, String)>,
    /// What the ledger says is alive, by the same handles.
    pub ledger: Vec<(IssuerObject, String)>,
    /// Intents without a known outcome: each accounts for at most one that the ledger does not name.
    pub unresolved: Vec<IssuerObject>,
    /// Rotations that do not move although nothing is wrong any more, in words.
    pub stuck: Vec<String>,
}

/// No rotation is stuck, and no version is alive that neither the ledger nor an unresolved intent accounts for. That no
/// version in use has been ended is I1's other half.
pub fn nothing_lost(application: &ApplicationId, seen: &Accounting) -> Verdict {
    let violated = |detail: String| Err(Violation::of(Invariant::NothingLost, application, detail));
    if let Some(stuck) = seen.stuck.first() {
        return violated(format!("stuck: {stuck}"));
    }
    for object in [IssuerObject::User, IssuerObject::Client] {
        let unknown: Vec<&str> = seen
            .alive
            .iter()
            .filter(|alive| alive.0 == object && !seen.ledger.contains(alive))
            .map(|(_, handle)| handle.as_str())
            .collect();
        let intents = seen.unresolved.iter().filter(|unresolved| **unresolved == object).count();
        if unknown.len() > intents {
            let names = unknown.join(", ");
            return violated(format!(
                "{} alive on {object:?} without an entry in the ledger ({names}), and {intents} unresolved intents",
                unknown.len()
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lives_is_in_the_ledger_or_behind_an_unresolved_intent() {
        let shop = "shop".parse().unwrap();
        let on = |object, names: &[&str]| -> Vec<(IssuerObject, String)> {
            names.iter().map(|name| (object, (*name).to_owned())).collect()
        };
        let user = IssuerObject::User;
        let client = IssuerObject::Client;
        for (alive, ledger, unresolved, stuck, expected) in [
            (on(user, &["a"]), on(user, &["a"]), vec![], vec![], true),
            (on(user, &["a", "b"]), on(user, &["a"]), vec![], vec![], false),
            (on(user, &["a", "b"]), on(user, &["a"]), vec![user], vec![], true),
            (on(user, &["a", "b"]), on(user, &["a"]), vec![client], vec![], false),
            (on(user, &["a", "b", "c"]), on(user, &["a"]), vec![user], vec![], false),
            (on(user, &["a"]), on(client, &["a"]), vec![], vec![], false),
            (vec![], on(user, &["a"]), vec![], vec![], true),
            (vec![], vec![], vec![], vec!["password"], false),
        ] {
            let stuck = stuck.into_iter().map(str::to_owned).collect();
            let seen = Accounting { alive, ledger, unresolved, stuck };
            assert_eq!(nothing_lost(&shop, &seen).is_ok(), expected, "{seen:?}");
        }
    }
}
