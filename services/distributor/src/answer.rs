//! What an answer to a PUT means: written, surely not written, or nobody knows.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::ports::{PutAnswer, Trouble};

/// What to wait after a 503 that does not say how long.
const SLOW_DOWN_PAUSE: Duration = Duration::from_secs(5);
/// A store that asks for longer pauses is asked again after this one.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Judges an answer by its status, headers and body; `md5` is that of what was sent.
pub(crate) fn judge(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    md5: [u8; 16],
    opaque_etag: bool,
) -> PutAnswer {
    if status.is_success() {
        return judge_success(status, headers, md5, opaque_etag);
    }
    let code = error_code(body);
    let detail = shown(status, code.as_deref());
    if is_wrong_region(status, code.as_deref()) {
        let region = header(headers, "x-amz-bucket-region").filter(|region| is_region(region));
        let detail = match region {
            Some(region) => format!("{detail}; the bucket is in {region}"),
            None => detail,
        };
        return PutAnswer::Refused(wrong_region(detail));
    }
    if status.is_client_error() {
        return PutAnswer::Refused(refused(detail, code.as_deref(), retry_after(status, headers)));
    }
    PutAnswer::Unknown(unknown(detail, retry_after(status, headers)))
}

/// A 200 is believed only with the ETag that a store computes from the bytes it has.
fn judge_success(status: StatusCode, headers: &HeaderMap, md5: [u8; 16], opaque_etag: bool) -> PutAnswer {
    let Some(etag) =
        header(headers, "etag").map(|etag| etag.trim_matches('"')).filter(|etag| !etag.is_empty())
    else {
        return PutAnswer::Unknown(unknown(format!("it answered {status} without an ETag"), None));
    };
    // with SSE-KMS the ETag is no MD5 (S3 API reference, "Object")
    let is_kms =
        header(headers, "x-amz-server-side-encryption").is_some_and(|value| value.starts_with("aws:kms"));
    if opaque_etag || is_kms || etag.eq_ignore_ascii_case(&hex::encode(md5)) {
        return PutAnswer::Written;
    }
    PutAnswer::Unknown(unknown(format!("it answered {status} with the ETag of other bytes"), None))
}

/// Nothing was sent: the connection could not be made.
pub(crate) fn unreachable(detail: impl Into<String>) -> Trouble {
    Trouble {
        reason: "DESTINATION_UNREACHABLE",
        detail: detail.into(),
        next_action: "check the endpoint, its name and the network; it is tried again",
        retry_after: None,
    }
}

/// There are no credentials to write with.
pub(crate) fn no_credentials(detail: impl Into<String>) -> Trouble {
    Trouble {
        reason: "DESTINATION_UNREACHABLE",
        detail: detail.into(),
        next_action: "check the distributor's role, its trust policy and the token file; it is tried again",
        retry_after: None,
    }
}

/// The settings name something that cannot be called.
pub(crate) fn unusable(detail: impl Into<String>) -> Trouble {
    Trouble {
        reason: "SETTINGS_INVALID",
        detail: detail.into(),
        next_action: "correct the bucket's region, endpoint or key in the application's settings",
        retry_after: None,
    }
}

/// It was sent, and what became of it nobody knows.
pub(crate) fn unknown(detail: impl Into<String>, retry_after: Option<Duration>) -> Trouble {
    Trouble {
        reason: "DESTINATION_UNKNOWN_OUTCOME",
        detail: detail.into(),
        next_action: "nothing: it is written again; look at the store if it stays so",
        retry_after,
    }
}

fn wrong_region(detail: String) -> Trouble {
    Trouble {
        reason: "DESTINATION_WRONG_REGION",
        detail,
        next_action: "correct the bucket's region or endpoint in the application's settings",
        retry_after: None,
    }
}

fn refused(detail: String, code: Option<&str>, retry_after: Option<Duration>) -> Trouble {
    let next_action = match code {
        Some("NoSuchBucket") => "create the bucket, or correct its name in the application's settings",
        Some("BadDigest") => "look at what stands between the distributor and the store; it is tried again",
        Some("ExpiredToken" | "RequestTimeTooSkewed") => "check the clocks; it is tried again",
        Some("KMS.DisabledException" | "KMS.NotFoundException" | "KMS.KMSInvalidStateException") => {
            "check the KMS key in the application's settings"
        }
        _ => "allow the distributor's role to s3:PutObject below the prefix, and check account_id",
    };
    Trouble { reason: "DESTINATION_REFUSED", detail, next_action, retry_after }
}

fn is_wrong_region(status: StatusCode, code: Option<&str>) -> bool {
    if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return true;
    }
    // AuthorizationQueryParametersError is what a presigned request hears for the other region
    let codes = [
        "AuthorizationHeaderMalformed",
        "AuthorizationQueryParametersError",
        "PermanentRedirect",
        "TemporaryRedirect",
        "IllegalLocationConstraintException",
    ];
    status.is_client_error() && code.is_some_and(|code| codes.contains(&code))
}

fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let seconds = header(headers, "retry-after").and_then(|text| text.parse().ok());
    if let Some(seconds) = seconds {
        return Some(Duration::from_secs(seconds).min(LONGEST_PAUSE));
    }
    matches!(status.as_u16(), 429 | 503).then_some(SLOW_DOWN_PAUSE)
}

/// The code of S3's error document (S3 API reference, "REST error responses"). The rest of it is not read: it may
/// quote the request.
pub(crate) fn error_code(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    is_code(code).then(|| code.to_owned())
}

/// Words such as `AccessDenied` and `KMS.DisabledException`. A store has seen a secret, and what is shown here goes into
/// logs: digits and dashes, without which generated secrets do not go, are not repeated.
fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'.')
}

/// As `eu-west-1`; no generated secret is that short.
fn is_region(text: &str) -> bool {
    (1..=24).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn shown(status: StatusCode, code: Option<&str>) -> String {
    match code {
        Some(code) => format!("the store answered {} {code}", status.as_u16()),
        None => format!("the store answered {}", status.as_u16()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The MD5 of nothing (RFC 1321, A.5).
    const MD5: [u8; 16] =
        [0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04, 0xe9, 0x80, 0x09, 0x98, 0xec, 0xf8, 0x42, 0x7e];
    const ETAG: &str = "\"d41d8cd98f00b204e9800998ecf8427e\"";

    fn judged(status: u16, headers: &[(&'static str, &'static str)], code: &str) -> PutAnswer {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).parse().unwrap(), (*value).parse().unwrap()))
            .collect();
        let body =
            format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>secret</Message></Error>");
        judge(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes(), MD5, false)
    }

    fn outcome(answer: &PutAnswer) -> (&'static str, &'static str) {
        match answer {
            PutAnswer::Written => ("written", ""),
            PutAnswer::Refused(trouble) => ("refused", trouble.reason),
            PutAnswer::Unknown(trouble) => ("unknown", trouble.reason),
        }
    }

    #[test]
    fn answers_table() {
        let kms = ("x-amz-server-side-encryption", "aws:kms");
        let unknown = ("unknown", "DESTINATION_UNKNOWN_OUTCOME");
        let refused = ("refused", "DESTINATION_REFUSED");
        let wrong_region = ("refused", "DESTINATION_WRONG_REGION");
        for (status, headers, code, expected) in [
            (200, vec![("etag", ETAG)], "", ("written", "")),
            (200, vec![("etag", "\"D41D8CD98F00B204E9800998ECF8427E\"")], "", ("written", "")),
            (200, vec![], "", unknown),
            (200, vec![("etag", "\"\"")], "", unknown),
            (200, vec![("etag", "\"00000000000000000000000000000000\"")], "", unknown),
            (200, vec![("etag", "\"whatever\""), kms], "", ("written", "")),
            (204, vec![("etag", ETAG)], "", ("written", "")),
            (301, vec![], "PermanentRedirect", wrong_region),
            (307, vec![], "TemporaryRedirect", wrong_region),
            (400, vec![], "AuthorizationHeaderMalformed", wrong_region),
            (400, vec![], "AuthorizationQueryParametersError", wrong_region),
            (400, vec![], "BadDigest", refused),
            (403, vec![], "AccessDenied", refused),
            (403, vec![], "<html>", refused),
            (404, vec![], "NoSuchBucket", refused),
            (429, vec![], "SlowDown", refused),
            (500, vec![], "InternalError", unknown),
            (503, vec![], "SlowDown", unknown),
        ] {
            assert_eq!(outcome(&judged(status, &headers, code)), expected, "{status} {code}");
        }
    }

    #[test]
    fn a_503_says_how_long_to_wait() {
        let pause = |headers: &[(&'static str, &'static str)]| match judged(503, headers, "SlowDown") {
            PutAnswer::Unknown(trouble) => trouble.retry_after,
            other => panic!("{other:?}"),
        };
        assert_eq!(pause(&[("retry-after", "17")]), Some(Duration::from_secs(17)));
        assert_eq!(pause(&[("retry-after", "999999")]), Some(LONGEST_PAUSE));
        assert_eq!(pause(&[]), Some(SLOW_DOWN_PAUSE));
    }

    #[test]
    fn an_answer_is_shown_by_its_code_only() {
        let PutAnswer::Refused(trouble) =
            judged(301, &[("x-amz-bucket-region", "eu-west-1")], "PermanentRedirect")
        else {
            panic!("refused");
        };
        assert_eq!(trouble.detail, "the store answered 301 PermanentRedirect; the bucket is in eu-west-1");
        let PutAnswer::Refused(trouble) = judged(403, &[], "a code with\nmore in it") else {
            panic!("refused");
        };
        assert_eq!(trouble.detail, "the store answered 403");
    }

    #[test]
    fn a_store_that_answers_with_what_it_was_sent_is_not_repeated() {
        let secret = "mint-canary-pw-0123456789abcdefghijklmnopqrstuv";
        for (status, code) in
            [(403, secret), (403, "Ab3dEf6hIj9lMn2p"), (301, "PermanentRedirect"), (503, secret)]
        {
            let answer = judged(status, &[("x-amz-bucket-region", secret)], code);
            let (PutAnswer::Refused(trouble) | PutAnswer::Unknown(trouble)) = answer else {
                panic!("written");
            };
            assert!(
                !trouble.detail.contains("canary") && !trouble.detail.contains("Ab3d"),
                "{}",
                trouble.detail
            );
        }
    }
}
