//! What can be wrong with an envelope, a receipt, an object or a key.

use std::path::PathBuf;

use mint_types::Code;

use crate::{KeyId, KeyUse};

/// Everything that this crate refuses. No variant carries bytes of a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are no envelope of a format that we know.
    #[error("the envelope is malformed: {0}")]
    MalformedEnvelope(&'static str),
    /// The bytes are no receipt of a format that we know.
    #[error("the receipt is malformed: {0}")]
    MalformedReceipt(&'static str),
    /// Signed with a key that its owner has not published (yet): fetch the keys again, then refuse.
    #[error("it is signed with key {0}, which its owner has not published")]
    UnknownSigner(KeyId),
    /// The signature does not fit the bytes.
    #[error("its signature by key {0} does not fit")]
    BadSignature(KeyId),
    /// Genuine, but about something else.
    #[error("it is genuine, but for another {0}")]
    Mismatch(&'static str),
    /// Sealed to a key that is not, or no longer, ours.
    #[error("it is sealed to key {0}, which is not ours")]
    NotOurs(KeyId),
    /// Sealed to our key, but it does not open: whoever signed it sealed it wrongly.
    #[error("it does not open with key {0}")]
    Unopenable(KeyId),
    /// The recipient's public key cannot be sealed to.
    #[error("nothing can be sealed to key {0}: it is no valid X25519 public key")]
    BadRecipient(KeyId),
    /// A field is longer than the format can say.
    #[error("a field is longer than the format allows")]
    TooLong,
    /// The object does not have the shape that applications rely on.
    #[error("the object is no {object}: {problem}")]
    Shape {
        /// Which object was expected.
        object: &'static str,
        /// What is wrong, without the object's content.
        problem: &'static str,
    },
    /// A key file cannot be used.
    #[error("key file {path}: {problem}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// The directory has no active key of a needed use, or more than one.
    #[error("key directory {directory}: {problem} for {key_use}")]
    KeyRing {
        /// The directory.
        directory: PathBuf,
        /// The use.
        key_use: KeyUse,
        /// What is missing or too much.
        problem: &'static str,
    },
}

impl Error {
    /// How a caller should understand it.
    pub fn code(&self) -> Code {
        match self {
            Self::MalformedEnvelope(_)
            | Self::MalformedReceipt(_)
            | Self::Mismatch(_)
            | Self::TooLong
            | Self::BadSignature(_) => Code::InvalidArgument,
            Self::UnknownSigner(_) | Self::NotOurs(_) => Code::FailedPrecondition,
            Self::Unopenable(_) | Self::Shape { .. } => Code::DataLoss,
            Self::BadRecipient(_) | Self::KeyFile { .. } | Self::KeyRing { .. } => Code::Internal,
        }
    }
}
