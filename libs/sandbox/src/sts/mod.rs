//! STS: `AssumeRoleWithWebIdentity` and nothing else (Query API, XML answers).

mod answer;
mod identity;
mod session;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::post;
use mint_permissions::{Caller as IamCaller, Request, decide};
use mint_types::RequestId;

use crate::calls::Caller;
use crate::cloud::Cloud;
use crate::federation::Federation;
use crate::policies::{Role, provider_arn};
use crate::reply::on_behalf;
use answer::{Granted, Refusal};
use identity::Identity;
pub(crate) use session::{Refusal as SessionRefusal, Session, Sessions};

/// AWS's bounds and default for `DurationSeconds`.
const SHORTEST: i64 = 900;
const LONGEST: i64 = 43_200;
const DEFAULT: i64 = 3_600;
/// The only version of the Query API.
const VERSION: &str = "2011-06-15";

pub(crate) fn router(cloud: Arc<Cloud>) -> Router {
    let call = post(answer_call).get(answer_call);
    Router::new().route("/sts", call.clone()).route("/sts/", call).with_state(cloud)
}

async fn answer_call(State(cloud): State<Arc<Cloud>>, RawQuery(query): RawQuery, body: Bytes) -> Response {
    let request_id = RequestId::random(&*cloud.ground.entropy).to_string();
    let parameters = match parameters(query.as_deref().unwrap_or_default(), &body) {
        Ok(parameters) => parameters,
        Err(refusal) => return refusal.response(&request_id),
    };
    match assume(&cloud, &parameters).await {
        Ok(granted) => {
            let caller = Caller::principal(&granted.subject);
            let caller = match granted.application() {
                Some(application) => caller.with_application(application),
                None => caller,
            };
            on_behalf(granted.response(&request_id), caller)
        }
        Err(refusal) => refusal.response(&request_id),
    }
}

type Parameters = BTreeMap<String, String>;

/// Query and form together; a parameter that stands twice means two different things to two readers.
fn parameters(query: &str, body: &[u8]) -> Result<Parameters, Refusal> {
    let mut parameters = Parameters::new();
    for (name, value) in
        url::form_urlencoded::parse(query.as_bytes()).chain(url::form_urlencoded::parse(body))
    {
        if parameters.insert(name.to_string(), value.into_owned()).is_some() {
            return Err(Refusal::malformed(&format!("the parameter {name} stands twice")));
        }
    }
    Ok(parameters)
}

async fn assume(cloud: &Cloud, parameters: &Parameters) -> Result<Granted, Refusal> {
    let text = |name: &str| parameters.get(name).map_or("", String::as_str);
    match text("Action") {
        "AssumeRoleWithWebIdentity" => {}
        "AssumeRole"
        | "AssumeRoleWithSAML"
        | "AssumeRoot"
        | "GetCallerIdentity"
        | "GetSessionToken"
        | "GetFederationToken"
        | "GetAccessKeyInfo"
        | "DecodeAuthorizationMessage" => {
            return Err(Refusal::access_denied(&format!("not authorized to perform sts:{}", text("Action"))));
        }
        other => return Err(Refusal::invalid_action(other)),
    }
    // A session policy narrows a session. One that is overlooked widens it.
    if let Some(unsupported) = parameters.keys().find(|name| !is_known(name)) {
        return Err(Refusal::malformed(&format!("the parameter {unsupported} is not supported here")));
    }
    if text("Version") != VERSION {
        return Err(Refusal::malformed("the Version must be 2011-06-15"));
    }
    let name = text("RoleSessionName");
    if !is_session_name(name) {
        return Err(Refusal::malformed("RoleSessionName must have 2 to 64 characters of [A-Za-z0-9_=,.@-]"));
    }
    let duration = duration(text("DurationSeconds"))?;
    let identity = Identity::of(cloud, text("WebIdentityToken")).await?;
    let role = cloud.role(text("RoleArn")).filter(|role| trusts(cloud, role, &identity));
    let Some(role) = role else {
        return Err(Refusal::access_denied("not authorized to perform sts:AssumeRoleWithWebIdentity"));
    };
    grant(cloud, &role, name, duration, identity)
}

fn is_known(parameter: &str) -> bool {
    matches!(
        parameter,
        "Action" | "Version" | "RoleArn" | "RoleSessionName" | "WebIdentityToken" | "DurationSeconds"
    )
}

fn is_session_name(name: &str) -> bool {
    let allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'=' | b',' | b'.' | b'@' | b'-' | b'+');
    (2..=64).contains(&name.len()) && name.bytes().all(allowed)
}

fn duration(text: &str) -> Result<i64, Refusal> {
    if text.is_empty() {
        return Ok(DEFAULT);
    }
    let seconds = text.parse().ok().filter(|seconds| (SHORTEST..=LONGEST).contains(seconds));
    seconds.ok_or_else(|| Refusal::malformed("DurationSeconds must be between 900 and 43200"))
}

fn trusts(cloud: &Cloud, role: &Role, identity: &Identity) -> bool {
    let broker = cloud.federation.as_ref().map(Federation::provider);
    let Ok(trust) = role.trust(cloud.platform.provider(), broker) else { return false };
    let actions = ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"];
    // who brings tags needs to be allowed to
    let needed = if identity.tags.is_empty() { &actions[..1] } else { &actions[..] };
    needed.iter().all(|action| {
        let request = Request {
            caller: IamCaller::Federated(provider_arn(&role.account, &identity.provider)),
            action: (*action).to_owned(),
            resource: role.arn(),
            context: identity.context(),
        };
        decide([&trust], &request).is_allow()
    })
}

fn grant(
    cloud: &Cloud,
    role: &Role,
    name: &str,
    duration: i64,
    identity: Identity,
) -> Result<Granted, Refusal> {
    let now = cloud.ground.clock.now().unix_millis().div_euclid(1000);
    let session = Session {
        access_key: cloud.sessions.new_access_key(&*cloud.ground.entropy),
        role_arn: role.arn(),
        name: name.to_owned(),
        expires: now.saturating_add(duration),
        tags: identity.tags,
    };
    let secret_key = cloud.sessions.secret(&session.access_key);
    let token = cloud.sessions.token(&session);
    let (Some(secret_key), Some(token)) = (secret_key, token) else { return Err(Refusal::internal()) };
    Ok(Granted { session, secret_key, token, subject: identity.subject, provider: identity.issuer })
}

#[cfg(test)]
mod tests;
