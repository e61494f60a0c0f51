//! Who a web identity token stands for, and with which session tags.

use std::collections::BTreeMap;

use mint_permissions::Context;
use serde_json::Value;

use super::answer::Refusal;
use crate::cloud::Cloud;
use crate::federation::{Federation, Refused};
use crate::jwt;
use crate::platform;
use crate::policies::AUDIENCE;

/// Where session tags stand (IAM User Guide, "Passing session tags using AssumeRoleWithWebIdentity").
const TAGS: &str = "https://aws.amazon.com/tags";

/// A verified token.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) issuer: String,
    /// The issuer without its scheme.
    pub(super) provider: String,
    pub(super) subject: String,
    pub(super) tags: BTreeMap<String, String>,
}

impl Identity {
    /// A token of the platform or of the broker, made for STS, valid now.
    pub(super) async fn of(cloud: &Cloud, token: &str) -> Result<Self, Refusal> {
        let says = platform::claims_of(token).unwrap_or_default();
        let broker = cloud.federation.as_ref().filter(|broker| says["iss"] == broker.issuer());
        let (claims, issuer, provider) = match broker {
            Some(broker) => (of_broker(cloud, broker, token).await?, broker.issuer(), broker.provider()),
            None => (of_platform(cloud, token)?, cloud.platform.issuer(), cloud.platform.provider()),
        };
        if claims["iss"] != issuer {
            return Err(Refusal::invalid_token("the issuer is not a provider of this account"));
        }
        if !has_audience(&claims["aud"]) {
            return Err(Refusal::invalid_token("incorrect token audience"));
        }
        let subject = claims["sub"].as_str().filter(|subject| !subject.is_empty());
        let subject = subject.ok_or_else(|| Refusal::rejected_claim("sub"))?;
        Ok(Self {
            issuer: issuer.to_owned(),
            provider: provider.to_owned(),
            subject: subject.to_owned(),
            tags: tags_of(&claims)?,
        })
    }

    /// The condition keys of its request.
    pub(super) fn context(&self) -> Context {
        let mut context = Context::default();
        context.insert(&format!("{}:aud", self.provider), AUDIENCE);
        context.insert(&format!("{}:sub", self.provider), self.subject.clone());
        for (key, value) in &self.tags {
            context.insert(&format!("aws:RequestTag/{key}"), value.clone());
        }
        context.insert_all("aws:TagKeys", self.tags.keys().cloned());
        context
    }
}

async fn of_broker(cloud: &Cloud, broker: &Federation, token: &str) -> Result<Value, Refusal> {
    broker.verify(token, cloud.ground.clock.now()).await.map_err(|refused| match refused {
        Refused::Malformed => Refusal::invalid_token("the token is malformed"),
        Refused::Unreachable => Refusal::unreachable_provider(),
        Refused::Signature => Refusal::invalid_token("no key of the provider verifies the token"),
        Refused::Expired => Refusal::expired_token(),
        Refused::NotYet => Refusal::rejected_claim("nbf"),
    })
}

fn of_platform(cloud: &Cloud, token: &str) -> Result<Value, Refusal> {
    let now = cloud.ground.clock.now().unix_millis().div_euclid(1000);
    cloud.platform.verify(token).map_err(|refused| match refused {
        jwt::Refused::Malformed => Refusal::invalid_token("the token is malformed"),
        jwt::Refused::Signature => Refusal::invalid_token("no key of the provider verifies the token"),
        // The signature was good; the key does not tell "not any more" from "not yet", STS does.
        jwt::Refused::Expired => {
            let expires = platform::claims_of(token).and_then(|claims| claims["exp"].as_i64()).unwrap_or(now);
            if expires <= now { Refusal::expired_token() } else { Refusal::rejected_claim("nbf") }
        }
    })
}

/// One audience, or a list with it.
fn has_audience(audience: &Value) -> bool {
    match audience {
        Value::String(one) => one == AUDIENCE,
        Value::Array(many) => many.iter().any(|one| one == AUDIENCE),
        _ => false,
    }
}

/// Each tag has exactly one value. Claims beside `principal_tags` are no tags.
fn tags_of(claims: &Value) -> Result<BTreeMap<String, String>, Refusal> {
    let Some(claim) = claims.get(TAGS) else { return Ok(BTreeMap::new()) };
    let malformed = || Refusal::invalid_token("the session tags are malformed");
    let tags = claim["principal_tags"].as_object().ok_or_else(malformed)?;
    let one = |(key, values): (&String, &Value)| {
        let [value] = values.as_array()?.as_slice() else { return None };
        let value = value.as_str().filter(|value| (1..=256).contains(&value.len()))?;
        Some((key.clone(), value.to_owned()))
    };
    tags.iter().map(one).collect::<Option<_>>().ok_or_else(malformed)
}
