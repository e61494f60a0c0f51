//! What becomes of a draft: pure.

use crate::draft::{Draft, Half};
use crate::error::Refusal;
use crate::leaf::Leaf;

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Where it is.
    pub leaf: Leaf,
    /// What it says.
    pub draft: Draft,
}

/// What the log knows that matters for a draft.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The entry with the draft's id.
    pub same_id: Option<Stored>,
    /// The entry at the draft's `init_index`.
    pub init: Option<Stored>,
    /// That entry has an outcome.
    pub completed: bool,
}

/// What becomes of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It gets the next place.
    Append,
    /// It is there.
    Same(Leaf),
    /// It is not taken.
    Refuse(Refusal),
}

/// Decides on a draft.
pub fn decide(draft: &Draft, known: &Known) -> Decision {
    if let Some(stored) = &known.same_id {
        return if stored.draft == *draft {
            Decision::Same(stored.leaf)
        } else {
            Decision::Refuse(Refusal::EntryConflict)
        };
    }
    if draft.half == Half::Init {
        return Decision::Append;
    }
    match &known.init {
        None => Decision::Refuse(Refusal::InitMissing),
        Some(stored) if stored.draft.half != Half::Init => Decision::Refuse(Refusal::InitMissing),
        Some(stored) if !stored.draft.same_act(draft) => Decision::Refuse(Refusal::InitMismatch),
        Some(_) if known.completed => Decision::Refuse(Refusal::AlreadyCompleted),
        Some(_) => Decision::Append,
    }
}

#[cfg(test)]
mod tests {
    use mint_types::Timestamp;

    use super::*;
    use crate::draft::Outcome;

    fn init() -> Draft {
        Draft {
            entry_id: "b7ad6b71-6920-4333-8a01-0af7651916cd".parse().unwrap(),
            actor: "spiffe://mint.local/service/rotator".parse().unwrap(),
            action: "credential.create".into(),
            application: Some("kio".parse().unwrap()),
            kind: None,
            resource: "stups_kio".into(),
            rotation: None,
            request: "0af76519-16cd-43dd-8448-eb211c80319c".parse().unwrap(),
            requested_role: String::new(),
            subject: String::new(),
            half: Half::Init,
        }
    }

    fn complete() -> Draft {
        let half = Half::Complete { init_index: 4, outcome: Outcome::Success };
        Draft { entry_id: "00000000-0000-4000-8000-000000000001".parse().unwrap(), half, ..init() }
    }

    fn stored(draft: Draft) -> Stored {
        Stored { leaf: Leaf { index: 4, hash: [9; 32], at: Timestamp::from_unix_micros(1) }, draft }
    }

    #[test]
    fn every_draft_meets_its_decision() {
        let leaf = stored(init()).leaf;
        let other_actor =
            Draft { actor: "spiffe://mint.local/service/distributor".parse().unwrap(), ..init() };
        let other_act = Draft { resource: "stups_other".into(), ..init() };
        let other_subject = Draft { subject: "somebody".into(), ..init() };
        let with_init = |draft, completed| Known { init: Some(stored(draft)), completed, same_id: None };
        let with_id = |draft| Known { same_id: Some(stored(draft)), ..Known::default() };
        let table = [
            ("fresh init", init(), Known::default(), Decision::Append),
            ("same again", init(), with_id(init()), Decision::Same(leaf)),
            ("other act", init(), with_id(other_act.clone()), Decision::Refuse(Refusal::EntryConflict)),
            ("other actor", init(), with_id(other_actor.clone()), Decision::Refuse(Refusal::EntryConflict)),
            ("outcome", complete(), with_init(init(), false), Decision::Append),
            ("no init", complete(), Known::default(), Decision::Refuse(Refusal::InitMissing)),
            (
                "no announcement",
                complete(),
                with_init(complete(), false),
                Decision::Refuse(Refusal::InitMissing),
            ),
            (
                "of another actor",
                complete(),
                with_init(other_actor, false),
                Decision::Refuse(Refusal::InitMismatch),
            ),
            (
                "of another act",
                complete(),
                with_init(other_act, false),
                Decision::Refuse(Refusal::InitMismatch),
            ),
            (
                "on somebody else's behalf",
                complete(),
                with_init(other_subject, false),
                Decision::Refuse(Refusal::InitMismatch),
            ),
            ("twice", complete(), with_init(init(), true), Decision::Refuse(Refusal::AlreadyCompleted)),
        ];
        for (name, draft, known, expected) in table {
            assert_eq!(decide(&draft, &known), expected, "{name}");
        }
        let repeated = Known { same_id: Some(stored(complete())), ..with_init(init(), true) };
        assert_eq!(decide(&complete(), &repeated), Decision::Same(leaf), "a repeated outcome");
    }
}
