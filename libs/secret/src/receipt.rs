//! The distributor's signed statement of what it wrote where.

use mint_types::{ApplicationId, BucketName, CredentialKind, Revision, RotationId, Timestamp, Version};

use crate::envelope::{kind_from_byte, kind_to_byte};
use crate::wire::{Reader, Writer};
use crate::{EnvelopeDigest, Error, KeyId, NonEmpty, SigningKey, VerifyKeys};

const MAGIC: &[u8] = b"MNTR";
const FORMAT: u8 = 3;
/// What a reader that knows whole receipts only refuses.
const PARTIAL_FORMAT: u8 = 4;
/// Keeps a signature over a receipt from being one over anything else.
const DOMAIN: &[u8] = b"mint receipt signature 1\0";
/// Keeps a statement about some destinations from ever being read as one about all.
const PARTIAL_DOMAIN: &[u8] = b"mint partial receipt signature 1\0";
const SIGNATURE: usize = 64;

/// One object that was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Written {
    /// The bucket.
    pub bucket: BucketName,
    /// The object's key.
    pub key: String,
}

/// Every destination confirmed this version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Whose credential was written.
    pub application: ApplicationId,
    /// Which credential.
    pub kind: CredentialKind,
    /// Which version of it.
    pub version: Version,
    /// The rotation that made it.
    pub rotation: RotationId,
    /// The envelope that was opened.
    pub envelope: EnvelopeDigest,
    /// The catalog revision that named the destinations.
    pub catalog_revision: Revision,
    /// When the first of these writes was begun, by the distributor's clock: nobody read this version before.
    pub first_written_at: Timestamp,
    /// Where it was written: never nowhere.
    pub destinations: NonEmpty<Written>,
}

/// What the distributor says about a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// Every destination has it.
    Whole(Receipt),
    /// Those that are named have it; others may lack it.
    Partial(Receipt),
}

impl Evidence {
    /// What both kinds say.
    pub fn receipt(&self) -> &Receipt {
        match self {
            Self::Whole(receipt) | Self::Partial(receipt) => receipt,
        }
    }
}

/// Signs a receipt.
pub fn sign_receipt(signer: &SigningKey, receipt: &Receipt) -> Result<Vec<u8>, Error> {
    sign(signer, receipt, FORMAT, DOMAIN)
}

/// Signs that some destinations have a version, while others may lack it: enough to set a value at an issuer that knows
/// one at a time, and nothing more.
pub fn sign_partial_receipt(signer: &SigningKey, receipt: &Receipt) -> Result<Vec<u8>, Error> {
    sign(signer, receipt, PARTIAL_FORMAT, PARTIAL_DOMAIN)
}

fn sign(signer: &SigningKey, receipt: &Receipt, format: u8, domain: &[u8]) -> Result<Vec<u8>, Error> {
    let count = u16::try_from(receipt.destinations.len()).map_err(|_| Error::TooLong)?;
    let mut writer = Writer::default();
    writer
        .raw(MAGIC)
        .byte(format)
        .text(receipt.application.as_str())?
        .byte(kind_to_byte(receipt.kind))
        .number(receipt.version.0)
        .raw(receipt.rotation.as_uuid().as_bytes())
        .raw(&receipt.envelope.0)
        .number(receipt.catalog_revision.0)
        .number(receipt.first_written_at.unix_micros().unsigned_abs())
        .raw(&count.to_be_bytes());
    for written in receipt.destinations.iter() {
        writer.text(written.bucket.as_str())?.text(&written.key)?;
    }
    writer.text(signer.id().as_str())?;
    let signature = signer.sign(domain, writer.as_bytes());
    writer.raw(&signature);
    Ok(writer.into_bytes())
}

/// Reads a receipt and believes it only if a published key signed every byte of it.
pub fn verify_receipt(verifiers: &VerifyKeys, bytes: &[u8]) -> Result<Receipt, Error> {
    match verify_evidence(verifiers, bytes)? {
        Evidence::Whole(receipt) => Ok(receipt),
        Evidence::Partial(_) => Err(Error::MalformedReceipt("it is for some destinations only")),
    }
}

/// Reads a receipt, whole or partial, and believes it only if a published key signed every byte of it.
pub fn verify_evidence(verifiers: &VerifyKeys, bytes: &[u8]) -> Result<Evidence, Error> {
    let mut reader = Reader::new(bytes, Error::MalformedReceipt);
    let (format, receipt) = decode(&mut reader)?;
    let domain = if format == FORMAT { DOMAIN } else { PARTIAL_DOMAIN };
    let signer: KeyId = reader.text()?.parse().map_err(|_| Error::MalformedReceipt("signer"))?;
    let signed = &bytes[..bytes.len() - reader.left()];
    let signature = reader.raw(SIGNATURE)?;
    reader.finish()?;
    verifiers.verify(&signer, domain, signed, signature)?;
    Ok(if format == FORMAT { Evidence::Whole(receipt) } else { Evidence::Partial(receipt) })
}

fn decode(reader: &mut Reader<'_>) -> Result<(u8, Receipt), Error> {
    if reader.raw(MAGIC.len())? != MAGIC {
        return Err(Error::MalformedReceipt("it does not begin like one"));
    }
    let format = reader.byte()?;
    if !matches!(format, FORMAT | PARTIAL_FORMAT) {
        return Err(Error::MalformedReceipt("a format that this version does not know"));
    }
    let application = reader.text()?.parse().map_err(|_| Error::MalformedReceipt("application"))?;
    let kind = kind_from_byte(reader.byte()?).ok_or(Error::MalformedReceipt("kind"))?;
    let version = Version(reader.number()?);
    let rotation = RotationId::from_bytes(reader.array()?);
    let envelope = EnvelopeDigest(reader.array()?);
    let catalog_revision = Revision(reader.number()?);
    let micros = i64::try_from(reader.number()?).map_err(|_| Error::MalformedReceipt("first write"))?;
    let first_written_at = Timestamp::from_unix_micros(micros);
    let count = u16::from_be_bytes(reader.array()?);
    let written = (0..count).map(|_| decode_written(reader)).collect::<Result<Vec<_>, _>>()?;
    let destinations = NonEmpty::from_vec(written).ok_or(Error::MalformedReceipt("no destination"))?;
    let receipt = Receipt {
        application,
        kind,
        version,
        rotation,
        envelope,
        catalog_revision,
        first_written_at,
        destinations,
    };
    Ok((format, receipt))
}

fn decode_written(reader: &mut Reader<'_>) -> Result<Written, Error> {
    let bucket = reader.text()?.parse().map_err(|_| Error::MalformedReceipt("bucket"))?;
    Ok(Written { bucket, key: reader.text()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Noise, published, ring};
    use crate::{KeyRing, KeyUse};

    fn receipt() -> Receipt {
        let written =
            |bucket: &str| Written { bucket: bucket.parse().unwrap(), key: "p/shop/user.json".to_owned() };
        Receipt {
            application: "shop".parse().unwrap(),
            kind: CredentialKind::Password,
            version: Version(7),
            rotation: RotationId::random(&Noise::new(1)),
            envelope: EnvelopeDigest::of(b"envelope"),
            catalog_revision: Revision(3),
            first_written_at: Timestamp::from_unix_micros(1_800_000_000_000_007),
            destinations: NonEmpty::new(written("bucket-a"), vec![written("bucket-b")]),
        }
    }

    fn verifiers(ring: &KeyRing) -> VerifyKeys {
        VerifyKeys::of(KeyUse::DistributorReceipt, &published(ring))
    }

    #[test]
    fn a_signed_receipt_reads_back_as_it_was() {
        let ring = ring(&[KeyUse::DistributorReceipt], 1);
        let bytes = sign_receipt(ring.signing(KeyUse::DistributorReceipt).unwrap(), &receipt()).unwrap();
        assert_eq!(verify_receipt(&verifiers(&ring), &bytes).unwrap(), receipt());
    }

    #[test]
    fn a_partial_receipt_is_never_read_as_a_whole_one() {
        let ring = ring(&[KeyUse::DistributorReceipt], 1);
        let signer = ring.signing(KeyUse::DistributorReceipt).unwrap();
        let partial = sign_partial_receipt(signer, &receipt()).unwrap();
        let keys = verifiers(&ring);
        assert_eq!(verify_evidence(&keys, &partial).unwrap(), Evidence::Partial(receipt()));
        assert!(verify_receipt(&keys, &partial).is_err());
        let whole = sign_receipt(signer, &receipt()).unwrap();
        assert_eq!(verify_evidence(&keys, &whole).unwrap(), Evidence::Whole(receipt()));
        for (bytes, format) in [(partial, FORMAT), (whole, PARTIAL_FORMAT)] {
            let mut disguised = bytes;
            disguised[MAGIC.len()] = format;
            assert!(verify_evidence(&keys, &disguised).is_err(), "the signature covers which it is");
        }
    }

    #[test]
    fn a_receipt_with_any_byte_changed_is_refused() {
        let ring = ring(&[KeyUse::DistributorReceipt], 1);
        let bytes = sign_receipt(ring.signing(KeyUse::DistributorReceipt).unwrap(), &receipt()).unwrap();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            assert!(verify_receipt(&verifiers(&ring), &changed).is_err(), "byte {index}");
            assert!(verify_receipt(&verifiers(&ring), &bytes[..index]).is_err(), "cut at {index}");
        }
    }

    #[test]
    fn a_receipt_signed_by_a_stranger_is_refused() {
        let ours = ring(&[KeyUse::DistributorReceipt], 1);
        let stranger = ring(&[KeyUse::DistributorReceipt], 2);
        let bytes = sign_receipt(stranger.signing(KeyUse::DistributorReceipt).unwrap(), &receipt()).unwrap();
        let refused = verify_receipt(&verifiers(&ours), &bytes).unwrap_err();
        assert!(matches!(refused, Error::UnknownSigner(_)), "{refused}");
    }

    #[test]
    fn a_receipt_for_zero_destinations_cannot_be_written_or_read() {
        assert!(NonEmpty::<Written>::from_vec(Vec::new()).is_none());
        let ring = ring(&[KeyUse::DistributorReceipt], 1);
        let signer = ring.signing(KeyUse::DistributorReceipt).unwrap();
        let mut writer = Writer::default();
        let receipt = receipt();
        writer.raw(MAGIC).byte(FORMAT).text("shop").unwrap().byte(1).number(7);
        writer
            .raw(receipt.rotation.as_uuid().as_bytes())
            .raw(&receipt.envelope.0)
            .number(3)
            .number(5)
            .raw(&[0, 0]);
        writer.text(signer.id().as_str()).unwrap();
        let signature = signer.sign(DOMAIN, writer.as_bytes());
        writer.raw(&signature);
        let refused = verify_receipt(&verifiers(&ring), writer.as_bytes()).unwrap_err();
        assert!(matches!(refused, Error::MalformedReceipt("no destination")), "{refused}");
    }
}
