//! Whether the ended version can be proved dead.

use std::time::Duration;

use mint_secret::Aad;
use mint_types::{CredentialKind, Version};

use super::{Ask, Rules, known};
use crate::Error;
use crate::state::{ApplicationState, Instant, RotationState};

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
