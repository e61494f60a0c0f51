//! Who may use the admin API: holders of an API key, and users with the scope `g_admin` in a session.
//!
//! As in the real server there is one power for all of it. That a key may do what its holder should not is the
//! issuer's nature; the request log tells who did what.

use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use mint_store::Value;
use mint_types::Entropy;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Glewlwyd;
use super::answer::{BAD_REQUEST, Refusal, UNAUTHORIZED, done};
use super::user::User;
use crate::calls::Caller;
use crate::private_file;
use crate::reply::on_behalf;
use crate::vault::fresh_secret;

/// Who has an API key, in `DIR/run/secrets/<principal>/glewlwyd-token`.
const HOLDERS: [&str; 2] = ["identity-provisioner", "rotator"];
/// The rotator needs a session besides its key: refresh tokens are not open to keys.
const ADMINISTRATOR: &str = "mint-rotator";
const ADMINISTRATOR_FILE: &str = "run/secrets/rotator/glewlwyd-admin.json";
const ADMIN_SCOPE: &str = "g_admin";
const COOKIE: &str = "GLEWLWYD2_SESSION_ID";
/// Four weeks, the real server's default.
const SESSION_SECONDS: i64 = 2_419_200;

/// API keys by their digest.
#[derive(Debug)]
pub(super) struct ApiKeys {
    known: Vec<(&'static str, [u8; 32])>,
}

impl ApiKeys {
    /// Reads each holder's key, or writes a fresh one.
    pub(super) fn provide(directory: &Path, entropy: &dyn Entropy) -> io::Result<Self> {
        let mut known = Vec::new();
        for principal in HOLDERS {
            let path = directory.join("run/secrets").join(principal).join("glewlwyd-token");
            let key = private_file::keep_or_make(&path, || fresh_secret(entropy, "mint-glewlwyd-"))?;
            known.push((principal, Sha256::digest(key.trim().as_bytes()).into()));
        }
        Ok(Self { known })
    }

    fn holder(&self, headers: &HeaderMap) -> Option<&'static str> {
        let key = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("token ")?;
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        self.known.iter().find(|(_, known)| bool::from(known.ct_eq(&digest))).map(|(holder, _)| *holder)
    }
}

/// A user in a session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) user: User,
}

impl Session {
    pub(super) fn is_administrator(&self) -> bool {
        self.user.enabled && self.user.scope.iter().any(|scope| scope == ADMIN_SCOPE)
    }

    /// As the request log names it: Mint's own administrator is the rotator.
    pub(super) fn caller(&self) -> Caller {
        let name = &self.user.username;
        Caller::principal(if name == ADMINISTRATOR { "rotator" } else { name })
    }
}

const REMEMBER: &str = "INSERT INTO glewlwyd_session (session_hash, username, expires) VALUES ($1, $2, $3)";
const FORGET: &str = "DELETE FROM glewlwyd_session WHERE session_hash = $1 OR expires < $2";
const SESSION: &str = "SELECT username FROM glewlwyd_session WHERE session_hash = $1 AND expires >= $2";

/// The body of a login; the administrator's file is one.
#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
}

pub(super) async fn log_in(State(glewlwyd): State<Arc<Glewlwyd>>, body: Bytes) -> Response {
    glewlwyd.log_in(&body).await.unwrap_or_else(IntoResponse::into_response)
}

pub(super) async fn log_out(State(glewlwyd): State<Arc<Glewlwyd>>, headers: HeaderMap) -> Response {
    glewlwyd.log_out(&headers).await.unwrap_or_else(IntoResponse::into_response)
}

impl Glewlwyd {
    /// Who calls the admin API, or 401.
    pub(super) async fn administrator(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        if let Some(holder) = self.api_keys.holder(headers) {
            return Ok(Caller::principal(holder));
        }
        let session = self.session(headers).await?.filter(Session::is_administrator).ok_or(UNAUTHORIZED)?;
        Ok(session.caller())
    }

    /// The session of the cookie, whatever its user may do.
    pub(super) async fn session(&self, headers: &HeaderMap) -> Result<Option<Session>, Refusal> {
        let Some(id) = cookie(headers) else { return Ok(None) };
        let args = [session_hash(id).into(), self.now_seconds().into()];
        let Some(row) = self.database.query_optional(SESSION, &args).await? else { return Ok(None) };
        Ok(self.user(&row.text("username")?).await?.map(|user| Session { user }))
    }

    async fn log_in(&self, body: &Bytes) -> Result<Response, Refusal> {
        let login: Login = serde_json::from_slice(body).map_err(|_| BAD_REQUEST)?;
        if !self.logs_in(&login.username, Zeroizing::new(login.password)).await? {
            return Err(UNAUTHORIZED);
        }
        let user = self.user(&login.username).await?.ok_or(UNAUTHORIZED)?;
        let id = fresh_secret(&*self.entropy, "");
        let args: [Value; 3] =
            [session_hash(&id).into(), login.username.into(), (self.now_seconds() + SESSION_SECONDS).into()];
        self.change(REMEMBER, &args).await?;
        let cookie =
            Zeroizing::new(format!("{COOKIE}={}; Max-Age={SESSION_SECONDS}; Path=/; HttpOnly", &*id));
        let mut response = done();
        let cookie = HeaderValue::try_from(cookie.as_str()).map_err(|_| BAD_REQUEST)?;
        response.headers_mut().insert(header::SET_COOKIE, cookie);
        Ok(on_behalf(response, Session { user }.caller()))
    }

    async fn log_out(&self, headers: &HeaderMap) -> Result<Response, Refusal> {
        let session = self.session(headers).await?.ok_or(UNAUTHORIZED)?;
        let id = cookie(headers).unwrap_or_default();
        self.change(FORGET, &[session_hash(id).into(), self.now_seconds().into()]).await?;
        Ok(on_behalf(done(), session.caller()))
    }

    /// Makes Mint's administrator, with the password of its file.
    pub(super) async fn provide_administrator(&self, directory: &Path) -> io::Result<()> {
        let kept = private_file::keep_or_make(&directory.join(ADMINISTRATOR_FILE), || {
            let password = fresh_secret(&*self.entropy, "mint-glewlwyd-admin-");
            Zeroizing::new(format!(
                "{{\"username\": \"{ADMINISTRATOR}\", \"password\": \"{}\"}}\n",
                &*password
            ))
        })?;
        let file: Login = serde_json::from_str(&kept)?;
        let password = Zeroizing::new(file.password);
        if self.logs_in(ADMINISTRATOR, password.clone()).await.map_err(io::Error::other)? {
            return Ok(());
        }
        let document = serde_json::json!({
            "username": ADMINISTRATOR, "name": "Mint's rotator", "scope": [ADMIN_SCOPE], "password": [password.as_str()],
        });
        self.put_user(&document).await.map_err(|refusal| io::Error::other(refusal.to_string()))
    }

    /// One statement that changes the state.
    pub(super) async fn change(&self, sql: &'static str, args: &[Value]) -> Result<u64, mint_store::Error> {
        self.database
            .write(|transaction| {
                let args = args.to_vec();
                Box::pin(async move { transaction.execute(sql, &args).await })
            })
            .await
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    cookies.split(';').find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

fn session_hash(id: &str) -> String {
    hex::encode(Sha256::digest(id.as_bytes()))
}
