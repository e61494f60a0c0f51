//! Keys: what they are for, their ids, their private and public halves.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, Serializable as _};
use mint_types::Entropy;
use mint_types::mutation::{Mutation, mutated};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use crate::Error;

/// What a key is for; each use has one owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyUse {
    /// Ed25519: the rotator signs envelopes.
    RotatorSign,
    /// X25519: the rotator opens probe envelopes.
    RotatorProbe,
    /// HMAC-SHA-256: the rotator tells versions apart. Has no public half.
    RotatorFingerprint,
    /// X25519: the distributor opens delivery envelopes.
    DistributorSeal,
    /// Ed25519: the distributor signs receipts.
    DistributorReceipt,
}

impl KeyUse {
    /// Every use.
    pub const ALL: [Self; 5] = [
        Self::RotatorSign,
        Self::RotatorProbe,
        Self::RotatorFingerprint,
        Self::DistributorSeal,
        Self::DistributorReceipt,
    ];

    /// The name in files and on the wire, for example `rotator-sign`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RotatorSign => "rotator-sign",
            Self::RotatorProbe => "rotator-probe",
            Self::RotatorFingerprint => "rotator-fingerprint",
            Self::DistributorSeal => "distributor-seal",
            Self::DistributorReceipt => "distributor-receipt",
        }
    }

    /// The use of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key_use| key_use.as_str() == name)
    }
}

impl fmt::Display for KeyUse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Where a key is in its life: published before use, kept until nothing live names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyStage {
    /// Published, not used yet.
    Next,
    /// Used for new work; exactly one per use.
    Active,
    /// Only verifies or opens old work.
    Retiring,
}

/// Eight bytes of the SHA-256 of the public half, as 16 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

/// A text that is no key id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key id is 16 lower-case hexadecimal digits")]
pub struct InvalidKeyId;

impl KeyId {
    pub(crate) fn of(key_use: KeyUse, public: &[u8]) -> Self {
        let digest =
            Sha256::new().chain_update(key_use.as_str()).chain_update([0]).chain_update(public).finalize();
        Self(hex::encode(&digest[..8]))
    }

    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = InvalidKeyId;
    fn from_str(text: &str) -> Result<Self, InvalidKeyId> {
        let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 16 && text.bytes().all(hexadecimal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidKeyId)
        }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The public half of a key as its owner publishes it over mutual TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedKey {
    /// The key's id.
    pub id: KeyId,
    /// What it is for.
    pub key_use: KeyUse,
    /// Ed25519 or X25519 public key.
    pub public_key: [u8; 32],
    /// Where it is in its life.
    pub stage: KeyStage,
}

impl PublishedKey {
    /// From what came over the wire: the id must be the one that follows from the key.
    pub fn checked(id: &str, key_use: &str, public_key: &[u8], stage: KeyStage) -> Option<Self> {
        let key_use = KeyUse::from_name(key_use)?;
        let public_key: [u8; 32] = public_key.try_into().ok()?;
        let expected = KeyId::of(key_use, &public_key);
        (expected.as_str() == id).then_some(Self { id: expected, key_use, public_key, stage })
    }
}

/// Signs envelopes or receipts (Ed25519).
pub struct SigningKey {
    id: KeyId,
    pair: Ed25519KeyPair,
}

impl SigningKey {
    pub(crate) fn from_seed(key_use: KeyUse, seed: &[u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        Some(Self { id: KeyId::of(key_use, pair.public_key().as_ref()), pair })
    }

    /// The id that signatures name.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    pub(crate) fn public(&self) -> Option<[u8; 32]> {
        self.pair.public_key().as_ref().try_into().ok()
    }

    pub(crate) fn sign(&self, domain: &[u8], message: &[u8]) -> Vec<u8> {
        self.pair.sign(&[domain, message].concat()).as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({})", self.id)
    }
}

/// The public keys whose signatures are believed, all of one use.
#[derive(Debug, Clone, Default)]
pub struct VerifyKeys(BTreeMap<KeyId, [u8; 32]>);

impl VerifyKeys {
    /// The keys of one use, of every stage: a `next` key may become active before we hear of it.
    pub fn of(key_use: KeyUse, published: &[PublishedKey]) -> Self {
        let fitting = published.iter().filter(|key| key.key_use == key_use);
        Self(fitting.map(|key| (key.id.clone(), key.public_key)).collect())
    }

    pub(crate) fn verify(
        &self,
        signer: &KeyId,
        domain: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Error> {
        let public = self.0.get(signer).ok_or_else(|| Error::UnknownSigner(signer.clone()))?;
        UnparsedPublicKey::new(&ED25519, public)
            .verify(&[domain, message].concat(), signature)
            .map_err(|_| Error::BadSignature(signer.clone()))
    }
}

type PublicHalf = <X25519HkdfSha256 as Kem>::PublicKey;
type PrivateHalf = <X25519HkdfSha256 as Kem>::PrivateKey;

/// Whom an envelope is sealed to (X25519).
#[derive(Debug, Clone)]
pub struct SealPublicKey {
    id: KeyId,
    pub(crate) half: PublicHalf,
}

impl SealPublicKey {
    /// The active key of a use among those published.
    pub fn active(key_use: KeyUse, published: &[PublishedKey]) -> Option<Self> {
        // who stole a key that was retired opens nothing new with it: nobody seals to it
        let is_sealed_to = |stage| {
            stage == KeyStage::Active
                || stage == KeyStage::Retiring && mutated(Mutation::RetiredKeyStillOpening)
        };
        let key = published.iter().find(|key| key.key_use == key_use && is_sealed_to(key.stage))?;
        Some(Self { id: key.id.clone(), half: PublicHalf::from_bytes(&key.public_key).ok()? })
    }

    /// The id that envelopes name.
    pub fn id(&self) -> &KeyId {
        &self.id
    }
}

/// Opens envelopes (X25519).
pub struct SealKey {
    id: KeyId,
    pub(crate) half: PrivateHalf,
}

impl SealKey {
    pub(crate) fn from_seed(key_use: KeyUse, seed: &[u8; 32]) -> Option<Self> {
        let half = PrivateHalf::from_bytes(seed).ok()?;
        let id = KeyId::of(key_use, &X25519HkdfSha256::sk_to_pk(&half).to_bytes());
        Some(Self { id, half })
    }

    /// The id that envelopes name.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        X25519HkdfSha256::sk_to_pk(&self.half).to_bytes().into()
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SealKey({})", self.id)
    }
}

/// Every key of ours that may open an envelope: active, retiring and next.
#[derive(Debug, Default)]
pub struct SealKeys(Vec<SealKey>);

impl SealKeys {
    pub(crate) fn push(&mut self, key: SealKey) {
        self.0.push(key);
    }

    pub(crate) fn find(&self, id: &KeyId) -> Option<&SealKey> {
        self.0.iter().find(|key| key.id == *id)
    }
}

/// 32 bytes of entropy, wiped when dropped.
pub(crate) fn random_seed(entropy: &dyn Entropy) -> Zeroizing<[u8; 32]> {
    let mut seed = Zeroizing::new([0; 32]);
    entropy.fill(seed.as_mut());
    seed
}

/// The injected entropy in the form that `hpke` takes.
pub(crate) struct HpkeEntropy<'a>(pub(crate) &'a dyn Entropy);

impl hpke::rand_core::TryRng for HpkeEntropy<'_> {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        let number = u32::from_le_bytes(bytes);
        bytes.zeroize();
        Ok(number)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        let number = u64::from_le_bytes(bytes);
        bytes.zeroize();
        Ok(number)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl hpke::rand_core::TryCryptoRng for HpkeEntropy<'_> {}
