//! Plain http to the sandbox, and gRPC as anybody who has a certificate.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// A certificate with its key, as files.
#[derive(Debug, Clone)]
pub struct Identity {
    /// PEM of the certificate.
    pub cert: PathBuf,
    /// PEM of the key.
    pub key: PathBuf,
}

impl Identity {
    /// `cert.pem` and `key.pem` of a directory.
    pub fn in_directory(directory: &Path) -> Self {
        Self { cert: directory.join("cert.pem"), key: directory.join("key.pem") }
    }
}

/// An http answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{}: not JSON ({error}): {:?}", self.status, self.body))
    }
}

/// Sends a request, with a deadline of 30 s.
///
/// # Errors
/// If nobody answered completely.
pub async fn send(request: Request<Full<Bytes>>) -> Result<Answer, String> {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let exchange = async {
        let response = client.request(request).await.map_err(|error| format!("{error:?}"))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Answer { status, body })
    };
    tokio::time::timeout(Duration::from_secs(30), exchange)
        .await
        .map_err(|_| "no answer in 30 s".to_owned())?
}

/// Sends JSON.
///
/// # Errors
/// If nobody answered completely.
pub async fn send_json(method: Method, url: &str, body: &Value) -> Result<Answer, String> {
    let request = Request::builder()
        .method(method)
        .uri(url)
        .header("content-type", "application/json")
        .body(Full::from(body.to_string()))
        .map_err(|error| error.to_string())?;
    send(request).await
}

/// Gets a URL.
///
/// # Errors
/// If nobody answered completely.
pub async fn fetch(url: &str) -> Result<Answer, String> {
    send(Request::get(url).body(Full::default()).map_err(|error| error.to_string())?).await
}
