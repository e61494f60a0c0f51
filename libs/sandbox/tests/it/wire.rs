//! HTTP as tests send and read it.

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn error(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["error"].as_str().unwrap_or_default().to_owned())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) async fn send(
    client: &Client<HttpConnector, Full<Bytes>>,
    url: &str,
    method: Method,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = client.request(request.body(Full::from(body.to_owned())).unwrap()).await.ok()?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    Some(Answer { status: parts.status, headers: parts.headers, body })
}

pub(crate) fn user(username: &str, scopes: &[&str], confidential: bool) -> Value {
    json!({
        "id": username, "name": "A name", "owner": "payments", "subtitle": null,
        "client_config": {
            "redirect_urls": [], "confidential": confidential,
            "scopes": [{"realm": "services", "scopes": scopes}],
        },
        "user_config": {"scopes": [{"realm": "services", "scopes": scopes}]},
    })
}

pub(crate) fn read_secret(data: &Path, file: &str) -> String {
    std::fs::read_to_string(data.join("run/secrets").join(file)).unwrap()
}

pub(crate) fn basic_header((id, secret): (&str, &str)) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
}

pub(crate) fn password_form(username: &str, password: &str) -> String {
    format!("grant_type=password&username={username}&password={password}&scope=cn+uid")
}

pub(crate) fn text(answer: &Value, key: &str) -> String {
    answer[key].as_str().unwrap_or_else(|| panic!("no {key} in {answer}")).to_owned()
}
