//! The embedded world's own HTTP: whether it is ready, and which calls it has seen.

use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use super::console::Console;
use super::urls::Urls;

const POLL: Duration = Duration::from_millis(50);
/// One request; the embedded world answers in milliseconds.
const DEADLINE: Duration = Duration::from_secs(10);
/// After how many polls a line is said about the waiting.
const SAY_EVERY: u32 = 200;
/// The largest log of calls that is read: 32 applications make a few thousand calls of some 200 bytes.
const LARGEST: usize = 256 * 1024 * 1024;

#[derive(Debug, Deserialize)]
struct Call {
    api: String,
}

/// Waits until the embedded world answers.
pub(crate) async fn ready(urls: &Urls, console: &Console) {
    let mut polls = 0;
    while fetch(&format!("{}/healthz", urls.sandbox())).await.is_none() {
        polls += 1;
        if polls % SAY_EVERY == 0 {
            console.say("mint: the embedded world is not ready yet");
        }
        tokio::time::sleep(POLL).await;
    }
}

/// How many calls Mint has made to its upstreams since the embedded world started.
pub(crate) async fn upstream_calls(urls: &Urls) -> Option<u64> {
    let body = fetch(&format!("{}/calls", urls.sandbox())).await?;
    count(&body)
}

fn count(body: &[u8]) -> Option<u64> {
    let calls: Vec<Call> = serde_json::from_slice(body).ok()?;
    Some(calls.iter().filter(|call| is_upstream(&call.api)).count() as u64)
}

/// The registry, the IAM solution and the store. STS and key sets are fetched by libraries on a schedule of their own.
fn is_upstream(api: &str) -> bool {
    let counted = ["kio.", "service-user.", "oauth2.", "s3."];
    counted.iter().any(|prefix| api.starts_with(prefix)) && api != "oauth2.jwks"
}

async fn fetch(url: &str) -> Option<Bytes> {
    let client: Client<HttpConnector, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let exchange = async {
        let answer = client.get(url.parse().ok()?).await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        Limited::new(answer.into_body(), LARGEST)
            .collect()
            .await
            .ok()
            .map(http_body_util::Collected::to_bytes)
    };
    tokio::time::timeout(DEADLINE, exchange).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sts_and_key_sets_are_not_counted() {
        let apis = [
            "kio.list",
            "service-user.put",
            "oauth2.token",
            "oauth2.revoke",
            "s3.PutObject",
            "oauth2.jwks",
            "sts.AssumeRoleWithWebIdentity",
            "platform.jwks",
        ];
        let calls: Vec<_> = apis.iter().map(|api| serde_json::json!({"id": 1, "api": api})).collect();
        assert_eq!(count(serde_json::to_string(&calls).unwrap().as_bytes()), Some(5));
        assert_eq!(count(b"<html>"), None);
    }
}
