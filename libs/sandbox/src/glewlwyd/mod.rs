//! Glewlwyd 2.7 as Mint meets it, below `/glewlwyd`: the admin API of users and clients, and the plugin `oidc`.
//!
//! Every status and body here was compared with the real server (2.7.5, database modules, `multiple_passwords`). What
//! surprises a driver is kept, and named where it is: places of passwords ([`places`]), properties of a client that a
//! PUT forgets ([`client`]), statuses without a body ([`token`]), refresh tokens that outlive their password and that
//! an API key can neither list nor end ([`refresh`]).
//!
//! Unlike the real server it never shows a `client_secret` but something that stands for it, because it keeps a hash
//! only; every scope that a user or a client is given counts as defined; there is no `userinfo`; and a
//! password grant without any client, which the real server takes, is refused.

mod admin;
mod answer;
mod client;
mod live;
mod oidc;
mod places;
mod refresh;
mod routes;
mod standing;
mod token;
mod user;
mod written;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post};
use mint_store::Database;
use mint_types::{Clock, Entropy};

use crate::Ground;
use crate::jwt::SigningKey;
use crate::naming::Applications;
use crate::vault::Vault;

use admin::ApiKeys;

/// The whole server; its state is in the world's database.
#[derive(Debug)]
pub(crate) struct Glewlwyd {
    database: Database,
    vault: Vault,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    key: SigningKey,
    api_keys: ApiKeys,
    applications: Applications,
    /// The `iss` of every token.
    issuer: String,
}

impl Glewlwyd {
    /// Provides the keys and the administrator that Mint's services use.
    pub(crate) async fn open(ground: &Ground, applications: Applications) -> io::Result<Self> {
        let glewlwyd = Self {
            database: ground.database.clone(),
            vault: Vault::new(Arc::clone(&ground.entropy)),
            clock: Arc::clone(&ground.clock),
            entropy: Arc::clone(&ground.entropy),
            key: SigningKey::load_or_create(&ground.directory.join("sandbox/keys/glewlwyd.p8"))?,
            api_keys: ApiKeys::provide(&ground.directory, &*ground.entropy)?,
            applications,
            issuer: format!("{}/glewlwyd/api/oidc", ground.origin()),
        };
        glewlwyd.provide_administrator(&ground.directory).await?;
        Ok(glewlwyd)
    }

    fn now_seconds(&self) -> i64 {
        self.clock.now().unix_millis().div_euclid(1000)
    }

    fn fresh_id(&self) -> String {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }
}

/// `/glewlwyd/api/…`, with and without a slash at the end of a collection, as the real server takes both.
pub(crate) fn router(glewlwyd: Arc<Glewlwyd>) -> Router {
    let mut router = Router::new();
    for end in ["", "/"] {
        router = router
            .route(&format!("/glewlwyd/api/auth{end}"), post(admin::log_in).delete(admin::log_out))
            .route(&format!("/glewlwyd/api/user{end}"), get(routes::users).post(routes::create_user))
            .route(&format!("/glewlwyd/api/client{end}"), get(routes::clients).post(routes::create_client))
            .route(&format!("/glewlwyd/api/oidc/token{end}"), get(refresh::list).post(token::issue));
    }
    router
        .route(
            "/glewlwyd/api/user/{name}",
            get(routes::user).put(routes::change_user).delete(routes::delete_user),
        )
        .route(
            "/glewlwyd/api/client/{id}",
            get(routes::client).put(routes::change_client).delete(routes::delete_client),
        )
        .route("/glewlwyd/api/oidc/token/{hash}", delete(refresh::disable))
        .route("/glewlwyd/api/oidc/introspect", post(standing::introspect))
        .route("/glewlwyd/api/oidc/revoke", post(standing::revoke))
        .route("/glewlwyd/api/oidc/jwks", get(oidc::jwks))
        .route("/glewlwyd/api/oidc/.well-known/openid-configuration", get(oidc::discovery))
        .method_not_allowed_fallback(|| async { answer::NOT_FOUND })
        .with_state(glewlwyd)
}
