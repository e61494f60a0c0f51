//! The outside, behind the ports.

pub mod catalog;
pub mod distributor;
pub mod glewlwyd;
pub mod service_user;
pub mod token_endpoint;

#[cfg(test)]
mod canned;
#[cfg(test)]
pub(crate) mod fake;
