//! What the rotator needs from outside; each port lists exactly the calls that its power needs.

use std::fmt::Debug;

use async_trait::async_trait;
use mint_api::audit_log::Announced;
use mint_issuer_contract::{Driver, Handle, NewVersion, Subject};
use mint_secret::{PublishedKey, SecretValue};
use mint_types::{Application, ApplicationId, Revision};

use crate::Error;
use crate::error::IssuerError;
use crate::plan::{Delivered, WrittenSomewhere};

pub use mint_issuer_contract::{ClientLogin, Login, LoginVerdict, PublicVerdict};

/// The IAM solution's admin API, as far as credentials go: a driver that demands proofs. Every call is sent at most once.
/// Each takes the proof that it was announced; what ends something also takes the proof that the new version was written.
#[mint_port::port(service = "rotator", name = "issuer")]
#[async_trait]
pub trait Issuer: Debug + Send + Sync {
    /// Makes a version, valid at once beside the older ones.
    async fn create(
        &self,
        announced: &Announced,
        subject: Subject<'_>,
        value: Option<SecretValue>,
    ) -> Result<NewVersion, IssuerError>;

    /// Ends every version that is older than `keep`.
    async fn end(
        &self,
        announced: &Announced,
        delivered: &Delivered,
        subject: Subject<'_>,
        keep: &Handle,
    ) -> Result<(), IssuerError>;

    /// Makes a value the one version of an object, which ends the previous one.
    async fn set(
        &self,
        announced: &Announced,
        written: &WrittenSomewhere,
        subject: Subject<'_>,
        value: &SecretValue,
    ) -> Result<(), IssuerError>;

    /// Whether the issuer knows the user, by an answer that names it; changes nothing.
    async fn knows(&self, subject: Subject<'_>) -> Result<bool, IssuerError>;

    /// How many versions of an object are alive; changes nothing.
    async fn alive(&self, subject: Subject<'_>) -> Result<usize, IssuerError>;
}

/// A driver behind the proofs.
#[derive(Debug)]
pub struct Driven<D>(pub D);

#[async_trait]
impl<D: Driver> Issuer for Driven<D> {
    async fn create(
        &self,
        _announced: &Announced,
        subject: Subject<'_>,
        value: Option<SecretValue>,
    ) -> Result<NewVersion, IssuerError> {
        self.0.create(subject, value).await
    }

    async fn end(
        &self,
        _announced: &Announced,
        _delivered: &Delivered,
        subject: Subject<'_>,
        keep: &Handle,
    ) -> Result<(), IssuerError> {
        self.0.end(subject, keep).await
    }

    async fn set(
        &self,
        _announced: &Announced,
        _written: &WrittenSomewhere,
        subject: Subject<'_>,
        value: &SecretValue,
    ) -> Result<(), IssuerError> {
        self.0.set(subject, value).await
    }

    async fn knows(&self, subject: Subject<'_>) -> Result<bool, IssuerError> {
        self.0.knows(subject).await
    }

    async fn alive(&self, subject: Subject<'_>) -> Result<usize, IssuerError> {
        self.0.alive(subject).await
    }
}

/// The catalog of `registry-sync`.
#[mint_port::port(service = "rotator", name = "catalog")]
#[async_trait]
pub trait Catalog: Debug + Send + Sync {
    /// The application's record, at least as new as a revision.
    async fn application(
        &self,
        application: &ApplicationId,
        at_least: Revision,
    ) -> Result<Application, Error>;
}

/// The distributor's public keys.
#[mint_port::port(service = "rotator", name = "distributor-keys")]
#[async_trait]
pub trait DistributorKeys: Debug + Send + Sync {
    /// Keys of every use and stage.
    async fn list(&self) -> Result<Vec<PublishedKey>, Error>;
}
