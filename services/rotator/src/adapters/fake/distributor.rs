//! The distributor in memory: its keys, and the receipts that it signs.

use async_trait::async_trait;
use mint_secret::{
    EnvelopeDigest, KeyUse, NonEmpty, PublishedKey, Receipt, Written, peek, sign_partial_receipt,
    sign_receipt,
};
use mint_types::{Clock as _, Revision};

use super::{Course, World};
use crate::Error;
use crate::ports::DistributorKeys;

impl World {
    /// A receipt as the distributor signs it for an envelope.
    pub(crate) fn receipt(&self, envelope: &[u8]) -> Vec<u8> {
        self.receipt_with(envelope, |_| {})
    }

    /// A statement that one destination has an envelope's version, while others may lack it.
    pub(crate) fn partial_receipt(&self, envelope: &[u8]) -> Vec<u8> {
        let signer = self.distributor.signing(KeyUse::DistributorReceipt).unwrap();
        sign_partial_receipt(signer, &self.receipt_of(envelope)).unwrap()
    }

    pub(crate) fn receipt_with(&self, envelope: &[u8], change: impl FnOnce(&mut Receipt)) -> Vec<u8> {
        let mut receipt = self.receipt_of(envelope);
        change(&mut receipt);
        sign_receipt(self.distributor.signing(KeyUse::DistributorReceipt).unwrap(), &receipt).unwrap()
    }

    fn receipt_of(&self, envelope: &[u8]) -> Receipt {
        let subject = peek(envelope).unwrap().subject;
        let key = format!("{}/{}", subject.application, subject.kind.object_name());
        let written = Written { bucket: "team-bucket".parse().unwrap(), key };
        Receipt {
            application: subject.application,
            kind: subject.kind,
            version: subject.version,
            rotation: subject.rotation,
            envelope: EnvelopeDigest::of(envelope),
            catalog_revision: Revision(1),
            first_written_at: self.clock.now(),
            destinations: NonEmpty::new(written, Vec::new()),
        }
    }
}

#[async_trait]
impl DistributorKeys for World {
    async fn list(&self) -> Result<Vec<PublishedKey>, Error> {
        match self.course("keys").await {
            Course::Normal => Ok(self.distributor.published().to_vec()),
            Course::DiesAfter => self.die().await,
            Course::Refused | Course::Unanswered => Err(Error::KeysUnavailable("injected".to_owned())),
        }
    }
}
