//! The ports over what is really there.

pub(crate) mod attempts;
mod peers;
mod pins;
mod s3;
mod tombstones;

pub use attempts::{MIGRATIONS, SCHEMA, SqlAttempts};
pub(crate) use peers::public_key;
pub use peers::{GrpcCatalog, GrpcRotatorKeys};
pub use pins::SqlPins;
pub use s3::S3;
pub use tombstones::SqlTombstones;

#[cfg(test)]
pub(crate) mod fakes;
