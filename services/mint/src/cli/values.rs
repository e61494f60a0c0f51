//! Values of the command line.

use std::time::Duration;

use mint_types::{BucketName, OutboundUrl, Period, ServiceName};

use super::decisions::SignerSpec;
use crate::supported::bucket_name;

/// A bucket as it is written on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BucketSpec {
    pub(crate) name: BucketName,
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<OutboundUrl>,
    pub(crate) kms_key_id: Option<String>,
}

/// A number of seconds, or a period.
pub(super) fn period(text: &str) -> Result<Period, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Period::new(Duration::from_secs(seconds)));
    }
    text.parse::<Period>().map_err(|error| error.to_string())
}

/// `SERVICE=URL`, by https only.
pub(super) fn endpoint(text: &str) -> Result<(ServiceName, OutboundUrl), String> {
    let (service, url) =
        text.split_once('=').ok_or("write SERVICE=URL, for example coordinator=https://127.0.0.1:7001")?;
    let service = service.parse().map_err(|_| format!("{service:?} names no service of Mint"))?;
    let url: OutboundUrl = url.parse().map_err(|error: mint_types::InvalidUrl| error.to_string())?;
    if url.is_plain_http() {
        return Err(format!("{url} is refused: services speak https only"));
    }
    Ok((service, url))
}

/// `NAME[,region=R][,endpoint=URL][,kms-key-id=K]`.
pub(super) fn bucket(text: &str) -> Result<BucketSpec, String> {
    let mut parts = text.split(',');
    let name = bucket_name(parts.next().unwrap_or_default())?;
    let mut spec = BucketSpec { name, region: None, endpoint: None, kms_key_id: None };
    for part in parts {
        match part.split_once('=') {
            Some(("region", region)) => spec.region = Some(region.to_owned()),
            Some(("endpoint", url)) => {
                spec.endpoint = Some(url.parse().map_err(|error: mint_types::InvalidUrl| error.to_string())?);
            }
            Some(("kms-key-id", key)) => spec.kms_key_id = Some(key.to_owned()),
            _ => return Err(format!("{part:?} is none of region=, endpoint=, kms-key-id=")),
        }
    }
    Ok(spec)
}

/// `operator/NAME[=KEYFILE]` or `team/ID[=KEYFILE]`.
pub(super) fn signer(text: &str) -> Result<SignerSpec, String> {
    let (name, file) = text.split_once('=').map_or((text, None), |(name, file)| (name, Some(file)));
    if file == Some("") {
        return Err(format!("{text:?} names no key file after the equals sign"));
    }
    let signer = name.parse().map_err(|error: mint_statement::Error| error.to_string())?;
    Ok(SignerSpec { signer, file: file.map(Into::into) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_seconds_or_a_period() {
        assert_eq!(period("120"), Ok(Period::from_seconds(120)));
        assert_eq!(period("2m"), Ok(Period::from_seconds(120)));
        assert!(period("soon").is_err());
    }

    #[test]
    fn a_bucket_takes_region_and_endpoint() {
        let spec = bucket("team-a,region=eu-west-1,endpoint=http://127.0.0.1:9").unwrap();
        assert_eq!(spec.name.as_str(), "team-a");
        assert_eq!(spec.region.as_deref(), Some("eu-west-1"));
        assert_eq!(spec.endpoint.unwrap().as_str(), "http://127.0.0.1:9");
        assert!(bucket("team-a,zone=1").unwrap_err().contains("zone=1"));
        assert!(bucket("A").is_err());
        assert!(bucket("team-a,endpoint=http://example.org").is_err());
    }

    #[test]
    fn services_are_reached_by_https_only() {
        assert!(endpoint("coordinator=https://127.0.0.1:1").is_ok());
        assert!(endpoint("coordinator=http://127.0.0.1:1").is_err());
        assert!(endpoint("nobody=https://127.0.0.1:1").is_err());
        assert!(endpoint("coordinator").is_err());
    }
}
