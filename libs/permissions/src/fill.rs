//! Filling an `aws.json` with a bucket and a prefix.

use serde_json::Value;

use crate::error::Error;
use crate::policy::Policy;
use crate::strict;

/// Reads an `aws.json`, puts `bucket` and `prefix` into its texts, and parses the result as an identity policy.
///
/// `prefix` is empty or a directory such as `a/b` or `a/b/`; it is filled in with a slash at its end.
pub fn fill(aws_json: &str, bucket: &str, prefix: &str) -> Result<Policy, Error> {
    if !is_bucket(bucket) {
        let expected = "a bucket's name: ^[a-z0-9][a-z0-9-.]{1,61}[a-z0-9]$";
        return Err(Error::Filling { placeholder: "bucket", value: bucket.to_owned(), expected });
    }
    let prefix = directory(prefix)?;
    let mut document = strict::parse(aws_json)?;
    fill_value(&mut document, bucket, &prefix)?;
    Policy::identity_value(&document)
}

/// A prefix as it is filled in: empty, or ending with one slash.
pub fn directory(prefix: &str) -> Result<String, Error> {
    if prefix.is_empty() {
        return Ok(String::new());
    }
    let bare = prefix.strip_suffix('/').unwrap_or(prefix);
    if bare.len() <= 640 && bare.split('/').all(is_segment) {
        return Ok(format!("{bare}/"));
    }
    let expected = "empty, or segments of [A-Za-z0-9._-] joined by slashes, none of them . or ..";
    Err(Error::Filling { placeholder: "prefix", value: prefix.to_owned(), expected })
}

fn is_bucket(name: &str) -> bool {
    let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.first().copied().is_some_and(edge)
        && bytes.last().copied().is_some_and(edge)
        && bytes.iter().all(|byte| edge(*byte) || matches!(byte, b'.' | b'-'))
        && !name.contains("..")
}

fn is_segment(segment: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(allowed)
}

fn fill_value(value: &mut Value, bucket: &str, prefix: &str) -> Result<(), Error> {
    match value {
        Value::String(text) => *text = fill_text(text, bucket, prefix)?,
        Value::Array(items) => {
            for item in items {
                fill_value(item, bucket, prefix)?;
            }
        }
        Value::Object(object) => {
            for (key, inner) in object {
                if key.contains(['<', '>']) {
                    return Err(Error::UnknownPlaceholder(key.clone()));
                }
                fill_value(inner, bucket, prefix)?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

fn fill_text(text: &str, bucket: &str, prefix: &str) -> Result<String, Error> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let (name, behind) =
            after.split_once('>').ok_or_else(|| Error::UnknownPlaceholder(format!("<{after}")))?;
        filled.push_str(before);
        filled.push_str(match name {
            "bucket" => bucket,
            "prefix" => prefix,
            _ => return Err(Error::UnknownPlaceholder(format!("<{name}>"))),
        });
        rest = behind;
    }
    if rest.contains('>') || filled.contains('>') {
        return Err(Error::UnknownPlaceholder(text.to_owned()));
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Caller, Context, Decision, Request, decide};

    const READER: &str = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::<bucket>/<prefix>*"}]}"#;

    fn reads(policy: &Policy, resource: &str) -> bool {
        let caller = Caller::role_session("000000000000", "reader", "test");
        let request = Request {
            caller,
            action: "s3:GetObject".to_owned(),
            resource: resource.to_owned(),
            context: Context::default(),
        };
        decide([policy], &request) == Decision::Allow
    }

    #[test]
    fn a_filled_policy_stops_at_its_directory() {
        for prefix in ["a/kio", "a/kio/"] {
            let policy = fill(READER, "team-a", prefix).unwrap();
            assert!(reads(&policy, "arn:aws:s3:::team-a/a/kio/user.json"));
            for other in
                ["team-a/a/kiosk/user.json", "team-a/a/kio", "team-b/a/kio/user.json", "team-a/b/a/kio/x"]
            {
                assert!(!reads(&policy, &format!("arn:aws:s3:::{other}")), "{other}");
            }
        }
        assert!(reads(&fill(READER, "team-a", "").unwrap(), "arn:aws:s3:::team-a/anything"));
    }

    #[test]
    fn any_other_placeholder_is_refused() {
        for text in ["<account>", "<bucket", "bucket>", "<>", "<Bucket>", "<bucket><x>", "<<bucket>>"] {
            let document = READER.replace("<bucket>", text);
            let refused = fill(&document, "team-a", "").unwrap_err();
            assert!(matches!(refused, Error::UnknownPlaceholder(_)), "{text}: {refused}");
        }
    }

    #[test]
    fn what_fills_a_placeholder_is_never_a_pattern() {
        for bucket in
            ["", "*", "a*b", "team-a/x", "Team", "a..b", "${aws:username}", "te?m", "<prefix>", "-ab"]
        {
            assert!(
                matches!(fill(READER, bucket, ""), Err(Error::Filling { placeholder: "bucket", .. })),
                "{bucket}"
            );
        }
        for prefix in
            ["*", "a/*", "..", "a/../b", "/", "/a", "a//b", "a//", "${aws:username}", "<bucket>", "a?", "ä"]
        {
            assert!(
                matches!(fill(READER, "team-a", prefix), Err(Error::Filling { placeholder: "prefix", .. })),
                "{prefix}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_filled_policy_allows_exactly_what_starts_with_its_directory(
            prefix in "[a-b]{1,2}(/[a-b]{1,2})?", key in "[ab/]{1,8}",
        ) {
            let policy = fill(READER, "team-a", &prefix).unwrap();
            let expected = key.starts_with(&format!("{prefix}/"));
            prop_assert_eq!(reads(&policy, &format!("arn:aws:s3:::team-a/{key}")), expected);
        }

        #[test]
        fn no_filling_panics(bucket in "\\PC{0,20}", prefix in "\\PC{0,20}", text in "\\PC{0,40}") {
            fill(READER, &bucket, &prefix).ok();
            fill(&text, "team-a", "").ok();
        }
    }
}
