//! URLs that Mint calls.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A URL that Mint must not call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is refused: {rule}")]
pub struct InvalidUrl {
    /// The refused URL, without user information.
    pub url: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

/// An absolute URL of a peer: https, or http to a loopback address only. No user information, no fragment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OutboundUrl(url::Url);

impl OutboundUrl {
    /// The text, without a trailing slash.
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// The parsed URL.
    pub fn as_url(&self) -> &url::Url {
        &self.0
    }

    /// Whether it is plain http (to loopback).
    pub fn is_plain_http(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// The URL with path segments appended, each percent-encoded.
    pub fn join(&self, segments: &[&str]) -> url::Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

fn is_loopback(host: &url::Host<&str>) -> bool {
    match host {
        url::Host::Domain(name) => *name == "localhost",
        url::Host::Ipv4(address) => IpAddr::V4(*address).is_loopback(),
        url::Host::Ipv6(address) => IpAddr::V6(*address).is_loopback(),
    }
}

impl FromStr for OutboundUrl {
    type Err = InvalidUrl;
    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let shown = |text: &str| text.chars().take(200).collect();
        let Ok(url) = url::Url::parse(text) else {
            return Err(InvalidUrl { url: shown(text), rule: "it is not an absolute URL" });
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidUrl {
                url: "(hidden)".to_owned(),
                rule: "it must not carry a user name or password",
            });
        }
        let refuse = |rule| Err(InvalidUrl { url: shown(text), rule });
        let Some(host) = url.host() else {
            return refuse("it has no host");
        };
        if url.fragment().is_some() {
            return refuse("it must not have a fragment");
        }
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_loopback(&host) => Ok(Self(url)),
            "http" => refuse("plain http is allowed to loopback addresses only; use https"),
            _ => refuse("its scheme must be https"),
        }
    }
}

impl TryFrom<String> for OutboundUrl {
    type Error = InvalidUrl;
    fn try_from(text: String) -> Result<Self, InvalidUrl> {
        text.parse()
    }
}

impl From<OutboundUrl> for String {
    fn from(url: OutboundUrl) -> String {
        url.as_str().to_owned()
    }
}

impl fmt::Display for OutboundUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_leaves_the_machine_never() {
        for good in
            ["http://127.0.0.1:80/x", "http://[::1]:1", "http://localhost:9", "https://iam.example.org/api"]
        {
            assert!(good.parse::<OutboundUrl>().is_ok(), "{good}");
        }
        for bad in [
            "http://example.org",
            "http://10.0.0.1",
            "http://localhost.example.org",
            "http://127.0.0.1.example.org",
            "https://user:pw@example.org",
            "ftp://example.org",
            "/relative",
            "https://example.org/#x",
        ] {
            assert!(bad.parse::<OutboundUrl>().is_err(), "{bad}");
        }
        let hidden = "https://user:hunter2@example.org".parse::<OutboundUrl>().unwrap_err().to_string();
        assert!(!hidden.contains("hunter2"));
    }

    #[test]
    fn joined_segments_cannot_climb() {
        let base: OutboundUrl = "https://iam.example.org/api/".parse().unwrap();
        assert_eq!(
            base.join(&["services", "a/../b"]).as_str(),
            "https://iam.example.org/api/services/a%2F..%2Fb"
        );
    }
}
