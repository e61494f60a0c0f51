//! What I1, I2 and I3 mean for one application's rows in the rotator's ledger: checked before every act.

use mint_types::{ApplicationId, CredentialKind, IssuerObject, Version};

use crate::{Invariant, Verdict, Violation};

/// At most this many calls without a known outcome may stand on an issuer object.
const MOST_UNRESOLVED: usize = 2;

/// How far a rotation is, as far as the rules go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Its version is being made, or made and delivered nowhere for sure.
    Making,
    /// Its receipt is accepted.
    Delivered,
    /// Commits may have been sent.
    Retiring,
    /// Everything is committed.
    Retired,
    /// Given up.
    Closed,
}

/// A rotation's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// Which, in words.
    pub id: String,
    /// Of which kind.
    pub kind: CredentialKind,
    /// How far it is.
    pub phase: Phase,
    /// Whether it made a version.
    pub made: bool,
    /// The version that it replaces.
    pub previous: Option<Version>,
    /// On which objects its commit was answered.
    pub committed: Vec<IssuerObject>,
    /// Whether it may end its predecessor before its receipt: operators had that one ended at once, or the issuer knows
    /// one value at a time and a destination has the new one.
    pub excused: bool,
}

/// A version's row that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Of which kind.
    pub kind: CredentialKind,
    /// Which.
    pub version: Version,
    /// Whether it is the newest that was delivered.
    pub current: bool,
}

/// The rows of one application.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Rotations that are open, and others that were looked at.
    pub rotations: Vec<Rotation>,
    /// Versions that have not ended.
    pub live: Vec<Live>,
    /// Calls without a known outcome that were not written off.
    pub unresolved: Vec<IssuerObject>,
}

impl Phase {
    fn is_open(self) -> bool {
        matches!(self, Self::Making | Self::Delivered | Self::Retiring)
    }
}

/// The rows can have come about by the protocol.
pub fn check(application: &ApplicationId, ledger: &Ledger) -> Verdict {
    let violated = |invariant, detail: String| Err(Violation::of(invariant, application, detail));
    for object in [IssuerObject::User, IssuerObject::Client] {
        let lives_on = |kind: CredentialKind| kind.issuer_objects().contains(&object);
        let open: Vec<&str> = ledger
            .rotations
            .iter()
            .filter(|rotation| rotation.phase.is_open() && lives_on(rotation.kind))
            .map(|rotation| rotation.id.as_str())
            .collect();
        if open.len() > 1 {
            let detail = format!("{} rotations are open on {object:?}: {}", open.len(), open.join(", "));
            return violated(Invariant::OneAtATime, detail);
        }
        let current = ledger.live.iter().filter(|live| live.current && lives_on(live.kind)).count();
        if current > 1 {
            return violated(Invariant::NothingLost, format!("{current} versions are current on {object:?}"));
        }
        let unresolved = ledger.unresolved.iter().filter(|unresolved| **unresolved == object).count();
        if unresolved > MOST_UNRESOLVED {
            let detail = format!("{unresolved} calls on {object:?} have no known outcome");
            return violated(Invariant::NothingLost, detail);
        }
    }
    for rotation in &ledger.rotations {
        if let Err((invariant, problem)) = check_rotation(rotation, ledger) {
            return violated(invariant, format!("rotation {} {problem}", rotation.id));
        }
    }
    Ok(())
}

fn check_rotation(rotation: &Rotation, ledger: &Ledger) -> Result<(), (Invariant, &'static str)> {
    let has_receipt = matches!(rotation.phase, Phase::Delivered | Phase::Retiring | Phase::Retired);
    if has_receipt && !rotation.made {
        return Err((Invariant::NothingLost, "is delivered and made nothing"));
    }
    if !rotation.committed.is_empty()
        && !rotation.excused
        && !matches!(rotation.phase, Phase::Retiring | Phase::Retired)
    {
        return Err((Invariant::NeverBroken, "was committed without an accepted receipt"));
    }
    let predecessor = rotation.previous.filter(|_| rotation.phase == Phase::Making && !rotation.excused);
    let ended = predecessor.is_some_and(|previous| {
        !ledger.live.iter().any(|live| live.kind == rotation.kind && live.version == previous)
    });
    if ended {
        return Err((Invariant::NeverBroken, "is not delivered, and the version that it replaces has ended"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(phase: Phase) -> Rotation {
        Rotation {
            id: "r".to_owned(),
            kind: CredentialKind::Password,
            phase,
            made: true,
            previous: Some(Version(1)),
            committed: vec![],
            excused: false,
        }
    }

    fn ledger(rotations: Vec<Rotation>) -> Ledger {
        let live = Live { kind: CredentialKind::Password, version: Version(1), current: true };
        Ledger { rotations, live: vec![live], unresolved: vec![IssuerObject::User; 2] }
    }

    #[test]
    fn rows_that_the_protocol_cannot_write_are_violations() {
        let violated = |ledger: Ledger| {
            check(&"shop".parse().unwrap(), &ledger).map_err(|violation| violation.invariant.id()).err()
        };
        let base = || ledger(vec![rotation(Phase::Making)]);
        assert_eq!(violated(base()), None);
        assert_eq!(violated(ledger(vec![rotation(Phase::Making), rotation(Phase::Closed)])), None);
        let client = Rotation { kind: CredentialKind::Client, previous: None, ..rotation(Phase::Making) };
        assert_eq!(violated(ledger(vec![rotation(Phase::Making), client.clone()])), None);
        assert_eq!(violated(ledger(vec![rotation(Phase::Making), rotation(Phase::Delivered)])), Some("I3"));
        let combined = Rotation { kind: CredentialKind::Combined, ..client };
        assert_eq!(violated(ledger(vec![rotation(Phase::Making), combined])), Some("I3"));

        let mut three = base();
        three.unresolved.push(IssuerObject::User);
        assert_eq!(violated(three), Some("I2"));
        let mut twice = base();
        twice.live.push(Live { kind: CredentialKind::Combined, version: Version(2), current: true });
        assert_eq!(violated(twice), Some("I2"));
        let nothing = Rotation { made: false, ..rotation(Phase::Delivered) };
        assert_eq!(violated(ledger(vec![nothing])), Some("I2"));
    }

    #[test]
    fn nothing_is_committed_or_ended_before_a_receipt() {
        let violated = |ledger: Ledger| {
            check(&"shop".parse().unwrap(), &ledger).map_err(|violation| violation.invariant.id()).err()
        };
        let committed = |phase| Rotation { committed: vec![IssuerObject::User], ..rotation(phase) };
        for (phase, expected) in [
            (Phase::Making, Some("I1")),
            (Phase::Delivered, Some("I1")),
            (Phase::Retiring, None),
            (Phase::Retired, None),
        ] {
            assert_eq!(violated(ledger(vec![committed(phase)])), expected, "{phase:?}");
        }
        let mut ended = ledger(vec![rotation(Phase::Making)]);
        ended.live.clear();
        assert_eq!(violated(ended.clone()), Some("I1"));
        ended.rotations[0].excused = true;
        assert_eq!(violated(ended.clone()), None, "operators may end it at once");
        ended.rotations[0] = rotation(Phase::Retiring);
        assert_eq!(violated(ended), None);
    }
}
