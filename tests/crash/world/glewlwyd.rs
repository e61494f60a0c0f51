//! A world whose rotator speaks to the sandbox's Glewlwyd: users and clients exist there under the names that
//! identity-provisioner was given, made by whoever runs that server.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use mint_api::registry::v1::GetApplicationRequest;
use mint_api::registry::v1::registry_service_client::RegistryServiceClient;
use mint_runtime::Channel;
use mint_tests::client;
use mint_tests::world::World;
use serde_json::{Value, json};

use crate::stage::until;

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

    /// What the rotator has to be told.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let file = |name: &str| self.secrets.join(name).display().to_string();
        [
            ("DRIVER", "glewlwyd".to_owned()),
            ("URL", self.api.clone()),
            ("TOKEN_FILE", file("glewlwyd-token")),
            ("ADMINISTRATOR_FILE", file("glewlwyd-admin.json")),
            ("TOKEN_URL", self.token_url()),
            ("REVOCATION_URL", format!("{}/oidc/revoke", self.api)),
        ]
        .map(|(name, value)| (format!("MINT_ROTATOR__ISSUER__{name}"), value))
        .to_vec()
    }

    /// Makes the prober, and the user and client of each application as soon as their names are known.
    pub(crate) async fn provide(
        &self,
        registry: &RegistryServiceClient<Channel>,
        world: &World,
        ids: impl Iterator<Item = &str>,
    ) {
        assert!(world.endpoints.sandbox_url.starts_with(self.api.trim_end_matches("/glewlwyd/api")));
        let prober = std::fs::read(self.secrets.join("prober.json")).unwrap();
        let prober: Value = serde_json::from_slice(&prober).unwrap();
        let text = |field: &str| prober[field].as_str().unwrap().to_owned();
        self.make("client", &confidential(&text("client_id"), &text("client_secret"))).await;
        for id in ids {
            self.provide_for(registry, id).await.unwrap();
        }
    }

    /// Makes the user and client of one application.
    pub(crate) async fn provide_for(
        &self,
        registry: &RegistryServiceClient<Channel>,
        id: &str,
    ) -> Result<(), String> {
        let identity = until("the identity is known", || async {
            let request = GetApplicationRequest { application_id: id.to_owned(), ..Default::default() };
            registry.clone().get_application(request).await.ok()?.into_inner().application?.identity
        });
        let identity = identity.await?;
        let user =
            json!({"username": identity.username, "name": id, "enabled": true, "scope": ["uid", "cn"]});
        self.make("user", &user).await;
        self.make("client", &confidential(&identity.client_id, "never-used-by-anybody")).await;
        Ok(())
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
