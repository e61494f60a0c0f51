//! The contract against a real Glewlwyd, which `tests/peers/glewlwyd.sh` starts and names in the environment.

use std::sync::atomic::{AtomicU32, Ordering};

use mint_issuer_contract::suite::{self, Bench as _, Identity, check};
use mint_testkit::SeededEntropy;
use mint_types::Entropy;

use super::*;
use crate::adapters::canned::secret_file;
use crate::adapters::token_endpoint::Dialect;

const PROBER: &str = "mint-prober";

#[derive(Debug)]
struct Real {
    driver: Glewlwyd,
    login: GlewlwydLogin,
    entropy: SeededEntropy,
    made: AtomicU32,
    _directory: tempfile::TempDir,
}

impl Real {
    async fn new(base: &str, key: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| secret_file(directory.path(), name, text);
        let administrator = r#"{"username": "admin", "password": "password"}"#;
        let access = || Access {
            http: HttpClient::new(),
            base: base.parse().unwrap(),
            token: file("key", key),
            plugin: "oidc".to_owned(),
            administrator: Some(file("administrator", administrator)),
            deadline: Duration::from_secs(10),
        };
        let prober =
            file("prober", &json!({"client_id": PROBER, "client_secret": "prober-secret"}).to_string());
        let token_url = format!("{base}/oidc/token").parse().unwrap();
        let revocation_url = format!("{base}/oidc/revoke").parse().unwrap();
        let deadline = Duration::from_secs(10);
        let endpoint = TokenEndpoint::new(HttpClient::new(), &token_url, revocation_url, prober, deadline);
        let login = GlewlwydLogin::new(endpoint.in_dialect(Dialect::Glewlwyd), access());
        let driver = Glewlwyd::new(access(), Recipe::default());
        let real =
            Self { driver, login, entropy: SeededEntropy::new(1), made: 1.into(), _directory: directory };
        real.make("client", &client(PROBER, "prober-secret")).await;
        real
    }

    async fn make(&self, collection: &str, body: &Value) {
        let body = Bytes::from(body.to_string());
        let sent = self.driver.access.send(Method::POST, &[collection, ""], body).await;
        sent.unwrap_or_else(|error| panic!("POST {collection}: {error}"));
    }
}

fn client(id: &str, secret: &str) -> Value {
    json!({"client_id": id, "name": id, "confidential": true, "enabled": true, "password": secret,
        "client_secret": secret, "redirect_uri": ["http://127.0.0.1/cb"], "scope": ["uid"],
        "authorization_type": ["password", "client_credentials", "refresh_token"],
        "token_endpoint_auth_method": ["client_secret_basic"]})
}

#[async_trait]
impl suite::Bench for Real {
    fn driver(&self) -> &dyn Driver {
        &self.driver
    }

    fn login(&self) -> &dyn Login {
        &self.login
    }

    fn entropy(&self) -> &dyn Entropy {
        &self.entropy
    }

    async fn identity(&self) -> Identity {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let name = format!("stups_app{number}");
        let identity = Identity { username: name.clone(), client_id: name };
        let user = json!({"username": identity.username, "name": "app", "enabled": true, "scope": ["uid"]});
        self.make("user", &user).await;
        self.make("client", &client(&identity.client_id, "never-used")).await;
        identity
    }

    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

#[tokio::test]
#[ignore = "needs a real Glewlwyd: tests/peers/glewlwyd.sh"]
async fn a_real_glewlwyd_keeps_the_contract() {
    let (base, key) =
        (std::env::var("MINT_PEER_GLEWLWYD").unwrap(), std::env::var("MINT_PEER_GLEWLWYD_KEY").unwrap());
    let real = Real::new(&base, &key).await;
    let report = check(&real).await;
    assert_eq!(report.broken, []);
    assert!(report.kept.len() >= 6, "{report:?}");
    let identity = real.identity().await;
    for (collection, name) in [("user", &identity.username), ("client", &identity.client_id)] {
        let mut disabled = real.driver.access.shown(&[collection, name]).await.unwrap();
        disabled.remove("password");
        disabled.remove("source");
        disabled.extend([("enabled".to_owned(), json!(false)), ("scope".to_owned(), json!([]))]);
        real.driver.access.change(&[collection, name], disabled).await.unwrap();
    }
    let subject = |object| Subject { object, username: &identity.username, client_id: &identity.client_id };
    real.driver
        .create(subject(IssuerObject::User), Some(Recipe::default().make(&real.entropy)))
        .await
        .unwrap();
    real.driver.set(subject(IssuerObject::Client), &Recipe::default().make(&real.entropy)).await.unwrap();
    for (collection, name) in [("user", &identity.username), ("client", &identity.client_id)] {
        let shown = real.driver.access.shown(&[collection, name]).await.unwrap();
        let (enabled, scope) = (shown.get("enabled"), shown.get("scope"));
        assert_eq!((enabled, scope), (Some(&json!(false)), Some(&json!([]))), "a write enables {name} again");
    }
}
