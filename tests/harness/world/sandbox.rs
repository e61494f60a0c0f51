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

/// What a rotation works on at the issuer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Object {
    /// `user` or `client`.
    pub object: String,
    /// `enabled`, `disabled` or `deleted`.
    pub state: String,
    /// How many of its versions open the door now.
    pub live: usize,
    /// The credentials that have not ended.
    pub versions: Vec<Value>,
    /// Where logins by a client are sent back to.
    #[serde(default)]
    pub redirect_urls: Vec<String>,
}

impl World {
    /// What the issuer itself remembers of an application, whatever Mint says.
    ///
    /// # Panics
    /// If the sandbox does not answer.
    pub async fn live(&self, id: &str) -> Live {
        let objects = self.objects(id).await;
        let of = |kind: &str| {
            objects.iter().filter(|object| object.object == kind).map(|object| object.versions.len()).sum()
        };
        Live { passwords: of("user"), clients: of("client") }
    }

    /// Every object that the issuer itself remembers of an application.
    ///
    /// # Panics
    /// If the sandbox does not answer.
    pub async fn objects(&self, id: &str) -> Vec<Object> {
        let url = format!("{}/live?application={id}", self.endpoints.sandbox_url);
        let answer = client::fetch(&url).await.expect("the sandbox answers");
        let Objects { objects } = serde_json::from_slice(&answer.body)
            .unwrap_or_else(|error| panic!("{error}: {} {:?}", answer.status, answer.body));
        objects
    }

    /// The id of the last call; 0 before the first.
    pub async fn last_call(&self) -> u64 {
        self.calls(0).await.last().map_or(0, |call| call.id)
    }

    /// The calls of one API that concern an application, after a call's id; also those that a fault kept from being done.
    pub async fn calls_of(&self, since: u64, api: &str, id: &str) -> Vec<Call> {
        let username = format!("stups_{id}");
        let names = |part: &str| part == id || part == username;
        let mut calls = self.calls(since).await;
        calls.retain(|call| call.api == api && call.path.split('/').any(names));
        calls
    }

    /// How many ordered faults have not happened yet.
    ///
    /// # Panics
    /// If the sandbox does not answer.
    pub async fn faults_left(&self, matching: &str) -> usize {
        let url = format!("{}/faults", self.endpoints.sandbox_url);
        let left = client::fetch(&url).await.expect("the sandbox answers").json();
        let left = left.as_array().expect("a list");
        left.iter().filter(|fault| fault["match"].as_str() == Some(matching)).count()
    }

    /// The sandbox's request log after a call's id, 0 for all: the calls that have ended.
    ///
    /// # Panics
    /// If the sandbox does not answer.
    pub async fn calls(&self, since: u64) -> Vec<Call> {
        let url = format!("{}/calls?since={since}", self.endpoints.sandbox_url);
        let answer = client::fetch(&url).await.expect("the sandbox answers");
        let calls: Vec<Value> =
            serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {:?}", answer.body));
        let ended = calls.into_iter().filter(|call| !call["ended_us"].is_null());
        ended
            .map(|call| {
                serde_json::from_value(call.clone()).unwrap_or_else(|error| panic!("{error}: {call}"))
            })
            .collect()
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
        self.take_back("").await;
    }

    async fn take_back(&self, query: &str) {
        let url = format!("{}/faults{query}", self.endpoints.sandbox_url);
        let answer =
            client::send_json(Method::DELETE, &url, &Value::Null).await.expect("the sandbox answers");
        assert!(matches!(answer.status, StatusCode::OK | StatusCode::NO_CONTENT), "{}", answer.status);
    }

    /// Takes the faults for calls that match this back, and leaves the others.
    ///
    /// # Panics
    /// If the sandbox refuses.
    pub async fn heal_of(&self, matching: &str) {
        let matching: String = url::form_urlencoded::byte_serialize(matching.as_bytes()).collect();
        self.take_back(&format!("?match={matching}")).await;
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
