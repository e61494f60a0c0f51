//! Identities: what is known of them, and what is asked for.

use mint_types::{Application, ApplicationId, FencingToken, Revision, Scope, Timestamp};

/// What the coordinator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Which application.
    pub application: ApplicationId,
    /// The catalog revision that the caller acts upon.
    pub revision: Revision,
    /// The caller's fencing token.
    pub token: FencingToken,
}

/// Where an identity is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Not made yet.
    None,
    /// It exists with its scopes.
    Enabled,
    /// It exists without scopes.
    Disabled,
    /// It was deleted.
    Deleted,
}

impl Stage {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
        }
    }

    /// From the database.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::None, Self::Enabled, Self::Disabled, Self::Deleted]
            .into_iter()
            .find(|stage| stage.as_str() == text)
    }
}

/// What identity-provisioner durably knows of an identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Known {
    /// The service user's name.
    pub username: String,
    /// The client id last answered.
    pub client_id: Option<String>,
    /// The last stage that the issuer confirmed.
    pub stage: Stage,
    /// The stage of a call whose outcome is not known.
    pub intended: Option<Stage>,
    /// It existed before Mint first saw it.
    pub foreign: bool,
    /// The `identity_revision` that was applied.
    pub applied: Revision,
    /// The scopes that were applied.
    pub scopes: Vec<Scope>,
    /// The catalog has it, and the audit log its outcome.
    pub settled: bool,
    /// When it last changed, by the wall clock.
    pub changed_at: Timestamp,
    /// Since when it is disabled, in counted time ([`crate::elapsed`]).
    pub disabled_at: Option<Timestamp>,
    /// Since when the issuer does not have the user any more.
    pub vanished_at: Option<Timestamp>,
    /// Operators released the id: it may be made again after its deletion.
    pub released: bool,
    /// How often the user was made again after it had vanished.
    pub incarnation: u64,
}

impl Known {
    /// Whether nothing is in flight and the issuer confirmed this stage.
    pub fn is_surely(&self, stage: Stage) -> bool {
        self.stage == stage && self.intended.is_none()
    }
}

/// A user under our prefix without an application, whose removal an operator asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stray {
    /// The user's name.
    pub username: String,
    /// The last stage that the issuer confirmed.
    pub stage: Stage,
    /// The stage of a call whose outcome is not known.
    pub intended: Option<Stage>,
    /// Since when it is disabled, in counted time.
    pub disabled_at: Option<Timestamp>,
}

/// How names and scopes are made, and which scopes nobody may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    /// Stands before the application's id in the user's name.
    pub username_prefix: String,
    /// The realm of the client's scopes.
    pub realm: String,
    /// What every enabled user has: without any scope a user would be a disabled one.
    pub base_scopes: Vec<String>,
    /// Scopes that are refused.
    pub reserved_scopes: Vec<Scope>,
}

impl Naming {
    /// Computed from the application's id, never taken from a request.
    pub fn username(&self, application: &ApplicationId) -> String {
        format!("{}{application}", self.username_prefix)
    }

    /// Whether a user's name has our prefix. An empty prefix claims nobody.
    pub fn is_ours(&self, username: &str) -> bool {
        !self.username_prefix.is_empty() && username.starts_with(&self.username_prefix)
    }

    /// The application that a user's name belongs to.
    pub fn application(&self, username: &str) -> Option<ApplicationId> {
        let rest = username.strip_prefix(&self.username_prefix).filter(|_| self.is_ours(username))?;
        rest.parse().ok()
    }

    /// A stray user without any scope: what a disabled one is.
    pub fn disabled_stray(&self, username: &str) -> ServiceUser {
        ServiceUser {
            username: username.to_owned(),
            name: username.to_owned(),
            owner: "mint".to_owned(),
            subtitle: "removed by an operator: it belongs to no application".to_owned(),
            redirect_url: None,
            confidential: true,
            realm: self.realm.clone(),
            scopes: Vec::new(),
        }
    }

    /// The user that the catalog asks for; a disabled one has no scope at all.
    pub fn user(&self, application: &Application, stage: Stage) -> ServiceUser {
        let settings = application.settings.as_ref();
        let owned = settings.map(|settings| settings.scopes.as_slice()).unwrap_or_default();
        let scopes = match stage {
            Stage::Enabled => {
                self.base_scopes.iter().cloned().chain(owned.iter().map(ToString::to_string)).collect()
            }
            Stage::None | Stage::Disabled | Stage::Deleted => Vec::new(),
        };
        ServiceUser {
            username: self.username(&application.id),
            name: application.name.clone(),
            owner: application.team_id.to_string(),
            subtitle: application.subtitle.clone(),
            redirect_url: settings.and_then(|settings| settings.redirect_url.clone()),
            confidential: settings.is_none_or(|settings| settings.confidential),
            realm: self.realm.clone(),
            scopes,
        }
    }
}

/// A service user with its client, as the issuer should hold it. There is no place for a credential in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceUser {
    /// Its name.
    pub username: String,
    /// For people.
    pub name: String,
    /// The owning team.
    pub owner: String,
    /// One line; may be empty.
    pub subtitle: String,
    /// Where the client may redirect to.
    pub redirect_url: Option<String>,
    /// Whether the client can keep a secret.
    pub confidential: bool,
    /// The realm of the client's scopes.
    pub realm: String,
    /// What user and client may ask for; empty: disabled.
    pub scopes: Vec<String>,
}
