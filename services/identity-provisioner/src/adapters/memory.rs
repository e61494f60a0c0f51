//! An issuer and a catalog in memory, for tests and simulations; they count, and can be told to fail.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use mint_api::audit_log::Announced;
use mint_types::{Application, ApplicationId, Identity, Layout, Period, Presence, Revision, Scope, Settings};

use crate::{
    model::{Naming, ServiceUser},
    ports::{Catalog, CatalogError, IdentityIssuer, IssuerError},
};

/// An issuer in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryIssuer {
    state: Arc<Mutex<IssuerState>>,
}

#[derive(Debug, Default)]
struct IssuerState {
    users: BTreeMap<String, ServiceUser>,
    lie: Option<Vec<String>>,
    calls: Vec<String>,
    troubles: VecDeque<Trouble>,
}

/// What happens to a call.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// None: it goes well, and the next one has its turn.
    None,
    /// It is not done.
    Before(IssuerError),
    /// It is done, and the answer is this all the same.
    After(IssuerError),
}

impl MemoryIssuer {
    /// What the next call meets, then the one after it.
    pub fn trouble(&self, trouble: Trouble) {
        self.locked().troubles.push_back(trouble);
    }

    /// A user.
    pub fn user(&self, username: &str) -> Option<ServiceUser> {
        self.locked().users.get(username).cloned()
    }

    /// Somebody makes a user by hand.
    pub fn add(&self, user: ServiceUser) {
        self.locked().users.insert(user.username.clone(), user);
    }

    /// Somebody deletes a user by hand.
    pub fn remove(&self, username: &str) {
        self.locked().users.remove(username);
    }

    /// Lists these users, whatever there are; nothing lists the truth.
    pub fn lie(&self, users: Option<Vec<String>>) {
        self.locked().lie = users;
    }

    /// The calls since the last time, as `GET u`, `PUT u`, `DELETE u`.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.locked().calls)
    }

    fn locked(&self) -> MutexGuard<'_, IssuerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<T>(&self, call: String, act: impl FnOnce(&mut IssuerState) -> T) -> Result<T, IssuerError> {
        let mut state = self.locked();
        state.calls.push(call);
        match state.troubles.pop_front() {
            Some(Trouble::Before(error)) => Err(error),
            Some(Trouble::After(error)) => {
                act(&mut state);
                Err(error)
            }
            Some(Trouble::None) | None => Ok(act(&mut state)),
        }
    }
}

#[async_trait]
impl IdentityIssuer for MemoryIssuer {
    async fn list(&self) -> Result<Vec<String>, IssuerError> {
        self.call("LIST".to_owned(), |state| {
            state.lie.clone().unwrap_or_else(|| state.users.keys().cloned().collect())
        })
    }

    async fn exists(&self, username: &str) -> Result<bool, IssuerError> {
        self.call(format!("GET {username}"), |state| state.users.contains_key(username))
    }

    async fn put(&self, _announced: &Announced, user: &ServiceUser) -> Result<String, IssuerError> {
        self.call(format!("PUT {}", user.username), |state| {
            state.users.insert(user.username.clone(), user.clone());
            format!("client-of-{}", user.username)
        })
    }

    async fn delete(&self, _announced: &Announced, username: &str) -> Result<(), IssuerError> {
        self.call(format!("DELETE {username}"), |state| {
            state.users.remove(username);
        })
    }
}

/// A catalog in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryCatalog {
    state: Arc<Mutex<CatalogState>>,
}

#[derive(Debug, Default)]
struct CatalogState {
    applications: BTreeMap<ApplicationId, Application>,
    down: bool,
    deaf: bool,
}

impl MemoryCatalog {
    /// Adds or replaces a record.
    pub fn put(&self, application: Application) {
        self.locked().applications.insert(application.id.clone(), application);
    }

    /// A record.
    pub fn record(&self, id: &ApplicationId) -> Option<Application> {
        self.locked().applications.get(id).cloned()
    }

    /// Answers nothing while `down`.
    pub fn set_down(&self, down: bool) {
        self.locked().down = down;
    }

    /// Records nothing while `deaf`.
    pub fn set_deaf(&self, deaf: bool) {
        self.locked().deaf = deaf;
    }

    fn locked(&self) -> MutexGuard<'_, CatalogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn down() -> CatalogError {
    CatalogError::Unavailable { detail: "the catalog is down".to_owned() }
}

#[async_trait]
impl Catalog for MemoryCatalog {
    async fn application(&self, id: &ApplicationId, revision: Revision) -> Result<Application, CatalogError> {
        let state = self.locked();
        if state.down {
            return Err(down());
        }
        let latest = state.applications.values().map(|application| application.revision).max();
        if latest.is_none_or(|latest| latest < revision) {
            return Err(CatalogError::Behind);
        }
        state.applications.get(id).cloned().ok_or(CatalogError::Unknown)
    }

    async fn applications(&self) -> Result<Vec<Application>, CatalogError> {
        let state = self.locked();
        if state.down { Err(down()) } else { Ok(state.applications.values().cloned().collect()) }
    }

    async fn report_missing(&self, id: &ApplicationId) -> Result<(), CatalogError> {
        let mut state = self.locked();
        if state.down || state.deaf {
            return Err(down());
        }
        let application = state.applications.get_mut(id).ok_or(CatalogError::Unknown)?;
        application.revision = Revision(application.revision.0 + 1);
        application.identity_revision = application.revision;
        Ok(())
    }

    async fn record_identity(&self, id: &ApplicationId, identity: &Identity) -> Result<(), CatalogError> {
        let mut state = self.locked();
        if state.down || state.deaf {
            return Err(down());
        }
        let application = state.applications.get_mut(id).ok_or(CatalogError::Unknown)?;
        application.identity = Some(identity.clone());
        Ok(())
    }
}

/// An application as tests want it: present, active, at revision 5; scopes that do not parse are left out.
pub fn application(id: &str, scopes: &[&str]) -> Application {
    let scopes: Vec<Scope> = scopes.iter().filter_map(|scope| scope.parse().ok()).collect();
    #[expect(clippy::expect_used, reason = "a fake for tests: their own literals")]
    let (id, team_id) = (id.parse().expect("an application id"), "stups".parse().expect("a team id"));
    Application {
        id,
        team_id,
        name: "Kio".to_owned(),
        active: true,
        subtitle: "The registry".to_owned(),
        service_url: String::new(),
        presence: Presence::Present,
        revision: Revision(5),
        identity_revision: Revision(5),
        settings: Some(Settings {
            buckets: Vec::new(),
            account_id: None,
            prefix: mint_types::Prefix::default(),
            layout: Layout::Split,
            scopes,
            redirect_url: Some("https://kio.example.org/cb".to_owned()),
            confidential: true,
            password_period: Period::from_seconds(7200),
            client_period: Period::from_seconds(30 * 86400),
        }),
        settings_generation: 1,
        identity: None,
        modified_at: None,
        problems: Vec::new(),
        destinations_statement: Vec::new(),
        removed_destinations: Vec::new(),
    }
}

/// Names as tests want them: the field's own, with `mint.admin` reserved.
pub fn naming() -> Naming {
    Naming {
        username_prefix: "stups_".to_owned(),
        realm: "services".to_owned(),
        base_scopes: vec!["uid".to_owned(), "cn".to_owned()],
        reserved_scopes: "mint.admin".parse().into_iter().collect(),
    }
}
