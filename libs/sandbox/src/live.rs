//! `GET /live?application=ID`, for tests: what is alive at the issuers for an application, and never a secret.
//!
//! An *object* is what a rotation works on: the passwords of a user, a client. Its *versions* are the credentials that
//! have not ended, `live` how many of them open the door now: a disabled user's open nothing and are still listed,
//! because it may be enabled again. An object that nobody ever made is not listed; one that was deleted is.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use mint_types::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::glewlwyd::Glewlwyd;
use crate::issuer::Issuer;
use crate::reply::{json_reply, unavailable};

#[derive(Debug, Serialize)]
pub(crate) struct Object {
    pub(crate) issuer: &'static str,
    /// `user` or `client`.
    #[serde(rename = "object")]
    pub(crate) kind: &'static str,
    /// The user's name at the issuer; of a Glewlwyd client, its client id.
    pub(crate) name: String,
    pub(crate) state: Presence,
    pub(crate) deleted_us: Option<i64>,
    pub(crate) live: usize,
    pub(crate) versions: Vec<Version>,
    /// Refresh tokens outlive their password at Glewlwyd; other objects have none.
    pub(crate) refresh_tokens: u64,
    /// Where logins by a service user's client are sent back to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) redirect_urls: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Presence {
    Enabled,
    Disabled,
    Deleted,
}

/// A credential that has not ended.
#[derive(Debug, Serialize)]
pub(crate) struct Version {
    /// A password's or secret's id inside the issuer; of a service user's client, its client id.
    pub(crate) id: Option<String>,
    /// What a commit names it by, if it was made by a transaction.
    pub(crate) transaction: Option<String>,
    pub(crate) state: Standing,
    /// Whether it opens the door now.
    pub(crate) opens: bool,
    /// Absent for what a world of before this list made.
    pub(crate) created_us: Option<i64>,
    /// When the grace ends.
    pub(crate) valid_until_us: Option<i64>,
}

/// Glewlwyd knows no commit: what it has counts as committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    Pending,
    Committed,
    InGrace,
}

impl Object {
    pub(crate) fn new(
        issuer: &'static str,
        kind: &'static str,
        name: &str,
        enabled: bool,
        versions: Vec<Version>,
    ) -> Self {
        Self {
            issuer,
            kind,
            name: name.to_owned(),
            state: if enabled { Presence::Enabled } else { Presence::Disabled },
            deleted_us: None,
            live: versions.iter().filter(|version| version.opens).count(),
            versions,
            refresh_tokens: 0,
            redirect_urls: Vec::new(),
        }
    }

    pub(crate) fn deleted(issuer: &'static str, kind: &'static str, name: &str, at: Timestamp) -> Self {
        let object = Self::new(issuer, kind, name, false, Vec::new());
        Self { state: Presence::Deleted, deleted_us: Some(at.unix_micros()), ..object }
    }
}

#[derive(Debug, Clone)]
struct Issuers {
    service_user: Arc<Issuer>,
    glewlwyd: Arc<Glewlwyd>,
    username_prefix: Arc<str>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Of {
    application: String,
}

pub(crate) fn hook(issuer: Arc<Issuer>, glewlwyd: Arc<Glewlwyd>, username_prefix: &str) -> Router {
    let issuers = Issuers { service_user: issuer, glewlwyd, username_prefix: username_prefix.into() };
    Router::new().route("/live", get(show)).with_state(issuers)
}

async fn show(State(issuers): State<Issuers>, Query(Of { application }): Query<Of>) -> Response {
    match issuers.objects(&application).await {
        Ok(objects) => json_reply(StatusCode::OK, &json!({"application": application, "objects": objects})),
        Err(error) => unavailable(&error),
    }
}

impl Issuers {
    async fn objects(&self, application: &str) -> Result<Vec<Object>, mint_store::Error> {
        let username = format!("{}{application}", self.username_prefix);
        let mut objects = self.service_user.live(&username).await?;
        objects.extend(self.glewlwyd.live(application).await?);
        Ok(objects)
    }
}
