//! The distributor's public keys, remembered for a short while.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mint_port::Port;
use mint_secret::{Evidence, KeyUse, PublishedKey, SealPublicKey, VerifyKeys, verify_evidence};
use mint_types::{Clock, Monotonic};

use crate::Error;
use crate::ports::DistributorKeys;

/// A distributor that lost its key restarts rotations with the new one: nothing is sealed to a key that was seen longer
/// ago than this.
const FRESH: Duration = Duration::from_secs(10);

/// The keys as they were last seen.
#[derive(Debug)]
pub struct KnownKeys {
    source: Port<dyn DistributorKeys>,
    clock: Arc<dyn Clock>,
    seen: Mutex<Option<(Monotonic, Arc<Vec<PublishedKey>>)>>,
}

impl KnownKeys {
    /// Nothing is known yet.
    pub fn new(source: Port<dyn DistributorKeys>, clock: Arc<dyn Clock>) -> Self {
        Self { source, clock, seen: Mutex::new(None) }
    }

    /// The key to seal to.
    pub async fn seal_to(&self) -> Result<SealPublicKey, Error> {
        let keys = self.fresh().await?;
        SealPublicKey::active(KeyUse::DistributorSeal, &keys)
            .ok_or_else(|| Error::KeysUnavailable("the distributor has no active sealing key".to_owned()))
    }

    /// A receipt, whole or partial, if a published key signed it; an unknown key is looked up once more.
    pub async fn verify(&self, receipt: &[u8]) -> Result<Evidence, Error> {
        let refused = |error: mint_secret::Error| Error::ReceiptInvalid(error.to_string());
        let keys = self.fresh().await?;
        match verify_evidence(&VerifyKeys::of(KeyUse::DistributorReceipt, &keys), receipt) {
            Err(mint_secret::Error::UnknownSigner(_)) => {}
            outcome => return outcome.map_err(refused),
        }
        let keys = self.fetch().await?;
        verify_evidence(&VerifyKeys::of(KeyUse::DistributorReceipt, &keys), receipt).map_err(refused)
    }

    async fn fresh(&self) -> Result<Arc<Vec<PublishedKey>>, Error> {
        let now = self.clock.monotonic();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match seen {
            Some((at, keys)) if now.since(&at).is_some_and(|age| age < FRESH) => Ok(keys),
            _ => self.fetch().await,
        }
    }

    async fn fetch(&self) -> Result<Arc<Vec<PublishedKey>>, Error> {
        let keys = Arc::new(self.source.list().await?);
        let now = self.clock.monotonic();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&keys)));
        Ok(keys)
    }
}
