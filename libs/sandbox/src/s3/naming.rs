//! The names of S3's calls, as the request log and faults use them.

use axum::body::Bytes;
use http::Method;
use http::request::Parts;

use crate::gate::Named;

/// Names a call on the S3 listener. The application is found later, when the world is at hand.
pub(crate) fn name(parts: &Parts, _body: &Bytes) -> Named {
    Named { api: api(parts), application: None }
}

fn api(parts: &Parts) -> &'static str {
    let path = parts.uri.path().trim_start_matches('/');
    let query: Vec<String> = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
        .map(|(name, _)| name.into_owned())
        .collect();
    let has = |name: &str| query.iter().any(|known| known == name);
    let copies = parts.headers.contains_key("x-amz-copy-source");
    match path.split_once('/') {
        _ if path.is_empty() && parts.method == Method::GET => "s3.ListBuckets",
        _ if path.is_empty() => "s3.Unknown",
        Some((_, key)) if !key.is_empty() => object(&parts.method, has, copies),
        _ => bucket(&parts.method, has),
    }
}

fn object(method: &Method, has: impl Fn(&str) -> bool, copies: bool) -> &'static str {
    if let Some(subresource) = OBJECT_SUBRESOURCES.iter().find(|row| has(row.0)) {
        return subresource.named(method);
    }
    match *method {
        Method::GET if has("uploadId") => "s3.ListParts",
        Method::GET => "s3.GetObject",
        Method::HEAD => "s3.HeadObject",
        Method::PUT if has("uploadId") && copies => "s3.UploadPartCopy",
        Method::PUT if has("uploadId") => "s3.UploadPart",
        Method::PUT if copies => "s3.CopyObject",
        Method::PUT => "s3.PutObject",
        Method::DELETE if has("uploadId") => "s3.AbortMultipartUpload",
        Method::DELETE => "s3.DeleteObject",
        Method::POST if has("uploadId") => "s3.CompleteMultipartUpload",
        _ => "s3.Unknown",
    }
}

fn bucket(method: &Method, has: impl Fn(&str) -> bool) -> &'static str {
    if let Some(subresource) = BUCKET_SUBRESOURCES.iter().find(|row| has(row.0)) {
        return subresource.named(method);
    }
    match *method {
        Method::GET if has("list-type") => "s3.ListObjectsV2",
        Method::GET => "s3.ListObjects",
        Method::HEAD => "s3.HeadBucket",
        Method::PUT => "s3.CreateBucket",
        Method::DELETE => "s3.DeleteBucket",
        _ => "s3.Unknown",
    }
}

/// A subresource and the names of its calls: GET, PUT, DELETE, POST.
struct Subresource(&'static str, &'static str, &'static str, &'static str, &'static str);

impl Subresource {
    fn named(&self, method: &Method) -> &'static str {
        match *method {
            Method::GET => self.1,
            Method::PUT => self.2,
            Method::DELETE => self.3,
            Method::POST => self.4,
            _ => NONE,
        }
    }
}

const NONE: &str = "s3.Unknown";

const OBJECT_SUBRESOURCES: [Subresource; 9] = [
    Subresource("acl", "s3.GetObjectAcl", "s3.PutObjectAcl", NONE, NONE),
    Subresource("attributes", "s3.GetObjectAttributes", NONE, NONE, NONE),
    Subresource("legal-hold", "s3.GetObjectLegalHold", "s3.PutObjectLegalHold", NONE, NONE),
    Subresource("restore", NONE, NONE, NONE, "s3.RestoreObject"),
    Subresource("retention", "s3.GetObjectRetention", "s3.PutObjectRetention", NONE, NONE),
    Subresource("select", NONE, NONE, NONE, "s3.SelectObjectContent"),
    Subresource("tagging", "s3.GetObjectTagging", "s3.PutObjectTagging", "s3.DeleteObjectTagging", NONE),
    Subresource("torrent", "s3.GetObjectTorrent", NONE, NONE, NONE),
    Subresource("uploads", NONE, NONE, NONE, "s3.CreateMultipartUpload"),
];

const BUCKET_SUBRESOURCES: [Subresource; 20] = [
    Subresource(
        "accelerate",
        "s3.GetBucketAccelerateConfiguration",
        "s3.PutBucketAccelerateConfiguration",
        NONE,
        NONE,
    ),
    Subresource("acl", "s3.GetBucketAcl", "s3.PutBucketAcl", NONE, NONE),
    Subresource("cors", "s3.GetBucketCors", "s3.PutBucketCors", "s3.DeleteBucketCors", NONE),
    Subresource("delete", NONE, NONE, NONE, "s3.DeleteObjects"),
    Subresource(
        "encryption",
        "s3.GetBucketEncryption",
        "s3.PutBucketEncryption",
        "s3.DeleteBucketEncryption",
        NONE,
    ),
    Subresource(
        "lifecycle",
        "s3.GetBucketLifecycleConfiguration",
        "s3.PutBucketLifecycleConfiguration",
        "s3.DeleteBucketLifecycle",
        NONE,
    ),
    Subresource("location", "s3.GetBucketLocation", NONE, NONE, NONE),
    Subresource("logging", "s3.GetBucketLogging", "s3.PutBucketLogging", NONE, NONE),
    Subresource(
        "notification",
        "s3.GetBucketNotificationConfiguration",
        "s3.PutBucketNotificationConfiguration",
        NONE,
        NONE,
    ),
    Subresource("object-lock", "s3.GetObjectLockConfiguration", "s3.PutObjectLockConfiguration", NONE, NONE),
    Subresource(
        "ownershipControls",
        "s3.GetBucketOwnershipControls",
        "s3.PutBucketOwnershipControls",
        "s3.DeleteBucketOwnershipControls",
        NONE,
    ),
    Subresource("policy", "s3.GetBucketPolicy", "s3.PutBucketPolicy", "s3.DeleteBucketPolicy", NONE),
    Subresource("policyStatus", "s3.GetBucketPolicyStatus", NONE, NONE, NONE),
    Subresource(
        "publicAccessBlock",
        "s3.GetPublicAccessBlock",
        "s3.PutPublicAccessBlock",
        "s3.DeletePublicAccessBlock",
        NONE,
    ),
    Subresource(
        "replication",
        "s3.GetBucketReplication",
        "s3.PutBucketReplication",
        "s3.DeleteBucketReplication",
        NONE,
    ),
    Subresource("tagging", "s3.GetBucketTagging", "s3.PutBucketTagging", "s3.DeleteBucketTagging", NONE),
    Subresource("uploads", "s3.ListMultipartUploads", NONE, NONE, NONE),
    Subresource("versioning", "s3.GetBucketVersioning", "s3.PutBucketVersioning", NONE, NONE),
    Subresource("versions", "s3.ListObjectVersions", NONE, NONE, NONE),
    Subresource("website", "s3.GetBucketWebsite", "s3.PutBucketWebsite", "s3.DeleteBucketWebsite", NONE),
];
