//! A Glewlwyd: the sandbox's, or a real one that `tests/peers/glewlwyd.sh` starts and names in the environment.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use mint_tests::client;
use serde_json::{Value, json};

const KEY: &str = "glewlwyd-token";
const ADMINISTRATOR: &str = "glewlwyd-admin.json";
const PROBER: &str = "prober.json";

/// The issuer that both services who speak to one speak to.
pub(crate) struct Glewlwyd {
    api: String,
    /// The rotator's secrets.
    rotator: PathBuf,
    /// The file with identity-provisioner's key.
    provisioner_key: PathBuf,
    /// Whether it is no server of ours.
    pub(crate) is_real: bool,
}

impl Glewlwyd {
    /// The sandbox's, whose port is chosen before the world is up because configurations name it.
    pub(crate) fn in_world(data: &Path) -> Self {
        static GIVEN: AtomicU16 = AtomicU16::new(29_000);
        // below the ports that the kernel gives to outgoing connections, and never that of another world of this process
        let port = std::iter::repeat_with(|| GIVEN.fetch_sub(1, Ordering::Relaxed))
            .take(9_000)
            .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
            .expect("a free port");
        let run = data.join("run");
        std::fs::create_dir_all(&run).expect("a directory");
        std::fs::write(run.join("ports.json"), json!({ "sandbox": port }).to_string()).expect("a file");
        let secrets = run.join("secrets");
        Self {
            api: format!("http://127.0.0.1:{port}/glewlwyd/api"),
            rotator: secrets.join("rotator"),
            provisioner_key: secrets.join("identity-provisioner").join(KEY),
            is_real: false,
        }
    }

    /// The one of the environment, whose secrets are put into a directory.
    pub(crate) fn real(directory: &Path) -> Self {
        let told =
            |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} names the real server"));
        let secrets = [
            (KEY, told("MINT_PEER_GLEWLWYD_KEY")),
            (ADMINISTRATOR, json!({"username": "admin", "password": "password"}).to_string()),
            (PROBER, json!({"client_id": "mint-world-prober", "client_secret": "prober-secret"}).to_string()),
        ];
        for (name, secret) in secrets {
            let file = directory.join(name);
            std::fs::write(&file, secret).expect("a file");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("a private file");
        }
        Self {
            api: told("MINT_PEER_GLEWLWYD"),
            rotator: directory.to_owned(),
            provisioner_key: directory.join(KEY),
            is_real: true,
        }
    }

    /// What makes both services speak to it.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let file = |name: &str| self.rotator.join(name).display().to_string();
        let provisioner = [
            ("DRIVER", "glewlwyd".to_owned()),
            ("URL", self.api.clone()),
            ("TOKEN_FILE", self.provisioner_key.display().to_string()),
        ];
        let provisioner =
            provisioner.map(|(name, value)| (format!("MINT_IDENTITY_PROVISIONER__ISSUER__{name}"), value));
        let rotator = [
            ("DRIVER", "glewlwyd".to_owned()),
            ("URL", self.api.clone()),
            ("TOKEN_FILE", file(KEY)),
            ("ADMINISTRATOR_FILE", file(ADMINISTRATOR)),
            ("PROBER_CLIENT_FILE", file(PROBER)),
            ("TOKEN_URL", self.token_url()),
            ("REVOCATION_URL", format!("{}/oidc/revoke", self.api)),
        ]
        .map(|(name, value)| (format!("MINT_ROTATOR__ISSUER__{name}"), value));
        provisioner.into_iter().chain(rotator).collect()
    }

    pub(crate) fn token_url(&self) -> String {
        format!("{}/oidc/token", self.api)
    }

    /// Mint's own client: its id and its secret.
    pub(crate) fn prober(&self) -> (String, String) {
        let text = std::fs::read(self.rotator.join(PROBER)).expect("the prober");
        let prober: Value = serde_json::from_slice(&text).expect("JSON");
        let field = |name: &str| prober[name].as_str().expect("a text").to_owned();
        (field("client_id"), field("client_secret"))
    }

    /// Makes what whoever runs that server makes: the prober.
    pub(crate) async fn provide_prober(&self) {
        let (id, secret) = self.prober();
        let prober = json!({"client_id": id, "name": id, "confidential": true, "enabled": true,
            "password": secret, "redirect_uri": ["http://127.0.0.1/cb"], "scope": ["uid", "cn"],
            "authorization_type": ["password", "client_credentials", "refresh_token"],
            "token_endpoint_auth_method": ["client_secret_basic"]});
        let key = std::fs::read_to_string(self.rotator.join(KEY)).expect("the key");
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/client/", self.api))
            .header("authorization", format!("token {}", key.trim()))
            .header("content-type", "application/json")
            .body(Full::<Bytes>::from(prober.to_string()))
            .expect("a request");
        let answer = client::send(request).await.expect("an answer");
        assert!(answer.status.is_success(), "{}: {:?}", answer.status, answer.body);
    }
}
