//! S3: objects as files below `DIR/sandbox/s3`, and every call decided by IAM before anything else happens.
//!
//! `s3s` parses and verifies signatures; what it leaves open is done here, in this order: only Signature Version 4, the
//! session token, unsigned headers, the bucket, its region, its owner, the policies ([`access`]). An operation or query
//! parameter that is not known is refused. Only then the store answers, or says that it does not do that.

mod access;
mod actions;
mod answers;
mod body;
mod conditions;
mod context;
mod listing;
mod naming;
mod objects;
mod service;
mod signed;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, header};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Error, S3ErrorCode};
use sha2::{Digest, Sha256};

use crate::calls::Caller;
use crate::cloud::Cloud;
use crate::gate;
use crate::reply::on_behalf;
pub(crate) use objects::Objects;

/// The gate has read the body already, and refused a larger one.
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// What a call turned out to be, told by the access check to the answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visit(Arc<Mutex<Seen>>);

#[derive(Debug, Clone, Default)]
struct Seen {
    caller: Caller,
    /// The access check ran; an error before it was made by the parser.
    checked: bool,
}

impl Visit {
    fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn seen(&self) -> Seen {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Clone)]
struct Answering {
    service: S3Service,
}

/// Everything on the S3 listener.
pub(crate) fn router(cloud: &Arc<Cloud>) -> Router {
    let mut builder = S3ServiceBuilder::new(service::Service::new(Arc::clone(cloud)));
    builder.set_auth(access::Keys(Arc::clone(cloud)));
    builder.set_access(access::Access(Arc::clone(cloud)));
    let gate = cloud.ground.gate(naming::name);
    Router::new()
        .fallback(answer)
        .with_state(Answering { service: builder.build() })
        .layer(from_fn_with_state(gate, gate::pass))
}

async fn answer(State(Answering { service }): State<Answering>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Err(refusal) =
        authenticated_once(&parts.method, &parts.headers, parts.uri.query().unwrap_or_default())
    {
        return error_response(refusal);
    }
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    state_payload(&mut parts.headers, &body);
    let visit = Visit::default();
    parts.extensions.insert(visit.clone());
    let answered = service.call(http::Request::from_parts(parts, s3s::Body::from(body))).await;
    let seen = visit.seen();
    let response = match answered {
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        // The parser knows no such operation: nobody may do it.
        Ok(response) if response.status() == StatusCode::NOT_IMPLEMENTED && !seen.checked => error_response(
            S3Error::with_message(S3ErrorCode::AccessDenied, "this operation is not known here"),
        ),
        Ok(response) => response.map(Body::new),
    };
    on_behalf(without_body_if_not_modified(response), seen.caller)
}

/// One Signature Version 4, in the header or in the query; no form upload, no older version.
fn authenticated_once(method: &Method, headers: &HeaderMap, query: &str) -> Result<(), S3Error> {
    let refuse = |code, message: &'static str| Err(S3Error::with_message(code, message));
    let names: Vec<String> =
        url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name.into_owned()).collect();
    let in_query = names.iter().any(|name| name == "X-Amz-Signature");
    let older_in_query = names.iter().any(|name| matches!(name.as_str(), "Signature" | "AWSAccessKeyId"));
    let authorization = headers.get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes);
    let older = older_in_query || authorization.is_some_and(|value| !value.starts_with(b"AWS4-HMAC-SHA256"));
    if older {
        return refuse(S3ErrorCode::InvalidRequest, "please use AWS4-HMAC-SHA256");
    }
    if in_query && authorization.is_some() {
        return refuse(S3ErrorCode::InvalidArgument, "only one authentication mechanism is allowed");
    }
    let form = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"multipart/form-data"));
    if *method == Method::POST && form {
        return refuse(S3ErrorCode::AccessDenied, "form uploads are not allowed here");
    }
    if !in_query && authorization.is_none() {
        return refuse(S3ErrorCode::AccessDenied, "access denied");
    }
    Ok(())
}

/// S3 wants `x-amz-content-sha256`, which older versions of curl leave out although they sign the body's hash. Said for
/// them, it is the hash of the body that came, so the signature still decides.
fn state_payload(headers: &mut HeaderMap, body: &[u8]) {
    if !headers.contains_key(header::AUTHORIZATION) || headers.contains_key("x-amz-content-sha256") {
        return;
    }
    if let Ok(hash) = http::HeaderValue::from_str(&hex::encode(Sha256::digest(body))) {
        headers.insert("x-amz-content-sha256", hash);
    }
}

fn error_response(error: S3Error) -> Response {
    match error.to_http_response() {
        Ok(response) => response.map(Body::new),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// RFC 9110, section 15.4.5: a 304 has no content; `s3s` would write its error document into it.
fn without_body_if_not_modified(response: Response) -> Response {
    if response.status() != StatusCode::NOT_MODIFIED {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::CONTENT_TYPE);
    Response::from_parts(parts, Body::empty())
}

#[cfg(test)]
mod tests;
