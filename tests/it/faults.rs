//! F1 to F17 of COMPAT section 5: what the original did wrong, each seen once on the real processes.
//!
//! Each test says what the issuer, the stores and the registry saw (the sandbox's own memory and request log) and what
//! `mint status` tells. Tests that do not disturb each other share a world: [`world`] for trouble of single applications,
//! [`registry::world`] for lies of the registry.

mod issuer;
mod neighbours;
mod registry;
mod removal;
mod settings;
mod standby;
mod stores;

use std::sync::{Arc, Weak};
use std::time::Duration;

use mint_api::coordination::v1::ApplicationStatus;
use mint_api::types::v1::CredentialKind;
use mint_tests::application::Application;
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Options, World};
use tokio::sync::Mutex;

/// For everything that is waited for, on a loaded machine.
const DEADLINE: Duration = Duration::from_mins(3);

/// A world that tests share as long as one of them holds it.
struct Shared(Mutex<Weak<World>>);

impl Shared {
    const fn new() -> Self {
        Self(Mutex::const_new(Weak::new()))
    }

    async fn world(&self, options: impl FnOnce() -> Options) -> Arc<World> {
        let mut kept = self.0.lock().await;
        if let Some(world) = kept.upgrade() {
            return world;
        }
        let world = Arc::new(World::boot(options()).await);
        *kept = Arc::downgrade(&world);
        world
    }
}

/// Short rotations, and a lease that a test can outwait.
fn tempo() -> Vec<String> {
    ["--min-overlap", "1s", "--lease", "5s"].map(ToOwned::to_owned).to_vec()
}

/// The world of those whose trouble is their own.
async fn world() -> Arc<World> {
    static WORLD: Shared = Shared::new();
    let options = || {
        let mut entries = vec![
            Entry::new("f01-first-of-all").buckets(&[]),
            Entry::new("f11-two-buckets").buckets(&["team-credentials", "team-second"]),
        ];
        let plain = ["f01-next", "f05", "f07", "f08", "f08-other", "f09", "f14-next", "f14-scope"];
        let several = ["f12-a", "f12-b", "f12-c", "f12-d", "f16-a", "f16-b", "f16-c"];
        entries.extend(plain.into_iter().chain(several).map(Entry::new));
        let registry = registry(&entries, &["password_grace: 1s"]);
        Options { registry: Some(registry), arguments: tempo(), ..Options::default() }
    };
    WORLD.world(options).await
}

/// How often an application's password was replaced; the first delivery is one.
fn passwords(status: &ApplicationStatus) -> u64 {
    let password = status.credentials.iter().find(|line| line.kind == CredentialKind::Password as i32);
    password.map_or(0, |password| password.completed_rotations)
}

/// Starts a rotation of the password alone.
async fn rotate_password(world: &World, id: &str) {
    world.rotate(id, &[CredentialKind::Password]).await;
}

/// Logs in with what lies in the application's bucket.
async fn logs_in(world: &World, id: &str) {
    let application = Application::open(world.data(), id).await;
    let login = application.login().await.unwrap_or_else(|error| panic!("{id}: {error}"));
    login.token(&world.endpoints.token_url).await.unwrap_or_else(|error| panic!("{id}: {error}"));
}

const CREATE: &str = "service-user.create_password";
const COMMIT: &str = "service-user.commit_password";
