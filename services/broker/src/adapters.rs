//! The ports over what is really there.

mod ledger;
mod oidc;
mod sts;

pub use ledger::GrpcLedger;
pub use oidc::{Oidc, OidcSettings};
pub use sts::HttpSts;
