//! The ports over what is really there.

mod attempts;
mod peers;
mod s3;

pub use attempts::{MIGRATIONS, SCHEMA, SqlAttempts};
pub(crate) use peers::public_key;
pub use peers::{GrpcCatalog, GrpcRotatorKeys};
pub use s3::S3;

#[cfg(test)]
pub(crate) mod fakes;
