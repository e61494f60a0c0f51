//! Keeps credentials until half of their life has passed, and fetches them once for all who wait.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use mint_types::{Clock, Timestamp};

use super::Credentials;
use crate::{Error, talk};

/// Where fresh ones come from.
pub(crate) type Fetch = Box<dyn Fn() -> BoxFuture<'static, Result<Credentials, Error>> + Send + Sync>;

/// What still lasts for this long is handed out when no fresh ones can be had.
const LAST_MINUTE: Duration = Duration::from_mins(1);

/// Credentials at hand.
pub(crate) struct Keeper {
    fetch: Fetch,
    clock: Arc<dyn Clock>,
    held: tokio::sync::Mutex<Option<Held>>,
}

struct Held {
    credentials: Arc<Credentials>,
    renew_at: Timestamp,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl Keeper {
    pub(crate) fn new(fetch: Fetch, clock: Arc<dyn Clock>) -> Self {
        Self { fetch, clock, held: tokio::sync::Mutex::default() }
    }

    /// Credentials with half of their life before them; older ones only while no fresh ones can be had. SDKs ask again
    /// some minutes before the end, and must not get then what they have.
    pub(crate) async fn fresh(&self) -> Result<Arc<Credentials>, Error> {
        // one fetch at a time: the others wait and find what it brought
        let mut held = self.held.lock().await;
        let now = self.clock.now();
        if let Some(held) = held.as_ref().filter(|held| now < held.renew_at) {
            return Ok(Arc::clone(&held.credentials));
        }
        match (self.fetch)().await {
            Ok(credentials) => {
                let renew_at = now.plus(credentials.expiration.since(now) / 2);
                let credentials = Arc::new(credentials);
                *held = Some(Held { credentials: Arc::clone(&credentials), renew_at });
                Ok(credentials)
            }
            Err(error) => {
                let usable = |held: &&Held| now.plus(LAST_MINUTE) < held.credentials.expiration;
                let Some(held) = held.as_ref().filter(usable) else { return Err(error) };
                talk::say(format_args!(
                    "mint: no fresh credentials, the ones at hand last a while: {error} [{}]",
                    error.code()
                ));
                Ok(Arc::clone(&held.credentials))
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use mint_testkit::ManualClock;

    use super::*;
    use crate::credentials::tests::credentials;

    /// A source that counts, answers credentials for an hour of the clock, and may be down.
    pub(crate) fn keeper(clock: &ManualClock) -> (Arc<Keeper>, Arc<AtomicUsize>, Arc<AtomicUsize>) {
        let (asked, is_down) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted, down, time) = (Arc::clone(&asked), Arc::clone(&is_down), clock.clone());
        let fetch: Fetch = Box::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let answer = if down.load(Ordering::SeqCst) == 0 {
                let mut fresh = credentials("2026-11-22T10:00:00Z");
                fresh.expiration = time.now().plus(Duration::from_hours(1));
                Ok(fresh)
            } else {
                Err(Error::Exchange { what: "it is down".to_owned(), refused: false })
            };
            Box::pin(std::future::ready(answer))
        });
        (Arc::new(Keeper::new(fetch, Arc::new(clock.clone()))), asked, is_down)
    }

    #[tokio::test]
    async fn credentials_are_kept_for_half_of_their_life_and_the_old_ones_serve_while_there_are_no_fresh_ones()
     {
        let clock = ManualClock::default();
        let (keeper, asked, is_down) = keeper(&clock);
        let first = keeper.fresh().await.unwrap();
        clock.advance(Duration::from_secs(1799));
        assert!(Arc::ptr_eq(&first, &keeper.fresh().await.unwrap()));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        clock.advance(Duration::from_secs(1));
        let second = keeper.fresh().await.unwrap();
        assert!(second.expiration > first.expiration);
        is_down.store(1, Ordering::SeqCst);
        clock.advance(Duration::from_secs(3539));
        assert!(Arc::ptr_eq(&second, &keeper.fresh().await.unwrap()), "61 s before the end");
        clock.advance(Duration::from_secs(1));
        assert!(keeper.fresh().await.is_err(), "they end while they are being used");
    }
}
