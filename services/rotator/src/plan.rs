//! Every decision, as a function of the ledger's state, the request and the clocks; nothing here acts.

use std::time::Duration;

use mint_secret::{Aad, Receipt};
use mint_types::{Application, CredentialKind, IssuerObject, Presence, RotationId, Version};

use crate::Error;
use crate::state::{
    ApplicationState, Attempt, Instant, LiveVersion, Made, Rotation, RotationState, Unsettled,
};

/// At most this many calls without a known outcome may stand on an issuer object: each may be one more live version.
pub const MOST_UNRESOLVED: usize = 2;

/// The rules in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How long consumers have to take over a new version.
    pub min_overlap: Duration,
    /// The same where Mint does not know who uses the previous version.
    pub max_overlap: Duration,
    /// How long the issuer accepts older passwords after a commit.
    pub password_grace: Duration,
    /// How long a call may take effect after it was sent.
    pub request_life: Duration,
    /// How long unresolved calls hold up the next Create before they are written off.
    pub unresolved_hold: Duration,
    /// How long to wait before a refused login with a fresh version is repeated, once.
    pub login_pause: Duration,
}

/// Which rotation of what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// The idempotency key.
    pub rotation: RotationId,
    /// Which credential.
    pub kind: CredentialKind,
}

/// What Create is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreatePlan {
    /// It is done: answer the same again.
    Answer(Box<Made>),
    /// Make a version.
    Make(Make),
}

/// How to make a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Make {
    /// The number of the new version.
    pub version: Version,
    /// What it replaces.
    pub previous: Option<Version>,
    /// Open rotations that this one supersedes.
    pub supersedes: Vec<RotationId>,
    /// Whether unresolved calls are written off: presumed to have made something that the next commit sweeps.
    pub writes_off: bool,
}

/// Whether a version is to be made.
pub fn create(state: &ApplicationState, ask: Ask, rules: &Rules, now: &Instant) -> Result<CreatePlan, Error> {
    if let Some(rotation) = state.rotation(ask.rotation)
        && let Some(made) = already_created(rotation, ask)?
    {
        return Ok(CreatePlan::Answer(Box::new(made)));
    }
    let objects = ask.kind.issuer_objects();
    let mut supersedes = Vec::new();
    for other in state.rotations.iter().filter(|other| other.id != ask.rotation && other.state.is_open()) {
        if !objects.iter().any(|object| other.kind.issuer_objects().contains(object)) {
            continue;
        }
        match other.state {
            RotationState::Delivered | RotationState::Retiring => {
                return Err(Error::RotationOpen { open: other.id, kind: other.kind });
            }
            _ => supersedes.push(other.id),
        }
    }
    let writes_off = check_attempts(state, ask.kind, rules, now)?;
    Ok(CreatePlan::Make(Make {
        version: Version::after(state.last_of(ask.kind), now.wall),
        previous: previous_of(state, ask),
        supersedes,
        writes_off,
    }))
}

/// What the rotation made, if it is still to be answered; none if it is yet to be made.
fn already_created(rotation: &Rotation, ask: Ask) -> Result<Option<Made>, Error> {
    belongs(rotation, ask)?;
    let closed = |advice| Err(Error::RotationClosed { state: rotation.state.as_str(), advice });
    match (rotation.state, &rotation.made) {
        (RotationState::Creating, _) => Ok(None),
        (RotationState::Created, Some(made)) => Ok(Some(made.clone())),
        (RotationState::Created, None) => closed("the ledger is damaged: begin a new rotation"),
        (RotationState::Delivered | RotationState::Retiring | RotationState::Retired, _) => {
            closed("its envelopes are forgotten since the receipt was accepted; go on with Retire and Prove")
        }
        (RotationState::Abandoned | RotationState::Superseded, _) => closed("begin a new rotation"),
    }
}

fn belongs(rotation: &Rotation, ask: Ask) -> Result<(), Error> {
    if rotation.kind == ask.kind { Ok(()) } else { Err(Error::RotationMismatch(rotation.id)) }
}

/// The newest version of this kind that was delivered.
fn previous_of(state: &ApplicationState, ask: Ask) -> Option<Version> {
    let others =
        state.versions.iter().filter(|version| version.kind == ask.kind && version.rotation != ask.rotation);
    others
        .filter(|version| version.stage == crate::state::Stage::Current)
        .map(|version| version.version)
        .max()
        .filter(|version| *version != Version::FOREIGN)
}

/// Refuses while a call may still take effect, and while too many unresolved ones stand; answers whether they are to
/// be written off, which happens once they stood for the hold time.
fn check_attempts(
    state: &ApplicationState,
    kind: CredentialKind,
    rules: &Rules,
    now: &Instant,
) -> Result<bool, Error> {
    let mut writes_off = false;
    for object in objects_asked(kind) {
        let standing: Vec<&Attempt> = state
            .attempts
            .iter()
            .filter(|attempt| attempt.object == *object && attempt.state != Unsettled::Presumed)
            .collect();
        let Some(youngest) = standing.iter().map(|attempt| now.since(&attempt.sent)).min() else {
            continue;
        };
        let in_flight = standing
            .iter()
            .filter(|attempt| attempt.state == Unsettled::Sent)
            .map(|attempt| rules.request_life.saturating_sub(now.since(&attempt.sent)))
            .max()
            .unwrap_or_default();
        if !in_flight.is_zero() {
            return Err(Error::EarlierCallMayLand { retry_after: in_flight });
        }
        if standing.len() < MOST_UNRESOLVED {
            continue;
        }
        let hold = rules.unresolved_hold.saturating_sub(youngest);
        if !hold.is_zero() {
            let last = standing.iter().min_by_key(|attempt| now.since(&attempt.sent));
            let last_reason = last.and_then(|attempt| attempt.reason.clone());
            return Err(Error::TooManyUnresolved {
                standing: standing.len(),
                last_reason: last_reason.unwrap_or_else(|| "ISSUER_UNKNOWN_OUTCOME".to_owned()),
                retry_after: hold,
            });
        }
        writes_off = true;
    }
    Ok(writes_off)
}

/// The objects on which a kind makes the issuer produce something: a public client has nothing to produce.
pub fn objects_asked(kind: CredentialKind) -> &'static [IssuerObject] {
    match kind {
        CredentialKind::Password | CredentialKind::Client | CredentialKind::Combined => kind.issuer_objects(),
        CredentialKind::PublicClient => &[],
    }
}

/// Whether the catalog's record asks for this credential, and the identity that the issuer knows.
pub fn check_record(record: &Application, kind: CredentialKind) -> Result<&mint_types::Identity, Error> {
    if !record.active || record.presence == Presence::Held {
        return Err(Error::NotActive(record.id.clone()));
    }
    let settings = record.settings.as_ref().filter(|settings| !settings.buckets.is_empty());
    let settings = settings.ok_or_else(|| Error::NoDestination(record.id.clone()))?;
    if !settings.kinds().contains(&kind) {
        return Err(Error::SettingsChanged { application: record.id.clone(), kind });
    }
    record.identity.as_ref().ok_or_else(|| Error::IdentityMissing(record.id.clone()))
}

/// Whether the ledger opens with a foreign version: the identity was there before Mint, and the ledger knows nothing yet
/// of what the new version replaces.
pub fn opens_foreign(state: &ApplicationState, kind: CredentialKind, identity_is_foreign: bool) -> bool {
    let known = |object: &IssuerObject| state.ever_had(*object);
    identity_is_foreign && !objects_asked(kind).is_empty() && !kind.issuer_objects().iter().any(known)
}

/// How long consumers of what a rotation replaces have: nothing where it replaces nothing or ends nothing.
pub fn overlap(state: &ApplicationState, ask: Ask, rules: &Rules) -> Duration {
    let mut replaced = replaced_by(state, ask).peekable();
    if replaced.peek().is_none() {
        Duration::ZERO
    } else if replaced.any(|version| version.version == Version::FOREIGN) {
        rules.max_overlap
    } else {
        rules.min_overlap
    }
}

/// The live versions that a rotation's commits end. Pending ones count: some destination may have them.
fn replaced_by(state: &ApplicationState, ask: Ask) -> impl Iterator<Item = &LiveVersion> {
    let objects = objects_asked(ask.kind);
    state
        .versions
        .iter()
        .filter(move |version| version.rotation != ask.rotation || version.version == Version::FOREIGN)
        .filter(move |version| objects.iter().any(|object| version.lives_on(*object)))
}

/// Proof that a receipt for a version was accepted; the issuer's commits take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    version: Version,
}

impl Delivered {
    /// The version that every destination has.
    pub fn version(&self) -> Version {
        self.version
    }
}

/// What AcceptReceipt is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcceptPlan {
    /// It was accepted before.
    Accepted,
    /// Verify it; it must be about this.
    Verify(Box<Made>),
}

/// Whether a receipt is to be looked at.
pub fn accept(state: &ApplicationState, ask: Ask) -> Result<AcceptPlan, Error> {
    let rotation = known(state, ask)?;
    match (rotation.state, &rotation.made) {
        (RotationState::Created, Some(made)) => Ok(AcceptPlan::Verify(Box::new(made.clone()))),
        (RotationState::Delivered | RotationState::Retiring | RotationState::Retired, _) => {
            Ok(AcceptPlan::Accepted)
        }
        (RotationState::Creating | RotationState::Created, _) => {
            Err(Error::ReceiptInvalid("the rotation has made nothing yet".to_owned()))
        }
        (RotationState::Abandoned | RotationState::Superseded, _) => {
            Err(Error::RotationClosed { state: rotation.state.as_str(), advice: "begin a new rotation" })
        }
    }
}

/// Whether a verified receipt is the one of this rotation.
pub fn check_receipt(
    receipt: &Receipt,
    application: &mint_types::ApplicationId,
    ask: Ask,
    made: &Made,
) -> Result<Delivered, Error> {
    let differs = |what: &str| Err(Error::ReceiptInvalid(format!("it is for another {what}")));
    if receipt.application != *application {
        return differs("application");
    }
    if receipt.kind != ask.kind {
        return differs("kind");
    }
    if receipt.rotation != ask.rotation {
        return differs("rotation");
    }
    if receipt.version != made.version {
        return differs("version");
    }
    if receipt.envelope != made.digest {
        return differs("envelope");
    }
    Ok(Delivered { version: made.version })
}

/// How long Retire is still refused; none if this boot has not begun to count.
pub fn overlap_left(
    state: &ApplicationState,
    ask: Ask,
    rules: &Rules,
    now: &Instant,
) -> Result<Option<Duration>, Error> {
    let rotation = known(state, ask)?;
    if rotation.state == RotationState::Retired {
        return Ok(Some(Duration::ZERO));
    }
    let overlap = overlap(state, ask, rules);
    if overlap.is_zero() {
        return Ok(Some(Duration::ZERO));
    }
    let elapsed = rotation.overlap.iter().find_map(|began| now.monotonic.since(began));
    Ok(elapsed.map(|elapsed| overlap.saturating_sub(elapsed)))
}

/// What Retire is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetirePlan {
    /// It is done: answer the same again.
    Retired(Option<Version>),
    /// This boot has not begun to count the overlap: begin, and refuse.
    BeginOverlap(Duration),
    /// Send these commits, in this order, then write that it is done.
    Commit {
        /// The receipt was accepted.
        delivered: Delivered,
        /// What is still to be committed.
        commits: Vec<Commit>,
        /// The version of the same kind that ends.
        retires: Option<Version>,
    },
}

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// On which object.
    pub object: IssuerObject,
    /// The handle that Create got.
    pub txid: String,
}

/// Whether the previous version may end.
pub fn retire(state: &ApplicationState, ask: Ask, rules: &Rules, now: &Instant) -> Result<RetirePlan, Error> {
    let rotation = known(state, ask)?;
    match rotation.state {
        RotationState::Retired => {
            return Ok(RetirePlan::Retired(rotation.retired.as_ref().and_then(|retired| retired.version)));
        }
        RotationState::Creating | RotationState::Created => return Err(Error::ReceiptMissing),
        RotationState::Abandoned | RotationState::Superseded => {
            return Err(Error::RotationClosed {
                state: rotation.state.as_str(),
                advice: "begin a new rotation",
            });
        }
        RotationState::Delivered | RotationState::Retiring => {}
    }
    match overlap_left(state, ask, rules, now)? {
        None => return Ok(RetirePlan::BeginOverlap(overlap(state, ask, rules))),
        Some(left) if !left.is_zero() => return Err(Error::OverlapNotPassed { retry_after: left }),
        Some(_) => {}
    }
    let made = rotation.made.as_ref().ok_or(Error::ReceiptMissing)?;
    let password = made.password_txid.as_ref().filter(|_| !rotation.user_committed);
    let client = made.client_txid.as_ref().filter(|_| !rotation.client_committed);
    let commit = |object, txid: &String| Commit { object, txid: txid.clone() };
    let commits = password
        .map(|txid| commit(IssuerObject::User, txid))
        .into_iter()
        .chain(client.map(|txid| commit(IssuerObject::Client, txid)))
        .collect();
    let retires = made.previous.filter(|_| ask.kind != CredentialKind::PublicClient);
    Ok(RetirePlan::Commit { delivered: Delivered { version: made.version }, commits, retires })
}

/// A version that a commit ends on an object, and whether nothing of it is left alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends {
    /// Which credential.
    pub kind: CredentialKind,
    /// Which version.
    pub version: Version,
    /// Whether it is ended as a whole.
    pub wholly: bool,
}

/// What a rotation's commit on an object ends: every other version that lives there.
pub fn ended_by(state: &ApplicationState, ask: Ask, object: IssuerObject) -> Vec<Ends> {
    let others = state
        .versions
        .iter()
        .filter(|version| version.rotation != ask.rotation || version.version == Version::FOREIGN)
        .filter(|version| version.lives_on(object));
    others
        .map(|version| Ends {
            kind: version.kind,
            version: version.version,
            wholly: version
                .kind
                .issuer_objects()
                .iter()
                .all(|other| *other == object || !version.lives_on(*other)),
        })
        .collect()
}

/// How long the issuer may still accept what was retired.
pub fn grace(kind: CredentialKind, retired: Option<Version>, rules: &Rules) -> Duration {
    if retired.is_none() {
        return Duration::ZERO;
    }
    match kind {
        CredentialKind::Password | CredentialKind::Combined => rules.password_grace,
        // the commit of a client ends all others at once
        CredentialKind::Client | CredentialKind::PublicClient => Duration::ZERO,
    }
}

/// What Prove is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProvePlan {
    /// Nothing of ours ended.
    NothingToProve,
    /// It was seen dead before.
    Dead,
    /// The issuer may still accept it.
    Wait(Duration),
    /// Log in with this version.
    Login(Version),
}

/// Whether the ended version can be proved dead now.
pub fn prove(state: &ApplicationState, ask: Ask, rules: &Rules, now: &Instant) -> Result<ProvePlan, Error> {
    let rotation = known(state, ask)?;
    let advice = "Prove comes after Retire";
    let Some(retired) = rotation.retired.as_ref().filter(|_| rotation.state == RotationState::Retired) else {
        return Err(Error::RotationClosed { state: rotation.state.as_str(), advice });
    };
    let Some(version) = retired.version else {
        return Ok(ProvePlan::NothingToProve);
    };
    if rotation.proved_dead {
        return Ok(ProvePlan::Dead);
    }
    let left = grace(ask.kind, Some(version), rules).saturating_sub(now.since(&retired.at));
    if left.is_zero() { Ok(ProvePlan::Login(version)) } else { Ok(ProvePlan::Wait(left)) }
}

/// Whether a probe envelope is the one of the version that this rotation ended. The rest (purpose, application) was
/// checked when it was opened.
pub fn check_probe(aad: &Aad, ask: Ask, version: Version) -> Result<(), Error> {
    if aad.subject.kind != ask.kind {
        return Err(Error::EnvelopeInvalid("it is for another kind".to_owned()));
    }
    if aad.subject.version != version {
        let problem = format!("it is for version {}, but version {version} ended", aad.subject.version);
        return Err(Error::EnvelopeInvalid(problem));
    }
    Ok(())
}

/// What Abandon is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbandonPlan {
    /// It is given up already.
    Abandoned,
    /// Write that it is given up.
    Abandon,
}

/// Whether a rotation can be given up: not once its receipt is accepted.
pub fn abandon(state: &ApplicationState, ask: Ask) -> Result<AbandonPlan, Error> {
    let Some(rotation) = state.rotation(ask.rotation) else {
        // a Create that is still on its way must find it given up
        return Ok(AbandonPlan::Abandon);
    };
    belongs(rotation, ask)?;
    match rotation.state {
        RotationState::Creating | RotationState::Created => Ok(AbandonPlan::Abandon),
        RotationState::Abandoned | RotationState::Superseded => Ok(AbandonPlan::Abandoned),
        RotationState::Delivered | RotationState::Retiring | RotationState::Retired => {
            Err(Error::RotationClosed {
                state: rotation.state.as_str(),
                advice: "its version is delivered: go on with Retire, or supersede it by the next rotation",
            })
        }
    }
}

fn known(state: &ApplicationState, ask: Ask) -> Result<&Rotation, Error> {
    let rotation = state.rotation(ask.rotation).ok_or(Error::RotationUnknown(ask.rotation))?;
    belongs(rotation, ask)?;
    Ok(rotation)
}

#[cfg(test)]
mod tests;
