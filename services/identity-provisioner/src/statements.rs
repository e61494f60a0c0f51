//! Whose statements are believed, and what this service signs its own with. Both files are read at each use.

use std::path::PathBuf;

use mint_statement::{Confirmation, SignedStatement, Signer, Statement, StatementKey, TrustedKeys, Verified};
use mint_types::{Application, ServiceName, TeamId, Timestamp};

use crate::Error;

/// The files with the keys.
#[derive(Debug, Clone, Default)]
pub struct Statements {
    /// The trusted public keys; without them nobody is believed.
    pub keys_file: Option<PathBuf>,
    /// This service's own key; without it nothing is signed.
    pub key_file: Option<PathBuf>,
}

impl Statements {
    /// Believes a statement if trusted keys signed it and it is in force.
    pub fn verified(&self, envelope: &[u8], now: Timestamp) -> Result<Verified, Error> {
        let trusted = TrustedKeys::configured(self.keys_file.as_deref())?;
        Ok(SignedStatement::parse(envelope)?.verify(&trusted, now)?)
    }

    /// What a destinations statement of the owner or an operator says of an application; the owner is the one who is
    /// `pinned`, not whom the record names.
    pub fn destinations(
        &self,
        envelope: &[u8],
        application: &Application,
        pinned: Option<&TeamId>,
        now: Timestamp,
    ) -> Result<Confirmation, Error> {
        let verified = self.verified(envelope, now)?;
        Ok(verified.about_destinations(&application.id, pinned, &application.team_id)?)
    }

    /// This service's key.
    pub fn key(&self) -> Result<StatementKey, Error> {
        let file = self.key_file.as_deref().ok_or(Error::NoKey)?;
        Ok(StatementKey::read(Signer::Service(ServiceName::IdentityProvisioner), file)?)
    }

    /// A statement as the JSON text of its envelope.
    pub fn signed(statement: Statement, key: &StatementKey) -> Result<String, Error> {
        let bytes = SignedStatement::sign(statement, key)?.to_bytes();
        Ok(String::from_utf8(bytes).map_err(|error| mint_statement::Error::Malformed(error.to_string()))?)
    }
}
