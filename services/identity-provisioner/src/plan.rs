//! What has to be done. Pure: what is known and what the catalog says in, the next step out.

use std::time::Duration;

use mint_statement::Removal;
use mint_types::mutation::{Mutation, mutated};
use mint_types::{Application, Presence, Revision, Scope, Timestamp};

use crate::model::{Known, Naming, Stage, Stray};

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it is as it should be.
    Answer,
    /// The issuer did it; the catalog or the audit log may not know.
    Settle,
    /// The issuer has to be asked.
    Act {
        /// Whether something is taken away, which the budget must allow.
        takes: Option<Taking>,
    },
    /// There is nothing to do it to.
    Nobody,
}

/// What is taken away, by the name in the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taking {
    /// Every scope.
    Disable,
    /// The identity.
    Delete,
    /// Some scopes.
    Scopes,
    /// Every object of a retired application.
    Tombstone,
    /// The objects where the settings no longer deliver.
    Destinations,
}

impl Taking {
    /// The name in the books.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Delete => "delete",
            Self::Scopes => "scopes",
            Self::Tombstone => "tombstone",
            Self::Destinations => "destinations",
        }
    }
}

/// Why it is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The registry no longer has it.
    #[error("the registry no longer has the application; nothing of it is changed until somebody decides")]
    Missing,
    /// It is retired.
    #[error("the application is not active")]
    Inactive,
    /// Whoever asks is not believed that an application in use is to lose its identity.
    #[error("the registry says that the application is active: nothing is taken from it")]
    Active,
    /// A scope that nobody may have.
    #[error("the scope {0} is reserved: the owner has to remove it from the settings")]
    Reserved(Scope),
    /// It existed before, and nobody entered what it is to keep.
    #[error(
        "the user {0} existed before Mint, and nobody entered settings: Mint would take its scopes and redirect URLs; enter \
         those that it has today"
    )]
    SettingsMissing(String),
    /// It has to be disabled first.
    #[error("the identity is not disabled: only a disabled one is deleted")]
    NotDisabled,
    /// It was never made, or is gone.
    #[error("there is no identity of this application")]
    Nobody,
    /// It was deleted, and its name may since have meant something else.
    #[error(
        "the identity was deleted: a name is not used again before two operators release it by name, with \
         `mint registry release --acts 1 --application <id>`"
    )]
    Deleted,
    /// It is still restorable.
    #[error("the identity stays restorable for another {} s", remaining.as_secs())]
    TombstoneNotPassed {
        /// For how long.
        remaining: Duration,
    },
    /// Nothing was removed from the settings.
    #[error("the settings in force have no removed destination")]
    NothingRemoved,
    /// There is no such user at the issuer.
    #[error("the issuer has no such user")]
    NoUser,
    /// A removal that an operator asked for is under way.
    #[error("an operator had the user removed before it was the application's: the removal may take effect for another {} s", remaining.as_secs())]
    BeingRemoved {
        /// For how long.
        remaining: Duration,
    },
    /// It is not under our prefix.
    #[error("the user does not have our prefix: Mint never touches it")]
    NotOurs,
    /// It is no orphan.
    #[error("the user belongs to an application of the catalog: retire that instead")]
    Belongs,
}

impl Refusal {
    /// The stable reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "APPLICATION_MISSING",
            Self::Inactive => "APPLICATION_INACTIVE",
            Self::Active => "APPLICATION_ACTIVE",
            Self::Reserved(_) => "SCOPE_RESERVED",
            Self::SettingsMissing(_) => "FOREIGN_USER_WITHOUT_SETTINGS",
            Self::NotDisabled => "IDENTITY_NOT_DISABLED",
            Self::Nobody => "IDENTITY_UNKNOWN",
            Self::Deleted => "IDENTITY_DELETED",
            Self::TombstoneNotPassed { .. } => "TOMBSTONE_NOT_PASSED",
            Self::NothingRemoved => "NOTHING_REMOVED",
            Self::NoUser => "USER_UNKNOWN",
            Self::BeingRemoved { .. } => "USER_BEING_REMOVED",
            Self::NotOurs => "USER_NOT_OURS",
            Self::Belongs => "USER_NOT_ORPHANED",
        }
    }
}

/// The user and client are to exist as the catalog says.
pub fn ensure(known: Option<&Known>, application: &Application, naming: &Naming) -> Result<Step, Refusal> {
    changeable(application)?;
    useful(known, application, naming)
}

/// What Ensure and Restore share: the application is in use and asks for nothing that nobody may have.
fn useful(known: Option<&Known>, application: &Application, naming: &Naming) -> Result<Step, Refusal> {
    if !application.active {
        return Err(Refusal::Inactive);
    }
    if known.is_some_and(|known| may_be_deleted(known) && !known.released) {
        return Err(Refusal::Deleted);
    }
    let wanted = wanted_scopes(application);
    if let Some(reserved) = wanted.iter().find(|scope| naming.reserved_scopes.contains(scope)) {
        return Err(Refusal::Reserved(reserved.clone()));
    }
    let up_to_date = |known: &Known| {
        known.is_surely(Stage::Enabled)
            && is_applied(known, application.identity_revision)
            && known.client_id.is_some()
            && known.username == naming.username(&application.id)
    };
    match known {
        Some(known) if up_to_date(known) && known.settled => Ok(Step::Answer),
        Some(known) if up_to_date(known) => Ok(Step::Settle),
        Some(known) => Ok(put_again(known, application)),
        None => Ok(Step::Act { takes: None }),
    }
}

/// The user is put as the catalog has it now: whatever scope it has and is no longer to have is taken away.
pub fn put_again(known: &Known, application: &Application) -> Step {
    let wanted = wanted_scopes(application);
    Step::Act { takes: known.scopes.iter().any(|scope| !wanted.contains(scope)).then_some(Taking::Scopes) }
}

/// An existing user is to become the application's.
pub fn adopt(known: Option<&Known>, application: &Application, naming: &Naming) -> Result<Step, Refusal> {
    ensure(known, application, naming)
}

/// What enabling a user takes from it, beyond what Mint itself gave. The first `PUT` on a user that existed before replaces
/// what somebody else gave, and no driver can say what that was: it may take something.
pub fn takes_over(
    known: Option<&Known>,
    application: &Application,
    username: &str,
    foreign: bool,
) -> Result<Option<Taking>, Refusal> {
    let was_put =
        |known: &Known| known.username == username && matches!(known.stage, Stage::Enabled | Stage::Disabled);
    if !foreign || known.is_some_and(was_put) {
        return Ok(None);
    }
    if application.settings_generation == 0 {
        return Err(Refusal::SettingsMissing(username.to_owned()));
    }
    Ok(Some(Taking::Scopes))
}

/// The user and client are to have their scopes back, within the tombstone period. Unlike Ensure this concerns an
/// application that the registry lost, too: an operator decided, and the catalog says that it is in use.
pub fn restore(known: Option<&Known>, application: &Application, naming: &Naming) -> Result<Step, Refusal> {
    match known {
        None => Err(Refusal::Nobody),
        Some(known) if may_be_deleted(known) => Err(Refusal::Deleted),
        Some(known) => useful(Some(known), application, naming),
    }
}

/// The user and client are to have their scopes back.
pub fn enable(known: Option<&Known>, application: &Application, naming: &Naming) -> Result<Step, Refusal> {
    match known {
        Some(known) if !known.is_surely(Stage::Deleted) => ensure(Some(known), application, naming),
        Some(_) | None => Err(Refusal::Nobody),
    }
}

/// The user and client are to have no scope.
pub fn disable(known: Option<&Known>, application: &Application) -> Result<Step, Refusal> {
    let Some(known) = known.filter(|known| !known.is_surely(Stage::Deleted)) else { return Ok(Step::Nobody) };
    removable(application)?;
    if known.is_surely(Stage::Disabled) {
        return Ok(if known.settled { Step::Answer } else { Step::Settle });
    }
    Ok(Step::Act { takes: Some(Taking::Disable) })
}

/// The user and client are to be gone, once they were restorable for `tombstone`.
pub fn delete(
    known: Option<&Known>,
    application: &Application,
    now: Timestamp,
    tombstone: Duration,
) -> Result<Step, Refusal> {
    let Some(known) = known else { return Ok(Step::Nobody) };
    if known.is_surely(Stage::Deleted) {
        return Ok(if known.settled { Step::Nobody } else { Step::Settle });
    }
    removable(application)?;
    if mutated(Mutation::DeleteWithoutTombstone) {
        return Ok(Step::Act { takes: Some(Taking::Delete) });
    }
    let began = known.intended == Some(Stage::Deleted);
    if known.stage != Stage::Disabled || !(began || known.intended.is_none()) {
        return Err(Refusal::NotDisabled);
    }
    rested(known.disabled_at, now, tombstone)?;
    Ok(Step::Act { takes: Some(Taking::Delete) })
}

/// Objects are to be overwritten: everything of an application that is out of use, disabled here and no longer
/// restorable, or what lies where the settings no longer deliver.
pub fn permit(
    removal: Taking,
    known: Option<&Known>,
    application: &Application,
    now: Timestamp,
    tombstone: Duration,
) -> Result<Removal, Refusal> {
    if removal == Taking::Destinations {
        changeable(application)?;
        if application.removed_destinations.is_empty() {
            return Err(Refusal::NothingRemoved);
        }
        return Ok(Removal::Destinations { settings_generation: application.settings_generation });
    }
    removable(application)?;
    let known = known.ok_or(Refusal::Nobody)?;
    match known.stage {
        Stage::Deleted => Ok(Removal::Application),
        Stage::Disabled if matches!(known.intended, None | Some(Stage::Deleted)) => {
            rested(known.disabled_at, now, tombstone).map(|()| Removal::Application)
        }
        Stage::None | Stage::Enabled | Stage::Disabled => Err(Refusal::NotDisabled),
    }
}

/// The next step of removing a user that belongs to no application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrayStep {
    /// Take its scopes; it has to be there.
    Disable,
    /// It is disabled and stays restorable for a while.
    Wait,
    /// Delete it.
    Delete,
}

/// What has to be done to remove a stray user.
pub fn stray(stray: Option<&Stray>, now: Timestamp, tombstone: Duration) -> StrayStep {
    let Some(stray) = stray else { return StrayStep::Disable };
    let resting = stray.stage == Stage::Disabled && matches!(stray.intended, None | Some(Stage::Deleted));
    match rested(stray.disabled_at, now, tombstone) {
        _ if !resting => StrayStep::Disable,
        Ok(()) => StrayStep::Delete,
        Err(_) => StrayStep::Wait,
    }
}

/// When what was disabled then may be deleted.
pub fn deletable_at(disabled_at: Timestamp, tombstone: Duration) -> Timestamp {
    disabled_at.plus(tombstone)
}

fn rested(disabled_at: Option<Timestamp>, now: Timestamp, tombstone: Duration) -> Result<(), Refusal> {
    // when it was disabled is not known: it counts from now
    let remaining = deletable_at(disabled_at.unwrap_or(now), tombstone).since(now);
    if remaining.is_zero() { Ok(()) } else { Err(Refusal::TombstoneNotPassed { remaining }) }
}

/// The scopes that the owner asks for.
pub fn wanted_scopes(application: &Application) -> &[Scope] {
    application.settings.as_ref().map(|settings| settings.scopes.as_slice()).unwrap_or_default()
}

fn changeable(application: &Application) -> Result<(), Refusal> {
    match application.presence {
        Presence::Present => Ok(()),
        Presence::Held | Presence::Retired => Err(Refusal::Missing),
    }
}

/// Whether a deletion was begun or done.
fn may_be_deleted(known: &Known) -> bool {
    known.intended == Some(Stage::Deleted) || known.is_surely(Stage::Deleted)
}

/// Only the registry retires an application, or an operator one that the registry lost.
fn removable(application: &Application) -> Result<(), Refusal> {
    if application.presence == Presence::Held {
        return Err(Refusal::Missing);
    }
    if application.active { Err(Refusal::Active) } else { Ok(()) }
}

fn is_applied(known: &Known, wanted: Revision) -> bool {
    known.applied >= wanted
}

#[cfg(test)]
#[path = "plan_tests.rs"]
pub(crate) mod tests;
