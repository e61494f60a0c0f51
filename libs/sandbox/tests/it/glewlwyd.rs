//! Glewlwyd's API below `/glewlwyd`. Each status here was seen at the real server (2.7.5).

mod credentials;
mod tokens;

use http::Method;
use serde_json::{Value, json};

use crate::harness::World;
use crate::wire::{Answer, basic_header};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
/// The application is told from the name: `stups_` and its id.
const USER: &str = "stups_ledger";
const CLIENT: &str = "stups_ledger-client";
const PROBER: &str = "prober";

impl World {
    /// A call to the admin API with a service's own key.
    async fn glewlwyd(&self, principal: &str, method: Method, path: &str, body: &Value) -> Answer {
        let key = format!("token {}", self.secret(&format!("{principal}/glewlwyd-token")));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [("authorization", key.as_str()), ("content-type", "application/json")];
        self.send(method, &format!("/glewlwyd/api{path}"), &headers, &body).await
    }

    async fn put_glewlwyd_user(&self, username: &str, body: &Value) -> Answer {
        self.glewlwyd("rotator", Method::PUT, &format!("/user/{username}"), body).await
    }

    async fn shown_user(&self, username: &str) -> Value {
        self.glewlwyd("rotator", Method::GET, &format!("/user/{username}"), &Value::Null).await.json()
    }

    async fn oidc(&self, path: &str, client: (&str, &str), form: &str) -> Answer {
        let authorization = basic_header(client);
        let headers = [("authorization", authorization.as_str()), FORM];
        self.send(Method::POST, &format!("/glewlwyd/api/oidc/{path}"), &headers, form).await
    }

    async fn log_in(&self, password: &str) -> Answer {
        let form = format!("grant_type=password&username={USER}&password={password}&scope=app.read");
        self.oidc("token", (PROBER, "prober-secret"), &form).await
    }

    /// The statuses of logins with these passwords.
    async fn logins(&self, passwords: &[&str]) -> Vec<u16> {
        let mut statuses = Vec::new();
        for password in passwords {
            let answer = self.log_in(password).await;
            assert!(answer.status == 200 || answer.body.is_empty(), "{answer:?}");
            statuses.push(answer.status.as_u16());
        }
        statuses
    }

    async fn client_credentials(&self, secret: &str) -> u16 {
        let form = "grant_type=client_credentials&scope=app.read";
        self.oidc("token", (CLIENT, secret), form).await.status.as_u16()
    }

    async fn create(&self, what: &str, body: &Value) {
        let answer = self.glewlwyd("identity-provisioner", Method::POST, what, body).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0), "{answer:?}");
    }

    /// The user with a password `pw-1`, the prober that logs it in, and a client with the secret `cs-1`.
    async fn with_glewlwyd() -> Self {
        let world = Self::start().await;
        world.create("/client/", &client(PROBER, "prober-secret")).await;
        world.create("/client/", &client(CLIENT, "cs-1")).await;
        let user = json!({"username": USER, "name": "Ledger", "scope": ["app.read"], "password": ["pw-1"]});
        world.create("/user/", &user).await;
        world
    }
}

fn client(client_id: &str, secret: &str) -> Value {
    let mut client = properties();
    let own = json!({
        "client_id": client_id, "name": "A client", "confidential": true, "enabled": true, "password": secret,
        "scope": ["app.read"],
    });
    client.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    client
}

/// What a PUT of a client must say each time.
fn properties() -> Value {
    json!({
        "redirect_uri": ["http://127.0.0.1/cb"],
        "authorization_type": ["password", "client_credentials", "refresh_token"],
        "token_endpoint_auth_method": ["client_secret_basic", "client_secret_post"],
    })
}
