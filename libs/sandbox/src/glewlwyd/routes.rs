//! The admin API over HTTP: authorize, decode, one call, answer.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde_json::Value;

use super::Glewlwyd;
use super::answer::{BAD_REQUEST, Refusal, done, shown};
use super::user::Wanted;
use crate::reply::on_behalf;

type Server = State<Arc<Glewlwyd>>;
type Parameters = Query<HashMap<String, String>>;

/// How long a list is unless its reader says.
const PAGE: usize = 100;

pub(super) async fn users(State(server): Server, headers: HeaderMap, Query(query): Parameters) -> Response {
    let work = async { Ok(shown(&server.list_users(&wanted(&query)?).await?)) };
    server.administer(&headers, None, Box::pin(work)).await
}

pub(super) async fn create_user(State(server): Server, headers: HeaderMap, body: Bytes) -> Response {
    let name = named(&body, "username");
    let work = async { server.create_user(&decoded(&body)?).await.map(|()| done()) };
    server.administer(&headers, name.as_deref(), Box::pin(work)).await
}

pub(super) async fn user(State(server): Server, headers: HeaderMap, Path(name): Path<String>) -> Response {
    let work = async { Ok(shown(&server.show_user(&name).await?)) };
    server.administer(&headers, Some(&name), Box::pin(work)).await
}

pub(super) async fn change_user(
    State(server): Server,
    headers: HeaderMap,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    let work = async { server.change_user(&name, &decoded(&body)?).await.map(|()| done()) };
    server.administer(&headers, Some(&name), Box::pin(work)).await
}

pub(super) async fn delete_user(
    State(server): Server,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Response {
    let work = async { server.delete_user(&name).await.map(|()| done()) };
    server.administer(&headers, Some(&name), Box::pin(work)).await
}

pub(super) async fn clients(State(server): Server, headers: HeaderMap, Query(query): Parameters) -> Response {
    let work = async { Ok(shown(&server.list_clients(&wanted(&query)?).await?)) };
    server.administer(&headers, None, Box::pin(work)).await
}

pub(super) async fn create_client(State(server): Server, headers: HeaderMap, body: Bytes) -> Response {
    let id = named(&body, "client_id");
    let work = async { server.create_client(&decoded(&body)?).await.map(|()| done()) };
    server.administer(&headers, id.as_deref(), Box::pin(work)).await
}

pub(super) async fn client(State(server): Server, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let work = async { Ok(shown(&server.show_client(&id).await?)) };
    server.administer(&headers, Some(&id), Box::pin(work)).await
}

pub(super) async fn change_client(
    State(server): Server,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let work = async { server.change_client(&id, &decoded(&body)?).await.map(|()| done()) };
    server.administer(&headers, Some(&id), Box::pin(work)).await
}

pub(super) async fn delete_client(
    State(server): Server,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    let work = async { server.delete_client(&id).await.map(|()| done()) };
    server.administer(&headers, Some(&id), Box::pin(work)).await
}

impl Glewlwyd {
    /// Nothing is done before its sender is known. `name` is the user or client, for the request log.
    async fn administer(
        &self,
        headers: &HeaderMap,
        name: Option<&str>,
        work: impl Future<Output = Result<Response, Refusal>>,
    ) -> Response {
        let mut caller = match self.administrator(headers).await {
            Ok(caller) => caller,
            Err(refusal) => return refusal.into_response(),
        };
        caller.application = name.and_then(|name| self.applications.of(name)).map(Into::into);
        on_behalf(work.await.unwrap_or_else(IntoResponse::into_response), caller)
    }
}

fn decoded(body: &Bytes) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|_| BAD_REQUEST)
}

fn named(body: &Bytes, key: &str) -> Option<String> {
    serde_json::from_slice::<Value>(body).ok()?[key].as_str().map(str::to_owned)
}

/// `pattern`, `offset` and `limit` of a list.
pub(super) fn wanted(query: &HashMap<String, String>) -> Result<Wanted, Refusal> {
    let number = |key: &str, default| match query.get(key) {
        Some(text) => text.parse().map_err(|_| BAD_REQUEST),
        None => Ok(default),
    };
    Ok(Wanted {
        pattern: query.get("pattern").cloned().unwrap_or_default(),
        offset: number("offset", 0)?,
        limit: number("limit", PAGE)?,
    })
}
