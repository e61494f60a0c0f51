//! A world whose identity-provisioner and rotator speak to the sandbox's Glewlwyd.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use mint_tests::client;
use mint_tests::world::World;
use serde_json::{Value, json};

/// The server, before the world is up.
#[derive(Debug)]
pub(crate) struct Glewlwyd {
    api: String,
    secrets: PathBuf,
}

impl Glewlwyd {
    /// Chooses the sandbox's port for the world, because the rotator's configuration names it.
    pub(crate) fn in_world(data: &Path) -> Self {
        // below the ports that the kernel gives to outgoing connections
        let port = (20_000..30_000)
            .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
            .expect("a free port");
        let run = data.join("run");
        std::fs::create_dir_all(&run).unwrap();
        std::fs::write(run.join("ports.json"), json!({ "sandbox": port }).to_string()).unwrap();
        Self { api: format!("http://127.0.0.1:{port}/glewlwyd/api"), secrets: run.join("secrets/rotator") }
    }

    pub(crate) fn token_url(&self) -> String {
        format!("{}/oidc/token", self.api)
    }

    /// What both services have to be told.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let key = self.secrets.with_file_name("identity-provisioner").join("glewlwyd-token");
        let provisioner = [
            ("DRIVER", "glewlwyd".to_owned()),
            ("URL", self.api.clone()),
            ("TOKEN_FILE", key.display().to_string()),
        ]
        .map(|(name, value)| (format!("MINT_IDENTITY_PROVISIONER__ISSUER__{name}"), value));
        let file = |name: &str| self.secrets.join(name).display().to_string();
        let rotator = [
            ("DRIVER", "glewlwyd".to_owned()),
            ("URL", self.api.clone()),
            ("TOKEN_FILE", file("glewlwyd-token")),
            ("ADMINISTRATOR_FILE", file("glewlwyd-admin.json")),
            ("TOKEN_URL", self.token_url()),
            ("REVOCATION_URL", format!("{}/oidc/revoke", self.api)),
        ]
        .map(|(name, value)| (format!("MINT_ROTATOR__ISSUER__{name}"), value));
        provisioner.into_iter().chain(rotator).collect()
    }

    /// Makes what whoever runs that server makes: the prober.
    pub(crate) async fn provide(&self, world: &World) {
        assert!(world.endpoints.sandbox_url.starts_with(self.api.trim_end_matches("/glewlwyd/api")));
        let prober = std::fs::read(self.secrets.join("prober.json")).unwrap();
        let prober: Value = serde_json::from_slice(&prober).unwrap();
        let text = |field: &str| prober[field].as_str().unwrap().to_owned();
        self.make("client", &confidential(&text("client_id"), &text("client_secret"))).await;
    }

    async fn make(&self, collection: &str, body: &Value) {
        let key = std::fs::read_to_string(self.secrets.join("glewlwyd-token")).unwrap();
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/{collection}/", self.api))
            .header("authorization", format!("token {}", key.trim()))
            .header("content-type", "application/json")
            .body(Full::<Bytes>::from(body.to_string()))
            .unwrap();
        let answer = client::send(request).await.unwrap();
        assert!(answer.status.is_success(), "{}: {:?}", answer.status, answer.body);
    }
}

fn confidential(id: &str, secret: &str) -> Value {
    json!({"client_id": id, "name": id, "confidential": true, "enabled": true, "password": secret,
        "client_secret": secret, "redirect_uri": ["http://127.0.0.1/cb"], "scope": ["uid", "cn"],
        "authorization_type": ["password", "client_credentials", "refresh_token"],
        "token_endpoint_auth_method": ["client_secret_basic"]})
}
