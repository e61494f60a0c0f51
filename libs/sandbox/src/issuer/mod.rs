//! The IAM solution's service-user API (COMPAT §3), and what the token endpoint asks about users and clients.

mod client;
mod live;
mod password;
mod routes;
mod user;

use std::sync::Arc;

use mint_store::Database;
use mint_types::{Clock, Entropy, Period};

use crate::vault::{NotHashed, Vault};

pub(crate) use routes::router;
pub(crate) use user::User;

/// Every password this world issues starts with this, so that one that leaks is found by a search.
pub(crate) const PASSWORD_MARK: &str = "mint-canary-pw-";
/// Every client secret this world issues starts with this.
pub(crate) const CLIENT_SECRET_MARK: &str = "mint-canary-cs-";

#[derive(Debug)]
pub(crate) struct Issuer {
    pub(crate) database: Database,
    pub(crate) vault: Vault,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// How long older passwords live on after a commit.
    pub(crate) grace: Period,
}

/// Why the issuer does not do what it is asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("there is no such service user")]
    UnknownUser,
    #[error("there is no such transaction of this service user")]
    UnknownTransaction,
    #[error("a later commit has ended what this transaction made")]
    Superseded,
    #[error("{0}")]
    Malformed(String),
    #[error(transparent)]
    NotHashed(#[from] NotHashed),
    #[error(transparent)]
    State(#[from] mint_store::Error),
}

impl Issuer {
    fn fresh_id(&self) -> String {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    fn fresh_client_id(&self, username: &str) -> String {
        format!("{username}_{}", self.fresh_id())
    }
}
