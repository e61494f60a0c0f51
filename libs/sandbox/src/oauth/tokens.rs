//! What became of a token: introspection (RFC 7662) and revocation (RFC 7009), for authenticated clients.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::Server;
use super::client::Authenticated;
use super::error::{OauthError, uncached};
use super::form::{Basic, Form};
use crate::calls::Caller;
use crate::reply::on_behalf;

const REVOKE: &str = "INSERT INTO revoked_token (jti, expires) VALUES ($1, $2) ON CONFLICT (jti) DO NOTHING";
const FORGET: &str = "DELETE FROM revoked_token WHERE expires < $1";
const REVOKED: &str = "SELECT jti FROM revoked_token WHERE jti = $1";

pub(super) async fn introspect(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut caller = Caller::default();
    let answer = server.introspect(&headers, &body, &mut caller).await;
    on_behalf(answer.unwrap_or_else(IntoResponse::into_response), caller)
}

pub(super) async fn revoke(State(server): State<Arc<Server>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut caller = Caller::default();
    let answer = server.revoke(&headers, &body, &mut caller).await;
    on_behalf(answer.unwrap_or_else(IntoResponse::into_response), caller)
}

impl Server {
    async fn introspect(
        &self,
        headers: &HeaderMap,
        body: &Bytes,
        caller: &mut Caller,
    ) -> Result<Response, OauthError> {
        let form = Form::parse(headers, body)?;
        let client = self.authenticate(Basic::parse(headers, &form)?).await?;
        *caller = client.caller(&self.username_prefix);
        // A public client has shown nothing, and RFC 7662 section 2.1 asks for authorization.
        if matches!(client, Authenticated::Public { .. }) {
            return Err(OauthError::InvalidClient);
        }
        let claims = self.live(form.required("token", "token is missing")?).await?;
        let answer = claims.map_or_else(|| json!({"active": false}), |claims| active(&claims));
        Ok(uncached(StatusCode::OK, &answer))
    }

    async fn revoke(
        &self,
        headers: &HeaderMap,
        body: &Bytes,
        caller: &mut Caller,
    ) -> Result<Response, OauthError> {
        let form = Form::parse(headers, body)?;
        let client = self.authenticate(Basic::parse(headers, &form)?).await?;
        *caller = client.caller(&self.username_prefix);
        let token = form.required("token", "token is missing")?;
        // `token_type_hint` is only a hint (RFC 7009 section 2.1), and there is one type of token here.
        // A token that is not valid is as revoked as it can be (section 2.2).
        let Ok(claims) = self.key.verify(token, self.clock.now()) else {
            return Ok(uncached(StatusCode::OK, &json!({})));
        };
        if let Some(application) =
            claims["sub"].as_str().and_then(|sub| sub.strip_prefix(&self.username_prefix))
        {
            caller.application = Some(application.into());
        }
        if claims["client_id"] != client.client_id() {
            return Err(OauthError::UnauthorizedClient);
        }
        self.note_revoked(&claims).await?;
        Ok(uncached(StatusCode::OK, &json!({})))
    }

    async fn note_revoked(&self, claims: &Value) -> Result<(), OauthError> {
        let jti = claims["jti"].as_str().unwrap_or_default().to_owned();
        let expires = claims["exp"].as_i64().unwrap_or(i64::MAX);
        let now = self.clock.now().unix_millis() / 1000;
        self.issuer
            .database
            .write(|transaction| {
                let args = [jti.as_str().into(), expires.into()];
                Box::pin(async move {
                    transaction.execute(FORGET, &[now.into()]).await?;
                    transaction.execute(REVOKE, &args).await
                })
            })
            .await
            .map_err(|error: mint_store::Error| OauthError::from(error))?;
        Ok(())
    }

    /// The claims of a token that is still good: in time, not revoked, and of a user who may still log in.
    async fn live(&self, token: &str) -> Result<Option<Value>, OauthError> {
        let Ok(claims) = self.key.verify(token, self.clock.now()) else { return Ok(None) };
        let jti = claims["jti"].as_str().unwrap_or_default();
        if self.issuer.database.query_optional(REVOKED, &[jti.into()]).await?.is_some() {
            return Ok(None);
        }
        let user = self.issuer.user(claims["sub"].as_str().unwrap_or_default()).await?;
        Ok(user.filter(|user| !user.is_disabled()).map(|_| claims))
    }
}

fn active(claims: &Value) -> Value {
    json!({
        "active": true,
        "token_type": "Bearer",
        "scope": claims["scope"],
        "client_id": claims["client_id"],
        "username": claims["sub"],
        "sub": claims["sub"],
        "iss": claims["iss"],
        "jti": claims["jti"],
        "iat": claims["iat"],
        "exp": claims["exp"],
    })
}
