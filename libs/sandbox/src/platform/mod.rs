//! The platform's token issuer, as a Kubernetes cluster has one: it says which workload is which.
//!
//! Each of Mint's services and each application finds one token in a file of its own, replaced by rename long before
//! it expires. STS trusts this issuer and nobody else.

mod tokens;

pub(crate) use tokens::claims_of;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use mint_types::{Clock, Entropy};
use serde_json::{Value, json};

use crate::Ground;
use crate::cloud::Cloud;
use crate::jwt::{Refused, SigningKey};
use crate::reply::json_reply;

/// How long a platform token is valid.
const VALIDITY: Duration = Duration::from_hours(1);
/// How often the files are looked at. A file is replaced when half of its token's time is over.
const ROUND: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Platform {
    key: SigningKey,
    issuer: String,
    directory: PathBuf,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Platform {
    pub(crate) fn open(ground: &Ground) -> io::Result<Self> {
        Ok(Self {
            key: SigningKey::load_or_create(&ground.directory.join("sandbox/keys/platform.p8"))?,
            issuer: format!("{}/platform", ground.origin()),
            directory: ground.directory.clone(),
            clock: Arc::clone(&ground.clock),
            entropy: Arc::clone(&ground.entropy),
        })
    }

    /// The issuer without its scheme, as IAM names the provider and the keys of its claims.
    pub(crate) fn provider(&self) -> &str {
        self.issuer.strip_prefix("http://").unwrap_or(&self.issuer)
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    #[cfg(test)]
    pub(crate) fn sign(&self, claims: &Value) -> Option<String> {
        self.key.sign(claims)
    }

    /// The claims of a token of this issuer that is valid now.
    pub(crate) fn verify(&self, token: &str) -> Result<Value, Refused> {
        self.key.verify(token, self.clock.now())
    }
}

/// The issuer's public documents.
pub(crate) fn router(cloud: Arc<Cloud>) -> Router {
    Router::new()
        .route("/platform/.well-known/openid-configuration", get(discovery))
        .route("/platform/jwks", get(jwks))
        .with_state(cloud)
}

async fn discovery(State(cloud): State<Arc<Cloud>>) -> Response {
    let issuer = cloud.platform.issuer();
    let document = json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "claims_supported": ["iss", "sub", "aud", "iat", "nbf", "exp", "jti"],
    });
    json_reply(StatusCode::OK, &document)
}

async fn jwks(State(cloud): State<Arc<Cloud>>) -> Response {
    json_reply(StatusCode::OK, &cloud.platform.key.jwks())
}

/// Keeps every token file fresh until the end.
pub(crate) async fn keep_fresh(cloud: Arc<Cloud>) {
    let mut world = cloud.ground.world.clone();
    loop {
        tokio::select! {
            () = cloud.ground.shutdown.cancelled() => return,
            () = tokio::time::sleep(ROUND) => {}
            changed = world.changed() => if changed.is_err() { return },
        }
        let now = cloud.ground.world_now();
        if let Err(error) = cloud.platform.renew(&now) {
            tracing::error!(%error, "a platform token cannot be written");
        }
    }
}
