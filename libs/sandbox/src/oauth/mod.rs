//! The authorization server: token endpoint (RFC 6749), introspection (RFC 7662), revocation (RFC 7009), JWKS.

mod client;
mod error;
mod form;
mod token;
mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use mint_types::Clock;

use crate::issuer::Issuer;
use crate::jwt::SigningKey;
use crate::reply::json_reply;

pub(crate) use client::Prober;
pub(crate) use form::{Basic, Form};

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) key: SigningKey,
    pub(crate) clock: Arc<dyn Clock>,
    /// The `iss` of every token.
    pub(crate) origin: String,
    pub(crate) prober: Prober,
    /// Only tells the request log which application a user belongs to.
    pub(crate) username_prefix: String,
}

/// `/oauth2/…`.
pub(crate) fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/oauth2/token", post(token::issue))
        .route("/oauth2/introspect", post(tokens::introspect))
        .route("/oauth2/revoke", post(tokens::revoke))
        .route("/oauth2/jwks", get(jwks))
        .with_state(server)
}

async fn jwks(State(server): State<Arc<Server>>) -> Response {
    json_reply(StatusCode::OK, &server.key.jwks())
}
