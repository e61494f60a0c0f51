//! Which actions read, write, make or hand out secrets, and which policy joins what must stay apart.

use std::collections::BTreeSet;

use crate::decide::Context;
use crate::pattern::{Match, Pattern, Syntax};
use crate::policy::{Effect, Policy};

/// What an action does to a secret that lies in a store, or to the right to use one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Its answer holds the content.
    Read,
    /// It puts content there.
    Write,
    /// It ends content.
    Delete,
    /// It says what is there, never the content.
    List,
    /// It makes a credential and answers it.
    Make,
    /// It becomes another principal.
    Assume,
    /// It changes who may do what.
    Grant,
    /// It configures; no content, no rights.
    Configure,
}

/// What a policy joins although it must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// It reads and writes (or makes) secrets.
    ReadsAndWrites { read: String, write: String },
    /// It changes permissions, and so could give itself any of them.
    ChangesPermissions(String),
    /// It names actions that this crate does not know, so nobody can say what they do.
    UnknownAction(String),
}

/// The class of one action; none for an action that is not in the catalogue.
pub fn verb(action: &str) -> Option<Verb> {
    CATALOGUE
        .iter()
        .find(|(_, actions)| actions.iter().any(|known| known.eq_ignore_ascii_case(action)))
        .map(|(verb, _)| *verb)
}

/// Every action of the catalogue, with its class.
pub fn actions() -> impl Iterator<Item = (Verb, &'static str)> {
    CATALOGUE.iter().flat_map(|(verb, actions)| actions.iter().map(|action| (*verb, *action)))
}

/// Whether an action as a policy writes it (`s3:Get*`, in any case) names `action`.
pub fn names_action(written: &str, action: &str) -> bool {
    let syntax = Syntax { wildcards: true, variables: false };
    Pattern::parse("Action", written, syntax)
        .is_ok_and(|pattern| pattern.matches(action, &Context::default(), true) == Match::Yes)
}

/// The violations of one principal, whose policies these are. `Deny` statements and conditions are not believed to
/// keep anything apart: a condition may hold.
pub fn separation(policies: &[Policy]) -> Vec<Violation> {
    let allows = || policies.iter().flat_map(Policy::statements).filter(|one| one.effect() == Effect::Allow);
    let mut granted: BTreeSet<(Verb, &str)> = BTreeSet::new();
    for (verb, actions) in CATALOGUE {
        let named = |action: &&&str| allows().any(|statement| statement.names_action(action));
        granted.extend(actions.iter().filter(named).map(|action| (*verb, *action)));
    }
    let first =
        |wanted: &[Verb]| granted.iter().find(|(verb, _)| wanted.contains(verb)).map(|(_, action)| *action);
    let mut violations = Vec::new();
    if let (Some(read), Some(write)) = (first(&[Verb::Read]), first(&[Verb::Write, Verb::Make])) {
        violations.push(Violation::ReadsAndWrites { read: read.to_owned(), write: write.to_owned() });
    }
    if let Some(grant) = first(&[Verb::Grant]) {
        violations.push(Violation::ChangesPermissions(grant.to_owned()));
    }
    let known = |written: &String| written.contains(['*', '?']) || verb(written).is_some();
    let written = allows().flat_map(|statement| &statement.actions.written);
    violations.extend(written.filter(|text| !known(text)).map(|text| Violation::UnknownAction(text.clone())));
    violations
}

/// Actions of S3, STS, IAM and KMS by class, after the service authorization reference of AWS.
pub(crate) const CATALOGUE: &[(Verb, &[&str])] = &[
    (
        Verb::Read,
        &[
            "s3:GetObject",
            "s3:GetObjectVersion",
            "s3:GetObjectTorrent",
            "s3:GetObjectVersionTorrent",
            "s3:GetObjectVersionForReplication",
            "s3:InitiateReplication",
            "kms:Decrypt",
            "kms:ReEncryptFrom",
        ],
    ),
    (
        Verb::Write,
        &[
            "s3:PutObject",
            "s3:ReplicateObject",
            "s3:RestoreObject",
            "kms:Encrypt",
            "kms:GenerateDataKey",
            "kms:GenerateDataKeyWithoutPlaintext",
        ],
    ),
    (
        Verb::Delete,
        &[
            "s3:AbortMultipartUpload",
            "s3:DeleteBucket",
            "s3:DeleteObject",
            "s3:DeleteObjectTagging",
            "s3:DeleteObjectVersion",
            "s3:DeleteObjectVersionTagging",
            "s3:ReplicateDelete",
            "iam:DeleteAccessKey",
            "iam:DeleteRole",
            "kms:ScheduleKeyDeletion",
        ],
    ),
    (
        Verb::List,
        &[
            "s3:GetAccelerateConfiguration",
            "s3:GetAnalyticsConfiguration",
            "s3:GetBucketAcl",
            "s3:GetBucketCORS",
            "s3:GetBucketLocation",
            "s3:GetBucketLogging",
            "s3:GetBucketMetadataTableConfiguration",
            "s3:GetBucketNotification",
            "s3:GetBucketObjectLockConfiguration",
            "s3:GetBucketOwnershipControls",
            "s3:GetBucketPolicy",
            "s3:GetBucketPolicyStatus",
            "s3:GetBucketPublicAccessBlock",
            "s3:GetBucketRequestPayment",
            "s3:GetBucketTagging",
            "s3:GetBucketVersioning",
            "s3:GetBucketWebsite",
            "s3:GetEncryptionConfiguration",
            "s3:GetIntelligentTieringConfiguration",
            "s3:GetInventoryConfiguration",
            "s3:GetLifecycleConfiguration",
            "s3:GetMetricsConfiguration",
            "s3:GetObjectAcl",
            "s3:GetObjectAttributes",
            "s3:GetObjectLegalHold",
            "s3:GetObjectRetention",
            "s3:GetObjectTagging",
            "s3:GetObjectVersionAcl",
            "s3:GetObjectVersionAttributes",
            "s3:GetObjectVersionTagging",
            "s3:GetReplicationConfiguration",
            "s3:ListAllMyBuckets",
            "s3:ListBucket",
            "s3:ListBucketMultipartUploads",
            "s3:ListBucketVersions",
            "s3:ListMultipartUploadParts",
            "sts:GetCallerIdentity",
            "iam:GetAccessKeyLastUsed",
            "iam:GetRole",
            "iam:ListAccessKeys",
            "iam:ListUsers",
            "kms:DescribeKey",
        ],
    ),
    (Verb::Make, &["iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:ResetServiceSpecificCredential"]),
    (
        Verb::Assume,
        &[
            "sts:AssumeRole",
            "sts:AssumeRoleWithSAML",
            "sts:AssumeRoleWithWebIdentity",
            "sts:GetFederationToken",
            "sts:GetSessionToken",
            "sts:TagSession",
            "sts:SetSourceIdentity",
            "iam:PassRole",
            "s3express:CreateSession",
        ],
    ),
    (
        Verb::Grant,
        &[
            "s3:BypassGovernanceRetention",
            "s3:DeleteBucketPolicy",
            "s3:ObjectOwnerOverrideToBucketOwner",
            "s3:PutBucketAcl",
            "s3:PutBucketOwnershipControls",
            "s3:PutBucketPolicy",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutObjectAcl",
            "s3:PutObjectVersionAcl",
            "iam:AttachRolePolicy",
            "iam:AttachUserPolicy",
            "iam:CreatePolicyVersion",
            "iam:CreateRole",
            "iam:DeleteRolePolicy",
            "iam:PutRolePolicy",
            "iam:PutUserPolicy",
            "iam:UpdateAssumeRolePolicy",
            "kms:CreateGrant",
            "kms:PutKeyPolicy",
        ],
    ),
    (
        Verb::Configure,
        &[
            "s3:CreateBucket",
            "s3:CreateBucketMetadataTableConfiguration",
            "s3:DeleteBucketMetadataTableConfiguration",
            "s3:DeleteBucketWebsite",
            "s3:PutAccelerateConfiguration",
            "s3:PutAnalyticsConfiguration",
            "s3:PutBucketCORS",
            "s3:PutBucketLogging",
            "s3:PutBucketNotification",
            "s3:PutBucketObjectLockConfiguration",
            "s3:PutBucketRequestPayment",
            "s3:PutBucketTagging",
            "s3:PutBucketVersioning",
            "s3:PutBucketWebsite",
            "s3:PutEncryptionConfiguration",
            "s3:PutIntelligentTieringConfiguration",
            "s3:PutInventoryConfiguration",
            "s3:PutLifecycleConfiguration",
            "s3:PutMetricsConfiguration",
            "s3:PutObjectLegalHold",
            "s3:PutObjectRetention",
            "s3:PutObjectTagging",
            "s3:PutObjectVersionTagging",
            "s3:PutReplicationConfiguration",
            "s3-object-lambda:WriteGetObjectResponse",
            "iam:UpdateAccessKey",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(action: &str) -> Policy {
        let document = serde_json::json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": action, "Resource": "*"}]});
        Policy::identity(&document.to_string()).unwrap()
    }

    #[test]
    fn one_verb_alone_is_no_violation() {
        for action in ["s3:GetObject", "s3:PutObject", "iam:CreateAccessKey", "S3:LISTBUCKET", "sts:Assume*"]
        {
            assert_eq!(separation(&[policy(action)]), [], "{action}");
        }
    }

    #[test]
    fn reading_and_writing_together_is_found_even_through_wildcards_and_two_policies() {
        let joined = |policies: &[Policy]| {
            separation(policies).iter().any(|one| matches!(one, Violation::ReadsAndWrites { .. }))
        };
        assert!(joined(&[policy("s3:GetObject"), policy("s3:PutObject")]));
        assert!(joined(&[policy("s3:*Object")]));
        assert!(joined(&[policy("*")]));
        assert!(joined(&[policy("s3:Get*"), policy("iam:CreateAccessKey")]));
        assert!(!joined(&[policy("s3:Put*"), policy("s3:List*")]));
    }

    #[test]
    fn changing_permissions_is_found() {
        assert_eq!(
            separation(&[policy("s3:PutObjectAcl")]),
            [Violation::ChangesPermissions("s3:PutObjectAcl".to_owned())]
        );
        assert!(!separation(&[policy("s3:Put*")]).is_empty());
    }

    #[test]
    fn an_action_that_is_not_in_the_catalogue_is_found() {
        assert_eq!(
            separation(&[policy("s3:Frobnicate")]),
            [Violation::UnknownAction("s3:Frobnicate".to_owned())]
        );
    }

    #[test]
    fn no_action_has_two_classes() {
        let mut seen = BTreeSet::new();
        for action in CATALOGUE.iter().flat_map(|(_, actions)| actions.iter()) {
            assert!(seen.insert(action.to_ascii_lowercase()), "{action}");
        }
    }
}
