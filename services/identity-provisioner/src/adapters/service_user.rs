//! The driver `service-user`: the IAM solution's admin API (COMPAT section 3).
//!
//! The settings' scopes go into `user_config.scopes` by their full names, and into `client_config.scopes` as one group
//! of the configured realm. A disabled user has neither.

use std::path::Path;

use async_trait::async_trait;
use http::Method;
use mint_api::audit_log::Announced;
use mint_types::OutboundUrl;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::admin_api::{AdminApi, decoded, malformed};
use crate::{
    Error,
    model::ServiceUser,
    ports::{IdentityIssuer, IssuerError},
};

/// Longer names are no client ids.
const LONGEST_NAME: usize = 255;

/// The service-user API.
#[derive(Debug)]
pub struct ServiceUserApi {
    api: AdminApi,
}

impl ServiceUserApi {
    /// At a URL, with the bearer token in a file that is read for each call.
    pub fn open(url: OutboundUrl, token_file: &Path, ca_file: Option<&Path>) -> Result<Self, Error> {
        Ok(Self { api: AdminApi::open(url, "Bearer", token_file, ca_file)? })
    }

    fn user(&self, username: &str) -> Url {
        self.api.at(&["services", username])
    }
}

#[async_trait]
impl IdentityIssuer for ServiceUserApi {
    async fn list(&self) -> Result<Vec<String>, IssuerError> {
        let answer = self.api.list(self.api.at(&["services"])).await?;
        let users: Vec<Named> = decoded(&answer, "it is no list of users")?;
        Ok(users.into_iter().map(|user| user.id).collect())
    }

    async fn exists(&self, username: &str) -> Result<bool, IssuerError> {
        let Some(answer) = self.api.find(self.user(username)).await? else { return Ok(false) };
        let user: Named = decoded(&answer, "it is no user")?;
        if user.id == username { Ok(true) } else { Err(malformed("it is about another user")) }
    }

    async fn put(&self, _announced: &Announced, user: &ServiceUser) -> Result<String, IssuerError> {
        let (url, body) = (self.user(&user.username), body(user));
        let answer = self.api.write(Method::PUT, url, &body).await?;
        let client: Client = decoded(&answer, "it names no client")?;
        let id = client.client_id;
        if id.is_empty() || id.len() > LONGEST_NAME || id.chars().any(char::is_control) {
            return Err(malformed("its client id is no name"));
        }
        Ok(id)
    }

    async fn delete(&self, _announced: &Announced, username: &str) -> Result<(), IssuerError> {
        self.api.remove(self.user(username)).await
    }
}

/// The body of `PUT /services/{u}`.
pub fn body(user: &ServiceUser) -> Value {
    let groups = if user.scopes.is_empty() {
        json!([])
    } else {
        json!([{ "realm": user.realm, "scopes": user.scopes }])
    };
    json!({
        "id": user.username,
        "name": user.name,
        "owner": user.owner,
        "subtitle": user.subtitle,
        "client_config": {
            "redirect_urls": user.redirect_url.iter().collect::<Vec<_>>(),
            "scopes": groups,
            "confidential": user.confidential,
        },
        "user_config": { "scopes": user.scopes },
    })
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct Client {
    client_id: String,
}

#[cfg(test)]
#[path = "service_user_tests.rs"]
mod tests;
