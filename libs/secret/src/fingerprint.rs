//! Telling two versions apart without giving anybody something to guess with.

use std::fmt;

use aws_lc_rs::hmac;
use mint_types::{ApplicationId, CredentialKind};

use crate::envelope::kind_to_byte;
use crate::wire::Writer;
use crate::{Error, KeyId, KeyUse, SecretValue};

/// How much of the HMAC is kept: enough to tell versions apart, too little to be worth collecting.
const KEPT_BYTES: usize = 12;

/// The rotator's HMAC key.
pub struct FingerprintKey {
    id: KeyId,
    key: hmac::Key,
}

/// A keyed, truncated fingerprint as hexadecimal text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FingerprintKey {
    pub(crate) fn from_seed(key_use: KeyUse, seed: &[u8; 32]) -> Self {
        Self { id: KeyId::of(key_use, seed), key: hmac::Key::new(hmac::HMAC_SHA256, seed) }
    }

    pub(crate) fn id(&self) -> &KeyId {
        &self.id
    }

    /// The fingerprint of a version: of what identifies it and of its secrets, each with its length.
    pub fn fingerprint(
        &self,
        application: &ApplicationId,
        kind: CredentialKind,
        public: &[&str],
        secrets: &[&SecretValue],
    ) -> Result<Fingerprint, Error> {
        let mut named = Writer::default();
        named.raw(b"mint fingerprint 1\0").text(application.as_str())?.byte(kind_to_byte(kind));
        for text in public {
            named.text(text)?;
        }
        let mut context = hmac::Context::with_key(&self.key);
        context.update(named.as_bytes());
        for secret in secrets {
            let plaintext = secret.expose().as_bytes();
            let length = u32::try_from(plaintext.len()).map_err(|_| Error::TooLong)?;
            context.update(&length.to_be_bytes());
            context.update(plaintext);
        }
        Ok(Fingerprint(hex::encode(&context.sign().as_ref()[..KEPT_BYTES])))
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "FingerprintKey({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(seed: u8, application: &str, secret: &str) -> Fingerprint {
        let key = FingerprintKey::from_seed(KeyUse::RotatorFingerprint, &[seed; 32]);
        let secret = SecretValue::new(secret.to_owned());
        key.fingerprint(&application.parse().unwrap(), CredentialKind::Password, &["stups_shop"], &[&secret])
            .unwrap()
    }

    #[test]
    fn a_fingerprint_tells_versions_apart_and_is_useless_without_the_key() {
        assert_eq!(fingerprint(1, "shop", "secret"), fingerprint(1, "shop", "secret"));
        assert_ne!(fingerprint(1, "shop", "secret"), fingerprint(1, "shop", "secreu"));
        assert_ne!(fingerprint(1, "shop", "secret"), fingerprint(1, "shoq", "secret"));
        assert_ne!(fingerprint(1, "shop", "secret"), fingerprint(2, "shop", "secret"), "another key");
    }
}
