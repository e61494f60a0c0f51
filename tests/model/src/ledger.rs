//! The rotator's rows, with the writes of `services/rotator/src/ledger/write`, one function each.

use mint_issuer_contract::EndsOf;
use mint_rotator::plan::{self, Ask, Make};
use mint_rotator::state::{
    ApplicationState, Attempt, EndCall, Instant, LiveVersion, Made, Proofs, RetiredRecord, Rotation,
    RotationState, Stage, Told, Unsettled,
};
use mint_types::mutation::{Mutation, mutated};
use mint_types::{CredentialKind, Fence, FencingToken, IssuerObject, RotationId, Stale, Version};

/// An attempt that is not settled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Standing {
    rotation: RotationId,
    number: u8,
    attempt: Attempt,
}

/// The rows of the one application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Ledger {
    rotations: Vec<Rotation>,
    versions: Vec<LiveVersion>,
    last: Vec<(CredentialKind, Version)>,
    attempts: Vec<Standing>,
    /// Sets that are not answered, by their number.
    sets: Vec<(u8, EndCall)>,
    numbers: u8,
    fence: Option<FencingToken>,
    shown: Option<FencingToken>,
}

impl Ledger {
    /// Lets the holder of a token begin, or refuses it: writes nothing.
    pub fn admit(&self, token: FencingToken) -> Result<(), Stale> {
        Fence(self.fence).admit(token).map(drop)
    }

    /// The first write of an act, which lets its holder act or refuses it.
    pub fn overtake(&mut self, token: FencingToken) -> Result<(), Stale> {
        // `Fence::admit` is the rule; to keep a higher token is this write's part
        if Fence(self.fence).admit(token)? == mint_types::Admitted::Raises {
            self.fence = Some(token);
        }
        self.shown = self.shown.max(Some(token));
        Ok(())
    }

    /// What decisions about a rotation need.
    pub fn load(&self, rotation: RotationId) -> ApplicationState {
        let wanted = |row: &&Rotation| row.id == rotation || row.state.is_open();
        ApplicationState {
            rotations: self.rotations.iter().filter(wanted).cloned().collect(),
            versions: self.versions.clone(),
            last: self.last.clone(),
            attempts: self.attempts.iter().map(|standing| standing.attempt.clone()).collect(),
            // every other end of the model's issuers is by name: a late one is harmless, and nobody waits for it
            end_calls: self.sets.iter().map(|(_, call)| call.clone()).collect(),
            revoking: Vec::new(),
        }
    }

    /// Opens the rotation, supersedes others, writes off, makes the intents durable; answers their number.
    pub fn begin_create(&mut self, ask: Ask, make: &Make, foreign: bool, ends: EndsOf, now: &Instant) -> u8 {
        let opens_foreign = plan::opens_foreign(&self.load(ask.rotation), ask.kind, foreign);
        self.open(ask, RotationState::Creating);
        if opens_foreign {
            self.versions.push(live(ask, Version::FOREIGN, Stage::Current));
            self.raise(ask.kind, Version::FOREIGN);
        }
        for row in self.rotations.iter_mut().filter(|row| make.supersedes.contains(&row.id)) {
            if matches!(row.state, RotationState::Creating | RotationState::Created) {
                row.state = RotationState::Superseded;
                forget_envelopes(row);
            }
        }
        self.numbers += 1;
        for object in plan::objects_made(ask.kind, ends) {
            if make.writes_off {
                let standing = self.attempts.iter_mut().filter(|standing| standing.attempt.object == object);
                standing.for_each(|standing| standing.attempt.state = Unsettled::Presumed);
            }
            if mutated(Mutation::NoIntent) {
                continue;
            }
            let attempt = Attempt { object, state: Unsettled::Sent, reason: None, sent: now.clone() };
            self.attempts.push(Standing { rotation: ask.rotation, number: self.numbers, attempt });
        }
        self.numbers
    }

    /// An attempt ended without a version: surely without effect, or with one that is lost.
    pub(crate) fn attempt_failed(
        &mut self,
        ask: Ask,
        object: IssuerObject,
        number: u8,
        failed: Option<Unsettled>,
        now: &Instant,
    ) {
        let is_it = |standing: &Standing| {
            standing.rotation == ask.rotation
                && standing.number == number
                && standing.attempt.object == object
        };
        match failed {
            None => self.attempts.retain(|standing| !is_it(standing)),
            Some(state) => {
                self.attempts.iter_mut().filter(|standing| is_it(standing)).for_each(|standing| {
                    standing.attempt.state = state;
                    if state == Unsettled::Sent {
                        standing.attempt.sent = now.clone();
                    }
                });
            }
        }
    }

    /// Stores what was made; false if the rotation was given up meanwhile.
    pub fn store_made(&mut self, ask: Ask, made: &Made, number: u8) -> bool {
        let creating = |row: &&mut Rotation| row.id == ask.rotation && row.state == RotationState::Creating;
        let Some(row) = self.rotations.iter_mut().find(creating) else { return false };
        row.state = RotationState::Created;
        row.made = Some(made.clone());
        self.versions.push(live(ask, made.version, Stage::Pending));
        self.raise(ask.kind, made.version);
        self.attempts.retain(|standing| standing.rotation != ask.rotation || standing.number != number);
        true
    }

    /// Accepts a receipt: the version becomes current, the overlap begins.
    pub fn deliver(&mut self, ask: Ask, now: &Instant) {
        let created = |row: &&mut Rotation| row.id == ask.rotation && row.state == RotationState::Created;
        let Some(row) = self.rotations.iter_mut().find(created) else { return };
        row.state = RotationState::Delivered;
        forget_envelopes(row);
        row.overlap.push(now.monotonic.clone());
        let objects = ask.kind.issuer_objects();
        for version in &mut self.versions {
            let shares = version.kind.issuer_objects().iter().any(|object| objects.contains(object));
            if shares && version.stage == Stage::Current {
                version.stage = Stage::Previous;
            }
        }
        let made = |version: &&mut LiveVersion| {
            version.rotation == ask.rotation
                && version.stage == Stage::Pending
                && version.version > Version::FOREIGN
        };
        self.versions.iter_mut().filter(made).for_each(|version| version.stage = Stage::Current);
    }

    /// Records that a destination has a value, which is the intent of setting it on these objects, and answers its number;
    /// none if the rotation was given up.
    pub fn first_write(&mut self, ask: Ask, objects: &[IssuerObject], now: &Instant) -> Option<u8> {
        let created = |row: &&mut Rotation| row.id == ask.rotation && row.state == RotationState::Created;
        let row = self.rotations.iter_mut().find(created)?;
        row.first_write.get_or_insert_with(|| now.clone());
        self.numbers += 1;
        let call = |object: &IssuerObject| EndCall { object: *object, sent: now.clone() };
        self.sets.extend(objects.iter().map(|object| (self.numbers, call(object))));
        Some(self.numbers)
    }

    /// A set was not answered: it may land for as long as a call lives from now on.
    pub fn set_unanswered(&mut self, number: u8, now: &Instant) {
        self.sets
            .iter_mut()
            .filter(|(known, _)| *known == number)
            .for_each(|(_, call)| call.sent = now.clone());
    }

    /// Records that the issuer has a value, which ends what was there.
    pub fn value_set(&mut self, ask: Ask, object: IssuerObject, number: u8) {
        self.sets.retain(|(known, call)| *known != number || call.object != object);
        self.end_on(ask, object);
        self.give_way(ask);
    }

    /// The rotation's version is current.
    fn give_way(&mut self, ask: Ask) {
        let objects = ask.kind.issuer_objects();
        for version in &mut self.versions {
            let shares = version.kind.issuer_objects().iter().any(|object| objects.contains(object));
            if shares && version.stage == Stage::Current && version.rotation != ask.rotation {
                version.stage = Stage::Previous;
            }
        }
        let made = |version: &&mut LiveVersion| {
            version.rotation == ask.rotation
                && version.stage == Stage::Pending
                && version.version > Version::FOREIGN
        };
        self.versions.iter_mut().filter(made).for_each(|version| version.stage = Stage::Current);
    }

    /// Begins to count the overlap on this boot.
    pub fn begin_overlap(&mut self, ask: Ask, now: &Instant) {
        if let Some(row) = self.rotations.iter_mut().find(|row| row.id == ask.rotation)
            && !row.overlap.iter().any(|began| began.boot == now.monotonic.boot)
        {
            row.overlap.push(now.monotonic.clone());
        }
    }

    /// Makes the intent of a commit durable; false without a receipt.
    pub fn begin_retire(&mut self, ask: Ask) -> bool {
        let ready = |row: &&mut Rotation| {
            row.id == ask.rotation && matches!(row.state, RotationState::Delivered | RotationState::Retiring)
        };
        let row = self.rotations.iter_mut().find(ready);
        row.map(|row| row.state = RotationState::Retiring).is_some()
    }

    /// Records an answered commit: what it ended, and what it swept.
    pub fn committed(&mut self, ask: Ask, object: IssuerObject) {
        if plan::awaits_answer(&self.load(ask.rotation), ask, object) {
            self.end_on(ask, object);
        }
    }

    /// Every other version that lives on an object is ended there.
    fn end_on(&mut self, ask: Ask, object: IssuerObject) {
        for ends in plan::ended_by(&self.load(ask.rotation), ask, object) {
            let ended =
                |version: &&mut LiveVersion| version.kind == ends.kind && version.version == ends.version;
            for version in self.versions.iter_mut().filter(ended) {
                match object {
                    IssuerObject::User => version.user_ended = true,
                    IssuerObject::Client => version.client_ended = true,
                }
                if ends.wholly {
                    version.stage = Stage::Ended;
                }
            }
        }
        self.versions.retain(|version| version.stage != Stage::Ended);
        self.attempts.retain(|standing| standing.attempt.object != object);
        for row in self.rotations.iter_mut().filter(|row| row.id == ask.rotation) {
            match object {
                IssuerObject::User => row.user_committed = true,
                IssuerObject::Client => row.client_committed = true,
            }
        }
    }

    /// Records that everything is committed.
    pub fn retired(&mut self, ask: Ask, retired: Option<Version>, now: &Instant) {
        if ask.kind == CredentialKind::PublicClient {
            self.versions.retain(|version| version.kind != ask.kind || version.rotation == ask.rotation);
        }
        let retiring = |row: &&mut Rotation| row.id == ask.rotation && row.state == RotationState::Retiring;
        if let Some(row) = self.rotations.iter_mut().find(retiring) {
            row.state = RotationState::Retired;
            row.retired = Some(RetiredRecord { version: retired, at: now.clone() });
        }
    }

    /// Records that the issuer was seen refusing the retired version.
    pub fn dead(&mut self, rotation: RotationId) {
        self.rotations.iter_mut().filter(|row| row.id == rotation).for_each(|row| row.proved_dead = true);
    }

    /// Gives a rotation up; one that is not known yet is written down as given up.
    pub fn abandon(&mut self, ask: Ask) {
        self.open(ask, RotationState::Abandoned);
        for row in self.rotations.iter_mut().filter(|row| row.id == ask.rotation) {
            if matches!(row.state, RotationState::Creating | RotationState::Created) {
                row.state = RotationState::Abandoned;
                forget_envelopes(row);
            }
        }
    }

    /// What accounts for what the issuer accepts: handles of live versions, and intents.
    pub fn accounts(&self) -> (Vec<(IssuerObject, String)>, Vec<IssuerObject>) {
        let mut handles = Vec::new();
        for version in &self.versions {
            let made = || {
                self.rotations.iter().find(|row| row.id == version.rotation).and_then(|row| row.made.as_ref())
            };
            for object in version.kind.issuer_objects().iter().filter(|object| version.lives_on(**object)) {
                let handle = match version.version {
                    Version::FOREIGN => Some(crate::payload::FOREIGN.to_string()),
                    _ => made().and_then(|made| made.handle_on(*object)).map(ToString::to_string),
                };
                handles.extend(handle.map(|handle| (*object, handle)));
            }
        }
        (handles, self.attempts.iter().map(|standing| standing.attempt.object).collect())
    }

    /// Forgets rotations that no call can ask about any more: nothing is open and nothing is on its way.
    pub fn forget_closed(&mut self) {
        self.sets.clear();
        let open: Vec<RotationId> = self.versions.iter().map(|version| version.rotation).collect();
        self.rotations.retain(|row| row.state.is_open() || open.contains(&row.id));
        for row in &mut self.rotations {
            if !row.state.is_open() {
                row.overlap.clear();
                row.retired = None;
                row.proved_dead = false;
            }
        }
    }

    /// The highest token that was ever let act, whether or not anybody kept it.
    pub fn highest(&self) -> FencingToken {
        self.shown.unwrap_or(FencingToken(0))
    }

    /// At a rest it does not matter which of the earlier tokens was seen.
    pub fn forget_tokens(&mut self, last: FencingToken) {
        self.fence = Some(last);
        self.shown = Some(last);
    }

    fn open(&mut self, ask: Ask, state: RotationState) {
        if self.rotations.iter().any(|row| row.id == ask.rotation) {
            return;
        }
        self.rotations.push(Rotation {
            id: ask.rotation,
            kind: ask.kind,
            state,
            made: None,
            overlap: Vec::new(),
            first_write: None,
            excused: false,
            user_committed: false,
            client_committed: false,
            retired: None,
            proved_dead: false,
            proofs: Proofs::default(),
            told: Told::default(),
        });
    }

    fn raise(&mut self, kind: CredentialKind, version: Version) {
        self.last.retain(|(known, last)| *known != kind || *last > version);
        if !self.last.iter().any(|(known, _)| *known == kind) {
            self.last.push((kind, version));
        }
    }
}

fn live(ask: Ask, version: Version, stage: Stage) -> LiveVersion {
    let (kind, rotation) = (ask.kind, ask.rotation);
    LiveVersion { kind, version, rotation, stage, user_ended: false, client_ended: false }
}

fn forget_envelopes(row: &mut Rotation) {
    if let Some(made) = &mut row.made {
        made.envelopes = None;
    }
}
