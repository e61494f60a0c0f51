//! Whether the issuer may be asked if it still accepts a current version.

use std::time::Duration;

use mint_types::{CredentialKind, IssuerObject, Version};

use super::{Rules, objects_asked};
use crate::Error;
use crate::state::{ApplicationState, Check, Instant, Stage};

/// So many logins that are not accepted follow each other: the first, and one repetition.
const MOST_TRIES: u32 = 2;
/// So many refusals are believed.
const BELIEVED: u32 = 2;
/// Between a refusal and the repetition: an issuer that is just storing, or replicates, is done by then.
pub const REPETITION: Duration = Duration::from_secs(20);
/// After these, none for so long, whoever asks: a login that is refused may count against the live user.
const PAUSE: Duration = Duration::from_hours(24);

/// What a check is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckPlan {
    /// No login is ever tried.
    NotTried,
    /// Too many logins were not accepted of late.
    Wait(Duration),
    /// It was refused often enough; no more logins are tried for that.
    Refused,
    /// Log in.
    Login,
}

/// The version that consumers use and nothing is being done about; anything else is refused.
pub fn current(state: &ApplicationState, kind: CredentialKind) -> Result<Version, Error> {
    let objects: &[IssuerObject] = kind.issuer_objects();
    let on_them =
        |other: CredentialKind| other.issuer_objects().iter().any(|object| objects.contains(object));
    let open = state.rotations.iter().find(|rotation| rotation.state.is_open() && on_them(rotation.kind));
    if let Some(open) = open {
        return Err(Error::RotationOpen { open: open.id, kind: open.kind });
    }
    if state.is_revoking(kind) {
        return Err(Error::NothingToCheck("two operators want it ended"));
    }
    let lives = |object: &IssuerObject, version: &crate::state::LiveVersion| version.lives_on(*object);
    let current = state.versions.iter().find(|version| {
        version.kind == kind
            && version.stage == Stage::Current
            && version.version != Version::FOREIGN
            && objects_asked(kind).iter().all(|object| lives(object, version))
    });
    current.map(|current| current.version).ok_or(Error::NothingToCheck("no version of it is current"))
}

/// Whether a login may be tried now; `known` is what earlier ones with this version showed.
pub fn check(kind: CredentialKind, known: Option<&Check>, rules: &Rules, now: &Instant) -> CheckPlan {
    if !rules.proving.by_login || objects_asked(kind).is_empty() {
        return CheckPlan::NotTried;
    }
    let Some(known) = known.filter(|known| known.tries > 0 && now.since(&known.last) < PAUSE) else {
        return CheckPlan::Login;
    };
    if is_believed(known) {
        return CheckPlan::Refused;
    }
    let pause = if known.tries >= MOST_TRIES { PAUSE } else { REPETITION };
    let left = pause.saturating_sub(now.since(&known.last));
    if left.is_zero() { CheckPlan::Login } else { CheckPlan::Wait(left) }
}

/// What is counted before a login is tried.
pub fn tried(version: Version, known: Option<&Check>, now: &Instant) -> Check {
    let known = known.filter(|known| now.since(&known.last) < PAUSE);
    let (tries, refused) = known.map_or((0, 0), |known| (known.tries, known.refused));
    Check { version, tries: tries.saturating_add(1), refused, last: now.clone() }
}

/// Whether the issuer surely refuses a version that it accepted before: its user was changed or disabled there.
pub fn is_believed(known: &Check) -> bool {
    known.refused >= BELIEVED
}

#[cfg(test)]
mod tests {
    use mint_types::RotationId;

    use super::*;
    use crate::plan::Proving;
    use crate::plan::fixture::{RULES, at};
    use crate::state::{LiveVersion, Revoking};

    const PASSWORD: CredentialKind = CredentialKind::Password;

    fn rules(by_login: bool) -> Rules {
        Rules { proving: Proving { by_login, ..RULES.proving }, ..RULES }
    }

    fn known(tries: u32, refused: u32) -> Check {
        Check { version: Version(5), tries, refused, last: at(100) }
    }

    #[test]
    fn a_login_that_is_not_accepted_is_repeated_once_and_then_not_for_a_day() {
        let decide = |known: &Check, now| check(PASSWORD, Some(known), &rules(true), &at(now));
        assert_eq!(check(PASSWORD, None, &rules(true), &at(0)), CheckPlan::Login);
        assert_eq!(decide(&known(0, 0), 100), CheckPlan::Login, "the last one was accepted");
        assert_eq!(decide(&known(1, 1), 110), CheckPlan::Wait(Duration::from_secs(10)));
        assert_eq!(decide(&known(1, 1), 120), CheckPlan::Login);
        assert_eq!(decide(&known(2, 2), 120), CheckPlan::Refused);
        assert_eq!(decide(&known(2, 1), 160), CheckPlan::Wait(Duration::from_mins(24 * 60 - 1)));
        for refused in 0..=2 {
            assert_eq!(decide(&known(2, refused), 100 + 24 * 3600), CheckPlan::Login, "it begins anew");
        }
        let counted = |known: Option<&Check>, now| {
            let counted = tried(Version(5), known, &at(now));
            (counted.tries, counted.refused)
        };
        assert_eq!(counted(Some(&known(2, 1)), 100 + 24 * 3600), (1, 0));
        assert_eq!(counted(Some(&known(1, 1)), 120), (2, 1));
        assert_eq!(counted(None, 0), (1, 0));
    }

    #[test]
    fn where_logins_lock_users_out_or_there_is_no_secret_none_is_tried() {
        assert_eq!(check(PASSWORD, None, &rules(false), &at(0)), CheckPlan::NotTried);
        assert_eq!(check(CredentialKind::PublicClient, None, &rules(true), &at(0)), CheckPlan::NotTried);
    }

    #[test]
    fn only_what_consumers_use_and_nothing_happens_to_is_asked_about() {
        let version = |stage, user_ended| LiveVersion {
            kind: PASSWORD,
            version: Version(5),
            rotation: RotationId::from_bytes([1; 16]),
            stage,
            user_ended,
            client_ended: false,
        };
        let state = |version| ApplicationState { versions: vec![version], ..ApplicationState::default() };
        assert_eq!(current(&state(version(Stage::Current, false)), PASSWORD).unwrap(), Version(5));
        for other in [version(Stage::Pending, false), version(Stage::Previous, false)] {
            assert_eq!(current(&state(other), PASSWORD).unwrap_err().reason(), "NOTHING_TO_CHECK");
        }
        assert!(current(&state(version(Stage::Current, true)), PASSWORD).is_err(), "it was ended");
        let foreign = LiveVersion { version: Version::FOREIGN, ..version(Stage::Current, false) };
        assert!(current(&state(foreign), PASSWORD).is_err(), "nobody knows its secret");
        let ending = |kind, through| {
            let revoking = vec![Revoking { kind, through: Version(through) }];
            current(&ApplicationState { revoking, ..state(version(Stage::Current, false)) }, PASSWORD)
        };
        for revoked in [PASSWORD, CredentialKind::Combined] {
            assert!(ending(revoked, 5).is_err(), "{revoked} is to end");
            assert!(ending(revoked, 4).is_ok(), "nothing that is meant is left");
        }
        assert!(ending(CredentialKind::Client, 5).is_ok(), "another object's");
    }
}
