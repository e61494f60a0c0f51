//! A world in a temporary directory, with a clock that tests move, and a client that says exactly what it sends.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use mint_sandbox::source::SystemEntropy;
use mint_sandbox::{Options, Sandbox};
use mint_types::{Clock, Monotonic, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::wire::{Answer, basic_header, password_form, read_secret, send, text, user};

pub(crate) const REGISTRY: &str = r#"
teams:
  - {id: payments, account_id: "111122223333"}
  - {id: logistics, account_id: "222233334444"}
applications:
  - {id: ledger, team_id: payments, name: General Ledger, subtitle: Books, settings: {buckets: [payments-credentials]}}
  - {id: tracker, team_id: logistics, name: Shipment Tracker, settings: {buckets: [logistics-credentials]}}
  - {id: fax, team_id: logistics, name: Fax Gateway, active: false}
world: {password_grace: 10s}
"#;

#[derive(Debug)]
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic { boot: "test".to_owned(), nanos: 0 }
    }
}

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) directory: TempDir,
    sandbox: Option<Sandbox>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A credential of a service user as the issuer gave it.
#[derive(Debug, Clone)]
pub(crate) struct Password {
    pub(crate) txid: String,
    pub(crate) password: String,
}

#[derive(Debug, Clone)]
pub(crate) struct OauthClient {
    pub(crate) txid: String,
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(REGISTRY).await
    }

    pub(crate) async fn with(registry: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("registry.yaml"), registry).unwrap();
        let clock = Arc::new(ManualClock(AtomicI64::new(1_800_000_000_000_000)));
        let client = Client::builder(TokioExecutor::new()).build_http();
        let mut world = Self { clock, directory, sandbox: None, client };
        world.boot().await;
        world
    }

    async fn boot(&mut self) {
        let options = Options {
            data: self.data(),
            registry: self.directory.path().join("registry.yaml"),
            listen: ([127, 0, 0, 1], 0).into(),
            s3_listen: ([127, 0, 0, 1], 0).into(),
            trust_domain: "mint.local".to_owned(),
            default_region: "eu-central-1".to_owned(),
            username_prefix: "stups_".to_owned(),
            broker_issuer: None,
            die_with_parent: false,
        };
        let clock: Arc<dyn Clock> = self.clock.clone();
        self.sandbox = Some(Sandbox::start(&options, clock, Arc::new(SystemEntropy)).await.unwrap());
    }

    pub(crate) async fn end(&mut self) {
        let sandbox = self.sandbox.take().unwrap();
        sandbox.shutdown().cancel();
        sandbox.ended().await;
    }

    pub(crate) async fn restart(&mut self) {
        self.end().await;
        self.client = Client::builder(TokioExecutor::new()).build_http();
        self.boot().await;
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub(crate) fn secret(&self, file: &str) -> String {
        read_secret(&self.data(), file)
    }

    /// Sends; none if the connection was closed without an answer.
    pub(crate) async fn attempt(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Answer> {
        let address = self.sandbox.as_ref().unwrap().address();
        send(&self.client, &format!("http://{address}{path}"), method, headers, body).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        self.attempt(method, path, headers, body).await.expect("an answer")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    /// A call to the service-user API with a service's own token.
    pub(crate) async fn service_user(
        &self,
        principal: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Answer {
        let bearer = format!("Bearer {}", self.secret(&format!("{principal}/issuer-token")));
        let path = format!("/service-user/services{path}");
        let body =
            if method == Method::GET || method == Method::DELETE { String::new() } else { body.to_string() };
        self.send(method, &path, &[("authorization", &bearer), ("content-type", "application/json")], &body)
            .await
    }

    /// Puts the user and answers its client id.
    pub(crate) async fn put_user(&self, username: &str, scopes: &[&str], confidential: bool) -> String {
        let answer = self
            .service_user(
                "identity-provisioner",
                Method::PUT,
                &format!("/{username}"),
                &user(username, scopes, confidential),
            )
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["client_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn new_password(&self, username: &str) -> Password {
        let path = format!("/{username}/password");
        let answer = self.service_user("rotator", Method::POST, &path, &json!({})).await.json();
        Password { txid: text(&answer, "txid"), password: text(&answer, "password") }
    }

    pub(crate) async fn commit_password(&self, username: &str, txid: &str) -> Answer {
        self.service_user("rotator", Method::PUT, &format!("/{username}/password"), &json!({"txid": txid}))
            .await
    }

    pub(crate) async fn new_client(&self, username: &str) -> OauthClient {
        let path = format!("/{username}/client");
        let body = json!({"id": username, "client_id": null});
        let answer = self.service_user("rotator", Method::POST, &path, &body).await.json();
        OauthClient {
            txid: text(&answer, "txid"),
            id: text(&answer, "client_id"),
            secret: text(&answer, "client_secret"),
        }
    }

    pub(crate) async fn commit_client(&self, username: &str, txid: &str) -> Answer {
        self.service_user("rotator", Method::PUT, &format!("/{username}/client"), &json!({"txid": txid}))
            .await
    }

    /// A user with one committed password and one committed client.
    pub(crate) async fn ready_user(&self, username: &str, scopes: &[&str]) -> (Password, OauthClient) {
        self.put_user(username, scopes, true).await;
        let (password, client) = (self.new_password(username).await, self.new_client(username).await);
        assert_eq!(self.commit_password(username, &password.txid).await.status, 200);
        assert_eq!(self.commit_client(username, &client.txid).await.status, 200);
        (password, client)
    }

    pub(crate) async fn oauth(&self, path: &str, basic: (&str, &str), form: &str) -> Answer {
        let authorization = basic_header(basic);
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        self.send(Method::POST, &format!("/oauth2/{path}"), &headers, form).await
    }

    /// Logs in with Mint's prober, as the rotator tests a password.
    pub(crate) async fn probe(&self, username: &str, password: &str) -> Answer {
        let (id, secret) = self.prober();
        self.oauth("token", (&id, &secret), &password_form(username, password)).await
    }

    pub(crate) fn prober(&self) -> (String, String) {
        let prober: Value = serde_json::from_str(&self.secret("rotator/prober.json")).unwrap();
        (text(&prober, "client_id"), text(&prober, "client_secret"))
    }

    pub(crate) async fn client_login(&self, id: &str, secret: &str) -> Answer {
        self.oauth("token", (id, secret), "grant_type=client_credentials").await
    }

    /// What is alive at the issuers for the application.
    pub(crate) async fn live(&self, application: &str) -> Vec<Value> {
        let answer = self.get(&format!("/live?application={application}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["objects"].as_array().unwrap().clone()
    }

    pub(crate) async fn order_fault(&self, fault: Value) {
        let answer = self.send(Method::POST, "/faults", &[], &fault.to_string()).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    pub(crate) async fn calls(&self) -> Vec<Value> {
        self.get("/calls").await.json().as_array().unwrap().clone()
    }
}
