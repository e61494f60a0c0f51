//! Whether the ended version can be proved dead.

use std::time::Duration;

use mint_secret::Aad;
use mint_types::mutation::{Mutation, mutated};
use mint_types::{CredentialKind, Version};

use super::{Ask, Rules, known, objects_asked};
use crate::Error;
use crate::state::{ApplicationState, Instant, Rotation, RotationState};

/// How long the issuer may still accept what was retired.
pub fn grace(kind: CredentialKind, retired: Option<Version>, rules: &Rules) -> Duration {
    if retired.is_none() || mutated(Mutation::ProveBeforeGrace) {
        return Duration::ZERO;
    }
    objects_asked(kind).iter().map(|object| rules.ends.of(*object).grace()).max().unwrap_or_default()
}

/// How an ended version is proved dead, without locking its user out at an issuer that counts failed logins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proving {
    /// Whether a login is tried at all.
    pub by_login: bool,
    /// At most this many logins per ended version.
    pub attempts: u32,
}

/// So many logins may follow each other as the caller likes.
const FREE_LOGINS: u32 = 3;
/// After these, one login in this time.
const LOGIN_PAUSE: Duration = Duration::from_mins(10);

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
    /// It was seen alive, and no more logins are tried.
    Alive,
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
    if !rules.proving.by_login {
        return Ok(ProvePlan::NothingToProve);
    }
    let left = grace(ask.kind, Some(version), rules).saturating_sub(now.since(&retired.at));
    if !left.is_zero() {
        return Ok(ProvePlan::Wait(left));
    }
    another_login(rotation, version, rules, now)
}

fn another_login(
    rotation: &Rotation,
    version: Version,
    rules: &Rules,
    now: &Instant,
) -> Result<ProvePlan, Error> {
    let proofs = &rotation.proofs;
    if proofs.logins >= rules.proving.attempts {
        let logins = proofs.logins;
        return if proofs.alive { Ok(ProvePlan::Alive) } else { Err(Error::ProofGivenUp { logins }) };
    }
    let last = proofs.last.as_ref().filter(|_| proofs.logins >= FREE_LOGINS);
    let left = last.map_or(Duration::ZERO, |last| LOGIN_PAUSE.saturating_sub(now.since(last)));
    if left.is_zero() { Ok(ProvePlan::Login(version)) } else { Ok(ProvePlan::Wait(left)) }
}

/// Whether a probe envelope is the one of the version that is asked about. The rest (purpose, application) was checked when it
/// was opened.
pub fn check_probe(aad: &Aad, kind: CredentialKind, version: Version) -> Result<(), Error> {
    if aad.subject.kind != kind {
        return Err(Error::EnvelopeInvalid("it is for another kind".to_owned()));
    }
    if aad.subject.version != version {
        let problem =
            format!("it is for version {}, and version {version} is asked about", aad.subject.version);
        return Err(Error::EnvelopeInvalid(problem));
    }
    Ok(())
}
