//! Refresh tokens outlive the password that they came from, and only an administrator's session can end them.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use mint_secret::{Received, Zeroizing};
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded;

use super::{Access, LARGEST_ANSWER};
use crate::adapters::service_user::accepted;
use crate::error::IssuerError;
use mint_runtime::http::HttpResponse;

/// More live sessions than this are ended by the next Retire.
const PAGE: &str = "100";

/// An administrator, as it stands in its file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Administrator {
    username: String,
    password: Received,
}

/// A refresh token as the API lists it: never the token itself.
#[derive(Deserialize)]
struct Listed {
    token_hash: String,
    enabled: bool,
}

/// The sessions of users.
pub(super) struct Sessions<'a>(&'a Access);

impl<'a> Sessions<'a> {
    pub(super) fn of(access: &'a Access) -> Self {
        Self(access)
    }

    /// Ends every refresh token of a user, if an administrator is configured.
    pub(super) async fn end(&self, username: &str) -> Result<(), IssuerError> {
        let Some(cookie) = self.log_in().await? else { return Ok(()) };
        let mut outcome = self.end_all(username, &cookie).await;
        // the session is of no use any more, whatever became of the tokens
        let path = ["auth"];
        let logged_out = self.send(Method::DELETE, &path, &[], Some(&cookie), Bytes::new()).await;
        if outcome.is_ok() {
            outcome = logged_out.map(drop);
        }
        outcome
    }

    async fn end_all(&self, username: &str, cookie: &HeaderValue) -> Result<(), IssuerError> {
        let plugin = self.0.plugin.as_str();
        let query = [("impersonate", username), ("limit", PAGE), ("desc", "")];
        let listed = self.send(Method::GET, &[plugin, "token"], &query, Some(cookie), Bytes::new()).await?;
        let tokens: Vec<Listed> = serde_json::from_slice(&listed.body)
            .map_err(|_| IssuerError::Malformed("it is no list of refresh tokens"))?;
        for token in tokens.iter().filter(|token| token.enabled) {
            let path = [plugin, "token", token.token_hash.as_str()];
            let ended = self.send(Method::DELETE, &path, &query[..1], Some(cookie), Bytes::new()).await;
            match ended {
                // it expired, or somebody ended it between the two calls
                Ok(_) | Err(IssuerError::Refused { status: 400 | 404 }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn log_in(&self) -> Result<Option<HeaderValue>, IssuerError> {
        let Some(file) = &self.0.administrator else { return Ok(None) };
        let own_access = |problem: String| IssuerError::OwnAccess(problem);
        let text = file.read().map_err(|error| own_access(error.to_string()))?;
        let known: Administrator = serde_json::from_str(&text).map_err(|_| {
            own_access("the administrator's file is no JSON object of username and password".to_owned())
        })?;
        let password = known.password.into_secret();
        let body = json!({"username": known.username, "password": password.expose()}).to_string();
        let body = Bytes::from_owner(Zeroizing::new(body.into_bytes()));
        let answer =
            self.send(Method::POST, &["auth"], &[], None, body).await.map_err(|error| match error {
                IssuerError::Refused { status } => {
                    own_access(format!("the administrator's login answers {status}"))
                }
                other => other,
            })?;
        let cookie = answer.headers.get(header::SET_COOKIE).and_then(|value| value.to_str().ok());
        let cookie = cookie.and_then(|text| text.split(';').next()).map(str::trim);
        let mut cookie = cookie
            .and_then(|pair| HeaderValue::from_str(pair).ok())
            .ok_or(IssuerError::Malformed("a login without a session"))?;
        cookie.set_sensitive(true);
        Ok(Some(cookie))
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        cookie: Option<&HeaderValue>,
        body: Bytes,
    ) -> Result<HttpResponse, IssuerError> {
        let mut url = self.0.base.join(path).as_str().to_owned();
        if !query.is_empty() {
            url.push('?');
            url.push_str(&form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish());
        }
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json");
        if let Some(cookie) = cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let request = request.body(body).map_err(|error| IssuerError::OwnAccess(error.to_string()))?;
        accepted(self.0.http.send(request, self.0.deadline, LARGEST_ANSWER).await)
    }
}
