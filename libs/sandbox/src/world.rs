//! The registry file (`--registry FILE`): which teams, applications and buckets this world has.
//!
//! Unknown keys are refused and named: a misspelt `acount_id` must not quietly become a world without one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mint_types::{AccountId, ApplicationId, BucketName, InvalidId, Layout, Period, TeamId};
use serde::{Deserialize, Serialize};

pub(crate) use bucket::{Bucket, SpareBucket};
pub use invalid::Invalid;

mod bucket;
mod invalid;

/// Everything the registry file says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct World {
    #[serde(default)]
    pub(crate) teams: Vec<Team>,
    #[serde(default)]
    pub(crate) applications: Vec<Application>,
    #[serde(default, rename = "world")]
    pub(crate) rules: Rules,
}

/// A team and the AWS account that owns its buckets and reader roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Team {
    pub(crate) id: String,
    pub(crate) account_id: String,
}

/// An application as the registry knows it, with the settings that `mint up` enters once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Application {
    pub(crate) id: String,
    pub(crate) team_id: String,
    pub(crate) name: String,
    #[serde(default = "yes")]
    pub(crate) active: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subtitle: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service_url: Option<String>,
    #[serde(default)]
    pub(crate) settings: Settings,
}

/// Where an application's credentials go, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    #[serde(default)]
    pub(crate) buckets: Vec<Bucket>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prefix: Option<String>,
    #[serde(default)]
    pub(crate) layout: Layout,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) redirect_url: Option<String>,
    #[serde(default = "yes")]
    pub(crate) confidential: bool,
    #[serde(default)]
    pub(crate) rotation: Rotation,
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
pub(crate) struct Rotation {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<Period>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<Period>,
}

/// How this world behaves, beside what the registry says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rules {
    /// Buckets whose policy denies every write.
    #[serde(default)]
    pub(crate) refuse_writes: BTreeSet<String>,
    /// How long older passwords live on after a commit.
    #[serde(default = "ten_seconds")]
    pub(crate) password_grace: Period,
    /// Buckets that exist although no application names them yet.
    #[serde(default)]
    pub(crate) buckets: Vec<SpareBucket>,
}

/// A bucket of this world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExistingBucket {
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) account_id: String,
    pub(crate) refuses_writes: bool,
}

impl World {
    pub(crate) fn read(path: &Path) -> Result<Self, Invalid> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Invalid::Unreadable { path: path.display().to_string(), source })?;
        Self::parse(&text)
    }

    /// Reads YAML, of which JSON is a part.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let world: Self = serde_yaml_ng::from_str(text)?;
        world.check()?;
        Ok(world)
    }

    /// Refuses what contradicts itself.
    pub(crate) fn check(&self) -> Result<(), Invalid> {
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

    pub(crate) fn application(&self, id: &str) -> Option<&Application> {
        self.applications.iter().find(|application| application.id == id)
    }

    /// The account of the application's team.
    pub(crate) fn account_of(&self, application: &Application) -> Option<&str> {
        let team = self.teams.iter().find(|team| team.id == application.team_id)?;
        Some(&team.account_id)
    }

    /// Every bucket that exists, by name. It belongs to the account of the first application that names it.
    pub(crate) fn buckets(&self, default_region: &str) -> BTreeMap<String, ExistingBucket> {
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
