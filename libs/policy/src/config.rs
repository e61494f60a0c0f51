//! What an administrator says of the accounts: raw as it was written, [`Config`] as it is true.

mod checks;
mod raw;

use std::collections::{BTreeMap, BTreeSet};

use mint_types::{AccountId, ApplicationId, BucketName, Prefix, ServiceName, TeamId};

use crate::Error;
use checks::{SUBJECT, checked, is_role_path, is_subject, refuse};
use raw::{RawConfig, platform, team};

/// What the broker signs its tokens for; COMPAT section 7 has no other.
pub(crate) const BROKER_AUDIENCE: &str = "sts.amazonaws.com";

/// The accounts, checked: every text in it may stand in a policy without meaning more than itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub(crate) partition: Partition,
    pub(crate) role_path: String,
    pub(crate) account_id: AccountId,
    pub(crate) subjects: BTreeMap<ServiceName, String>,
    pub(crate) platform: Platform,
    pub(crate) teams: Vec<Team>,
}

/// A part of AWS with names of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Partition {
    Commercial,
    China,
    UsGov,
}

/// The issuer of the tokens with which Mint's own services and the applications come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Platform {
    /// The issuer without its scheme.
    pub(crate) provider: String,
    pub(crate) audience: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Team {
    pub(crate) id: TeamId,
    pub(crate) account_id: AccountId,
    pub(crate) destinations: Vec<Destination>,
    pub(crate) broker: Option<Broker>,
    pub(crate) applications: Vec<Application>,
}

/// A bucket and what stands in it before an application's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) bucket: BucketName,
    pub(crate) prefix: Prefix,
    pub(crate) key: Option<KmsKey>,
}

/// The key with which a bucket is sealed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KmsKey {
    pub(crate) arn: String,
    pub(crate) region: String,
    pub(crate) id: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broker {
    /// The broker's issuer without its scheme.
    pub(crate) provider: String,
    pub(crate) tag_key: String,
}

/// An application with a reader role of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Application {
    pub(crate) id: ApplicationId,
    pub(crate) reader: Reader,
}

/// Who becomes the reader role of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The platform's token of this subject.
    Subject(String),
    /// The owner's account, who names the external id.
    Account { account_id: AccountId, external_id: String },
}

impl Partition {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Commercial => "aws",
            Self::China => "aws-cn",
            Self::UsGov => "aws-us-gov",
        }
    }

    /// The end of the names of its services.
    pub(crate) fn dns_suffix(self) -> &'static str {
        match self {
            Self::Commercial | Self::UsGov => "amazonaws.com",
            Self::China => "amazonaws.com.cn",
        }
    }

    fn parse(text: &str) -> Result<Self, Error> {
        [Self::Commercial, Self::China, Self::UsGov]
            .into_iter()
            .find(|partition| partition.as_str() == text)
            .ok_or_else(|| refuse("partition", text, "aws, aws-cn or aws-us-gov"))
    }
}

impl Config {
    /// Reads the TOML of an administrator.
    ///
    /// # Errors
    /// [`Error::Toml`] for what is no such TOML (an unknown key is named), [`Error::Value`] for a value that may not stand in
    /// a policy, [`Error::Contradiction`] for parts that do not fit together.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let raw: RawConfig =
            toml::from_str(text).map_err(|error| Error::Toml(error.to_string().trim_end().to_owned()))?;
        let partition = Partition::parse(&raw.partition)?;
        checked("role_path", &raw.role_path, is_role_path, "/, or a path such as /mint/")?;
        let accounts = raw.teams.iter().map(|team| &team.account_id).chain([&raw.mint.account_id]).collect();
        let platform = platform(raw.platform, partition, &accounts)?;
        let mut subjects = BTreeMap::new();
        for (name, subject) in raw.mint.subjects {
            let key = format!("mint.subjects.{name}");
            let service: ServiceName = name
                .parse()
                .map_err(|_| Error::Contradiction(format!("{key}: {name} is no service of Mint")))?;
            checked(&key, &subject, is_subject, SUBJECT)?;
            subjects.insert(service, subject);
        }
        let teams = raw.teams.into_iter().map(|one| team(one, partition)).collect::<Result<Vec<_>, _>>()?;
        let config = Self {
            partition,
            role_path: raw.role_path,
            account_id: raw.mint.account_id,
            subjects,
            platform,
            teams,
        };
        config.check()?;
        Ok(config)
    }

    /// The ARN of a role of Mint.
    pub(crate) fn role_arn(&self, account: &AccountId, name: &str) -> String {
        format!("arn:{}:iam::{account}:role{}{name}", self.partition.as_str(), self.role_path)
    }

    /// The ARN of a managed policy of Mint: a boundary.
    pub(crate) fn policy_arn(&self, account: &AccountId, name: &str) -> String {
        format!("arn:{}:iam::{account}:policy{}{name}", self.partition.as_str(), self.role_path)
    }

    fn check(&self) -> Result<(), Error> {
        let contradiction = |what: String| Err(Error::Contradiction(what));
        let (mut teams, mut accounts, mut owners) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        let mut services: BTreeMap<&str, &ServiceName> = BTreeMap::new();
        for (service, subject) in &self.subjects {
            if let Some(other) = services.insert(subject, service) {
                return contradiction(format!(
                    "mint.subjects: {other} and {service} have one subject: {subject}"
                ));
            }
        }
        for team in &self.teams {
            if !teams.insert(&team.id) {
                return contradiction(format!("teams: {} is listed twice", team.id));
            }
            if let Some(other) = accounts.insert(&team.account_id, &team.id) {
                return contradiction(format!(
                    "teams: {other} and {} have one account, where their roles would have one name; list them as one team",
                    team.id
                ));
            }
            for destination in &team.destinations {
                if let Some(other) = owners.insert(&destination.bucket, &team.id)
                    && other != &team.id
                {
                    return contradiction(format!(
                        "bucket {} is of {other} and of {}",
                        destination.bucket, team.id
                    ));
                }
            }
            for application in &team.applications {
                let Reader::Subject(subject) = &application.reader else { continue };
                if let Some(service) = services.get(subject.as_str()) {
                    return contradiction(format!("{service} would read as {}: {subject}", application.id));
                }
            }
            team.check()?;
        }
        Ok(())
    }
}

impl Team {
    fn check(&self) -> Result<(), Error> {
        let id = &self.id;
        if self.destinations.is_empty() {
            return Err(Error::Contradiction(format!("teams: {id} has no bucket")));
        }
        let mut places = BTreeSet::new();
        let mut keys: BTreeMap<&BucketName, Option<&KmsKey>> = BTreeMap::new();
        for one in &self.destinations {
            if !places.insert((&one.bucket, one.prefix.directory())) {
                return Err(Error::Contradiction(format!(
                    "teams: {id}: bucket {} is listed twice with one prefix",
                    one.bucket
                )));
            }
            if keys.insert(&one.bucket, one.key.as_ref()).is_some_and(|other| other != one.key.as_ref()) {
                return Err(Error::Contradiction(format!(
                    "teams: {id}: bucket {} has two kms_key",
                    one.bucket
                )));
            }
        }
        let (mut names, mut readers) = (BTreeSet::new(), BTreeSet::new());
        for application in &self.applications {
            if !names.insert(&application.id) {
                return Err(Error::Contradiction(format!("teams: {id}: {} is listed twice", application.id)));
            }
            if let Reader::Subject(subject) = &application.reader
                && !readers.insert(subject)
            {
                return Err(Error::Contradiction(format!(
                    "teams: {id}: two applications have one subject: {subject}"
                )));
            }
        }
        Ok(())
    }
}

/// An OIDC provider as IAM names it; `provider` is the issuer without its scheme.
pub(crate) fn provider_arn(partition: Partition, account: &AccountId, provider: &str) -> String {
    format!("arn:{}:iam::{account}:oidc-provider/{provider}", partition.as_str())
}
