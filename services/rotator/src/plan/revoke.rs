//! What ends at once because two operators say so.

use mint_types::{CredentialKind, IssuerObject, Timestamp, Version};

use super::retire::{check_calls, commit};
use super::{Ask, Commit, Delivered, Rules, WrittenSomewhere, meet, objects_asked, objects_set};
use crate::Error;
use crate::state::{ApplicationState, Instant, LiveVersion, Made, Rotation};

/// What Revoke is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevokePlan {
    /// Whatever there was when the statement came has ended.
    Done,
    /// Nothing is made that could take its place: a fresh rotation on one of these objects comes first.
    AwaitsVersion(Vec<IssuerObject>),
    /// The newest version takes its place now, whether or not anybody has it.
    End(Box<Ending>),
}

/// How a version takes the place of all others at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The rotation that made it.
    pub ask: Ask,
    /// The version.
    pub made: Made,
    /// The objects on which its value is set.
    pub sets: Vec<IssuerObject>,
    /// What lets these be set.
    pub written: WrittenSomewhere,
    /// The calls that end the others.
    pub commits: Vec<Commit>,
    /// What lets these be sent.
    pub delivered: Delivered,
    /// Where something older is left, or may be: nowhere, if it is fresh (made after the statement came) and on every object
    /// where something was meant.
    pub remains: Vec<IssuerObject>,
}

impl Ending {
    /// Whether nothing older is left.
    pub fn completes(&self) -> bool {
        self.remains.is_empty()
    }
}

/// What ends at once of a kind: everything on its objects up to `through`, which was the newest version there when the
/// statement came, of whatever kind: where the layout has changed since, another kind's version takes the place. "At once"
/// waits for a call that may still land: ended by that one, the newest version would be gone too. Objects on which nothing
/// meant is left are left alone: what was made there since has its overlap.
pub fn revoke(
    state: &ApplicationState,
    kind: CredentialKind,
    through: Version,
    rules: &Rules,
    now: &Instant,
) -> Result<RevokePlan, Error> {
    let meant: Vec<IssuerObject> = meant_on(state, kind, through).collect();
    if meant.is_empty() {
        return Ok(RevokePlan::Done);
    }
    let open =
        state.rotations.iter().filter(|rotation| rotation.state.is_open() && meet(rotation.kind, kind));
    let endings: Vec<Ending> = open
        .rev()
        .filter_map(|rotation| Some((rotation, rotation.made.as_ref()?)))
        .map(|(rotation, made)| ending(state, rotation, made, (&meant, through), rules, now.wall))
        .collect();
    let completed = endings.first().is_some_and(Ending::completes);
    let acts = |ending: &Ending| !ending.sets.is_empty() || !ending.commits.is_empty();
    let Some(ending) = endings.into_iter().find(acts) else {
        return Ok(if completed { RevokePlan::Done } else { RevokePlan::AwaitsVersion(meant) });
    };
    check_calls(state, &ending.commits, rules, now)?;
    Ok(RevokePlan::End(Box::new(ending)))
}

/// The objects of a kind on which something up to `through` lives, or may.
pub fn meant_on(
    state: &ApplicationState,
    kind: CredentialKind,
    through: Version,
) -> impl Iterator<Item = IssuerObject> {
    objects_asked(kind).iter().copied().filter(move |object| {
        let is_meant = |version: &LiveVersion| version.version <= through && version.lives_on(*object);
        // what nobody knows may be older than what is known
        let may = state.attempts.iter().any(|attempt| attempt.object == *object);
        may || state.versions.iter().any(is_meant)
    })
}

fn ending(
    state: &ApplicationState,
    rotation: &Rotation,
    made: &Made,
    (meant, through): (&[IssuerObject], Version),
    rules: &Rules,
    now: Timestamp,
) -> Ending {
    let own = objects_asked(rotation.kind);
    let commits = own
        .iter()
        .filter(|object| meant.contains(object))
        .filter_map(|object| commit(state, rotation, made, *object, rules.ends.of(*object)));
    let sets = objects_set(rotation.kind, rules.ends)
        .filter(|object| meant.contains(object) && !rotation.committed_on(*object));
    Ending {
        ask: Ask { rotation: rotation.id, kind: rotation.kind },
        made: made.clone(),
        sets: sets.collect(),
        written: WrittenSomewhere { version: made.version, since: now },
        commits: commits.collect(),
        delivered: Delivered { version: made.version },
        remains: meant
            .iter()
            .copied()
            .filter(|object| made.version <= through || !own.contains(object))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use mint_issuer_contract::Handle;
    use mint_secret::EnvelopeDigest;
    use mint_testkit::SeededEntropy;
    use mint_types::{RotationId, VersionId};

    use super::*;
    use crate::plan::fixture::RULES;
    use crate::state::{Attempt, EndCall, Proofs, RotationState, Stage, Told, Unsettled};

    const PASSWORD: CredentialKind = CredentialKind::Password;
    const CLIENT: CredentialKind = CredentialKind::Client;
    const NOW: Timestamp = Timestamp::from_unix_micros(5);
    /// The newest version when the statement came.
    const THROUGH: Version = Version(10);

    fn live(kind: CredentialKind, version: u64) -> LiveVersion {
        LiveVersion {
            kind,
            version: Version(version),
            rotation: RotationId::from_bytes([1; 16]),
            stage: Stage::Current,
            user_ended: false,
            client_ended: false,
        }
    }

    fn open(kind: CredentialKind, state: RotationState, version: Option<u64>) -> Rotation {
        let made = version.map(|version| Made {
            version: Version(version),
            version_id: VersionId::random(&SeededEntropy::new(8)),
            fingerprint: String::new(),
            previous: Some(THROUGH),
            digest: EnvelopeDigest([0; 32]),
            envelopes: None,
            password_handle: Handle::new("p"),
            client_handle: None,
        });
        Rotation {
            id: RotationId::from_bytes([2; 16]),
            kind,
            state,
            made,
            overlap: Vec::new(),
            first_write: None,
            excused: false,
            user_committed: false,
            client_committed: false,
            retired: None,
            proved_dead: false,
            proofs: Proofs::default(),
            told: Told::default(),
        }
    }

    fn of(kind: CredentialKind, versions: Vec<LiveVersion>, rotations: Vec<Rotation>) -> RevokePlan {
        let state = ApplicationState { rotations, versions, ..ApplicationState::default() };
        revoke(&state, kind, THROUGH, &RULES, &now()).unwrap()
    }

    fn now() -> Instant {
        Instant { wall: NOW, monotonic: mint_types::Monotonic { boot: "boot".to_owned(), nanos: 1 } }
    }

    fn ends(plan: RevokePlan) -> Option<(usize, usize, bool)> {
        match plan {
            RevokePlan::End(ending) => Some((ending.sets.len(), ending.commits.len(), ending.completes())),
            RevokePlan::Done | RevokePlan::AwaitsVersion(_) => None,
        }
    }

    #[test]
    fn what_there_was_ends_by_the_newest_version_and_only_a_fresh_one_completes_it() {
        use IssuerObject::User;
        use RotationState::{Created, Creating, Delivered};
        let leaked = || vec![live(PASSWORD, 10)];
        assert_eq!(of(PASSWORD, vec![], vec![]), RevokePlan::Done, "nothing lives");
        assert_eq!(of(PASSWORD, vec![live(PASSWORD, 11)], vec![]), RevokePlan::Done, "nothing older lives");
        assert_eq!(of(PASSWORD, vec![live(CLIENT, 10)], vec![]), RevokePlan::Done, "another object");
        let awaits = |object| RevokePlan::AwaitsVersion(vec![object]);
        assert_eq!(of(PASSWORD, leaked(), vec![]), awaits(User));
        let creating = open(PASSWORD, Creating, None);
        assert_eq!(of(PASSWORD, leaked(), vec![creating]), awaits(User));
        let fresh = |state| vec![open(PASSWORD, state, Some(11))];
        assert_eq!(ends(of(PASSWORD, leaked(), fresh(Created))), Some((0, 1, true)), "before delivery");
        assert_eq!(ends(of(PASSWORD, leaked(), fresh(Delivered))), Some((0, 1, true)));
        let older = || vec![live(PASSWORD, 9), live(PASSWORD, 10)];
        let known = vec![open(PASSWORD, Delivered, Some(10))];
        assert_eq!(ends(of(PASSWORD, older(), known)), Some((0, 1, false)), "the leaked one is still there");
        let mut committed = open(PASSWORD, Created, Some(11));
        committed.user_committed = true;
        assert_eq!(of(PASSWORD, leaked(), vec![committed]), RevokePlan::Done);
        let combined = |version| vec![live(CredentialKind::Combined, version)];
        assert_eq!(of(PASSWORD, combined(11), vec![]), RevokePlan::Done, "made since, of another kind");
        assert_eq!(of(PASSWORD, combined(10), vec![]), awaits(User), "what it names lives on there");
        let other = |state| vec![open(CredentialKind::Combined, state, Some(11))];
        assert_eq!(
            ends(of(PASSWORD, leaked(), other(Created))),
            Some((0, 1, true)),
            "and takes its place there"
        );
        let half = vec![open(PASSWORD, Created, Some(11))];
        assert_eq!(ends(of(CredentialKind::Combined, combined(10), half)), Some((0, 1, false)), "half of it");
        let client = open(CLIENT, Created, Some(11));
        assert_eq!(ends(of(CLIENT, vec![live(CLIENT, 10)], vec![client])), Some((1, 0, true)), "it is set");
        let stray =
            Attempt { object: IssuerObject::User, state: Unsettled::Stray, reason: None, sent: now() };
        let state = ApplicationState { attempts: vec![stray], ..ApplicationState::default() };
        let unknown = revoke(&state, PASSWORD, THROUGH, &RULES, &now()).unwrap();
        assert_eq!(unknown, awaits(User), "what nobody knows ends with a fresh version");
    }

    #[test]
    fn only_where_something_meant_is_left_a_version_is_waited_for_and_ends_others() {
        use IssuerObject::{Client, User};
        let both = CredentialKind::Combined;
        let at = |user_ended, client_ended| LiveVersion { user_ended, client_ended, ..live(both, 10) };
        let whole = || vec![at(false, false)];
        assert_eq!(of(both, whole(), vec![]), RevokePlan::AwaitsVersion(vec![User, Client]));
        let half = |version| vec![open(PASSWORD, RotationState::Created, Some(version))];
        let RevokePlan::End(ending) = of(both, whole(), half(11)) else { panic!("it ends a half") };
        assert_eq!(ending.remains, [Client], "only a client's version is of use now");
        let mut committed = half(11);
        committed[0].user_committed = true;
        let client_left = || vec![at(true, false), live(PASSWORD, 11)];
        assert_eq!(of(both, client_left(), committed), RevokePlan::AwaitsVersion(vec![Client]));
        assert_eq!(
            of(both, client_left(), half(12)),
            RevokePlan::AwaitsVersion(vec![Client]),
            "11 has its overlap"
        );
        let client = vec![open(CLIENT, RotationState::Created, Some(12))];
        assert_eq!(ends(of(both, client_left(), client)), Some((1, 0, true)));
        let again = open(both, RotationState::Created, Some(12));
        assert_eq!(
            ends(of(both, client_left(), vec![again])),
            Some((1, 0, true)),
            "and the password's 11 lives on"
        );
        assert_eq!(of(both, vec![at(true, true)], vec![]), RevokePlan::Done);
    }

    #[test]
    fn revoke_waits_for_what_may_still_land_on_its_objects_like_every_other_end() {
        let refused = |sent: Option<Instant>, in_flight: bool| {
            let attempt =
                Attempt { object: IssuerObject::User, state: Unsettled::Sent, reason: None, sent: now() };
            let state = ApplicationState {
                rotations: vec![open(PASSWORD, RotationState::Created, Some(11))],
                versions: vec![live(PASSWORD, 10)],
                attempts: in_flight.then_some(attempt).into_iter().collect(),
                end_calls: sent
                    .map(|sent| EndCall { object: IssuerObject::User, sent })
                    .into_iter()
                    .collect(),
                ..ApplicationState::default()
            };
            revoke(&state, PASSWORD, THROUGH, &RULES, &now()).err().map(|error| error.reason())
        };
        assert_eq!(refused(None, false), None);
        assert_eq!(refused(Some(now()), false), Some("ISSUER_UNKNOWN_OUTCOME"));
        assert_eq!(refused(None, true), Some("ISSUER_UNKNOWN_OUTCOME"));
        let before = mint_types::Monotonic { boot: "another".to_owned(), nanos: 99 };
        let old = Timestamp::from_unix_micros(5 - 12_000_000);
        assert_eq!(refused(Some(Instant { wall: old, monotonic: before }), false), None, "on another boot");
    }
}
