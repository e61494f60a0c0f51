//! The ports over what is really there.

mod introspection;
mod ledger;
mod oidc;
mod sts;

pub use introspection::{Introspection, IntrospectionSettings, Recognizer};
pub use ledger::GrpcLedger;
pub use oidc::{Oidc, OidcSettings};
pub use sts::HttpSts;
