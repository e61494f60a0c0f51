//! The configuration as it was written, and its parts as they are true.

use std::collections::{BTreeMap, BTreeSet};

use mint_types::{AccountId, ApplicationId, BucketName, Prefix, TeamId};
use serde::Deserialize;

use super::checks::{
    PROVIDER, PROVIDER_ARN, SUBJECT, checked, is_external_id, is_provider, is_subject, is_tag_key, kms_key,
};
use super::{
    Application, BROKER_AUDIENCE, Broker, Destination, Partition, Platform, Reader, Team, provider_arn,
};
use crate::Error;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    #[serde(default = "default_partition")]
    pub(super) partition: String,
    #[serde(default = "default_role_path")]
    pub(super) role_path: String,
    pub(super) mint: RawMint,
    pub(super) platform: RawPlatform,
    #[serde(default)]
    pub(super) teams: Vec<RawTeam>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMint {
    pub(super) account_id: AccountId,
    /// The subject of each service's token, by the service's name.
    pub(super) subjects: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPlatform {
    pub(super) provider: String,
    pub(super) provider_arn: Option<String>,
    #[serde(default = "default_audience")]
    pub(super) audience: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTeam {
    pub(super) id: TeamId,
    pub(super) account_id: AccountId,
    pub(super) buckets: Vec<RawBucket>,
    pub(super) broker: Option<RawBroker>,
    #[serde(default)]
    pub(super) applications: Vec<RawApplication>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBucket {
    pub(super) name: BucketName,
    #[serde(default)]
    pub(super) prefix: Prefix,
    pub(super) kms_key: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBroker {
    pub(super) provider: String,
    pub(super) provider_arn: Option<String>,
    #[serde(default = "default_tag_key")]
    pub(super) tag_key: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawApplication {
    pub(super) id: ApplicationId,
    pub(super) subject: Option<String>,
    pub(super) owner_account: Option<AccountId>,
    pub(super) external_id: Option<String>,
}

fn default_partition() -> String {
    "aws".to_owned()
}

fn default_role_path() -> String {
    "/mint/".to_owned()
}

fn default_audience() -> String {
    BROKER_AUDIENCE.to_owned()
}

fn default_tag_key() -> String {
    "mint_application".to_owned()
}

pub(super) fn platform(
    raw: RawPlatform,
    partition: Partition,
    accounts: &BTreeSet<&AccountId>,
) -> Result<Platform, Error> {
    checked("platform.provider", &raw.provider, is_provider, PROVIDER)?;
    checked("platform.audience", &raw.audience, is_subject, "an audience of [A-Za-z0-9:/._@+=-]")?;
    if let Some(arn) = &raw.provider_arn {
        let fits = accounts.iter().any(|account| *arn == provider_arn(partition, account, &raw.provider));
        checked("platform.provider_arn", arn, |_| fits, PROVIDER_ARN)?;
    }
    Ok(Platform { provider: raw.provider, audience: raw.audience })
}

pub(super) fn team(raw: RawTeam, partition: Partition) -> Result<Team, Error> {
    let key = |name: &str| format!("teams.{}.{name}", raw.id);
    let mut destinations = Vec::new();
    for bucket in raw.buckets {
        let kms = bucket
            .kms_key
            .map(|arn| kms_key(&key("buckets.kms_key"), arn, partition, &raw.account_id))
            .transpose()?;
        destinations.push(Destination { bucket: bucket.name, prefix: bucket.prefix, key: kms });
    }
    let broker = match raw.broker {
        None => None,
        Some(broker) => {
            checked(&key("broker.provider"), &broker.provider, is_provider, PROVIDER)?;
            checked(&key("broker.tag_key"), &broker.tag_key, is_tag_key, "1 to 128 of [A-Za-z0-9._+@-]")?;
            if let Some(arn) = &broker.provider_arn {
                let fits = *arn == provider_arn(partition, &raw.account_id, &broker.provider);
                checked(&key("broker.provider_arn"), arn, |_| fits, PROVIDER_ARN)?;
            }
            Some(Broker { provider: broker.provider, tag_key: broker.tag_key })
        }
    };
    let mut applications = Vec::new();
    for one in raw.applications {
        let place = |name: &str| key(&format!("applications.{}.{name}", one.id));
        let reader = match (one.subject, one.owner_account, one.external_id) {
            (Some(subject), None, None) => {
                checked(&place("subject"), &subject, is_subject, SUBJECT)?;
                Reader::Subject(subject)
            }
            (None, Some(account_id), Some(external_id)) => {
                checked(
                    &place("external_id"),
                    &external_id,
                    is_external_id,
                    "8 to 1224 of [A-Za-z0-9+=,.@:/_-]",
                )?;
                Reader::Account { account_id, external_id }
            }
            _ => {
                let rule = "it needs either subject, or owner_account and external_id";
                return Err(Error::Contradiction(format!(
                    "{}: {rule}",
                    key(&format!("applications.{}", one.id))
                )));
            }
        };
        applications.push(Application { id: one.id, reader });
    }
    Ok(Team { id: raw.id, account_id: raw.account_id, destinations, broker, applications })
}
