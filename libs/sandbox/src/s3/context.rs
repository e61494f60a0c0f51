//! The condition keys of a request to S3.

use http::HeaderMap;
use mint_permissions::Context;
use mint_types::{Clock, Timestamp};

use super::signed::Signed;
use crate::policies::Role;
use crate::sts::Session;
use crate::world::ExistingBucket;

/// Headers and query parameters that are condition keys of S3 by their own name.
const BY_NAME: [&str; 8] = [
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-metadata-directive",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
];

/// What a request says of itself. A key that it does not have is absent, not empty.
pub(crate) fn context(
    clock: &dyn Clock,
    headers: &HeaderMap,
    signed: &Signed,
    (session, role): (&Session, &Role),
    bucket: Option<&ExistingBucket>,
) -> Context {
    let now: Timestamp = clock.now();
    let mut context = Context::default();
    context.insert("aws:CurrentTime", now.to_string());
    context.insert("aws:EpochTime", now.unix_millis().div_euclid(1000).to_string());
    context.insert("aws:PrincipalAccount", role.account.clone());
    context.insert("aws:PrincipalArn", session.role_arn.clone());
    context.insert("aws:PrincipalType", "AssumedRole");
    context.insert("aws:SecureTransport", "false");
    context.insert("aws:SourceIp", "127.0.0.1");
    context.insert("s3:authType", if signed.presigned { "REST-QUERY-STRING" } else { "REST-HEADER" });
    context.insert("s3:signatureversion", "AWS4-HMAC-SHA256");
    for (key, value) in &session.tags {
        context.insert(&format!("aws:PrincipalTag/{key}"), value.clone());
    }
    if let Some(bucket) = bucket {
        context.insert("aws:ResourceAccount", bucket.account_id.clone());
        context.insert("s3:ResourceAccount", bucket.account_id.clone());
    }
    for name in BY_NAME {
        if let Some(value) = signed.parameter(headers, name) {
            context.insert(&format!("s3:{name}"), value);
        }
    }
    for (name, value) in signed.query() {
        if matches!(name, "prefix" | "delimiter" | "max-keys" | "versionId") {
            context.insert(&format!("s3:{name}"), value);
        }
    }
    context
}
