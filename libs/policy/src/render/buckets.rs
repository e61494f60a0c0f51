//! The policies of a team's buckets and of the keys that seal them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::roles::{TAGGED_READER, reader_role, service_role, via_s3};
use super::template;
use super::{Document, Use, policy};
use crate::Error;
use crate::config::{Config, KmsKey, Team};
use mint_types::ServiceName;

/// One policy for each bucket and for each key of the team.
pub(super) fn of_team(config: &Config, team: &Team) -> Result<Vec<Document>, Error> {
    let mut prefixes: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for destination in &team.destinations {
        prefixes.entry(destination.bucket.as_str()).or_default().insert(destination.prefix.directory());
    }
    let mut documents = Vec::new();
    for (bucket, directories) in prefixes {
        let path = format!("teams/{}/buckets/{bucket}.json", team.id);
        documents.push(Document::new(path, Use::Bucket, bucket_policy(config, bucket, &directories)?));
    }
    let keys: BTreeSet<&KmsKey> = team.destinations.iter().filter_map(|one| one.key.as_ref()).collect();
    for key in keys {
        let path = format!("teams/{}/keys/{}.json", team.id, key.id);
        documents.push(Document::new(path, Use::Key, key_policy(config, team, key)));
    }
    Ok(documents)
}

fn writer_arn(config: &Config) -> String {
    config.role_arn(&config.account_id, &service_role(ServiceName::Distributor.as_str()))
}

/// The distributor lives in Mint's account, so the bucket has to let it in as well; and it may do nothing else there,
/// whatever else is attached to its role one day.
fn bucket_policy(config: &Config, bucket: &str, directories: &BTreeSet<String>) -> Result<Value, Error> {
    let template = template::of_service(ServiceName::Distributor);
    let writer = json!({"AWS": writer_arn(config)});
    let mut statements = Vec::new();
    let mut actions: BTreeSet<String> = BTreeSet::new();
    for directory in directories {
        for mut statement in template.fill(config.partition, &[("bucket", bucket), ("prefix", directory)])? {
            actions.extend(texts(statement.get("Action")));
            statement["Principal"] = writer.clone();
            statements.push(statement);
        }
    }
    let everything = json!([
        format!("arn:{}:s3:::{bucket}", config.partition.as_str()),
        format!("arn:{}:s3:::{bucket}/*", config.partition.as_str()),
    ]);
    statements.push(json!({
        "Sid": "NothingElseForTheWriter",
        "Effect": "Deny",
        "Principal": writer,
        "NotAction": actions,
        "Resource": everything,
    }));
    statements.push(json!({
        "Sid": "OverTlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": everything,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }));
    Ok(policy(statements))
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// What the account's administrators do to a key; none of it opens or seals anything.
const ADMINISTRATION: &[&str] = &[
    "kms:CancelKeyDeletion",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateKeyDescription",
];

/// In the policy of a key the resource `*` is that key. Readers are named one by one: an account named whole would leave it
/// to every administrator of identity policies who opens what.
fn key_policy(config: &Config, team: &Team, key: &KmsKey) -> Value {
    let via = json!({"StringEquals": {"kms:ViaService": via_s3(config, &key.region)}});
    let readers: Vec<String> = team
        .broker
        .iter()
        .map(|_| TAGGED_READER.to_owned())
        .chain(team.applications.iter().map(reader_role))
        .map(|name| config.role_arn(&team.account_id, &name))
        .collect();
    let mut statements = vec![
        json!({
            "Sid": "AccountAdministers",
            "Effect": "Allow",
            "Principal": {"AWS": format!("arn:{}:iam::{}:root", config.partition.as_str(), team.account_id)},
            "Action": ADMINISTRATION,
            "Resource": "*",
        }),
        json!({
            "Sid": "WriterSealsThroughS3",
            "Effect": "Allow",
            "Principal": {"AWS": writer_arn(config)},
            "Action": "kms:GenerateDataKey",
            "Resource": "*",
            "Condition": via,
        }),
    ];
    if !readers.is_empty() {
        statements.push(json!({
            "Sid": "ReadersOpenThroughS3",
            "Effect": "Allow",
            "Principal": {"AWS": readers},
            "Action": "kms:Decrypt",
            "Resource": "*",
            "Condition": via,
        }));
    }
    policy(statements)
}
