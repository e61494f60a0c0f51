//! Decisions as tables.

use std::time::Duration;

use mint_issuer_contract::{Ends, Handle};
use mint_secret::EnvelopeDigest;
use mint_testkit::SeededEntropy;
use mint_types::{CredentialKind, IssuerObject, Monotonic, RotationId, Timestamp, Version, VersionId};

use super::*;
use crate::state::{
    Attempt, Instant, LiveVersion, Made, Proofs, RetiredRecord, RotationState, Stage, Told, Unsettled,
};

const RULES: Rules = Rules {
    min_overlap: Duration::from_mins(10),
    max_overlap: Duration::from_hours(24),
    ends: EndsOf { user: Ends::Commit { grace: Duration::from_secs(10) }, client: Ends::CommitAtOnce },
    request_life: Duration::from_secs(12),
    unresolved_hold: Duration::from_mins(2),
    login_pause: Duration::ZERO,
    replace_window: Duration::from_secs(30),
    proving: Proving { by_login: true, attempts: 12 },
};

fn id(seed: u64) -> RotationId {
    RotationId::random(&SeededEntropy::new(seed))
}

fn at(seconds: u64) -> Instant {
    Instant {
        wall: Timestamp::from_unix_micros(
            1_800_000_000_000_000 + i64::try_from(seconds).unwrap() * 1_000_000,
        ),
        monotonic: Monotonic { boot: "a".to_owned(), nanos: seconds * 1_000_000_000 },
    }
}

fn ask(kind: CredentialKind) -> Ask {
    Ask { rotation: id(1), kind }
}

fn made(kind: CredentialKind, previous: Option<u64>) -> Made {
    let password = matches!(kind, CredentialKind::Password | CredentialKind::Combined);
    let client = matches!(kind, CredentialKind::Client | CredentialKind::Combined);
    Made {
        version: Version(20),
        version_id: VersionId::random(&SeededEntropy::new(8)),
        fingerprint: "00".to_owned(),
        previous: previous.map(Version),
        digest: EnvelopeDigest([0; 32]),
        envelopes: None,
        password_handle: password.then(|| Handle::new("p").unwrap()),
        client_handle: client.then(|| Handle::new("c").unwrap()),
    }
}

fn rotation(kind: CredentialKind, state: RotationState, previous: Option<u64>) -> Rotation {
    Rotation {
        id: id(1),
        kind,
        state,
        made: Some(made(kind, previous)),
        overlap: vec![at(0).monotonic],
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

fn live(kind: CredentialKind, version: u64, rotation: u64, stage: Stage) -> LiveVersion {
    LiveVersion {
        kind,
        version: Version(version),
        rotation: id(rotation),
        stage,
        user_ended: false,
        client_ended: false,
    }
}

fn attempt(object: IssuerObject, state: Unsettled, sent: u64) -> Attempt {
    Attempt { object, state, reason: None, sent: at(sent) }
}

const PASSWORD: CredentialKind = CredentialKind::Password;
const CLIENT: CredentialKind = CredentialKind::Client;
const COMBINED: CredentialKind = CredentialKind::Combined;

#[test]
fn create_is_decided_by_what_stands_in_the_way() {
    use RotationState::{Abandoned, Created, Creating, Delivered, Retired, Retiring, Superseded};
    let own =
        |state| ApplicationState { rotations: vec![rotation(PASSWORD, state, None)], ..Default::default() };
    let other = |kind, state| ApplicationState {
        rotations: vec![Rotation { id: id(2), ..rotation(kind, state, None) }],
        ..Default::default()
    };
    let attempts = |attempts: Vec<Attempt>| ApplicationState { attempts, ..Default::default() };
    let user = IssuerObject::User;
    let table: [(&str, ApplicationState, Result<&str, &str>); 21] = [
        ("nothing known", ApplicationState::default(), Ok("make")),
        ("own, creating", own(Creating), Ok("make")),
        ("own, created", own(Created), Ok("answer")),
        ("own, delivered", own(Delivered), Err("ROTATION_CLOSED")),
        ("own, retiring", own(Retiring), Err("ROTATION_CLOSED")),
        ("own, retired", own(Retired), Err("ROTATION_CLOSED")),
        ("own, abandoned", own(Abandoned), Err("ROTATION_CLOSED")),
        ("own, superseded", own(Superseded), Err("ROTATION_CLOSED")),
        ("other creating", other(PASSWORD, Creating), Ok("supersede")),
        ("other created", other(PASSWORD, Created), Ok("supersede")),
        ("other delivered", other(PASSWORD, Delivered), Err("ROTATION_OPEN")),
        ("other retiring", other(PASSWORD, Retiring), Err("ROTATION_OPEN")),
        ("other retired", other(PASSWORD, Retired), Ok("make")),
        ("combined delivered", other(COMBINED, Delivered), Err("ROTATION_OPEN")),
        ("client delivered", other(CLIENT, Delivered), Ok("make")),
        ("a young call", attempts(vec![attempt(user, Unsettled::Sent, 995)]), Err("ISSUER_UNKNOWN_OUTCOME")),
        ("a young stray", attempts(vec![attempt(user, Unsettled::Stray, 995)]), Ok("make")),
        ("an old call", attempts(vec![attempt(user, Unsettled::Sent, 900)]), Ok("make")),
        (
            "two calls",
            attempts(vec![attempt(user, Unsettled::Sent, 900), attempt(user, Unsettled::Stray, 950)]),
            Err("TOO_MANY_UNRESOLVED_INTENTS"),
        ),
        (
            "two calls of the client",
            attempts(vec![
                attempt(IssuerObject::Client, Unsettled::Sent, 990),
                attempt(IssuerObject::Client, Unsettled::Sent, 995),
            ]),
            Ok("make"),
        ),
        (
            "two calls for long",
            attempts(vec![attempt(user, Unsettled::Sent, 800), attempt(user, Unsettled::Sent, 880)]),
            Ok("write off"),
        ),
    ];
    for (name, state, expected) in table {
        let plan = create(&state, ask(PASSWORD), &RULES, &at(1000));
        let decided = match &plan {
            Ok(CreatePlan::Answer(_)) => Ok("answer"),
            Ok(CreatePlan::Make(make)) if make.writes_off => Ok("write off"),
            Ok(CreatePlan::Make(make)) if !make.supersedes.is_empty() => Ok("supersede"),
            Ok(CreatePlan::Make(_)) => Ok("make"),
            Err(error) => Err(error.reason()),
        };
        assert_eq!(decided, expected, "{name}");
    }
}

#[test]
fn written_off_calls_count_no_more() {
    let state = ApplicationState {
        attempts: vec![attempt(IssuerObject::User, Unsettled::Presumed, 0); 5],
        ..Default::default()
    };
    assert!(matches!(create(&state, ask(PASSWORD), &RULES, &at(1)), Ok(CreatePlan::Make(_))));
}

#[test]
fn a_rotation_of_another_kind_is_refused_everywhere() {
    let state = ApplicationState {
        rotations: vec![rotation(PASSWORD, RotationState::Created, None)],
        ..Default::default()
    };
    let ask = ask(CLIENT);
    let refusals = [
        create(&state, ask, &RULES, &at(0)).map(drop),
        accept(&state, ask, RULES.ends).map(drop),
        retire(&state, ask, &RULES, &at(0)).map(drop),
        prove(&state, ask, &RULES, &at(0)).map(drop),
        abandon(&state, ask, RULES.ends).map(drop),
    ];
    for refused in refusals {
        assert_eq!(refused.unwrap_err().reason(), "ROTATION_MISMATCH");
    }
}

#[test]
fn the_overlap_depends_on_what_is_replaced() {
    let current = Stage::Current;
    let user_ended = |version: LiveVersion| LiveVersion { user_ended: true, ..version };
    let table = [
        ("nothing", PASSWORD, vec![], Duration::ZERO),
        ("itself", PASSWORD, vec![live(PASSWORD, 20, 1, Stage::Pending)], Duration::ZERO),
        ("an older one", PASSWORD, vec![live(PASSWORD, 10, 2, current)], RULES.min_overlap),
        ("one that was given up", PASSWORD, vec![live(PASSWORD, 10, 2, Stage::Pending)], RULES.min_overlap),
        ("the other object", PASSWORD, vec![live(CLIENT, 10, 2, current)], Duration::ZERO),
        ("a combined one", CLIENT, vec![live(COMBINED, 10, 2, current)], RULES.min_overlap),
        (
            "the dead half of a combined one",
            PASSWORD,
            vec![user_ended(live(COMBINED, 10, 2, current))],
            Duration::ZERO,
        ),
        ("a foreign one", PASSWORD, vec![live(PASSWORD, 0, 1, current)], RULES.max_overlap),
        (
            "a foreign and an older one",
            COMBINED,
            vec![live(PASSWORD, 10, 2, current), live(CLIENT, 0, 3, current)],
            RULES.max_overlap,
        ),
        (
            "a public client ends nothing",
            CredentialKind::PublicClient,
            vec![live(CLIENT, 10, 2, current)],
            Duration::ZERO,
        ),
    ];
    for (name, kind, versions, expected) in table {
        let state = ApplicationState { versions, ..Default::default() };
        assert_eq!(overlap(&state, ask(kind), &RULES), expected, "{name}");
    }
}

#[test]
fn retire_is_decided_by_receipt_and_overlap() {
    use RotationState::{Abandoned, Created, Creating, Delivered, Retired, Retiring, Superseded};
    let state = |state| ApplicationState {
        rotations: vec![rotation(PASSWORD, state, Some(10))],
        versions: vec![live(PASSWORD, 10, 2, Stage::Previous)],
        ..Default::default()
    };
    let elsewhere =
        Instant { monotonic: Monotonic { boot: "b".to_owned(), nanos: u64::MAX / 2 }, ..at(9_000) };
    let table = [
        (Creating, at(9_000), Err("RECEIPT_MISSING")),
        (Created, at(9_000), Err("RECEIPT_MISSING")),
        (Abandoned, at(9_000), Err("ROTATION_CLOSED")),
        (Superseded, at(9_000), Err("ROTATION_CLOSED")),
        (Delivered, at(599), Err("OVERLAP_NOT_PASSED")),
        (Delivered, at(600), Ok("commit")),
        (Retiring, at(600), Ok("commit")),
        (Retired, at(0), Ok("retired")),
        (Delivered, elsewhere, Ok("begin")),
    ];
    for (rotation_state, now, expected) in table {
        let decided = match retire(&state(rotation_state), ask(PASSWORD), &RULES, &now) {
            Ok(RetirePlan::Commit { .. }) => Ok("commit"),
            Ok(RetirePlan::Retired(_)) => Ok("retired"),
            Ok(RetirePlan::BeginOverlap(left)) if left == RULES.min_overlap => Ok("begin"),
            Ok(RetirePlan::BeginOverlap(_)) => Ok("begin shorter"),
            Err(error) => Err(error.reason()),
        };
        assert_eq!(decided, expected, "{rotation_state:?} at {now:?}");
    }
}

#[test]
fn the_password_is_committed_before_the_client_and_neither_twice() {
    let state = |user_committed| ApplicationState {
        rotations: vec![Rotation { user_committed, ..rotation(COMBINED, RotationState::Retiring, Some(10)) }],
        ..Default::default()
    };
    let objects = |state: &ApplicationState| match retire(state, ask(COMBINED), &RULES, &at(0)).unwrap() {
        RetirePlan::Commit { commits, retires, .. } => {
            assert_eq!(retires, Some(Version(10)));
            commits.into_iter().map(|commit| commit.object).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(objects(&state(false)), [IssuerObject::User, IssuerObject::Client]);
    assert_eq!(objects(&state(true)), [IssuerObject::Client]);
}

#[test]
fn a_commit_ends_every_other_version_on_its_object_and_no_half_more() {
    let state = ApplicationState {
        versions: vec![
            live(PASSWORD, 20, 1, Stage::Current),
            live(PASSWORD, 10, 2, Stage::Previous),
            live(PASSWORD, 0, 1, Stage::Previous),
            live(COMBINED, 9, 3, Stage::Previous),
            LiveVersion { client_ended: true, ..live(COMBINED, 8, 4, Stage::Previous) },
            live(CLIENT, 7, 5, Stage::Current),
        ],
        ..Default::default()
    };
    let ends: Vec<_> = ended_by(&state, ask(PASSWORD), IssuerObject::User)
        .into_iter()
        .map(|ends| (ends.version.0, ends.wholly))
        .collect();
    assert_eq!(ends, [(10, true), (0, true), (9, false), (8, true)]);
}

#[test]
fn a_proof_waits_for_the_grace_and_needs_something_that_ended() {
    let state = |version: Option<u64>, proved_dead| ApplicationState {
        rotations: vec![Rotation {
            retired: Some(RetiredRecord { version: version.map(Version), at: at(100) }),
            proved_dead,
            ..rotation(PASSWORD, RotationState::Retired, version)
        }],
        ..Default::default()
    };
    let plan = |state: &ApplicationState, now| prove(state, ask(PASSWORD), &RULES, &now).unwrap();
    assert_eq!(plan(&state(None, false), at(100)), ProvePlan::NothingToProve);
    assert_eq!(plan(&state(Some(10), false), at(103)), ProvePlan::Wait(Duration::from_secs(7)));
    assert_eq!(plan(&state(Some(10), false), at(110)), ProvePlan::Login(Version(10)));
    assert_eq!(plan(&state(Some(10), true), at(103)), ProvePlan::Dead);
    let open = ApplicationState {
        rotations: vec![rotation(PASSWORD, RotationState::Delivered, Some(10))],
        ..Default::default()
    };
    assert_eq!(prove(&open, ask(PASSWORD), &RULES, &at(0)).unwrap_err().reason(), "ROTATION_CLOSED");
    assert_eq!(
        prove(&ApplicationState::default(), ask(PASSWORD), &RULES, &at(0)).unwrap_err().reason(),
        "ROTATION_UNKNOWN"
    );
}

#[test]
fn a_foreign_version_opens_the_ledger_once_and_only_where_something_is_replaced() {
    let fresh = ApplicationState::default();
    assert!(opens_foreign(&fresh, PASSWORD, true));
    assert!(opens_foreign(&fresh, COMBINED, true));
    assert!(!opens_foreign(&fresh, PASSWORD, false));
    assert!(!opens_foreign(&fresh, CredentialKind::PublicClient, true));
    let known = ApplicationState { last: vec![(PASSWORD, Version(10))], ..Default::default() };
    assert!(!opens_foreign(&known, PASSWORD, true));
    assert!(!opens_foreign(&known, COMBINED, true));
    assert!(opens_foreign(&known, CLIENT, true));
}

#[test]
fn spare_versions_are_not_piled_up_and_one_more_is_made_from_time_to_time() {
    let made_at = |seconds: u64| u64::try_from(at(seconds).wall.unix_millis()).unwrap();
    let spare = |seconds: u64, rotation| live(PASSWORD, made_at(seconds), rotation, Stage::Pending);
    let left = |versions: Vec<LiveVersion>| {
        let state = ApplicationState { versions, ..Default::default() };
        create(&state, ask(PASSWORD), &RULES, &at(1000)).err().map(|error| {
            assert_eq!(error.reason(), "TOO_MANY_SPARE_VERSIONS");
            error.retry_after().unwrap().as_secs()
        })
    };
    let current = || live(PASSWORD, made_at(0), 9, Stage::Current);
    assert_eq!(left(vec![current(), spare(990, 2), spare(991, 3)]), None);
    assert_eq!(left(vec![current(), spare(990, 2), spare(991, 3), spare(992, 4)]), Some(592));
    assert_eq!(left(vec![current(), spare(990, 1), spare(991, 3), spare(992, 4)]), None, "one is our own");
    assert_eq!(left(vec![spare(300, 2), spare(350, 3), spare(400, 4)]), None, "the newest is old enough");
    assert_eq!(left(vec![spare(300, 2), spare(350, 3), spare(9000, 4)]), None, "a clock was set back");
    let client = |seed| live(CLIENT, made_at(990), seed, Stage::Pending);
    assert_eq!(left(vec![client(2), client(3), client(4)]), None, "another object");
}
