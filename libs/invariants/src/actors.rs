//! I3, one at a time.

use mint_types::{ApplicationId, FencingToken};

use crate::{Invariant, Verdict, Violation};

/// An outside call that somebody is about to make or is making for an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// On whose behalf: the holder of the lease.
    pub holder: String,
    /// Under which token.
    pub token: FencingToken,
    /// The highest token that whoever acts had admitted when it allowed this act, this one included.
    pub highest: FencingToken,
    /// Whether the holder's lease is in force, as far as the store of leases knows.
    pub leased: bool,
}

/// Nobody acts who was overtaken, and no two hold a lease at once.
pub fn one_at_a_time(application: &ApplicationId, acts: &[Act]) -> Verdict {
    let violated = |detail: String| Err(Violation::of(Invariant::OneAtATime, application, detail));
    for act in acts {
        if act.token < act.highest {
            let Act { holder, token, highest, .. } = act;
            return violated(format!("{holder} acts under token {token} although {highest} was admitted"));
        }
    }
    let leased: Vec<&Act> = acts.iter().filter(|act| act.leased).collect();
    for (index, act) in leased.iter().enumerate() {
        if let Some(other) = leased[index + 1..].iter().find(|other| other.holder != act.holder) {
            return violated(format!("{} and {} hold a lease at once", act.holder, other.holder));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_overtaken_does_not_act_and_two_never_hold_a_lease() {
        let shop = "shop".parse().unwrap();
        let act = |holder: &str, token, highest, leased| Act {
            holder: holder.to_owned(),
            token: FencingToken(token),
            highest: FencingToken(highest),
            leased,
        };
        for (acts, expected) in [
            (vec![act("a", 2, 2, true)], true),
            (vec![act("a", 2, 3, true)], false),
            (vec![act("a", 2, 2, true), act("a", 2, 2, true)], true),
            (vec![act("a", 2, 2, false), act("b", 3, 3, true)], true),
            (vec![act("a", 2, 2, true), act("b", 3, 3, true)], false),
        ] {
            assert_eq!(one_at_a_time(&shop, &acts).is_ok(), expected, "{acts:?}");
        }
    }
}
