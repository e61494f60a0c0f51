//! Sealing what was tested.

use mint_secret::{EnvelopeDigest, KeyUse, Purpose, SealPublicKey, Stamp, Subject, seal};
use mint_types::VersionId;

use super::test::Tested;
use crate::Error;
use crate::execute::{Order, Rotator};
use crate::plan::Make;
use crate::state::{Envelopes, Made};

impl Rotator {
    /// Seals the tested version to the distributor and to ourselves, and signs both.
    pub(super) fn seal(
        &self,
        order: &Order,
        make: &Make,
        username: &str,
        recipient: &SealPublicKey,
        tested: &Tested,
    ) -> Result<Made, Error> {
        let (entropy, keys) = (self.parts.entropy.as_ref(), &self.parts.keys);
        let (application, kind) = (&order.application, order.ask.kind);
        let version_id = VersionId::random(entropy);
        let stamp = Stamp { version_id, issued_at: self.parts.clock.now() };
        let fresh = tested.fresh();
        let body = fresh.object(username, stamp)?;
        let (public, secrets) = fresh.fingerprinted(username);
        let fingerprint = keys.fingerprint()?.fingerprint(application, kind, &public, &secrets)?;
        let signer = keys.signing(KeyUse::RotatorSign)?;
        let subject = |purpose| Subject {
            purpose,
            application: application.clone(),
            kind,
            version: make.version,
            version_id,
            rotation: order.ask.rotation,
        };
        let delivery = seal(recipient, signer, subject(Purpose::Delivery), body.expose(), entropy)?;
        let probe_key = keys.seal_public(KeyUse::RotatorProbe)?;
        let probe = seal(&probe_key, signer, subject(Purpose::Probe), body.expose(), entropy)?;
        let (password_handle, client_handle) = fresh.handles();
        Ok(Made {
            version: make.version,
            version_id,
            fingerprint: fingerprint.as_str().to_owned(),
            previous: make.previous,
            digest: EnvelopeDigest::of(&delivery),
            envelopes: Some(Envelopes { delivery, probe }),
            password_handle,
            client_handle,
        })
    }
}
