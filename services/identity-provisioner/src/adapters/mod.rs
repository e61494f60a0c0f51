//! The issuer and the catalog as they are reached, and the fakes that tests and simulations use.

mod admin_api;
#[cfg(test)]
mod canned;
pub mod glewlwyd;
pub mod memory;
pub mod registry;
pub mod service_user;
