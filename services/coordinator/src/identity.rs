//! Sees to an application's identity and what it leaves behind: never per rotation, only when a fact changed that it
//! depends on.

use mint_saga::{Failure, Trouble, reason};
use mint_types::{Presence, Timestamp};

use crate::burst::Burst;
use crate::desk::{Desk, IdentityPhase, Standing};
use crate::error::BurstError;
use crate::plan::IdentityStep;
use crate::policy::Parts;
use crate::ports::{Call, Disabled, Ensured, Removing};
use crate::removal::{self, Answered, NotOverwritten, Objects, Removal, after_overwriting};
use crate::steps;

const SERVICE: &str = "identity-provisioner";

/// Whether credentials can be made for it.
pub(crate) fn is_usable(standing: &Standing) -> bool {
    standing.identity == IdentityPhase::Enabled
}

/// Performs a step; answers how the identity stands then.
pub(crate) async fn settle(
    burst: &Burst<'_>,
    call: &Call,
    step: IdentityStep,
    desk: &Desk,
) -> Result<Standing, BurstError> {
    if let IdentityStep::Overwrite | IdentityStep::Clear = step {
        return overwrite(burst, call, step, &desk.standing).await;
    }
    let parts = burst.parts;
    match perform(burst, call, step, desk).await? {
        Ok(standing) => Ok(standing),
        Err(failure) => {
            steps::heed(parts, &call.application, &failure).await?;
            tracing::warn!(?step, code = %failure.reason, detail = %failure.detail, "the identity is not as it should be");
            Ok(refused(parts, step, &failure, desk.standing.clone()))
        }
    }
}

/// What a refusal teaches besides that it was one.
fn refused(parts: &Parts, step: IdentityStep, failure: &Failure, before: Standing) -> Standing {
    match (failure.reason.as_str(), failure.retry_after) {
        (reason::TOMBSTONE_NOT_PASSED, Some(remaining)) => return resting(parts, before, remaining),
        (reason::IDENTITY_NOT_DISABLED, _) => return in_use_still(before),
        _ => {}
    }
    let trouble = trouble(parts, before.trouble.as_ref(), failure);
    // whoever came too late to restore it can only ask for a new one
    let is_deleted = step == IdentityStep::Restore && failure.is(reason::IDENTITY_DELETED);
    let identity = if is_deleted { IdentityPhase::Deleted } else { before.identity };
    Standing { identity, trouble: Some(trouble), ..before }
}

/// The executor's clock decides when the tombstone period is over.
fn resting(parts: &Parts, mut before: Standing, remaining: std::time::Duration) -> Standing {
    let until = parts.clock.now().plus(remaining);
    if let Some(removal) = before.removal.as_mut() {
        removal.tombstone_until = until;
        removal.trouble = None;
    }
    before
}

/// Somebody gave it its scopes back: the removal begins anew.
fn in_use_still(before: Standing) -> Standing {
    Standing { identity: IdentityPhase::Enabled, removal: None, trouble: None, ..before }
}

fn trouble(parts: &Parts, before: Option<&Trouble>, failure: &Failure) -> Trouble {
    let attempts = before.map_or(0, |trouble| trouble.attempts).saturating_add(1);
    let failures = std::slice::from_ref(failure);
    let delay = steps::delay(parts, failures, attempts);
    Trouble::after(before, failures, None, parts.clock.now(), delay)
}

async fn perform(
    burst: &Burst<'_>,
    call: &Call,
    step: IdentityStep,
    desk: &Desk,
) -> Result<Result<Standing, Failure>, BurstError> {
    let (parts, before) = (burst.parts, desk.standing.clone());
    let identities = &parts.identities;
    let answer = match step {
        IdentityStep::Disable => {
            let answer = steps::bounded(parts, SERVICE, identities.disable(call)).await;
            answer.map(|answer| disabled(answer, before, parts.clock.now()))
        }
        IdentityStep::Delete => {
            let answer = steps::bounded(parts, SERVICE, identities.delete(call)).await;
            answer.map(|()| Standing {
                identity: IdentityPhase::Deleted,
                trouble: None,
                unaccounted: Vec::new(),
                ..before
            })
        }
        IdentityStep::Restore => {
            let restored = steps::bounded(parts, SERVICE, identities.restore(call)).await;
            match restored {
                Ok(restored) if desk.record.presence == Presence::Held => {
                    Ok(ensured(desk, &restored, parts.clock.now()))
                }
                // the same identity; whether it is the same user, too, only Ensure says
                Ok(_) => {
                    burst.keep_lease().await?;
                    let answer = steps::bounded(parts, SERVICE, identities.ensure(call)).await;
                    answer.map(|answer| ensured(desk, &answer, parts.clock.now()))
                }
                Err(failure) => Err(failure),
            }
        }
        IdentityStep::Ensure => {
            let answer = steps::bounded(parts, SERVICE, identities.ensure(call)).await;
            answer.map(|answer| ensured(desk, &answer, parts.clock.now()))
        }
        IdentityStep::Overwrite | IdentityStep::Clear => {
            return Err(BurstError::Impossible("objects are no identity"));
        }
    };
    Ok(answer)
}

/// It lost its scopes, if it was there.
fn disabled(answer: Disabled, before: Standing, now: Timestamp) -> Standing {
    if !answer.existed {
        return Standing { identity: IdentityPhase::Unknown, removal: None, trouble: None, ..before };
    }
    let removal = Removal {
        tombstone_until: answer.tombstone_until.unwrap_or(now),
        objects: Objects::Kept,
        trouble: None,
    };
    Standing { identity: IdentityPhase::Disabled, removal: Some(removal), trouble: None, ..before }
}

/// The identity is in use as the catalog says.
pub(crate) fn ensured(desk: &Desk, ensured: &Ensured, now: Timestamp) -> Standing {
    let before = &desk.standing;
    let incarnation = ensured.incarnation.unwrap_or(before.incarnation).max(before.incarnation);
    // another user of the same name knows none of its predecessor's credentials
    let lost =
        if incarnation > before.incarnation { removal::losing(desk, |_| true) } else { before.lost.clone() };
    Standing {
        identity: IdentityPhase::Enabled,
        // an answer that names an older fact than we asked for would be asked for again at once, for ever
        ensured: ensured.applied.max(desk.record.identity_revision),
        ensured_with: desk.record.revision,
        client_id: Some(ensured.client_id.clone()).filter(|id| !id.is_empty()),
        trouble: waiting_for_a_word(before.trouble.as_ref(), ensured, now),
        client_type_waits: ensured.unconfirmed_client_type.unwrap_or(before.client_type_waits),
        look_again_at: ensured.look_again_after.map(|left| now.plus(left)),
        incarnation,
        removal: None,
        clearing: before.clearing.clone(),
        lost,
        unaccounted: before.unaccounted.clone(),
        checks: before.checks.clone(),
    }
}

/// Everything else of the user is as it should be: a problem for people, and no failure that counts.
fn waiting_for_a_word(before: Option<&Trouble>, ensured: &Ensured, now: Timestamp) -> Option<Trouble> {
    let of_url = ensured.unconfirmed_redirect.as_ref().map(|url| {
        let asked = if url.is_empty() { "the settings ask for none" } else { url };
        let detail = format!("the client keeps its redirect URL; unconfirmed: {asked}");
        Failure::new("REDIRECT_URL_UNCONFIRMED", detail)
    });
    let of_type = (ensured.unconfirmed_client_type == Some(true)).then(|| {
        let detail = "the client stays what it is, with or without a secret, and is not rotated meanwhile";
        Failure::new("CLIENT_TYPE_UNCONFIRMED", detail)
    });
    let failures: Vec<Failure> = of_url.into_iter().chain(of_type).collect();
    if failures.is_empty() {
        return None;
    }
    let trouble = Trouble::after(before, &failures, None, now, std::time::Duration::ZERO);
    Some(Trouble { attempts: 1, ..trouble })
}

/// Has objects overwritten: counted and permitted by one executor, done by the other.
async fn overwrite(
    burst: &Burst<'_>,
    call: &Call,
    step: IdentityStep,
    before: &Standing,
) -> Result<Standing, BurstError> {
    let parts = burst.parts;
    let removing = if step == IdentityStep::Clear { Removing::Destinations } else { Removing::Application };
    let answered = match steps::bounded(parts, SERVICE, parts.identities.permit(call, removing)).await {
        Ok(permit) => {
            burst.keep_lease().await?;
            let answer =
                steps::bounded(parts, "distributor", parts.distributor.tombstone(call, &permit)).await;
            answer.map(removal::answered)
        }
        Err(failure) => Err(failure),
    };
    let (failure, is_final) = match answered {
        Ok(Answered::All) => (None, true),
        Ok(Answered::Some { failure, is_final }) => (Some(failure), is_final),
        Err(failure) => {
            steps::heed(parts, &call.application, &failure).await?;
            (Some(failure), false)
        }
    };
    if let Some(failure) = &failure {
        tracing::warn!(?step, code = %failure.reason, detail = %failure.detail, "objects are not overwritten");
    }
    Ok(if step == IdentityStep::Clear {
        cleared(parts, call, before.clone(), failure.as_ref())
    } else {
        overwritten(parts, before.clone(), failure.as_ref(), is_final)
    })
}

fn cleared(parts: &Parts, call: &Call, mut standing: Standing, failure: Option<&Failure>) -> Standing {
    // if nothing is removed any more, the record that says so is on its way
    let failure = failure.filter(|failure| !failure.is("NOTHING_REMOVED"));
    let clearing = &mut standing.clearing;
    clearing.trouble = failure.map(|failure| trouble(parts, clearing.trouble.as_ref(), failure));
    if failure.is_none() {
        clearing.done = call.revision;
    }
    standing
}

fn overwritten(parts: &Parts, mut standing: Standing, failure: Option<&Failure>, is_final: bool) -> Standing {
    let Some(removal) = standing.removal.clone() else { return standing };
    match failure.map(|failure| (failure.reason.as_str(), failure.retry_after)) {
        Some((reason::TOMBSTONE_NOT_PASSED, Some(remaining))) => return resting(parts, standing, remaining),
        Some((reason::IDENTITY_NOT_DISABLED, _)) => return in_use_still(standing),
        _ => {}
    }
    let delete_at = parts.clock.now().plus(parts.policy.min_overlap);
    let trouble = failure.map(|failure| NotOverwritten {
        trouble: trouble(parts, removal.trouble.as_ref(), failure),
        are_unreached: failure.is(reason::OBJECTS_NOT_OVERWRITTEN),
        is_final,
    });
    standing.removal = Some(after_overwriting(&removal, trouble, delete_at));
    standing
}
