//! What the plugin says about itself.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::Glewlwyd;
use super::answer::shown;

pub(super) async fn jwks(State(glewlwyd): State<Arc<Glewlwyd>>) -> Response {
    shown(&glewlwyd.key.jwks())
}

pub(super) async fn discovery(State(glewlwyd): State<Arc<Glewlwyd>>) -> Response {
    let issuer = &glewlwyd.issuer;
    shown(&json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/token"),
        "introspection_endpoint": format!("{issuer}/introspect"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "jwks_uri": format!("{issuer}/jwks"),
        // The real server says so too, whatever grants are switched on.
        "grant_types_supported": ["authorization_code", "implicit"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }))
}
