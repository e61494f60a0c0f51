//! Sealed, signed messages: HPKE to one recipient, Ed25519 by one sender, associated data for everybody.

use std::fmt;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _};
use mint_types::mutation::{Mutation, mutated};
use mint_types::{ApplicationId, CredentialKind, Entropy, RotationId, Version, VersionId};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::key::HpkeEntropy;
use crate::wire::{Reader, Writer};
use crate::{Error, KeyId, SealKeys, SealPublicKey, SigningKey, VerifyKeys};

const MAGIC: &[u8] = b"MNTE";
const FORMAT: u8 = 1;
/// RFC 9180 `info`: binds the key schedule to this use of the keys.
const INFO: &[u8] = b"mint envelope 1";
/// Keeps a signature over an envelope from being one over anything else.
const DOMAIN: &[u8] = b"mint envelope signature 1\0";
const ENCAPSULATED: usize = 32;
const SIGNATURE: usize = 64;

/// What an envelope is for; one kind of envelope is never taken for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To the distributor: write this.
    Delivery,
    /// To the rotator itself: prove this version dead.
    Probe,
}

impl Purpose {
    fn to_byte(self) -> u8 {
        match self {
            Self::Delivery => 1,
            Self::Probe => 2,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Delivery, Self::Probe].into_iter().find(|purpose| purpose.to_byte() == byte)
    }
}

/// What an envelope is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    /// What it is for.
    pub purpose: Purpose,
    /// Whose credential it is.
    pub application: ApplicationId,
    /// Which credential.
    pub kind: CredentialKind,
    /// The version's number.
    pub version: Version,
    /// The version's random id.
    pub version_id: VersionId,
    /// The rotation that made the version.
    pub rotation: RotationId,
}

/// The associated data: readable by everybody, changeable by nobody.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Aad {
    /// What the envelope is about.
    pub subject: Subject,
    /// The key that opens it.
    pub recipient: KeyId,
    /// The key that signed it.
    pub signer: KeyId,
}

/// What an opener asked for; anything else is refused although it is genuine.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// What it must be for.
    pub purpose: Purpose,
    /// Whose it must be.
    pub application: &'a ApplicationId,
    /// The rotation that must have made it; none where the caller compares it with a ledger.
    pub rotation: Option<RotationId>,
}

/// The SHA-256 of a whole envelope; receipts name it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnvelopeDigest(pub [u8; 32]);

impl EnvelopeDigest {
    /// Of these bytes.
    pub fn of(envelope: &[u8]) -> Self {
        Self(Sha256::digest(envelope).into())
    }
}

impl fmt::Display for EnvelopeDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for EnvelopeDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EnvelopeDigest({self})")
    }
}

/// Seals a plaintext to a recipient and signs the result.
pub fn seal(
    recipient: &SealPublicKey,
    signer: &SigningKey,
    subject: Subject,
    plaintext: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, Error> {
    let aad = Aad { subject, recipient: recipient.id().clone(), signer: signer.id().clone() };
    let encoded_aad = encode_aad(&aad)?;
    let (encapsulated, ciphertext) =
        hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &recipient.half,
            INFO,
            plaintext,
            &encoded_aad,
            &mut HpkeEntropy(entropy),
        )
        .map_err(|_| Error::BadRecipient(recipient.id().clone()))?;
    let mut writer = Writer::default();
    writer.raw(MAGIC).byte(FORMAT).raw(&encoded_aad).raw(&encapsulated.to_bytes()).block(&ciphertext)?;
    let signature = signer.sign(DOMAIN, writer.as_bytes());
    writer.raw(&signature);
    Ok(writer.into_bytes())
}

/// Opens an envelope: checks the form, the signature and that it is what was asked for, then uses the private key.
pub fn open(
    recipients: &SealKeys,
    verifiers: &VerifyKeys,
    envelope: &[u8],
    expected: Expected<'_>,
) -> Result<(Aad, Zeroizing<Vec<u8>>), Error> {
    let parts = Parts::split(envelope)?;
    if !mutated(Mutation::UnsignedEnvelope) {
        verifiers.verify(&parts.aad.signer, DOMAIN, parts.signed, parts.signature)?;
    }
    check_expected(&parts.aad.subject, expected)?;
    let recipient = &parts.aad.recipient;
    let key = recipients.find(recipient).ok_or_else(|| Error::NotOurs(recipient.clone()))?;
    let encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(parts.encapsulated)
        .map_err(|_| Error::MalformedEnvelope("encapsulated key"))?;
    let plaintext = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &key.half,
        &encapsulated,
        INFO,
        parts.ciphertext,
        parts.encoded_aad,
    )
    .map_err(|_| Error::Unopenable(recipient.clone()))?;
    Ok((parts.aad, Zeroizing::new(plaintext)))
}

/// Reads the associated data without any key, and so without believing it.
pub fn peek(envelope: &[u8]) -> Result<Aad, Error> {
    Ok(Parts::split(envelope)?.aad)
}

fn check_expected(subject: &Subject, expected: Expected<'_>) -> Result<(), Error> {
    if subject.purpose != expected.purpose {
        return Err(Error::Mismatch("purpose"));
    }
    if subject.application != *expected.application {
        return Err(Error::Mismatch("application"));
    }
    if expected.rotation.is_some_and(|rotation| rotation != subject.rotation) {
        return Err(Error::Mismatch("rotation"));
    }
    Ok(())
}

/// An envelope taken apart, nothing of it believed.
struct Parts<'a> {
    aad: Aad,
    encoded_aad: &'a [u8],
    encapsulated: &'a [u8],
    ciphertext: &'a [u8],
    signed: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(envelope: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(envelope, Error::MalformedEnvelope);
        if reader.raw(MAGIC.len())? != MAGIC {
            return Err(Error::MalformedEnvelope("it does not begin like one"));
        }
        if reader.byte()? != FORMAT {
            return Err(Error::MalformedEnvelope("a format that this version does not know"));
        }
        let aad_begins = envelope.len() - reader.left();
        let aad = decode_aad(&mut reader)?;
        let aad_ends = envelope.len() - reader.left();
        let encapsulated = reader.raw(ENCAPSULATED)?;
        let ciphertext = reader.block()?;
        let signed = &envelope[..envelope.len() - reader.left()];
        let signature = reader.raw(SIGNATURE)?;
        reader.finish()?;
        Ok(Self {
            aad,
            encoded_aad: &envelope[aad_begins..aad_ends],
            encapsulated,
            ciphertext,
            signed,
            signature,
        })
    }
}

fn encode_aad(aad: &Aad) -> Result<Vec<u8>, Error> {
    let Subject { purpose, application, kind, version, version_id, rotation } = &aad.subject;
    let mut writer = Writer::default();
    writer
        .byte(purpose.to_byte())
        .text(application.as_str())?
        .byte(kind_to_byte(*kind))
        .number(version.0)
        .raw(version_id.as_uuid().as_bytes())
        .raw(rotation.as_uuid().as_bytes())
        .text(aad.recipient.as_str())?
        .text(aad.signer.as_str())?;
    Ok(writer.into_bytes())
}

fn decode_aad(reader: &mut Reader<'_>) -> Result<Aad, Error> {
    let purpose = Purpose::from_byte(reader.byte()?).ok_or(Error::MalformedEnvelope("purpose"))?;
    let application = reader.text()?.parse().map_err(|_| Error::MalformedEnvelope("application"))?;
    let kind = kind_from_byte(reader.byte()?).ok_or(Error::MalformedEnvelope("kind"))?;
    let version = Version(reader.number()?);
    let version_id = VersionId::from_bytes(reader.array()?);
    let rotation = RotationId::from_bytes(reader.array()?);
    let recipient = reader.text()?.parse().map_err(|_| Error::MalformedEnvelope("recipient"))?;
    let signer = reader.text()?.parse().map_err(|_| Error::MalformedEnvelope("signer"))?;
    let subject = Subject { purpose, application, kind, version, version_id, rotation };
    Ok(Aad { subject, recipient, signer })
}

pub(crate) fn kind_to_byte(kind: CredentialKind) -> u8 {
    match kind {
        CredentialKind::Password => 1,
        CredentialKind::Client => 2,
        CredentialKind::Combined => 3,
        CredentialKind::PublicClient => 4,
    }
}

pub(crate) fn kind_from_byte(byte: u8) -> Option<CredentialKind> {
    CredentialKind::ALL.into_iter().find(|kind| kind_to_byte(*kind) == byte)
}

#[cfg(test)]
mod tests;
