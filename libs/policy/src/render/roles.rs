//! The roles of Mint's services and of the readers.

use serde_json::{Value, json};

use super::template::{self, Template};
use super::{Document, Use, policy};
use crate::Error;
use crate::config::{Application, Broker, Config, Destination, Reader, Team, provider_arn};
use mint_types::AccountId;

/// The role that sessions with the broker's tag have.
pub(super) const TAGGED_READER: &str = "mint-tagged-reader";

/// The boundary of every reader role of an account.
const READER_BOUNDARY: &str = "mint-reader-boundary";

/// The name of a service's role.
pub(super) fn service_role(service: &str) -> String {
    format!("mint-{service}")
}

/// The name of an application's reader role.
pub(super) fn reader_role(application: &Application) -> String {
    format!("mint-reader-{}", application.id)
}

/// The roles of the services that may do something at AWS.
pub(super) fn of_services(config: &Config) -> Result<Vec<Document>, Error> {
    let mut documents = Vec::new();
    for service in template::SERVICES {
        let template = template::of_service(service);
        let subject = config.subjects.get(&service);
        let subject = match (template.statements()?.is_empty(), subject) {
            (true, None) => continue,
            (true, Some(_)) => {
                return Err(Error::Contradiction(format!(
                    "mint.subjects.{service}: {} grants nothing, so it has no role; take the line out",
                    template.file
                )));
            }
            (false, None) => {
                return Err(Error::Contradiction(format!(
                    "mint.subjects.{service} is missing: {} grants something, and the role trusts nobody else",
                    template.file
                )));
            }
            (false, Some(subject)) => subject,
        };
        let name = service_role(service.as_str());
        let path = |file: &str| format!("mint/{name}/{file}");
        let everywhere: Vec<&Destination> = config.teams.iter().flat_map(|team| &team.destinations).collect();
        let granted = per_destination(config, template, &config.account_id, &everywhere, "")?;
        let sealing = sealing(config, &granted, &everywhere);
        let boundary = format!("{name}-boundary");
        documents.extend([
            Document::new(path("role.json"), Use::Role, role(config, &config.account_id, &name, &boundary)),
            Document::new(
                path("trust.json"),
                Use::Trust,
                platform_trust(config, &config.account_id, subject),
            ),
            Document::new(path("permissions.json"), Use::Permissions, policy(granted.clone())),
            Document::new(
                path("boundary.json"),
                Use::Boundary,
                policy(granted.into_iter().chain(sealing.clone())),
            ),
        ]);
        documents.extend(sealing.map(|one| Document::new(path("kms.json"), Use::Permissions, policy([one]))));
    }
    Ok(documents)
}

/// The reader roles of a team's account, and the boundary of them all.
pub(super) fn of_readers(config: &Config, team: &Team) -> Result<Vec<Document>, Error> {
    let mut documents = Vec::new();
    let directory = format!("teams/{}", team.id);
    let destinations: Vec<&Destination> = team.destinations.iter().collect();
    let opening = opening(config, &destinations);
    let mut add = |name: &str, trust: Value, granted: Vec<Value>| {
        let path = |file: &str| format!("{directory}/{name}/{file}");
        documents.extend([
            Document::new(
                path("role.json"),
                Use::Role,
                role(config, &team.account_id, name, READER_BOUNDARY),
            ),
            Document::new(path("trust.json"), Use::Trust, trust),
            Document::new(path("permissions.json"), Use::Permissions, policy(granted)),
        ]);
        documents.extend(
            opening.clone().map(|one| Document::new(path("kms.json"), Use::Permissions, policy([one]))),
        );
    };
    if let Some(broker) = &team.broker {
        let (trust, granted) = tagged_reader(config, team, broker, &destinations)?;
        add(TAGGED_READER, trust, granted);
    }
    for application in &team.applications {
        let below = format!("{}/", application.id);
        let granted = per_destination(config, template::READER, &team.account_id, &destinations, &below)?;
        add(&reader_role(application), application_trust(config, team, application), granted);
    }
    let boundary = policy(reader_boundary(config, &destinations).into_iter().chain(opening));
    documents.push(Document::new(format!("{directory}/{READER_BOUNDARY}.json"), Use::Boundary, boundary));
    Ok(documents)
}

fn tagged_reader(
    config: &Config,
    team: &Team,
    broker: &Broker,
    destinations: &[&Destination],
) -> Result<(Value, Vec<Value>), Error> {
    let values = [
        ("account", team.account_id.as_str()),
        ("provider", broker.provider.as_str()),
        ("tag-key", broker.tag_key.as_str()),
    ];
    let trust = policy(template::TAGGED_READER_TRUST.fill(config.partition, &values)?);
    let mut granted = Vec::new();
    for destination in destinations {
        let prefix = destination.prefix.directory();
        let values = [
            ("bucket", destination.bucket.as_str()),
            ("prefix", prefix.as_str()),
            ("tag-key", broker.tag_key.as_str()),
        ];
        granted.extend(template::TAGGED_READER.fill(config.partition, &values)?);
    }
    Ok((trust, granted))
}

/// A permission file, filled in once for every destination.
fn per_destination(
    config: &Config,
    template: Template,
    account: &AccountId,
    destinations: &[&Destination],
    below: &str,
) -> Result<Vec<Value>, Error> {
    let mut statements = Vec::new();
    for destination in destinations {
        let prefix = format!("{}{below}", destination.prefix.directory());
        let values = [
            ("bucket", destination.bucket.as_str()),
            ("prefix", prefix.as_str()),
            ("account", account.as_str()),
        ];
        statements.extend(template.fill(config.partition, &values)?);
    }
    Ok(statements)
}

/// This provider, this audience, this one subject.
fn platform_trust(config: &Config, account: &AccountId, subject: &str) -> Value {
    let provider = &config.platform.provider;
    policy([json!({
        "Sid": "PlatformToken",
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn(config.partition, account, provider)},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {
            format!("{provider}:aud"): config.platform.audience,
            format!("{provider}:sub"): subject,
        }},
    })])
}

fn application_trust(config: &Config, team: &Team, application: &Application) -> Value {
    match &application.reader {
        Reader::Subject(subject) => platform_trust(config, &team.account_id, subject),
        Reader::Account { account_id, external_id } => policy([json!({
            "Sid": "OwnersAccount",
            "Effect": "Allow",
            "Principal": {"AWS": format!("arn:{}:iam::{account_id}:root", config.partition.as_str())},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
        })]),
    }
}

/// What `aws iam create-role --cli-input-json` takes; the trust policy is given beside it.
fn role(config: &Config, account: &AccountId, name: &str, boundary: &str) -> Value {
    json!({
        "RoleName": name,
        "Path": config.role_path,
        "PermissionsBoundary": config.policy_arn(account, boundary),
    })
}

/// Whoever reads what is in a bucket that is sealed with a key opens it through S3 alone.
fn opening(config: &Config, destinations: &[&Destination]) -> Option<Value> {
    through_s3(config, "OpenThroughS3", "kms:Decrypt", destinations)
}

/// Whoever writes there needs a key for the data, and cannot open what it sealed. Nothing for who writes nothing.
fn sealing(config: &Config, granted: &[Value], destinations: &[&Destination]) -> Option<Value> {
    let puts =
        |one: &Value| one.get("Action").is_some_and(|action| action.to_string().contains("\"s3:PutObject\""));
    granted
        .iter()
        .any(puts)
        .then(|| through_s3(config, "SealThroughS3", "kms:GenerateDataKey", destinations))?
}

fn through_s3(config: &Config, sid: &str, action: &str, destinations: &[&Destination]) -> Option<Value> {
    let mut keys: Vec<_> = destinations.iter().filter_map(|one| one.key.as_ref()).collect();
    keys.sort();
    keys.dedup();
    let mut regions: Vec<String> = keys.iter().map(|key| via_s3(config, &key.region)).collect();
    regions.sort();
    regions.dedup();
    (!keys.is_empty()).then(|| {
        json!({
            "Sid": sid,
            "Effect": "Allow",
            "Action": action,
            "Resource": keys.iter().map(|key| key.arn.as_str()).collect::<Vec<_>>(),
            "Condition": {"StringEquals": {"kms:ViaService": regions}},
        })
    })
}

/// S3 of a region, as KMS names who asks for somebody.
pub(super) fn via_s3(config: &Config, region: &str) -> String {
    format!("s3.{region}.{}", config.partition.dns_suffix())
}

/// The most that any reader of this account may ever have, whatever its own policy says one day.
fn reader_boundary(config: &Config, destinations: &[&Destination]) -> Vec<Value> {
    let partition = config.partition.as_str();
    let mut statements = Vec::new();
    for Destination { bucket, prefix, .. } in destinations {
        let directory = prefix.directory();
        let mut list = json!({
            "Sid": "ListDirectories",
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": format!("arn:{partition}:s3:::{bucket}"),
        });
        if !directory.is_empty() {
            list["Condition"] = json!({"StringLike": {"s3:prefix": format!("{directory}*")}});
        }
        statements.push(list);
        statements.push(json!({
            "Sid": "ReadDirectories",
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": format!("arn:{partition}:s3:::{bucket}/{directory}*"),
        }));
    }
    statements
}
