//! What envelopes and receipts carry here: opaque bytes to the coordinator, as in life.

use mint_rotator::state::Made;
use mint_saga::Sealed;
use mint_secret::{EnvelopeDigest, NonEmpty, Receipt, Written};
use mint_types::{ApplicationId, CredentialKind, IssuerObject, Revision, RotationId, Version};

/// A handle of the issuer: the commit's transaction, and what the secret opens.
pub type Serial = u8;
/// What was in use before Mint came, on either object.
pub const FOREIGN: Serial = 0;

/// A credential as it lies in a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Payload {
    /// Of which kind.
    pub kind: CredentialKind,
    /// Which version; 0 is foreign.
    pub version: Version,
    /// The rotation that made it.
    pub rotation: RotationId,
    /// The password.
    pub user: Option<Serial>,
    /// The client's secret.
    pub client: Option<Serial>,
}

/// The id of the n-th rotation.
pub fn rotation_id(number: u8) -> RotationId {
    let mut bytes = [0; 16];
    bytes[15] = number;
    RotationId::from_bytes(bytes)
}

const NOTHING: u8 = 255;
/// An envelope's.
const LENGTH: usize = 27;
/// What ends a partial receipt.
const PARTIAL: u8 = 1;
/// Values that Mint makes are told from the issuer's own.
const MADE_BY_MINT: Serial = 100;

/// The value of the n-th intent.
pub fn value_of(number: u8) -> Serial {
    MADE_BY_MINT + number
}

impl Payload {
    /// The envelope.
    pub fn seal(&self) -> Sealed {
        let mut bytes =
            vec![kind_byte(self.kind), self.user.unwrap_or(NOTHING), self.client.unwrap_or(NOTHING)];
        bytes.extend(self.version.0.to_be_bytes());
        bytes.extend(self.rotation.as_uuid().as_bytes());
        Sealed::new(bytes)
    }

    /// What an envelope carries; none if it is none.
    pub fn open(envelope: &Sealed) -> Option<Self> {
        let bytes = envelope.as_bytes();
        let serial = |byte: u8| Some(byte).filter(|byte| *byte != NOTHING);
        Some(Self {
            kind: kind_of(*bytes.first()?)?,
            user: serial(*bytes.get(1)?),
            client: serial(*bytes.get(2)?),
            version: Version(u64::from_be_bytes(bytes.get(3..11)?.try_into().ok()?)),
            rotation: RotationId::from_bytes(bytes.get(11..27)?.try_into().ok()?),
        })
    }

    /// The envelope's digest: its bytes, for they are short.
    pub fn digest(envelope: &Sealed) -> EnvelopeDigest {
        let mut digest = [0; 32];
        for (to, from) in digest.iter_mut().zip(envelope.as_bytes()) {
            *to = *from;
        }
        EnvelopeDigest(digest)
    }

    /// The receipt for its delivery to so many destinations.
    pub fn receipt(envelope: &Sealed) -> Sealed {
        envelope.clone()
    }

    /// The receipt of those destinations that have it, where others may lack it.
    pub fn partial_receipt(envelope: &Sealed) -> Sealed {
        Sealed::new([envelope.as_bytes(), &[PARTIAL]].concat())
    }

    /// A receipt as a whole one would be, and whether it is.
    pub fn whole_receipt(receipt: &Sealed) -> (Sealed, bool) {
        match receipt.as_bytes().split_at_checked(LENGTH) {
            Some((whole, [PARTIAL])) => (Sealed::new(whole.to_vec()), false),
            _ => (receipt.clone(), true),
        }
    }

    /// What a receipt says, as the rotator reads it.
    pub fn read_receipt(receipt: &Sealed, application: &ApplicationId) -> Option<Receipt> {
        let payload = Self::open(receipt)?;
        let written = Written { bucket: "team-a".parse().ok()?, key: String::new() };
        Some(Receipt {
            application: application.clone(),
            kind: payload.kind,
            version: payload.version,
            rotation: payload.rotation,
            envelope: Self::digest(receipt),
            catalog_revision: Revision(1),
            first_written_at: mint_types::Timestamp::from_unix_micros(0),
            destinations: NonEmpty::new(written, Vec::new()),
        })
    }

    /// What a version of the ledger opens.
    pub fn of_made(made: &Made, kind: CredentialKind, rotation: RotationId) -> Self {
        let serial = |object| made.handle_on(object).and_then(|handle| handle.as_str().parse().ok());
        Self {
            kind,
            version: made.version,
            rotation,
            user: serial(IssuerObject::User),
            client: serial(IssuerObject::Client),
        }
    }
}

fn kind_byte(kind: CredentialKind) -> u8 {
    match kind {
        CredentialKind::Password => 0,
        CredentialKind::Client => 1,
        CredentialKind::Combined => 2,
        CredentialKind::PublicClient => 3,
    }
}

fn kind_of(byte: u8) -> Option<CredentialKind> {
    CredentialKind::ALL.into_iter().find(|kind| kind_byte(*kind) == byte)
}
