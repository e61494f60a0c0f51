//! Whose statements are believed.

use std::path::PathBuf;

use mint_statement::{Error, SignedStatement, Statement, Subject, TrustedKeys};
use mint_types::{ApplicationId, CredentialKind, Timestamp};

/// The file of the trusted keys, read at each use: a withdrawn key is not believed a moment longer.
#[derive(Debug, Clone, Default)]
pub struct Statements {
    keys_file: Option<PathBuf>,
}

/// What two operators said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Demand {
    /// The statement's id: acted upon once.
    pub(crate) id: String,
    /// When it stops being believed.
    pub(crate) expires_at: Timestamp,
}

impl Statements {
    /// With a file; without one nothing is believed.
    pub fn new(keys_file: Option<PathBuf>) -> Self {
        Self { keys_file }
    }

    /// The id that a statement claims to have; nothing of it is believed.
    pub(crate) fn claimed_id(bytes: &[u8]) -> Result<String, Error> {
        Ok(SignedStatement::parse(bytes)?.claimed().id.to_string())
    }

    /// That versions of a credential end at once, by two different operators, in force at a time.
    pub(crate) fn revocation(
        &self,
        bytes: &[u8],
        application: &ApplicationId,
        kind: CredentialKind,
        at: Timestamp,
    ) -> Result<Demand, Error> {
        let trusted = TrustedKeys::configured(self.keys_file.as_deref())?;
        let verified = SignedStatement::parse(bytes)?.verify(&trusted, at)?;
        let Statement { id, expires_at, subject, .. } = verified.by_two_operators()?;
        match subject {
            Subject::RevokeNow { application: named, .. } if named != *application => {
                Err(Error::Mismatch("application"))
            }
            Subject::RevokeNow { kinds, .. } if !kinds.contains(&kind) => Err(Error::Mismatch("kind")),
            Subject::RevokeNow { .. } => Ok(Demand { id: id.to_string(), expires_at }),
            _ => Err(Error::Mismatch("matter")),
        }
    }
}
