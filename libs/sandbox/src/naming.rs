//! The names of the calls on the main listener, as the request log and faults use them.

use std::sync::Arc;

use axum::body::Bytes;
use http::Method;
use http::request::Parts;
use tokio::sync::watch;

use crate::gate::Named;
use crate::world::World;

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
        (method, ["glewlwyd", "api", rest @ .., ""] | ["glewlwyd", "api", rest @ ..]) => {
            unowned(glewlwyd(method, rest))
        }
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

/// The name of a call of Glewlwyd's, without the slash at its end.
fn glewlwyd(method: &Method, rest: &[&str]) -> &'static str {
    match (method, rest) {
        (&Method::POST, ["auth"]) => "glewlwyd.session.create",
        (&Method::DELETE, ["auth"]) => "glewlwyd.session.delete",
        (&Method::GET, ["user"]) => "glewlwyd.user.list",
        (&Method::POST, ["user"]) => "glewlwyd.user.create",
        (&Method::GET, ["user", _]) => "glewlwyd.user.get",
        (&Method::PUT, ["user", _]) => "glewlwyd.user.put",
        (&Method::DELETE, ["user", _]) => "glewlwyd.user.delete",
        (&Method::GET, ["client"]) => "glewlwyd.client.list",
        (&Method::POST, ["client"]) => "glewlwyd.client.create",
        (&Method::GET, ["client", _]) => "glewlwyd.client.get",
        (&Method::PUT, ["client", _]) => "glewlwyd.client.put",
        (&Method::DELETE, ["client", _]) => "glewlwyd.client.delete",
        (&Method::POST, ["oidc", "token"]) => "glewlwyd.token",
        (&Method::GET, ["oidc", "token"]) => "glewlwyd.refresh_token.list",
        (&Method::DELETE, ["oidc", "token", _]) => "glewlwyd.refresh_token.delete",
        (&Method::POST, ["oidc", "introspect"]) => "glewlwyd.introspect",
        (&Method::POST, ["oidc", "revoke"]) => "glewlwyd.revoke",
        (&Method::GET, ["oidc", "jwks"]) => "glewlwyd.jwks",
        (&Method::GET, ["oidc", ".well-known", "openid-configuration"]) => "glewlwyd.discovery",
        _ => UNKNOWN,
    }
}

/// Which application a user or client of Glewlwyd belongs to: its name is the prefix and the application's id, or
/// that and more after `_`, `-` or `.` (a second identity, used in turn).
#[derive(Debug, Clone)]
pub(crate) struct Applications {
    pub(crate) prefix: Arc<str>,
    pub(crate) world: watch::Receiver<Arc<World>>,
}

impl Applications {
    /// The application of that name; the longest registered one, else what stands after the prefix.
    pub(crate) fn of(&self, name: &str) -> Option<String> {
        let rest = name.strip_prefix(&*self.prefix)?;
        let world = self.world.borrow();
        let ids = world.applications.iter().map(|application| application.id.as_str());
        let own = ids.filter(|id| {
            rest.strip_prefix(id).is_some_and(|more| more.is_empty() || more.starts_with(['_', '-', '.']))
        });
        Some(own.max_by_key(|id| id.len()).unwrap_or(rest).to_owned())
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
