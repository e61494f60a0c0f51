//! What a test asks of the embedded world and orders in it.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::World;
use crate::client;

/// A line of the sandbox's request log.
#[derive(Debug, Clone, Deserialize)]
pub struct Call {
    /// Its number, ascending.
    pub id: u64,
    /// Who called.
    pub principal: Option<String>,
    /// For example `service-user.create_password`.
    pub api: String,
    /// The path.
    pub path: String,
    /// The status; 0 when the answer was lost.
    pub status: u16,
    /// The application it concerns, where that can be told.
    pub application: Option<String>,
    /// When it began.
    pub started_us: i64,
    /// When it ended.
    pub ended_us: i64,
}

/// How much of an application opens the door at the issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    /// Passwords that are valid now, with those in their grace.
    pub passwords: i64,
    /// Clients that have not ended.
    pub clients: i64,
}

const LIVE_PASSWORDS: &str = "SELECT COUNT(*) FROM password \
     WHERE username = $1 AND (valid_until IS NULL OR valid_until > $2)";
const LIVE_CLIENTS: &str = "SELECT COUNT(*) FROM client WHERE username = $1 AND ended = 0";

impl World {
    /// What the issuer itself remembers of an application, whatever Mint says.
    ///
    /// # Panics
    /// If the issuer's state cannot be read.
    pub async fn live(&self, id: &str) -> Live {
        let file = self.data().join("sandbox/state.db");
        let options = SqliteConnectOptions::new().filename(file).read_only(true);
        let mut state = options.connect().await.expect("the issuer's state");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let now = i64::try_from(now.as_micros()).expect("before the year 292277");
        let user = format!("stups_{id}");
        let passwords = sqlx::query_scalar(LIVE_PASSWORDS).bind(&user).bind(now).fetch_one(&mut state);
        let passwords = passwords.await.expect("passwords");
        let clients = sqlx::query_scalar(LIVE_CLIENTS).bind(&user).fetch_one(&mut state);
        Live { passwords, clients: clients.await.expect("clients") }
    }

    /// The sandbox's request log after a call's id; 0 for all.
    ///
    /// # Panics
    /// If the sandbox does not answer.
    pub async fn calls(&self, since: u64) -> Vec<Call> {
        let url = format!("{}/calls?since={since}", self.endpoints.sandbox_url);
        let answer = client::fetch(&url).await.expect("the sandbox answers");
        serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {:?}", answer.body))
    }

    /// Orders a fault.
    ///
    /// # Panics
    /// If the sandbox refuses it.
    pub async fn fault(&self, fault: Value) {
        let url = format!("{}/faults", self.endpoints.sandbox_url);
        let answer = client::send_json(Method::POST, &url, &fault).await.expect("the sandbox answers");
        assert!(answer.status.is_success(), "{}: {:?}", answer.status, answer.body);
    }

    /// Takes every fault back.
    ///
    /// # Panics
    /// If the sandbox refuses.
    pub async fn heal(&self) {
        let url = format!("{}/faults", self.endpoints.sandbox_url);
        let answer =
            client::send_json(Method::DELETE, &url, &Value::Null).await.expect("the sandbox answers");
        assert!(matches!(answer.status, StatusCode::OK | StatusCode::NO_CONTENT), "{}", answer.status);
    }

    /// Changes the registry while it is served.
    ///
    /// # Panics
    /// If the sandbox refuses.
    pub async fn registry(&self, change: Value) {
        let url = format!("{}/registry", self.endpoints.sandbox_url);
        let answer = client::send_json(Method::POST, &url, &change).await.expect("the sandbox answers");
        assert!(answer.status.is_success(), "{}: {:?}", answer.status, answer.body);
    }
}
