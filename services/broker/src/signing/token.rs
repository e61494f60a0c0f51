//! An identity token that carries its tag. There is no other token here, and nothing else can be exchanged.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mint_secret::SecretValue;
use mint_types::{Period, RequestId, Timestamp};
use serde_json::{Value, json};

use super::PrivateKey;
use crate::grants::Grant;

/// Whom every token is for.
pub const AUDIENCE: &str = "sts.amazonaws.com";

/// Where AWS looks for session tags (IAM User Guide, "Passing session tags using AssumeRoleWithWebIdentity"): bare claims
/// do not become tags.
const TAGS: &str = "https://aws.amazon.com/tags";

/// A signed token with exactly one value of exactly one tag, and the exchange that it is good for. Only a signature by the
/// key book makes one.
#[derive(Debug)]
pub struct TaggedToken {
    jwt: SecretValue,
    grant: Arc<Grant>,
    expires: Timestamp,
}

impl TaggedToken {
    /// Signs a token for a grant; none only if the library refuses.
    pub(super) fn sign(
        (key, kid): (&PrivateKey, &str),
        issuer: &str,
        grant: &Arc<Grant>,
        lifetime: Period,
        (now, id): (Timestamp, RequestId),
    ) -> Option<Self> {
        let (claims, expires) = claims(issuer, grant, lifetime, now, id);
        let header = json!({"alg": key.algorithm().as_str(), "kid": kid, "typ": "JWT"});
        let mut jwt = BASE64_URL_SAFE_NO_PAD.encode(header.to_string());
        jwt.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut jwt);
        let signature = key.sign(jwt.as_bytes())?;
        jwt.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut jwt);
        Some(Self { jwt: SecretValue::new(jwt), grant: Arc::clone(grant), expires })
    }

    /// The compact JWT, for the call or the answer that sends it.
    pub fn expose(&self) -> &str {
        self.jwt.expose()
    }

    /// What it was signed for: role, tag, session name, duration.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// At this instant it has ended.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }
}

fn claims(
    issuer: &str,
    grant: &Grant,
    lifetime: Period,
    now: Timestamp,
    id: RequestId,
) -> (Value, Timestamp) {
    let issued = now.unix_micros().div_euclid(1_000_000);
    let expires = issued.saturating_add(i64::try_from(lifetime.as_seconds()).unwrap_or(0));
    let (key, value) = (grant.role.tag_key.as_str(), grant.value.as_str());
    let claims = json!({
        "iss": issuer,
        "sub": grant.subject.to_string(),
        "aud": AUDIENCE,
        "iat": issued,
        "nbf": issued,
        "exp": expires,
        "jti": id.to_string(),
        TAGS: {"principal_tags": {key: [value]}, "transitive_tag_keys": [key]},
    });
    (claims, Timestamp::from_unix_micros(expires.saturating_mul(1_000_000)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::Subject;
    use crate::grants::tests::{row, table};
    use crate::signing::Algorithm;

    fn signed(algorithm: Algorithm) -> (TaggedToken, jsonwebtoken::jwk::Jwk) {
        let mut granted = row("ci-job", "0xabc");
        if algorithm == Algorithm::Rs256 {
            granted.role = "rsa".to_owned();
        }
        let now = Timestamp::from_unix_micros(1_800_000_000_900_000);
        let grant = table(&[granted]).unwrap().of(&Subject::bearer("ci-job").unwrap(), now).unwrap();
        let document = PrivateKey::generate(algorithm).unwrap();
        let key = PrivateKey::from_pkcs8(algorithm, &document).unwrap();
        let public = key.public();
        let id: RequestId = "0af76519-16cd-43dd-8448-eb211c80319c".parse().unwrap();
        let token = TaggedToken::sign(
            (&key, &public.kid),
            "https://broker.example.org",
            &grant,
            Period::from_seconds(300),
            (now, id),
        );
        (token.unwrap(), serde_json::from_value(public.jwk(None)).unwrap())
    }

    #[test]
    fn a_token_has_exactly_the_claims_of_the_wire_format_and_each_tag_one_value() {
        for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
            let (token, jwk) = signed(algorithm);
            let mut validation = jsonwebtoken::Validation::new(algorithm.as_str().parse().unwrap());
            validation.set_audience(&["sts.amazonaws.com"]);
            let key = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
            let decoded = jsonwebtoken::decode::<Value>(token.expose(), &key, &validation).unwrap();
            assert_eq!(decoded.header.kid, jwk.common.key_id);
            assert_eq!(
                decoded.claims,
                json!({
                    "iss": "https://broker.example.org", "sub": "ci-job", "aud": "sts.amazonaws.com",
                    "iat": 1_800_000_000, "nbf": 1_800_000_000, "exp": 1_800_000_300,
                    "jti": "0af76519-16cd-43dd-8448-eb211c80319c",
                    "https://aws.amazon.com/tags": {
                        "principal_tags": {"mint_application": ["0xabc"]},
                        "transitive_tag_keys": ["mint_application"],
                    },
                })
            );
            assert_eq!(token.expires(), Timestamp::from_unix_micros(1_800_000_300_000_000));
            assert!(!format!("{token:?}").contains(token.expose().split('.').nth(1).unwrap()));
        }
    }
}
