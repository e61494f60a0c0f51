//! The registry file (`--registry FILE`): which teams, applications and buckets this world has.
//!
//! Unknown keys are refused and named: a misspelt `acount_id` must not quietly become a world without one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mint_types::{AccountId, ApplicationId, BucketName, InvalidId, Layout, Period, TeamId};
use serde::{Deserialize, Serialize};

pub use bucket::{Bucket, SpareBucket};

mod bucket;

/// Everything the registry file says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    #[serde(default)]
    pub teams: Vec<Team>,
    #[serde(default)]
    pub applications: Vec<Application>,
    #[serde(default, rename = "world")]
    pub rules: Rules,
}

/// A team and the AWS account that owns its buckets and reader roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Team {
    pub id: String,
    pub account_id: String,
}

/// An application as the registry knows it, with the settings that `mint up` enters once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    pub id: String,
    pub team_id: String,
    pub name: String,
    #[serde(default = "yes")]
    pub active: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtitle: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_url: Option<String>,
    #[serde(default)]
    pub settings: Settings,
}

/// Where an application's credentials go, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    #[serde(default)]
    pub buckets: Vec<Bucket>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    #[serde(default)]
    pub layout: Layout,
    #[serde(default)]
    pub scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_url: Option<String>,
    #[serde(default = "yes")]
    pub confidential: bool,
    #[serde(default)]
    pub rotation: Rotation,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            buckets: Vec::new(),
            prefix: None,
            layout: Layout::default(),
            scopes: Vec::new(),
            redirect_url: None,
            confidential: true,
            rotation: Rotation::default(),
        }
    }
}

/// How often credentials are replaced; absent means Mint's own default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Period>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Period>,
}

/// How this world behaves, beside what the registry says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Buckets whose policy denies every write.
    #[serde(default)]
    pub refuse_writes: BTreeSet<String>,
    /// How long older passwords live on after a commit.
    #[serde(default = "ten_seconds")]
    pub password_grace: Period,
    /// Buckets that exist although no application names them yet.
    #[serde(default)]
    pub buckets: Vec<SpareBucket>,
}

/// A bucket of this world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingBucket {
    pub name: String,
    pub region: String,
    pub account_id: String,
    pub refuses_writes: bool,
}

/// Why a registry file cannot be a world.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    #[error("the registry file {path} cannot be read")]
    Unreadable { path: String, source: std::io::Error },
    #[error("the registry file is malformed: {0}")]
    Malformed(#[from] serde_yaml_ng::Error),
    #[error("the registry file has two teams {0:?}")]
    DuplicateTeam(String),
    #[error("the registry file has two applications {0:?}")]
    DuplicateApplication(String),
    #[error("application {application:?} names the team {team:?}, which is not among the teams")]
    UnknownTeam { application: String, team: String },
    #[error("application {application:?}: {problem}")]
    Application { application: String, problem: InvalidId },
    #[error("team {team:?}: {problem} (YAML: put it in quotes)")]
    Team { team: String, problem: InvalidId },
    #[error("world.buckets: {0}")]
    SpareBucket(InvalidId),
}

impl World {
    pub fn read(path: &Path) -> Result<Self, Invalid> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Invalid::Unreadable { path: path.display().to_string(), source })?;
        Self::parse(&text)
    }

    /// Reads YAML, of which JSON is a part.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let world: Self = serde_yaml_ng::from_str(text)?;
        world.check()?;
        Ok(world)
    }

    /// Refuses what contradicts itself.
    pub fn check(&self) -> Result<(), Invalid> {
        let mut teams = BTreeSet::new();
        for team in &self.teams {
            check_team(team)?;
            if !teams.insert(team.id.as_str()) {
                return Err(Invalid::DuplicateTeam(team.id.clone()));
            }
        }
        let mut applications = BTreeSet::new();
        for application in &self.applications {
            check_application(application)?;
            if !teams.contains(application.team_id.as_str()) {
                let (application, team) = (application.id.clone(), application.team_id.clone());
                return Err(Invalid::UnknownTeam { application, team });
            }
            if !applications.insert(application.id.as_str()) {
                return Err(Invalid::DuplicateApplication(application.id.clone()));
            }
        }
        for bucket in &self.rules.buckets {
            parses::<BucketName>(&bucket.name).map_err(Invalid::SpareBucket)?;
            if let Some(account_id) = &bucket.account_id {
                parses::<AccountId>(account_id).map_err(Invalid::SpareBucket)?;
            }
        }
        Ok(())
    }

    pub fn application(&self, id: &str) -> Option<&Application> {
        self.applications.iter().find(|application| application.id == id)
    }

    /// The account of the application's team.
    pub fn account_of(&self, application: &Application) -> Option<&str> {
        let team = self.teams.iter().find(|team| team.id == application.team_id)?;
        Some(&team.account_id)
    }

    /// Every bucket that exists, by name. It belongs to the account of the first application that names it.
    pub fn buckets(&self, default_region: &str) -> BTreeMap<String, ExistingBucket> {
        let mut buckets = BTreeMap::new();
        for application in &self.applications {
            let account_id = self.account_of(application).unwrap_or(SPARE_ACCOUNT);
            for bucket in &application.settings.buckets {
                self.found(
                    &mut buckets,
                    &bucket.name,
                    bucket.region.as_deref().unwrap_or(default_region),
                    account_id,
                );
            }
        }
        for spare in &self.rules.buckets {
            let account_id = spare.account_id.as_deref().unwrap_or_else(|| self.first_account());
            self.found(
                &mut buckets,
                &spare.name,
                spare.region.as_deref().unwrap_or(default_region),
                account_id,
            );
        }
        buckets
    }

    fn found(
        &self,
        buckets: &mut BTreeMap<String, ExistingBucket>,
        name: &str,
        region: &str,
        account_id: &str,
    ) {
        buckets.entry(name.to_owned()).or_insert_with(|| ExistingBucket {
            name: name.to_owned(),
            region: region.to_owned(),
            account_id: account_id.to_owned(),
            refuses_writes: self.rules.refuse_writes.contains(name),
        });
    }

    fn first_account(&self) -> &str {
        self.teams.first().map_or(SPARE_ACCOUNT, |team| &team.account_id)
    }
}

/// Owner of a bucket in a world without teams.
const SPARE_ACCOUNT: &str = "000000000000";

/// A bucket becomes a directory below this world's data, so a name like `..` must never pass.
pub(crate) fn check_application(application: &Application) -> Result<(), Invalid> {
    let refuse = |problem| Invalid::Application { application: application.id.clone(), problem };
    parses::<ApplicationId>(&application.id).map_err(refuse)?;
    for bucket in &application.settings.buckets {
        parses::<BucketName>(&bucket.name).map_err(refuse)?;
    }
    Ok(())
}

fn check_team(team: &Team) -> Result<(), Invalid> {
    let refuse = |problem| Invalid::Team { team: team.id.clone(), problem };
    parses::<TeamId>(&team.id).map_err(refuse)?;
    parses::<AccountId>(&team.account_id).map_err(refuse)
}

fn parses<T: std::str::FromStr<Err = InvalidId>>(text: &str) -> Result<(), InvalidId> {
    text.parse::<T>().map(drop)
}

fn yes() -> bool {
    true
}

fn ten_seconds() -> Period {
    Period::from_seconds(10)
}

impl Default for Rules {
    fn default() -> Self {
        Self { refuse_writes: BTreeSet::new(), password_grace: ten_seconds(), buckets: Vec::new() }
    }
}

#[cfg(test)]
mod tests;
