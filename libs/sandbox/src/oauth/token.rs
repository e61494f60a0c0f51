//! The token endpoint: grants `password` (RFC 6749 section 4.3) and `client_credentials` (section 4.4).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::json;
use zeroize::Zeroizing;

use super::Server;
use super::client::Authenticated;
use super::error::{OauthError, uncached};
use super::form::{Basic, Form};
use crate::calls::Caller;
use crate::issuer::User;
use crate::reply::on_behalf;

/// An hour, as in the field.
const LIFETIME_SECONDS: i64 = 3600;
/// Who takes these tokens as sessions: the credential broker. Resource servers of this world ask for no audience.
const BROKER: &str = "mint-broker";

/// What every user has besides its configured scopes.
const EVERYBODYS: [&str; 2] = ["uid", "cn"];

pub(super) async fn issue(State(server): State<Arc<Server>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut caller = Caller::default();
    let answer = server.issue(&headers, &body, &mut caller).await;
    on_behalf(answer.unwrap_or_else(IntoResponse::into_response), caller)
}

impl Server {
    async fn issue(
        &self,
        headers: &HeaderMap,
        body: &Bytes,
        caller: &mut Caller,
    ) -> Result<Response, OauthError> {
        let form = Form::parse(headers, body)?;
        let basic = Basic::parse(headers, &form)?;
        caller.application = self.application_of(&form, &basic).await?;
        let client = self.authenticate(basic).await?;
        caller.principal = Some(client.client_id().into());
        let subject = match form.required("grant_type", "grant_type is missing")? {
            "password" => self.by_password(&form, &client).await?,
            "client_credentials" => by_client(&client)?,
            _ => return Err(OauthError::UnsupportedGrantType),
        };
        let scope = granted(&subject, form.optional("scope"))?;
        self.answer(&subject, &client, &scope)
    }

    async fn by_password(&self, form: &Form, client: &Authenticated) -> Result<User, OauthError> {
        let username = form.required("username", "username is missing")?;
        let password = Zeroizing::new(form.required("password", "password is missing")?.to_owned());
        let user = self.issuer.user(username).await?.ok_or(OauthError::InvalidGrant)?;
        if user.is_disabled() || !may_act_for(client, &user) {
            return Err(OauthError::InvalidGrant);
        }
        if self.issuer.opens(username, password).await? { Ok(user) } else { Err(OauthError::InvalidGrant) }
    }

    fn answer(&self, subject: &User, client: &Authenticated, scope: &str) -> Result<Response, OauthError> {
        let now = self.clock.now().unix_millis() / 1000;
        let mut jti = [0; 16];
        self.issuer.entropy.fill(&mut jti);
        let claims = json!({
            "iss": self.origin,
            "sub": subject.username,
            "aud": BROKER,
            "client_id": client.client_id(),
            "scope": scope,
            "realm": "/services",
            "jti": hex::encode(jti),
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
        });
        let token = self.key.sign(&claims).ok_or(OauthError::TemporarilyUnavailable)?;
        let answer = json!({"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME_SECONDS, "scope": scope});
        Ok(uncached(StatusCode::OK, &answer))
    }

    /// For the request log, also of a login that is refused: the named user's, else the client's.
    async fn application_of(&self, form: &Form, basic: &Basic) -> Result<Option<Arc<str>>, OauthError> {
        let username = match form.optional("username") {
            Some(username) => Some(username.to_owned()),
            None => self.issuer.client_owner(&basic.client_id).await?,
        };
        let application =
            username.as_deref().and_then(|name| name.strip_prefix(self.username_prefix.as_str()));
        Ok(application.map(Into::into))
    }
}

fn by_client(client: &Authenticated) -> Result<User, OauthError> {
    match client {
        Authenticated::Confidential { owner, .. } => Ok(owner.clone()),
        Authenticated::Public { .. } | Authenticated::Prober => Err(OauthError::UnauthorizedClient),
    }
}

fn may_act_for(client: &Authenticated, user: &User) -> bool {
    match client {
        Authenticated::Prober => true,
        Authenticated::Confidential { owner, .. } | Authenticated::Public { owner, .. } => {
            owner.username == user.username
        }
    }
}

/// What was asked for, if all of it is granted; asked for nothing, everything.
fn granted(user: &User, asked: Option<&str>) -> Result<String, OauthError> {
    let has = |scope: &str| EVERYBODYS.contains(&scope) || user.scopes.iter().any(|granted| granted == scope);
    let Some(asked) = asked else {
        let own = user.scopes.iter().map(String::as_str).filter(|scope| !EVERYBODYS.contains(scope));
        return Ok(EVERYBODYS.into_iter().chain(own).collect::<Vec<_>>().join(" "));
    };
    let scopes: Vec<&str> = asked.split(' ').filter(|scope| !scope.is_empty()).collect();
    if scopes.iter().all(|scope| has(scope)) { Ok(scopes.join(" ")) } else { Err(OauthError::InvalidScope) }
}
