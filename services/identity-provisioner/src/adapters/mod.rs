//! The issuer and the catalog as they are reached, and the fakes that tests and simulations use.

pub mod memory;
pub mod registry;
pub mod service_user;
