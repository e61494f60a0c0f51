//! The exchange on this side: `AssumeRoleWithWebIdentity`, an unsigned call (STS API Reference). No SDK is linked, so that
//! nothing here looks for a credential to sign with.

use std::time::Duration;

use hyper::body::Bytes;
use hyper::http::{Request, StatusCode, header};
use mint_runtime::http::HttpClient;
use mint_types::OutboundUrl;
use zeroize::Zeroizing;

use super::{Credentials, is_part};

const DEADLINE: Duration = Duration::from_secs(15);
const LONGEST_ANSWER: usize = 64 * 1024;

/// STS at an endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Sts {
    pub(crate) http: HttpClient,
    pub(crate) endpoint: OutboundUrl,
}

/// Why there are no credentials. No variant has room for a token: messages of STS may quote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StsFault {
    /// It refuses, with this code.
    Refused(String),
    /// No answer, or none of STS's.
    Unanswered(String),
}

impl StsFault {
    /// Whether a fresh token or a moment may help.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Refused(code) if code.starts_with("ExpiredToken") || code.starts_with("IDPCommunicationError"))
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange<'a> {
    pub(crate) role_arn: &'a str,
    pub(crate) session_name: &'a str,
    pub(crate) token: &'a str,
}

impl Sts {
    /// Exchanges an identity token.
    pub(crate) async fn exchange(
        &self,
        role_arn: &str,
        session_name: &str,
        token: &str,
    ) -> Result<Credentials, StsFault> {
        let body = form(Exchange { role_arn, session_name, token });
        let unanswered = |problem: &dyn std::fmt::Display| StsFault::Unanswered(problem.to_string());
        let request = Request::post(self.endpoint.as_str())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "text/xml")
            .body(Bytes::from_owner(body))
            .map_err(|error| unanswered(&error))?;
        let answer = self.http.send(request, DEADLINE, LONGEST_ANSWER).await;
        let answer = answer.map_err(|error| unanswered(&error))?;
        read(answer.status, &answer.body)
    }
}

fn form(asked: Exchange<'_>) -> Zeroizing<Vec<u8>> {
    let mut form = url::form_urlencoded::Serializer::new(String::with_capacity(16 * 1024));
    form.append_pair("Action", "AssumeRoleWithWebIdentity")
        .append_pair("Version", "2011-06-15")
        .append_pair("RoleArn", asked.role_arn)
        .append_pair("RoleSessionName", asked.session_name)
        .append_pair("WebIdentityToken", asked.token);
    Zeroizing::new(form.finish().into_bytes())
}

fn read(status: StatusCode, body: &[u8]) -> Result<Credentials, StsFault> {
    let malformed = || StsFault::Unanswered("the answer is none of STS's".to_owned());
    let text = std::str::from_utf8(body).map_err(|_| malformed())?;
    if status != StatusCode::OK {
        let code = element(text, "Code").filter(|code| is_code(code)).map(str::to_owned);
        return Err(code
            .map_or_else(|| StsFault::Unanswered(format!("status {}", status.as_u16())), StsFault::Refused));
    }
    let credentials = element(text, "Credentials").ok_or_else(malformed)?;
    let part = |name| element(credentials, name).filter(|part| is_part(part)).ok_or_else(malformed);
    Ok(Credentials {
        access_key_id: part("AccessKeyId")?.to_owned(),
        secret_access_key: Zeroizing::new(part("SecretAccessKey")?.to_owned()),
        session_token: Zeroizing::new(part("SessionToken")?.to_owned()),
        expiration: part("Expiration")?.parse().map_err(|_| malformed())?,
    })
}

/// As `AccessDenied`: no token looks like that, so it may be shown.
fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'.')
}

/// The text of the first element of that name; what is read here has no attributes.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inside, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inside.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_from_the_answer_of_sts() {
        let text = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
            <AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s/e+c</SecretAccessKey><SessionToken>t==</SessionToken>
            <Expiration>2026-11-22T10:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
            </AssumeRoleWithWebIdentityResponse>";
        let read = |text: &str| read(StatusCode::OK, text.as_bytes());
        let credentials = read(text).unwrap();
        assert_eq!(credentials.access_key_id, "ASIA1");
        assert_eq!(
            (credentials.secret_access_key.as_str(), credentials.session_token.as_str()),
            ("s/e+c", "t==")
        );
        for (from, to) in
            [("t==", ""), ("s/e+c", "it's"), ("2026-11-22T10:00:00Z", "soon"), ("Credentials>", "C>")]
        {
            assert!(matches!(read(&text.replace(from, to)), Err(StsFault::Unanswered(_))), "{to:?}");
        }
    }

    #[test]
    fn a_refusal_is_its_code_and_never_its_message() {
        let refused = |code: &str| {
            let text = format!(
                "<ErrorResponse><Error><Code>{code}</Code><Message>eyJ.the.token</Message></Error></ErrorResponse>"
            );
            read(StatusCode::FORBIDDEN, text.as_bytes()).unwrap_err()
        };
        assert_eq!(refused("AccessDenied"), StsFault::Refused("AccessDenied".to_owned()));
        assert!(refused("ExpiredTokenException").may_pass() && !refused("AccessDenied").may_pass());
        for odd in ["", "eyJ.the.token1", "a b"] {
            assert_eq!(refused(odd), StsFault::Unanswered("status 403".to_owned()));
        }
    }
}
