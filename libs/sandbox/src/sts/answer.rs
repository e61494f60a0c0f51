//! STS's answers in XML.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use mint_types::Timestamp;
use zeroize::Zeroizing;

use super::Session;
use crate::policies::{AUDIENCE, TAG_KEY};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Temporary credentials, on their way out.
pub(super) struct Granted {
    pub(super) session: Session,
    pub(super) secret_key: Zeroizing<String>,
    pub(super) token: Zeroizing<String>,
    pub(super) subject: String,
    pub(super) provider: String,
}

impl Granted {
    pub(super) fn application(&self) -> Option<&str> {
        let tagged = self.session.tags.get(TAG_KEY).map(String::as_str);
        tagged.or_else(|| self.subject.strip_prefix("system:serviceaccount:applications:"))
    }

    pub(super) fn response(&self, request_id: &str) -> Response {
        let Session { access_key, name, expires, .. } = &self.session;
        let expiration = Timestamp::from_unix_micros(expires.saturating_mul(1_000_000)).to_string();
        let role_id = format!("AROA{}:{name}", access_key.get(4..).unwrap_or_default());
        let xml = format!(
            "<AssumeRoleWithWebIdentityResponse xmlns=\"{NAMESPACE}\"><AssumeRoleWithWebIdentityResult>\
             <SubjectFromWebIdentityToken>{subject}</SubjectFromWebIdentityToken><Audience>{AUDIENCE}</Audience>\
             <AssumedRoleUser><Arn>{arn}</Arn><AssumedRoleId>{role_id}</AssumedRoleId></AssumedRoleUser>\
             <Credentials><AccessKeyId>{access_key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
             <SessionToken>{token}</SessionToken><Expiration>{expiration}</Expiration></Credentials>\
             <Provider>{provider}</Provider></AssumeRoleWithWebIdentityResult>\
             <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
             </AssumeRoleWithWebIdentityResponse>",
            subject = escaped(&self.subject),
            arn = escaped(&self.session.assumed_role_arn()),
            role_id = escaped(&role_id),
            secret = escaped(&self.secret_key),
            token = escaped(&self.token),
            provider = escaped(&self.provider),
        );
        answer(StatusCode::OK, xml)
    }
}

/// An error of STS, with AWS's own code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn malformed(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ValidationError", message)
    }

    pub(super) fn invalid_action(action: &str) -> Self {
        let action: String = action.chars().take(100).collect();
        Self::new(
            StatusCode::BAD_REQUEST,
            "InvalidAction",
            format!("{action:?} is no action of this service"),
        )
    }

    pub(super) fn access_denied(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "AccessDenied", message)
    }

    pub(super) fn invalid_token(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidIdentityToken", message)
    }

    pub(super) fn unreachable_provider() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "IDPCommunicationError", "the provider's keys cannot be fetched")
    }

    pub(super) fn expired_token() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ExpiredTokenException", "the web identity token has expired")
    }

    pub(super) fn rejected_claim(claim: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "IDPRejectedClaim", format!("the claim {claim} is not acceptable"))
    }

    pub(super) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", "no credentials could be made")
    }

    pub(super) fn response(&self, request_id: &str) -> Response {
        let kind = if self.status.is_client_error() { "Sender" } else { "Receiver" };
        let xml = format!(
            "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{kind}</Type><Code>{}</Code><Message>{}</Message>\
             </Error><RequestId>{request_id}</RequestId></ErrorResponse>",
            self.code,
            escaped(&self.message),
        );
        answer(self.status, xml)
    }
}

fn answer(status: StatusCode, xml: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/xml")], xml).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
