//! Whether the previous version may end, and what ends with it.

use std::time::Duration;

use mint_types::{CredentialKind, IssuerObject, Version};

use super::{Ask, Delivered, Rules, known, overlap, overlap_left};
use crate::Error;
use crate::state::{ApplicationState, Instant, RotationState};

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
