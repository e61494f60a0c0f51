//! I1, never broken.

use std::time::Duration;

use mint_types::{ApplicationId, Timestamp};

use crate::{Invariant, Verdict, Violation};

/// Until when a credential could be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Until {
    /// It is readable at a destination.
    Now,
    /// It was readable last then: whoever fetched it may use it for the overlap.
    Then(Timestamp),
}

/// A credential that consumers found, or still find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is and where, for whoever reads a violation: `password 3 at bucket-a/shop/user.json`.
    pub what: String,
    /// Until when it could be fetched.
    pub readable: Until,
    /// How long after a fetch it must go on to work: `min_overlap`, for one from before Mint `max_overlap`.
    pub overlap: Duration,
    /// Whether its issuer accepts it.
    pub authenticates: bool,
    /// Whether it is excused: the measured window of a replace issuer, or ended by `revoke now`.
    pub excused: bool,
}

/// Every credential readable at a destination, or fetched from one within the last overlap, authenticates.
pub fn never_broken(application: &ApplicationId, now: Timestamp, found: &[Found]) -> Verdict {
    let in_use = |found: &&Found| match found.readable {
        Until::Now => true,
        Until::Then(last) => now.since(last) < found.overlap,
    };
    let dead = found.iter().filter(in_use).find(|found| !found.authenticates && !found.excused);
    dead.map_or(Ok(()), |found| {
        let when = match found.readable {
            Until::Now => "is readable".to_owned(),
            Until::Then(last) => format!("was readable {} s ago", now.since(last).as_secs()),
        };
        let detail = format!("{} {when}, and the issuer does not accept it", found.what);
        Err(Violation::of(Invariant::NeverBroken, application, detail))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_in_use_must_open_its_door() {
        let shop = "shop".parse().unwrap();
        let at = |seconds: i64| Timestamp::from_unix_micros(seconds * 1_000_000);
        let holds = |readable, authenticates, excused| {
            let found = Found {
                what: "password 1 at bucket-a".to_owned(),
                readable,
                overlap: Duration::from_secs(10),
                authenticates,
                excused,
            };
            never_broken(&shop, at(100), &[found]).is_ok()
        };
        for (readable, authenticates, excused, expected) in [
            (Until::Now, true, false, true),
            (Until::Now, false, false, false),
            (Until::Now, false, true, true),
            (Until::Then(at(91)), false, false, false),
            (Until::Then(at(91)), true, false, true),
            (Until::Then(at(90)), false, false, true),
            (Until::Then(at(200)), false, false, false),
        ] {
            assert_eq!(
                holds(readable, authenticates, excused),
                expected,
                "{readable:?} {authenticates} {excused}"
            );
        }
    }
}
