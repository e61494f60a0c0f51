//! The saga as a whole: random walks against an arbitrary world, and the paths that matter as tables.

use std::collections::BTreeSet;
use std::time::Duration;

use mint_types::{
    ApplicationId, CredentialKind, Entropy, RotationId, Settings, Timestamp, Version, VersionId,
};
use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);
const OVERLAP: Duration = Duration::from_mins(10);
const GRACE: Duration = Duration::from_mins(1);
const BACKOFF: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_mins(5) };

#[derive(Debug)]
struct Counting(std::sync::atomic::AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let next = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        bytes.fill(0);
        bytes[..8].copy_from_slice(&next.to_le_bytes());
    }
}

fn rotation_id(number: u64) -> RotationId {
    RotationId::random(&Counting(number.into()))
}

fn facts() -> Facts {
    Facts {
        wanted: true,
        deliverable: true,
        issuer_paused_until: None,
        nudged_at: None,
        next_due_at: schedule::NEVER,
        lagging_until: None,
    }
}

fn created(number: u64, previous: u64) -> Created {
    Created {
        version: Version(number),
        version_id: VersionId::random(&Counting(number.into())),
        fingerprint: format!("fp-{number}"),
        previous: Version(previous),
        probe: Sealed::new(format!("probe-{number}").into_bytes()),
        set_on_first_write: false,
    }
}

fn opened(number: u64) -> Event {
    Event::Opened { id: rotation_id(number), cause: Cause::First, traceparent: None }
}

fn made(number: u64, previous: u64) -> Event {
    Event::Created {
        created: created(number, previous),
        delivery: Sealed::new(format!("delivery-{number}").into_bytes()),
    }
}

fn delivered() -> Event {
    Event::Delivered {
        receipt: Sealed::new(b"receipt".to_vec()),
        destinations: vec!["eu bucket app/user.json".into()],
        client_id: None,
    }
}

fn failed(node: Node, reason: &str, written: Written) -> Event {
    let failures = vec![Failure::new(reason, "it said no")];
    Event::Failed { node, failures, written, delay: Duration::from_secs(1) }
}

fn after(events: impl IntoIterator<Item = Event>) -> Credential {
    events.into_iter().fold(Credential::new(CredentialKind::Password), |credential, event| {
        apply(&credential, event, START).unwrap()
    })
}

fn first_version() -> Vec<Event> {
    vec![
        opened(1),
        made(1, 0),
        delivered(),
        Event::Accepted { retire_after: Duration::ZERO },
        Event::Retired { ended: Version(0), grace: Duration::ZERO },
    ]
}

/// What an arbitrary world answers to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Well,
    Early,
    Fails(&'static str, Written),
    Lost,
    /// It is done, and whoever asked dies before it writes so.
    Dies,
}

fn answers() -> impl Strategy<Value = Vec<Answer>> {
    let answer = prop_oneof![
        4 => Just(Answer::Well),
        1 => Just(Answer::Early),
        1 => Just(Answer::Lost),
        1 => Just(Answer::Dies),
        1 => Just(Answer::Fails("ISSUER_UNREACHABLE", Written::Unknown)),
        1 => Just(Answer::Fails("DESTINATION_REFUSED", Written::Nowhere)),
        1 => Just(Answer::Fails("DESTINATION_REFUSED", Written::Somewhere)),
        1 => Just(Answer::Fails("ENVELOPE_UNOPENABLE", Written::Unknown)),
        1 => Just(Answer::Fails("RECEIPT_INVALID", Written::Unknown)),
        1 => Just(Answer::Fails("RECEIPT_MISSING", Written::Unknown)),
        1 => Just(Answer::Fails("PREVIOUS_VERSION_ALIVE", Written::Unknown)),
    ];
    proptest::collection::vec(answer, 1..120)
}

/// One step that was taken, with the credential before and after.
struct Taken {
    step: Step,
    before: Credential,
    after: Credential,
    /// The versions for which the rotator had accepted a receipt before.
    accepted: BTreeSet<Version>,
}

/// One walk, with what the rotator knows.
struct Walk {
    credential: Credential,
    /// As a restart finds it.
    stored: Credential,
    accepted: BTreeSet<Version>,
    /// The same when the last step was planned.
    asked: BTreeSet<Version>,
    now: Timestamp,
    opened: u64,
    log: Vec<Taken>,
}

impl Walk {
    fn new() -> Self {
        let credential = Credential::new(CredentialKind::Password);
        let stored = credential.clone();
        let (accepted, asked) = (BTreeSet::new(), BTreeSet::new());
        Self { credential, stored, accepted, asked, now: START, opened: 0, log: Vec::new() }
    }

    fn apply(&mut self, step: Step, event: Event) {
        // as in the coordinator: a receipt is written with its acceptance
        let is_written = !matches!(event, Event::Delivered { .. });
        let next = apply(&self.credential, event, self.now).expect("the plan allows it");
        let (before, after) = (self.credential.clone(), next.clone());
        self.log.push(Taken { step, before, after, accepted: self.asked.clone() });
        // whatever is durable survives its text
        let text = serde_json::to_string(&next).unwrap();
        assert_eq!(serde_json::from_str::<Credential>(&text).unwrap(), next);
        self.credential = next;
        if is_written {
            self.stored = self.credential.clone();
        }
    }

    fn version(&self) -> Option<Version> {
        let rotation = self.credential.rotation.as_ref()?;
        rotation.stage.created().map(|created| created.version)
    }

    /// What the rotator does, whoever hears of it.
    fn rotator(&mut self, step: &Step, answer: Answer) {
        let Some(version) = self.version() else { return };
        match (step, answer) {
            (Step::AcceptReceipt { .. }, Answer::Well | Answer::Early | Answer::Dies) => {
                self.accepted.insert(version);
            }
            // its rows are those of a backup
            (Step::Retire { .. }, Answer::Fails("RECEIPT_MISSING", _)) => {
                self.accepted.remove(&version);
            }
            _ => {}
        }
    }

    fn take(&mut self, answer: Answer, facts: &Facts) {
        let step = plan(&self.credential, self.now, facts);
        let node = self.credential.rotation.as_ref().map(Rotation::node);
        let attempts = self.credential.attempts() + 1;
        let fails = |reason: &str, written| Event::Failed {
            node: node.unwrap(),
            failures: vec![Failure::new(reason, "no")],
            written,
            delay: BACKOFF.delay(attempts, None, 7),
        };
        let well = match &step {
            Step::Idle => {
                self.opened += 1;
                return self.apply(step, opened(self.opened));
            }
            Step::Wait { until } => {
                self.now = (*until).min(self.now.plus(Duration::from_hours(1)));
                return;
            }
            Step::Finish => return self.apply(step, Event::Finished),
            Step::Create => made(self.opened, self.opened - 1),
            Step::Deliver { .. } => delivered(),
            Step::AcceptReceipt { .. } => Event::Accepted { retire_after: OVERLAP },
            Step::Retire { .. } => {
                let previous = self.credential.rotation.as_ref().unwrap().stage.created().unwrap().previous;
                Event::Retired { ended: previous, grace: GRACE }
            }
            Step::Prove { .. } => Event::Proved,
            Step::Abandon | Step::Supersede
                if self.version().is_some_and(|version| self.accepted.contains(&version)) =>
            {
                Event::AlreadyAccepted
            }
            Step::Abandon | Step::Supersede => Event::GivenUp,
        };
        self.asked = self.accepted.clone();
        self.rotator(&step, answer);
        let event = match (answer, &step) {
            (Answer::Lost, _) => return,
            (Answer::Dies, _) => {
                self.credential = self.stored.clone();
                return;
            }
            (Answer::Fails(reason, written), _) => fails(reason, written),
            (Answer::Early, Step::Retire { .. }) => Event::RetiredTooEarly { retry_after: GRACE },
            (Answer::Early, Step::Prove { .. }) => Event::ProvedTooEarly { retry_after: GRACE },
            (Answer::Early | Answer::Well, _) => well,
        };
        self.apply(step, event);
    }
}

fn walk(answers: &[Answer], wanted: &[bool]) -> Walk {
    let mut walk = Walk::new();
    for (index, answer) in answers.iter().enumerate() {
        let facts = Facts { wanted: wanted[index % wanted.len()], ..facts() };
        walk.take(*answer, &facts);
    }
    walk
}

fn wants() -> impl Strategy<Value = Vec<bool>> {
    proptest::collection::vec(prop_oneof![5 => Just(true), 1 => Just(false)], 1..20)
}

proptest! {
    #[test]
    fn retire_is_never_planned_before_the_rotator_accepted_a_receipt(answers in answers(), wanted in wants()) {
        for Taken { step, before, accepted, .. } in walk(&answers, &wanted).log {
            let Step::Retire { acceptance } = step else { continue };
            let Stage::Adopting { created, acceptance: stored, .. } = before.rotation.unwrap().stage else {
                panic!("retire is planned in one stage")
            };
            prop_assert!(accepted.contains(&created.version), "one for this very version");
            prop_assert_eq!(&acceptance, &stored);
            let bytes = match acceptance {
                Acceptance::Handed { receipt } => receipt,
                Acceptance::Told { delivery } => delivery,
            };
            prop_assert!(!bytes.is_empty());
        }
    }

    #[test]
    fn a_rotation_that_nobody_wants_ends_whatever_was_lost_on_the_way(answers in answers(), wanted in wants()) {
        let mut walk = walk(&answers, &wanted);
        let unwanted = Facts { wanted: false, ..facts() };
        for _ in 0..40 {
            if walk.credential.rotation.is_none() {
                break;
            }
            walk.take(Answer::Well, &unwanted);
        }
        prop_assert_eq!(walk.credential.rotation, None);
    }

    #[test]
    fn no_path_leads_from_create_to_retire_without_deliver(answers in answers(), wanted in wants()) {
        let mut delivered_since_create = false;
        for Taken { step, before, after, .. } in walk(&answers, &wanted).log {
            match step {
                Step::Create if before.current == after.current && after.troubles.len() <= before.troubles.len() => delivered_since_create = false,
                Step::Deliver { .. } => {
                    let stage = after.rotation.map(|rotation| rotation.stage);
                    delivered_since_create |= matches!(stage, Some(Stage::Delivered { .. }));
                }
                Step::Retire { .. } => prop_assert!(delivered_since_create),
                _ => {}
            }
        }
    }

    #[test]
    fn attempts_never_decrease_while_failing(answers in answers(), wanted in wants()) {
        for Taken { step, before, after, .. } in walk(&answers, &wanted).log {
            for (node, trouble) in &before.troubles {
                if let Some(later) = after.troubles.get(node) {
                    prop_assert!(later.attempts >= trouble.attempts);
                    prop_assert!(later.since == trouble.since);
                    prop_assert!(!later.problems.is_empty());
                    continue;
                }
                // only a success ends it: of this very node or of a later one; or it was done, and is told only now
                let node_of = |credential: &Credential| {
                    credential.rotation.as_ref().map_or(Node::Intend, Rotation::node)
                };
                prop_assert!(node_of(&before) >= *node || node_of(&after) > *node, "{step:?}");
            }
        }
    }

    #[test]
    fn a_rotation_that_may_have_been_written_is_not_abandoned(answers in answers(), wanted in wants()) {
        for Taken { step, before, .. } in walk(&answers, &wanted).log {
            if step == Step::Abandon {
                let stage = before.rotation.unwrap().stage;
                let unwritten = matches!(stage, Stage::Intended | Stage::Created { written: Written::Nowhere, .. });
                prop_assert!(unwritten);
            }
        }
    }

    #[test]
    fn a_world_that_answers_in_the_end_completes_every_rotation(answers in answers()) {
        let mut walk = walk(&answers, &[true]);
        let before = walk.credential.completed;
        for _ in 0..40 {
            walk.take(Answer::Well, &facts());
        }
        prop_assert!(walk.credential.completed > before);
        prop_assert!(walk.credential.troubles.is_empty());
    }

    #[test]
    fn completed_rotations_and_versions_only_grow(answers in answers(), wanted in wants()) {
        for Taken { before, after, .. } in walk(&answers, &wanted).log {
            prop_assert!(after.completed >= before.completed);
            let version = |credential: &Credential| credential.current.as_ref().map(|current| current.version);
            prop_assert!(version(&after) >= version(&before));
        }
    }
}

#[test]
fn a_first_version_has_nothing_to_adopt_or_prove() {
    let credential = after(first_version());
    assert_eq!((credential.completed, &credential.rotation), (1, &None));
    assert_eq!(credential.current.unwrap().version, Version(1));
}

#[test]
fn a_second_version_ends_the_first_and_proves_it_with_its_probe() {
    let mut events = first_version();
    events.extend([opened(2), made(2, 1), delivered(), Event::Accepted { retire_after: OVERLAP }]);
    let adopting = after(events);
    assert_eq!(plan(&adopting, START, &facts()), Step::Wait { until: START.plus(OVERLAP) });
    let now = START.plus(OVERLAP);
    assert!(matches!(plan(&adopting, now, &facts()), Step::Retire { .. }));
    let retired = apply(&adopting, Event::Retired { ended: Version(1), grace: GRACE }, now).unwrap();
    assert_eq!(plan(&retired, now, &facts()), Step::Wait { until: now.plus(GRACE) });
    let probe = Sealed::new(b"probe-1".to_vec());
    assert_eq!(plan(&retired, now.plus(GRACE), &facts()), Step::Prove { probe });
    let done = apply(&retired, Event::Proved, now.plus(GRACE)).unwrap();
    assert_eq!((done.completed, done.rotation), (2, None));
    assert_eq!(done.current.unwrap().probe, Sealed::new(b"probe-2".to_vec()));
}

#[test]
fn a_second_rotation_is_refused() {
    let credential = after([opened(1)]);
    assert!(apply(&credential, opened(2), START).is_err());
}

#[test]
fn an_event_out_of_order_is_refused_and_changes_nothing() {
    let stages: [(Vec<Event>, &str); 4] = [
        (vec![], "closed"),
        (vec![opened(1)], "intended"),
        (vec![opened(1), made(1, 0)], "created"),
        (vec![opened(1), made(1, 0), delivered()], "delivered"),
    ];
    for (events, stage) in stages {
        let credential = after(events);
        let retired = Event::Retired { ended: Version(0), grace: GRACE };
        assert_eq!(apply(&credential, retired, START).unwrap_err().stage, stage);
        assert!(apply(&credential, Event::Proved, START).is_err(), "{stage}");
    }
    let no_receipt = Event::Delivered { receipt: Sealed::new(vec![]), destinations: vec![], client_id: None };
    assert!(apply(&after([opened(1), made(1, 0)]), no_receipt, START).is_err());
}

#[test]
fn a_problem_stays_until_the_step_that_failed_succeeds() {
    let mut credential = after([opened(1), made(1, 0)]);
    for attempt in 1..=4 {
        let now = START.plus(Duration::from_secs(attempt));
        let event = failed(Node::Deliver, "DESTINATION_REFUSED", Written::Nowhere);
        credential = apply(&credential, event, now).unwrap();
    }
    let problem = credential.problems().next().unwrap().clone();
    assert_eq!((problem.attempts, problem.kind.as_str()), (4, "destination_refused"));
    assert_eq!(problem.since, START.plus(Duration::from_secs(1)));
    let written = apply(&credential, delivered(), START).unwrap();
    assert_eq!(written.problems().count(), 0);
}

#[test]
fn a_new_problem_begins_now_and_the_attempts_go_on() {
    let first = after([opened(1), failed(Node::Create, "ISSUER_UNREACHABLE", Written::Unknown)]);
    let later = START.plus(GRACE);
    let second = apply(&first, failed(Node::Create, "ISSUER_REFUSED", Written::Unknown), later).unwrap();
    let problem = second.problems().next().unwrap();
    assert_eq!((problem.since, problem.attempts), (later, 2));
    assert_eq!(second.troubles[&Node::Create].since, START);
}

#[test]
fn an_envelope_that_nobody_opens_is_given_up_and_its_problem_outlives_it() {
    let spoiled =
        after([opened(1), made(1, 0), failed(Node::Deliver, "ENVELOPE_UNOPENABLE", Written::Unknown)]);
    let now = START.plus(Duration::from_secs(2));
    assert_eq!(plan(&spoiled, now, &facts()), Step::Supersede);
    let given_up = apply(&spoiled, Event::GivenUp, now).unwrap();
    assert_eq!(given_up.problems().count(), 1);
    let again = apply(&apply(&given_up, opened(2), now).unwrap(), made(2, 0), now).unwrap();
    assert_eq!(again.problems().count(), 1, "creating proves nothing about delivering");
    assert_eq!(apply(&again, delivered(), now).unwrap().problems().count(), 0);
}

#[test]
fn a_refused_receipt_is_fetched_again_with_the_same_envelope() {
    let refused =
        after([opened(1), made(1, 0), delivered(), failed(Node::Adopt, "RECEIPT_INVALID", Written::Unknown)]);
    let envelope = Sealed::new(b"delivery-1".to_vec());
    assert_eq!(plan(&refused, START, &facts()), Step::Deliver { envelope, replaces: false });
    let again = apply(&refused, delivered(), START).unwrap();
    assert_eq!(again.attempts(), 1, "delivering is not what failed");
}

#[test]
fn a_failed_step_waits_unless_something_changed() {
    let credential = after([opened(1), failed(Node::Create, "ISSUER_REFUSED", Written::Unknown)]);
    let until = START.plus(Duration::from_secs(1));
    assert_eq!(plan(&credential, START, &facts()), Step::Wait { until });
    let nudged_at = Some(Timestamp::from_unix_micros(START.unix_micros() + 1));
    let now = START.plus(Duration::from_millis(1));
    assert_eq!(plan(&credential, now, &Facts { nudged_at, ..facts() }), Step::Create);
    let before = Facts { nudged_at: Some(START), ..facts() };
    assert_eq!(plan(&credential, now, &before), Step::Wait { until });
}

#[test]
fn a_paused_issuer_stops_only_the_steps_that_call_it() {
    let until = START.plus(GRACE);
    let paused = Facts { issuer_paused_until: Some(until), ..facts() };
    assert_eq!(plan(&after([opened(1)]), START, &paused), Step::Wait { until });
    let steps: [(Vec<Event>, bool); 4] = [
        (vec![opened(1)], true),
        (vec![opened(1), made(1, 0)], false),
        (vec![opened(1), made(1, 0), delivered()], false),
        (vec![opened(1), made(1, 0), delivered(), Event::Accepted { retire_after: Duration::ZERO }], true),
    ];
    for (events, waits) in steps {
        let step = plan(&after(events), START, &paused);
        assert_eq!(matches!(step, Step::Wait { .. }), waits, "{step:?}");
    }
}

#[test]
fn retire_waits_for_laggards_after_the_overlap_only() {
    let adopting = after([opened(1), made(1, 0), delivered(), Event::Accepted { retire_after: OVERLAP }]);
    let end = START.plus(OVERLAP);
    let retires = |step: &Step| matches!(step, Step::Retire { .. });
    let with = |lagging_until, now| plan(&adopting, now, &Facts { lagging_until, ..facts() });
    assert!(retires(&with(None, end)));
    let late = end.plus(GRACE);
    assert_eq!(with(Some(late), end), Step::Wait { until: late });
    assert!(retires(&with(Some(late), late)), "then it goes on");
    assert_eq!(with(Some(late), START), Step::Wait { until: end }, "nothing is looked at before");
    let before = Some(START.plus(GRACE));
    assert_eq!(with(before, START.plus(GRACE)), Step::Wait { until: end }, "a report never shortens");
    assert_eq!(
        plan(&after([opened(1)]), START, &Facts { lagging_until: Some(late), ..facts() }),
        Step::Create
    );
}

#[test]
fn versions_that_were_delivered_are_remembered_by_their_id() {
    let id = |number| created(number, 0).version_id;
    let mut events = first_version();
    events.extend([opened(2), made(2, 1)]);
    let second = after(events.clone());
    assert!(second.knows(id(1)) && second.knows(id(2)) && !second.knows(id(3)));
    events.extend([delivered(), Event::Accepted { retire_after: OVERLAP }]);
    let adopting = after(events);
    assert!(adopting.knows(id(1)), "an instance may still hold it");
    assert_eq!(adopting.earlier, [id(1)]);
    let given_up = after([opened(1), made(7, 0), Event::GivenUp]);
    assert!(given_up.knows(id(7)), "some destination may have it");
    let mut many = after([]);
    for number in 0..20 {
        many.remember(id(number));
    }
    assert!(many.earlier.len() == 8 && many.knows(id(19)) && !many.knows(id(11)));
    let mut taken_over = adopting;
    taken_over.supersede();
    assert!(taken_over.current.is_none() && taken_over.knows(id(2)));
}

fn partly() -> Event {
    Event::PartlyDelivered { partial: Sealed::new(b"partial".to_vec()) }
}

#[test]
fn a_first_write_is_told_to_the_issuer_before_anything_else() {
    let told = |credential: &Credential, facts: &Facts| match plan(credential, START, facts) {
        Step::AcceptReceipt { receipt } => receipt.as_bytes() == b"partial",
        _ => false,
    };
    // the other store had failed before, and waits
    let refused = failed(Node::Deliver, "DESTINATION_REFUSED", Written::Unknown);
    let owed = after([opened(1), made(1, 0), refused, partly()]);
    let paused = Facts { issuer_paused_until: Some(START.plus(GRACE)), ..facts() };
    let unwanted = Facts { wanted: false, deliverable: false, ..facts() };
    for facts in [facts(), paused, unwanted] {
        assert!(told(&owed, &facts), "{facts:?}");
    }
    assert!(apply(&owed, Event::GivenUp, START).is_err(), "a store has it");
    assert!(apply(&owed, delivered(), START).is_err(), "nothing else is delivered meanwhile");
    let rejected =
        apply(&owed, failed(Node::Adopt, "ISSUER_REJECTED_LOGIN", Written::Unknown), START).unwrap();
    assert!(matches!(plan(&rejected, START, &facts()), Step::Wait { .. }), "its own backoff");
    let again = plan(&rejected, START.plus(Duration::from_secs(1)), &facts());
    assert!(matches!(again, Step::AcceptReceipt { .. }), "and then again: {again:?}");
}

/// A later version that a store holds, that the issuer lacks and that another store refused: the issuer knows one at a time.
fn owed_beside_a_refusal() -> Credential {
    let refused = failed(Node::Deliver, "DESTINATION_REFUSED", Written::Somewhere);
    let replaced = Created { set_on_first_write: true, ..created(2, 1) };
    let delivery = Sealed::new(b"delivery-2".to_vec());
    let events = [opened(2), Event::Created { created: replaced, delivery }, refused, partly()];
    events.into_iter().fold(after(first_version()), |state, event| apply(&state, event, START).unwrap())
}

/// A version that lives beside the one before, and that some store has.
fn after_write_somewhere() -> Credential {
    after([opened(1), made(1, 0), failed(Node::Deliver, "DESTINATION_REFUSED", Written::Somewhere)])
}

#[test]
fn a_partial_receipt_that_is_refused_is_asked_of_the_distributor_again() {
    let refused = failed(Node::Adopt, "RECEIPT_INVALID", Written::Unknown);
    let again = apply(&owed_beside_a_refusal(), refused, START).unwrap();
    let Step::Deliver { envelope, replaces: true } = plan(&again, START, &facts()) else {
        panic!("at once, whatever the other store answered: {:?}", plan(&again, START, &facts()))
    };
    assert_eq!(envelope.as_bytes(), b"delivery-2");
    let unwanted = Facts { wanted: false, ..facts() };
    assert!(matches!(plan(&again, START, &unwanted), Step::Deliver { .. }), "a store has it: others first");
    let owed = apply(&again, partly(), START).unwrap();
    assert!(matches!(plan(&owed, START, &facts()), Step::Wait { .. }), "not in a tight loop");
    let later = START.plus(Duration::from_secs(1));
    assert!(matches!(plan(&owed, later, &facts()), Step::AcceptReceipt { .. }));
}

#[test]
fn a_value_that_the_issuer_has_reaches_the_other_stores_although_nobody_wants_the_kind_any_more() {
    let accepted = Event::Accepted { retire_after: Duration::ZERO };
    let half_way = apply(&owed_beside_a_refusal(), accepted, START).unwrap();
    let later = START.plus(GRACE);
    let unwanted = Facts { wanted: false, ..facts() };
    assert!(matches!(plan(&half_way, later, &unwanted), Step::Deliver { replaces: false, .. }));
    let undeliverable = Facts { deliverable: false, ..unwanted };
    assert_eq!(plan(&half_way, later, &undeliverable), Step::Supersede, "nowhere to settle it");
    let after = |reason, times| {
        let fail = |state, _| apply(&state, failed(Node::Deliver, reason, Written::Unknown), START).unwrap();
        (0..times).fold(half_way.clone(), fail)
    };
    assert_eq!(
        plan(&after("SETTINGS_CHANGED", 1), later, &unwanted),
        Step::Supersede,
        "another kind is in force"
    );
    let refused = after("DESTINATION_REFUSED", 9);
    let far = START.plus(Duration::from_hours(24));
    assert_eq!(plan(&refused, far, &unwanted), Step::Supersede, "not for ever");
    let nudged = Facts { nudged_at: Some(later), ..unwanted };
    assert!(
        matches!(plan(&refused, later, &nudged), Step::Deliver { .. }),
        "but once, when the settings change"
    );
    // where versions live beside one another, those who read at the others are not shut out
    let beside = after_write_somewhere();
    assert_eq!(plan(&beside, far, &unwanted), Step::Supersede);
}

#[test]
fn a_value_that_nobody_can_read_is_given_up_and_another_rotation_begins_at_once() {
    for reason in ["ENVELOPE_UNOPENABLE", "ENVELOPE_INVALID"] {
        let owed = owed_beside_a_refusal();
        let replaced = Created { set_on_first_write: true, ..created(2, 1) };
        let delivery = Sealed::new(b"delivery-2".to_vec());
        let whole = [opened(2), Event::Created { created: replaced, delivery }, delivered()];
        let whole = whole
            .into_iter()
            .fold(after(first_version()), |state, event| apply(&state, event, START).unwrap());
        for state in [owed, whole] {
            let lost = apply(&state, failed(Node::Adopt, reason, Written::Unknown), START).unwrap();
            assert_eq!(plan(&lost, START, &facts()), Step::Supersede, "{reason}");
            let given_up = apply(&lost, Event::GivenUp, START).unwrap();
            assert!(given_up.rotation.is_none() && given_up.problems().count() > 0);
            assert!(given_up.current.unwrap().destinations.is_empty(), "nowhere counts as delivered");
        }
    }
}

#[test]
fn after_the_issuer_was_told_the_same_version_goes_to_the_rest() {
    let refused = failed(Node::Deliver, "DESTINATION_REFUSED", Written::Somewhere);
    let accepted = || Event::Accepted { retire_after: Duration::ZERO };
    let settled = after([opened(1), made(1, 0), refused, partly(), accepted()]);
    assert_eq!(settled.problems().count(), 1, "the other store's problem stays");
    let later = START.plus(Duration::from_hours(1));
    let Step::Deliver { envelope, replaces: false } = plan(&settled, later, &facts()) else {
        panic!("the rest is delivered to")
    };
    assert_eq!(envelope.as_bytes(), b"delivery-1");
    assert!(apply(&settled, partly(), START).is_err(), "it is told once");
    let text = serde_json::to_string(&settled).unwrap();
    assert_eq!(serde_json::from_str::<Credential>(&text).unwrap(), settled);
    let whole = [delivered(), accepted()];
    let adopting = whole.into_iter().fold(settled, |state, event| apply(&state, event, later).unwrap());
    assert!(matches!(plan(&adopting, later, &facts()), Step::Retire { .. }));
    assert_eq!(adopting.problems().count(), 0);
}

#[test]
fn without_a_destination_nothing_is_made() {
    let facts = Facts { deliverable: false, ..facts() };
    for events in [vec![opened(1)], vec![opened(1), made(1, 0)]] {
        assert_eq!(plan(&after(events), START, &facts), Step::Wait { until: schedule::NEVER });
    }
}

#[test]
fn a_proof_that_does_not_come_gives_way_to_the_next_rotation() {
    let mut events = first_version();
    events.extend([
        opened(2),
        made(2, 1),
        delivered(),
        Event::Accepted { retire_after: Duration::ZERO },
        Event::Retired { ended: Version(1), grace: Duration::ZERO },
        failed(Node::Prove, "PREVIOUS_VERSION_ALIVE", Written::Unknown),
    ]);
    let alive = after(events);
    let now = START.plus(GRACE);
    assert!(matches!(plan(&alive, now, &facts()), Step::Prove { .. }));
    let due = Facts { next_due_at: now, ..facts() };
    assert_eq!(plan(&alive, now, &due), Step::Finish);
    let closed = apply(&alive, Event::Finished, now).unwrap();
    assert_eq!((closed.completed, closed.problems().count()), (2, 1));
}

#[test]
fn recovery_asks_again_what_may_have_been_answered() {
    let stages = [
        (vec![opened(1)], Node::Create),
        (vec![opened(1), made(1, 0)], Node::Deliver),
        (vec![opened(1), made(1, 0), delivered()], Node::Adopt),
    ];
    for (events, node) in stages {
        let credential = after(events);
        let open = recover([&credential, &Credential::new(CredentialKind::Client)], START, |_| facts());
        assert_eq!(open.len(), 1);
        assert_eq!((open[0].node, open[0].rotation), (node, rotation_id(1)));
        assert_eq!(open[0].step, plan(&credential, START, &facts()));
    }
}

fn settings(buckets: &[&str], confidential: bool) -> Settings {
    let bucket = |name: &&str| mint_types::Bucket {
        name: name.parse().unwrap(),
        region: Some("eu-central-1".into()),
        endpoint: None,
        kms_key_id: None,
    };
    Settings {
        buckets: buckets.iter().map(bucket).collect(),
        account_id: Some("123456789012".parse().unwrap()),
        prefix: mint_types::Prefix::default(),
        layout: mint_types::Layout::Split,
        scopes: vec![],
        redirect_url: None,
        confidential,
        password_period: "2h".parse().unwrap(),
        client_period: "30d".parse().unwrap(),
    }
}

fn current(wish: &Wish) -> Credential {
    let mut credential = after(first_version());
    let current = credential.current.as_mut().unwrap();
    current.destinations.clone_from(&wish.destinations);
    current.client_id.clone_from(&wish.client_id);
    credential
}

#[test]
fn a_new_bucket_is_a_reason_to_rotate_at_once() {
    let app: ApplicationId = "kio".parse().unwrap();
    let password = CredentialKind::Password;
    let one = Wish::new(&app, password, &settings(&["bucket-a"], true), None);
    let two = Wish::new(&app, password, &settings(&["bucket-b", "bucket-a"], true), None);
    let same = Wish::new(&app, password, &settings(&["bucket-a", "bucket-b"], true), None);
    assert_eq!(one.due(&Credential::new(password), START, None), Due::Now(Cause::First));
    assert!(matches!(one.due(&current(&one), START, None), Due::At(_)));
    assert_eq!(two.due(&current(&one), START, None), Due::Now(Cause::DestinationsChanged));
    assert!(matches!(same.due(&current(&two), START, None), Due::At(_)), "order says nothing");
}

#[test]
fn a_public_client_rotates_only_when_its_id_changes() {
    let app: ApplicationId = "kio".parse().unwrap();
    let wish = |id| Wish::new(&app, CredentialKind::PublicClient, &settings(&["bucket-a"], false), Some(id));
    let credential = current(&wish("client-1"));
    let in_years = START.plus(Duration::from_secs(1_000_000_000));
    assert_eq!(wish("client-1").due(&credential, in_years, None), Due::At(schedule::NEVER));
    assert_eq!(wish("client-2").due(&credential, START, None), Due::Now(Cause::ClientChanged));
}

#[test]
fn a_password_is_due_by_its_period_whatever_the_client_id() {
    let app: ApplicationId = "kio".parse().unwrap();
    let wish = |id| Wish::new(&app, CredentialKind::Password, &settings(&["bucket-a"], true), Some(id));
    let credential = current(&wish("client-1"));
    let Due::At(due) = wish("client-2").due(&credential, START, None) else { panic!("not yet due") };
    assert_eq!(wish("client-2").due(&credential, due, None), Due::Now(Cause::Scheduled));
}

#[test]
fn a_kind_that_is_wanted_no_more_does_not_occupy_its_object_for_ever() {
    let (later, unwanted) = (START.plus(Duration::from_hours(1)), Facts { wanted: false, ..facts() });
    assert_eq!(plan(&after([opened(1), made(1, 0)]), later, &unwanted), Step::Supersede);
    for (written, expected) in [
        (Written::Nowhere, Step::Abandon),
        (Written::Unknown, Step::Supersede),
        (Written::Somewhere, Step::Supersede),
    ] {
        let refused = after([opened(1), made(1, 0), failed(Node::Deliver, "SETTINGS_CHANGED", written)]);
        assert_eq!(plan(&refused, later, &unwanted), expected);
        assert!(apply(&refused, Event::GivenUp, later).unwrap().rotation.is_none());
    }
}

#[test]
fn what_was_written_under_a_clock_that_was_set_back_means_now() {
    let hour = Duration::from_hours(1);
    let ahead = START.plus(hour);
    let under = |credential: &Credential, event| apply(credential, event, ahead).unwrap();
    let refused = under(&after([opened(1)]), failed(Node::Create, "ISSUER_REFUSED", Written::Unknown));
    assert!(matches!(plan(&refused, ahead, &facts()), Step::Wait { .. }), "its own clock waits");
    assert_eq!(plan(&refused, START, &facts()), Step::Create);
    let mut events = first_version();
    events.extend([opened(2), made(2, 1), delivered()]);
    let adopting = under(&after(events), Event::Accepted { retire_after: OVERLAP });
    assert!(matches!(plan(&adopting, ahead, &facts()), Step::Wait { .. }));
    assert!(
        matches!(plan(&adopting, START, &facts()), Step::Retire { .. }),
        "the rotator knows how long it takes"
    );
    let early = apply(&adopting, Event::RetiredTooEarly { retry_after: GRACE }, START).unwrap();
    assert_eq!(plan(&early, START, &facts()), Step::Wait { until: START.plus(GRACE) });
    let retired = under(&early, Event::Retired { ended: Version(1), grace: GRACE });
    assert!(matches!(plan(&retired, ahead, &facts()), Step::Wait { .. }));
    assert!(matches!(plan(&retired, START, &facts()), Step::Prove { .. }));
}

#[test]
fn a_probe_that_opens_no_more_ends_the_rotation_with_a_problem() {
    for reason in ["ENVELOPE_INVALID", "ENVELOPE_UNOPENABLE"] {
        let mut events = first_version();
        let retired = Event::Retired { ended: Version(1), grace: Duration::ZERO };
        let accepted = Event::Accepted { retire_after: Duration::ZERO };
        events.extend([opened(2), made(2, 1), delivered(), accepted, retired]);
        let before = after(events);
        let ended = apply(&before, failed(Node::Prove, reason, Written::Unknown), START).unwrap();
        assert_eq!(ended.rotation, None, "{reason}");
        assert_eq!(ended.completed, before.completed + 1);
        let kinds: Vec<&str> = ended.problems().map(|problem| problem.kind.as_str()).collect();
        assert_eq!(kinds, ["probe_unreadable"]);
    }
}

#[test]
fn a_rotation_that_the_rotator_has_closed_gives_way_to_another_one() {
    let adopting = after([opened(1), made(1, 0), delivered()]);
    let stuck = apply(&adopting, failed(Node::Adopt, "ROTATION_CLOSED", Written::Unknown), START).unwrap();
    let closed = apply(&stuck, Event::Closed, START).unwrap();
    assert_eq!((closed.rotation.as_ref(), closed.problems().count()), (None, 0));
    assert!(closed.knows(created(1, 0).version_id), "an instance may hold it");
    assert!(closed.current.unwrap().destinations.is_empty(), "so that the next one is due at once");
    let mut events = first_version();
    let retired = Event::Retired { ended: Version(1), grace: Duration::ZERO };
    events.extend([
        opened(2),
        made(2, 1),
        delivered(),
        Event::Accepted { retire_after: Duration::ZERO },
        retired,
    ]);
    let forgotten = apply(&after(events), Event::Closed, START).unwrap();
    assert!(forgotten.rotation.is_none() && forgotten.current.unwrap().destinations.is_empty());
    assert!(apply(&after([opened(1)]), Event::Closed, START).is_err());
}

#[test]
fn what_the_rotator_accepted_before_a_death_is_retired_although_nobody_wants_it() {
    let mut events = first_version();
    events.extend([opened(2), made(2, 1)]);
    let created = after(events);
    let unwanted = Facts { wanted: false, ..facts() };
    assert_eq!(plan(&created, START, &unwanted), Step::Supersede);
    let adopting = apply(&created, Event::AlreadyAccepted, START).unwrap();
    let current = adopting.current.as_ref().unwrap();
    assert_eq!((current.version, current.destinations.len()), (Version(2), 0), "wanted again, it is due");
    assert!(matches!(
        plan(&adopting, START, &unwanted),
        Step::Retire { acceptance: Acceptance::Told { .. } }
    ));
    let early = apply(&adopting, Event::RetiredTooEarly { retry_after: OVERLAP }, START).unwrap();
    assert_eq!(plan(&early, START, &unwanted), Step::Wait { until: START.plus(OVERLAP) });
    let text = serde_json::to_string(&early).unwrap();
    assert_eq!(serde_json::from_str::<Credential>(&text).unwrap(), early);
    let now = START.plus(OVERLAP);
    let retired = apply(&early, Event::Retired { ended: Version(1), grace: Duration::ZERO }, now).unwrap();
    let probe = Sealed::new(b"probe-1".to_vec());
    assert_eq!(plan(&retired, now, &Facts { next_due_at: now, ..unwanted }), Step::Prove { probe });
    assert!(apply(&retired, Event::Proved, now).unwrap().rotation.is_none());
}

#[test]
fn a_rotator_that_says_it_accepted_and_has_no_receipt_gains_another_try_and_no_more() {
    let told = after([opened(1), made(1, 0), Event::AlreadyAccepted]);
    let missing = apply(&told, failed(Node::Retire, "RECEIPT_MISSING", Written::Unknown), START).unwrap();
    let envelope = Sealed::new(b"delivery-1".to_vec());
    assert_eq!(plan(&missing, START, &facts()), Step::Deliver { envelope, replaces: false });
    let unwanted = Facts { wanted: false, ..facts() };
    assert_eq!(plan(&missing, START, &unwanted), Step::Supersede);
    let again = apply(&missing, Event::AlreadyAccepted, START).unwrap();
    assert!(matches!(plan(&again, START, &unwanted), Step::Wait { .. }), "not at once, for ever");
    assert_eq!(again.problems().count(), 1);
    for events in [vec![opened(1)], vec![opened(1), made(1, 0), delivered()]] {
        assert!(apply(&after(events), Event::AlreadyAccepted, START).is_err());
    }
}

#[test]
fn a_stage_that_was_stored_with_its_receipt_is_read_and_written_as_before() {
    let accepted = Event::Accepted { retire_after: OVERLAP };
    let stage = after([opened(1), made(1, 0), delivered(), accepted]).rotation.unwrap().stage;
    let mut row = serde_json::to_value(&stage).unwrap();
    assert_eq!((row["stage"].as_str(), row["receipt"].as_str()), (Some("adopting"), Some("cmVjZWlwdA==")));
    assert!(row.get("delivery").is_none() && row.get("acceptance").is_none());
    row.as_object_mut().unwrap().remove("since");
    let Stage::Adopting { acceptance, .. } = serde_json::from_value(row).unwrap() else { panic!("a stage") };
    assert_eq!(acceptance, Acceptance::Handed { receipt: Sealed::new(b"receipt".to_vec()) });
}
