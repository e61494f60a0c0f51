//! Conditional requests (RFC 9110, section 13).

use s3s::dto::ETagCondition;
use s3s::{S3Result, s3_error};

/// Of a read: `If-Match` comes before `If-None-Match`; what did not change is answered 304.
pub(crate) fn read_conditions(
    etag: &str,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    let names = |condition: &ETagCondition| {
        condition.is_any() || condition.as_etag().is_some_and(|tag| tag.value() == etag)
    };
    if if_match.is_some_and(|condition| !names(condition)) {
        return Err(s3_error!(PreconditionFailed, "the object has another ETag"));
    }
    if if_none_match.is_some_and(names) {
        let mut unchanged = s3_error!(NotModified);
        let mut headers = http::HeaderMap::new();
        if let Ok(value) = http::HeaderValue::from_str(&format!("\"{etag}\"")) {
            headers.insert(http::header::ETAG, value);
        }
        unchanged.set_headers(headers);
        return Err(unchanged);
    }
    Ok(())
}

/// Of a write: may it replace what is there?
pub(crate) fn may_replace(
    present: Option<&str>,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> bool {
    let names = |condition: &ETagCondition| {
        present.is_some_and(|etag| {
            condition.is_any() || condition.as_etag().is_some_and(|tag| tag.value() == etag)
        })
    };
    if_match.is_none_or(names) && !if_none_match.is_some_and(names)
}
