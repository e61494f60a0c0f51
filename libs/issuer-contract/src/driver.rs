//! The issuer's admin API, as far as credentials go.

use std::fmt::{self, Debug};

use async_trait::async_trait;
use mint_secret::SecretValue;
use mint_types::IssuerObject;

use crate::{Declaration, IssuerError};

/// Whose credential, on which object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The user's passwords, or the client's secrets.
    pub object: IssuerObject,
    /// The user at the issuer.
    pub username: &'a str,
    /// The client that the user's application has now.
    pub client_id: &'a str,
}

/// The driver's own name of a version: a transaction id, a place in a list. Not a secret; kept in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Handle(String);

impl Handle {
    /// A handle of some text; none if it is empty.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (!text.is_empty()).then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A version that the issuer just made.
#[derive(Debug)]
pub struct NewVersion {
    /// What [`Driver::end`] takes to keep it.
    pub handle: Handle,
    /// The client's id, where a version has one of its own; none if it stays.
    pub client_id: Option<String>,
    /// The secret.
    pub secret: SecretValue,
}

/// One issuer's admin API. Every call is sent at most once: whoever calls decides about a repetition.
#[async_trait]
pub trait Driver: Debug + Send + Sync {
    /// What ends a version here, who makes it, and whether versions can be listed.
    fn declares(&self) -> Declaration;

    /// Makes a version, valid at once beside the older ones. `value` is there if Mint makes the secrets of this object.
    /// Never called where setting ends the previous version ([`crate::Ends::Set`]).
    async fn create(
        &self,
        subject: Subject<'_>,
        value: Option<SecretValue>,
    ) -> Result<NewVersion, IssuerError>;

    /// Ends every version that is older than `keep`: its commit, or a call of its own. Repeats safely with the same handle
    /// as long as nothing newer is made (and then too, if [`crate::LateEnd::Harmless`] is declared), and a handle that the
    /// issuer does not know ends nothing. Called only where [`crate::Ends::is_told`].
    async fn end(&self, subject: Subject<'_>, keep: &Handle) -> Result<(), IssuerError>;

    /// Makes a value the one version of an object. Repeats safely with the same value. Called only where setting ends
    /// the previous version.
    async fn set(&self, _subject: Subject<'_>, _value: &SecretValue) -> Result<(), IssuerError> {
        Err(IssuerError::Unsupported("this driver sets no values"))
    }

    /// Whether the issuer knows the user, by an answer that names it: false only if it says that there is none. The direct
    /// look at what a refused [`Driver::end`] means; changes nothing.
    async fn knows(&self, _subject: Subject<'_>) -> Result<bool, IssuerError> {
        Err(IssuerError::Unsupported("this driver cannot look a user up"))
    }

    /// How many versions of an object are alive. Called only where the declaration says that versions can be listed.
    async fn alive(&self, _subject: Subject<'_>) -> Result<usize, IssuerError> {
        Err(IssuerError::Unsupported("this driver cannot list versions"))
    }
}
