//! The cache of credentials: exchanged when needed, ahead of expiry, by one caller at a time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use mint_types::{Clock, Entropy, Timestamp};
use zeroize::Zeroizing;

use crate::sts::TokenExchange;
use crate::{Error, StsFault};

/// Credentials are renewed this long before they end (or after two thirds of a short life): an STS outage of a few
/// minutes is not noticed.
const RENEW_AHEAD: Duration = Duration::from_mins(5);
/// Nobody gets credentials that end sooner: a presigned request must outlive its 60 s.
const SHORTEST_REMAINDER: Duration = Duration::from_secs(90);
/// While the cached credentials still serve, a failed renewal is not repeated sooner.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);
/// How often a passing fault is retried within one exchange.
const ATTEMPTS: u32 = 3;
/// The first pause between these attempts; it doubles, with jitter.
const RETRY_BASE: Duration = Duration::from_millis(100);
/// STS refuses longer tokens (API reference, `WebIdentityToken`).
const LONGEST_TOKEN: usize = 20_000;

#[derive(Debug, Clone)]
struct Held {
    credentials: Credentials,
    renew_at: Timestamp,
    usable_until: Timestamp,
}

/// The credentials of one role, kept fresh.
#[derive(Debug)]
pub struct WebIdentity {
    token_file: PathBuf,
    exchange: Box<dyn TokenExchange>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    held: Mutex<Option<Held>>,
    renewing: tokio::sync::Mutex<()>,
}

impl WebIdentity {
    /// Exchanges the token of `token_file` whenever credentials are needed.
    pub fn new(
        token_file: PathBuf,
        exchange: Box<dyn TokenExchange>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            token_file,
            exchange,
            clock,
            entropy,
            held: Mutex::new(None),
            renewing: tokio::sync::Mutex::new(()),
        }
    }

    /// Credentials that last at least 90 s more.
    pub async fn credentials(&self) -> Result<Credentials, Error> {
        let Some(held) = self.usable() else {
            let _turn = self.renewing.lock().await;
            if let Some(renewed) = self.usable() {
                return Ok(renewed.credentials);
            }
            return self.renew().await;
        };
        if self.clock.now() < held.renew_at {
            return Ok(held.credentials);
        }
        // one caller renews, the others go on with what serves
        let Ok(_turn) = self.renewing.try_lock() else {
            return Ok(held.credentials);
        };
        match self.renew().await {
            Ok(renewed) => Ok(renewed),
            Err(error) => {
                tracing::warn!(%error, "credentials could not be renewed ahead of expiry");
                self.pause();
                Ok(held.credentials)
            }
        }
    }

    /// Drops what is cached: the service that was asked says that it has expired.
    pub fn forget(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn usable(&self) -> Option<Held> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        (self.clock.now() < held.usable_until).then_some(held)
    }

    fn pause(&self) {
        let later = self.clock.now().plus(PAUSE_AFTER_FAILURE);
        if let Some(held) = self.held.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            held.renew_at = later;
        }
    }

    async fn renew(&self) -> Result<Credentials, Error> {
        let credentials = self.exchange().await?;
        let held = self.hold(credentials.clone())?;
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
        Ok(credentials)
    }

    fn hold(&self, credentials: Credentials) -> Result<Held, StsFault> {
        let now = self.clock.now();
        let ends = credentials
            .expiry()
            .and_then(timestamp)
            .ok_or(StsFault::Malformed("its credentials have no expiration"))?;
        let life = ends.since(now);
        if life <= SHORTEST_REMAINDER {
            return Err(StsFault::Malformed("its credentials have as good as expired; compare the clocks"));
        }
        let ahead = RENEW_AHEAD.min(life / 3);
        Ok(Held {
            credentials,
            renew_at: now.plus(life.saturating_sub(ahead)),
            usable_until: now.plus(life.saturating_sub(SHORTEST_REMAINDER)),
        })
    }

    async fn exchange(&self) -> Result<Credentials, Error> {
        let mut read_again = false;
        let mut attempt = 1;
        loop {
            let token = self.token()?;
            match self.exchange.exchange(&token).await {
                Ok(credentials) => return Ok(credentials),
                // the platform may have replaced the file between our read and STS's check
                Err(StsFault::TokenExpired) if !read_again => read_again = true,
                Err(fault) if fault.passes() && attempt < ATTEMPTS => {
                    tokio::time::sleep(self.pause_before_retry(attempt)).await;
                    attempt += 1;
                }
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    fn pause_before_retry(&self, attempt: u32) -> Duration {
        let longest = RETRY_BASE.saturating_mul(1 << attempt.min(8));
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(micros / 2 + self.entropy.below(micros / 2 + 1))
    }

    fn token(&self) -> Result<Zeroizing<String>, Error> {
        let read = std::fs::read_to_string(&self.token_file);
        let text = Zeroizing::new(
            read.map_err(|source| Error::TokenFile { path: self.token_file.clone(), source })?,
        );
        let token = text.trim();
        let malformed = |rule| Error::TokenMalformed { path: self.token_file.clone(), rule };
        if token.is_empty() {
            return Err(malformed("it is empty"));
        }
        if token.len() > LONGEST_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(malformed("it must be one JWT"));
        }
        Ok(Zeroizing::new(token.to_owned()))
    }
}

fn timestamp(time: SystemTime) -> Option<Timestamp> {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since_epoch.as_micros()).ok().map(Timestamp::from_unix_micros)
}

impl ProvideCredentials for WebIdentity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.credentials().await.map_err(CredentialsError::provider_error)
        })
    }
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
