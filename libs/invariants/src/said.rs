//! I5, said before done.

use mint_types::ApplicationId;

use crate::{Invariant, Verdict, Violation};

/// An act, by its places in any one order of events (leaf indices, times, steps of a model).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// What was done, in words.
    pub what: String,
    /// To whom.
    pub application: Option<ApplicationId>,
    /// Who is said to have done it.
    pub actor: String,
    /// Who did it: the mTLS peer.
    pub peer: String,
    /// When the entry that announces it became durable.
    pub announced: Option<u64>,
    /// When it was done; none if it was not.
    pub done: Option<u64>,
    /// When the entry of its outcome became durable; none while it is under way.
    pub concluded: Option<u64>,
}

/// Each act was announced before it was done, concluded after, and under the name of who did it.
pub fn said_before_done(deeds: &[Deed]) -> Verdict {
    let Some((deed, problem)) = deeds.iter().find_map(|deed| Some((deed, problem_of(deed)?))) else {
        return Ok(());
    };
    Err(Violation {
        invariant: Invariant::SaidBeforeDone,
        application: deed.application.clone(),
        detail: format!("{} {problem}", deed.what),
    })
}

fn problem_of(deed: &Deed) -> Option<&'static str> {
    if deed.actor != deed.peer {
        return Some("is in the log under another name than its peer's");
    }
    match (deed.announced, deed.done, deed.concluded) {
        (None, Some(_), _) => Some("was never announced"),
        (Some(announced), Some(done), _) if announced >= done => Some("was done before it was announced"),
        (_, Some(done), Some(concluded)) if concluded <= done => Some("was concluded before it was done"),
        (None, None, Some(_)) => Some("was concluded without being announced"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_is_announced_before_and_concluded_after() {
        let holds = |peer: &str, announced, done, concluded| {
            let (what, actor) = ("credential.create".to_owned(), "rotator".to_owned());
            let deed =
                Deed { what, application: None, actor, peer: peer.to_owned(), announced, done, concluded };
            said_before_done(&[deed]).is_ok()
        };
        for (announced, done, concluded, expected) in [
            (Some(1), Some(2), Some(3), true),
            (Some(1), Some(2), None, true),
            (Some(1), None, Some(2), true),
            (Some(1), None, None, true),
            (None, Some(2), Some(3), false),
            (Some(2), Some(2), None, false),
            (Some(3), Some(2), None, false),
            (Some(1), Some(3), Some(2), false),
            (None, None, Some(1), false),
        ] {
            assert_eq!(
                holds("rotator", announced, done, concluded),
                expected,
                "{announced:?} {done:?} {concluded:?}"
            );
        }
        assert!(!holds("coordinator", Some(1), Some(2), Some(3)), "a name is no peer");
    }
}
