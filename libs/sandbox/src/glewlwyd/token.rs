//! The plugin's token endpoint: grants `password`, `client_credentials` and `refresh_token`.
//!
//! Its refusals are not RFC 6749's: mostly a status without a body. A wrong user password is 403, a wrong client
//! secret is 400 with `password` and `refresh_token` and 403 with `client_credentials`, a right one shown in a way that
//! the client does not offer is 500 with `password`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Glewlwyd;
use super::answer::{BAD_REQUEST, FORBIDDEN, Refusal, shown};
use super::client::Client;
use super::refresh::Granted;
use crate::calls::Caller;
use crate::oauth::{Basic, Form};
use crate::reply::on_behalf;

/// As the provisioning of the real server sets it.
const LIFETIME_SECONDS: i64 = 300;

/// Why a client is not the one that it says.
#[derive(Debug)]
pub(super) enum Unproven {
    Wrong,
    /// The secret is right, but this client may not show it in this way.
    WrongWay,
    State(mint_store::Error),
}

impl Unproven {
    /// As the grant answers it, which differs.
    fn answered(self, wrong: Refusal, wrong_way: Refusal) -> Refusal {
        match self {
            Self::Wrong => wrong,
            Self::WrongWay => wrong_way,
            Self::State(error) => Refusal::State(error),
        }
    }
}

/// Who a client says it is, and how.
pub(super) struct Claim {
    pub(super) client_id: String,
    secret: Zeroizing<String>,
    way: &'static str,
}

impl Claim {
    /// The header goes before the form.
    pub(super) fn of(headers: &HeaderMap, form: &Form) -> Option<Self> {
        if let Some(basic) = Basic::of(headers) {
            return Some(Self {
                client_id: basic.client_id,
                secret: basic.secret,
                way: "client_secret_basic",
            });
        }
        let secret = form.optional("client_secret").unwrap_or_default().to_owned();
        let client_id = form.optional("client_id")?.to_owned();
        Some(Self { client_id, secret: Zeroizing::new(secret), way: "client_secret_post" })
    }
}

pub(super) async fn issue(State(server): State<Arc<Glewlwyd>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut caller = Caller::default();
    let answer = server.issue(&headers, &body, &mut caller).await.unwrap_or_else(IntoResponse::into_response);
    let mut answer = on_behalf(answer, caller);
    answer.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    answer
}

impl Glewlwyd {
    async fn issue(
        &self,
        headers: &HeaderMap,
        body: &Bytes,
        caller: &mut Caller,
    ) -> Result<Response, Refusal> {
        let form = Form::parse(headers, body).map_err(|_| BAD_REQUEST)?;
        let claim = Claim::of(headers, &form);
        let name = form.optional("username").or(claim.as_ref().map(|claim| claim.client_id.as_str()));
        caller.application = name.and_then(|name| self.applications.of(name)).map(Into::into);
        match form.optional("grant_type") {
            Some("password") => self.by_password(&form, claim, caller).await,
            Some("client_credentials") => self.by_client(&form, claim, caller).await,
            Some("refresh_token") => self.by_refresh_token(headers, &form, claim, caller).await,
            _ => Err(BAD_REQUEST),
        }
    }

    async fn by_password(
        &self,
        form: &Form,
        claim: Option<Claim>,
        caller: &mut Caller,
    ) -> Result<Response, Refusal> {
        let required = |name| form.optional(name).ok_or(BAD_REQUEST);
        let (username, password, scope) = (required("username")?, required("password")?, required("scope")?);
        let claim = claim.filter(|claim| !claim.secret.is_empty()).ok_or(FORBIDDEN)?;
        let client = self.proven(claim).await.map_err(|unproven| {
            unproven.answered(BAD_REQUEST, Refusal::Bare(StatusCode::INTERNAL_SERVER_ERROR))
        })?;
        caller.principal = Some(client.id.as_str().into());
        if !client.offers("authorization_type", "password") {
            return Err(BAD_REQUEST);
        }
        let user = self.user(username).await?.ok_or(FORBIDDEN)?;
        if !self.logs_in(username, Zeroizing::new(password.to_owned())).await? {
            return Err(FORBIDDEN);
        }
        let scope = granted(scope, &user.scope).ok_or(FORBIDDEN)?;
        let refresh_token = self.grant_refresh(&user.username, &client.id, &scope).await?;
        let mut answer = self.access(&user.subject, &client, &scope)?;
        answer["refresh_token"] = json!(refresh_token.as_str());
        answer["iat"] = json!(self.now_seconds());
        Ok(shown(&answer))
    }

    async fn by_client(
        &self,
        form: &Form,
        claim: Option<Claim>,
        caller: &mut Caller,
    ) -> Result<Response, Refusal> {
        let claim = claim.ok_or(FORBIDDEN)?;
        let client = self.proven(claim).await.map_err(|unproven| unproven.answered(FORBIDDEN, FORBIDDEN))?;
        caller.principal = Some(client.id.as_str().into());
        let scope = form.optional("scope").ok_or(FORBIDDEN)?;
        if !client.offers("authorization_type", "client_credentials") {
            return Err(BAD_REQUEST);
        }
        let scope = granted(scope, &client.scope).ok_or(Refusal::Named("scope_invalid"))?;
        Ok(shown(&self.access(&client.id, &client, &scope)?))
    }

    /// A disabled user's refresh token goes on; only a deleted one's does not.
    async fn by_refresh_token(
        &self,
        headers: &HeaderMap,
        form: &Form,
        claim: Option<Claim>,
        caller: &mut Caller,
    ) -> Result<Response, Refusal> {
        let token = form.optional("refresh_token").ok_or(BAD_REQUEST)?;
        let claim = claim.ok_or(BAD_REQUEST)?;
        let known = self.client(&claim.client_id).await?.ok_or(BAD_REQUEST)?;
        let client = if known.confidential {
            self.proven(claim).await.map_err(|unproven| unproven.answered(BAD_REQUEST, BAD_REQUEST))?
        } else {
            known
        };
        caller.principal = Some(client.id.as_str().into());
        let live = self.granted(token).await?.filter(|token| token.client_id == client.id);
        let Granted { username, scope, .. } = live.ok_or(BAD_REQUEST)?;
        if !client.enabled || !client.offers("authorization_type", "refresh_token") {
            return Err(BAD_REQUEST);
        }
        caller.application = self.applications.of(&username).map(Into::into);
        let user = self.user(&username).await?.ok_or(BAD_REQUEST)?;
        self.refreshed(token, headers).await?;
        let mut answer = self.access(&user.subject, &client, &scope)?;
        answer["iat"] = json!(self.now_seconds());
        Ok(shown(&answer))
    }

    /// The client, if it is enabled and confidential and has shown its secret in a way that it offers.
    pub(super) async fn proven(&self, claim: Claim) -> Result<Client, Unproven> {
        let client = self.client(&claim.client_id).await.map_err(Unproven::State)?.ok_or(Unproven::Wrong)?;
        if !client.enabled || !client.confidential {
            return Err(Unproven::Wrong);
        }
        let hashes = Vec::from_iter(client.secret_hash().map(str::to_owned));
        if !self.vault.opens(claim.secret, hashes).await {
            return Err(Unproven::Wrong);
        }
        if client.offers("token_endpoint_auth_method", claim.way) {
            Ok(client)
        } else {
            Err(Unproven::WrongWay)
        }
    }

    fn access(&self, subject: &str, client: &Client, scope: &str) -> Result<Value, Refusal> {
        let now = self.now_seconds();
        let claims = json!({
            "iss": self.issuer, "client_id": client.id, "aud": scope, "sub": subject,
            "jti": self.fresh_id(), "type": "access_token", "scope": scope,
            "iat": now, "nbf": now, "exp": now + LIFETIME_SECONDS,
        });
        let token = self.key.sign(&claims).ok_or(Refusal::Bare(StatusCode::INTERNAL_SERVER_ERROR))?;
        Ok(json!({
            "token_type": "bearer", "access_token": token, "expires_in": LIFETIME_SECONDS, "scope": scope,
        }))
    }
}

/// What was asked for and is granted; the rest is dropped without a word.
fn granted(asked: &str, scopes: &[String]) -> Option<String> {
    let granted: Vec<&str> =
        asked.split(' ').filter(|asked| scopes.iter().any(|scope| scope == asked)).collect();
    (!granted.is_empty()).then(|| granted.join(" "))
}
