//! What a signature says beside being right: the scope, the signed headers, the session token.

use http::{HeaderMap, Uri, header};

/// The parts of a Signature Version 4 that `s3s` verified and does not hand on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) region: String,
    pub(crate) service: String,
    /// In the query: a presigned URL.
    pub(crate) presigned: bool,
    pub(crate) token: Option<String>,
    headers: Vec<String>,
    query: Vec<(String, String)>,
}

/// Headers that clients add after signing, and that change nothing.
const HARMLESS_UNSIGNED: [&str; 3] = ["x-amz-content-sha256", "x-amz-user-agent", "x-amz-date"];

impl Signed {
    pub(crate) fn read(headers: &HeaderMap, uri: &Uri) -> Option<Self> {
        let query: Vec<(String, String)> =
            url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let single = |wanted: &str| {
            let mut values = query.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
            values.next().filter(|_| values.next().is_none())
        };
        let presigned = single("X-Amz-Signature").is_some();
        let (credential, signed_headers, token) = if presigned {
            let token = single("X-Amz-Security-Token").map(str::to_owned);
            (single("X-Amz-Credential")?.to_owned(), single("X-Amz-SignedHeaders")?.to_owned(), token)
        } else {
            let authorization = only(headers, header::AUTHORIZATION.as_str())?;
            let part = |name: &str| {
                let mut parts = authorization.split([',', ' ']).map(str::trim);
                parts.find_map(|part| part.strip_prefix(name)).map(str::to_owned)
            };
            let token = only(headers, "x-amz-security-token").map(str::to_owned);
            (part("Credential=")?, part("SignedHeaders=")?, token)
        };
        // <access key>/<date>/<region>/<service>/aws4_request
        let scope: Vec<&str> = credential.rsplit('/').collect();
        let [_, service, region, ..] = scope.as_slice() else { return None };
        Some(Self {
            region: (*region).to_owned(),
            service: (*service).to_owned(),
            presigned,
            token,
            headers: signed_headers.split(';').map(str::to_ascii_lowercase).collect(),
            query,
        })
    }

    /// The first header that AWS wants signed and that is not.
    pub(crate) fn unsigned(&self, headers: &HeaderMap) -> Option<String> {
        let must = |name: &&str| name.starts_with("x-amz-") && !HARMLESS_UNSIGNED.contains(name);
        let is_signed = |name: &str| self.headers.iter().any(|signed| signed == name);
        headers
            .keys()
            .map(header::HeaderName::as_str)
            .filter(must)
            .find(|name| !is_signed(name))
            .map(str::to_owned)
    }

    /// A parameter as a header or, where a presigned URL carries it, in the query.
    pub(crate) fn parameter(&self, headers: &HeaderMap, name: &str) -> Option<String> {
        let in_query = self.query.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        only(headers, name).map(str::to_owned).or_else(|| in_query.map(|(_, value)| value.clone()))
    }

    pub(crate) fn query(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The value of a header that stands exactly once.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}
