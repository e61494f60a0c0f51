//! Settings that are written in a file beside a registry that has none, as Kio: what cannot be entered of them is told
//! as a problem of its application. Entering the others is left to whoever wrote the file, who may be an owner.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use async_trait::async_trait;
use mint_types::{ApplicationId, Timestamp};
use tokio::sync::Notify;

use super::file::RegistryFile;
use crate::{
    model::{Entry, Listing},
    ports::{Source, SourceFault},
    settings::{Defaults, SettingsFault},
};

/// A registry, and a file in its own format that proposes settings.
#[derive(Debug)]
pub struct WithSettingsFile {
    registry: Arc<dyn Source>,
    file: RegistryFile,
}

type Refusals = BTreeMap<ApplicationId, SettingsFault>;

impl WithSettingsFile {
    /// The file has the format of the driver `file`; it is read again with every list.
    pub fn new(registry: Arc<dyn Source>, file: &Path, defaults: Arc<Defaults>) -> Self {
        Self { registry, file: RegistryFile::open(file, defaults) }
    }

    /// A file that cannot be read is a fault: without it a problem would be taken for solved.
    async fn refusals(&self) -> Result<Refusals, SourceFault> {
        let written = self.file.list().await.map_err(|fault| SourceFault {
            detail: format!("the settings in {}: {}", self.file.location(), fault.detail),
            ..fault
        })?;
        let refused =
            written.entries.into_iter().filter_map(|entry| Some((entry.id, entry.settings?.err()?)));
        Ok(refused.collect())
    }
}

fn told(entry: Entry, refusals: &Refusals) -> Entry {
    match refusals.get(&entry.id) {
        Some(fault) => Entry { settings: Some(Err(fault.clone())), ..entry },
        None => entry,
    }
}

fn all_told(listing: Listing, refusals: &Refusals) -> Listing {
    let entries = listing.entries.into_iter().map(|entry| told(entry, refusals));
    Listing { entries: entries.collect(), malformed: listing.malformed }
}

#[async_trait]
impl Source for WithSettingsFile {
    fn driver(&self) -> &'static str {
        self.registry.driver()
    }

    fn location(&self) -> String {
        self.registry.location()
    }

    async fn list(&self) -> Result<Listing, SourceFault> {
        let refusals = self.refusals().await?;
        Ok(all_told(self.registry.list().await?, &refusals))
    }

    async fn changed_after(&self, since: Timestamp) -> Result<Option<Listing>, SourceFault> {
        let refusals = self.refusals().await?;
        let changed = self.registry.changed_after(since).await?;
        Ok(changed.map(|listing| all_told(listing, &refusals)))
    }

    async fn read(&self, id: &ApplicationId) -> Result<Option<Entry>, SourceFault> {
        let refusals = self.refusals().await?;
        Ok(self.registry.read(id).await?.map(|entry| told(entry, &refusals)))
    }

    fn bell(&self) -> Arc<Notify> {
        self.registry.bell()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::memory::MemorySource;

    fn entry(id: &str) -> Entry {
        let text = format!("[{{\"id\": \"{id}\", \"team_id\": \"stups\", \"name\": \"x\"}}]");
        crate::parse::list(text.as_bytes()).unwrap().entries.remove(0)
    }

    #[tokio::test]
    async fn settings_that_cannot_be_entered_are_a_problem_of_their_application_and_the_others_are_left_alone()
     {
        let registry = MemorySource::default();
        for id in ["good", "sealed", "google", "unwritten"] {
            registry.put(entry(id));
        }
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("settings.yaml");
        let source = WithSettingsFile::new(Arc::new(registry), &file, Arc::new(Defaults::default()));
        assert!(source.list().await.unwrap_err().to_string().contains("settings.yaml"));

        let text = "teams: [{id: stups, account_id: '123456789012'}]\n\
            applications:\n\
            - {id: good, team_id: stups, name: x, settings: {buckets: [team-a]}}\n\
            - {id: sealed, team_id: stups, name: x, settings: {buckets: [team-a], layout: sealed}}\n\
            - {id: google, team_id: stups, name: x, settings: {buckets: [team-a, 'gs://team-b']}}\n";
        std::fs::write(&file, text).unwrap();
        let reasons = |listing: Listing| -> Vec<(String, Option<&'static str>)> {
            let reason = |entry: Entry| {
                let fault = entry.settings.map(|settings| settings.unwrap_err().reason());
                (entry.id.to_string(), fault)
            };
            listing.entries.into_iter().map(reason).collect()
        };
        let expected = [
            ("good".to_owned(), None),
            ("google".to_owned(), Some("UNSUPPORTED")),
            ("sealed".to_owned(), Some("UNSUPPORTED")),
            ("unwritten".to_owned(), None),
        ];
        assert_eq!(reasons(source.list().await.unwrap()), expected);
        let sealed = source.read(&"sealed".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(sealed.settings.unwrap().unwrap_err().field, "layout");
    }
}
