//! The rotator's keys, remembered; asked for again when an envelope names one that is not known.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mint_port::Port;
use mint_secret::{Aad, Expected, KeyRing, KeyUse, Purpose, VerifyKeys, Zeroizing, open};
use mint_types::{ApplicationId, Clock, RotationId, Timestamp};

use crate::Error;
use crate::ports::RotatorKeys;

/// Keys are asked for again after this long, so that a withdrawn one is not believed for ever.
const TRUSTED_FOR: Duration = Duration::from_mins(10);
/// Unknown key ids do not make us ask more often than this: they come from whoever sends envelopes.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
struct Known {
    keys: Arc<VerifyKeys>,
    fetched: Timestamp,
}

/// Opens envelopes: our private keys, and the rotator's public ones.
#[derive(Debug)]
pub struct Opener {
    ring: Arc<KeyRing>,
    rotator: Port<dyn RotatorKeys>,
    clock: Arc<dyn Clock>,
    known: Mutex<Option<Known>>,
    fetching: tokio::sync::Mutex<()>,
}

impl Opener {
    /// Nothing is fetched yet.
    pub fn new(ring: Arc<KeyRing>, rotator: Port<dyn RotatorKeys>, clock: Arc<dyn Clock>) -> Self {
        Self { ring, rotator, clock, known: Mutex::new(None), fetching: tokio::sync::Mutex::new(()) }
    }

    /// Verifies the signature, that it is the delivery that was asked for, and opens it.
    pub async fn open(
        &self,
        envelope: &[u8],
        application: &ApplicationId,
        rotation: RotationId,
    ) -> Result<(Aad, Zeroizing<Vec<u8>>), Error> {
        let expected = Expected { purpose: Purpose::Delivery, application, rotation: Some(rotation) };
        let recipients = self.ring.seal_keys(KeyUse::DistributorSeal).map_err(Error::Envelope)?;
        let keys = self.keys(TRUSTED_FOR).await?;
        match open(recipients, &keys, envelope, expected) {
            Err(mint_secret::Error::UnknownSigner(_)) => {}
            outcome => return outcome.map_err(Error::Envelope),
        }
        let keys = self.keys(SHORTEST_PAUSE).await?;
        open(recipients, &keys, envelope, expected).map_err(Error::Envelope)
    }

    /// Asks the rotator now, so that the first envelope finds its keys known.
    pub async fn fetch(&self) -> Result<(), Error> {
        self.keys(Duration::ZERO).await.map(drop)
    }

    /// Keys that were fetched at most this long ago.
    async fn keys(&self, at_most: Duration) -> Result<Arc<VerifyKeys>, Error> {
        if let Some(fresh) = self.fresh(at_most) {
            return Ok(fresh);
        }
        let _turn = self.fetching.lock().await;
        if let Some(fresh) = self.fresh(at_most) {
            return Ok(fresh);
        }
        let published = match self.rotator.list().await {
            Ok(published) => published,
            Err(fault) => return self.remembered().ok_or(Error::RotatorKeys(fault)),
        };
        let keys = Arc::new(VerifyKeys::of(KeyUse::RotatorSign, &published));
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Known { keys: keys.clone(), fetched: self.clock.now() });
        Ok(keys)
    }

    fn fresh(&self, at_most: Duration) -> Option<Arc<VerifyKeys>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        (self.clock.now() < known.fetched.plus(at_most)).then_some(known.keys)
    }

    /// While the rotator is down its envelopes still have to arrive: what it said is believed until it says otherwise.
    fn remembered(&self) -> Option<Arc<VerifyKeys>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        tracing::warn!("the rotator does not answer: its remembered keys are used");
        Some(known.keys)
    }
}
