//! Whose statements are believed, and what this service signs its own with. Both files are read at each use.

use std::path::PathBuf;

use mint_statement::{SignedStatement, Signer, Statement, StatementKey, Subject, TrustedKeys, Verified};
use mint_types::{Application, ServiceName, Timestamp};

use crate::{Error, redirect::Word};

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

    /// Which redirect URL a destinations statement of the owner or an operator names for an application.
    pub fn redirect(
        &self,
        envelope: &[u8],
        application: &Application,
        now: Timestamp,
    ) -> Result<Word, Error> {
        let verified = self.verified(envelope, now)?;
        let Statement { issued_at, subject, .. } = verified.by_owner_or_operator(&application.team_id)?;
        match subject {
            Subject::Destinations(set) if set.application != application.id => {
                Err(mint_statement::Error::Mismatch("application").into())
            }
            Subject::Destinations(set) if set.team != application.team_id => {
                Err(mint_statement::Error::Mismatch("owner").into())
            }
            Subject::Destinations(set) => Ok(Word { issued_at, url: set.redirect_url }),
            _ => Err(mint_statement::Error::Mismatch("matter").into()),
        }
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
