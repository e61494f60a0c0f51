//! What of an issuer object is not accounted for.

use mint_types::{IssuerObject, Version};

use super::Rules;
use super::in_flight::may_land;
use crate::state::{ApplicationState, Attempt, Instant, LiveVersion};

/// What is not as it should be on one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// On which object.
    pub object: IssuerObject,
    /// Stable reason in upper snake case.
    pub reason: &'static str,
    /// The facts, for people.
    pub detail: String,
    /// What will be done about it.
    pub next_action: &'static str,
}

/// What was found on one object, and what can be written down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// What to tell.
    pub findings: Vec<Finding>,
    /// Whether the calls without a known outcome surely made nothing that is still alive.
    pub made_nothing: bool,
}

const SWEPT: &str =
    "nothing: the next rotation of this credential ends whatever it may have made, after its overlap";
const BY_A_ROTATION: &str = "rotate the application: the next Retire ends what nobody accounts for";

/// Compares what is alive (none where the issuer cannot list) with what the ledger accounts for.
pub fn reconcile(
    state: &ApplicationState,
    object: IssuerObject,
    alive: Option<usize>,
    rules: &Rules,
    now: &Instant,
) -> Reconciled {
    let live: Vec<&LiveVersion> = state
        .versions
        .iter()
        .filter(|version| version.lives_on(object) && !owed(state, version, object, rules))
        .collect();
    let unsettled: Vec<&Attempt> = state.attempts.iter().filter(|attempt| attempt.object == object).collect();
    let mut found = Reconciled::default();
    let mut tell = |reason, detail: String, next_action| {
        found.findings.push(Finding { object, reason, detail, next_action });
    };
    let Some(alive) = alive else {
        for attempt in &unsettled {
            tell("UNRESOLVED_INTENT", in_words(attempt, now), SWEPT);
        }
        return found;
    };
    let is_foreign = live.iter().any(|version| version.version == Version::FOREIGN);
    if alive < live.len() {
        let detail = format!("the ledger knows {} live versions, and the issuer has {alive}", live.len());
        tell("VERSION_MISSING", detail, BY_A_ROTATION);
    }
    if alive > live.len() + unsettled.len() && !is_foreign {
        let detail = format!(
            "the issuer has {alive} live versions; the ledger accounts for {} and {} calls without a known outcome",
            live.len(),
            unsettled.len()
        );
        tell("UNACCOUNTED_VERSION", detail, BY_A_ROTATION);
    }
    let is_over = |attempt: &&Attempt| may_land(attempt, rules, now).is_zero();
    let made_nothing =
        !unsettled.is_empty() && !is_foreign && alive <= live.len() && unsettled.iter().all(is_over);
    for attempt in &unsettled {
        if made_nothing {
            tell("RESOLVED_INTENT", in_words(attempt, now), "nothing: the issuer has nothing that it made");
        } else {
            tell("UNRESOLVED_INTENT", in_words(attempt, now), SWEPT);
        }
    }
    found.made_nothing = made_nothing;
    found
}

/// Whether a version is one that the issuer learns of only later (*replace*).
fn owed(state: &ApplicationState, version: &LiveVersion, object: IssuerObject, rules: &Rules) -> bool {
    let own = state.rotation(version.rotation);
    !rules.ends.of(object).makes_beside() && own.is_some_and(|own| !own.committed_on(object))
}

fn in_words(attempt: &Attempt, now: &Instant) -> String {
    let since = now.since(&attempt.sent).as_secs();
    let reason = attempt.reason.as_deref().unwrap_or("never answered");
    format!("a call {since} s ago may have made a version ({reason})")
}

#[cfg(test)]
mod tests {
    use mint_types::{CredentialKind, RotationId};

    use super::*;
    use crate::plan::fixture::{RULES, at};
    use crate::state::{Stage, Unsettled};

    const USER: IssuerObject = IssuerObject::User;

    fn version(number: u64) -> LiveVersion {
        LiveVersion {
            kind: CredentialKind::Password,
            version: Version(number),
            rotation: RotationId::from_bytes([1; 16]),
            stage: Stage::Current,
            user_ended: false,
            client_ended: false,
        }
    }

    fn reasons(versions: &[u64], attempts: &[u64], alive: Option<usize>) -> (Vec<&'static str>, bool) {
        let attempt =
            |sent: &u64| Attempt { object: USER, state: Unsettled::Sent, reason: None, sent: at(*sent) };
        let state = ApplicationState {
            versions: versions.iter().map(|number| version(*number)).collect(),
            attempts: attempts.iter().map(attempt).collect(),
            ..ApplicationState::default()
        };
        let found = reconcile(&state, USER, alive, &RULES, &at(100));
        (found.findings.iter().map(|finding| finding.reason).collect(), found.made_nothing)
    }

    #[test]
    fn what_is_alive_is_compared_with_what_is_accounted_for() {
        assert_eq!(reasons(&[5], &[], Some(1)), (vec![], false));
        assert_eq!(reasons(&[5], &[], Some(2)), (vec!["UNACCOUNTED_VERSION"], false));
        assert_eq!(reasons(&[0], &[], Some(2)), (vec![], false), "nobody knows how many were there before");
        assert_eq!(reasons(&[4, 5], &[], Some(1)), (vec!["VERSION_MISSING"], false));
        assert_eq!(reasons(&[5], &[10], Some(2)), (vec!["UNRESOLVED_INTENT"], false));
        assert_eq!(reasons(&[5], &[10], Some(1)), (vec!["RESOLVED_INTENT"], true));
        assert_eq!(reasons(&[5], &[95], Some(1)), (vec!["UNRESOLVED_INTENT"], false), "it may still land");
        assert_eq!(reasons(&[5], &[10], None), (vec!["UNRESOLVED_INTENT"], false), "nobody can look");
        assert_eq!(reasons(&[5], &[10], Some(3)).0, ["UNACCOUNTED_VERSION", "UNRESOLVED_INTENT"]);
    }
}
