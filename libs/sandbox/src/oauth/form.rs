//! Requests as RFC 6749 writes them: a form, and a client that authenticates with Basic (section 2.3.1).

use std::borrow::Cow;
use std::collections::HashMap;

use axum::body::Bytes;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, header};
use zeroize::Zeroizing;

use super::error::OauthError;

const FORM: &str = "application/x-www-form-urlencoded";

/// The parameters of a request, each at most once; an empty one counts as absent (section 3.2).
pub(crate) struct Form {
    parameters: HashMap<String, Zeroizing<String>>,
}

impl Form {
    pub(crate) fn parse(headers: &HeaderMap, body: &Bytes) -> Result<Self, OauthError> {
        let media_type =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(FORM) {
            return Err(OauthError::InvalidRequest("the body must be application/x-www-form-urlencoded"));
        }
        let mut parameters = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            if parameters.insert(name.into_owned(), Zeroizing::new(value.into_owned())).is_some() {
                return Err(OauthError::InvalidRequest("a parameter is given twice"));
            }
        }
        parameters.retain(|_, value| !value.is_empty());
        Ok(Self { parameters })
    }

    pub(crate) fn optional(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(|value| value.as_str())
    }

    pub(crate) fn required(&self, name: &str, absent: &'static str) -> Result<&str, OauthError> {
        self.optional(name).ok_or(OauthError::InvalidRequest(absent))
    }
}

/// What the client claims to be, not checked yet. A public client's secret is empty.
pub(crate) struct Basic {
    pub(crate) client_id: String,
    pub(crate) secret: Zeroizing<String>,
}

impl Basic {
    pub(crate) fn parse(headers: &HeaderMap, form: &Form) -> Result<Self, OauthError> {
        let basic = Self::of(headers).ok_or(OauthError::InvalidClient)?;
        if form.optional("client_secret").is_some() {
            return Err(OauthError::InvalidRequest("a client may authenticate in one way only"));
        }
        if form.optional("client_id").is_some_and(|client_id| client_id != basic.client_id) {
            return Err(OauthError::InvalidRequest("client_id is not the client that authenticates"));
        }
        Ok(basic)
    }

    /// What the header says, if it is there and well formed.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        decode(headers.get(header::AUTHORIZATION)?.to_str().ok()?)
    }
}

fn decode(value: &str) -> Option<Basic> {
    let (scheme, credentials) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(BASE64_STANDARD.decode(credentials.trim()).ok()?);
    let (client_id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(Basic {
        client_id: form_decoded(client_id).into_owned(),
        secret: Zeroizing::new(form_decoded(secret).into_owned()),
    })
}

/// Both halves are form-encoded before they are joined (section 2.3.1); ours need no encoding, so `curl -u` works too.
fn form_decoded(half: &str) -> Cow<'_, str> {
    if half.contains(['&', '=']) {
        return Cow::Borrowed(half);
    }
    url::form_urlencoded::parse(half.as_bytes()).next().map_or(Cow::Borrowed(half), |(name, _)| name)
}
