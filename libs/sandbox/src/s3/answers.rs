//! What the operations answer in common: rows of a list, refusals, metadata.

use std::collections::BTreeMap;

use s3s::dto::{CommonPrefix, ETag, Metadata, ObjectStorageClass, Timestamp};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, s3_error};

use super::access::MayList;
use super::objects::{Attributes, Failure, Object};

pub(super) fn row(key: &str, object: &Object) -> s3s::dto::Object {
    s3s::dto::Object {
        key: Some(key.to_owned()),
        e_tag: Some(ETag::Strong(object.etag.clone())),
        last_modified: Some(Timestamp::from(object.modified)),
        size: i64::try_from(object.bytes.len()).ok(),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        ..s3s::dto::Object::default()
    }
}

/// AWS hides what is missing from those who may not list.
pub(super) fn refused(failure: Failure, may_list: bool) -> S3Error {
    match failure {
        Failure::Missing if may_list => s3_error!(NoSuchKey, "the specified key does not exist"),
        Failure::Missing => s3_error!(AccessDenied, "access denied"),
        Failure::Key => S3Error::with_message(S3ErrorCode::InvalidArgument, failure.to_string()),
        Failure::Condition => s3_error!(PreconditionFailed, "the condition does not hold"),
        Failure::File(error) => {
            tracing::error!(%error, "the store's files do not answer");
            S3Error::internal_error(error)
        }
    }
}

pub(super) fn may_list<T>(request: &S3Request<T>) -> bool {
    request.extensions.get::<MayList>().is_some_and(|may| may.0)
}

pub(super) fn unversioned(version: Option<&String>) -> S3Result<()> {
    match version {
        None => Ok(()),
        Some(_) => Err(s3_error!(NotImplemented, "buckets of this store have no versions")),
    }
}

pub(super) fn metadata(attributes: &Attributes) -> Option<Metadata> {
    let pairs = || attributes.metadata.iter().map(|(name, value)| (name.clone(), value.clone()));
    (!attributes.metadata.is_empty()).then(|| pairs().collect())
}

pub(super) fn kept(metadata: Option<Metadata>) -> BTreeMap<String, String> {
    metadata.unwrap_or_default().into_iter().collect()
}

/// What S3 answers for an object that was put without a content type.
pub(super) const DEFAULT_TYPE: &str = "binary/octet-stream";

pub(super) fn common_prefixes(prefixes: Vec<String>) -> Vec<CommonPrefix> {
    prefixes.into_iter().map(|prefix| CommonPrefix { prefix: Some(prefix) }).collect()
}
