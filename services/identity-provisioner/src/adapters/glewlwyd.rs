//! The driver `glewlwyd`: the admin API of Glewlwyd 2.7, as far as users and clients go.
//!
//! A user has one client, whose id is the user's name: the rotator computes it too, and refuses any other. Neither is read before it is changed: a `PUT` says all that this
//! service decides, and 404 means that it must be made. So no answer brings a client's secret here (the server shows
//! the property `client_secret` in plain text to whoever reads a client), and a late repetition says what was true then,
//! never half of it. Passwords stay, because no body names them. Every other property of the client goes with the `PUT`:
//! the client is Mint's.
//!
//! A disabled user keeps its refresh tokens at this server, and they still open. Its client is disabled with it, and
//! their only user is that client.

use std::path::Path;

use async_trait::async_trait;
use http::Method;
use mint_api::audit_log::Announced;
use mint_types::OutboundUrl;
use serde::Deserialize;
use serde_json::{Value, json};

use super::admin_api::{AdminApi, decoded, malformed};
use crate::{
    Error,
    model::ServiceUser,
    ports::{IdentityIssuer, IssuerError},
};

/// The server holds this many users in memory for us at a time.
const PAGE: usize = 1000;
/// A million users: more is a list that never ends.
const MOST_PAGES: usize = 1000;
/// What the server takes as a name.
const LONGEST_NAME: usize = 256;
/// What the server takes as a description.
const LONGEST_DESCRIPTION: usize = 512;

/// The admin API, at a base URL such as `https://issuer.example/api`.
#[derive(Debug)]
pub struct Glewlwyd {
    api: AdminApi,
}

/// What is kept, in which collection.
#[derive(Debug, Clone, Copy)]
struct Kept<'a> {
    collection: &'static str,
    /// The field that names it when it is made.
    key: &'static str,
    name: &'a str,
}

impl Glewlwyd {
    /// At a URL, with the API key in a file that is read for each call.
    pub fn open(url: OutboundUrl, token_file: &Path, ca_file: Option<&Path>) -> Result<Self, Error> {
        Ok(Self { api: AdminApi::open(url, "token", token_file, ca_file)? })
    }

    /// Changes it, or makes it if there is none.
    async fn provide(&self, kept: Kept<'_>, mut body: Value) -> Result<(), IssuerError> {
        let url = self.api.at(&[kept.collection, kept.name]);
        match self.api.write(Method::PUT, url, &body).await {
            Err(IssuerError::Refused { status: 404 }) => {}
            changed => return changed.map(drop),
        }
        body[kept.key] = kept.name.into();
        self.api.write(Method::POST, self.api.at(&[kept.collection, ""]), &body).await?;
        Ok(())
    }

    async fn remove(&self, kept: Kept<'_>) -> Result<(), IssuerError> {
        self.api.remove(self.api.at(&[kept.collection, kept.name])).await
    }

    async fn page(&self, number: usize) -> Result<Vec<Named>, IssuerError> {
        let mut url = self.api.at(&["user", ""]);
        let offset = number.saturating_mul(PAGE);
        url.set_query(Some(&format!("offset={offset}&limit={PAGE}")));
        decoded(&self.api.list(url).await?, "it is no list of users")
    }
}

fn user_of(name: &str) -> Kept<'_> {
    Kept { collection: "user", key: "username", name }
}

fn client_of(name: &str) -> Kept<'_> {
    Kept { collection: "client", key: "client_id", name }
}

#[async_trait]
impl IdentityIssuer for Glewlwyd {
    async fn list(&self) -> Result<Vec<String>, IssuerError> {
        let mut names = Vec::new();
        for number in 0..MOST_PAGES {
            let page = self.page(number).await?;
            let is_last = page.len() < PAGE;
            names.extend(page.into_iter().map(|user| user.username));
            if is_last {
                return Ok(names);
            }
        }
        Err(malformed("its list of users does not end"))
    }

    async fn exists(&self, username: &str) -> Result<bool, IssuerError> {
        let Some(answer) = self.api.find(self.api.at(&["user", username])).await? else { return Ok(false) };
        let user: Named = decoded(&answer, "it is no user")?;
        if user.username == username { Ok(true) } else { Err(malformed("it is about another user")) }
    }

    /// The user goes last: where it exists, its client does.
    async fn put(&self, _announced: &Announced, user: &ServiceUser) -> Result<String, IssuerError> {
        self.provide(client_of(&user.username), client_body(user)).await?;
        self.provide(user_of(&user.username), user_body(user)).await.map_err(after_the_first)?;
        Ok(user.username.clone())
    }

    /// The user goes last: while it exists, something is left to be deleted.
    async fn delete(&self, _announced: &Announced, username: &str) -> Result<(), IssuerError> {
        self.remove(client_of(username)).await?;
        self.remove(user_of(username)).await.map_err(after_the_first)
    }
}

/// Of two changes the first was made: whatever the second met, it is not true that nothing happened. Even after a
/// refusal the identity is neither as it was nor as it should be, until the repetition of both.
fn after_the_first(error: IssuerError) -> IssuerError {
    if !error.surely_not_done() {
        return error;
    }
    IssuerError::UnknownOutcome { detail: format!("the client was changed; then, for the user, {error}") }
}

fn user_body(user: &ServiceUser) -> Value {
    json!({
        "name": shortened(&user.name, LONGEST_NAME),
        "enabled": !user.scopes.is_empty(),
        "scope": user.scopes,
    })
}

fn client_body(user: &ServiceUser) -> Value {
    let mut grants = Vec::new();
    if user.redirect_url.is_some() || !user.confidential {
        grants.push("code");
    }
    if user.confidential {
        grants.extend(["password", "client_credentials"]);
    }
    grants.push("refresh_token");
    json!({
        "name": shortened(&user.name, LONGEST_NAME),
        "description": shortened(&user.subtitle, LONGEST_DESCRIPTION),
        "enabled": !user.scopes.is_empty(),
        "confidential": user.confidential,
        "scope": user.scopes,
        "redirect_uri": user.redirect_url.iter().collect::<Vec<_>>(),
        "authorization_type": grants,
        "token_endpoint_auth_method": [if user.confidential { "client_secret_basic" } else { "none" }],
    })
}

fn shortened(text: &str, longest: usize) -> String {
    text.chars().take(longest).collect()
}

/// Whatever else is shown of a user is not kept.
#[derive(Deserialize)]
struct Named {
    username: String,
}

#[cfg(test)]
#[path = "glewlwyd_real.rs"]
mod real;
#[cfg(test)]
#[path = "glewlwyd_tests.rs"]
mod tests;
