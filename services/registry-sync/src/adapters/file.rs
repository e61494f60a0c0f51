//! The driver `file`: a registry in YAML or JSON, watched.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use mint_types::{ApplicationId, Period, Timestamp};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Notify;

use crate::{
    model::{Entry, Listing},
    parse,
    ports::{Source, SourceFault, SourceReason},
    settings::{Defaults, Draft, DraftBucket, Entered, SettingsFault},
};

/// A hundred thousand applications.
const LARGEST: u64 = 64 << 20;

/// A registry in a file.
#[derive(Debug)]
pub struct RegistryFile {
    path: PathBuf,
    defaults: Arc<Defaults>,
    bell: Arc<Notify>,
    /// Rings the bell as long as it lives; without it the file is read by the clock alone.
    _watcher: Option<RecommendedWatcher>,
}

impl RegistryFile {
    /// In this file, which need not exist yet.
    pub fn open(path: &Path, defaults: Arc<Defaults>) -> Self {
        let bell = Arc::new(Notify::new());
        let watcher = watch(path, Arc::clone(&bell));
        if let Err(error) = &watcher {
            tracing::warn!(code = "WATCH_FAILED", %error, "the registry file is read by the clock alone");
        }
        Self { path: path.to_owned(), defaults, bell, _watcher: watcher.ok() }
    }

    async fn content(&self) -> Result<Listing, SourceFault> {
        let unreadable = |error: std::io::Error| {
            SourceFault::new(SourceReason::Unreachable, format!("the file cannot be read: {}", error.kind()))
        };
        let length = tokio::fs::metadata(&self.path).await.map_err(unreadable)?.len();
        if length > LARGEST {
            return Err(malformed(format!("the file has {length} bytes, more than {LARGEST}")));
        }
        let text = tokio::fs::read(&self.path).await.map_err(unreadable)?;
        listing(&text, &self.defaults)
    }
}

/// A file that is replaced by rename is another file: so the directory is watched.
fn watch(path: &Path, bell: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let name = path.file_name().map(std::ffi::OsStr::to_owned);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let concerns_us = event.as_ref().is_ok_and(|event| {
            !event.kind.is_access() && event.paths.iter().any(|path| path.file_name() == name.as_deref())
        });
        if concerns_us {
            bell.notify_one();
        }
    })?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    watcher.watch(directory, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

#[async_trait]
impl Source for RegistryFile {
    fn driver(&self) -> &'static str {
        "file"
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }

    async fn list(&self) -> Result<Listing, SourceFault> {
        self.content().await
    }

    async fn changed_after(&self, _since: Timestamp) -> Result<Option<Listing>, SourceFault> {
        Ok(None)
    }

    async fn read(&self, id: &ApplicationId) -> Result<Option<Entry>, SourceFault> {
        let listing = self.content().await?;
        if let Some(culprit) = listing.malformed.first() {
            return Err(malformed(culprit.detail.clone()));
        }
        Ok(listing.entries.into_iter().find(|entry| entry.id == *id))
    }

    fn bell(&self) -> Arc<Notify> {
        Arc::clone(&self.bell)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    teams: Vec<Team>,
    #[serde(default)]
    applications: Vec<Value>,
    /// Rules of the embedded world; they are not the registry's.
    #[serde(default, rename = "world")]
    _world: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Team {
    id: String,
    account_id: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSettings {
    #[serde(default)]
    buckets: Vec<RawBucket>,
    account_id: Option<Value>,
    prefix: Option<String>,
    layout: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    redirect_url: Option<String>,
    confidential: Option<bool>,
    #[serde(default)]
    rotation: RawRotation,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawBucket {
    Name(String),
    Full(FullBucket),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FullBucket {
    name: String,
    region: Option<String>,
    endpoint: Option<String>,
    kms_key_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRotation {
    password: Option<Period>,
    client: Option<Period>,
}

/// Reads the text of a registry file; JSON is YAML.
pub fn listing(text: &[u8], defaults: &Defaults) -> Result<Listing, SourceFault> {
    if text.trim_ascii().is_empty() {
        return Err(SourceFault::new(SourceReason::Incomplete, "the file is empty"));
    }
    let document: Document = serde_yaml_ng::from_slice(text).map_err(|error| {
        let place = error.location().map(|place| format!(" (line {})", place.line())).unwrap_or_default();
        malformed(format!("the file is not a registry{place}: {error}"))
    })?;
    let accounts: BTreeMap<&str, String> =
        document.teams.iter().map(|team| (team.id.as_str(), digits(&team.account_id))).collect();
    Ok(parse::entries_of(&document.applications, |value, entry| {
        let settings = value.get("settings").filter(|settings| !settings.is_null());
        let account = accounts.get(entry.facts.team_id.as_str());
        let settings = settings.map(|settings| entered(settings, account, defaults));
        Ok(Entry { settings, ..entry })
    }))
}

fn entered(
    settings: &Value,
    team_account: Option<&String>,
    defaults: &Defaults,
) -> Result<Entered, SettingsFault> {
    let raw = RawSettings::deserialize(settings).map_err(|error| SettingsFault {
        field: "settings",
        rule: error.to_string(),
        unsupported: false,
    })?;
    let account_id = raw.account_id.as_ref().map(digits).or_else(|| team_account.cloned());
    let draft = Draft {
        buckets: raw.buckets.into_iter().map(bucket).collect(),
        account_id: account_id.unwrap_or_default(),
        prefix: raw.prefix.unwrap_or_default(),
        layout: raw.layout.unwrap_or_default(),
        scopes: raw.scopes,
        redirect_url: raw.redirect_url.unwrap_or_default(),
        confidential: raw.confidential.unwrap_or(true),
        password_period: raw.rotation.password,
        client_period: raw.rotation.client,
    };
    draft.checked(defaults)
}

fn bucket(raw: RawBucket) -> DraftBucket {
    match raw {
        RawBucket::Name(name) => DraftBucket { name, ..DraftBucket::default() },
        RawBucket::Full(full) => DraftBucket {
            name: full.name,
            region: full.region.unwrap_or_default(),
            endpoint: full.endpoint.unwrap_or_default(),
            kms_key_id: full.kms_key_id.unwrap_or_default(),
        },
    }
}

/// An account id that was written without quotes is a number to YAML, and may have lost its leading zeros.
fn digits(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => format!("{:0>12}", number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => "not digits".to_owned(),
    }
}

fn malformed(detail: String) -> SourceFault {
    SourceFault::new(SourceReason::Malformed, detail)
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
