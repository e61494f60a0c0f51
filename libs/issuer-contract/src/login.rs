//! The issuer's token endpoint: what was made is tested there, what was ended is proved dead.

use std::fmt::Debug;

use async_trait::async_trait;
use mint_secret::SecretValue;

use crate::IssuerError;

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
#[mint_port::port(name = "login")]
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
