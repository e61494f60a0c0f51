//! Refresh tokens: a row each, which outlives the password that it came from.
//!
//! They are listed and ended in a session only (an API key is answered 401): one's own, or with `?impersonate=USER`,
//! if the session's user has `g_admin`, that user's.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderMap, header};
use mint_store::Row;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use super::Glewlwyd;
use super::answer::{BAD_REQUEST, NOT_FOUND, Refusal, UNAUTHORIZED, done, shown};
use super::routes::wanted;
use super::user::User;
use crate::calls::Caller;
use crate::reply::on_behalf;
use crate::vault::fresh_secret;

/// As the provisioning of the real server sets it; each use begins it anew.
const LIFETIME_SECONDS: i64 = 3600;

/// What a live refresh token stands for.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) username: String,
    pub(super) client_id: String,
    pub(super) scope: String,
    pub(super) issued_at: i64,
    pub(super) expires_at: i64,
}

const GRANT: &str = "INSERT INTO glewlwyd_refresh_token \
     (token_hash, username, client_id, scope, issued_at, expires_at, last_seen, user_agent, enabled) \
     VALUES ($1, $2, $3, $4, $5, $6, $5, '', 1)";
const LIVE: &str = "SELECT username, client_id, scope, issued_at, expires_at FROM glewlwyd_refresh_token \
     WHERE token_hash = $1 AND enabled = 1 AND expires_at > $2";
const REFRESHED: &str = "UPDATE glewlwyd_refresh_token SET last_seen = $2, expires_at = $3, user_agent = $4 \
     WHERE token_hash = $1";
const OF_USER: &str = "SELECT * FROM glewlwyd_refresh_token WHERE username = $1 ORDER BY sequence";
const ONE: &str = "SELECT enabled FROM glewlwyd_refresh_token WHERE username = $1 AND token_hash = $2";
const DISABLE: &str = "UPDATE glewlwyd_refresh_token SET enabled = 0 WHERE token_hash = $1";

pub(super) async fn list(
    State(server): State<Arc<Glewlwyd>>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let mut caller = Caller::default();
    let answer = server.list_refresh_tokens(&headers, &query, &mut caller).await;
    on_behalf(answer.unwrap_or_else(IntoResponse::into_response), caller)
}

pub(super) async fn disable(
    State(server): State<Arc<Glewlwyd>>,
    headers: HeaderMap,
    Path(hash): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let mut caller = Caller::default();
    let answer = server.disable_refresh_token(&headers, &hash, &query, &mut caller).await;
    on_behalf(answer.unwrap_or_else(IntoResponse::into_response), caller)
}

impl Glewlwyd {
    pub(super) async fn grant_refresh(
        &self,
        username: &str,
        client_id: &str,
        scope: &str,
    ) -> Result<Zeroizing<String>, Refusal> {
        let token = fresh_secret(&*self.entropy, "");
        let now = self.now_seconds();
        let args = [
            token_hash(&token).into(),
            username.into(),
            client_id.into(),
            scope.into(),
            now.into(),
            (now + LIFETIME_SECONDS).into(),
        ];
        self.change(GRANT, &args).await?;
        Ok(token)
    }

    /// What the token stands for, if it is live.
    pub(super) async fn granted(&self, token: &str) -> Result<Option<Granted>, mint_store::Error> {
        let args = [token_hash(token).into(), self.now_seconds().into()];
        let Some(row) = self.database.query_optional(LIVE, &args).await? else { return Ok(None) };
        Ok(Some(Granted {
            username: row.text("username")?,
            client_id: row.text("client_id")?,
            scope: row.text("scope")?,
            issued_at: row.integer("issued_at")?,
            expires_at: row.integer("expires_at")?,
        }))
    }

    pub(super) async fn refreshed(&self, token: &str, headers: &HeaderMap) -> Result<(), mint_store::Error> {
        let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let now = self.now_seconds();
        let args = [token_hash(token).into(), now.into(), (now + LIFETIME_SECONDS).into(), agent.into()];
        self.change(REFRESHED, &args).await.map(drop)
    }

    /// Ends a refresh token; answers whether its owner has it.
    pub(super) async fn end_refresh(&self, token: &str) -> Result<(), mint_store::Error> {
        self.change(DISABLE, &[token_hash(token).into()]).await.map(drop)
    }

    /// How many refresh tokens of the user are live.
    pub(super) async fn live_refresh_tokens(&self, username: &str) -> Result<u64, mint_store::Error> {
        let count = "SELECT COUNT(*) AS live FROM glewlwyd_refresh_token \
             WHERE username = $1 AND enabled = 1 AND expires_at > $2";
        let args = [username.into(), self.now_seconds().into()];
        let row = self.database.query_optional(count, &args).await?;
        row.map_or(Ok(0), |row| row.unsigned("live"))
    }

    async fn list_refresh_tokens(
        &self,
        headers: &HeaderMap,
        query: &HashMap<String, String>,
        caller: &mut Caller,
    ) -> Result<Response, Refusal> {
        let user = self.whose(headers, query, caller).await?;
        let wanted = wanted(query)?;
        let rows = self.database.query(OF_USER, &[user.username.into()]).await?;
        let mut tokens = rows.iter().map(listed).collect::<Result<Vec<_>, _>>()?;
        if query.contains_key("desc") {
            tokens.reverse();
        }
        let page: Value = tokens.into_iter().skip(wanted.offset).take(wanted.limit).collect();
        Ok(shown(&page))
    }

    async fn disable_refresh_token(
        &self,
        headers: &HeaderMap,
        hash: &str,
        query: &HashMap<String, String>,
        caller: &mut Caller,
    ) -> Result<Response, Refusal> {
        let user = self.whose(headers, query, caller).await?;
        let row = self.database.query_optional(ONE, &[user.username.into(), hash.into()]).await?;
        if !row.ok_or(NOT_FOUND)?.boolean("enabled")? {
            return Err(BAD_REQUEST);
        }
        self.change(DISABLE, &[hash.into()]).await?;
        Ok(done())
    }

    /// Whose tokens the call is about.
    async fn whose(
        &self,
        headers: &HeaderMap,
        query: &HashMap<String, String>,
        caller: &mut Caller,
    ) -> Result<User, Refusal> {
        let session = self.session(headers).await?.ok_or(UNAUTHORIZED)?;
        *caller = session.caller();
        let Some(username) = query.get("impersonate") else { return Ok(session.user) };
        if !session.is_administrator() {
            return Err(UNAUTHORIZED);
        }
        caller.application = self.applications.of(username).map(Into::into);
        self.user(username).await?.ok_or(UNAUTHORIZED)
    }
}

fn listed(row: &Row) -> Result<Value, mint_store::Error> {
    Ok(json!({
        "token_hash": row.text("token_hash")?,
        "client_id": row.text("client_id")?,
        "issued_at": row.integer("issued_at")?,
        "expires_at": row.integer("expires_at")?,
        "last_seen": row.integer("last_seen")?,
        "issued_for": "127.0.0.1 - 127.0.0.1",
        "user_agent": row.text("user_agent")?,
        "rolling_expiration": true,
        "enabled": row.boolean("enabled")?,
        // The real server does not say `password` here.
        "authorization_type": "unknown",
    }))
}

/// As the real server writes it. The token is random and long, so a plain digest is enough.
fn token_hash(token: &str) -> String {
    format!("{{SHA512}}{}", BASE64_URL_SAFE_NO_PAD.encode(Sha512::digest(token.as_bytes())))
}
