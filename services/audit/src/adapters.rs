//! Adapters of the ports.

pub(crate) mod database;
