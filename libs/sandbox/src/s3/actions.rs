//! Which IAM actions an operation of S3 needs, after "Actions, resources, and condition keys for Amazon S3".

/// On what an action acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Object,
    /// The object that is copied from.
    Source,
    Bucket,
    /// Whatever object of the bucket: nothing less than the whole bucket will do.
    AnyObject,
    Everything,
}

/// What of a request adds to the actions it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Extras {
    pub(crate) version: bool,
    pub(crate) source_version: bool,
    pub(crate) grants: bool,
    pub(crate) tags: bool,
    pub(crate) retention: bool,
    pub(crate) legal_hold: bool,
}

/// The actions of an operation; none for an operation that is not known, which nobody may do.
pub(crate) fn actions(operation: &str, extras: Extras) -> Option<Vec<(&'static str, Target)>> {
    use Target::{AnyObject, Bucket, Everything, Object, Source};
    let of_version = |plain, versioned| if extras.version { versioned } else { plain };
    let from = if extras.source_version { "s3:GetObjectVersion" } else { "s3:GetObject" };
    let mut needed = match operation {
        "GetObject" | "HeadObject" => vec![(of_version("s3:GetObject", "s3:GetObjectVersion"), Object)],
        "SelectObjectContent" => vec![("s3:GetObject", Object)],
        "GetObjectAcl" => vec![(of_version("s3:GetObjectAcl", "s3:GetObjectVersionAcl"), Object)],
        "GetObjectAttributes" => vec![
            (of_version("s3:GetObject", "s3:GetObjectVersion"), Object),
            (of_version("s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"), Object),
        ],
        "GetObjectTagging" => vec![(of_version("s3:GetObjectTagging", "s3:GetObjectVersionTagging"), Object)],
        "GetObjectTorrent" => vec![("s3:GetObjectTorrent", Object)],
        "GetObjectRetention" => vec![("s3:GetObjectRetention", Object)],
        "GetObjectLegalHold" => vec![("s3:GetObjectLegalHold", Object)],
        "PutObject" | "PostObject" | "CreateMultipartUpload" => put(extras),
        "UploadPart" | "CompleteMultipartUpload" => vec![("s3:PutObject", Object)],
        "CopyObject" => [put(extras), vec![(from, Source)]].concat(),
        "UploadPartCopy" => vec![("s3:PutObject", Object), (from, Source)],
        "PutObjectAcl" => vec![(of_version("s3:PutObjectAcl", "s3:PutObjectVersionAcl"), Object)],
        "PutObjectTagging" => vec![(of_version("s3:PutObjectTagging", "s3:PutObjectVersionTagging"), Object)],
        "PutObjectRetention" => vec![("s3:PutObjectRetention", Object)],
        "PutObjectLegalHold" => vec![("s3:PutObjectLegalHold", Object)],
        "RestoreObject" => vec![("s3:RestoreObject", Object)],
        "DeleteObject" => vec![(of_version("s3:DeleteObject", "s3:DeleteObjectVersion"), Object)],
        "DeleteObjectTagging" => {
            vec![(of_version("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"), Object)]
        }
        "DeleteObjects" => vec![("s3:DeleteObject", AnyObject)],
        "AbortMultipartUpload" => vec![("s3:AbortMultipartUpload", Object)],
        "ListParts" => vec![("s3:ListMultipartUploadParts", Object)],
        "ListBuckets" | "ListDirectoryBuckets" => vec![("s3:ListAllMyBuckets", Everything)],
        _ => vec![(bucket_action(operation)?, Bucket)],
    };
    needed.dedup();
    Some(needed)
}

fn put(extras: Extras) -> Vec<(&'static str, Target)> {
    let conditional = [
        (extras.grants, "s3:PutObjectAcl"),
        (extras.tags, "s3:PutObjectTagging"),
        (extras.retention, "s3:PutObjectRetention"),
        (extras.legal_hold, "s3:PutObjectLegalHold"),
    ];
    let also =
        conditional.into_iter().filter(|(needed, _)| *needed).map(|(_, action)| (action, Target::Object));
    [("s3:PutObject", Target::Object)].into_iter().chain(also).collect()
}

/// Operations on a bucket need one action each.
fn bucket_action(operation: &str) -> Option<&'static str> {
    Some(match operation {
        "ListObjects" | "ListObjectsV2" | "HeadBucket" => "s3:ListBucket",
        "ListObjectVersions" => "s3:ListBucketVersions",
        "ListMultipartUploads" => "s3:ListBucketMultipartUploads",
        "CreateBucket" => "s3:CreateBucket",
        "DeleteBucket" => "s3:DeleteBucket",
        "CreateSession" => "s3express:CreateSession",
        "WriteGetObjectResponse" => "s3-object-lambda:WriteGetObjectResponse",
        "CreateBucketMetadataTableConfiguration" => "s3:CreateBucketMetadataTableConfiguration",
        "DeleteBucketMetadataTableConfiguration" => "s3:DeleteBucketMetadataTableConfiguration",
        "GetBucketMetadataTableConfiguration" => "s3:GetBucketMetadataTableConfiguration",
        "GetBucketAccelerateConfiguration" => "s3:GetAccelerateConfiguration",
        "PutBucketAccelerateConfiguration" => "s3:PutAccelerateConfiguration",
        "GetBucketAcl" => "s3:GetBucketAcl",
        "PutBucketAcl" => "s3:PutBucketAcl",
        "GetBucketAnalyticsConfiguration" | "ListBucketAnalyticsConfigurations" => {
            "s3:GetAnalyticsConfiguration"
        }
        "PutBucketAnalyticsConfiguration" | "DeleteBucketAnalyticsConfiguration" => {
            "s3:PutAnalyticsConfiguration"
        }
        "GetBucketCors" => "s3:GetBucketCORS",
        "PutBucketCors" | "DeleteBucketCors" => "s3:PutBucketCORS",
        "GetBucketEncryption" => "s3:GetEncryptionConfiguration",
        "PutBucketEncryption" | "DeleteBucketEncryption" => "s3:PutEncryptionConfiguration",
        "GetBucketIntelligentTieringConfiguration" | "ListBucketIntelligentTieringConfigurations" => {
            "s3:GetIntelligentTieringConfiguration"
        }
        "PutBucketIntelligentTieringConfiguration" | "DeleteBucketIntelligentTieringConfiguration" => {
            "s3:PutIntelligentTieringConfiguration"
        }
        "GetBucketInventoryConfiguration" | "ListBucketInventoryConfigurations" => {
            "s3:GetInventoryConfiguration"
        }
        "PutBucketInventoryConfiguration" | "DeleteBucketInventoryConfiguration" => {
            "s3:PutInventoryConfiguration"
        }
        "GetBucketLifecycleConfiguration" => "s3:GetLifecycleConfiguration",
        "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle" => "s3:PutLifecycleConfiguration",
        "GetBucketLocation" => "s3:GetBucketLocation",
        "GetBucketLogging" => "s3:GetBucketLogging",
        "PutBucketLogging" => "s3:PutBucketLogging",
        "GetBucketMetricsConfiguration" | "ListBucketMetricsConfigurations" => "s3:GetMetricsConfiguration",
        "PutBucketMetricsConfiguration" | "DeleteBucketMetricsConfiguration" => "s3:PutMetricsConfiguration",
        "GetBucketNotificationConfiguration" => "s3:GetBucketNotification",
        "PutBucketNotificationConfiguration" => "s3:PutBucketNotification",
        "GetBucketOwnershipControls" => "s3:GetBucketOwnershipControls",
        "PutBucketOwnershipControls" | "DeleteBucketOwnershipControls" => "s3:PutBucketOwnershipControls",
        "GetBucketPolicy" => "s3:GetBucketPolicy",
        "GetBucketPolicyStatus" => "s3:GetBucketPolicyStatus",
        "PutBucketPolicy" => "s3:PutBucketPolicy",
        "DeleteBucketPolicy" => "s3:DeleteBucketPolicy",
        "GetBucketReplication" => "s3:GetReplicationConfiguration",
        "PutBucketReplication" | "DeleteBucketReplication" => "s3:PutReplicationConfiguration",
        "GetBucketRequestPayment" => "s3:GetBucketRequestPayment",
        "PutBucketRequestPayment" => "s3:PutBucketRequestPayment",
        "GetBucketTagging" => "s3:GetBucketTagging",
        "PutBucketTagging" | "DeleteBucketTagging" => "s3:PutBucketTagging",
        "GetBucketVersioning" => "s3:GetBucketVersioning",
        "PutBucketVersioning" => "s3:PutBucketVersioning",
        "GetBucketWebsite" => "s3:GetBucketWebsite",
        "PutBucketWebsite" => "s3:PutBucketWebsite",
        "DeleteBucketWebsite" => "s3:DeleteBucketWebsite",
        "GetObjectLockConfiguration" => "s3:GetBucketObjectLockConfiguration",
        "PutObjectLockConfiguration" => "s3:PutBucketObjectLockConfiguration",
        "GetPublicAccessBlock" => "s3:GetBucketPublicAccessBlock",
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => "s3:PutBucketPublicAccessBlock",
        _ => return None,
    })
}

/// Query parameters that change what an operation does, and that this store understands. Any other is refused: `s3s`
/// takes `PUT /bucket/key?renameObject` for a plain PutObject.
pub(crate) fn is_known_parameter(operation: &str, name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("x-amz-") || lower == "x-id" {
        return true;
    }
    match operation {
        "GetObject" | "HeadObject" => {
            lower.starts_with("response-") || matches!(name, "versionId" | "partNumber")
        }
        "PutObject" | "CopyObject" => false,
        "DeleteObject" => name == "versionId",
        "ListObjects" | "ListObjectsV2" => matches!(
            name,
            "list-type"
                | "prefix"
                | "delimiter"
                | "marker"
                | "max-keys"
                | "continuation-token"
                | "start-after"
                | "encoding-type"
                | "fetch-owner"
        ),
        // Everything else has parameters of its own and is not implemented, so nothing can be misread.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use mint_permissions::verb;

    use super::*;

    #[test]
    fn an_unknown_operation_has_no_action() {
        assert_eq!(actions("RenameObject", Extras::default()), None);
        assert_eq!(actions("", Extras::default()), None);
    }

    #[test]
    fn every_action_is_in_the_catalogue_of_verbs() {
        let everything = Extras {
            version: true,
            source_version: true,
            grants: true,
            tags: true,
            retention: true,
            legal_hold: true,
        };
        for operation in
            ["GetObject", "PutObject", "CopyObject", "DeleteObject", "ListParts", "GetObjectAttributes"]
        {
            for extras in [Extras::default(), everything] {
                for (action, _) in actions(operation, extras).unwrap() {
                    assert!(verb(action).is_some(), "{action}");
                }
            }
        }
    }

    #[test]
    fn a_copy_reads_its_source_and_writes_its_target() {
        let needed = actions("CopyObject", Extras { grants: true, ..Extras::default() }).unwrap();
        assert_eq!(
            needed,
            [
                ("s3:PutObject", Target::Object),
                ("s3:PutObjectAcl", Target::Object),
                ("s3:GetObject", Target::Source)
            ]
        );
    }
}
