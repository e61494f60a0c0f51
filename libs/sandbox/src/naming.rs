//! The names of the calls on the main listener, as the request log and faults use them.

use axum::body::Bytes;
use http::Method;
use http::request::Parts;

use crate::gate::Named;

/// A call that this world does not have.
pub(crate) const UNKNOWN: &str = "unknown";

/// Names a call on the main listener. The application is the path's, where the path has one.
pub(crate) fn name(parts: &Parts, body: &Bytes) -> Named {
    let path = parts.uri.path();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let unowned = |api| Named { api, application: None };
    match (&parts.method, segments.as_slice()) {
        (&Method::GET, ["kio", "apps"]) => unowned("kio.list"),
        (&Method::GET, ["kio", "apps", id]) => Named { api: "kio.get", application: Some((*id).to_owned()) },
        (&Method::POST, ["oauth2", "token"]) => unowned("oauth2.token"),
        (&Method::POST, ["oauth2", "introspect"]) => unowned("oauth2.introspect"),
        (&Method::POST, ["oauth2", "revoke"]) => unowned("oauth2.revoke"),
        (&Method::GET, ["oauth2", "jwks"]) => unowned("oauth2.jwks"),
        (_, ["sts"] | ["sts", ""]) => unowned(security_token_service(parts, body)),
        (&Method::GET, ["platform", "jwks"]) => unowned("platform.jwks"),
        (&Method::GET, ["platform", ".well-known", "openid-configuration"]) => unowned("platform.discovery"),
        (method, ["service-user", rest @ ..]) => unowned(service_user(method, rest)),
        _ => unowned(UNKNOWN),
    }
}

/// The name of a call of the service-user API (COMPAT §3).
pub(crate) fn service_user(method: &Method, rest: &[&str]) -> &'static str {
    match (method, rest) {
        (&Method::GET, ["services"]) => "service-user.list",
        (&Method::GET, ["services", _]) => "service-user.get",
        (&Method::PUT, ["services", _]) => "service-user.put",
        (&Method::DELETE, ["services", _]) => "service-user.delete",
        (&Method::POST, ["services", _, "password"]) => "service-user.create_password",
        (&Method::PUT, ["services", _, "password"]) => "service-user.commit_password",
        (&Method::POST, ["services", _, "client"]) => "service-user.create_client",
        (&Method::PUT, ["services", _, "client"]) => "service-user.commit_client",
        _ => UNKNOWN,
    }
}

/// STS has one path; the action stands in the query or the form (the Query API).
fn security_token_service(parts: &Parts, body: &Bytes) -> &'static str {
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    let action = url::form_urlencoded::parse(query)
        .chain(url::form_urlencoded::parse(body))
        .find(|(key, _)| key == "Action")
        .map(|(_, action)| action.into_owned());
    match action.as_deref() {
        Some("AssumeRoleWithWebIdentity") => "sts.AssumeRoleWithWebIdentity",
        Some("AssumeRole") => "sts.AssumeRole",
        Some("GetCallerIdentity") => "sts.GetCallerIdentity",
        Some("GetSessionToken") => "sts.GetSessionToken",
        _ => "sts.Unknown",
    }
}
