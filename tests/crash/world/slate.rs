//! What must be true of an application when nothing is under way, by the sandbox's own state.

use std::sync::Mutex;

use mint_api::rotation::v1::ListVersionsRequest;
use mint_tests::application::Application;
use serde::Deserialize;

use crate::stage::{Stage, until};
use crate::ways::Trouble;

/// What an application is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alive {
    /// Its credentials open their doors.
    Enabled,
    /// They open nothing, and are kept.
    Disabled,
    /// There are none.
    Deleted,
}

#[derive(Debug, Deserialize)]
struct Answer {
    objects: Vec<Object>,
}

/// What the sandbox knows of one user or client.
#[derive(Debug, Deserialize)]
pub(crate) struct Object {
    pub(crate) issuer: String,
    pub(crate) object: String,
    pub(crate) state: String,
    pub(crate) live: usize,
    pub(crate) versions: Vec<serde_json::Value>,
}

/// The wall clock, in the unit of fencing tokens.
pub(crate) fn unix_millis() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

impl Stage {
    /// A clean slate: exactly one version of each, what is delivered logs in, and nothing is left over.
    pub(crate) async fn is_clean(&self, id: &str, alive: Alive) -> Result<(), Trouble> {
        if alive == Alive::Enabled {
            self.is_resolved(id).await?;
        }
        let last = Mutex::new(String::new());
        let slate = until("the slate is clean", || async {
            match self.slate(id, alive).await {
                Ok(()) => Some(()),
                Err(problem) => {
                    *last.lock().unwrap() = problem;
                    None
                }
            }
        });
        let outcome = slate.await;
        outcome.map_err(|late| Trouble::Broken(format!("{late}: {}", last.lock().unwrap())))
    }

    async fn slate(&self, id: &str, alive: Alive) -> Result<(), String> {
        let objects = self.objects(id).await?;
        for kind in ["user", "client"] {
            let of: Vec<&Object> = objects.iter().filter(|object| object.object == kind).collect();
            let versions: usize = of.iter().map(|object| object.versions.len()).sum();
            let live: usize = of.iter().map(|object| object.live).sum();
            let expected = match alive {
                Alive::Enabled => (1, 1),
                Alive::Disabled => (versions.max(1), 0),
                Alive::Deleted => (0, 0),
            };
            if (versions, live) != expected {
                return Err(format!("{versions} versions of its {kind}, {live} live: {of:?}"));
            }
        }
        if alive == Alive::Enabled {
            let login = Application::open(self.world.data(), id).await.login().await?;
            login.token(&self.token_url).await?;
        }
        Ok(())
    }

    pub(crate) async fn objects(&self, id: &str) -> Result<Vec<Object>, String> {
        let url = format!("{}/live?application={id}", self.world.endpoints.sandbox_url);
        let answer = mint_tests::client::fetch(&url).await?;
        let parsed: Result<Answer, _> = serde_json::from_slice(&answer.body);
        let mut objects =
            parsed.map_err(|error| format!("{error}: {} {:?}", answer.status, answer.body))?.objects;
        objects.retain(|object| object.issuer == self.issuer.name());
        Ok(objects)
    }

    /// Calls whose outcome nobody knows may stand; the next rotation sweeps them.
    async fn is_resolved(&self, id: &str) -> Result<(), Trouble> {
        if self.unresolved(id).await? == 0 {
            return Ok(());
        }
        self.rotate(id, &[]).await?;
        self.rests(id, 1).await?;
        match self.unresolved(id).await? {
            0 => Ok(()),
            left => Err(Trouble::Broken(format!("{left} calls are unresolved after a fresh rotation"))),
        }
    }

    async fn unresolved(&self, id: &str) -> Result<u32, String> {
        until("the rotator lists its versions", || async {
            let request = ListVersionsRequest { application_id: id.to_owned() };
            Some(self.rotation.clone().list_versions(request).await.ok()?.into_inner().unresolved_intents)
        })
        .await
    }
}
