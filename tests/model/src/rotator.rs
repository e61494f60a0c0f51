//! The rotator: `mint_rotator::plan` over its rows, one durable write or outside call at a time.

use mint_coordinator::Abandonment;
use mint_invariants::{Act, Deed, one_at_a_time, said_before_done};
use mint_issuer_contract::Handle;
use mint_rotator::Error;
use mint_rotator::plan::{self, AbandonPlan, AcceptPlan, Ask, CreatePlan, ProvePlan, RetirePlan};
use mint_rotator::state::{Envelopes, Made, Unsettled};
use mint_saga::{Created, Sealed, reason};
use mint_types::mutation::{Mutation, mutated};
use mint_types::{FencingToken, IssuerObject, Version, VersionId};

use crate::bounds::BEGIN;
use crate::calls::{Answer, Call, Envelope, Late, Request, Setting, Work};
use crate::coordinator::answer;
use crate::payload::{Payload, Serial, value_of};
use crate::world::{Luck, Mint, World};

fn refused(error: &Error) -> Answer {
    Answer::Failed(error.reason(), error.retry_after())
}

/// The values that are to be set on these objects.
fn values(made: &Made, sets: Vec<IssuerObject>) -> Vec<(IssuerObject, Serial)> {
    let value = |object| {
        let handle = made.handle_on(object)?;
        Some((object, handle.as_str().parse().ok()?))
    };
    sets.into_iter().filter_map(value).collect()
}

fn version_of(made: &Made, kind: mint_types::CredentialKind, envelope: &Envelope, sets: bool) -> Answer {
    let sealed = Payload::of_made(made, kind, envelope.rotation).seal();
    let created = Created {
        version: made.version,
        version_id: made.version_id,
        fingerprint: String::new(),
        previous: made.previous.unwrap_or(Version::FOREIGN),
        probe: sealed.clone(),
        set_on_first_write: sets,
    };
    Answer::Created(created, sealed)
}

impl Mint {
    /// A call arrives at its executor: answers at once, or begins to work.
    pub(crate) fn arrive(
        &self,
        world: &mut World,
        envelope: &Envelope,
        request: &Request,
        emptied: bool,
    ) -> Option<Answer> {
        if let Request::Deliver(sealed, replaces) = request {
            return self.arrive_delivery(world, envelope, sealed, *replaces, emptied);
        }
        // `rpc` refuses what no lease can have made before anybody remembers it
        if !envelope.token.is_plausible(BEGIN) {
            return Some(Answer::Failed("FENCING_TOKEN_INVALID", None));
        }
        if world.ledger.admit(envelope.token).is_err() {
            return Some(Answer::Failed(reason::STALE_FENCING_TOKEN, None));
        }
        match self.decide_rotation(world, envelope, request) {
            // what is answered at once was written with its token
            Ok(Some(heard)) => {
                let written = world.ledger.overtake(envelope.token);
                Some(written.map_or(Answer::Failed(reason::STALE_FENCING_TOKEN, None), |()| heard))
            }
            Ok(heard) => heard,
            Err(error) => Some(refused(&error)),
        }
    }

    fn decide_rotation(
        &self,
        world: &mut World,
        envelope: &Envelope,
        request: &Request,
    ) -> Result<Option<Answer>, Error> {
        let ask = Ask { rotation: envelope.rotation, kind: envelope.kind };
        let now = self.instant(envelope.machine, world.now);
        let state = world.ledger.load(ask.rotation);
        match request {
            Request::Create => match plan::create(&state, ask, &self.rules, &now)? {
                CreatePlan::Answer(made) => {
                    Ok(Some(version_of(&made, ask.kind, envelope, self.sets(ask.kind))))
                }
                CreatePlan::Make(_) => {
                    plan::check_record(&self.desk(world.changed).record, ask.kind)?;
                    begin(world, envelope, Work::CreateAnnounced);
                    Ok(None)
                }
            },
            Request::Accept(receipt) => {
                if let AcceptPlan::Verify { made, sets } = plan::accept(&state, ask, self.rules.ends)? {
                    let (receipt, whole) = Payload::whole_receipt(receipt);
                    if !whole && !self.sets(ask.kind) {
                        return Err(Error::ReceiptInvalid("it is for some destinations only".to_owned()));
                    }
                    let receipt = Payload::read_receipt(&receipt, &self.desk.record.id)
                        .ok_or_else(|| Error::ReceiptInvalid("it is none".to_owned()))?;
                    plan::check_receipt(&receipt, &self.desk.record.id, ask, &made)?;
                    let sets = values(&made, sets);
                    if !sets.is_empty() {
                        let setting = Setting { sets, answered: false, number: 0, whole, gives_up: false };
                        begin(world, envelope, Work::SetAnnounced(setting));
                        return Ok(None);
                    }
                    if !whole {
                        return Ok(Some(Answer::Accepted(std::time::Duration::ZERO)));
                    }
                    world.ledger.deliver(ask, &now);
                }
                let state = world.ledger.load(ask.rotation);
                let left = plan::overlap_left(&state, ask, &self.rules, &now)?;
                let wait = left.unwrap_or_else(|| plan::overlap(&state, ask, &self.rules));
                Ok(Some(Answer::Accepted(wait)))
            }
            Request::Retire => match plan::retire(&state, ask, &self.rules, &now)? {
                RetirePlan::Retired(retired) => Ok(Some(self.retirement(ask, retired))),
                RetirePlan::BeginOverlap(wait) => {
                    world.ledger.begin_overlap(ask, &now);
                    Ok(Some(Answer::Failed(reason::OVERLAP_NOT_PASSED, Some(wait))))
                }
                RetirePlan::Commit { commits, retires, .. } => {
                    let serial = |commit: &plan::Commit| {
                        let keep = commit.keep.as_ref();
                        (commit.object, keep.and_then(|handle| handle.as_str().parse().ok()))
                    };
                    let commits = commits.iter().map(serial).collect();
                    begin(world, envelope, Work::RetireAnnounced { commits, retires });
                    Ok(None)
                }
            },
            Request::Prove(probe) => match plan::prove(&state, ask, &self.rules, &now)? {
                ProvePlan::NothingToProve | ProvePlan::Dead => Ok(Some(Answer::Proved)),
                ProvePlan::Wait(left) => Ok(Some(Answer::ProveLater(left))),
                ProvePlan::Alive => Ok(Some(Answer::Alive)),
                ProvePlan::Login(version) => Ok(Some(self.log_in(world, ask, version, probe))),
            },
            Request::Abandon => {
                if let Some(owed) = plan::owed(&state, ask, self.rules.ends)? {
                    let sets = values(&owed.made, owed.sets);
                    let setting = Setting { sets, answered: false, number: 0, whole: false, gives_up: true };
                    begin(world, envelope, Work::SetAnnounced(setting));
                    return Ok(None);
                }
                self.give_up(world, ask).map(Some)
            }
            Request::Deliver(..) => Ok(None),
        }
    }

    /// Gives a rotation up, unless it is delivered.
    fn give_up(&self, world: &mut World, ask: Ask) -> Result<Answer, Error> {
        match plan::abandon(&world.ledger.load(ask.rotation), ask, self.rules.ends) {
            Ok(AbandonPlan::Abandon) => world.ledger.abandon(ask),
            Ok(AbandonPlan::Abandoned) => {}
            Err(Error::RotationClosed { state, advice }) => {
                let meant = Abandonment::of_refusal(reason::ROTATION_CLOSED, Some(state));
                let closed = Err(Error::RotationClosed { state, advice });
                return meant.map_or(closed, |_| Ok(Answer::AlreadyAccepted));
            }
            Err(error) => return Err(error),
        }
        Ok(Answer::Abandoned)
    }

    /// Whether the issuer learns of a version of this kind only once a destination has it.
    fn sets(&self, kind: mint_types::CredentialKind) -> bool {
        plan::objects_set(kind, self.rules.ends).next().is_some()
    }

    /// One durable write or outside call on the way of a value to the issuer.
    fn go_on_setting(
        &self,
        world: &mut World,
        call: &Call,
        mut setting: Setting,
        luck: Luck,
    ) -> Option<Answer> {
        let ask = Ask { rotation: call.envelope.rotation, kind: call.envelope.kind };
        let now = self.instant(call.envelope.machine, world.now);
        let Some((object, serial)) = setting.sets.first().copied() else {
            if setting.gives_up {
                return Some(self.give_up(world, ask).unwrap_or_else(|error| refused(&error)));
            }
            if setting.whole {
                if world.ledger.overtake(call.envelope.token).is_err() {
                    return Some(Answer::Failed(reason::STALE_FENCING_TOKEN, None));
                }
                world.ledger.deliver(ask, &now);
            }
            let state = world.ledger.load(ask.rotation);
            let wait = if setting.whole {
                plan::overlap(&state, ask, &self.rules)
            } else {
                std::time::Duration::ZERO
            };
            return Some(Answer::Accepted(wait));
        };
        if setting.answered {
            world.ledger.value_set(ask, object, setting.number);
            setting.sets.remove(0);
            setting.answered = false;
            push(world, Call { work: Work::SetBegun(setting), ..call.clone() });
            return None;
        }
        self.outside(world, call, "credential.set", world.ledger.highest());
        if luck != Luck::Well {
            world.left.messages -= 1;
        }
        match luck {
            Luck::Well => {
                world.issuer.set(object, serial, world.now);
                setting.answered = true;
                push(world, Call { work: Work::SetBegun(setting), ..call.clone() });
                return None;
            }
            Luck::AnswerLost => world.issuer.set(object, serial, world.now),
            Luck::Late => {
                let until = world.now.plus(self.rules.request_life);
                world.limbo.push(Late::Set(object, serial, until));
            }
            Luck::Lost | Luck::Twice | Luck::Refused | Luck::Emptied => {}
        }
        world.ledger.set_unanswered(setting.number, &now);
        Some(Answer::Failed("ISSUER_UNKNOWN_OUTCOME", None))
    }

    fn retirement(&self, ask: Ask, retired: Option<Version>) -> Answer {
        Answer::Retired(retired.unwrap_or(Version::FOREIGN), plan::grace(ask.kind, retired, &self.rules))
    }

    fn log_in(&self, world: &mut World, ask: Ask, version: Version, probe: &Sealed) -> Answer {
        let Some(ended) =
            Payload::open(probe).filter(|ended| ended.kind == ask.kind && ended.version == version)
        else {
            return Answer::Failed(reason::ENVELOPE_INVALID, None);
        };
        let opens = |object, serial: Option<Serial>| {
            serial.is_some_and(|serial| world.issuer.accepts(object, serial, world.now))
        };
        if opens(IssuerObject::User, ended.user) || opens(IssuerObject::Client, ended.client) {
            // this issuer keeps its word: whoever accuses it asked too early, or ended the wrong one
            world.broken = Some(mint_invariants::Violation::of(
                mint_invariants::Invariant::NothingLost,
                &self.desk.record.id,
                format!("an issuer that keeps its word is accused: version {version} is still accepted"),
            ));
            return Answer::Alive;
        }
        world.ledger.dead(ask.rotation);
        Answer::Proved
    }

    /// The next thing of a call under way.
    pub(crate) fn step(&self, world: &mut World, index: usize, luck: Luck) {
        let call = world.calls.remove(index);
        let heard = match call.work.clone() {
            Work::CreateAnnounced => self.begin_create(world, call.clone()),
            Work::CreateBegun { version, previous, number, made } => {
                if let Some(object) = plan::objects_made(call.envelope.kind, self.rules.ends).nth(made.len())
                {
                    self.ask_create(world, &call, object, luck)
                } else {
                    let mut made = made;
                    let set = plan::objects_set(call.envelope.kind, self.rules.ends);
                    made.extend(set.map(|object| (object, value_of(number))));
                    Some(self.store_made(world, &call, version, previous, number, &made))
                }
            }
            Work::SetAnnounced(mut setting) => {
                let ask = Ask { rotation: call.envelope.rotation, kind: call.envelope.kind };
                let now = self.instant(call.envelope.machine, world.now);
                let objects: Vec<IssuerObject> = setting.sets.iter().map(|(object, _)| *object).collect();
                if world.ledger.overtake(call.envelope.token).is_err() {
                    Some(Answer::Failed(reason::STALE_FENCING_TOKEN, None))
                } else if let Some(number) = world.ledger.first_write(ask, &objects, &now) {
                    setting.number = number;
                    let overtaken = call.envelope.token < world.ledger.highest();
                    push(world, Call { overtaken, work: Work::SetBegun(setting), ..call.clone() });
                    None
                } else {
                    Some(Answer::Failed(reason::ROTATION_CLOSED, None))
                }
            }
            Work::SetBegun(setting) => self.go_on_setting(world, &call, setting, luck),
            Work::RetireAnnounced { commits, retires } => {
                let ask = Ask { rotation: call.envelope.rotation, kind: call.envelope.kind };
                let admitted = world.ledger.overtake(call.envelope.token);
                if admitted.is_err() {
                    Some(Answer::Failed(reason::STALE_FENCING_TOKEN, None))
                } else if !world.ledger.begin_retire(ask) {
                    Some(Answer::Failed(reason::RECEIPT_MISSING, None))
                } else if commits.iter().all(|(_, serial)| serial.is_none()) {
                    // nobody outside hears of it: one write
                    for (object, _) in &commits {
                        world.ledger.committed(ask, *object);
                    }
                    let now = self.instant(call.envelope.machine, world.now);
                    world.ledger.retired(ask, retires, &now);
                    Some(self.retirement(ask, retires))
                } else {
                    let work = Work::RetireBegun { commits, answered: false, retires };
                    let overtaken = call.envelope.token < world.ledger.highest();
                    push(world, Call { overtaken, work, ..call.clone() });
                    None
                }
            }
            Work::RetireBegun { commits, answered, retires } => {
                self.go_on_retiring(world, &call, commits, answered, retires, luck)
            }
            Work::DeliverPlanned(delivery) => Self::begin_delivery(world, call.clone(), delivery),
            Work::DeliverBegun(delivery, numbers, puts) => {
                self.go_on_delivering(world, &call, delivery, numbers, puts, luck)
            }
        };
        let Some(heard) = heard else { return };
        let is_last = matches!(
            call.work,
            Work::CreateBegun { .. }
                | Work::SetBegun(_)
                | Work::RetireAnnounced { .. }
                | Work::RetireBegun { .. }
                | Work::DeliverBegun(..)
        );
        if is_last && luck == Luck::AnswerLost && !matches!(heard, Answer::Failed(..)) {
            world.left.messages -= 1;
            answer(world, &call.envelope, Answer::Failed(reason::SERVICE_UNANSWERED, None));
            return;
        }
        answer(world, &call.envelope, heard);
    }

    fn begin_create(&self, world: &mut World, call: Call) -> Option<Answer> {
        let ask = Ask { rotation: call.envelope.rotation, kind: call.envelope.kind };
        if world.ledger.overtake(call.envelope.token).is_err() {
            return Some(Answer::Failed(reason::STALE_FENCING_TOKEN, None));
        }
        let now = self.instant(call.envelope.machine, world.now);
        let state = world.ledger.load(ask.rotation);
        let make = match plan::create(&state, ask, &self.rules, &now) {
            Ok(CreatePlan::Answer(made)) => {
                return Some(version_of(&made, ask.kind, &call.envelope, self.sets(ask.kind)));
            }
            Ok(CreatePlan::Make(make)) => make,
            Err(error) => return Some(refused(&error)),
        };
        let number = world.ledger.begin_create(ask, &make, self.bounds.foreign, self.rules.ends, &now);
        let work =
            Work::CreateBegun { version: make.version, previous: make.previous, number, made: Vec::new() };
        let overtaken = call.envelope.token < world.ledger.highest();
        push(world, Call { overtaken, work, ..call });
        None
    }

    fn ask_create(&self, world: &mut World, call: &Call, object: IssuerObject, luck: Luck) -> Option<Answer> {
        self.outside(world, call, "credential.create", world.ledger.highest());
        let ends = self.rules.ends.of(object);
        let ask = Ask { rotation: call.envelope.rotation, kind: call.envelope.kind };
        let Work::CreateBegun { version, previous, number, mut made } = call.work.clone() else {
            return None;
        };
        if luck == Luck::Well {
            made.push((object, world.issuer.create(object, ends, world.now)));
            let work = Work::CreateBegun { version, previous, number, made };
            push(world, Call { work, ..call.clone() });
            return None;
        }
        world.left.messages -= 1;
        match luck {
            Luck::AnswerLost => {
                world.issuer.create(object, ends, world.now);
            }
            Luck::Late => {
                let until = world.now.plus(self.rules.request_life);
                world.limbo.push(Late::Create(object, until));
            }
            Luck::Well | Luck::Lost | Luck::Twice | Luck::Refused | Luck::Emptied => {}
        }
        // what was made before is lost with the answer; what comes after was never sent
        for (place, other) in plan::objects_made(ask.kind, self.rules.ends).enumerate() {
            let failed = match place.cmp(&made.len()) {
                std::cmp::Ordering::Less => Some(Unsettled::Stray),
                std::cmp::Ordering::Equal => Some(Unsettled::Sent),
                std::cmp::Ordering::Greater => None,
            };
            let now = self.instant(call.envelope.machine, world.now);
            world.ledger.attempt_failed(ask, other, number, failed, &now);
        }
        Some(Answer::Failed("ISSUER_UNKNOWN_OUTCOME", None))
    }

    fn store_made(
        &self,
        world: &mut World,
        call: &Call,
        version: Version,
        previous: Option<Version>,
        number: u8,
        handles: &[(IssuerObject, Serial)],
    ) -> Answer {
        let ask = Ask { rotation: call.envelope.rotation, kind: call.envelope.kind };
        let handle = |object| {
            let found = handles.iter().find(|(on, _)| *on == object);
            found.and_then(|(_, serial)| Handle::new(serial.to_string()))
        };
        let mut made = Made {
            version,
            version_id: VersionId::from_bytes([number; 16]),
            fingerprint: String::new(),
            previous,
            digest: mint_secret::EnvelopeDigest([0; 32]),
            envelopes: None,
            password_handle: handle(IssuerObject::User),
            client_handle: handle(IssuerObject::Client),
        };
        let sealed = Payload::of_made(&made, ask.kind, ask.rotation).seal();
        made.digest = Payload::digest(&sealed);
        let bytes = sealed.as_bytes().to_vec();
        made.envelopes = Some(Envelopes { delivery: bytes.clone(), probe: bytes });
        if world.ledger.store_made(ask, &made, number) {
            return version_of(&made, ask.kind, &call.envelope, self.sets(ask.kind));
        }
        Answer::Failed(reason::ROTATION_CLOSED, None)
    }

    fn go_on_retiring(
        &self,
        world: &mut World,
        call: &Call,
        mut commits: Vec<(IssuerObject, Option<Serial>)>,
        answered: bool,
        retires: Option<Version>,
        luck: Luck,
    ) -> Option<Answer> {
        let ask = Ask { rotation: call.envelope.rotation, kind: call.envelope.kind };
        let (object, serial) = commits.first().copied()?;
        // where the issuer needs no call, only the ledger is written
        let Some(serial) = serial.filter(|_| !answered) else {
            world.ledger.committed(ask, object);
            commits.remove(0);
            if commits.is_empty() {
                // in the same write
                let now = self.instant(call.envelope.machine, world.now);
                world.ledger.retired(ask, retires, &now);
                return Some(self.retirement(ask, retires));
            }
            push(
                world,
                Call { work: Work::RetireBegun { commits, answered: false, retires }, ..call.clone() },
            );
            return None;
        };
        self.outside(world, call, "credential.retire", world.ledger.highest());
        let ends = self.rules.ends.of(object);
        if luck != Luck::Well {
            world.left.messages -= 1;
        }
        match luck {
            Luck::Well => {
                world.issuer.commit(object, serial, ends, world.now);
                push(
                    world,
                    Call { work: Work::RetireBegun { commits, answered: true, retires }, ..call.clone() },
                );
                return None;
            }
            Luck::AnswerLost => world.issuer.commit(object, serial, ends, world.now),
            Luck::Late => {
                let until = world.now.plus(self.rules.request_life);
                world.limbo.push(Late::Commit(object, serial, until));
            }
            Luck::Lost | Luck::Twice | Luck::Refused | Luck::Emptied => {}
        }
        Some(Answer::Failed("ISSUER_UNKNOWN_OUTCOME", None))
    }

    /// I3 and I5 at the instant of an outside call.
    pub(crate) fn outside(&self, world: &mut World, call: &Call, what: &str, highest: FencingToken) {
        let application = &self.desk.record.id;
        let token = call.envelope.token;
        let allowed = Act {
            holder: "the caller".to_owned(),
            token,
            // whoever was admitted before its intent became durable may finish that one call
            highest: if call.overtaken { highest } else { token },
            leased: false,
        };
        let deed = Deed {
            what: what.to_owned(),
            application: Some(application.clone()),
            actor: "executor".to_owned(),
            peer: "executor".to_owned(),
            announced: call.announced.then_some(1),
            done: Some(2),
            concluded: None,
        };
        let verdict = one_at_a_time(application, &[allowed]).and_then(|()| said_before_done(&[deed]));
        if let Err(violation) = verdict {
            world.broken = Some(violation);
        }
    }

    /// A late message arrives.
    pub(crate) fn land(&self, world: &mut World, index: usize) {
        match world.limbo.remove(index) {
            Late::Request(envelope, request) => {
                let _: Option<Answer> = self.arrive(world, &envelope, &request, false);
            }
            Late::Create(object, _) => {
                world.issuer.create(object, self.rules.ends.of(object), world.now);
            }
            Late::Commit(object, serial, _) => {
                world.issuer.commit(object, serial, self.rules.ends.of(object), world.now);
            }
            Late::Set(object, serial, _) => world.issuer.set(object, serial, world.now),
            Late::Put(place, payload, _) => world.stores.put(&place, &payload, world.now),
        }
    }
}

/// Begins an act: it is announced before anything else.
pub(crate) fn begin(world: &mut World, envelope: &Envelope, work: Work) {
    let announced = !mutated(Mutation::AuditAfterTheAct);
    push(world, Call { envelope: envelope.clone(), announced, overtaken: false, work });
}

/// Goes on working.
pub(crate) fn push(world: &mut World, call: Call) {
    world.calls.push(call);
}
