//! A call to the issuer, whoever makes it.

use std::sync::Arc;
use std::time::Duration;

use mint_invariants::{Act, Invariant, Violation, one_at_a_time};
use mint_types::{ApplicationId, FencingToken, IssuerObject};

use crate::faults::Fault;
use crate::outside::{Denied, Moment, PREFIX};
use crate::scene::{Life, Scene, State};

/// Why there is no good answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    NotSent,
    Denied(u16),
    RateLimited(Duration),
    Unknown,
    Rubbish,
    LoginRefused,
}

/// Somebody acts on an issuer object until this is dropped.
struct Acting {
    scene: Arc<Scene>,
    key: (String, IssuerObject),
}

impl Acting {
    fn begin(scene: &Arc<Scene>, username: &str, object: IssuerObject) -> Self {
        let key = (username.to_owned(), object);
        let mut state = scene.locked();
        let acting = state.issuer.acting.entry(key.clone()).or_default();
        *acting += 1;
        let calls = *acting;
        // whoever has fallen asks beside the holder of the lease: what comes of that is judged by what becomes of credentials
        if calls > 1 && !state.hostile {
            let application = username.strip_prefix(PREFIX).unwrap_or(username).parse::<ApplicationId>();
            let call = |number| Act {
                holder: format!("call {number} on {object:?} of {username}"),
                token: FencingToken(0),
                highest: FencingToken(0),
                leased: true,
            };
            let under_way: Vec<Act> = (1..=calls).map(call).collect();
            state.judge(match application {
                Ok(application) => one_at_a_time(&application, &under_way),
                Err(_) => Err(Violation::of_all(Invariant::OneAtATime, "a call on nobody's user")),
            });
        }
        drop(state);
        Self { scene: Arc::clone(scene), key }
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        let mut state = self.scene.locked();
        if let Some(count) = state.issuer.acting.get_mut(&self.key) {
            *count -= 1;
        }
    }
}

impl Life {
    /// Asks the issuer; `act` is what it does with the question.
    pub(crate) async fn at_issuer<T, F>(
        &self,
        point: &'static str,
        kinds: &[Fault],
        on: Option<(&str, IssuerObject)>,
        act: F,
    ) -> Result<T, Trouble>
    where
        T: Send,
        F: Fn(&mut State) -> Result<T, Denied> + Clone + Send + Sync + 'static,
    {
        let deadline = self.scene.numbers.issuer_deadline;
        let fault = self.meets(point, kinds).await;
        let _acting = on.map(|(username, object)| Acting::begin(&self.scene, username, object));
        match fault {
            Some(Fault::NotSent) => return Err(Trouble::NotSent),
            Some(Fault::RateLimited) => {
                self.travel().await;
                return Err(Trouble::RateLimited(self.scene.locked().within(Duration::from_mins(1))));
            }
            Some(Fault::ErrorBefore) => {
                self.travel().await;
                return Err(Trouble::Unknown);
            }
            Some(Fault::RubbishBefore) => {
                self.travel().await;
                return Err(Trouble::Rubbish);
            }
            Some(Fault::LoginRefused) => {
                self.travel().await;
                return Err(Trouble::LoginRefused);
            }
            Some(Fault::Late) => {
                let life = self.scene.numbers.request_life.saturating_sub(Duration::from_millis(100));
                self.later(point, life, act);
                tokio::time::sleep(deadline).await;
                return Err(Trouble::Unknown);
            }
            _ => {}
        }
        self.travel().await;
        let answer = {
            let mut state = self.scene.locked();
            state.trace(|| format!("issuer: {point}"));
            act(&mut state)
        };
        match fault {
            Some(Fault::LostReply) => {
                tokio::time::sleep(deadline).await;
                return Err(Trouble::Unknown);
            }
            Some(Fault::ErrorAfter) => return Err(Trouble::Unknown),
            Some(Fault::RubbishAfter) => return Err(Trouble::Rubbish),
            Some(Fault::CrashAfter) => return self.die().await,
            Some(Fault::Duplicate) => self.later(point, Duration::from_secs(1), act),
            _ => {}
        }
        self.travel().await;
        answer.map_err(|denied| Trouble::Denied(denied.0))
    }

    /// It happens later, whatever becomes of who asked.
    fn later<T, F>(&self, point: &'static str, longest: Duration, act: F)
    where
        F: Fn(&mut State) -> Result<T, Denied> + Send + 'static,
    {
        let delay = self.scene.locked().within(longest);
        let scene = Arc::clone(&self.scene);
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let mut state = scene.locked();
            state.trace(|| format!("issuer, late: {point}"));
            let _nobody_waits = act(&mut state);
        });
    }

    /// Looks at an application again when a grace has passed.
    pub(crate) fn look_again(&self, application: String, after: Duration, moment: Moment) {
        let scene = Arc::clone(&self.scene);
        tokio::spawn(async move {
            tokio::time::sleep(after + Duration::from_millis(2)).await;
            scene.locked().log_in_as(&application, moment);
        });
    }
}
