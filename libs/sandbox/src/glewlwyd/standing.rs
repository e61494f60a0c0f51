//! What became of a token: introspection and revocation, for the client that it was given to.
//!
//! Another client's token looks unknown here, and ending it is answered 200 and not done.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde_json::{Value, json};

use super::Glewlwyd;
use super::answer::{BAD_REQUEST, Refusal, UNAUTHORIZED, done, shown};
use super::client::Client;
use super::token::{Claim, Unproven};
use crate::calls::Caller;
use crate::oauth::Form;
use crate::reply::on_behalf;

const REVOKE: &str = "INSERT INTO revoked_token (jti, expires) VALUES ($1, $2) ON CONFLICT (jti) DO NOTHING";
const REVOKED: &str = "SELECT jti FROM revoked_token WHERE jti = $1";

pub(super) async fn introspect(
    State(server): State<Arc<Glewlwyd>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut caller = Caller::default();
    let answer = server.introspect(&headers, &body, &mut caller).await;
    on_behalf(answer.unwrap_or_else(IntoResponse::into_response), caller)
}

pub(super) async fn revoke(State(server): State<Arc<Glewlwyd>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut caller = Caller::default();
    let answer = server.revoke(&headers, &body, &mut caller).await;
    on_behalf(answer.unwrap_or_else(IntoResponse::into_response), caller)
}

/// A token that a client asks about.
struct Asked {
    client: Client,
    token: String,
    may_be_access: bool,
    may_be_refresh: bool,
}

impl Glewlwyd {
    async fn introspect(
        &self,
        headers: &HeaderMap,
        body: &Bytes,
        caller: &mut Caller,
    ) -> Result<Response, Refusal> {
        let asked = self.asked(headers, body, caller).await?;
        if let Some(answer) = self.active_refresh(&asked).await? {
            return Ok(shown(&answer));
        }
        let claims = self.active_access(&asked).await?;
        let Some((claims, username)) = claims else { return Ok(shown(&json!({"active": false}))) };
        let mut answer = json!({
            "active": true, "token_type": "bearer", "client_id": claims["client_id"], "aud": claims["aud"],
            "iat": claims["iat"], "nbf": claims["nbf"], "exp": claims["exp"], "jti": claims["jti"],
            "scope": claims["scope"],
        });
        if let Some(username) = username {
            answer["username"] = json!(username);
            answer["sub"] = claims["sub"].clone();
        }
        Ok(shown(&answer))
    }

    async fn revoke(
        &self,
        headers: &HeaderMap,
        body: &Bytes,
        caller: &mut Caller,
    ) -> Result<Response, Refusal> {
        let asked = self.asked(headers, body, caller).await?;
        if self.active_refresh(&asked).await?.is_some() {
            self.end_refresh(&asked.token).await?;
        } else if let Some((claims, _)) = self.active_access(&asked).await? {
            let jti = claims["jti"].as_str().unwrap_or_default();
            let expires = claims["exp"].as_i64().unwrap_or(i64::MAX);
            self.change(REVOKE, &[jti.into(), expires.into()]).await?;
        }
        Ok(done())
    }

    async fn asked(&self, headers: &HeaderMap, body: &Bytes, caller: &mut Caller) -> Result<Asked, Refusal> {
        let form = Form::parse(headers, body).map_err(|_| BAD_REQUEST)?;
        let claim = Claim::of(headers, &form).ok_or(UNAUTHORIZED)?;
        let client = self.proven(claim).await.map_err(|unproven| match unproven {
            Unproven::State(error) => Refusal::State(error),
            Unproven::Wrong | Unproven::WrongWay => UNAUTHORIZED,
        })?;
        *caller = Caller::principal(&client.id);
        caller.application = self.applications.of(&client.id).map(Into::into);
        let hint = form.optional("token_type_hint");
        Ok(Asked {
            client,
            token: form.optional("token").ok_or(BAD_REQUEST)?.to_owned(),
            may_be_access: hint.is_none_or(|hint| hint == "access_token"),
            may_be_refresh: hint.is_none_or(|hint| hint == "refresh_token"),
        })
    }

    async fn active_refresh(&self, asked: &Asked) -> Result<Option<Value>, Refusal> {
        if !asked.may_be_refresh {
            return Ok(None);
        }
        let granted = self.granted(&asked.token).await?;
        let Some(token) = granted.filter(|token| token.client_id == asked.client.id) else {
            return Ok(None);
        };
        let Some(user) = self.user(&token.username).await? else { return Ok(None) };
        Ok(Some(json!({
            "active": true, "token_type": "refresh_token", "username": token.username, "sub": user.subject,
            "client_id": token.client_id, "aud": token.client_id, "scope": token.scope,
            "iat": token.issued_at, "nbf": token.issued_at, "exp": token.expires_at,
        })))
    }

    /// Claims of a live access token of this client, and its user's name unless it is the client's own. A disabled
    /// user's token stays live, a deleted one's does not.
    async fn active_access(&self, asked: &Asked) -> Result<Option<(Value, Option<String>)>, Refusal> {
        if !asked.may_be_access {
            return Ok(None);
        }
        let Ok(claims) = self.key.verify(&asked.token, self.clock.now()) else { return Ok(None) };
        if claims["client_id"] != asked.client.id.as_str() {
            return Ok(None);
        }
        let jti = claims["jti"].as_str().unwrap_or_default();
        if self.database.query_optional(REVOKED, &[jti.into()]).await?.is_some() {
            return Ok(None);
        }
        if claims["sub"] == claims["client_id"] {
            return Ok(Some((claims, None)));
        }
        let user = self.user_of_subject(claims["sub"].as_str().unwrap_or_default()).await?;
        Ok(user.map(|user| (claims, Some(user.username))))
    }
}
