//! The one crate that knows plaintext: the type that holds a secret, the objects that carry it, and the envelopes
//! and receipts that move it past everybody who must not see it.
//!
//! # Purpose
//! - [`SecretValue`]: a plaintext that cannot leave by accident.
//! - [`ObjectBody`]: the bytes of `user.json`, `client.json` and `credentials.json`, made by the rotator, written
//!   unchanged by the distributor, taken apart by berry and by the rotator's proof.
//! - [`seal`] / [`open`]: HPKE (RFC 9180) to one recipient, signed, with associated data that anybody can read
//!   ([`peek`]) and nobody can change.
//! - [`sign_receipt`] / [`verify_receipt`]: the distributor's statement of what it wrote where.
//! - [`KeyRing`]: keys from a mounted directory, each with an id and a stage.
//! - [`FingerprintKey`]: tells two versions apart without giving anything to guess with.
//!
//! # Permission
//! None of its own. Only the services in `golden/plaintext-carriers.txt` may depend on it.
//!
//! # Never
//! - prints, clones, compares or serializes a secret: `a_secret_value_cannot_be_cloned_compared_printed_or_serialized`,
//!   `debug_shows_nothing_of_a_secret`, `nothing_that_can_be_printed_shows_a_secret`
//! - opens what was changed or not signed: `an_envelope_with_any_byte_changed_is_refused`,
//!   `an_envelope_signed_by_a_stranger_is_refused`
//! - opens what was meant for somebody else: `an_envelope_for_another_application_is_refused`,
//!   `an_envelope_for_another_recipient_cannot_be_opened`, `a_probe_envelope_is_no_delivery_envelope`
//! - attests a delivery to nowhere: a receipt holds a [`NonEmpty`], and
//!   `a_receipt_for_zero_destinations_cannot_be_written_or_read`
//! - uses a key that others on the machine can read: `a_key_file_that_others_can_read_is_refused`
//!
//! # Shape
//! ```text
//! envelope := "MNTE" format=01 aad ‖ enc[32] ‖ u32 length, ciphertext ‖ signature[64]
//! aad      := purpose[1] ‖ text application ‖ kind[1] ‖ u64 version ‖ version_id[16] ‖ rotation[16]
//!             ‖ text recipient key id ‖ text signing key id
//! receipt  := "MNTR" format=01 ‖ text application ‖ kind[1] ‖ u64 version ‖ rotation[16] ‖ envelope sha-256[32]
//!             ‖ u64 catalog revision ‖ u16 count>0, (text bucket, text key)* ‖ text signing key id ‖ signature[64]
//! text     := u16 length, UTF-8
//! ```
//! Integers are big-endian. Envelope: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305, base mode, `info` =
//! `"mint envelope 1"`, `aad` = the encoded associated data. Signatures are Ed25519 (RFC 8032) over a
//! domain-separation string and every byte before the signature.
//!
//! # Decisions
//! - Sign-then-open: the signature is over the ciphertext and checked before any private key is used, so an unsigned
//!   envelope never reaches HPKE. HPKE's own auth mode was refused: it does not let a third party check the sender,
//!   and the audit of a stored envelope needs that.
//! - The encoding is fixed-width and length-prefixed by hand, not protobuf: protobuf has no canonical form, and a
//!   signature over re-encoded bytes is a classic hole.
//! - A key's id is the hash of its public half: a file that was renamed to another key's name is refused, and two
//!   replicas cannot disagree about an id.
//! - Reading JSON leaves at most one unwiped copy: `serde_json`'s scratch buffer for strings with escapes.

mod envelope;
mod error;
mod fingerprint;
mod key;
mod non_empty;
mod object;
mod receipt;
mod ring;
mod value;
mod wire;

#[cfg(test)]
mod testing;

pub use envelope::{Aad, EnvelopeDigest, Expected, Purpose, Subject, open, peek, seal};
pub use error::Error;
pub use fingerprint::{Fingerprint, FingerprintKey};
pub use key::{
    InvalidKeyId, KeyId, KeyStage, KeyUse, PublishedKey, SealKey, SealKeys, SealPublicKey, SigningKey,
    VerifyKeys,
};
pub use non_empty::NonEmpty;
pub use object::{Object, ObjectBody, Stamp, parse};
pub use receipt::{
    Evidence, Receipt, Written, sign_partial_receipt, sign_receipt, verify_evidence, verify_receipt,
};
pub use ring::{Generate, KeyRing};
pub use value::{Received, SecretValue};
pub use zeroize::Zeroizing;
