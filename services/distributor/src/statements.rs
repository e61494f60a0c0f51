//! Whose statements are believed.

use std::path::PathBuf;

use mint_statement::{Confirmation, Error, SignedStatement, Statement, Subject, TrustedKeys};
use mint_types::{ApplicationId, ServiceName, TeamId, Timestamp};

/// The file of the trusted keys, read at each use: a withdrawn key is not believed a moment longer.
#[derive(Debug, Clone, Default)]
pub struct Statements {
    keys_file: Option<PathBuf>,
}

/// What identity-provisioner permits.
#[derive(Debug, Clone)]
pub(crate) struct Permit {
    pub(crate) id: String,
    pub(crate) removal: mint_statement::Removal,
}

impl Statements {
    /// With a file; without one nothing is believed.
    pub fn new(keys_file: Option<PathBuf>) -> Self {
        Self { keys_file }
    }

    fn trusted(&self) -> Result<TrustedKeys, Error> {
        self.keys_file.as_deref().map_or_else(|| Ok(TrustedKeys::default()), TrustedKeys::read)
    }

    /// A statement about an application's destinations, by its owner or an operator: the owner whom the pins name, else
    /// the one whom the catalog names.
    pub(crate) fn destinations(
        &self,
        bytes: &[u8],
        application: &ApplicationId,
        (pinned, owner): (Option<&TeamId>, &TeamId),
        now: Timestamp,
    ) -> Result<Confirmation, Error> {
        let verified = SignedStatement::parse(bytes)?.verify(&self.trusted()?, now)?;
        verified.about_destinations(application, pinned, owner)
    }

    /// A permit to remove objects of an application.
    pub(crate) fn permit(
        &self,
        bytes: &[u8],
        application: &ApplicationId,
        now: Timestamp,
    ) -> Result<Permit, Error> {
        let verified = SignedStatement::parse(bytes)?.verify(&self.trusted()?, now)?;
        let Statement { id, subject, .. } = verified.by_service(ServiceName::IdentityProvisioner)?;
        match subject {
            Subject::RemovalPermit { application: named, removal } if named == *application => {
                Ok(Permit { id: id.to_string(), removal })
            }
            Subject::RemovalPermit { .. } => Err(Error::Mismatch("application")),
            _ => Err(Error::Mismatch("matter")),
        }
    }
}
