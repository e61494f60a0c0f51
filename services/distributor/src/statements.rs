//! Whose statements are believed.

use std::path::PathBuf;

use mint_statement::{Confirmation, Error, SignedStatement, Signer, Statement, Subject, TrustedKeys};
use mint_types::{ApplicationId, ServiceName, TeamId, Timestamp};

/// The file of the trusted keys, read at each use: a withdrawn key is not believed a moment longer.
#[derive(Debug, Clone, Default)]
pub struct Statements {
    keys_file: Option<PathBuf>,
}

/// Whose word counts for an application.
#[derive(Debug)]
pub(crate) struct Owner<'a> {
    /// The owner whom the pins name.
    pub(crate) pinned: Option<&'a TeamId>,
    /// The one whom the catalog names.
    pub(crate) named: &'a TeamId,
    /// Pins may have been lost: nobody but the catalog says who the owner was.
    pub(crate) is_doubtful: bool,
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
        owner: &Owner<'_>,
        now: Timestamp,
    ) -> Result<Confirmation, Error> {
        let verified = SignedStatement::parse(bytes)?.verify(&self.trusted()?, now)?;
        let is_operators = verified.signers().iter().any(|signer| matches!(signer, Signer::Operator(_)));
        let signers: Vec<String> = verified.signers().iter().map(ToString::to_string).collect();
        let word = verified.about_destinations(application, owner.pinned, owner.named)?;
        if owner.is_doubtful && !word.is_heirs && !is_operators {
            let needed = "an operator, or a day: what was remembered of the owner is lost".to_owned();
            return Err(Error::SignersMissing { signers: signers.join(", "), needed });
        }
        Ok(word)
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
