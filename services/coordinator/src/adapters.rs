//! The ports' real other sides.

mod catalog;
mod distributor;
mod identities;
mod pages;
mod revocations;
mod rotator;
mod rows;
mod state;
mod wire;
mod writes;

pub(crate) use catalog::GrpcCatalog;
pub(crate) use distributor::GrpcDistributor;
pub(crate) use identities::GrpcIdentities;
pub(crate) use rotator::GrpcRotator;
pub use state::{MIGRATIONS, SCHEMA, SqlStore};
