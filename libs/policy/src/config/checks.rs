//! What a value of the configuration may be, so that it means nothing but itself inside a policy.

use mint_types::AccountId;

use super::{KmsKey, Partition};
use crate::Error;

pub(super) const PROVIDER: &str =
    "an issuer without its scheme and without a port, such as oidc.example.org/id/1";
pub(super) const PROVIDER_ARN: &str = "the ARN of that provider in that account";
pub(super) const SUBJECT: &str =
    "one whole subject of [A-Za-z0-9:/._@+=-], such as system:serviceaccount:mint:distributor";

pub(super) fn kms_key(
    key: &str,
    arn: String,
    partition: Partition,
    account: &AccountId,
) -> Result<KmsKey, Error> {
    let parts: Vec<&str> = arn.split(':').collect();
    let parsed = match parts.as_slice() {
        ["arn", written, "kms", region, owner, resource]
            if *written == partition.as_str() && *owner == account.as_str() && is_region(region) =>
        {
            resource
                .strip_prefix("key/")
                .filter(|id| is_key_id(id))
                .map(|id| ((*region).to_owned(), id.to_owned()))
        }
        _ => None,
    };
    match parsed {
        Some((region, id)) => Ok(KmsKey { arn, region, id }),
        None => Err(refuse(key, &arn, "the ARN of a key (not an alias) in the team's account")),
    }
}

pub(super) fn checked(
    key: &str,
    value: &str,
    valid: impl Fn(&str) -> bool,
    expected: &'static str,
) -> Result<(), Error> {
    if valid(value) { Ok(()) } else { Err(refuse(key, value, expected)) }
}

pub(super) fn refuse(key: &str, value: &str, expected: &'static str) -> Error {
    Error::Value { key: key.to_owned(), value: value.chars().take(200).collect(), expected }
}

fn only(text: &str, lengths: std::ops::RangeInclusive<usize>, others: &[u8]) -> bool {
    lengths.contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
}

pub(super) fn is_role_path(text: &str) -> bool {
    text == "/"
        || (only(text, 3..=200, b"/_.-")
            && text.starts_with('/')
            && text.ends_with('/')
            && !text.contains("//"))
}

pub(super) fn is_provider(text: &str) -> bool {
    let (host, path) = text.split_once('/').map_or((text, None), |(host, path)| (host, Some(path)));
    only(host, 3..=253, b".-")
        && host.contains('.')
        && path
            .is_none_or(|path| only(path, 1..=200, b"/_.-") && !path.ends_with('/') && !path.contains("//"))
}

pub(super) fn is_subject(text: &str) -> bool {
    only(text, 1..=255, b":/._@+=-")
}

pub(super) fn is_tag_key(text: &str) -> bool {
    only(text, 1..=128, b"._+@-")
}

pub(super) fn is_external_id(text: &str) -> bool {
    only(text, 8..=1224, b"+=,.@:/_-")
}

fn is_region(text: &str) -> bool {
    only(text, 5..=32, b"-") && text.contains('-')
}

fn is_key_id(text: &str) -> bool {
    only(text, 8..=64, b"-")
}
