//! What has to be done. Pure: what is known and what the catalog says in, the next step out.

use mint_types::{Application, Presence, Revision, Scope};

use crate::model::{Known, Naming, Stage};

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
}

impl Taking {
    /// The name in the books.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Delete => "delete",
            Self::Scopes => "scopes",
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
    /// It has to be disabled first.
    #[error("the identity is not disabled: only a disabled one is deleted")]
    NotDisabled,
    /// It was never made, or is gone.
    #[error("there is no identity to enable")]
    Nobody,
}

impl Refusal {
    /// The stable reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "APPLICATION_MISSING",
            Self::Inactive => "APPLICATION_INACTIVE",
            Self::Active => "APPLICATION_ACTIVE",
            Self::Reserved(_) => "SCOPE_RESERVED",
            Self::NotDisabled => "IDENTITY_NOT_DISABLED",
            Self::Nobody => "IDENTITY_UNKNOWN",
        }
    }
}

/// The user and client are to exist as the catalog says.
pub fn ensure(known: Option<&Known>, application: &Application, naming: &Naming) -> Result<Step, Refusal> {
    changeable(application)?;
    if !application.active {
        return Err(Refusal::Inactive);
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
        Some(known) => Ok(Step::Act {
            takes: known.scopes.iter().any(|scope| !wanted.contains(scope)).then_some(Taking::Scopes),
        }),
        None => Ok(Step::Act { takes: None }),
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

/// The user and client are to be gone.
pub fn delete(known: Option<&Known>, application: &Application) -> Result<Step, Refusal> {
    let Some(known) = known else { return Ok(Step::Nobody) };
    if known.is_surely(Stage::Deleted) {
        return Ok(if known.settled { Step::Nobody } else { Step::Settle });
    }
    removable(application)?;
    let began = known.intended == Some(Stage::Deleted);
    if known.stage == Stage::Disabled && (began || known.intended.is_none()) {
        return Ok(Step::Act { takes: Some(Taking::Delete) });
    }
    Err(Refusal::NotDisabled)
}

/// The scopes that the owner asks for.
pub fn wanted_scopes(application: &Application) -> &[Scope] {
    application.settings.as_ref().map(|settings| settings.scopes.as_slice()).unwrap_or_default()
}

fn changeable(application: &Application) -> Result<(), Refusal> {
    match application.presence {
        Presence::Present => Ok(()),
        Presence::Held => Err(Refusal::Missing),
    }
}

/// Only the registry retires an application.
fn removable(application: &Application) -> Result<(), Refusal> {
    changeable(application)?;
    if application.active { Err(Refusal::Active) } else { Ok(()) }
}

fn is_applied(known: &Known, wanted: Revision) -> bool {
    known.applied >= wanted
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
