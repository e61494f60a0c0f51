//! `grpc-timeout` (gRPC over HTTP/2): at most eight digits and a unit.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The deadline that a call asks for; none if it says none or nonsense.
pub(crate) fn of(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let unit = text.chars().last()?;
    let digits = text.strip_suffix(unit)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        'H' => Some(Duration::from_secs(number * 3600)),
        'M' => Some(Duration::from_secs(number * 60)),
        'S' => Some(Duration::from_secs(number)),
        'm' => Some(Duration::from_millis(number)),
        'u' => Some(Duration::from_micros(number)),
        'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// In milliseconds, or in seconds where those do not fit.
pub(crate) fn to_header(deadline: Duration) -> HeaderValue {
    let millis = deadline.as_millis();
    let text = if millis <= 99_999_999 {
        format!("{millis}m")
    } else {
        format!("{}S", deadline.as_secs().min(99_999_999))
    };
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("30S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_survives_its_header() {
        for millis in [1, 250, 30_000, 99_999_999] {
            let deadline = Duration::from_millis(millis);
            let headers = HeaderMap::from_iter([(GRPC_TIMEOUT, to_header(deadline))]);
            assert_eq!(of(&headers), Some(deadline));
        }
    }

    #[test]
    fn a_malformed_deadline_is_none() {
        for text in ["", "S", "12", "-1S", "123456789S", "1.5S", "1d", "１S"] {
            let mut headers = HeaderMap::new();
            headers.insert(GRPC_TIMEOUT, HeaderValue::from_bytes(text.as_bytes()).unwrap());
            assert_eq!(of(&headers), None, "{text}");
        }
    }
}
