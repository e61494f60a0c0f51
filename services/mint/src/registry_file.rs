//! The input of the embedded world: teams, applications, and how the world behaves.

use std::collections::BTreeSet;
use std::path::Path;

use mint_types::{
    AccountId, ApplicationId, Bucket, BucketName, Layout, OutboundUrl, Period, Prefix, Scope, Settings,
    TeamId,
};
use serde::Deserialize;

use crate::Error;
use crate::supported;

/// The registry that a world starts with when nobody gives one.
pub(crate) const EXAMPLE: &str = include_str!("../../../deploy/examples/registry.yaml");

/// A registry file, checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegistryFile {
    #[serde(default)]
    pub(crate) teams: Vec<Team>,
    #[serde(default)]
    pub(crate) applications: Vec<Entry>,
    #[serde(default)]
    pub(crate) world: World,
    /// The applications whose settings say what is not supported yet; nobody enters them.
    #[serde(skip)]
    pub(crate) unsupported: BTreeSet<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Team {
    pub(crate) id: TeamId,
    pub(crate) account_id: AccountId,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) id: ApplicationId,
    pub(crate) team_id: TeamId,
    #[expect(dead_code, reason = "the embedded Kio serves it; here it is only checked to be there")]
    name: String,
    #[serde(default = "yes")]
    #[cfg_attr(not(test), expect(dead_code, reason = "the embedded Kio serves it; here it is only checked"))]
    active: bool,
    #[expect(dead_code, reason = "the embedded Kio serves it; here it is only accepted")]
    subtitle: Option<String>,
    #[expect(dead_code, reason = "the embedded Kio serves it; here it is only accepted")]
    service_url: Option<String>,
    #[serde(default)]
    settings: EntrySettings,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EntrySettings {
    buckets: Vec<BucketEntry>,
    prefix: Prefix,
    #[serde(deserialize_with = "supported::written_layout")]
    layout: Layout,
    scopes: Vec<Scope>,
    redirect_url: Option<String>,
    confidential: bool,
    rotation: Rotation,
}

impl Default for EntrySettings {
    fn default() -> Self {
        Self {
            buckets: Vec::new(),
            prefix: Prefix::default(),
            layout: Layout::default(),
            scopes: Vec::new(),
            redirect_url: None,
            confidential: true,
            rotation: Rotation::default(),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rotation {
    password: Period,
    client: Period,
}

impl Default for Rotation {
    /// COMPAT section 4: the password every 2 h, the client every 30 days.
    fn default() -> Self {
        Self { password: Period::from_seconds(2 * 3600), client: Period::from_seconds(30 * 24 * 3600) }
    }
}

/// A bucket by its name alone, or with where it is.
#[derive(Debug, Clone)]
struct BucketEntry {
    name: BucketName,
    region: Option<String>,
    endpoint: Option<OutboundUrl>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct World {
    refuse_writes: Vec<BucketName>,
    pub(crate) password_grace: Option<Period>,
    buckets: Option<serde_yaml_ng::Value>,
}

fn yes() -> bool {
    true
}

impl<'de> Deserialize<'de> for BucketEntry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Full {
            #[serde(deserialize_with = "supported::written_bucket_name")]
            name: BucketName,
            region: Option<String>,
            endpoint: Option<OutboundUrl>,
        }
        struct Either;
        impl<'de> serde::de::Visitor<'de> for Either {
            type Value = BucketEntry;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a bucket's name, or {name, region, endpoint}")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<BucketEntry, E> {
                let name = supported::bucket_name(name).map_err(E::custom)?;
                Ok(BucketEntry { name, region: None, endpoint: None })
            }
            fn visit_map<M: serde::de::MapAccess<'de>>(self, map: M) -> Result<BucketEntry, M::Error> {
                let full = Full::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(BucketEntry { name: full.name, region: full.region, endpoint: full.endpoint })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl RegistryFile {
    /// Parses and checks a file's text; `file` is only named in the refusal.
    pub(crate) fn parse(text: &str, file: &Path) -> Result<Self, Error> {
        let refuse = |rule: String| Error::Registry { file: file.to_owned(), rule };
        let registry: Self = serde_yaml_ng::from_str(text).map_err(|error| refuse(error.to_string()))?;
        registry.check().map_err(refuse)?;
        Ok(registry)
    }

    fn check(&self) -> Result<(), String> {
        let mut teams = BTreeSet::new();
        for team in &self.teams {
            if !teams.insert(&team.id) {
                return Err(format!("teams: {} is listed twice", team.id));
            }
        }
        let mut applications = BTreeSet::new();
        for entry in &self.applications {
            if !applications.insert(&entry.id) {
                return Err(format!("applications: {} is listed twice", entry.id));
            }
            if !teams.contains(&entry.team_id) {
                return Err(format!(
                    "applications: {}: team_id {} is not one of the teams",
                    entry.id, entry.team_id
                ));
            }
            let settings = self.settings_of(entry, None);
            settings.check().map_err(|invalid| format!("applications: {}: {invalid}", entry.id))?;
        }
        Ok(())
    }

    /// The account of a team.
    pub(crate) fn account_of(&self, team: &TeamId) -> Option<&AccountId> {
        self.teams.iter().find(|known| known.id == *team).map(|known| &known.account_id)
    }

    /// The settings that are entered for an application that has none.
    ///
    /// A bucket without an endpoint is one of the embedded store, given as `store` (endpoint, region).
    pub(crate) fn settings_of(&self, entry: &Entry, store: Option<(&OutboundUrl, &str)>) -> Settings {
        let settings = &entry.settings;
        let bucket = |bucket: &BucketEntry| Bucket {
            name: bucket.name.clone(),
            region: bucket.region.clone().or_else(|| store.map(|(_, region)| region.to_owned())),
            endpoint: bucket.endpoint.clone().or_else(|| store.map(|(endpoint, _)| endpoint.clone())),
            kms_key_id: None,
        };
        Settings {
            buckets: settings.buckets.iter().map(bucket).collect(),
            account_id: self.account_of(&entry.team_id).cloned(),
            prefix: settings.prefix.clone(),
            layout: settings.layout,
            scopes: settings.scopes.clone(),
            redirect_url: settings.redirect_url.clone().filter(|url| !url.is_empty()),
            confidential: settings.confidential,
            password_period: settings.rotation.password,
            client_period: settings.rotation.client,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "
teams: [{id: stups, account_id: '123456789012'}]
applications:
  - id: kio
    team_id: stups
    name: Kio
    settings:
      buckets: [team-stups, {name: team-stups-2, region: eu-west-1}]
      scopes: [uid.read]
      rotation: {password: 20s}
";

    fn refusal(text: &str) -> String {
        let error = RegistryFile::parse(text, Path::new("r.yaml")).unwrap_err();
        assert_eq!(error.exit_code(), 64);
        error.to_string()
    }

    #[test]
    fn the_example_has_thirty_that_can_be_delivered_and_three_that_cannot() {
        let registry = RegistryFile::parse(EXAMPLE, Path::new("example")).unwrap();
        assert_eq!(registry.teams.len(), 6);
        assert_eq!(registry.applications.len(), 33);
        assert_eq!(registry.applications.iter().filter(|entry| !entry.active).count(), 1);
    }

    #[test]
    fn what_is_not_said_has_the_fields_defaults() {
        let registry = RegistryFile::parse(SMALL, Path::new("r.yaml")).unwrap();
        let store: OutboundUrl = "http://127.0.0.1:9".parse().unwrap();
        let settings = registry.settings_of(&registry.applications[0], Some((&store, "eu-central-1")));
        assert!(registry.applications[0].active);
        assert!(settings.confidential);
        assert_eq!(settings.layout, Layout::Split);
        assert_eq!(settings.account_id.unwrap().as_str(), "123456789012");
        assert_eq!(settings.password_period, Period::from_seconds(20));
        assert_eq!(settings.client_period, Period::from_seconds(30 * 24 * 3600));
        let places: Vec<_> = settings
            .buckets
            .iter()
            .map(|bucket| {
                (
                    bucket.name.as_str(),
                    bucket.region.as_deref().unwrap(),
                    bucket.endpoint.as_ref().unwrap().as_str(),
                )
            })
            .collect();
        assert_eq!(
            places,
            [
                ("team-stups", "eu-central-1", "http://127.0.0.1:9"),
                ("team-stups-2", "eu-west-1", "http://127.0.0.1:9")
            ]
        );
    }

    #[test]
    fn an_unknown_key_is_refused_by_its_name() {
        assert!(refusal(&SMALL.replace("scopes:", "scope:")).contains("`scope`"));
        assert!(refusal(&SMALL.replace("teams:", "team:")).contains("`team`"));
        assert!(refusal(&SMALL.replace("region:", "zone:")).contains("`zone`"));
        assert!(refusal(&SMALL.replace("{password:", "{pasword:")).contains("`pasword`"));
        assert!(refusal(&format!("{SMALL}world: {{slow: true}}\n")).contains("`slow`"));
    }

    #[test]
    fn what_is_not_supported_yet_is_refused_by_its_code() {
        for (from, to) in
            [("scopes:", "layout: sealed\n      scopes:"), ("[team-stups,", "['gs://team-stups',")]
        {
            assert!(refusal(&SMALL.replace(from, to)).contains("UNSUPPORTED"), "{to}");
        }
    }

    #[test]
    fn contradictions_are_refused_by_their_name() {
        assert!(refusal(&SMALL.replace("team_id: stups", "team_id: nobody")).contains("nobody"));
        assert!(refusal(&SMALL.replace("id: kio", "id: ../kio")).contains("../kio"));
        assert!(refusal(&SMALL.replace("password: 20s", "password: 1s")).contains("password_period"));
        assert!(refusal(&SMALL.replace("name: Kio", "active: true")).contains("name"));
        let twice =
            SMALL.replace("applications:", "applications:\n  - {id: kio, team_id: stups, name: again}");
        assert!(refusal(&twice).contains("kio is listed twice"));
    }
}
