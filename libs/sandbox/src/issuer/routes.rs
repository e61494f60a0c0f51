//! The service-user API over HTTP: authorize, decode, one call, encode.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::user::Written;
use super::{Issuer, Refusal};
use crate::bearer::Bearers;
use crate::calls::Caller;
use crate::reply::{error_reply, json_reply, on_behalf, unavailable};

#[derive(Debug, Clone)]
struct Api {
    issuer: Arc<Issuer>,
    bearers: Arc<Bearers>,
    username_prefix: Arc<str>,
}

/// `/service-user/services…`. The prefix only tells the request log which application a user belongs to.
pub(crate) fn router(issuer: Arc<Issuer>, bearers: Arc<Bearers>, username_prefix: &str) -> Router {
    Router::new()
        .route("/service-user/services", get(list))
        .route("/service-user/services/{u}", get(show).put(put).delete(delete))
        .route("/service-user/services/{u}/password", post(create_password).put(commit_password))
        .route("/service-user/services/{u}/client", post(create_client).put(commit_client))
        .with_state(Api { issuer, bearers, username_prefix: username_prefix.into() })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Commit {
    txid: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientFor {
    id: String,
    /// The client id that is being replaced; the new one never depends on it.
    #[serde(rename = "client_id")]
    _client_id: Option<String>,
}

async fn list(State(api): State<Api>, headers: HeaderMap) -> Response {
    let caller = match api.bearers.authorize(&headers, "service-user.list") {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    let answer = api.issuer.usernames().await.map(|names| {
        let users: Vec<_> = names.into_iter().map(|name| json!({"id": name})).collect();
        json_reply(StatusCode::OK, &users)
    });
    on_behalf(answer.unwrap_or_else(|refusal| refused(&refusal)), caller)
}

async fn show(State(api): State<Api>, headers: HeaderMap, Path(u): Path<String>) -> Response {
    let work = async {
        let shown = api.issuer.show(&u).await?;
        Ok(json_reply(StatusCode::OK, &shown))
    };
    api.run(&headers, "service-user.get", &u, Box::pin(work)).await
}

async fn put(State(api): State<Api>, headers: HeaderMap, Path(u): Path<String>, body: Bytes) -> Response {
    let work = async {
        let written: Written = decode(&body)?;
        same_user(&written.id, &u)?;
        let client_id = api.issuer.put(&written).await?;
        Ok(json_reply(StatusCode::OK, &json!({"client_id": client_id})))
    };
    api.run(&headers, "service-user.put", &u, Box::pin(work)).await
}

async fn delete(State(api): State<Api>, headers: HeaderMap, Path(u): Path<String>) -> Response {
    let work = async {
        api.issuer.delete(&u).await?;
        Ok(StatusCode::OK.into_response())
    };
    api.run(&headers, "service-user.delete", &u, Box::pin(work)).await
}

async fn create_password(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(u): Path<String>,
    body: Bytes,
) -> Response {
    let work = async {
        let Nothing {} = decode(&body)?;
        let made = api.issuer.create_password(&u).await?;
        Ok(json_reply(StatusCode::OK, &json!({"txid": made.txid, "password": made.password.as_str()})))
    };
    api.run(&headers, "service-user.create_password", &u, Box::pin(work)).await
}

async fn commit_password(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(u): Path<String>,
    body: Bytes,
) -> Response {
    let work = async {
        let Commit { txid } = decode(&body)?;
        api.issuer.commit_password(&u, &txid).await?;
        Ok(StatusCode::OK.into_response())
    };
    api.run(&headers, "service-user.commit_password", &u, Box::pin(work)).await
}

async fn create_client(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(u): Path<String>,
    body: Bytes,
) -> Response {
    let work = async {
        let asked: ClientFor = decode(&body)?;
        same_user(&asked.id, &u)?;
        let made = api.issuer.create_client(&u).await?;
        let secret = made.client_secret.as_ref().map(|secret| secret.as_str());
        let answer = json!({"txid": made.txid, "client_id": made.client_id, "client_secret": secret});
        Ok(json_reply(StatusCode::OK, &answer))
    };
    api.run(&headers, "service-user.create_client", &u, Box::pin(work)).await
}

async fn commit_client(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(u): Path<String>,
    body: Bytes,
) -> Response {
    let work = async {
        let Commit { txid } = decode(&body)?;
        api.issuer.commit_client(&u, &txid).await?;
        Ok(StatusCode::OK.into_response())
    };
    api.run(&headers, "service-user.commit_client", &u, Box::pin(work)).await
}

impl Api {
    /// Nothing is read of a body before its sender may make this call.
    async fn run(
        &self,
        headers: &HeaderMap,
        api: &str,
        username: &str,
        work: impl Future<Output = Result<Response, Refusal>>,
    ) -> Response {
        let named = |caller: Caller| match username.strip_prefix(&*self.username_prefix) {
            Some(application) => caller.with_application(application),
            None => caller,
        };
        let caller = match self.bearers.authorize(headers, api) {
            Ok(caller) => named(caller),
            Err(mut refusal) => {
                let caller = refusal.extensions_mut().remove::<Caller>().unwrap_or_default();
                return on_behalf(refusal, named(caller));
            }
        };
        on_behalf(work.await.unwrap_or_else(|refusal| refused(&refusal)), caller)
    }
}

fn decode<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|problem| Refusal::Malformed(problem.to_string()))
}

fn same_user(id: &str, username: &str) -> Result<(), Refusal> {
    if id == username {
        return Ok(());
    }
    Err(Refusal::Malformed("the id in the body is not the one in the path".to_owned()))
}

fn refused(refusal: &Refusal) -> Response {
    let message = refusal.to_string();
    match refusal {
        Refusal::UnknownUser => error_reply(StatusCode::NOT_FOUND, "unknown_service_user", &message),
        Refusal::UnknownTransaction => error_reply(StatusCode::NOT_FOUND, "unknown_transaction", &message),
        Refusal::Superseded => error_reply(StatusCode::CONFLICT, "transaction_superseded", &message),
        Refusal::Malformed(_) => error_reply(StatusCode::BAD_REQUEST, "malformed", &message),
        Refusal::NotHashed(_) => error_reply(StatusCode::INTERNAL_SERVER_ERROR, "internal", &message),
        Refusal::State(error) => unavailable(error),
    }
}
