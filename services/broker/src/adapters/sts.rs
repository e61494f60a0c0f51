//! STS over plain HTTPS: an unsigned call (API reference, "AssumeRoleWithWebIdentity"). No SDK is linked, so that nothing
//! here can find a credential to sign with.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use mint_runtime::http::HttpClient;
use mint_secret::SecretValue;
use mint_types::OutboundUrl;
use std::sync::Arc;
use zeroize::Zeroizing;

use crate::ports::{AwsCredentials, StsFault, TokenExchange};
use crate::signing::TaggedToken;

/// An answer has some 3 KB; tokens of sessions with many tags are longer.
const LONGEST_ANSWER: usize = 64 * 1024;

/// STS at an endpoint.
#[derive(Debug)]
pub struct HttpSts {
    http: HttpClient,
    endpoint: OutboundUrl,
    deadline: Duration,
}

impl HttpSts {
    /// One call takes no longer than `deadline`.
    pub fn new(http: HttpClient, endpoint: OutboundUrl, deadline: Duration) -> Self {
        Self { http, endpoint, deadline }
    }
}

#[async_trait]
impl TokenExchange for HttpSts {
    async fn exchange(&self, token: &TaggedToken) -> Result<AwsCredentials, StsFault> {
        let request = http::Request::post(self.endpoint.as_str())
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(http::header::ACCEPT, "text/xml")
            .body(Bytes::from_owner(form(token)))
            .map_err(|_| StsFault::Unconnected)?;
        let answer = self.http.send(request, self.deadline, LONGEST_ANSWER).await.map_err(|error| {
            tracing::error!(code = "STS_NO_ANSWER", endpoint = self.endpoint.as_str(), %error, "STS does not answer");
            if error.surely_not_sent() { StsFault::Unconnected } else { StsFault::Unanswered }
        })?;
        read(answer.status, &answer.body)
    }
}

fn form(token: &TaggedToken) -> Zeroizing<Vec<u8>> {
    let grant = token.grant();
    let mut form = url::form_urlencoded::Serializer::new(String::with_capacity(4096));
    form.append_pair("Action", "AssumeRoleWithWebIdentity")
        .append_pair("Version", "2011-06-15")
        .append_pair("RoleArn", grant.role.arn.as_str())
        .append_pair("RoleSessionName", grant.session_name.as_str())
        .append_pair("DurationSeconds", &grant.role.session.as_seconds().to_string())
        .append_pair("WebIdentityToken", token.expose());
    Zeroizing::new(form.finish().into_bytes())
}

fn read(status: StatusCode, body: &[u8]) -> Result<AwsCredentials, StsFault> {
    let text = std::str::from_utf8(body).map_err(|_| StsFault::Malformed("it is no text"))?;
    if status != StatusCode::OK {
        return Err(fault(status, text));
    }
    let credentials = element(text, "Credentials").ok_or(StsFault::Malformed("it has no credentials"))?;
    let part = |name: &'static str| {
        let found = element(credentials, name).map(str::trim).filter(|part| is_part(part));
        found.ok_or(StsFault::Malformed("a part of the credentials is missing or malformed"))
    };
    let expiration = part("Expiration")?;
    Ok(AwsCredentials {
        access_key_id: part("AccessKeyId")?.to_owned(),
        secret_access_key: Arc::new(SecretValue::new(part("SecretAccessKey")?.to_owned())),
        session_token: Arc::new(SecretValue::new(part("SessionToken")?.to_owned())),
        expiration: expiration.parse().map_err(|_| StsFault::Malformed("its expiration is no time"))?,
    })
}

/// What keys, tokens and times are made of; none of it is escaped in XML.
fn is_part(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'&'))
}

/// Tells faults apart by the code. The message is not read: it may quote the token.
fn fault(status: StatusCode, text: &str) -> StsFault {
    let code = element(text, "Code").map(str::trim).filter(|code| is_code(code));
    match code {
        Some("ExpiredTokenException" | "ExpiredToken") => StsFault::TokenExpired,
        Some("InvalidIdentityToken" | "InvalidIdentityTokenException") => StsFault::TokenInvalid,
        Some("IDPCommunicationError" | "IDPCommunicationErrorException") => StsFault::KeysUnreachable,
        Some("IDPRejectedClaim" | "IDPRejectedClaimException") => StsFault::ClaimRejected,
        Some("AccessDenied" | "AccessDeniedException") => StsFault::AccessDenied,
        Some("PackedPolicyTooLarge" | "PackedPolicyTooLargeException") => StsFault::PackedPolicyTooLarge,
        Some(code) => StsFault::Refused(code.to_owned()),
        None => StsFault::Refused(status.as_u16().to_string()),
    }
}

/// As `Throttling` or `IDPRejectedClaim`: no token looks like that, so it may go into a log.
fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'.')
}

/// The text of the first element of that name; STS's answers have no attributes on the elements that are read here.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inside, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inside)
}

#[cfg(test)]
#[path = "sts_tests.rs"]
mod tests;
