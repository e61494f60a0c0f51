//! Applications that log in all the while with what they last fetched (I1).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mint_invariants::{Found, Until, never_broken};
use mint_tests::application::{Application, Login};
use mint_types::Timestamp;

use crate::stage::{OVERLAP, Stage};

/// Between two logins of the loop.
const PAUSE: Duration = Duration::from_millis(20);

/// What the loop saw.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    stop: AtomicBool,
    pub(crate) logins: AtomicU64,
    pub(crate) violations: Mutex<Vec<String>>,
}

impl Watch {
    /// Logs in as these applications in turn until it is stopped: each fetches, logs in, and logs in once more with what
    /// it fetched the last time, if that is younger than an overlap.
    pub(crate) async fn run(self: Arc<Self>, stage: Arc<Stage>, ids: Vec<String>) {
        let mut applications = BTreeMap::new();
        for id in &ids {
            applications.insert(id.clone(), Application::open(stage.world.data(), id).await);
        }
        let token_url = stage.token_url.clone();
        let mut kept: BTreeMap<String, (Login, Timestamp)> = BTreeMap::new();
        for id in ids.iter().cycle() {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            // what is fetched now is readable now at the earliest
            let asked = now();
            let fetched = applications[id].login().await;
            if let Some((login, last)) = kept.get(id) {
                self.look(id, login, *last, &token_url).await;
            }
            match fetched {
                Ok(login) => {
                    self.look(id, &login, asked, &token_url).await;
                    kept.insert(id.clone(), (login, asked));
                }
                Err(error) => self.note(format!("{id} cannot fetch: {error}")),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// However slow the machine is: a refusal that came within the overlap after what was refused could be read breaks I1.
    async fn look(&self, id: &str, login: &Login, readable: Timestamp, token_url: &str) {
        let answer = login.token(token_url).await;
        self.logins.fetch_add(1, Ordering::Relaxed);
        let found = Found {
            what: format!("{login:?} ({:?})", answer.as_ref().err()),
            readable: Until::Then(readable),
            overlap: OVERLAP,
            authenticates: answer.is_ok(),
            excused: false,
        };
        if let Err(violation) = never_broken(&id.parse().unwrap(), now(), &[found]) {
            self.note(violation.to_string());
        }
    }

    fn note(&self, violation: String) {
        self.violations.lock().unwrap_or_else(PoisonError::into_inner).push(violation);
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_unix_micros(i64::try_from(since.as_micros()).unwrap())
}
