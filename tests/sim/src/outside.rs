//! What the services act upon, with its own rules.

mod catalog;
mod consumers;
mod issuer;
mod log;
mod stores;

pub(crate) use catalog::{Catalog, bucket, record};
pub use consumers::Moment;
pub(crate) use consumers::{PREFIX, Window};
pub use issuer::Manner;
pub(crate) use issuer::{Client, Denied, End, Issuer, Password, User, is_of_old};
pub(crate) use log::Log;
pub(crate) use stores::{Stores, Usable, application_of};
