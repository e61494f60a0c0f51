//! What the rotator needs from outside; each port lists exactly the calls that its power needs.

use std::fmt::Debug;

use async_trait::async_trait;
use mint_api::audit_log::Announced;
use mint_secret::{PublishedKey, SecretValue};
use mint_types::{Application, ApplicationId, Revision};

use crate::Error;
use crate::error::IssuerError;
use crate::plan::Delivered;

/// A password that the issuer just made.
#[derive(Debug)]
pub struct NewPassword {
    /// The handle of its commit.
    pub txid: String,
    /// The password.
    pub password: SecretValue,
}

/// A confidential client that the issuer just made.
#[derive(Debug)]
pub struct NewClient {
    /// The handle of its commit.
    pub txid: String,
    /// Its id, a new one each time.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretValue,
}

/// The IAM solution's admin API, as far as credentials go. Every call is sent at most once. Each takes the proof that it
/// was announced; a commit also takes the proof that the new version was delivered.
#[mint_port::port(service = "rotator", name = "issuer")]
#[async_trait]
pub trait Issuer: Debug + Send + Sync {
    /// Makes a password, valid at once beside the older ones.
    async fn create_password(
        &self,
        announced: &Announced,
        username: &str,
    ) -> Result<NewPassword, IssuerError>;

    /// Commits a password: the older ones end after the grace.
    async fn commit_password(
        &self,
        announced: &Announced,
        delivered: &Delivered,
        username: &str,
        txid: &str,
    ) -> Result<(), IssuerError>;

    /// Makes a client; the old one stays until the commit.
    async fn create_client(
        &self,
        announced: &Announced,
        username: &str,
        client_id: &str,
    ) -> Result<NewClient, IssuerError>;

    /// Commits a client: all others end at once.
    async fn commit_client(
        &self,
        announced: &Announced,
        delivered: &Delivered,
        username: &str,
        txid: &str,
    ) -> Result<(), IssuerError>;
}

/// A client as the token endpoint knows it.
#[derive(Debug, Clone, Copy)]
pub struct ClientLogin<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its secret.
    pub secret: &'a SecretValue,
}

/// What a login showed.
#[derive(Debug)]
pub enum LoginVerdict {
    /// The issuer accepted it; the token is to be revoked.
    Accepted(SecretValue),
    /// The issuer refused the credential in question, with this OAuth 2.0 error code (RFC 6749 section 5.2).
    Refused(String),
}

/// The token endpoint: tests what was made, proves dead what was ended.
#[mint_port::port(service = "rotator", name = "login")]
#[async_trait]
pub trait Login: Debug + Send + Sync {
    /// Logs in with a password, through Mint's own prober client; that this client is refused is an error, no verdict.
    async fn password(&self, username: &str, password: &SecretValue) -> Result<LoginVerdict, IssuerError>;

    /// Logs in with a password through the given client: one login covers both.
    async fn password_and_client(
        &self,
        username: &str,
        password: &SecretValue,
        client: ClientLogin<'_>,
    ) -> Result<LoginVerdict, IssuerError>;

    /// Logs in with a client alone (`client_credentials`).
    async fn client(&self, client: ClientLogin<'_>) -> Result<LoginVerdict, IssuerError>;

    /// Asks whether a public client is known: `client_credentials` with its id and an empty password must be answered
    /// `unauthorized_client`. Accepted is answered without a token.
    async fn public_client(&self, client_id: &str) -> Result<PublicVerdict, IssuerError>;

    /// Revokes a token of the given client, or of the prober client.
    async fn revoke(&self, token: &SecretValue, client: Option<ClientLogin<'_>>) -> Result<(), IssuerError>;
}

/// Whether the issuer knows a public client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicVerdict {
    /// It is known, and public.
    Known,
    /// It is not, with this OAuth 2.0 error code.
    Unknown(String),
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
