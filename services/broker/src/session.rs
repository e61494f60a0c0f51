//! What makes a token a session: pure. Signature first (the adapter), then this.

use mint_types::{Period, Timestamp};
use serde_json::Value;

use crate::grants::Subject;
use crate::refusal::Refusal;

/// How far ahead the IAM solution's clock may be. It is granted to `nbf` and `iat` only: no leeway lengthens a session.
const AHEAD: Period = Period::from_seconds(60);

/// What a session's token must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// `iss`, exactly.
    pub issuer: String,
    /// `aud`, or one of them.
    pub audience: String,
}

/// Whose session the claims are, now. At `exp` it has ended.
pub(crate) fn judge(claims: &Value, expected: &Expected, now: Timestamp) -> Result<Subject, Refusal> {
    let refuse = |why| Err(Refusal::NoSession(why));
    if claims["iss"].as_str() != Some(expected.issuer.as_str()) {
        return refuse("it is of another issuer");
    }
    if !is_for(&claims["aud"], &expected.audience) {
        return refuse("it is for another audience");
    }
    let Some(expires) = instant(&claims["exp"]) else {
        return refuse("it does not say when it ends");
    };
    if now >= expires {
        return refuse("it has expired");
    }
    for name in ["nbf", "iat"] {
        let Some(claim) = claims.get(name) else { continue };
        let Some(from) = instant(claim) else {
            return refuse("it says malformed times");
        };
        if from > now.plus(AHEAD.as_duration()) {
            return refuse("it is not valid yet");
        }
    }
    let subject = claims["sub"].as_str().and_then(Subject::bearer);
    subject.ok_or(Refusal::NoSession("it names nobody"))
}

/// One audience, or a list with it.
fn is_for(audience: &Value, wanted: &str) -> bool {
    match audience {
        Value::String(one) => one == wanted,
        Value::Array(many) => many.iter().any(|one| one.as_str() == Some(wanted)),
        _ => false,
    }
}

/// A NumericDate (RFC 7519, section 2), which may have a fraction.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a date within the range of a timestamp is checked first"
)]
fn instant(claim: &Value) -> Option<Timestamp> {
    let seconds = claim.as_f64().filter(|seconds| (0.0..1e12).contains(seconds))?;
    Some(Timestamp::from_unix_micros((seconds * 1e6) as i64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_micros(second * 1_000_000)
    }

    fn judged(change: impl FnOnce(&mut Value)) -> Result<Subject, Refusal> {
        let mut claims = json!({
            "iss": "https://iam.example.org", "aud": "mint-broker", "sub": "ci-job", "iat": 1_000, "nbf": 1_000,
            "exp": 2_000,
        });
        change(&mut claims);
        let (issuer, audience) = ("https://iam.example.org".to_owned(), "mint-broker".to_owned());
        judge(&claims, &Expected { issuer, audience }, at(1_500))
    }

    #[test]
    fn a_session_of_another_issuer_audience_or_time_is_none() {
        assert_eq!(judged(|_| {}), Ok(Subject::Bearer("ci-job".to_owned())));
        assert!(judged(|c| c["aud"] = json!(["other", "mint-broker"])).is_ok());
        assert!(judged(|c| c["nbf"] = json!(1_560)).is_ok(), "a clock that is ahead by a minute");
        for change in [
            (|c| c["iss"] = json!("https://iam.example.org/")) as fn(&mut Value),
            |c| c["iss"] = json!(["https://iam.example.org"]),
            |c| c["aud"] = json!("mint-broker2"),
            |c| c["aud"] = json!([]),
            |c| c["aud"] = Value::Null,
            |c| c["exp"] = json!(1_500),
            |c| c["exp"] = json!(1_499),
            |c| c["exp"] = json!("2000"),
            |c| c["exp"] = json!(-1),
            |c| c["exp"] = json!(1e300),
            |c| c["nbf"] = json!(1_561),
            |c| c["nbf"] = json!("soon"),
            |c| c["iat"] = json!(1_561),
            |c| c["sub"] = json!(""),
            |c| c["sub"] = json!(7),
            |c| c["sub"] = json!("a b"),
            |c| c["sub"] = json!("spiffe://mint.local/application/abc"),
            |c| {
                c.as_object_mut().unwrap().remove("exp");
            },
        ] {
            assert!(matches!(judged(change), Err(Refusal::NoSession(_))));
        }
    }

    #[test]
    fn at_its_end_a_session_has_ended_whatever_the_leeway() {
        assert!(judged(|c| c["exp"] = json!(1_500.000_001)).is_ok());
        assert_eq!(judged(|c| c["exp"] = json!(1_500)), Err(Refusal::NoSession("it has expired")));
    }
}
