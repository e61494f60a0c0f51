//! What a test asks of the embedded world and orders in it.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

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

/// How many credentials of an application have not ended at the issuer, whether somebody knows them or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    /// Passwords that are valid now, with those in their grace.
    pub passwords: usize,
    /// Clients that have not ended.
    pub clients: usize,
}

/// An answer of `/live`.
#[derive(Debug, Deserialize)]
struct Objects {
    objects: Vec<Object>,
}

#[derive(Debug, Deserialize)]
struct Object {
    object: String,
    versions: Vec<Value>,
}

impl World {
    /// What the issuer itself remembers of an application, whatever Mint says.
    ///
    /// # Panics
    /// If the sandbox does not answer.
    pub async fn live(&self, id: &str) -> Live {
        let url = format!("{}/live?application={id}", self.endpoints.sandbox_url);
        let answer = client::fetch(&url).await.expect("the sandbox answers");
        let Objects { objects } = serde_json::from_slice(&answer.body)
            .unwrap_or_else(|error| panic!("{error}: {} {:?}", answer.status, answer.body));
        let of = |kind: &str| {
            objects.iter().filter(|object| object.object == kind).map(|object| object.versions.len()).sum()
        };
        Live { passwords: of("user"), clients: of("client") }
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
